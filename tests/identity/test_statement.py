"""identity.3.3: a new device's statement: its bytes, and everybody who may not make one."""

import hashlib

import pytest

from e2ecall.crypto.sign import Signer
from e2ecall.errors import ApiMisuse, MalformedMessage, PeerMisbehaved, VerificationFailed
from e2ecall.identity.contacts import KEYS_LIMIT, Contacts
from e2ecall.identity.continuity import Happening, Method, Mode, Trust
from e2ecall.identity.statement import STATEMENT_LENGTH, NewDevice, accept_introduction, introduce
from e2ecall.secret import SecretBytes

pytestmark = pytest.mark.clause("identity.3-14")

SMALL_ORDER = bytes([1]) + bytes(31)
CALL = b"call" * 4


def signer(number):
    return Signer(SecretBytes(hashlib.sha256(bytes([number])).digest()))


OLD, NEW, STRANGER = signer(1), signer(2), signer(3)


class Draws:
    def __init__(self):
        self.count = 0

    def draw(self, name, length):
        self.count += 1
        return bytes([self.count]) * length


def statement(old=OLD, new=NEW):
    return accept_introduction(new, old.public, introduce(old, new.public))


@pytest.fixture
def book():
    contacts = Contacts()
    rng = Draws()
    for name in ("Bob", "Carol"):
        contacts.add(name, now=1, rng=rng)
    return contacts


@pytest.fixture
def bob(book):
    slot = book.slot(book.find("Bob").id)
    book.seen(slot, OLD.public, post_quantum=True, now=2)
    return slot


def trust_of(book, slot, key):
    record = book.all[slot.contact].record(key)
    return record and record.trust


def test_the_bytes_and_what_is_signed():
    made = statement()
    data = made.encode()
    assert len(data) == STATEMENT_LENGTH == 192
    assert data[:64] == OLD.public + NEW.public
    assert NewDevice.parse(data) == made
    content = OLD.public + NEW.public
    assert data[64:128] == OLD.sign(b"\0\0\0\x14e2ecall/1 new device" + content)
    assert data[128:] == NEW.sign(b"\0\0\0\x1ce2ecall/1 new device accepts" + content)
    made.check()


@pytest.mark.parametrize("length", [0, 191, 193, 384])
def test_another_length_is_malformed(length):
    with pytest.raises(MalformedMessage):
        NewDevice.parse(bytes(length))


@pytest.mark.parametrize("place", range(192))
def test_any_changed_byte_is_refused(place):
    data = bytearray(statement().encode())
    data[place] ^= 1
    with pytest.raises((VerificationFailed, PeerMisbehaved)):
        NewDevice.parse(bytes(data)).check()


def test_the_two_signatures_are_not_each_others():
    made = statement()
    for forged in (
        NewDevice(made.old, made.new, made.acceptance, made.signature),
        NewDevice(made.new, made.old, made.acceptance, made.signature),  # the new one introduces the old one
        NewDevice(made.new, made.old, made.signature, made.acceptance),
        NewDevice(made.old, made.new, made.signature, made.signature),
    ):
        with pytest.raises(VerificationFailed):
            forged.check()


def test_a_device_does_not_introduce_itself():
    with pytest.raises(ApiMisuse):
        introduce(OLD, OLD.public)
    content = OLD.public * 2
    signatures = (OLD.sign(b"\0\0\0\x14e2ecall/1 new device" + content),)
    signatures += (OLD.sign(b"\0\0\0\x1ce2ecall/1 new device accepts" + content),)
    with pytest.raises(PeerMisbehaved, match="itself"):
        NewDevice(OLD.public, OLD.public, *signatures).check()


def test_a_key_of_small_order_is_refused_on_either_side():
    with pytest.raises(PeerMisbehaved):
        introduce(OLD, SMALL_ORDER)
    with pytest.raises(PeerMisbehaved):
        NewDevice(SMALL_ORDER, NEW.public, bytes(64), bytes(64)).check()
    with pytest.raises(PeerMisbehaved):
        NewDevice(OLD.public, SMALL_ORDER, bytes(64), bytes(64)).check()
    with pytest.raises(ApiMisuse):
        introduce(OLD, b"short")


def test_an_introduction_is_accepted_only_by_the_device_it_is_for():
    with pytest.raises(VerificationFailed):
        accept_introduction(STRANGER, OLD.public, introduce(OLD, NEW.public))


def test_a_new_device_joins_as_seen(book, bob):
    assert book.join_by_statement(bob, statement(), now=5) is Trust.SEEN
    record = book.all[bob.contact].record(NEW.public)
    assert (record.trust, record.held, record.introduced_by, record.first_at) == (Trust.SEEN, True, OLD.public, 5)
    assert book.changes[-1].happening is Happening.INTRODUCED
    judged = book.met(bob, NEW.public, post_quantum=True, mode=Mode.ASK, now=6, rng=Draws())
    assert (judged.trust, judged.blocks, judged.name) == (Trust.SEEN, False, "Bob")
    assert book.join_by_statement(bob, statement(), now=9) is Trust.SEEN  # again: nothing new
    assert book.all[bob.contact].record(NEW.public).first_at == 5


def test_also_a_verified_signer_makes_it_no_more_than_seen(book, bob):
    book.verified(bob, OLD.public, method=Method.EMOJI, call=CALL, post_quantum=True, now=3)
    assert book.join_by_statement(bob, statement(), now=5) is Trust.SEEN
    book.verified(bob, NEW.public, method=Method.EMOJI, call=CALL, post_quantum=True, now=6)
    assert book.join_by_statement(bob, statement(), now=7) is Trust.VERIFIED  # and takes nothing away


def test_a_statement_without_its_signatures_joins_nothing(book, bob):
    forged = NewDevice(OLD.public, NEW.public, bytes(64), statement().acceptance)
    with pytest.raises(VerificationFailed):
        book.join_by_statement(bob, forged, now=5)
    assert trust_of(book, bob, NEW.public) is None


def test_a_stranger_introduces_nobody(book, bob):
    with pytest.raises(VerificationFailed, match="a key that is unknown here"):
        book.join_by_statement(bob, statement(STRANGER), now=5)
    carol = book.slot(book.find("Carol").id)
    with pytest.raises(VerificationFailed, match="a key that is unknown here"):
        book.join_by_statement(carol, statement(), now=5)  # Bob's key speaks for Bob only
    assert trust_of(book, bob, NEW.public) is None
    assert trust_of(book, carol, NEW.public) is None


def test_a_revoked_or_changed_signer_introduces_nobody(book, bob):
    book.mismatch(bob, OLD.public, method=Method.EMOJI, call=CALL, now=3)
    with pytest.raises(VerificationFailed, match="a key that is changed here"):
        book.join_by_statement(bob, statement(), now=5)
    book.revoke(bob, OLD.public, now=6)
    with pytest.raises(VerificationFailed, match="a key that is revoked here"):
        book.join_by_statement(bob, statement(), now=7)
    assert trust_of(book, bob, NEW.public) is None


def test_a_contact_cannot_take_another_contacts_key(book, bob):
    carol = book.slot(book.find("Carol").id)
    book.seen(carol, NEW.public, post_quantum=True, now=3)
    with pytest.raises(VerificationFailed, match="Carol's"):
        book.join_by_statement(bob, statement(), now=5)
    book.revoke(carol, NEW.public, now=6)
    with pytest.raises(VerificationFailed, match="Carol's"):
        book.join_by_statement(bob, statement(), now=7)


@pytest.mark.clause("identity.3-2")
def test_a_key_that_was_refused_before_stays_refused(book, bob):
    book.met(bob, NEW.public, post_quantum=True, mode=Mode.ASK, now=4, rng=Draws())
    assert book.join_by_statement(bob, statement(), now=5) is Trust.CHANGED
    assert trust_of(book, bob, NEW.public) is Trust.CHANGED
    book.revoke(bob, NEW.public, now=6)
    assert book.join_by_statement(bob, statement(), now=7) is Trust.REVOKED


@pytest.mark.clause("identity.3-15")
def test_a_contact_introduces_no_more_than_so_many(book, bob):
    for number in range(10, 10 + KEYS_LIMIT - 1):
        book.join_by_statement(bob, statement(OLD, signer(number)), now=5)
    assert len(book.all[bob.contact].keys) == KEYS_LIMIT
    with pytest.raises(VerificationFailed, match="64 keys at most"):
        book.join_by_statement(bob, statement(OLD, signer(200)), now=6)
    assert book.join_by_statement(bob, statement(OLD, signer(10)), now=7) is Trust.SEEN

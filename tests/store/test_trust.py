"""Two people, two folders: judged, compared once, not asked again; and whoever swaps a key is caught, and noted."""

import threading

import pytest

from e2ecall.call.events import PeerSaid
from e2ecall.call.messages import Receipt, ReceiptMethod
from e2ecall.call.one_to_one import CallEstablished
from e2ecall.call.shown import Shown, Stop
from e2ecall.crypto.rng import SystemRng
from e2ecall.errors import ApiMisuse, VerificationFailed
from e2ecall.handshake import Suite
from e2ecall.identity.continuity import Method, Mode, Trust, Why
from e2ecall.identity.slots import Slot
from e2ecall.sas import emoji
from e2ecall.store.home import Home
from e2ecall.store.trust import TrustBook
from sim import Person, World
from support.parties import SeededRng, signer


class Device:
    """One person's folder, identity and calls."""

    def __init__(self, name, folder, **kw):
        self.name = name
        self.home = Home(folder / name)
        self.home.prepare()
        self.book = TrustBook(self.home, signer(name), rng=SeededRng(name), clock=lambda: 1_700_000_000.0, **kw)

    def entries(self):
        checked = self.book.ledger.check(signer(self.name).public)
        return [entry.fact for entry in checked.entries]

    def only(self):
        (contact,) = self.book.contacts.read().all.values()
        return contact


@pytest.fixture
def devices(tmp_path):
    return Device("alice", tmp_path), Device("bob", tmp_path)


def call(alice, bob, *, slot=None, seed="1", room=None, **kw):
    """One call; the meeting of each side."""
    people = [Person(each.name, seed=f"{each.name} {seed}", **kw) for each in (alice, bob)]
    people[0].dial()
    world = World(*people)
    world.run()
    meetings = []
    for device, person, to in ((alice, people[0], slot), (bob, people[1], None)):
        established = person.all(CallEstablished)[0]
        tries = person.call.openings, person.call.answers
        link = room if device is alice else None
        meetings.append(device.book.meet(established, slot=to, room=link, tries=tries))
    return meetings, people, world


def compare(reader, listener, name=None):
    """The one reads aloud, the other picks what was heard; both directions."""
    for each in (reader, listener):
        if each.verification.stopped is Stop.NOT_LET_IN:
            each.let_in(name)
    for one, other in ((reader, listener), (listener, reader)):
        hearing = other.verification.compare(Method.EMOJI) if not other.verification.outcomes else None
        if hearing is None:
            continue
        if other is reader:
            hearing.own_read()
        row = emoji(one._result.sas)
        rows = hearing.rows()
        hearing.pick(rows.index(row)) if row in rows else hearing.none_of_these()
        other.keep(name)


@pytest.mark.clause("identity.7-1", "identity.7-2")
def test_two_people_compare_once_and_are_not_asked_again(devices):
    alice, bob = devices
    (at_alice, at_bob), _, _ = call(alice, bob)
    for meeting in (at_alice, at_bob):
        assert meeting.verification.shown is Shown.UNVERIFIED
        assert not meeting.verification.media_allowed
        assert meeting.judgement.asks
    compare(at_alice, at_bob, "a friend")
    assert at_alice.verification.shown is at_bob.verification.shown is Shown.VERIFIED_NOW
    for device, other in ((alice, bob), (bob, alice)):
        facts = device.entries()
        assert [(fact.act, fact.outcome) for fact in facts] == [("seen", Trust.SEEN), ("verified", Trust.VERIFIED)]
        assert facts[1].method is Method.EMOJI
        assert facts[1].peer == signer(other.name).public
        assert facts[1].th2 == at_alice._result.th2
        assert facts[1].shown
        assert device.only().name == "a friend"

    (at_alice, at_bob), _, _ = call(alice, bob, seed="2", slot=Slot(alice.only().id))
    for meeting in (at_alice, at_bob):
        assert meeting.verification.shown is Shown.VERIFIED_BEFORE
        assert meeting.verification.media_allowed
    assert len(alice.entries()) == 2


@pytest.mark.clause("identity.3-12", "identity.7-1")
def test_a_mismatch_is_counted_and_the_key_is_changed_from_then_on(devices):
    alice, bob = devices
    (at_alice, _), _, _ = call(alice, bob)
    at_alice.let_in("Bob")
    comparison = at_alice.verification.compare(Method.EMOJI)
    comparison.own_read()
    with pytest.raises(VerificationFailed):
        comparison.none_of_these()
    at_alice.keep()
    at_alice.keep()  # a second time adds nothing
    assert at_alice.verification.stopped is Stop.MISMATCH
    assert [fact.act for fact in alice.entries()] == ["seen", "mismatch"]
    assert len(alice.only().mismatches) == 1
    (again, _), _, _ = call(alice, bob, seed="2", slot=Slot(alice.only().id))
    assert again.verification.shown is Shown.CHANGED
    assert again.judgement.why is Why.MISMATCH
    assert not again.verification.media_allowed


@pytest.mark.clause("identity.3-3", "identity.3-9")
def test_another_key_for_a_contact_blocks_until_the_person_acts(devices, tmp_path):
    alice, bob = devices
    (at_alice, at_bob), _, _ = call(alice, bob)
    compare(at_alice, at_bob, "Bob")
    mallory = Device("mallory", tmp_path)
    slot = Slot(alice.only().id)
    (at_alice, _), _, _ = call(alice, mallory, seed="m", slot=slot)
    assert at_alice.verification.shown is Shown.CHANGED
    assert not at_alice.verification.media_allowed
    at_alice.verification.accept_changed_key()
    at_alice.keep()
    assert at_alice.verification.media_allowed
    assert [fact.act for fact in alice.entries()] == ["seen", "verified", "changed", "accepted"]
    (at_alice, _), _, _ = call(alice, mallory, seed="n", slot=slot)
    assert at_alice.verification.shown is Shown.SEEN  # known, and not verified


@pytest.mark.clause("identity.3-10")
def test_a_contact_that_comes_back_without_post_quantum_keys_is_changed(devices):
    alice, bob = devices
    (at_alice, at_bob), _, _ = call(alice, bob)
    compare(at_alice, at_bob, "Bob")
    (at_alice, _), _, _ = call(alice, bob, seed="2", slot=Slot(alice.only().id), suites=(Suite.X25519,))
    assert at_alice.judgement.why is Why.NOT_POST_QUANTUM_ANY_MORE
    assert at_alice.verification.shown is Shown.CHANGED


@pytest.mark.clause("control.3-5", "identity.7-3")
def test_a_receipt_is_logged_and_changes_nothing(devices):
    alice, bob = devices
    (at_alice, at_bob), (one, other), world = call(alice, bob)
    with pytest.raises(ApiMisuse):
        at_alice.receipt_to_send()
    compare(at_alice, at_bob, "x")
    bobs_view = Device.entries(bob)
    world.pass_time(1)
    one.call.rekey(one.now)
    world.pass_time(3)  # what was compared is of the first epoch, also when it is said in the second
    one.call.send(at_alice.receipt_to_send())
    world.run()
    (said,) = [event.message for event in other.all(PeerSaid) if isinstance(event.message, Receipt)]
    assert (said.method, said.matched) == (ReceiptMethod.EMOJI, True)
    assert not other.refusals
    before = at_bob.verification.shown
    at_bob.receipt(said)
    assert at_bob.verification.shown is before
    assert [fact.act for fact in bob.entries()] == [*(fact.act for fact in bobs_view), "receipt-match"]
    for _ in range(20):  # whoever repeats it fills no disk
        at_bob.receipt(said)
    assert len(bob.entries()) == len(bobs_view) + 1
    for _ in range(20):
        at_bob.receipt(Receipt(ReceiptMethod.EMOJI, matched=False, th2=said.th2))
    assert [fact.act for fact in bob.entries()][-2:] == ["receipt-match", "receipt-mismatch"]
    stranger = Device("carol", bob.home.folder.parent)
    (_, at_carol), _, _ = call(alice, stranger, seed="3")
    at_carol.receipt(Receipt(ReceiptMethod.QR, matched=True, th2=bytes(32)))
    assert at_carol.verification.shown is Shown.UNVERIFIED
    assert not stranger.book.contacts.read().all


def test_accept_new_and_strict(tmp_path):
    alice, bob = Device("alice", tmp_path, mode=Mode.ACCEPT_NEW), Device("bob", tmp_path, mode=Mode.STRICT)
    (at_alice, at_bob), _, _ = call(alice, bob)
    assert at_alice.verification.media_allowed
    assert alice.entries()[0].act == "seen"
    assert at_bob.verification.stopped is Stop.NOT_VERIFIED
    with pytest.raises(ApiMisuse):
        at_bob.let_in()


@pytest.mark.clause("identity.7-2")
def test_what_is_done_outside_a_call_is_no_part_of_the_last_one(devices):
    alice, bob = devices
    (at_alice, at_bob), _, _ = call(alice, bob)
    compare(at_alice, at_bob, "x")
    with alice.book.contacts.transaction() as contacts:
        contacts.revoke(Slot(alice.only().id), signer("bob").public, now=1.0)
    verified, revoked = alice.entries()[-2:]
    assert (verified.act, verified.th2) == ("verified", at_alice._result.th2)
    assert (revoked.act, revoked.th2, revoked.suite, revoked.shown) == ("revoked", None, None, "")


@pytest.mark.clause("identity.7-2")
def test_two_calls_at_once_do_not_take_each_others_place(devices):
    alice, bob = devices
    alice.book.rng = SystemRng()  # two new contacts
    carol = Device("carol", alice.home.folder.parent)
    with_bob, _, _ = call(alice, bob)
    with_carol, _, _ = call(alice, carol)
    threads = [
        threading.Thread(target=each[0].let_in, args=(name,)) for each, name in ((with_bob, "b"), (with_carol, "c"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {fact.peer: fact.th2 for fact in alice.entries()} == {
        signer("bob").public: with_bob[0]._result.th2,
        signer("carol").public: with_carol[0]._result.th2,
    }


@pytest.mark.clause("identity.3-8")
def test_a_link_serves_one_call_and_a_standing_one_its_contact(devices):
    alice, bob = devices
    room = bytes(16)
    (at_alice, _), _, _ = call(alice, bob, room=room)
    assert at_alice.verification.shown in (Shown.UNVERIFIED, Shown.SEEN_BY_LINK)
    assert at_alice.judgement.by_link
    with pytest.raises(VerificationFailed, match="one call"):
        call(alice, bob, room=room, seed="2")
    standing = b"s" * 16
    with alice.book.contacts.transaction() as contacts:
        contacts.keep_link(standing, alice.only().id)
        other = contacts.add("somebody else", now=1.0, rng=SeededRng("x"))
    for seed in "34":
        (at_alice, _), _, _ = call(alice, bob, room=standing, seed=seed)
        assert at_alice.judgement.contact != other.id
    with pytest.raises(ApiMisuse, match="another contact's"):
        call(alice, bob, room=standing, seed="5", slot=Slot(other.id))
    (at_alice, _), _, _ = call(alice, Device("mallory", alice.home.folder.parent), room=standing, seed="6")
    assert at_alice.verification.shown is Shown.CHANGED


@pytest.mark.clause("identity.7-1", "verification.2-5")
def test_what_could_not_be_kept_is_not_let_in(devices):
    alice, bob = devices
    with bob.book.contacts.transaction() as contacts:
        contacts.add("Alice", now=1.0, rng=SeededRng("x"))
    (_, at_bob), _, _ = call(alice, bob)
    with pytest.raises(ApiMisuse, match="has the name"):
        at_bob.let_in("Alice")
    assert not at_bob.verification.media_allowed
    assert bob.entries() == []
    at_bob.let_in("the other Alice")
    assert at_bob.verification.media_allowed
    with pytest.raises(ApiMisuse):
        at_bob.let_in()

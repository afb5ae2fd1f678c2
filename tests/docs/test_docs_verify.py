"""The page of the ceremony: its example holds it between two people, and its tables and odds are what the code has."""

import re
import runpy

import pytest

from e2ecall.call.comparison import ORDER
from e2ecall.call.events import CallEnded, EndReason, PeerSaid
from e2ecall.call.messages import Chat, Receipt, ReceiptMethod
from e2ecall.call.one_to_one import CallEstablished
from e2ecall.call.shown import SIGNS, STOPS, Shown, Stop
from e2ecall.crypto.rng import SystemRng
from e2ecall.errors import ApiMisuse, VerificationFailed
from e2ecall.identity.continuity import Method
from e2ecall.sas import describe, emoji
from e2ecall.store.home import Home as StoreHome
from e2ecall.store.trust import TrustBook
from sim import Person, World
from support.pages import EXAMPLES, ROOT, section, tables
from support.parties import signer

PAGE = (ROOT / "docs/how-to/verify-each-other.md").read_text("utf-8")
PLAIN = " ".join(PAGE.split())
Ceremony = runpy.run_path(str(EXAMPLES / "verify_call.py"))["Ceremony"]


class Home:
    """One person with a store that outlives the calls, and the other one as a contact in it."""

    def __init__(self, folder, name, other):
        self.name, self.other = name, other
        home = StoreHome(folder / name)
        home.prepare()
        self.book = TrustBook(home, signer(name))
        with self.book.contacts.transaction() as contacts:
            self.slot = contacts.slot(contacts.add(other, now=1.0, rng=SystemRng()).id)

    def answer(self, person):
        (established,) = person.all(CallEstablished)
        return Ceremony(person.call, established, self.book, self.slot)

    @property
    def acts(self):
        """What the ledger has, checked."""
        return [entry.fact.act.value for entry in self.book.ledger.check(signer(self.name).public).entries]

    @property
    def contact(self):
        return self.book.contacts.read().find(self.other)


@pytest.fixture
def homes(tmp_path):
    return Home(tmp_path, "alice", "Bob"), Home(tmp_path, "bob", "Alice")


def call(homes, *, callers_seed=None):
    """A call between the two; both have begun the ceremony."""
    alice, bob = Person("alice", callers_seed), Person("bob")
    alice.dial()
    world = World(alice, bob)
    world.run()
    return world, (alice, bob), [home.answer(person) for home, person in zip(homes, (alice, bob), strict=True)]


class Voice:
    """What one side reads aloud, the other side hears."""

    def __init__(self):
        self.heard = None

    def read(self, row):
        self.heard = row

    def pick(self, rows):
        assert len(rows) == 8
        return rows.index(self.heard) if self.heard in rows else None


def refuse(rows):
    """None of these."""
    assert len(rows) == 8


def test_two_people_compare_once_and_are_not_asked_again(homes):
    world, (alice, bob), (at_alice, at_bob) = call(homes)
    for each in (at_alice, at_bob):
        assert each.verification.shown is Shown.UNVERIFIED
        assert not each.verification.media_allowed
        each.meeting.let_in()
        assert each.verification.media_allowed
    voice = Voice()
    read = []
    # The caller reads first and then listens: the callee's whole ceremony is in between, and its pick comes first.
    rows = describe(emoji(bob.all(CallEstablished)[0].result.sas))
    at_bob.compare(read.append, lambda offered: offered.index(rows))
    assert read == [rows]
    voice.heard = read[0]
    at_alice.compare(read.append, voice.pick)
    assert read == [rows, rows]
    world.run()
    for home, each, person in zip(homes, (at_alice, at_bob), (alice, bob), strict=True):
        assert each.verification.shown is Shown.VERIFIED_NOW
        assert [key.trust.value for key in home.contact.keys] == ["verified"]
        said = [event.message for event in person.all(PeerSaid)]
        assert said == [Receipt(ReceiptMethod.EMOJI, True, each.verification.outcome().th2)]
        assert home.acts == ["seen", "verified"]
        with pytest.raises(ApiMisuse):
            each.compare(read.append, voice.pick)
    _, _, again = call(homes, callers_seed="another call")
    for each in again:
        assert each.verification.shown is Shown.VERIFIED_BEFORE
        assert each.verification.media_allowed


def test_a_mismatch_ends_the_call_counts_and_holds_the_next_one(homes):
    world, (alice, bob), (at_alice, at_bob) = call(homes)
    for each in (at_alice, at_bob):
        each.meeting.let_in()
    (established,) = bob.all(CallEstablished)
    keys = established.frame_keys("Alice")
    stream = keys.open_stream("audio", "opus")
    assert stream.protect(b"x")
    with pytest.raises(VerificationFailed):
        at_bob.compare(lambda row: pytest.fail("the callee saw its own row"), refuse)
    with pytest.raises(VerificationFailed):
        stream.protect(b"x")
    with pytest.raises(ApiMisuse):
        bob.call.send(Chat("still there?"))
    world.run()
    assert [(each.reason, each.authenticated) for each in alice.all(CallEnded)] == [(EndReason.HUNG_UP, True)]
    assert at_bob.verification.shown is Shown.MISMATCH
    assert len(homes[1].contact.mismatches) == 1
    assert homes[1].acts == ["seen", "mismatch"]
    assert [key.trust.value for key in homes[0].contact.keys] == ["seen"]  # what Bob says changes nothing at Alice's
    _, _, (at_alice, at_bob) = call(homes, callers_seed="another call")
    assert at_alice.verification.shown is Shown.SEEN
    assert at_bob.verification.shown is Shown.CHANGED
    assert not at_bob.verification.media_allowed
    with pytest.raises(ApiMisuse):
        at_bob.compare(lambda row: None, refuse)  # nothing can be heard while media are held


# -------------------------------------------------------------------------------------------------- the page's tables


def test_what_the_screen_shows_is_what_the_code_shows():
    rows = tables(section(PAGE, "What the screen shows"))[0]
    documented = [(row[0], *re.fullmatch(r"(\S+) `(.+)`", row[1]).groups(), row[2]) for row in rows]
    assert documented == [(shown.value, sign.symbol, sign.ascii, sign.word.say("en")) for shown, sign in SIGNS.items()]
    media = {row[0]: row[3].split(",")[0] for row in rows}
    stopped = {"changed": "held", "mismatch": "stopped", "revoked": "stopped"}
    assert media == {shown.value: stopped.get(shown.value, "yes") for shown in Shown}


def test_every_reason_to_hold_media_is_named():
    rows = tables(section(PAGE, "When media may flow"))[0]
    assert {row[0].strip("`"): row[1] for row in rows} == {each.name: STOPS[each].say("en") for each in Stop}


def test_the_steps_are_those_of_the_code():
    rows = tables(section(PAGE, "The ceremony"))[0]
    assert {row[0]: tuple(re.findall(r"`(\w+)`", row[1])) for row in rows} == {
        f"the {role}": tuple(step.name for step in steps) for role, steps in ORDER.items()
    }


def test_the_odds_are_said_in_the_words_of_the_code(homes):
    _, _, (ceremony, _) = call(homes)
    said = [text.say("en") for method in (Method.EMOJI, Method.DIGITS, Method.WORDS, Method.QR)
            for text in ceremony.verification.odds(method)]  # fmt: skip
    assert len(set(said)) == 6
    for sentence in said:
        assert sentence in PLAIN

"""What the two people of the demonstration do about trust, without their processes; with and without a thief."""

import asyncio
from types import SimpleNamespace

import pytest

from e2ecall.call.events import PeerSaid
from e2ecall.call.messages import Chat
from e2ecall.call.one_to_one import CallEstablished
from e2ecall.demo import ceremony
from e2ecall.demo.ceremony import Ceremony
from e2ecall.demo.settings import Settings
from e2ecall.errors import OutputFailed, StoreCorrupt
from e2ecall.identity.continuity import Trust
from sim import Person, World


@pytest.fixture(autouse=True)
def in_no_time(monkeypatch):
    for name in ("HELLO_SECONDS", "READ_SECONDS"):
        monkeypatch.setattr(ceremony, name, 0.0)
    monkeypatch.setattr(ceremony, "LISTEN_SECONDS", 0.2)


class Voice:
    """A child whose voice the other one hears, and nothing else."""

    def __init__(self, who, folder):
        self.who = who
        self.settings = Settings(out="", people=str(folder))
        self.commands = asyncio.Queue()
        self.told = []
        self.listener = None

    def tell(self, event, **fields):
        self.told.append((event, fields))
        if event == "reads" and self.listener is not None:
            self.listener.commands.put_nowait({"command": "hear", "row": fields["row"]})

    def last(self, event):
        return [fields for name, fields in self.told if name == event][-1]


def two(folder, *, deaf=False):
    """Alice's and Bob's ceremonies, each within earshot of the other."""
    voices = Voice("alice", folder), Voice("bob", folder)
    if not deaf:
        voices[0].listener, voices[1].listener = voices[1], voices[0]
    return [
        (Ceremony(voice, name, peer), voice)
        for voice, name, peer in zip(voices, ("Alice", "Bob"), ("Bob", "Alice"), strict=True)
    ]


def established(one, other, seed="1"):
    people = [Person(name, seed=f"{name} {seed}") for name in (one, other)]
    people[0].dial()
    World(*people).run()
    return [person.all(CallEstablished)[0] for person in people]


def meet(pair, calls):
    for (person, _), call in zip(pair, calls, strict=True):
        person.meet(call, (1, 1))


def compare(pair):
    async def both():
        return await asyncio.gather(*(person.compare() for person, _ in pair))

    return asyncio.run(both())


def shown(pair, event):
    return [voice.last(event)["shown"] for _, voice in pair]


def trusts(person):
    contacts = person._book.contacts.read().all.values()
    return {each.name: sorted(record.trust for record in each.keys) for each in contacts}


def spliced(seed="1"):
    """Somebody in the middle: one exchange with each side."""
    return [established("alice", "mallory", seed)[0], established("mallory", "bob", seed)[1]]


def test_two_who_meet_compare_once_and_are_not_asked_again(tmp_path):
    pair = two(tmp_path)
    meet(pair, established("alice", "bob"))
    assert shown(pair, "met") == ["unverified", "unverified"]
    assert [voice.last("met")["let_in"] for _, voice in pair] == [True, True]
    assert [person.stopped for person, _ in pair] == [None, None]
    assert compare(pair) == [True, True]
    assert shown(pair, "compared") == ["verified-now", "verified-now"]
    for _, voice in pair:
        picks, reads = voice.last("picks"), voice.last("reads")
        assert len(picks["rows"]) == 8
        assert picks["rows"][picks["picked"]] == picks["heard"] == reads["row"]
        assert all(name in reads["row"] for name in reads["names"])
        assert "1 of 12 billion" in " ".join(voice.last("compared")["odds"])
    again = two(tmp_path)
    meet(again, established("alice", "bob", seed="2"))
    assert shown(again, "met") == ["verified-before", "verified-before"]
    assert [voice.last("met")["known"] for _, voice in again] == ["Bob", "Alice"]
    assert compare(again) == [True, True]
    assert {event for _, voice in again for event, _ in voice.told} == {"met"}
    assert [person.receipt() for person, _ in again] == [None, None]


def test_each_keeps_one_device_and_a_ledger_that_holds(tmp_path):
    first, second = two(tmp_path), two(tmp_path)
    for (one, _), (other, _) in zip(first, second, strict=True):
        assert one.device.identity == other.device.identity
    assert first[0][0].device.identity != first[1][0].device.identity
    meet(first, established("alice", "bob"))
    compare(first)
    for person, voice in first:
        person.tell_kept()
        assert voice.last("kept") == {"entries": 2, "contacts": 1}


def test_somebody_in_the_middle_is_heard(tmp_path):
    pair = two(tmp_path)
    meet(pair, spliced())
    assert compare(pair) == [False, False]
    assert shown(pair, "compared") == ["mismatch", "mismatch"]
    for person, voice in pair:
        assert voice.last("compared")["stopped"] == "mismatch"
        assert voice.last("picks")["picked"] is None
        assert person.receipt().matched is False
        assert all(Trust.VERIFIED not in found for found in trusts(person).values())
    assert [voice.last("reads")["row"] for _, voice in pair] == [None, None]


def test_another_key_than_the_verified_one_is_held_at_once(tmp_path):
    pair = two(tmp_path)
    meet(pair, established("alice", "bob"))
    compare(pair)
    attacked = two(tmp_path)
    meet(attacked, spliced())
    (alice, _), (bob, _) = attacked
    assert shown(attacked, "met") == ["changed", "unverified"]
    assert (alice.stopped, bob.stopped) == ("changed", None)
    assert trusts(alice) == {"Bob": [Trust.CHANGED, Trust.VERIFIED]}
    # Bob knows an Alice already: whoever says to be another one gets no name of a friend.
    assert trusts(bob)["Alice"] == [Trust.VERIFIED]
    assert len(trusts(bob)) == 2
    after = two(tmp_path)
    meet(after, established("alice", "bob", seed="3"))
    assert shown(after, "met") == ["verified-before", "verified-before"]


def test_who_hears_nothing_has_compared_nothing(tmp_path):
    pair = two(tmp_path, deaf=True)
    meet(pair, established("alice", "bob"))
    assert compare(pair) == [True, True]
    assert shown(pair, "compared") == ["unverified", "unverified"]
    assert [person.receipt() for person, _ in pair] == [None, None]
    assert trusts(pair[0][0]) == {"Bob": [Trust.SEEN]}


def test_a_receipt_is_told_and_changes_nothing(tmp_path):
    (alice, voice), (bob, _) = pair = two(tmp_path)
    meet(pair, established("alice", "bob"))
    compare(pair)
    lie = bob.receipt()
    lie = type(lie)(lie.method, False, lie.th2)
    alice.take(PeerSaid(lie))
    assert voice.last("receipt") == {"matched": False}
    assert trusts(alice) == {"Bob": [Trust.VERIFIED]}
    told = len(voice.told)
    alice.take(PeerSaid(Chat("hello")))
    assert len(voice.told) == told


def test_what_comes_before_anybody_was_met_is_dropped(tmp_path):
    (alice, voice), _ = two(tmp_path)
    alice.take(PeerSaid(SimpleNamespace()))
    assert voice.told == []


def test_a_folder_that_is_open_to_others_or_damaged_is_refused(tmp_path):
    two(tmp_path)
    (tmp_path / "alice" / "identity.json").write_text("{}")
    with pytest.raises(StoreCorrupt):
        two(tmp_path)
    assert (tmp_path / "alice" / "identity.json").read_text() == "{}"
    (tmp_path / "alice").chmod(0o755)
    with pytest.raises(OutputFailed, match="others have access"):
        two(tmp_path)

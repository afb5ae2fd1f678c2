"""Crossed offers in every order, and old, foreign, reflected, copied and downgraded messages in a new call."""

import pytest

from e2ecall.call.events import EndReason, IncomingCall
from e2ecall.call.one_to_one import CallEstablished
from e2ecall.errors import PeerIncompatible, PeerMisbehaved, VerificationFailed
from e2ecall.handshake import AbortReason, Role, Suite
from sim import Person, World
from support.attempts import ABORT, ANSWER, OFFER, REVEAL, kind, only, tick
from support.parties import signer

# ---------------------------------------------------------------------------------------------------------------- glare


def orders(play):
    """Run `play(choose)` once for every sequence of choices: `choose(n)` gives each of 0..n-1 in one of the runs."""
    prefix = []
    while prefix is not None:
        taken, sizes = [], []

        def choose(size, taken=taken, sizes=sizes, prefix=prefix):
            taken.append(prefix[len(taken)] if len(taken) < len(prefix) else 0)
            sizes.append(size)
            return taken[-1]

        play(choose)
        while taken and taken[-1] + 1 == sizes[-1]:
            taken.pop()
            sizes.pop()
        prefix = [*taken[:-1], taken[-1] + 1] if taken else None


@pytest.mark.clause("kex.9-3", "kex.5-1")
@pytest.mark.parametrize("seed", ["one", "other"])
def test_crossed_offers_in_every_order_of_deliveries(seed):
    """Both dial before anything arrives; then each order in which the network can bring what is under way."""
    runs, callers = [], set()

    def play(choose):
        alice, bob = (Person(name, f"{name} {seed}", suites=[Suite.X25519]) for name in ("alice", "bob"))
        alice.dial()
        bob.dial()
        wire = []
        for _ in range(20):
            for sender, receiver in ((alice, bob), (bob, alice)):
                wire += [(receiver, data) for data in sender.send()]
            if not wire:
                break
            receiver, data = wire.pop(choose(len(wire)))
            receiver.take(data)
        assert alice.result.sas == bob.result.sas
        late = {"an offer while another attempt is under way"}  # the loser's, once the winner's was answered
        assert {error.message for error in alice.refusals + bob.refusals} <= late
        established = [person.all(CallEstablished) for person in (alice, bob)]
        assert [len(each) for each in established] == [1, 1]
        roles = [each[0].role for each in established]
        assert set(roles) == set(Role)
        assert alice.call.openings + bob.call.openings == 1  # the loser never opens
        callers.add(roles[0])
        runs.append(1)

    orders(play)
    assert len(runs) > 3
    assert len(callers) == 1  # the hashes decide, the network does not


@pytest.mark.clause("kex.9-3")
def test_an_answer_and_a_crossed_offer_that_comes_after_it():
    """The offer with the smaller hash stands even when the other one comes late, and is answered once."""
    for seed in ("one", "other", "third", "fourth"):
        alice, bob = Person("alice", f"alice {seed}"), Person("bob", f"bob {seed}")
        alice.dial()
        bob.dial()
        (hers,), (his,) = alice.send(), bob.send()
        bob.take(hers)
        answers = bob.send()
        alice.take(his)
        alice.take(his)
        for data in answers:
            alice.take(data)
        World(alice, bob).run()
        assert alice.result.sas == bob.result.sas


# -------------------------------------------------------------------------- old, foreign, reflected, copied, downgraded


def finished_call(seed):
    """The four messages of a whole call."""
    alice, bob = Person("alice", f"alice {seed}"), Person("bob", f"bob {seed}")
    alice.dial()
    world = World(alice, bob)
    world.run()
    assert alice.result
    return world.transcript[:4]


@pytest.mark.clause("kex.5-1", "kex.7-5", "kex.6-5", "kex.9-1")
def test_a_whole_old_call_replayed_at_the_callee_is_one_refused_attempt():
    """The opening is the right one for the old offer; the proof under fresh keys it is not."""
    old = finished_call("yesterday")
    bob = Person("bob", "bob today")
    bob.take(old[0])
    assert [kind(data) for data in bob.send()] == [ANSWER]
    bob.take(old[2])
    assert [type(error) for error in bob.refusals] == [VerificationFailed]
    assert not bob.all(IncomingCall)
    assert bob.send() == []
    alice = Person("alice", "alice today")
    alice.dial()
    World(alice, bob).run()
    assert alice.result.sas == bob.result.sas
    assert bob.call.answers == 2


@pytest.mark.clause("kex.2-3", "kex.5-2", "kex.7-5")
@pytest.mark.parametrize("number", range(4))
def test_messages_of_an_old_call_in_a_new_one(number):
    old = finished_call("yesterday")[number]
    alice, bob = Person("alice", "alice today"), Person("bob", "bob today")
    alice.dial()
    (m1,) = alice.send()
    bob.take(m1)
    bob.take(old)
    if number == 2:  # it spends bob's answer, and no call comes of it
        assert not bob.all(IncomingCall)
        assert bob.refusals
        return
    (m2, *more) = bob.send()
    assert more == []
    alice.take(old)
    alice.take(m2)
    (m3, *more) = only(alice.send(), REVEAL)
    assert more == []
    bob.take(m3)
    assert bob.result
    if number == 3:
        alice.take(old)
        assert alice.result is None
        assert [event.reason for event in alice.ended] == [EndReason.REFUSED]
        return
    alice.take(bob.send()[0])
    assert alice.result.sas == bob.result.sas
    assert alice.call.openings == 1


def without_suite_1(m1):
    """m1 with the better of its two suites taken out of the list, and the key for it: what a downgrade looks like."""
    assert m1[19:24] == bytes([2, 0, 1, 0, 2])
    rest = m1[24:]
    return m1[:19] + bytes([1, 0, 2]) + rest[:32] + bytes(2) + rest[32 + 2 + 1184 :]


@pytest.mark.clause("kex.3-1", "kex.6-3", "kex.5-2")
@pytest.mark.parametrize("middle", ["suites", "suite", "order"])
def test_a_downgrade_by_the_middle_ends_in_a_refusal_on_both_sides(middle):
    def tamper(_, data):
        if kind(data) == OFFER and middle == "suites":
            return [without_suite_1(data)]
        if kind(data) == OFFER and middle == "order":
            return [data[:20] + bytes([0, 2, 0, 1]) + data[24:]]
        if kind(data) == ANSWER and middle == "suite":
            return [data[:19] + bytes([0, 2]) + data[21:53] + bytes(2) + data[53 + 2 + 1088 :]]
        return [data]

    both = [Suite.X25519_MLKEM768, Suite.X25519]
    alice, bob = Person("alice", suites=both), Person("bob", suites=both)
    alice.dial()
    World(alice, bob, tamper=tamper).run()
    assert alice.result is bob.result is None
    assert [type(error) for error in bob.refusals] == [VerificationFailed]
    tick(alice, 80)
    assert [event.reason for event in alice.ended] == [EndReason.NO_PROOF]


@pytest.mark.clause("kex.2-1", "kex.2-7")
def test_another_version_is_refused_and_the_caller_gets_a_hint():
    alice, bob = Person("alice"), Person("bob")
    alice.dial()
    (m1,) = alice.send()
    bob.take(m1[:1] + b"\2" + m1[2:])
    assert [type(error) for error in bob.refusals] == [PeerIncompatible]
    (abort,) = bob.send()
    assert (kind(abort), abort[-1]) == (ABORT, AbortReason.INCOMPATIBLE)
    alice.take(abort)
    assert [event.reason for event in alice.ended] == [EndReason.ABORTED]


@pytest.mark.clause("kex.7-4")
def test_two_sessions_of_one_identity_do_not_finish_with_each_other():
    one, other = Person("alice", "one tab"), Person("alice", "other tab")
    one.dial()
    World(one, other).run()
    assert one.result is other.result is None
    assert [error.clause for error in other.refusals] == ["kex.7-4"]


@pytest.mark.clause("kex.5-1", "kex.5-2")
def test_an_offer_copied_to_two_people_is_opened_to_one():
    alice, bob, carol = Person("alice"), Person("bob"), Person("carol")
    alice.dial()
    (m1,) = alice.send()
    bob.take(m1)
    carol.take(m1)
    alice.take(*carol.send())
    (m3,) = alice.send()
    alice.take(*bob.send())
    assert alice.send() == []
    assert alice.call.openings == 1
    bob.take(m3)
    assert not bob.all(IncomingCall)
    carol.take(m3)
    alice.take(carol.send()[0])
    assert alice.result.peer_identity == signer("carol").public


@pytest.mark.clause("kex.2-3", "kex.5-2")
def test_answers_swapped_between_two_calls_are_refused_and_spend_nothing():
    pairs = [(Person("alice", f"a{n}"), Person("bob", f"b{n}")) for n in range(2)]
    answers = []
    for alice, bob in pairs:
        alice.dial()
        bob.take(*alice.send())
        answers += bob.send()
    for (alice, bob), wrong, right in zip(pairs, answers[::-1], answers, strict=True):
        alice.take(wrong)
        assert [type(error) for error in alice.refusals] == [PeerMisbehaved]
        assert alice.send() == []
        alice.take(right)
        World(alice, bob).run()
        assert alice.result.sas == bob.result.sas


@pytest.mark.clause("kex.2-6")
def test_each_sides_own_messages_reflected_at_it():
    def tamper(sender, data):
        before = sender.result
        sender.take(data)
        assert sender.result is before
        return [data]

    alice, bob = Person("alice"), Person("bob")
    alice.dial()
    World(alice, bob, tamper=tamper).run()
    assert alice.result.sas == bob.result.sas

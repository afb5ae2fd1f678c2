"""The exchange of one call in time: what is repeated, what is over when, and how many guesses anybody gets."""

import pytest

from e2ecall.call.attempt import OFFERS_PER_RING, REDIALS, Attempt, Limits
from e2ecall.call.events import AttemptAbandoned, CallEnded, EndReason, IncomingCall
from e2ecall.call.policy import SessionPolicy
from e2ecall.errors import ApiMisuse, PeerMisbehaved
from e2ecall.handshake import AbortReason, Profile, Suite
from sim import Person, Simulation, Weather, World, in_a_call
from support.attempts import ABORT, FINISH, OFFER, REVEAL, exchanged, forged, kind, only, tick
from support.parties import SeededRng, signer

# ------------------------------------------------------------------------------------------------ repetition and time


@pytest.mark.clause("kex.9-5", "kex.6-5")
def test_what_is_out_is_repeated_each_second_byte_for_byte():
    alice, bob = Person("alice"), Person("bob")
    alice.dial()
    (m1,) = alice.send()
    assert [tick(alice, 1.0) for _ in range(3)] == [[m1]] * 3
    assert tick(alice, 0.5) == []
    bob.take(m1)
    (m2,) = bob.send()
    assert tick(bob, 5.0) == []  # an answer is repeated when the offer is, not by itself
    bob.take(m1)
    assert bob.send() == [m2]
    alice.take(m2)
    (m3,) = alice.send()
    assert [tick(alice, 1.0) for _ in range(3)] == [[m3]] * 3
    alice.take(m2)
    assert alice.send() == [m3]
    bob.take(m3)
    (m4, *_) = bob.send()
    assert kind(m4) == FINISH
    bob.take(m3)
    assert only(bob.send(), FINISH) == [m4]
    alice.take(m4)
    assert alice.result
    assert only(tick(alice, 1.0), REVEAL) == []
    assert alice.call.openings == 1
    assert bob.call.answers == 1


@pytest.mark.clause("kex.9-5")
def test_the_acceptance_is_not_repeated_once_the_caller_has_shown_that_it_has_the_keys():
    alice, bob = Person("alice"), Person("bob")
    _, _, m3 = exchanged(alice, bob)
    bob.take(m3)
    (m4, *_) = bob.send()
    alice.take(m4)
    for record in tick(alice, 0.1):
        bob.take(record)
    bob.take(m3)
    assert only(bob.send(), FINISH) == []
    assert bob.refusals == []


@pytest.mark.clause("kex.9-4")
@pytest.mark.parametrize("bad", [{"answer": 0}, {"proof": -1.0}, {"ring": 0.0}])
def test_limits_are_above_0(bad):
    with pytest.raises(ApiMisuse) as caught:
        Limits(**bad)
    assert caught.value.clause == "kex.9-4"
    assert Limits() == Limits(answer=30.0, proof=15.0, ring=60.0)


@pytest.mark.clause("kex.9-4")
def test_an_offer_that_nobody_answers():
    alice = Person("alice", limits=Limits(answer=4))
    alice.dial()
    tick(alice, 3.9)
    assert not alice.ended
    last = tick(alice, 0.2)
    assert [kind(data) for data in last] == [ABORT]
    assert [(event.reason, event.authenticated) for event in alice.ended] == [(EndReason.NO_ANSWER, False)]
    assert alice.all(AttemptAbandoned) == []
    assert alice.call.next_timer(alice.now) is None


@pytest.mark.clause("kex.9-4", "kex.9-1")
def test_a_half_open_answer_times_out_counts_and_is_told():
    alice, bob = Person("alice"), Person("bob")
    m1, _, m3 = exchanged(alice, bob)
    for _ in range(20):  # its repetitions do not keep it open
        bob.take(m1)
        tick(bob, 0.7)
    assert bob.all(AttemptAbandoned) == []
    tick(bob, 1.1)
    (told,) = bob.all(AttemptAbandoned)
    assert (told.reason, told.openings, told.answers) == (EndReason.NO_PROOF, 0, 1)
    assert not bob.ended
    bob.take(m3)
    assert isinstance(bob.refusals[-1], PeerMisbehaved)
    bob.take(m1)
    assert bob.send() == []
    assert bob.refusals[-1].clause == "kex.6-5"
    carol = Person("carol")  # and the ring goes on for another
    World(bob, carol).run()
    carol.dial()
    World(bob, carol).run()
    assert bob.result.sas == carol.result.sas
    assert bob.call.answers == 2


@pytest.mark.clause("kex.9-1", "kex.9-4")
def test_three_half_open_answers_are_all_that_a_ring_gives():
    bob = Person("bob")
    for number in range(5):
        caller = Person("alice", seed=f"grinding {number}")
        caller.dial()
        bob.take(*caller.send())
        answers = bob.send()
        assert len(answers) == (number < OFFERS_PER_RING)
        tick(bob, 15.1)
    assert bob.call.answers == OFFERS_PER_RING == 3
    assert [event.answers for event in bob.all(AttemptAbandoned)] == [1, 2, 3]
    assert [error.clause for error in bob.refusals] == ["kex.9-1", "kex.9-1"]


@pytest.mark.clause("kex.9-4")
def test_a_call_that_nobody_takes_and_what_the_caller_learns():
    alice, bob = Person("alice"), Person("bob", answers=False)
    m1, _, m3 = exchanged(alice, bob)
    bob.take(m3)
    for repeated in (m1, m3, m1):  # while it rings, and nobody has decided: no message answers them, and none is told
        bob.take(repeated)
        assert (bob.send(), bob.refusals) == ([], [])
    tick(bob, 59.9)
    assert not bob.ended
    (abort,) = tick(bob, 0.2)
    assert [event.reason for event in bob.ended] == [EndReason.NO_ANSWER]
    assert bob.all(AttemptAbandoned) == []
    tick(alice, 60.0)
    assert not alice.ended
    alice.take(abort)
    assert [(event.reason, event.authenticated) for event in alice.ended] == [(EndReason.ABORTED, False)]


@pytest.mark.clause("kex.9-4")
def test_an_answer_without_a_proof_ends_the_callers_attempt_and_counts():
    alice, bob = Person("alice"), Person("bob")
    exchanged(alice, bob)
    tick(alice, 74.9)
    assert not alice.ended
    tick(alice, 0.2)
    (told,) = alice.all(AttemptAbandoned)
    assert (told.reason, told.openings, told.answers) == (EndReason.NO_PROOF, 1, 0)
    assert [event.message for event in alice.ended] == ["no proof from the other side"]
    assert alice.call.refused == 0


@pytest.mark.clause("kex.9-4")
def test_every_end_reason_is_reached():
    reached = set()

    def note(person):
        reached.update(event.reason for event in person.all(CallEnded))

    alice, bob, sim = in_a_call(suites=[Suite.X25519])
    sim.do(bob, bob.call.end)
    sim.run(sim.now + 1)
    note(alice)
    alice, bob, sim = in_a_call(suites=[Suite.X25519], policy=SessionPolicy(lost_after=20))
    sim.weather = Weather(loss=1.0)
    sim.run(sim.now + 30)
    note(alice)
    for reason in (AbortReason.DECLINED, None, FINISH):
        alice, bob = Person("alice"), Person("bob", answers=False)
        _, _, m3 = exchanged(alice, bob)
        bob.take(m3)
        if reason is None:
            tick(alice, 80)
        elif reason is FINISH:
            bob.handle(bob.call.accept(0.0))
            alice.take(forged(bob.send()[0]))
        else:
            bob.call.end(reason)
            alice.take(*bob.send())
        note(alice)
    alice = Person("alice")
    alice.dial()
    tick(alice, 31)
    note(alice)
    alice, _, _ = in_a_call(suites=[Suite.X25519])
    alice.handle(alice.call.stop("the emoji differ"))
    note(alice)
    assert reached == set(EndReason)


# ------------------------------------------------------------------------------------------------------------- redials


class FreshRng:
    """Each draw is another one, as in life; a SeededRng repeats itself for the same name."""

    def __init__(self, seed):
        self.seed = seed
        self.draws = 0

    def draw(self, name, length):
        self.draws += 1
        return SeededRng(f"{self.seed} {self.draws}").draw(name, length)


def redialling(redials):
    alice = Person("alice", redials=redials)
    alice.call._attempt._rng = FreshRng("alice")
    return alice


@pytest.mark.clause("kex.9-2")
@pytest.mark.parametrize("redials", range(REDIALS + 1))
def test_a_refused_proof_calls_again_as_often_as_allowed_each_time_afresh(redials):
    alice = redialling(redials)
    alice.dial()
    seen = set()
    for number in range(redials + 1):
        bob = Person("bob", seed=f"bob {number}")
        (m1,) = only(alice.send(), OFFER)
        assert m1[3:19] not in seen  # a call id of its own, and so a commitment of its own
        seen.add(m1[3:19])
        bob.take(m1)
        (m2,) = bob.send()
        alice.take(m2)
        (m3,) = only(alice.send(), REVEAL)
        bob.take(m3)
        assert alice.call.openings == number + 1
        assert len(alice.ended) == 0
        alice.take(forged(bob.send()[0]))
    assert [(event.reason, event.openings) for event in alice.all(AttemptAbandoned)] == [
        (EndReason.REFUSED, number + 1) for number in range(redials)
    ]
    assert [event.reason for event in alice.ended] == [EndReason.REFUSED]
    assert alice.call.openings == redials + 1 <= 4
    assert only(alice.send(), OFFER) == []


@pytest.mark.clause("kex.9-2")
@pytest.mark.parametrize("redials", [-1, REDIALS + 1])
def test_more_redials_than_three_are_misuse(redials):
    with pytest.raises(ApiMisuse) as caught:
        Person("alice", redials=redials)
    assert caught.value.clause == "kex.9-2"


@pytest.mark.clause("kex.9-2", "kex.5-1")
def test_after_a_redial_nothing_of_the_first_attempt_counts():
    alice, bob = redialling(1), Person("bob")
    m1, m2, m3 = exchanged(alice, bob)
    bob.take(m3)
    m4 = bob.send()[0]
    alice.take(forged(m4))
    (again,) = only(alice.send(), OFFER)
    assert again != m1
    for old in (m2, m4, m1):
        alice.take(old)
        assert only(alice.send(), REVEAL) == []
        assert alice.result is None
    fresh = Person("bob", seed="another try")
    fresh.take(again)
    alice.take(*fresh.send())
    fresh.take(*only(alice.send(), REVEAL))
    alice.take(fresh.send()[0])
    assert alice.result.sas == fresh.result.sas


def test_an_attempt_by_itself_says_what_it_is_doing():
    attempt = Attempt(signer("alice"), SeededRng("a"), Profile(name="Alice"))
    assert (attempt.call_id, attempt.next_timer, attempt.answers, attempt.openings) == (None, None, 0, 0)
    attempt.call(10.0)
    assert len(attempt.call_id) == 16
    assert attempt.next_timer == 11.0
    attempt.abandon(None)
    assert (attempt.over, attempt.next_timer, attempt.call_id) == (True, None, None)
    assert attempt.handle_timer(1e9) == []


def test_a_lossy_ring_that_is_taken_late():
    sim = Simulation(Person("alice"), Person("bob", answers=False), weather=Weather(loss=0.5, repeat=0.5), seed=4)
    alice, bob = sim.people
    sim.do(alice, alice.dial)
    assert sim.run(30, lambda: bool(bob.all(IncomingCall)))
    sim.run(sim.now + 40)
    assert not alice.ended
    bob.answers = True
    sim.do(bob, lambda: bob.handle(bob.call.accept(bob.now)))
    assert sim.run(sim.now + 20, lambda: sim.agree)
    assert alice.result.sas == bob.result.sas

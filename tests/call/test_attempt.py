"""The exchange of one call in time: what is repeated, what is over when, how many guesses anybody gets, and glare."""

import pytest

from e2ecall.call.attempt import OFFERS_PER_RING, REDIALS, Attempt, Limits
from e2ecall.call.events import AttemptAbandoned, CallEnded, EndReason, IncomingCall
from e2ecall.call.one_to_one import CallEstablished
from e2ecall.call.session import SessionPolicy
from e2ecall.errors import ApiMisuse, PeerIncompatible, PeerMisbehaved, VerificationFailed
from e2ecall.handshake import AbortReason, Profile, Role, Suite
from sim import Person, Simulation, Weather, World, in_a_call
from support.parties import SeededRng, signer

OFFER, ANSWER, REVEAL, FINISH, ABORT = range(1, 6)


def kind(data):
    """The type of an exchange message in its envelope, 0 for a record."""
    return data[2] if data[0] == 1 else 0


def forged(data):
    return data[:-1] + bytes([data[-1] ^ 1])


def only(messages, wanted):
    return [data for data in messages if kind(data) == wanted]


def tick(person, seconds):
    person.now += seconds
    person.tick()
    return person.send()


def exchanged(alice, bob):
    """m1, m2, m3 of these two, m3 not delivered yet."""
    alice.dial()
    (m1,) = alice.send()
    bob.take(m1)
    (m2,) = bob.send()
    alice.take(m2)
    (m3,) = alice.send()
    return m1, m2, m3


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

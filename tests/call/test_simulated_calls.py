"""Whole calls over bad networks: each ends agreed or with a typed reason; no nonce twice, nothing in the clear.

Ten thousand of them under E2ECALL_SLOW=1, some hundreds otherwise; and a network that Hypothesis plays against two
sessions, step by step.
"""

import os
from collections import Counter
from functools import partial

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from e2ecall.call.events import AttemptAbandoned, CallEnded, EndReason, IncomingCall, MessageRefused
from e2ecall.call.messages import Chat
from e2ecall.call.policy import SessionPolicy
from e2ecall.errors import E2ECallError
from e2ecall.handshake import AbortReason, Profile, Suite
from e2ecall.sframe import sender
from e2ecall.sframe.send_keys import SendKeys
from sim import MARKER, Person, Simulation, Weather, in_a_call, watch_nonces
from support.parties import link_secret

CALLS = 10_000 if os.environ.get("E2ECALL_SLOW") else 240
CHUNKS = 8
HEAL_AT = 24.0


def planned(seed):
    """One call as its seed wants it: people, weather, what they do and when; with the events already on its line."""
    sim = Simulation(*people(seed), seed=seed)
    chance = sim.chance
    cuts = sorted(chance.uniform(0, HEAL_AT - 2) for _ in range(chance.randrange(4)))
    loss = chance.choice((0.0, 0.1, 0.3, 0.3))
    repeat, late = chance.choice((0.0, 0.1, 0.3)), chance.choice((0.05, 0.4, 0.95))
    sim.weather = Weather(loss, repeat, (0.01, late), tuple((at, at + 2.0) for at in cuts))
    sim.clocks = {person.name: (chance.uniform(0, 1e6), chance.uniform(0.95, 1.05)) for person in sim.people}
    sim.frame_weather = sim.weather
    sim._set_clocks()
    alice, bob = sim.people
    sim.at(0.0, partial(sim.do, alice, alice.dial))
    if chance.random() < 0.2:
        sim.at(chance.uniform(0, 0.5), partial(sim.do, bob, partial(dial_too, bob)))
    for person in sim.people:
        if chance.random() < 0.3:
            person.answers = False
            sim.at(chance.uniform(0.5, 20), partial(pick_up, sim, person))
        for _ in range(chance.randrange(6)):
            sim.at(chance.uniform(1, HEAL_AT), partial(rekey, sim, person))
        for number in range(chance.randrange(5)):
            sim.at(chance.uniform(1, HEAL_AT), partial(say, sim, person, number))
        if chance.random() < 0.08:
            sim.at(chance.uniform(1, HEAL_AT + 3), partial(sim.do, person, person.call.end))
        sim.send_frames(person, 0.25, HEAL_AT + 6)
    return sim


def people(seed):
    suites = [Suite.X25519] if seed % 4 else [Suite.X25519_MLKEM768, Suite.X25519]
    policy = SessionPolicy(rekey_seconds=6.0 + seed % 5, rekey_frames=(1 << 31, 30)[seed % 3 == 0])
    wrong = seed % 20 == 7  # they hold two different links
    for name in ("alice", "bob"):
        secret = None if seed % 7 else link_secret(1 + (wrong and name == "bob"))
        profile = Profile(name=MARKER.decode())
        yield Person(name, f"{name} {seed}", profile=profile, policy=policy, suites=suites, secret=secret, redials=2)


def dial_too(person):
    if person.call.next_timer(person.now) is None and not person.call.ended:
        person.dial()


def pick_up(sim, person):
    person.answers = True
    if person.all(IncomingCall) and person.session is None and not person.call.ended:
        sim.do(person, lambda: person.handle(person.call.accept(person.now)))


def rekey(sim, person):
    if person.call.established:
        sim.do(person, lambda: person.call.rekey(person.now))


def say(sim, person, number):
    if person.call.established:
        person.texts = [
            *getattr(person, "texts", ()),
            f"{MARKER.decode()} {number} {len(getattr(person, 'texts', ()))}",
        ]
        sim.do(person, lambda: person.call.send(Chat(person.texts[-1])))


def over(sim):
    return all(person.call.ended for person in sim.people)


def nothing_waits(sim):
    """Nobody is in a call, and nobody waits for anything: an attempt was abandoned by the callee, for example."""
    return all(person.call.ended or (person.session is None and due(person) is None) for person in sim.people)


def due(person):
    return person.call.next_timer(person.now)


def play(sim):
    """The call to its end: 'agreed', or the reasons of both sides."""
    sim.run(HEAL_AT)
    sim.weather = sim.frame_weather = Weather()
    if not sim.run(HEAL_AT + 30, lambda: sim.agree or nothing_waits(sim)) and not sim.sessions:
        sim.run(200.0, lambda: sim.agree or nothing_waits(sim))
    if sim.agree:
        assert everything_said_arrived(sim)
        return "agreed"
    assert nothing_waits(sim), [person.call._attempt._state for person in sim.people]
    return reasons(sim)


def everything_said_arrived(sim):
    sim.run(sim.now + 20)
    alice, bob = sim.people
    if over(sim) or not sim.sessions:
        return True
    pairs = ((alice, bob), (bob, alice))
    return all(
        sorted(each.text for each in there.said if isinstance(each, Chat)) == sorted(getattr(here, "texts", ()))
        for here, there in pairs
    )


def reasons(sim):
    """What each side was told; every end has a reason of the enumeration, an own act counts as hung up."""
    told = []
    for person in sim.people:
        ended, abandoned = person.all(CallEnded), person.all(AttemptAbandoned)
        assert len(ended) <= 1
        assert all(isinstance(event.reason, EndReason) for event in (*ended, *abandoned))
        if ended:
            told.append(ended[0].reason)
        elif person.call.ended:
            told.append(EndReason.HUNG_UP)
        else:  # it never called, and waits for the next offer: what happened is told, if anything reached it
            told.append(abandoned[-1].reason if abandoned else EndReason.NO_ANSWER)
    return " / ".join(sorted(told))


HONEST = {
    "the record was taken before, or is too old",
    "a message on a channel that is not open",
    "an exchange message that nothing waits for",
    "an offer while another attempt is under way",
    "this offer was answered before, and its attempt has failed",
    "the record is of an epoch without keys",
    "the link secrets do not match",
    "more offers than one ring answers",
}


@pytest.mark.clause(
    "kex.9-4",
    "kex.9-5",
    "control.2-1",
    "control.2-7",
    "control.2-8",
    "epoch.2-1",
    "epoch.2-2",
    "epoch.2-3",
    "epoch.2-4",
    "epoch.2-5",
    "epoch.3-2",
)
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_calls_end_agreed_or_with_a_typed_reason(chunk, monkeypatch):
    nonces = watch_nonces(monkeypatch)
    ends, told, rekeys = Counter(), Counter(), 0
    for seed in range(chunk, CALLS, CHUNKS):
        monkeypatch.setattr(sender, "send_keys", SendKeys())
        nonces.forget()
        sim = planned(seed)
        try:
            ends[play(sim)] += 1
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        assert nonces.reused == [], seed
        assert sim.in_the_clear == 0, seed
        for person in sim.people:
            media = sim.media[person.name]
            assert media.lost == [], (seed, media.lost)
            assert all(isinstance(event.error, E2ECallError) for event in person.all(MessageRefused))
            told.update(event.error.message for event in person.all(MessageRefused))
            rekeys += person.session.epoch if person.session else 0
    assert set(told) <= HONEST, set(told) - HONEST
    assert ends["agreed"] > CALLS / CHUNKS / 2
    assert rekeys > CALLS / CHUNKS
    assert nonces.sealed > 100 * CALLS / CHUNKS
    print(f"\n{dict(ends)}, {rekeys // 2} rekeys, {nonces.sealed} seals, refused: {dict(told)}")


def test_nobody_answers_is_a_reason_too():
    sim = Simulation(Person("alice"), Person("bob"), weather=Weather(loss=1.0))
    alice, _ = sim.people
    sim.do(alice, alice.dial)
    sim.run(40)
    assert [event.reason for event in alice.ended] == [EndReason.NO_ANSWER]


# ------------------------------------------------------------------------------------------- a network that plays along


class Network(RuleBasedStateMachine):
    """Two sessions; every message is delivered, dropped, repeated or kept back, and time passes, as it is chosen."""

    @initialize(seed=st.integers(0, 1000), pq=st.booleans())
    def connect(self, seed, pq):
        sender.send_keys = SendKeys()
        suites = [Suite.X25519_MLKEM768] if pq else [Suite.X25519]
        policy = SessionPolicy(rekey_seconds=8, lost_after=1000)
        self.alice, self.bob, self.sim = in_a_call(seed=seed, suites=suites, policy=policy)
        self.keys = [self.sim.take_keys(person) for person in self.sim.people]
        self.streams = [keys.open_stream("audio", "opus") for keys in self.keys]
        self.frames = []
        self.kept = []
        self.texts = {self.alice.name: [], self.bob.name: []}
        self.cut = 0.0
        self.sim._carry = self.carry

    def carry(self, _weather, data, receiver, take):
        assert MARKER not in data
        if self.sim.now >= self.cut:
            self.kept.append((receiver, take, data))

    def hand_over(self, number, keep=False):
        receiver, take, data = self.kept[number % len(self.kept)]
        if not keep:
            self.kept.remove((receiver, take, data))
        self.sim.do(receiver, partial(take, data))

    @rule(number=st.integers(0, 50))
    @precondition(lambda self: self.kept)
    def deliver(self, number):
        self.hand_over(number)

    @rule()
    @precondition(lambda self: self.kept)
    def deliver_all(self):
        for _ in range(len(self.kept)):
            self.hand_over(0)

    @rule(number=st.integers(0, 50))
    @precondition(lambda self: self.kept)
    def repeat(self, number):
        self.hand_over(number, keep=True)

    @rule(number=st.integers(0, 50))
    @precondition(lambda self: self.kept)
    def drop(self, number):
        del self.kept[number % len(self.kept)]

    @rule(seconds=st.sampled_from([0.3, 1.1, 2.1, 5.1]))
    def pass_time(self, seconds):
        self.sim.run(self.sim.now + seconds)

    @rule()
    def partition(self):
        """What is under way and what is sent in the next 2 s is lost."""
        self.kept.clear()
        self.cut = self.sim.now + 2.0

    @rule(side=st.sampled_from([0, 1]))
    def start(self, side):
        rekey(self.sim, self.sim.people[side])

    @rule()
    def start_both(self):
        self.start(0)
        self.start(1)

    @rule(side=st.sampled_from([0, 1]))
    def give_up(self, side):
        self.sim.people[side].session._rekey.give_up()

    @rule(side=st.sampled_from([0, 1]))
    def say(self, side):
        person = self.sim.people[side]
        self.texts[person.name].append(f"{MARKER.decode()} {len(self.texts[person.name])}")
        self.sim.do(person, lambda: person.call.send(Chat(self.texts[person.name][-1])))

    @rule(side=st.sampled_from([0, 1]))
    def frame(self, side):
        self.sim.check_frame(self.sim.people[side], self.streams[side])
        self.frames.append((self.sim.now, 1 - side, self.streams[side].protect(MARKER)))

    @rule()
    @precondition(lambda self: self.frames)
    def play_frames(self):
        """In any order, within 1 s: the keys are there, whatever was switched meanwhile."""
        frames, self.frames = self.frames, []
        for at, side, sealed in reversed(frames):
            if self.sim.now - at <= 1.0:
                assert self.keys[side].receiver.unprotect(sealed)[0] == MARKER

    @invariant()
    def epochs_belong_together(self):
        if hasattr(self, "sim"):
            self.sim.check()
            assert not any(person.call.ended for person in self.sim.people)

    def teardown(self):
        if not hasattr(self, "sim"):
            return
        sim = self.sim
        waiting, self.kept, self.cut = self.kept, [], 0.0
        del sim._carry
        for receiver, take, data in waiting:
            sim.do(receiver, partial(take, data))
        assert sim.run(sim.now + 20, lambda: sim.agree), "both never agree again"
        sim.run(sim.now + 20)
        for here, there in (sim.people, sim.people[::-1]):
            assert sorted(each.text for each in there.said if isinstance(each, Chat)) == sorted(self.texts[here.name])
            assert {event.error.message for event in here.all(MessageRefused)} <= HONEST
        for side in (0, 1):
            assert self.keys[1 - side].receiver.unprotect(self.streams[side].protect(MARKER))[0] == MARKER


TestNetwork = pytest.mark.clause("epoch.2-1", "epoch.2-2", "epoch.2-4", "epoch.2-5", "control.2-7")(Network.TestCase)
TestNetwork.settings = settings(max_examples=60 if CALLS < 1000 else 1000, stateful_step_count=40, deadline=None)


def test_an_abort_before_the_keys_is_a_reason():
    sim = Simulation(Person("alice"), Person("bob", answers=False))
    alice, bob = sim.people
    sim.do(alice, alice.dial)
    assert sim.run(5, lambda: bool(bob.all(IncomingCall)))
    sim.do(bob, lambda: bob.call.end(AbortReason.BUSY))
    sim.run(sim.now + 1)
    assert [(event.reason, event.authenticated) for event in alice.ended] == [(EndReason.ABORTED, False)]

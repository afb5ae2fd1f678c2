"""A small world in memory: two people, a room, and a network that loses, repeats and delays by a seeded plan.

`World` delivers messages in steps; `Simulation` has a virtual clock for each person and a second wire for frames.
"""

import hashlib
import heapq
import random
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from itertools import count

from e2ecall.call import records
from e2ecall.call.events import CallEnded, IncomingCall, MessageRefused, PeerSaid
from e2ecall.call.one_to_one import CallEstablished, OneToOne
from e2ecall.call.rekey import Position
from e2ecall.crypto import aead as aead_module
from e2ecall.errors import FrameReason, FrameRejected
from e2ecall.handshake import Profile
from e2ecall.sframe import cipher
from support.parties import SeededRng, signer


class Person:
    """One side and everything that happened to it; accepts every call unless told otherwise."""

    def __init__(self, name, seed=None, *, answers=True, profile=None, **kw):
        self.name = name
        self.answers = answers
        self.call = OneToOne(signer(name), SeededRng(seed or f"{name} rng"), profile or Profile(name=name), **kw)
        self.events = []
        self.now = 0.0

    def dial(self):
        self.call.call(self.now)

    def take(self, data):
        self.handle(self.call.receive(data, self.now))

    def send(self):
        return self.call.messages_to_send(self.now)

    def tick(self):
        self.handle(self.call.handle_timer(self.now))

    def handle(self, events):
        for event in events:
            self.events.append(event)
            if isinstance(event, IncomingCall) and self.answers:
                self.handle(self.call.accept(self.now))

    def all(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def session(self):
        done = self.all(CallEstablished)
        return done[0].session if done else None

    @property
    def result(self):
        done = self.all(CallEstablished)
        return done[0].result if done else None

    @property
    def refusals(self):
        return [event.error for event in self.all(MessageRefused)]

    @property
    def ended(self):
        return self.all(CallEnded)

    @property
    def said(self):
        return [event.message for event in self.all(PeerSaid)]


class World:
    """Two people and the wire between them. `tamper(sender, data) -> list of messages delivered instead`."""

    def __init__(self, alice, bob, *, loss=0.0, repeat=0.0, reorder=0.0, seed=1, tamper=None):
        self.people = (alice, bob)
        self.loss, self.repeat, self.reorder = loss, repeat, reorder
        self.random = random.Random(seed)
        self.tamper = tamper or (lambda sender, data: [data])
        self.wire = deque()
        self.transcript = []

    def run(self, steps=500):
        """Until nothing is under way any more, or `steps` messages have been delivered."""
        for _ in range(steps):
            self.collect()
            if not self.wire:
                return
            at = self.random.randrange(len(self.wire)) if self.random.random() < self.reorder else 0
            self.wire.rotate(-at)
            receiver, data = self.wire.popleft()
            self.wire.rotate(at)
            if self.random.random() < self.loss:
                continue
            if self.random.random() < self.repeat:
                self.wire.append((receiver, data))
            receiver.take(data)

    def pass_time(self, seconds, step=0.25):
        """Let the clocks run, with everything that comes of it delivered at each step."""
        for _ in range(round(seconds / step)):
            for person in self.people:
                person.now += step
                person.tick()
            self.run()

    def collect(self):
        for sender, receiver in (self.people, self.people[::-1]):
            for data in sender.send():
                self.transcript.append(data)
                self.wire.extend((receiver, out) for out in self.tamper(sender, data))


def established(**kw):
    """Alice has called Bob, and both have the keys."""
    alice, bob = Person("alice"), Person("bob")
    alice.dial()
    world = World(alice, bob, **kw)
    world.run()
    return alice, bob, world


# ------------------------------------------------------------------------------------------------- clocks, loss, frames

MARKER = b"IN THE CLEAR"


class Nonces:
    """Every (key, nonce) that anything sealed with, while the watch is on; and which of them came twice."""

    def __init__(self):
        self.sealed = 0
        self.reused = []
        self._seen = set()

    def note(self, key_id, nonce):
        self.sealed += 1
        if (key_id, nonce) in self._seen:
            self.reused.append((key_id.hex(), nonce.hex()))
        self._seen.add((key_id, nonce))

    def forget(self):
        """The next call has keys of its own."""
        self._seen.clear()


class WatchedAead:
    """An AEAD object that tells of every seal. `key_id` is a hash of its key."""

    def __init__(self, aead, key, nonces):
        self._aead = aead
        self._nonces = nonces
        self.key_id = hashlib.sha256(key.expose()).digest()[:12]
        self.decrypt = aead.decrypt

    def encrypt(self, nonce, data, associated_data):
        self._nonces.note(self.key_id, bytes(nonce))
        return self._aead.encrypt(nonce, data, associated_data)


def watch_nonces(monkeypatch):
    """Every seal of frames, control records, m3 and m4 is noted from now on."""
    nonces = Nonces()
    gcm, of_suite = aead_module.aes_gcm, cipher.aead
    for module in (aead_module, records):
        monkeypatch.setattr(module, "aes_gcm", lambda key: WatchedAead(gcm(key), key, nonces))
    monkeypatch.setattr(cipher, "aead", lambda suite, key: WatchedAead(of_suite(suite, key), key, nonces))
    return nonces


@dataclass
class Weather:
    """What a wire does to a message: it is lost, comes twice, comes late and so out of order. Seconds and chances."""

    loss: float = 0.0
    repeat: float = 0.0
    delay: tuple = (0.02, 0.05)
    partitions: tuple = ()

    def arrivals(self, chance, now):
        """When copies of a message that is sent now arrive: none, one or two times."""
        if any(begin <= now < end for begin, end in self.partitions):
            return []
        copies = 2 if chance.random() < self.repeat else 1
        return [now + chance.uniform(*self.delay) for _ in range(copies) if chance.random() >= self.loss]


@dataclass
class Media:
    """One person's frames: what was sealed, and what became of the other side's."""

    keys: object = None
    streams: list = field(default_factory=list)
    sealed: int = 0
    opened: int = 0
    repeated: int = 0
    lost: list = field(default_factory=list)  # (reason, epoch bits, seconds under way): delivered and not opened
    wanted: tuple = ()


class Simulation:
    """Two people with a clock each, a wire for messages and one for frames, on one virtual time line.

    Everything is told as soon as it is there, timers come when they are due, and the invariants of epochs are checked
    after every step.
    """

    def __init__(self, alice, bob, *, seed=1, weather=None, frame_weather=None, clocks=((0.0, 1.0), (0.0, 1.0))):
        self.people = (alice, bob)
        self.chance = random.Random(seed)
        self.weather = weather or Weather()
        self.frame_weather = frame_weather or self.weather
        self.clocks = {alice.name: clocks[0], bob.name: clocks[1]}
        self.media = {alice.name: Media(), bob.name: Media()}
        self.now = 0.0
        self.in_the_clear = 0
        self._number = count()
        self._queue = []
        self._wake = {alice.name: 0, bob.name: 0}
        self._set_clocks()

    # -- the time line

    def at(self, when, act):
        """Do `act` then, or now if that is over."""
        heapq.heappush(self._queue, (max(when, self.now), next(self._number), act))

    def run(self, until, stop=lambda: False):
        """Until that time, or until `stop()`; whether it stopped."""
        while self._queue and self._queue[0][0] <= until:
            if stop():
                return True
            self.now, _, act = heapq.heappop(self._queue)
            self._set_clocks()
            act()
            self.check()
        self.now = until
        self._set_clocks()
        return stop()

    def _set_clocks(self):
        for person in self.people:
            begin, rate = self.clocks[person.name]
            person.now = begin + rate * self.now

    def other(self, person):
        return self.people[1] if person is self.people[0] else self.people[0]

    # -- messages

    def do(self, person, act):
        """Something that this person does or that happens to it, with all that comes of it."""
        act()
        self.pump(person)

    def pump(self, person):
        """What this person has to send goes on the wire, and its next timer is set."""
        receiver = self.other(person)
        for data in person.send():
            self._carry(self.weather, data, receiver, receiver.take)
        due = person.call.next_timer(person.now)
        if due is not None:
            begin, rate = self.clocks[person.name]
            self._wake[person.name] += 1
            wake = partial(self._tick, person, self._wake[person.name])
            self.at(max((due - begin) / rate, self.now + 0.001), wake)

    def _tick(self, person, number):
        if number == self._wake[person.name]:
            self.do(person, person.tick)

    def _carry(self, weather, data, receiver, take):
        self.in_the_clear += MARKER in data
        for when in weather.arrivals(self.chance, self.now):
            self.at(when, partial(self.do, receiver, partial(take, data)))

    # -- frames

    def send_frames(self, person, period, until, streams=(("audio", "opus"), ("video", "vp8"))):
        """Seal a frame of each stream every `period` seconds, as soon as there are keys."""
        self.media[person.name].wanted = streams
        if self.now < until:
            self.at(self.now + period * self.chance.uniform(0.5, 1.5), partial(self._frames, person, period, until))

    def _frames(self, person, period, until):
        self.send_frames(person, period, until, self.media[person.name].wanted)
        if not self.take_keys(person) or person.call.ended:
            return
        media, receiver = self.media[person.name], self.other(person)
        for stream in media.streams:
            plain = MARKER + media.sealed.to_bytes(4)
            media.sealed += 1
            sealed = stream.protect(plain)
            self.check_frame(person, stream)
            self.in_the_clear += MARKER in sealed
            for when in self.frame_weather.arrivals(self.chance, self.now):
                self.at(when, partial(self._open, receiver, sealed, plain, self.now))

    def take_keys(self, person):
        """The frame keys of this person, once the call is established; its streams are open then."""
        media = self.media[person.name]
        if media.keys is None and person.session is not None and not person.call.ended:
            media.keys = person.session.frame_keys(self.other(person).name)
            media.streams = [media.keys.open_stream(*each) for each in media.wanted]
            self.pump(person)
        return media.keys

    def _open(self, person, sealed, plain, since):
        media = self.media[person.name]
        if not self.take_keys(person) or person.call.ended:
            return
        try:
            opened, _, _ = media.keys.receiver.unprotect(sealed)
        except FrameRejected as error:
            if error.reason is FrameReason.REPLAY:
                media.repeated += 1
            else:
                media.lost.append((error.reason, error.epoch, round(self.now - since, 3)))
            return
        assert opened == plain
        media.opened += 1

    # -- what always holds

    @property
    def sessions(self):
        """Both sessions, or nothing while not both are there and going on."""
        both = [person.session for person in self.people if person.session is not None and not person.call.ended]
        return both if len(both) == 2 else []

    def check(self):
        """epoch.2: at most one epoch apart; of one epoch, one transcript; what is sent in can be opened."""
        if not self.sessions:
            return
        one, other = self.sessions
        assert abs(one.epoch - other.epoch) <= 1, (one.epoch, other.epoch)
        assert one.epoch != other.epoch or one.th2 == other.th2, one.epoch
        for sender, receiver in ((one, other), (other, one)):
            records = receiver._control._epochs.get(sender.epoch & 0xFF)
            assert records is not None, f"records of epoch {sender.epoch} cannot be opened"
            assert records.epoch == sender.epoch
            sends, receives = sender._control._sending._send, records._receive
            assert getattr(sends[0], "key_id", None) == getattr(receives[0], "key_id", None)
            assert sends[1] == receives[1]

    def check_frame(self, person, stream):
        """epoch.2: the other side has the key of a frame at the moment when it is sealed."""
        there = self.media[self.other(person).name].keys
        if there is None or not self.sessions or stream.context > 1:
            return
        key = there.receiver._keys.get(stream.sender.kid)
        assert key is not None, f"frames of epoch {person.session.epoch} cannot be opened"
        assert key.name == stream.sender._counters._key_name

    @property
    def agree(self):
        """Whether both are in one epoch with one transcript, and no rekey is under way."""
        if not self.sessions:
            return False
        one, other = self.sessions
        steady = {session._rekey.position for session in self.sessions} == {Position.STEADY}
        return steady and (one.epoch, one.th2) == (other.epoch, other.th2)


def in_a_call(*, seed=1, weather=None, frame_weather=None, clocks=((0.0, 1.0), (0.0, 1.0)), frames=None, **kw):
    """Alice has called Bob over a good network; then the weather of the test begins. `frames`: their period."""
    alice, bob = Person("alice", seed=f"alice {seed}", **kw), Person("bob", seed=f"bob {seed}", **kw)
    sim = Simulation(alice, bob, seed=seed, clocks=clocks)
    sim.do(alice, alice.dial)
    assert sim.run(5.0, lambda: len(sim.sessions) == 2)
    if frames is not None:
        for person in (alice, bob):
            sim.send_frames(person, frames, float("inf"))
            sim.take_keys(person)
    sim.weather = weather or Weather()
    sim.frame_weather = frame_weather or sim.weather
    return alice, bob, sim

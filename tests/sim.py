"""A small world in memory: two people, a room, and a network that loses, repeats and delays by a seeded plan."""

import random
from collections import deque

from e2ecall.call.one_to_one import CallEnded, CallEstablished, IncomingCall, MessageRefused, OneToOne, PeerControl
from e2ecall.handshake import Profile
from support.parties import SeededRng, signer


class Person:
    """One side and everything that happened to it; accepts every call unless told otherwise."""

    def __init__(self, name, seed=None, *, answers=True, profile=None, **kw):
        self.name = name
        self.answers = answers
        self.call = OneToOne(signer(name), SeededRng(seed or f"{name} rng"), profile or Profile(name=name), **kw)
        self.events = []

    def take(self, data):
        self.handle(self.call.receive(data))

    def handle(self, events):
        for event in events:
            self.events.append(event)
            if isinstance(event, IncomingCall) and self.answers:
                self.handle(self.call.accept())

    def all(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

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
    def controls(self):
        return [event.message for event in self.all(PeerControl)]


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

    def collect(self):
        for sender, receiver in (self.people, self.people[::-1]):
            for data in sender.call.messages_to_send():
                self.transcript.append(data)
                self.wire.extend((receiver, out) for out in self.tamper(sender, data))


def established(**kw):
    """Alice has called Bob, and both have the keys."""
    alice, bob = Person("alice"), Person("bob")
    alice.call.call()
    world = World(alice, bob, **kw)
    world.run()
    return alice, bob, world

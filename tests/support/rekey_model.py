"""epoch.2 explored: the real machine of both sides over symbols in the place of keys, in every order of a network.

Symbols can be copied and compared. The network keeps every half and every sign of a new epoch that was ever sent: loss,
repetition and reordering are all orders of deliveries out of that set.
"""

import copy
import hashlib
from collections import deque
from dataclasses import dataclass, field
from types import SimpleNamespace

from e2ecall.call import rekey as rekey_module
from e2ecall.call.messages import Rk1
from e2ecall.call.rekey import Position, Rekey
from e2ecall.handshake import Role, Suite
from e2ecall.handshake.rekey import Signed

__all__ = ["explore"]


@dataclass
class Chain:
    """A symbol that knows whether it was wiped."""

    name: bytes
    wiped: bool = False

    def wipe(self):
        self.wiped = True


@dataclass
class Keys:
    """The symbols of an epoch; nobody else keeps the chain of an answer that was dropped."""

    chain: Chain
    base_key: Chain
    control: None = None

    def wipe(self):
        self.chain.wipe()
        self.base_key.wipe()


def symbol(*parts):
    return hashlib.sha256(b"|".join(parts)).digest()[:6]


def rekeyed(context, rk1, rk2):
    name = symbol(context.th2, context.chain.name, rk1, rk2)
    return SimpleNamespace(epoch=context.epoch, th2=name, keys=Keys(Chain(name), Chain(name)))


class Started:
    def __init__(self, context, attempt):
        assert not context.chain.wiped
        self.context, self.attempt = context, attempt
        self.rk1 = Signed(bytes([context.epoch, attempt, context.role.sender_index]) + context.th2, b"")

    def receive_rk2(self, rk2):
        epoch, attempt = rk2.data[:2]
        if epoch < self.context.epoch or (epoch == self.context.epoch and attempt < self.attempt):
            return None
        assert (epoch, attempt) == (self.context.epoch, self.attempt), "an rk2 for what was never sent"
        assert rk2.signature == self.rk1.data, "an rk2 that answers another rk1"
        return rekeyed(self.context, self.rk1.data, rk2.data)


def answer_rekey(_identity, answers, context, rk1, *, kem):
    assert not context.chain.wiped
    assert rk1.data[3:] == context.th2, "an rk1 out of another history"
    answers.append(rk1)  # no two answers are the same
    rk2 = Signed(rk1.data[:2] + bytes([context.role.sender_index, len(answers)]), rk1.data)
    return SimpleNamespace(rk2=rk2, rekeyed=rekeyed(context, rk1.data, rk2.data))


def with_symbols(monkeypatch):
    """No cryptography in the machine from now on."""
    monkeypatch.setattr(rekey_module, "start_rekey", lambda _i, _r, context, attempt: Started(context, attempt))
    monkeypatch.setattr(rekey_module, "answer_rekey", answer_rekey)
    monkeypatch.setattr(rekey_module, "read_rk1", read_rk1)


def read_rk1(data, _suite):
    return SimpleNamespace(epoch=data[0], attempt=data[1])


@dataclass
class Scene:
    """Two machines, and everything that was ever sent: (to whom, what, sealed in which epoch's keys)."""

    machines: tuple
    sent: set = field(default_factory=set)

    def name(self):
        return tuple(
            (
                m.position,
                m.epoch,
                m.th2,
                m.attempts,
                m._seen_attempt,
                m._started and m._started.rk1.data,
                m._answered and m._answered[1].rk2.data,
            )
            for m in self.machines
        ), frozenset(self.sent)

    def settle(self, side):
        """What a session does after each call."""
        machine = self.machines[side]
        halves, machine.outgoing = machine.outgoing, []
        machine.installed = []
        for half in halves:
            kind = "rk1" if isinstance(half, Rk1) else "rk2"
            self.sent.add((1 - side, kind, half.signed.data, half.signed.signature, self.sealed[side]))
        if machine.switched:
            machine.switched = False
            self.sent.add((1 - side, "sign", b"", b"", machine.th2))

    @property
    def sealed(self):
        return [machine.th2 for machine in self.machines]

    def take(self, message):
        """Open a record if its keys are here; a record of the pending epoch is the sign that is waited for."""
        side, kind, data, signature, sealed = message
        machine = self.machines[side]
        if sealed == machine.pending_th2:
            machine.new_epoch_seen()
            self.settle(side)
        if kind == "rk1":
            machine.receive_rk1(Signed(data, signature))
        elif kind == "rk2":
            machine.receive_rk2(Signed(data, signature))
        self.settle(side)

    def successors(self, attempts, epochs):
        for side in (0, 1):
            machine = self.machines[side]
            if not machine.waits_for_rk2 and machine.attempts < attempts and machine.epoch < epochs:
                yield side, Rekey.start
            if machine.waits_for_rk2:
                yield side, Rekey.give_up
        for message in self.sent:
            yield message, None

    def after(self, what, act):
        scene = copy.deepcopy(self)
        if act is None:
            scene.take(what)
        else:
            act(scene.machines[what])
            scene.settle(what)
        return scene

    def check(self):
        one, other = self.machines
        assert abs(one.epoch - other.epoch) <= 1
        if one.epoch == other.epoch:
            assert one.th2 == other.th2
        else:  # whoever is ahead sends in what the other can open
            ahead, behind = (one, other) if one.epoch > other.epoch else (other, one)
            assert behind.pending_th2 == ahead.th2
        assert not any(machine._chain.wiped for machine in self.machines)

    def heals(self):
        """From here, with a network that delivers everything once in order, both agree soon."""
        scene = copy.deepcopy(self)
        scene.sent = set()
        for _ in range(4):
            for side, machine in enumerate(scene.machines):
                machine.repeat()
                scene.settle(side)
                scene.sent.add((1 - side, "sign", b"", b"", machine.th2))
            for message in sorted(scene.sent, key=repr):
                scene.take(message)
            one, other = scene.machines
            if (one.th2, one.position, other.position) == (other.th2, Position.STEADY, Position.STEADY):
                return True
        one, other = scene.machines
        return one.th2 == other.th2 and not any(machine.waits_for_rk2 for machine in scene.machines)


def scene():
    machines = tuple(Rekey(None, b"", [], role, Suite.X25519, b"th2", Chain(b"chain")) for role in Role)
    return Scene(machines)


@dataclass
class Explored:
    """How many states there are, and which rows of the table led from one to another."""

    states: int
    rows: set


def explore(monkeypatch, *, attempts, epochs):
    """Every state that is reached with so many starts a side, each checked, and each able to heal."""
    with_symbols(monkeypatch)
    rows = set()
    step = Rekey._step

    def noted(machine, happened):
        rows.add((machine.position, happened))
        step(machine, happened)

    monkeypatch.setattr(Rekey, "_step", noted)
    first = scene()
    seen, queue = {first.name()}, deque([first])
    while queue:
        here = queue.popleft()
        for what, act in here.successors(attempts, epochs):
            there = here.after(what, act)
            there.check()
            if (name := there.name()) not in seen:
                seen.add(name)
                queue.append(there)
                assert there.heals(), f"both never agree again: {name[0]}"
    return Explored(len(seen), rows)

"""A channel of Telegram's packets delivers what the other side sent, once and whole, or refuses with a typed reason.

An input is a script for two channels and the wire between them: send, wait, deliver, drop, repeat, forge. What a holder
of the key writes into a packet is read as the oracle reads it. Without such a writer, everything that wants an
acknowledgement has arrived in the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from e2ecall.audit.oracle import telegram as oracle
from e2ecall.audit.oracle.refused import Refused
from e2ecall.errors import E2ECallError, MalformedMessage, PeerMisbehaved, VerificationFailed
from e2ecall.handshake import Role
from e2ecall.handshake.telegram import Kind, PacketKeys
from e2ecall.handshake.telegram.channel import PacketChannel
from e2ecall.secret import SecretBytes
from fuzz.mutation import below, choice, mutate_bytes
from fuzz.target import Escape

__all__ = ["MAX_LENGTH", "mutate", "run", "seeds"]

MAX_LENGTH = 400
_KEY = bytes(n * 7 % 251 for n in range(256))
_CUSTOM = 0x7F
_OPERATIONS = 10
_SETTLED = 60.0  # seconds in which two honest channels say everything again that was lost
_BODIES = ("00000001fe", "00000002ff", "80000001fe", "c000000d7f00000001aa", "400000037f00000000")
_TOKENS = tuple(bytes.fromhex(each) for each in (*_BODIES, "7fffffff", "09"))


class _World:
    """Two channels and what is under way between them."""

    def __init__(self) -> None:
        self.now = 0.0
        self.keys = [PacketKeys(SecretBytes(_KEY), role, Kind.TRANSPORT) for role in Role]
        self.sides = [PacketChannel(keys, Kind.TRANSPORT) for keys in self.keys]
        self.wire: list[tuple[int, bytes]] = []  # (which side gets it, packet)
        self.sent: list[tuple[bytes, bool]] = []  # (payload, confirmed), of both sides
        self.taken: list[bytes] = []
        self.hostile = False
        self.outcomes: set[str] = set()

    def send(self, side: int, *, confirmed: bool) -> None:
        payload = len(self.sent).to_bytes(2, "big")
        self.sent.append((payload, confirmed))
        self.sides[side].send(payload, self.now, confirmed=confirmed)

    def collect(self) -> None:
        for side in (0, 1):
            self.wire += [(1 - side, packet) for packet in self.sides[side].packets_to_send(self.now)]

    def deliver(self, at: int) -> None:
        if self.wire:
            side, packet = self.wire.pop(at % len(self.wire))
            self.taken += self.receive(side, packet)

    def receive(self, side: int, packet: bytes) -> list[bytes]:
        try:
            new = self.sides[side].receive(packet, self.now)
        except (MalformedMessage, PeerMisbehaved, VerificationFailed) as error:
            self.outcomes.add(f"{type(error).__name__} {error.clause}")
            return []
        except E2ECallError as error:
            raise Escape(f"{type(error).__name__}: {error}") from error
        self.outcomes.add(f"{min(len(new), 3)} messages")
        return new

    def forge(self, body: bytes) -> None:
        """A body that the caller's program would not write, under its key."""
        if len(body) < 5:
            return
        self.hostile = True
        seen = set(self.outcomes)
        self.outcomes.clear()
        new = self.receive(1, self.keys[0].seal(body))
        (outcome,) = self.outcomes
        self.outcomes |= seen
        try:
            payloads = [payload for _, kind, payload in oracle.messages(body) if kind == _CUSTOM]
        except Refused:
            if new or "messages" in outcome:
                raise Escape(f"the oracle refuses {body.hex()}, and {new} came of it") from None
            return
        if outcome.endswith("telegram.4-7") or any(each not in payloads for each in new):
            raise Escape(f"of {body.hex()} came {outcome} and {new}, and of the oracle {payloads}")

    def settle(self) -> None:
        end = self.now + _SETTLED
        while self.now < end:
            self.collect()
            while self.wire:
                self.deliver(0)
                self.collect()
            if not any(side.unacknowledged for side in self.sides):
                return
            self.now += 0.1

    def check(self) -> None:
        if self.hostile:
            return
        known = {payload for payload, _ in self.sent}
        if len(set(self.taken)) != len(self.taken) or not known.issuperset(self.taken):
            raise Escape(f"taken {self.taken} of {self.sent}")
        missing = [payload for payload, confirmed in self.sent if confirmed and payload not in self.taken]
        if missing or any(side.unacknowledged for side in self.sides):
            raise Escape(f"{missing} never arrived")


def run(data: bytes) -> object:
    """The target."""
    world, at = _World(), 0
    while at < len(data):
        operation, side = data[at] % _OPERATIONS, data[at] // _OPERATIONS % 2
        argument = data[at + 1] if at + 1 < len(data) else 0
        at += 1
        if operation < 2:
            world.send(side, confirmed=bool(operation))
        elif operation == 2:
            world.now += argument / 50
            at += 1
            world.collect()
        elif operation < 5:
            world.collect()
            world.deliver(argument if operation == 4 else 0)
            at += operation == 4
        else:
            at += _attack(world, operation, side, data[at:])
    world.settle()
    world.check()
    return frozenset(world.outcomes)


def _attack(world: _World, operation: int, side: int, rest: bytes) -> int:
    """What the wire does, and who writes what nobody should; how many bytes of the script it took."""
    argument = rest[0] if rest else 0
    if operation == 8:
        length = 1 + argument % 64
        world.forge(rest[1 : 1 + length])
        return 1 + length
    if operation == 9:
        if world.receive(side, rest[:40]):
            raise Escape("bytes without a key were taken")
        return 40
    if not world.wire:
        return 0
    if operation == 5:
        world.wire.pop(0)
        return 0
    if operation == 6:
        world.wire.append(world.wire[argument % len(world.wire)])
        return 1
    to, packet = world.wire[0]
    spot = argument % len(packet)
    if world.receive(to, packet[:spot] + bytes([packet[spot] ^ 1]) + packet[spot + 1 :]):
        raise Escape("a changed packet was taken")
    return 1


def seeds() -> Iterator[bytes]:
    """Scripts of honest and of hostile sides."""
    yield bytes([0, 3, 1, 3, 3])
    yield bytes([1, 11, 3, 3, 3, 2, 60, 3, 3])
    yield bytes([1, 2, 1, 5, 1, 2, 30, 4, 1, 3, 2, 200])  # lost, sent again
    yield bytes([1, 2, 1, 6, 0, 3, 3, 1, 1, 11, 2, 1, 4, 2, 4, 1])  # repeated and reordered
    yield bytes([1, 2, 1, 7, 9, 3])
    yield bytes([9, *range(40)])
    for each in _BODIES:
        yield bytes([8, len(each) // 2 - 1]) + bytes.fromhex(each)
    yield bytes([8, 18]) + bytes.fromhex("00000005fe00000001ff400000067f00000000")
    yield bytes([0, 2, 0] * 80) + bytes([4, 79, 3, 3])  # older than the window


def mutate(data: bytes, rng: Random) -> bytes:
    """Of the script, and sometimes a few more steps."""
    if rng.random() < 0.3:
        data += bytes(choice(rng, (0, 1, 2, 3, 4, 5, 6, 11, below(rng, 256))) for _ in range(1 + below(rng, 20)))
    return mutate_bytes(data, rng, _TOKENS)

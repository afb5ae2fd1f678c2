"""A receiver opens a frame only if it was sealed so, once, or refuses it for the model's reason; then a good one opens.

An input chooses one of some receivers (suites, KIDs, layouts, an own sender index) and gives it frames and other steps
(`fuzz.frames`). Whatever leaves but FrameRejected is an escape, and so is every answer that is not the model's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from random import Random
from typing import Any

from e2ecall.errors import ApiMisuse, FrameRejected
from e2ecall.secret import SecretBytes
from e2ecall.sframe.header import encode_header
from e2ecall.sframe.receiver import Receiver
from fuzz.frames import METADATA, Kind, Step, join, mutate_steps, special, split
from fuzz.model import Answer, ModelReceiver
from fuzz.receivers import ONE_TO_ONE_SETUP, SETUPS, Key, cipher_of, ciphers_of
from fuzz.snapshot import Snapshot
from fuzz.target import Escape, cases

__all__ = ["MAX_LENGTH", "mutate", "run", "seeds"]

MAX_LENGTH = 640

_CLOCK = 0.25  # seconds that one step of EXPIRE's argument stands for
_LARGE = 32_768  # bytes from which on the product goes another way
_PIECE = 16  # steps of a vector in one input


class _Bench:
    """One setup's receiver and its model, as new for every input."""

    def __init__(self, number: int) -> None:
        self.setup = SETUPS[number]
        self.ciphers = ciphers_of(number)
        layout = self.setup.layout
        self.bits = None if layout is None else (layout.epoch_bits, layout.sender_bits)
        streams = [key.kid >> (self.bits[0] if self.bits else 0) for key in self.setup.installed]
        self.streams = None, frozenset(streams), frozenset(streams[:1]), frozenset[int]()
        self.receiver = Receiver(self.setup.suite, layout=layout, own_sender=self.setup.own_sender)
        for key in self.setup.installed:
            self.receiver.add_key(key.kid, SecretBytes(key.base_key), suite=key.suite)
        self.start = Snapshot(self.receiver)

    def begin(self) -> None:
        """A receiver and a model as at the start."""
        self.start.restore()
        self.model = ModelReceiver(self.setup.suite, self.bits, self.setup.own_sender)
        for key in self.setup.installed:
            self.model.add_key(key.kid, key.base_key, key.suite)
        self.now = 0.0

    def step(self, step: Step) -> str:
        """Take one step with both; what happened to a frame, in a word."""
        kind = step.kind
        if kind is Kind.FRAME:
            return self.frame(step.payload, METADATA[step.op & 3], self.streams[step.op >> 2 & 3])
        argument = step.payload[0]
        if kind is Kind.LARGE:
            return self._large(argument)
        key = self.setup.keys[argument % len(self.setup.keys)]
        if kind is Kind.EXPIRE:
            self.now += argument * _CLOCK
            self.receiver.expire(self.now)
            self.model.expire(self.now)
        elif kind is Kind.LEAVE:
            self.receiver.leave(key.kid)
            self.model.leave(key.kid)
        elif kind is Kind.REMOVE:
            self.receiver.remove_key(key.kid)
            self.model.keys.pop(key.kid, None)
        else:
            self._add(key)
        return ""

    def _add(self, key: Key) -> None:
        taken = self.model.add_key(key.kid, key.base_key, key.suite)
        try:
            self.receiver.add_key(key.kid, SecretBytes(key.base_key), suite=key.suite)
        except ApiMisuse as misuse:
            if taken:
                raise Escape(f"the key of KID {key.kid} is refused: {misuse}") from misuse
            return
        if not taken:
            raise Escape(f"the receiver takes a key for its own KID {key.kid}")

    def _large(self, argument: int) -> str:
        """A frame around the size from which on frames are not copied, its last bit changed for odd arguments."""
        cipher = self.ciphers[0]
        frame = bytearray(cipher.seal(encode_header(cipher.kid, argument), argument, bytes(_LARGE - argument), b""))
        frame[-1] ^= argument & 1
        return self.frame(bytes(frame), b"", None)

    def frame(self, frame: bytes, metadata: bytes, streams: frozenset[int] | None) -> str:
        """Give both a frame. Escape unless they answer the same, and what is opened is what was sealed."""
        expected = self.model.unprotect(frame, metadata, streams)
        answer: Answer
        try:
            answer = self.receiver.unprotect(frame, metadata, streams=streams)
        except FrameRejected as rejected:
            answer = rejected.reason.value
            self._check_names(rejected)
        if answer != expected:
            raise Escape(f"{frame.hex()}: {answer!r}, and the model: {expected!r}")
        if isinstance(answer, str):
            return answer
        plaintext, kid, ctr = answer
        opener = self.model.keys[kid].opener
        cipher = cipher_of(opener.suite.number, kid, opener.base_key)
        if cipher.seal(encode_header(kid, ctr), ctr, plaintext, metadata) != frame:
            raise Escape(f"{frame.hex()} was opened, and is not what its plaintext is sealed as")
        return "opened"

    def _check_names(self, rejected: FrameRejected) -> None:
        """frame.9-1: the KID and the epoch that the header names, if it is one."""
        kid = self.model.named
        epoch = None if kid is None or self.bits is None else kid & (1 << self.bits[0]) - 1
        if (rejected.key_id, rejected.epoch) != (kid, epoch):
            raise Escape(f"KID {kid} and epoch {epoch} are told as {rejected.key_id} and {rejected.epoch}: {rejected}")

    def end(self) -> None:
        """frame.6-14: whatever was refused, a good frame of a key that is left opens."""
        for kid, key in self.model.keys.items():
            cipher = cipher_of(key.opener.suite.number, kid, key.opener.base_key)
            ctr = key.next_counter()
            if self.frame(cipher.seal(encode_header(kid, ctr), ctr, b"good", b""), b"", None) != "opened":
                raise Escape(f"a good frame of KID {kid} and CTR {ctr} is refused")
            break


_bench = cache(_Bench)


def run(data: bytes) -> object:
    """The target."""
    bench = _bench(data[0] % len(SETUPS) if data else 0)
    bench.begin()
    outcome = frozenset([bench.step(step) for step in split(data)])
    bench.end()
    return outcome


def mutate(data: bytes, rng: Random) -> bytes:
    """Another input, now and then for another receiver."""
    if not data or rng.random() < 0.05:
        data = rng.randbytes(1) + data[1:]
    return mutate_steps(data, rng, ciphers_of(data[0] % len(SETUPS)))


def seeds() -> Iterator[bytes]:
    """What one receiver takes after another in the vectors, single frames, and large ones."""
    for case in cases("receiver", "replay", "contexts", "epochs"):
        number = ONE_TO_ONE_SETUP if "epoch_bits" in case else case["suite"] - 1
        steps = [step for request in case["steps"] if (step := _step(number, request)) is not None]
        for start in range(0, len(steps), _PIECE):
            yield join(number, steps[start : start + _PIECE])
    for case in cases("gcm", "ctr-hmac", "ctr-hmac-256", "gcm-edges", "ctr-hmac-edges", "frame-refused"):
        metadata = bytes.fromhex(case["metadata"])
        op = METADATA.index(metadata) if metadata in METADATA else 0
        yield join(case["suite"] - 1, [Step(op, bytes.fromhex(case["ciphertext"]))])
    for number in range(len(SETUPS)):
        yield join(number, [special(Kind.LARGE, argument) for argument in (0, 7, 16, 38, 255)])


def _step(number: int, request: dict[str, Any]) -> Step | None:
    """A request of a vector under the keys of a setup; None if it is about a key that is not among them."""
    keys: Sequence[Key] = SETUPS[number].keys
    if request["op"] == "unprotect":
        frame = bytes.fromhex(request["ciphertext"])
        return Step(4 if "streams" in request else 0, frame)
    kids = [key.kid for key in keys]
    if int(request["kid"]) not in kids:
        return None
    return special(Kind.ADD if request["op"] == "add_key" else Kind.REMOVE, kids.index(int(request["kid"])))

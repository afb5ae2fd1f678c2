"""Sequences of sealed frames and other steps as one input, and mutation that gets behind the tag.

    input   u8 setup || step ...
    step    u8 op (below c0: a frame) || u8 length || frame
            u8 op (from c0 on: see `Kind`) || u8 argument

The low two bits of a frame's op choose its metadata, the next two what may arrive where it arrives. The frames stand in
the input as they came from the network, under keys that the target and the mutation know: so the mutation can seal new
ones, with any header and counter, spoil them before or after, and repeat what is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from random import Random
from typing import NamedTuple

from e2ecall.audit.oracle.header import decode_header
from e2ecall.audit.oracle.refused import Refused
from e2ecall.sframe.cipher import FrameCipher
from e2ecall.sframe.header import encode_header
from fuzz.mutation import below, choice, mutate_bytes, spoil

__all__ = ["METADATA", "Kind", "Step", "join", "mutate_steps", "special", "split"]

METADATA = (b"", b"\x11", bytes.fromhex("1002009d012a10001000"), b"\x65\x88\x80")

_FRAMES = 0xC0
_MOST_STEPS = 24
_USUAL_STEPS = 5  # after a mutation: short inputs are many inputs
_LAST = (1 << 64) - 1
_EDGES = (0, 1, 7, 8, 63, 64, 255, 256, 1023, 1024, 65_535, 65_536, 1 << 32, 1 << 63, _LAST - 1, _LAST)
_DISTANCES = (1, 1, 1, 2, 0, -1, -2, 63, 64, 65, 1022, 1023, 1024, 1025, -63, -64, -1022, -1023, -1024, -1025)


class Kind(IntEnum):
    """What a step is, from the low three bits of an op of c0 or more; everything else is a frame."""

    EXPIRE = 0
    REMOVE = 1
    ADD = 2
    LEAVE = 3
    LARGE = 4
    FRAME = 8


class Step(NamedTuple):
    """One step; `payload` is a frame, or one byte of argument."""

    op: int
    payload: bytes

    @property
    def kind(self) -> Kind:
        """What `op` says; the three unused values are `EXPIRE`."""
        if self.op < _FRAMES:
            return Kind.FRAME
        low = self.op & 7
        return Kind(low) if low <= Kind.LARGE else Kind.EXPIRE


def special(kind: Kind, argument: int) -> Step:
    """A step that is not a frame."""
    return Step(_FRAMES | kind, bytes((argument,)))


def split(data: bytes) -> list[Step]:
    """The steps of an input; what is cut short is taken as it is."""
    steps: list[Step] = []
    at = 1
    while at < len(data) and len(steps) < _MOST_STEPS:
        op = data[at]
        if op >= _FRAMES:
            steps.append(Step(op, data[at + 1 : at + 2] or b"\0"))
            at += 2
        else:
            end = at + 2 + (data[at + 1] if at + 1 < len(data) else 0)
            steps.append(Step(op, data[at + 2 : end]))
            at = end
    return steps


def join(setup: int, steps: Sequence[Step]) -> bytes:
    """The input that `split` reads; frames have at most 255 bytes."""
    parts = [bytes((setup,))]
    for op, payload in steps:
        parts.append(bytes((op, payload[0])) if op >= _FRAMES else bytes((op, len(payload[:255]))) + payload[:255])
    return b"".join(parts)


def mutate_steps(data: bytes, rng: Random, ciphers: Sequence[FrameCipher]) -> bytes:
    """Another input for the same setup, mostly by sealing and repeating; `ciphers` are the keys to seal with."""
    if rng.random() < 0.1:
        return data[:1] + mutate_bytes(data[1:], rng)
    steps = split(data)
    while len(steps) > _USUAL_STEPS and rng.random() < 0.9:
        del steps[below(rng, len(steps))]
    for _ in range(1 + below(rng, 3)):
        at = below(rng, len(steps) + 1)
        kind = below(rng, 32)
        if kind < 14 or not steps:
            steps.insert(at, _sealed(steps, rng, ciphers))
        elif kind < 18:
            steps.insert(at, choice(rng, steps))
        elif kind == 18:
            steps[at:at] = _specials(rng)
        else:
            _change(steps, min(at, len(steps) - 1), rng)
    del steps[_MOST_STEPS:]
    return join(data[0] if data else 0, steps)


def _specials(rng: Random) -> list[Step]:
    """A step that is not a frame; after some, time goes by: keys leave two seconds after they were found leaving."""
    kind = Kind(below(rng, 5))
    later = [special(Kind.EXPIRE, argument) for argument in (0, 7 + below(rng, 2))]
    if kind is Kind.EXPIRE:
        return later
    return [special(kind, below(rng, 256)), *(later if kind is Kind.LEAVE else [])]


def _change(steps: list[Step], at: int, rng: Random) -> None:
    kind = below(rng, 5)
    op, payload = steps[at]
    if kind == 0:
        del steps[at]
    elif kind == 1:
        steps.append(steps.pop(at))
    elif kind == 2:
        steps[at] = Step(op ^ 1 << below(rng, 4), payload)
    elif kind == 3 or op >= _FRAMES:
        steps[at] = Step(op, (payload + rng.randbytes(1))[:1]) if op >= _FRAMES else Step(op, spoil(payload, rng))
    else:
        del steps[: below(rng, at + 1)]


def _sealed(steps: Sequence[Step], rng: Random, ciphers: Sequence[FrameCipher]) -> Step:
    """A frame with a valid tag, whatever stands in its header; one in five is spoilt afterwards."""
    op = choice(rng, (0, 0, 0, 0, 1, 2, 3, 4, 8, 12))
    # Half of the frames are of the first two keys, or hardly any two frames would ever be of the same one.
    cipher = ciphers[below(rng, 2 if rng.random() < 0.5 else len(ciphers)) % len(ciphers)]
    ctr = _counter(steps, rng)
    header = _odd_header(cipher.kid, ctr, rng) if rng.random() < 0.1 else encode_header(cipher.kid, ctr)
    frame = cipher.seal(header, ctr, rng.randbytes(below(rng, 12)), METADATA[op & 3])
    return Step(op, spoil(frame, rng) if rng.random() < 0.2 else frame)


def _counter(steps: Sequence[Step], rng: Random) -> int:
    """Near that of another frame of the input, or an edge, or small: small ones cost a receiver least."""
    if steps and rng.random() < 0.8:
        op, payload = choice(rng, steps)
        if op < _FRAMES:
            try:
                return (decode_header(payload)[1] + choice(rng, _DISTANCES)) & _LAST
            except Refused:
                pass
    return choice(rng, _EDGES) if rng.random() < 0.3 else below(rng, 80)


def _odd_header(kid: int, ctr: int, rng: Random) -> bytes:
    """A header that is not the shortest for these numbers, or that names others."""
    if rng.random() < 0.3:
        return encode_header(kid ^ 1 << below(rng, 6), ctr)
    if rng.random() < 0.3:
        return encode_header(kid, ctr ^ 1 << below(rng, 6))
    kid_half, kid_field = _longer(kid, rng)
    ctr_half, ctr_field = _longer(ctr, rng)
    return bytes((kid_half << 4 | ctr_half,)) + kid_field + ctr_field


def _longer(value: int, rng: Random) -> tuple[int, bytes]:
    least = (value.bit_length() + 7) // 8 or 1
    length = min(8, least + below(rng, 3))
    return 8 | length - 1, value.to_bytes(length)

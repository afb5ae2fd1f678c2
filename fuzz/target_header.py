"""Every input is refused as malformed, or its header is what encodes its KID and CTR; the oracle says the same.

An input is bytes that begin with a header; if it has 16 bytes, these are also taken as a KID and a CTR to encode.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from e2ecall.audit.oracle import header as oracle
from e2ecall.audit.oracle.refused import Refused
from e2ecall.errors import FrameReason, FrameRejected
from e2ecall.sframe.header import SHAPES, decode_header, encode_header, kid_prefixes
from fuzz.mutation import below, choice, mutate_bytes, spoil
from fuzz.target import Escape, cases

__all__ = ["MAX_LENGTH", "mutate", "run", "seeds"]

MAX_LENGTH = 24
_WORDS = 16  # a KID and a CTR
_EDGE_SHIFTS = (3, 8, 16, 24, 32, 40, 48, 56, 64)


def run(data: bytes) -> object:
    """The target."""
    if len(data) >= _WORDS:
        _check_encoding(int.from_bytes(data[:8]), int.from_bytes(data[8:_WORDS]))
    outcome = _decode(data)
    if outcome != _decode_by_oracle(data):
        raise Escape(f"decode_header: {outcome}, and the oracle: {_decode_by_oracle(data)}")
    if len(outcome) == 3:
        kid, ctr, length = outcome
        if encode_header(kid, ctr) != data[:length]:
            raise Escape(f"KID {kid} and CTR {ctr} are not encoded as {data[:length].hex()}")
        _check_prefix(data, kid, ctr, length)
        return length
    return outcome


def _decode(data: bytes) -> tuple[int, int, int] | tuple[str, str | None]:
    try:
        return decode_header(data)
    except FrameRejected as error:
        if error.reason is not FrameReason.MALFORMED:
            raise Escape(f"a header is refused as {error.reason}") from error
        return "malformed", error.clause


def _decode_by_oracle(data: bytes) -> tuple[int, int, int] | tuple[str, str | None]:
    try:
        return oracle.decode_header(data)
    except Refused as refused:
        return refused.reason, refused.clause


def _check_encoding(kid: int, ctr: int) -> None:
    header = encode_header(kid, ctr)
    if header != oracle.encode_header(kid, ctr):
        raise Escape(f"the oracle does not encode KID {kid} and CTR {ctr} as {header.hex()}")
    if decode_header(header + b"\xff") != (kid, ctr, len(header)):
        raise Escape(f"KID {kid} and CTR {ctr} do not come back from {header.hex()}")


def _check_prefix(data: bytes, kid: int, ctr: int, length: int) -> None:
    """The receiver's short way, which reads a header as one integer, finds the same."""
    shape = SHAPES[data[0]]
    number = int.from_bytes(data[: shape.length])
    if shape.length != length:
        raise Escape(f"the config byte {data[0]:02x} is taken for a header of {shape.length} bytes")
    if not shape.ctr_bits:
        if number & shape.ctr_mask >= shape.ctr_floor:
            raise Escape("a header without a CTR field goes the short way")
    elif number & shape.ctr_mask != ctr or number >> shape.ctr_bits not in kid_prefixes(kid):
        raise Escape(f"the short way does not find KID {kid} and CTR {ctr} in {data[:length].hex()}")


def seeds() -> Iterator[bytes]:
    """Every header of the vectors, good and refused, and every pair of numbers in one."""
    for case in cases("header", "header-edges", "header-refused"):
        if "header" in case:
            yield bytes.fromhex(case["header"])
            yield int(case["kid"]).to_bytes(8) + int(case["ctr"]).to_bytes(8)
        elif "data" in case:
            yield bytes.fromhex(case["data"])[:MAX_LENGTH]


def mutate(data: bytes, rng: Random) -> bytes:
    """Two numbers near the edges, a header of them in any form, or other bytes."""
    if rng.random() < 0.5:
        return mutate_bytes(data, rng)
    kid, ctr = _number(rng), _number(rng)
    if rng.random() < 0.3:
        return kid.to_bytes(8) + ctr.to_bytes(8)
    kid_bits, kid_field = _field(kid, rng)
    ctr_bits, ctr_field = _field(ctr, rng)
    header = bytes((kid_bits << 4 | ctr_bits,)) + kid_field + ctr_field
    return spoil(header, rng) if rng.random() < 0.3 else header


def _number(rng: Random) -> int:
    edge = 1 << choice(rng, _EDGE_SHIFTS)
    return (edge + below(rng, 4) - 2 if rng.random() < 0.7 else below(rng, edge)) & (1 << 64) - 1


def _field(value: int, rng: Random) -> tuple[int, bytes]:
    """A value in its shortest form or, one time in four, in a longer one."""
    least = 0 if value < 8 else (value.bit_length() + 7) // 8
    length = min(8, least + (1 + below(rng, 3) if rng.random() < 0.25 else 0))
    return (8 | length - 1, value.to_bytes(length)) if length else (value, b"")

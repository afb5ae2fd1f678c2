"""RFC 9605 §4.3, the SFrame header: a config byte X KKK Y CCC, then the KID, then the CTR."""

from __future__ import annotations

from e2ecall.audit.oracle.refused import Refused

__all__ = ["decode_header", "encode_header"]


def _shortest(value: int) -> bytes:
    """The fewest bytes that hold the value; for 0 that is one."""
    length = 1
    while value >= 256**length:
        length += 1
    return value.to_bytes(length, "big")


def _encode_field(value: int) -> tuple[int, bytes]:
    """The field's half of the config byte, and the bytes that follow it."""
    if not 0 <= value < 2**64:
        raise Refused("misuse", "frame.2-1", f"{value} is not an integer of 64 bits")
    if value < 8:
        return value, b""
    following = _shortest(value)
    return 0b1000 + len(following) - 1, following


def encode_header(kid: int, ctr: int) -> bytes:
    """RFC 9605 §4.3: 1 to 17 bytes."""
    kid_half, kid_bytes = _encode_field(kid)
    ctr_half, ctr_bytes = _encode_field(ctr)
    return bytes([16 * kid_half + ctr_half]) + kid_bytes + ctr_bytes


def _length(half: int) -> int:
    """How many bytes behind the config byte belong to the field."""
    return half - 0b1000 + 1 if half >= 0b1000 else 0


def _decode_field(half: int, following: bytes) -> int:
    if half < 0b1000:
        return half
    value = int.from_bytes(following, "big")
    if _encode_field(value) != (half, following):
        raise Refused("malformed", "frame.2-3", f"{value} has a shorter form than {following.hex()}")
    return value


def decode_header(frame: bytes) -> tuple[int, int, int]:
    """RFC 9605 §4.3, with the strictness of frame.2-3: (KID, CTR, length of the header)."""
    if not frame:
        raise Refused("malformed", "frame.2-2", "no byte at all")
    kid_half, ctr_half = divmod(frame[0], 16)
    kid_end = 1 + _length(kid_half)
    end = kid_end + _length(ctr_half)
    if len(frame) < end:
        raise Refused("malformed", "frame.2-2", f"{len(frame)} bytes of a header of {end}")
    return _decode_field(kid_half, frame[1:kid_end]), _decode_field(ctr_half, frame[kid_end:end]), end

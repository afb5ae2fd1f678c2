"""frame.2: the SFrame header (RFC 9605 §4.3): a config byte X|K|Y|C, then KID and CTR where they do not fit into it.

    X K   0 kid (0..7)                        1 length of KID minus one
    Y C   0 ctr (0..7)                        1 length of CTR minus one

Every pair has exactly one encoding, of 1 to 17 bytes; the decoder refuses all others.
"""

from __future__ import annotations

from typing import NamedTuple

from e2ecall.errors import ApiMisuse, FrameReason, FrameRejected

__all__ = ["MAX_CTR", "MAX_KID", "SHAPES", "HeaderShape", "decode_header", "encode_header", "kid_prefixes"]

MAX_KID = 2**64 - 1
MAX_CTR = 2**64 - 1

_INLINE = 8  # smaller values travel in the config byte
# _FLOOR[n - 1] is the smallest value that needs n bytes of its own.
_FLOOR = (_INLINE, *(1 << 8 * n for n in range(1, 8)))


def encode_header(kid: int, ctr: int) -> bytes:
    """frame.2-1 (RFC 9605 §4.3): the 1 to 17 bytes of `kid` and `ctr`, both 0..2^64-1, or ApiMisuse."""
    kid_bits, kid_field = _encode_field(kid, "KID")
    ctr_bits, ctr_field = _encode_field(ctr, "CTR")
    return bytes([kid_bits << 4 | ctr_bits]) + kid_field + ctr_field


def _encode_field(value: int, name: str) -> tuple[int, bytes]:
    if not 0 <= value <= MAX_KID:
        raise ApiMisuse(f"{name} is not in 0..2^64-1", clause="frame.2-1")
    if value < _INLINE:
        return value, b""
    length = (value.bit_length() + 7) // 8
    return 8 | length - 1, value.to_bytes(length)


class HeaderShape(NamedTuple):
    """What a config byte says of a header that is read as one integer: the CTR in its low bits, a prefix above them.

    `ctr_floor` is the smallest value of a CTR field in its shortest form. Without a CTR field no value reaches it: such
    headers are for `decode_header`.
    """

    length: int
    ctr_bits: int
    ctr_mask: int
    ctr_floor: int


def _shape(config: int) -> HeaderShape:
    kid_length = (config >> 4 & 7) + 1 if config & 0x80 else 0
    if not config & 0x08:
        return HeaderShape(1 + kid_length, 0, 0, 1)
    ctr_length = (config & 7) + 1
    return HeaderShape(1 + kid_length + ctr_length, 8 * ctr_length, (1 << 8 * ctr_length) - 1, _FLOOR[ctr_length - 1])


SHAPES = tuple(_shape(config) for config in range(256))


def decode_header(data: bytes) -> tuple[int, int, int]:
    """frame.2-2, frame.2-3 (RFC 9605 §4.3): (KID, CTR, header length in bytes) of the frame that starts with `data`.

    FrameRejected(MALFORMED) for a header cut short and for any encoding that is not the shortest.
    """
    if not data:
        raise _malformed("the SFrame header is empty", "frame.2-2")
    config = data[0]
    length, ctr_bits, ctr_mask, ctr_floor = SHAPES[config]
    header = data[:length]
    number = int.from_bytes(header)
    kid = config >> 4
    if config & 0x80:
        size = kid - 7  # bytes of the KID field
        kid = number >> ctr_bits & (1 << 8 * size) - 1
        if kid < _FLOOR[size - 1]:
            raise _refusal("KID", header, length)
    if not ctr_bits:
        ctr = config & 7
        if len(header) < length:
            raise _refusal("KID", header, length)
    else:
        ctr = number & ctr_mask
        if ctr < ctr_floor or len(header) < length:
            raise _refusal("CTR", header, length)
    return kid, ctr, length


def kid_prefixes(kid: int) -> list[int]:
    """frame.2-1: the prefixes (`HeaderShape`) of a KID's headers in shortest form, one for each length of the CTR."""
    config_bits, field = _encode_field(kid, "KID")
    return [int.from_bytes(bytes([config_bits << 4 | 8 | low]) + field) for low in range(8)]


def _refusal(name: str, header: bytes, length: int) -> FrameRejected:
    if len(header) < length:
        return _malformed("the SFrame header is cut short", "frame.2-2")
    return _malformed(f"the {name} of the SFrame header is not in its shortest form", "frame.2-3")


def _malformed(message: str, clause: str) -> FrameRejected:
    return FrameRejected(FrameReason.MALFORMED, message, None, None, clause)

"""frame.2: the SFrame header (RFC 9605 §4.3): a config byte X|K|Y|C, then KID and CTR where they do not fit into it.

    X K   0 kid (0..7)                        1 length of KID minus one
    Y C   0 ctr (0..7)                        1 length of CTR minus one

Every pair has exactly one encoding, of 1 to 17 bytes; the decoder refuses all others.
"""

from __future__ import annotations

from e2ecall.errors import ApiMisuse, FrameReason, FrameRejected

__all__ = ["MAX_CTR", "MAX_KID", "decode_header", "encode_header"]

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
    return 8 | length - 1, value.to_bytes(length, "big")


def decode_header(data: bytes) -> tuple[int, int, int]:
    """frame.2-2, frame.2-3 (RFC 9605 §4.3): (KID, CTR, header length in bytes) of the frame that starts with `data`.

    FrameRejected(MALFORMED) for a header cut short and for any encoding that is not the shortest.
    """
    if not data:
        raise _malformed("the SFrame header is empty", "frame.2-2")
    config = data[0]
    kid = config >> 4 & 7
    ctr = config & 7
    end = 1
    # A field cut short has a value below the floor of its announced length, so one comparison finds both faults.
    if config & 0x80:
        floor = _FLOOR[kid]
        end = kid + 2
        kid = int.from_bytes(data[1:end], "big")
        if kid < floor:
            raise _refusal("KID", data, end)
    if config & 0x08:
        floor = _FLOOR[ctr]
        start = end
        end += ctr + 1
        ctr = int.from_bytes(data[start:end], "big")
        if ctr < floor:
            raise _refusal("CTR", data, end)
    return kid, ctr, end


def _refusal(name: str, data: bytes, end: int) -> FrameRejected:
    if len(data) < end:
        return _malformed(f"the SFrame header ends within its {name}", "frame.2-2")
    return _malformed(f"the {name} of the SFrame header is not in its shortest form", "frame.2-3")


def _malformed(message: str, clause: str) -> FrameRejected:
    return FrameRejected(FrameReason.MALFORMED, message, clause=clause)

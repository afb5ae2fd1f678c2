"""AV1: what opens is the frame that was sealed, with any size field of its OBU or none; any bytes open in one way."""

from __future__ import annotations

from e2ecall.codecs.av1 import OBU_HEADER, TEMPORAL_DELIMITER
from fuzz.layouts import MAX_LENGTH, LayoutFuzz

__all__ = ["MAX_LENGTH", "mutate", "run", "seeds"]

_SIZED = b"\x4a"
_MOST_BYTES = 8  # of a leb128


def _payload(sealed: bytes) -> bytes:
    """What stands behind the size field."""
    at = 1
    while sealed[at] & 0x80:
        at += 1
    return sealed[at + 1 :]


def _no_size(sealed: bytes, argument: int) -> bytes:
    """frame.8-14: an RTP payload has no size fields, and a depacketizer may begin the frame with a delimiter."""
    return (TEMPORAL_DELIMITER if argument & 1 else b"") + OBU_HEADER + _payload(sealed)


def _longer_size(sealed: bytes, argument: int) -> bytes:
    """frame.8-15: a leb128 need not be the shortest."""
    payload = _payload(sealed)
    least = (len(payload).bit_length() + 6) // 7
    count = max(least, 1 + argument % _MOST_BYTES)
    size = bytes(len(payload) >> 7 * n & 0x7F | (0x80 if n < count - 1 else 0) for n in range(count))
    return (TEMPORAL_DELIMITER if argument & 64 else b"") + _SIZED + size + payload


def _read(sealed: bytes) -> bytes | None:
    """frame.8-14 to frame.8-16."""
    obu = sealed[2:] if sealed[:2] == TEMPORAL_DELIMITER else sealed
    header, rest = obu[:1], obu[1:]
    if header == _SIZED:
        count = next((n for n, byte in enumerate(rest[:_MOST_BYTES], 1) if byte < 0x80), None)
        if count is None:
            return None
        size = sum((byte & 0x7F) * 128**n for n, byte in enumerate(rest[:count]))
        rest = rest[count:]
        if size != len(rest):
            return None
    elif header != OBU_HEADER:
        return None
    return rest[:-1] or None if rest[-1:] == b"\x80" else None


def _body(ciphertext: bytes) -> bytes:
    return ciphertext + b"\x80"


_FUZZ = LayoutFuzz(
    "av1",
    transits=(_no_size, _longer_size),
    tokens=(OBU_HEADER, _SIZED, TEMPORAL_DELIMITER, b"\x80", b"\x0a\x0b", b"\x32\x05\x10", b"\x80\x80\x80\x00"),
    body=_body,
    read=_read,
)
run, seeds, mutate = _FUZZ.run, _FUZZ.seeds, _FUZZ.mutate

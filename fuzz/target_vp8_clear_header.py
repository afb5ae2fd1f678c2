"""VP8 with a clear header: what opens is the frame that was sealed; any bytes are sealed so, or are malformed."""

from __future__ import annotations

from e2ecall.codecs import Profile
from fuzz.layouts import MAX_LENGTH, LayoutFuzz

__all__ = ["MAX_LENGTH", "mutate", "run", "seeds"]


def _read(sealed: bytes) -> bytes | None:
    """frame.8-20, frame.8-21, where the sealed rest is never empty: the header is complete."""
    length = 3 if sealed[:1] and sealed[0] & 1 else 10
    return sealed[:-1] if sealed[-1:] == bytes((length,)) and len(sealed) >= length + 2 else None


_FUZZ = LayoutFuzz(
    "vp8",
    profile=Profile.CLEAR_HEADER,
    samples=(),
    tokens=(b"\x00", b"\x01", b"\x03", b"\x0a", b"\x9d\x01\x2a"),
    read=_read,
)
run, seeds, mutate = _FUZZ.run, _FUZZ.seeds, _FUZZ.mutate

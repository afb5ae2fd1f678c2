"""VP9: what opens is the frame that was sealed, nothing stands in clear, and any bytes open or are malformed."""

from __future__ import annotations

from fuzz.layouts import MAX_LENGTH, LayoutFuzz

__all__ = ["MAX_LENGTH", "mutate", "run", "seeds"]


def _read(sealed: bytes) -> bytes | None:
    """frame.8-3."""
    return sealed or None


_FUZZ = LayoutFuzz("vp9", read=_read, tokens=(b"\x82\x49\x83\x42", b"\x86", b"\xb0", b"\xb2"))
run, seeds, mutate = _FUZZ.run, _FUZZ.seeds, _FUZZ.mutate

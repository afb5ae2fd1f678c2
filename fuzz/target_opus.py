"""Opus: what opens is the frame that was sealed, nothing stands in clear, and any bytes open or are malformed."""

from __future__ import annotations

from fuzz.layouts import MAX_LENGTH, LayoutFuzz

__all__ = ["MAX_LENGTH", "mutate", "run", "seeds"]

_FUZZ = LayoutFuzz("opus")
run, seeds, mutate = _FUZZ.run, _FUZZ.seeds, _FUZZ.mutate

"""Where randomness comes from: `Rng` is passed in, so that tests and vectors can replay it."""

from __future__ import annotations

import os
from typing import Protocol

__all__ = ["Rng", "SystemRng", "randbelow"]


class Rng(Protocol):
    """A source of random bytes. `name` says what they are for; a real source ignores it, a seeded one keys on it."""

    def draw(self, name: str, length: int) -> bytes:
        """`length` fresh bytes for the purpose `name`."""
        ...


class SystemRng:
    """The operating system's generator; the only one outside tests and the conformance peer."""

    def draw(self, name: str, length: int) -> bytes:
        """`length` bytes of os.urandom; `name` is ignored."""
        del name
        return os.urandom(length)


def randbelow(rng: Rng, name: str, bound: int) -> int:
    """A uniform integer in [0, bound): 16 bytes reduced, so the bias is below 2^-96 for every bound to 2^32."""
    return int.from_bytes(rng.draw(name, 16), "big") % bound

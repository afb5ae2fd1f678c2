"""What a fuzz target is: a module `target_<name>` that states its invariant on line 1 and checks it for any bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Protocol

__all__ = ["VECTORS", "Escape", "Target", "cases"]

VECTORS = Path(__file__).parents[1] / "vectors" / "sframe"


class Escape(AssertionError):
    """An invariant did not hold. Any other exception that leaves a target is an escape as well."""


class Target(Protocol):
    """The names of a target module. Nothing in it depends on a clock, on randomness or on earlier inputs."""

    MAX_LENGTH: int
    """Of an input, in bytes."""

    def run(self, data: bytes) -> object:
        """Check the invariant for one input. What it returns says what happened, and may be compared and hashed."""
        ...

    def seeds(self) -> Iterator[bytes]:
        """Inputs made from vectors/, in a fixed order."""
        ...

    def mutate(self, data: bytes, rng: Random) -> bytes:
        """Another input. It may be longer than MAX_LENGTH, and is cut then."""
        ...


def cases(*names: str) -> Iterator[dict[str, Any]]:
    """The cases of vectors/sframe/<name>.json."""
    for name in names:
        yield from json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))["cases"]

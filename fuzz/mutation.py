"""Mutation of bytes that knows nothing of their meaning, repeatable by its `Random`."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

__all__ = ["below", "choice", "mutate_bytes", "spoil"]

_Item = TypeVar("_Item")
_EDGES = bytes.fromhex("00 01 03 07 08 7f 80 88 fe ff")
_MOST_AT_ONCE = 4


def below(rng: Random, limit: int) -> int:
    """A number in 0..limit-1; several times faster than `Random.randrange`."""
    return int(rng.random() * limit)


def choice(rng: Random, items: Sequence[_Item]) -> _Item:
    """One of `items`."""
    return items[int(rng.random() * len(items))]


def mutate_bytes(data: bytes, rng: Random, tokens: Sequence[bytes] = ()) -> bytes:
    """One to four changes; `tokens` are strings that mean something where `data` is read."""
    for _ in range(1 + below(rng, _MOST_AT_ONCE)):
        if tokens and rng.random() < 0.25:
            at = below(rng, len(data) + 1)
            data = data[:at] + choice(rng, tokens) + data[at:]
        else:
            data = spoil(data, rng)
    return data


def spoil(data: bytes, rng: Random) -> bytes:
    """One change. It may be none where bytes happen to be equal."""
    at = below(rng, len(data) + 1)
    kind = below(rng, 8)
    if kind == 0:
        return data[:at] + rng.randbytes(1 + below(rng, 4)) + data[at:]
    if kind == 1:
        return data[:at]
    if kind == 2:
        return data[:at] + data[at + 1 + below(rng, 4) :]
    if kind == 3:
        end = at + 1 + below(rng, 8)
        return data[:end] + data[at:]
    if kind == 4:
        return data[:at] + bytes(1 + below(rng, 4)) + data[at:]
    if kind == 5:
        return data[:at] + bytes((choice(rng, _EDGES),)) + data[at + 1 :]
    if kind == 6:
        return data[:at] + rng.randbytes(1) + data[at + 1 :]
    if at == len(data):
        return data
    return data[:at] + bytes((data[at] ^ 1 << below(rng, 8),)) + data[at + 1 :]

"""frame.5: where a Sender's counters come from.

The counters of one block come out of `itertools.count`, one C call each, so that no two threads get the same one. A
block ends where the counter's length in the header changes, or where its lease ends. The next one is a new object: a
thread that comes late to an old block gets numbers past its end, and throws them away.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Final, NamedTuple, Protocol

from e2ecall.errors import ApiMisuse, CounterExhausted
from e2ecall.sframe.header import MAX_CTR, encode_header

__all__ = ["LEASE", "Block", "CounterLeases", "Counters"]

LEASE: Final = 1 << 16  # counters a lease
_INLINE = 8  # counters below this stand in the header's first byte


class CounterLeases(Protocol):
    """frame.5-7: gives out blocks of counters that outlive this process; `e2ecall.store.SqliteCounters` is one."""

    def lease(self, key_name: bytes, size: int) -> int:
        """The first of `size` counters of that key that nobody was ever given, also not before a crash.

        The lease is on the disk when this returns, and the next one begins behind it. `key_name` is 16 bytes.
        """
        ...


class Block(NamedTuple):
    """Counters whose headers have one length: `front`, and then `length` bytes of counter."""

    take: Callable[[], int]
    last: int
    front: bytes
    length: int


class Counters:
    """frame.5-1, frame.5-2: the blocks of one KID in ascending order, from 0 to 2^64-1 or as they are leased."""

    __slots__ = ("_first", "_key_name", "_kid", "_last", "_leased", "_leases")

    def __init__(
        self,
        kid: int,
        key_name: bytes,
        leases: CounterLeases | None,
        *,
        first: int = 0,
        leased: Callable[[int], None] | None = None,
    ) -> None:
        """No lease below `first` is taken; `leased` hears of the end of each before a counter of it is used."""
        self._kid = kid
        self._key_name = key_name
        self._leases = leases
        self._leased = leased
        self._first = first  # of what is left to give out
        self._last = MAX_CTR if leases is None else -1

    def next_block(self) -> Block:
        """The next block. CounterExhausted if there is none, ApiMisuse for a repeated lease, what a lease raises."""
        if self._first > self._last:
            self._renew()
        first = self._first
        # A counter that stands in the header's first byte is not a field of its own: a block for each.
        length = 0 if first < _INLINE else (first.bit_length() + 7) // 8
        last = first if first < _INLINE else min(self._last, (1 << 8 * length) - 1)
        self._first = last + 1
        header = encode_header(self._kid, first)
        return Block(count(first).__next__, last, header[: len(header) - length], length)

    def _renew(self) -> None:
        first = MAX_CTR + 1 if self._leases is None else self._leases.lease(self._key_name, LEASE)
        if first < self._first:
            raise ApiMisuse("counters were leased a second time", key_id=self._kid, clause="frame.5-7")
        if first > MAX_CTR:
            raise CounterExhausted("this send key has no counter left", key_id=self._kid, clause="frame.5-2")
        self._first = first
        self._last = min(first + LEASE - 1, MAX_CTR)
        if self._leased is not None:
            self._leased(self._last + 1)

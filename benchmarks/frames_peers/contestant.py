"""What takes part: something that seals and opens a batch of frames and says what that cost."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from time import perf_counter_ns, thread_time_ns
from typing import Protocol

KID = 32  # one byte of its own in the header, as in a call
FIRST_CTR = 65_536  # three bytes of its own, as in a call that is older than some minutes


class Operation(StrEnum):
    PROTECT = "protect"
    UNPROTECT = "unprotect"


@dataclass(frozen=True, slots=True)
class Spent:
    """Nanoseconds of one whole batch."""

    cpu: int
    wall: int


class Skipped(Exception):
    """A peer that this machine does not have; the message says what it lacks."""


class Contestant(Protocol):
    """`name` is its key in the results; `share` of the usual batch is enough where a frame takes long."""

    name: str
    title: str
    share: float

    def batch(self, operation: Operation, size: int, count: int) -> Spent: ...

    def close(self) -> None: ...


def timed(call: Callable[[], None]) -> Spent:
    """What `call` costs this thread. The garbage collector is off meanwhile (frames.py)."""
    wall, cpu = perf_counter_ns(), thread_time_ns()
    call()
    return Spent(thread_time_ns() - cpu, perf_counter_ns() - wall)


def for_each(call: Callable[[bytes], object], frames: Iterable[bytes]) -> Callable[[], None]:
    """A loop whose results are dropped at once, as a packetizer's or a decoder's are."""

    def loop() -> None:
        for frame in frames:
            call(frame)

    return loop


class Plaintexts:
    """Distinct random frames: a frame is never the one that the cipher has just seen."""

    def __init__(self, draw: Callable[[int], bytes]) -> None:
        self._draw = draw
        self._pools: dict[int, list[bytes]] = {}

    def take(self, size: int, count: int) -> list[bytes]:
        """`count` frames of `size` bytes, the same ones each time.

        Copies: an encoder has just written its frame, so it is in the cache, as a frame is that was just sealed.
        """
        pool = self._pools.setdefault(size, [])
        pool += [self._draw(size) for _ in range(count - len(pool))]
        return [bytes(memoryview(frame)) for frame in pool[:count]]

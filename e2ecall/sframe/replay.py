"""frame.6-8 to frame.6-11: which counters of one KID were taken (RFC 9605 §9.3).

`highest` is the largest counter taken so far, and bit i of `seen` says that highest - i was taken. A frame is looked
up before its tag is checked (`check`) and entered after it verified (`commit`). Nothing is entered at the start, so
frames that overtook each other before the first one was accepted are still taken. `commit` looks again, under a lock:
two threads may be opening the same frame.
"""

from __future__ import annotations

from threading import Lock

from e2ecall.errors import FrameReason, FrameRejected

__all__ = ["WINDOW", "ReplayWindow"]

WINDOW = 1024  # counters, per KID
_FULL = (1 << WINDOW) - 1


class ReplayWindow:
    """The counters of one (base_key, KID) that were taken; 0..2^64-1, in any order."""

    __slots__ = ("_lock", "_seen", "highest")

    def __init__(self) -> None:
        self.highest = -1
        self._seen = 0
        self._lock = Lock()

    def check(self, ctr: int) -> None:
        """frame.6-8, frame.6-9: FrameRejected(REPLAY or TOO_OLD) if `ctr` cannot be taken; changes nothing."""
        with self._lock:
            self._check(ctr)

    def commit(self, ctr: int) -> None:
        """frame.6-10: enters `ctr`, whose frame has authenticated; FrameRejected as in `check`."""
        with self._lock:
            ahead = ctr - self.highest
            if ahead > 0:
                # The shift is bounded: a jump of 2^63 must not ask for 2^63 bits.
                self._seen = (self._seen << ahead | 1) & _FULL if ahead < WINDOW else 1
                self.highest = ctr
            else:
                self._check(ctr)
                self._seen |= 1 << -ahead

    def _check(self, ctr: int) -> None:
        behind = self.highest - ctr
        if behind >= WINDOW:
            raise FrameRejected(FrameReason.TOO_OLD, "the frame is older than the replay window", clause="frame.6-9")
        if behind >= 0 and self._seen >> behind & 1:
            raise FrameRejected(FrameReason.REPLAY, "the frame was taken before", clause="frame.6-8")

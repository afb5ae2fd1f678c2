"""frame.6-8 to frame.6-11: which counters of one KID were taken (RFC 9605 §9.3).

The window is the set of counters that may still come: those of the last 1024 that did not, and a few ahead. A frame is
looked up before its tag is checked, and takes its counter out of the set after it verified. Taking out is one step of
`set.remove`, so that of two threads with the same frame one gets it, without a lock. Nothing is taken at the start:
frames that overtook each other before the first one was accepted are still in the set.
"""

from __future__ import annotations

from threading import Lock

from e2ecall.errors import FrameReason

__all__ = ["WINDOW", "ReplayWindow"]

WINDOW = 1024  # counters, per KID
_AHEAD = 64  # how many the set is filled ahead; a lock once in so many frames


class ReplayWindow:
    """The counters of one (base_key, KID) that may still be taken; 0..2^64-1, in any order.

    Who opens frames asks `refusal` for a counter up to `highest` first. Afterwards it calls `claim`, and `take` if that
    raised KeyError, and raises `highest`.
    """

    __slots__ = ("_filled", "_lock", "claim", "highest", "pending")

    def __init__(self) -> None:
        self.highest = -1  # the largest counter taken; two threads may leave it too low until the next frame
        self.pending: set[int] = set()
        self.claim = self.pending.remove
        self._filled = 0  # counters from here on are not in the set yet
        self._lock = Lock()

    def refusal(self, ctr: int) -> FrameReason | None:
        """frame.6-8, frame.6-9: REPLAY or TOO_OLD if `ctr` cannot be taken; changes nothing."""
        if ctr <= self.highest - WINDOW:
            return FrameReason.TOO_OLD
        if ctr < self._filled and ctr not in self.pending:
            with self._lock:  # it may just be being filled
                if ctr not in self.pending:
                    return FrameReason.REPLAY
        return None

    def take(self, ctr: int) -> FrameReason | None:
        """frame.6-10: takes `ctr`, whose frame has authenticated, or returns what `refusal` would."""
        if ctr >= self._filled:
            self._fill(ctr)
        if (reason := self.refusal(ctr)) is not None:
            return reason
        try:
            self.claim(ctr)
        except KeyError:
            return FrameReason.REPLAY
        if ctr > self.highest:
            self.highest = ctr
        return None

    def _fill(self, ctr: int) -> None:
        """Fill the set up to `ctr` and a little further; no counter enters it twice."""
        with self._lock:
            if ctr < self._filled:
                return
            # Bounded: a jump of 2^63 must not make 2^63 entries. What is filled is said before: if this is interrupted,
            # frames are lost, and none is taken twice.
            first, self._filled = max(self._filled, ctr - WINDOW + 1), ctr + _AHEAD
            # Before it grows: a set does not shrink.
            self.pending.difference_update([old for old in list(self.pending) if old <= ctr - WINDOW])
            self.pending.update(range(first, ctr + _AHEAD))

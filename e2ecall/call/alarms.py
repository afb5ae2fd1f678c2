"""epoch.3-4: what a call tells of what does not come: a rekey that is overdue, silence, and the end after it."""

from __future__ import annotations

from typing import Final

from e2ecall.call.events import CallEnded, EndReason, PeerHeard, PeerSilent, RekeyOverdue, SessionEvent
from e2ecall.call.policy import SessionPolicy

__all__ = ["ALARM_INTERVALS", "Alarms"]

ALARM_INTERVALS: Final = 3


class Alarms:
    """What was told already, and since when. `now` in seconds, as the call is told it."""

    def __init__(self, policy: SessionPolicy, now: float) -> None:
        self._policy = policy
        self._rekeyed_at = self._heard_at = now
        self._told_intervals = self._told_silent = 0

    def rekeyed(self, now: float) -> None:
        """epoch.3-4: a rekey was completed."""
        self._rekeyed_at, self._told_intervals = now, 0

    def heard(self, now: float) -> list[SessionEvent]:
        """Something authentic came; that is told where a silence was told before it."""
        silent = self._told_silent > 0
        self._heard_at, self._told_silent = now, 0
        return [PeerHeard()] if silent else []

    def due(self, now: float) -> list[SessionEvent]:
        """epoch.3-4: each alarm once for every further interval."""
        events: list[SessionEvent] = []
        intervals = int((now - self._rekeyed_at) / self._policy.rekey_seconds)
        if intervals >= ALARM_INTERVALS and intervals > self._told_intervals:
            self._told_intervals = intervals
            events.append(RekeyOverdue(now - self._rekeyed_at))
        silence = now - self._heard_at
        if silence >= self._policy.lost_after:
            message = f"nothing authentic came for {silence:.0f} s"
            events.append(CallEnded(EndReason.LOST, message, authenticated=False))
        elif silence >= self._policy.silent_after * (self._told_silent + 1):
            self._told_silent = int(silence / self._policy.silent_after)
            events.append(PeerSilent(silence))
        return events

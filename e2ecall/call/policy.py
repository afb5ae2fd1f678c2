"""epoch.2-6: how often the keys of a call change, and how long silence may last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from e2ecall.call.inputs import is_time
from e2ecall.errors import ApiMisuse

__all__ = ["GIVE_UP_SECONDS", "SessionPolicy"]

GIVE_UP_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """How often keys change, and how long silence may last. Seconds, and frames of one stream."""

    rekey_seconds: float = 600.0
    rekey_frames: int = 1 << 31
    silent_after: float = 15.0
    lost_after: float = 60.0

    def __post_init__(self) -> None:
        if not all(map(is_time, (self.rekey_seconds, self.silent_after, self.lost_after))):
            raise ApiMisuse("a policy is in finite numbers of seconds", clause="epoch.2-6")
        if self.rekey_seconds <= GIVE_UP_SECONDS or not 0 < self.rekey_frames <= 1 << 31:
            raise ApiMisuse("rekeys come after more than 5 s and at most 2^31 frames", clause="epoch.2-6")
        if not 0 < self.silent_after <= self.lost_after:
            raise ApiMisuse("silence is told before the call counts as lost")

"""What a program may hand to a call: whole messages as bytes, and the time. Anything else is this program's mistake."""

from __future__ import annotations

import sys
from math import inf

from e2ecall.errors import ApiMisuse

__all__ = ["Clock", "as_bytes", "is_time"]


class Clock:
    """kex.9-4: the time that a call is told. Without one that goes on, no limit would ever come."""

    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now = -inf

    def tell(self, now: float) -> float:
        """`now`, in seconds; ApiMisuse where it is no finite number, or before the last one."""
        if not is_time(now):
            raise ApiMisuse(f"the time is {now!r}, which is no finite number of seconds", clause="kex.9-4")
        if now < self.now:
            raise ApiMisuse(f"the time went back, from {self.now} to {now}", clause="kex.9-4")
        self.now = now
        return now


def is_time(value: object) -> bool:
    """Whether this is a finite number, of seconds say."""
    return isinstance(value, int | float) and abs(value) <= sys.float_info.max


def as_bytes(data: object) -> bytes:
    """One message as bytes of its own; ApiMisuse for what is neither bytes, bytearray nor memoryview."""
    if not isinstance(data, bytes | bytearray | memoryview):
        raise ApiMisuse(f"a message is bytes, not {type(data).__name__}", clause="control.1-1")
    return bytes(data)

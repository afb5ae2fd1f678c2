"""frame.5-6: what this process remembers of send keys, so that none is used by two Senders, together or in turn.

Names of (base_key, KID)s are kept, never keys: the live ones, and of those that are gone the last 131,072, which take
about 15 MB. What nothing here can see: another process, another machine, a snapshot that is resumed twice.
"""

from __future__ import annotations

import os
import weakref
from threading import Lock
from typing import Final

from e2ecall.errors import ApiMisuse

__all__ = ["REMEMBERED", "SendKeys", "send_keys"]

REMEMBERED: Final = 1 << 17


class SendKeys:
    """frame.5-6: the names of the (base_key, KID)s that are, or were, in use for sending."""

    def __init__(self) -> None:
        self._live: weakref.WeakValueDictionary[bytes, object] = weakref.WeakValueDictionary()
        self._used: dict[bytes, int | None] = {}  # name: the end of its last lease, None without; the oldest first
        self._lock = Lock()

    def claim(self, name: bytes, owner: object, *, kid: int, leased: bool) -> int:
        """`owner` is the key's only user from now on; the first counter that it may use.

        ApiMisuse if it has another one, or had one and not both are leased: the counters would begin again.
        """
        with self._lock:
            if name in self._live:
                message = "this send key is in use: there is one Sender for a base_key and KID"
                raise ApiMisuse(message, key_id=kid, clause="frame.5-6")
            free = self._used.get(name, 0)
            if free is None or (name in self._used and not leased):
                message = "this send key was used before, and its counters would begin again"
                raise ApiMisuse(message, key_id=kid, clause="frame.5-6", hint="take another base_key or KID")
            # To the end, in one line: an interrupt in between would forget the key.
            self._used[name] = (self._used.pop(name, None), free if leased else None)[1]
            self._live[name] = owner
            while len(self._used) >= REMEMBERED + len(self._live):
                oldest = next(iter(self._used))
                leases = self._used.pop(oldest)
                if oldest in self._live:
                    self._used[oldest] = leases  # it has not even gone
            return free

    def lease_ends(self, name: bytes, end: int) -> None:
        """The key's counters below `end` are given out: a later lease begins there or further on."""
        with self._lock:
            self._used[name] = end

    def renew_lock(self) -> None:
        """In a forked child: a thread that did not come along may have held the lock."""
        self._lock = Lock()


send_keys = SendKeys()
os.register_at_fork(after_in_child=send_keys.renew_lock)

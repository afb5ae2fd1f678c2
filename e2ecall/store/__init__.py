"""What outlives the process: leased counters in a SQLite file."""

from e2ecall.store.counters import SqliteCounters

__all__ = ["SqliteCounters"]

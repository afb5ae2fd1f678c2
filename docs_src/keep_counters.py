"""A sender whose base key outlives the process: its counters are leased from a file."""

from pathlib import Path

from e2ecall import CipherSuite, SecretBytes, Sender
from e2ecall.store import SqliteCounters


def start(folder: Path, base_key: SecretBytes, *, key_is_new: bool) -> Sender:
    """`key_is_new` says that this start has made the key; for an old key, a missing file is an error."""
    counters = SqliteCounters(folder / "counters.db", create=key_is_new)
    return Sender(CipherSuite.AES_256_GCM_SHA512_128, 1, base_key, counters=counters)

"""peer.2: draws that another implementation repeats: HKDF-Expand(SHA-256, seed, "e2ecall/1 test " || name, n)."""

from __future__ import annotations

from e2ecall.crypto.kdf import hkdf_expand
from e2ecall.errors import ApiMisuse
from e2ecall.secret import SecretBytes

__all__ = ["SeededRng"]


class SeededRng:
    """An `Rng` of one 32-byte seed; the same name always draws the same bytes. For tests and the peer only."""

    def __init__(self, seed: bytes) -> None:
        if len(seed) != 32:
            raise ApiMisuse("a seed has 32 bytes")
        self._seed = SecretBytes(seed)

    def draw(self, name: str, length: int) -> bytes:
        """`length` bytes for the purpose `name`."""
        return bytes(hkdf_expand(self._seed, b"e2ecall/1 test " + name.encode(), length).expose())

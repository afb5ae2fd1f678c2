"""A device's Ed25519 identity key (kex.4, field 1). One key is one identity is one device."""

from __future__ import annotations

from e2ecall.crypto.rng import Rng
from e2ecall.crypto.sign import SEED_LENGTH, Signer
from e2ecall.secret import SecretBytes

__all__ = ["fresh_identity"]


def fresh_identity(rng: Rng) -> Signer:
    """A new identity of 32 random bytes, kept in memory only: the next start is another device."""
    seed = SecretBytes(rng.draw("identity", SEED_LENGTH))
    try:
        return Signer(seed)
    finally:
        seed.wipe()

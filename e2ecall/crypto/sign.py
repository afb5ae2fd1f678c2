"""Ed25519 (RFC 8032), verified by libsodium: small-order and non-canonical keys are refused there.

The verification of `cryptography` (OpenSSL) accepts a forged signature under a small-order key.
"""

from __future__ import annotations

from nacl.bindings import crypto_core_ed25519_is_valid_point
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from e2ecall.errors import PeerMisbehaved, VerificationFailed
from e2ecall.secret import SecretBytes

__all__ = ["KEY_LENGTH", "SEED_LENGTH", "SIGNATURE_LENGTH", "Signer", "check_public_key", "verify"]

KEY_LENGTH = 32
SEED_LENGTH = 32
SIGNATURE_LENGTH = 64


class Signer:
    """An Ed25519 signing key from its 32-byte seed; `public` is the 32-byte verification key."""

    __slots__ = ("_key", "public")

    def __init__(self, seed: SecretBytes) -> None:
        self._key = SigningKey(bytes(seed.expose()))
        self.public = bytes(self._key.verify_key)

    def sign(self, message: bytes) -> bytes:
        """RFC 8032 §5.1.6: the 64-byte signature."""
        return self._key.sign(message).signature

    def __repr__(self) -> str:
        return f"<Signer of {self.public.hex()[:16]}…>"


def check_public_key(key: bytes, *, clause: str) -> None:
    """A canonical point of the prime-order subgroup, or PeerMisbehaved. `key` is 32 bytes."""
    if not crypto_core_ed25519_is_valid_point(key):
        raise PeerMisbehaved("the Ed25519 identity key is not a canonical point of full order", clause=clause)


def verify(key: bytes, message: bytes, signature: bytes, *, what: str, clause: str) -> None:
    """RFC 8032 §5.1.7, by libsodium: returns nothing, or raises VerificationFailed naming `what` was signed."""
    try:
        VerifyKey(key).verify(message, signature)
    except (BadSignatureError, ValueError):  # ValueError: not of 64 bytes
        raise VerificationFailed(f"the signature of {what} does not verify", clause=clause) from None

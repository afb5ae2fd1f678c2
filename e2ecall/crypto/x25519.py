"""X25519 (RFC 7748) with non-contributory results refused."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from e2ecall.errors import PeerMisbehaved
from e2ecall.secret import SecretBytes

__all__ = ["KEY_LENGTH", "X25519Key"]

KEY_LENGTH = 32


class X25519Key:
    """One ephemeral X25519 key; `public` is its 32-byte u-coordinate."""

    __slots__ = ("_private", "public")

    def __init__(self, private: bytes) -> None:
        self._private = X25519PrivateKey.from_private_bytes(private)
        self.public = self._private.public_key().public_bytes_raw()

    def exchange(self, peer: bytes, *, clause: str) -> SecretBytes:
        """RFC 7748 §6.1: the 32-byte shared secret; an all-zero one (low-order `peer`) raises PeerMisbehaved."""
        try:
            return SecretBytes(self._private.exchange(X25519PublicKey.from_public_bytes(peer)))
        except ValueError:
            raise PeerMisbehaved("the X25519 key is of low order", clause=clause) from None

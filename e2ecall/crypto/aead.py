"""AES-GCM (NIST SP 800-38D) with 96-bit nonces and 128-bit tags."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from e2ecall.errors import VerificationFailed
from e2ecall.secret import SecretBytes

__all__ = ["AESGCM", "TAG_LENGTH", "InvalidTag", "aes_gcm", "open_sealed", "seal"]

TAG_LENGTH = 16


def aes_gcm(key: SecretBytes) -> AESGCM:
    """An AES-GCM object for a key of 16 or 32 bytes. It keeps a copy of the key for as long as it lives."""
    return AESGCM(key.expose())


def seal(key: SecretBytes, iv: SecretBytes, plaintext: bytes, aad: bytes) -> bytes:
    """SP 800-38D §7.1: one message under a one-time key and its 12-byte iv; ciphertext || 16-byte tag."""
    return aes_gcm(key).encrypt(iv.expose(), plaintext, aad)


def open_sealed(key: SecretBytes, iv: SecretBytes, sealed: bytes, aad: bytes, *, what: str, clause: str) -> bytes:
    """SP 800-38D §7.2: the plaintext, or VerificationFailed naming `what` was sealed and the `clause`."""
    try:
        return aes_gcm(key).decrypt(iv.expose(), sealed, aad)
    except InvalidTag:
        raise VerificationFailed(f"{what} does not authenticate", clause=clause) from None

"""AES-256 in counter mode (NIST SP 800-38A §6.5), without authentication: for protocols that bring their own."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from e2ecall.secret import SecretBytes

__all__ = ["aes_ctr"]


def aes_ctr(key: SecretBytes, iv: SecretBytes, data: bytes | memoryview) -> bytes:
    """SP 800-38A §6.5: `data` under a key of 32 bytes; `iv` is the first counter, 16 bytes, big-endian. Both ways."""
    return Cipher(algorithms.AES256(bytes(key.expose())), modes.CTR(bytes(iv.expose()))).encryptor().update(data)

"""SHA-2 and HKDF (RFC 5869), secrets in and out as `SecretBytes`."""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from e2ecall.secret import SecretBytes

__all__ = ["HASHES", "constant_time_equal", "hkdf_expand", "hkdf_extract", "sha1", "sha256"]

HASHES: dict[str, hashes.HashAlgorithm] = {"sha256": hashes.SHA256(), "sha512": hashes.SHA512()}


def sha256(data: bytes) -> bytes:
    """FIPS 180-4: SHA-256, 32 bytes."""
    return hashlib.sha256(data).digest()


def sha1(data: bytes) -> bytes:
    """FIPS 180-4: SHA-1, 20 bytes. Broken: only for the fingerprints of protocols that have it."""
    return hashlib.sha1(data, usedforsecurity=False).digest()


def hkdf_extract(salt: bytes | memoryview, ikm: bytes | memoryview, hash_name: str = "sha256") -> SecretBytes:
    """RFC 5869 §2.2: HKDF-Extract(salt, IKM), as long as the hash. `hash_name` is sha256 or sha512."""
    return SecretBytes(HKDF.extract(HASHES[hash_name], bytes(salt), ikm))


def hkdf_expand(prk: SecretBytes, info: bytes, length: int, hash_name: str = "sha256") -> SecretBytes:
    """RFC 5869 §2.3: HKDF-Expand(PRK, info, L), written straight into the secret's buffer."""
    kdf = HKDFExpand(HASHES[hash_name], length, info)
    return SecretBytes.derive_into(length, lambda buffer: kdf.derive_into(prk.expose(), buffer))


def constant_time_equal(a: bytes | memoryview, b: bytes | memoryview) -> bool:
    """Whether two byte strings are equal, in time that depends on their lengths only."""
    return hmac.compare_digest(a, b)

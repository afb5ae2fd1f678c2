"""frame.3: cipher suites (RFC 9605 §4.5, the two AES-GCM ones) and the key derivation (§4.4.2)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from e2ecall.crypto.aead import TAG_LENGTH
from e2ecall.crypto.kdf import hkdf_expand, hkdf_extract
from e2ecall.errors import ApiMisuse
from e2ecall.secret import SecretBytes
from e2ecall.sframe.header import MAX_KID

__all__ = [
    "DEFAULT_SUITE",
    "MIN_BASE_KEY",
    "NONCE_LENGTH",
    "TAG_LENGTH",
    "CipherSuite",
    "cipher_suite",
    "derive",
    "derive_window_id",
]

NONCE_LENGTH: Final = 12  # AEAD.Nn of both suites
MIN_BASE_KEY: Final = 16  # bytes; no suite is stronger than its base_key
_WINDOW_ID_LENGTH = 16


class CipherSuite(IntEnum):
    """RFC 9605 §8.1: the registered numbers of the suites that this version has."""

    AES_128_GCM_SHA256_128 = 4
    AES_256_GCM_SHA512_128 = 5


DEFAULT_SUITE = CipherSuite.AES_256_GCM_SHA512_128


@dataclass(frozen=True, slots=True)
class _Parameters:
    key_length: int  # AEAD.Nk
    hash_name: str


_PARAMETERS = {
    CipherSuite.AES_128_GCM_SHA256_128: _Parameters(16, "sha256"),
    CipherSuite.AES_256_GCM_SHA512_128: _Parameters(32, "sha512"),
}


def cipher_suite(number: int) -> CipherSuite:
    """frame.3-1: the suite of that number, or ApiMisuse if this version lacks it."""
    try:
        return CipherSuite(number)
    except ValueError:
        raise ApiMisuse(f"SFrame cipher suite {number} is not one of this version", clause="frame.3-1") from None


def derive(suite: int, kid: int, base_key: SecretBytes) -> tuple[SecretBytes, SecretBytes]:
    """frame.3-2 (RFC 9605 §4.4.2): (sframe_key of 16 or 32 bytes, sframe_salt of 12) for one KID.

    ApiMisuse for a suite that this version lacks, a KID outside 0..2^64-1 and a base_key below 16 bytes.
    """
    parameters = _PARAMETERS[cipher_suite(suite)]
    key = _expand(b"SFrame 1.0 Secret key ", suite, kid, base_key, parameters.key_length)
    salt = _expand(b"SFrame 1.0 Secret salt ", suite, kid, base_key, NONCE_LENGTH)
    return key, salt


def derive_window_id(suite: int, kid: int, base_key: SecretBytes) -> bytes:
    """frame.6-12: 16 bytes that tell whether a (base_key, KID) was here before, and nothing about the key.

    Local to one receiver: never sent, never stored.
    """
    return bytes(_expand(b"e2ecall/1 replay window ", suite, kid, base_key, _WINDOW_ID_LENGTH).expose())


def _expand(label: bytes, suite: int, kid: int, base_key: SecretBytes, length: int) -> SecretBytes:
    if not 0 <= kid <= MAX_KID:
        raise ApiMisuse("KID is not in 0..2^64-1", clause="frame.2-1")
    if len(base_key) < MIN_BASE_KEY:
        raise ApiMisuse(f"a base_key has at least {MIN_BASE_KEY} bytes", clause="frame.3-4")
    hash_name = _PARAMETERS[cipher_suite(suite)].hash_name
    secret = hkdf_extract(b"", base_key.expose(), hash_name)
    try:
        return hkdf_expand(secret, label + kid.to_bytes(8, "big") + suite.to_bytes(2, "big"), length, hash_name)
    finally:
        secret.wipe()

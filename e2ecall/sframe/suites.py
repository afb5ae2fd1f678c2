"""frame.3: the eight cipher suites (RFC 9605 §4.5, draft-barnes-sframe-iana-256) and the key derivation (§4.4.2)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple, Protocol

from e2ecall.crypto.aead import aes_gcm
from e2ecall.crypto.ctr_hmac import AesCtrHmac
from e2ecall.crypto.kdf import hkdf_expand, hkdf_extract
from e2ecall.errors import ApiMisuse
from e2ecall.secret import SecretBytes
from e2ecall.sframe.header import MAX_KID

__all__ = [
    "DEFAULT_SUITE",
    "MIN_BASE_KEY",
    "NONCE_LENGTH",
    "Aead",
    "CipherSuite",
    "SuiteParameters",
    "aead",
    "cipher_suite",
    "derive",
    "derive_base_key_name",
    "derive_key_name",
    "derive_secret",
]

NONCE_LENGTH: Final = 12  # AEAD.Nn of all suites
MIN_BASE_KEY: Final = 16  # bytes; no suite is stronger than its base_key
_KEY_NAME_LENGTH = 16


class SuiteParameters(NamedTuple):
    """RFC 9605 §4.4, Table 1: lengths in bytes."""

    key_length: int  # AEAD.Nk
    tag_length: int  # AEAD.Nt
    hash_name: str
    hash_length: int  # Nh
    cipher_key_length: int | None = None  # AEAD.Nka: what of the key AES takes, in the suites with HMAC


class CipherSuite(IntEnum):
    """RFC 9605 §8.1: the registered numbers. The end of a name is the length of the tag in bits."""

    AES_128_CTR_HMAC_SHA256_80 = 1
    AES_128_CTR_HMAC_SHA256_64 = 2
    AES_128_CTR_HMAC_SHA256_32 = 3
    AES_128_GCM_SHA256_128 = 4
    AES_256_GCM_SHA512_128 = 5
    AES_256_CTR_HMAC_SHA512_80 = 6
    AES_256_CTR_HMAC_SHA512_64 = 7
    AES_256_CTR_HMAC_SHA512_32 = 8

    @property
    def parameters(self) -> SuiteParameters:
        """RFC 9605 §4.5: the suite's lengths and hash."""
        return _PARAMETERS[self]

    @property
    def has_short_tag(self) -> bool:
        """frame.7-7: whether the tag has 32 bits, which is too few for video (RFC 9605 §7.5)."""
        return self.parameters.tag_length == 4


_PARAMETERS = {
    CipherSuite.AES_128_CTR_HMAC_SHA256_80: SuiteParameters(48, 10, "sha256", 32, 16),
    CipherSuite.AES_128_CTR_HMAC_SHA256_64: SuiteParameters(48, 8, "sha256", 32, 16),
    CipherSuite.AES_128_CTR_HMAC_SHA256_32: SuiteParameters(48, 4, "sha256", 32, 16),
    CipherSuite.AES_128_GCM_SHA256_128: SuiteParameters(16, 16, "sha256", 32),
    CipherSuite.AES_256_GCM_SHA512_128: SuiteParameters(32, 16, "sha512", 64),
    CipherSuite.AES_256_CTR_HMAC_SHA512_80: SuiteParameters(96, 10, "sha512", 64, 32),
    CipherSuite.AES_256_CTR_HMAC_SHA512_64: SuiteParameters(96, 8, "sha512", 64, 32),
    CipherSuite.AES_256_CTR_HMAC_SHA512_32: SuiteParameters(96, 4, "sha512", 64, 32),
}
DEFAULT_SUITE = CipherSuite.AES_256_GCM_SHA512_128


class Aead(Protocol):
    """RFC 5116 §2: what every suite's cipher does. InvalidTag from `decrypt`; OverflowError from 2 GiB on."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes:
        """Ciphertext || tag."""
        ...

    def decrypt(self, nonce: bytes, data: bytes | memoryview, associated_data: bytes, /) -> bytes:
        """The plaintext of ciphertext || tag."""
        ...


def cipher_suite(number: int) -> CipherSuite:
    """frame.3-1: the suite of that number, or ApiMisuse if it is not a registered one."""
    try:
        return CipherSuite(number)
    except ValueError:
        raise ApiMisuse(f"there is no SFrame cipher suite {number}", clause="frame.3-1") from None


def derive_secret(suite: int, base_key: SecretBytes) -> SecretBytes:
    """frame.3-2 (RFC 9605 §4.4.2): sframe_secret, as long as the suite's hash. ApiMisuse below 16 bytes of base_key."""
    _require_base_key(base_key)
    return hkdf_extract(b"", base_key.expose(), cipher_suite(suite).parameters.hash_name)


def derive(suite: int, kid: int, base_key: SecretBytes) -> tuple[SecretBytes, SecretBytes]:
    """frame.3-2 (RFC 9605 §4.4.2): (sframe_key of the suite's key length, sframe_salt of 12 bytes) for one KID.

    ApiMisuse for an unknown suite, a KID outside 0..2^64-1 and a base_key below 16 bytes.
    """
    parameters = cipher_suite(suite).parameters
    end = _kid_bytes(kid) + suite.to_bytes(2)
    secret = derive_secret(suite, base_key)
    try:
        return (
            hkdf_expand(secret, b"SFrame 1.0 Secret key " + end, parameters.key_length, parameters.hash_name),
            hkdf_expand(secret, b"SFrame 1.0 Secret salt " + end, NONCE_LENGTH, parameters.hash_name),
        )
    finally:
        secret.wipe()


def derive_key_name(kid: int, base_key: SecretBytes) -> bytes:
    """frame.5-6, frame.6-12: 16 bytes by which this process knows a (base_key, KID) again.

    They tell nothing about the key, are the same for every suite, and are never sent.
    """
    return _name(base_key, _kid_bytes(kid))


def derive_base_key_name(base_key: SecretBytes) -> bytes:
    """frame.4-5: 16 bytes by which a receiver knows an epoch's base_key again, as `derive_key_name`."""
    return _name(base_key, b"")


def _name(base_key: SecretBytes, info: bytes) -> bytes:
    _require_base_key(base_key)
    prk = hkdf_extract(b"e2ecall/1 key name", base_key.expose())
    try:
        return bytes(hkdf_expand(prk, info, _KEY_NAME_LENGTH).expose())
    finally:
        prk.wipe()


def aead(suite: CipherSuite, key: SecretBytes) -> Aead:
    """frame.3-3: the suite's cipher under an sframe_key."""
    key_length, tag_length, hash_name, _, cipher_key_length = suite.parameters
    if len(key) != key_length:
        raise ApiMisuse(f"an sframe_key of {suite.name} has {key_length} bytes", clause="frame.3-2")
    if cipher_key_length is None:
        return aes_gcm(key)
    return AesCtrHmac(key, cipher_key_length=cipher_key_length, hash_name=hash_name, tag_length=tag_length)


def _kid_bytes(kid: int) -> bytes:
    if not 0 <= kid <= MAX_KID:
        raise ApiMisuse("KID is not in 0..2^64-1", clause="frame.2-1")
    return kid.to_bytes(8)


def _require_base_key(base_key: SecretBytes) -> None:
    if len(base_key) < MIN_BASE_KEY:
        raise ApiMisuse(f"a base_key has at least {MIN_BASE_KEY} bytes", clause="frame.3-4")

"""RFC 9605 §4.4 and §4.5, and suites 6 to 8 of draft-barnes-sframe-iana-256, with every value in between."""

from __future__ import annotations

from dataclasses import dataclass

from e2ecall.audit.oracle import aead
from e2ecall.audit.oracle.hashes import hkdf_expand, hkdf_extract
from e2ecall.audit.oracle.header import decode_header, encode_header
from e2ecall.audit.oracle.refused import Refused

__all__ = ["NN", "SUITES", "Derived", "Sealed", "Suite", "derive", "nonce_of", "protect", "suite_of", "unprotect"]

NN = 12
"""Nn: the bytes of a nonce, in every suite."""

_LEAST_BASE_KEY = 16


@dataclass(frozen=True, slots=True)
class Suite:
    """One row of RFC 9605's table: Nh, Nka (0 for GCM), Nk and Nt in bytes."""

    number: int
    name: str
    hash_name: str
    nh: int
    nka: int
    nk: int
    nt: int

    def encrypt(self, key: bytes, nonce: bytes, aad: bytes, plaintext: bytes) -> bytes:
        """RFC 9605 §4.4.3, AEAD.Encrypt."""
        if not self.nka:
            return aead.gcm_encrypt(key, nonce, aad, plaintext)
        return aead.ctr_hmac_encrypt(key, nonce, aad, plaintext, hash_name=self.hash_name, nka=self.nka, nt=self.nt)

    def decrypt(self, key: bytes, nonce: bytes, aad: bytes, sealed: bytes) -> bytes:
        """RFC 9605 §4.4.4, AEAD.Decrypt."""
        if not self.nka:
            return aead.gcm_decrypt(key, nonce, aad, sealed)
        return aead.ctr_hmac_decrypt(key, nonce, aad, sealed, hash_name=self.hash_name, nka=self.nka, nt=self.nt)


SUITES = (
    Suite(1, "AES_128_CTR_HMAC_SHA256_80", "sha256", nh=32, nka=16, nk=48, nt=10),
    Suite(2, "AES_128_CTR_HMAC_SHA256_64", "sha256", nh=32, nka=16, nk=48, nt=8),
    Suite(3, "AES_128_CTR_HMAC_SHA256_32", "sha256", nh=32, nka=16, nk=48, nt=4),
    Suite(4, "AES_128_GCM_SHA256_128", "sha256", nh=32, nka=0, nk=16, nt=16),
    Suite(5, "AES_256_GCM_SHA512_128", "sha512", nh=64, nka=0, nk=32, nt=16),
    Suite(6, "AES_256_CTR_HMAC_SHA512_80", "sha512", nh=64, nka=32, nk=96, nt=10),
    Suite(7, "AES_256_CTR_HMAC_SHA512_64", "sha512", nh=64, nka=32, nk=96, nt=8),
    Suite(8, "AES_256_CTR_HMAC_SHA512_32", "sha512", nh=64, nka=32, nk=96, nt=4),
)


def suite_of(number: int) -> Suite:
    """RFC 9605 §4.5: the suite of a number from 1 to 8."""
    for suite in SUITES:
        if suite.number == number:
            return suite
    raise Refused("misuse", "frame.3-1", f"there is no suite {number}")


@dataclass(frozen=True, slots=True)
class Derived:
    """RFC 9605 §4.4.2: the labels, the secret, and what comes of them."""

    key_label: bytes
    salt_label: bytes
    secret: bytes
    key: bytes
    salt: bytes


@dataclass(frozen=True, slots=True)
class Sealed:
    """RFC 9605 §4.4.3: one sealed frame and its parts."""

    derived: Derived
    header: bytes
    nonce: bytes
    aad: bytes
    ciphertext: bytes


def derive(number: int, kid: int, base_key: bytes) -> Derived:
    """RFC 9605 §4.4.2: derive_key_salt."""
    suite = suite_of(number)
    if not 0 <= kid < 2**64:
        raise Refused("misuse", "frame.2-1", f"{kid} is not an integer of 64 bits")
    if len(base_key) < _LEAST_BASE_KEY:
        raise Refused("misuse", "frame.3-4", f"a base_key of {len(base_key)} bytes")
    secret = hkdf_extract(suite.hash_name, b"", base_key)
    key_label = b"SFrame 1.0 Secret key " + kid.to_bytes(8, "big") + number.to_bytes(2, "big")
    salt_label = b"SFrame 1.0 Secret salt " + kid.to_bytes(8, "big") + number.to_bytes(2, "big")
    key = hkdf_expand(suite.hash_name, secret, key_label, suite.nk)
    salt = hkdf_expand(suite.hash_name, secret, salt_label, NN)
    return Derived(key_label, salt_label, secret, key, salt)


def nonce_of(salt: bytes, ctr: int) -> bytes:
    """RFC 9605 §4.4.3: sframe_salt XOR CTR, both as integers of 12 bytes."""
    return (int.from_bytes(salt, "big") ^ ctr).to_bytes(NN, "big")


def protect(number: int, kid: int, ctr: int, base_key: bytes, plaintext: bytes, metadata: bytes = b"") -> Sealed:
    """RFC 9605 §4.4.3: encrypt; `ciphertext` is the whole frame, with its header."""
    derived = derive(number, kid, base_key)
    header = encode_header(kid, ctr)
    nonce = nonce_of(derived.salt, ctr)
    aad = header + metadata
    sealed = suite_of(number).encrypt(derived.key, nonce, aad, plaintext)
    return Sealed(derived, header, nonce, aad, header + sealed)


def unprotect(number: int, kid: int, base_key: bytes, frame: bytes, metadata: bytes = b"") -> tuple[bytes, int]:
    """RFC 9605 §4.4.4: decrypt with the one key that there is: (plaintext, CTR), or Refused."""
    named, ctr, length = decode_header(frame)
    if named != kid:
        raise Refused("unknown-key", "frame.6-2", f"no key for KID {named}")
    derived = derive(number, kid, base_key)
    plaintext = suite_of(number).decrypt(
        derived.key, nonce_of(derived.salt, ctr), frame[:length] + metadata, frame[length:]
    )
    return plaintext, ctr

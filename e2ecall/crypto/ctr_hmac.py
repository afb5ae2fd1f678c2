"""RFC 9605 §4.5.1: AES in counter mode, then HMAC over everything, the tag cut to what the suite names.

The same calls as AES-GCM's, so that the frame layer does not care which of the two it holds.
"""

from __future__ import annotations

import hmac
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from cryptography.hazmat.primitives.hmac import HMAC

from e2ecall.crypto.kdf import HASHES
from e2ecall.secret import SecretBytes

__all__ = ["AesCtrHmac"]

_LIMIT = 1 << 31  # bytes, that of AES-GCM in the library
_COUNTER_START = bytes(4)  # a frame has fewer than 2^32 blocks: it has less than 2 GiB
_LENGTHS = struct.Struct(">QQQ")  # of the associated data, the ciphertext and the tag


class AesCtrHmac:
    """RFC 9605 §4.5.1: the AEAD of one key; safe to use from several threads.

    `key` is the encryption subkey of `cipher_key_length` bytes, then the authentication subkey. The library keeps
    copies of both for as long as this object lives.
    """

    __slots__ = ("_encryption", "_idle", "_mac", "_tag_length")

    def __init__(self, key: SecretBytes, *, cipher_key_length: int, hash_name: str, tag_length: int) -> None:
        exposed = key.expose()
        self._encryption = algorithms.AES(bytes(exposed[:cipher_key_length]))  # a view would be wiped with `key`
        self._mac = HMAC(exposed[cipher_key_length:], HASHES[hash_name])
        self._tag_length = tag_length
        # Key streams that no thread is using. list.pop and list.append are one step each.
        self._idle: list[CipherContext] = []

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        """RFC 9605 §4.5.1: ciphertext || tag; `nonce` is 12 bytes. OverflowError from 2 GiB on, as with AES-GCM."""
        ciphertext = self._key_stream(nonce, data)
        return ciphertext + self._tag(nonce, ciphertext, associated_data)

    def decrypt(self, nonce: bytes, data: bytes | memoryview, associated_data: bytes) -> bytes:
        """RFC 9605 §4.5.1: the plaintext, or InvalidTag; nothing is decrypted before the tag has been compared."""
        split = len(data) - self._tag_length
        if split < 0:
            raise InvalidTag
        ciphertext = data[:split]
        if not hmac.compare_digest(self._tag(nonce, ciphertext, associated_data), data[split:]):
            raise InvalidTag
        return self._key_stream(nonce, ciphertext)

    def _tag(self, nonce: bytes, ciphertext: bytes | memoryview, associated_data: bytes) -> bytes:
        mac = self._mac.copy()
        mac.update(_LENGTHS.pack(len(associated_data), len(ciphertext), self._tag_length) + nonce + associated_data)
        mac.update(ciphertext)
        return mac.finalize()[: self._tag_length]

    def _key_stream(self, nonce: bytes, data: bytes | memoryview) -> bytes:
        if len(data) >= _LIMIT:
            raise OverflowError("2 GiB and more")
        try:
            stream = self._idle.pop()
        except IndexError:
            stream = Cipher(self._encryption, modes.CTR(bytes(16))).encryptor()
        stream.reset_nonce(nonce + _COUNTER_START)
        result = stream.update(data)
        self._idle.append(stream)
        return result

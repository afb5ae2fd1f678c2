"""The encryption of Telegram's group calls, from the chapter alone, with single AES blocks and curve arithmetic."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from e2ecall.audit.oracle import ed25519, x25519
from e2ecall.audit.oracle.aead import aes_block
from e2ecall.audit.oracle.hashes import hmac
from e2ecall.audit.oracle.refused import Refused

__all__ = ["decrypt", "decrypt_header", "encrypt", "encrypt_header", "padding_length", "seal_padded", "shared_secret"]

_FIELD = 2**255 - 19


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _aes_block_back(key: bytes, block: bytes) -> bytes:
    decryptor = Cipher(algorithms.AES(key), modes.ECB()).decryptor()  # noqa: S305 - the bare cipher
    return decryptor.update(block) + decryptor.finalize()


def _cbc(key: bytes, iv: bytes, data: bytes) -> bytes:
    out, last = b"", iv
    for start in range(0, len(data), 16):
        last = aes_block(key, _xor(last, data[start : start + 16]))
        out += last
    return out


def _cbc_back(key: bytes, iv: bytes, data: bytes) -> bytes:
    out, last = b"", iv
    for start in range(0, len(data), 16):
        block = data[start : start + 16]
        out += _xor(last, _aes_block_back(key, block))
        last = block
    return out


def _key_and_iv(key: bytes, message_id: bytes) -> tuple[bytes, bytes]:
    derived = hmac("sha512", key, message_id)
    return derived[:32], derived[32:48]


def _large_id(secret: bytes, padded: bytes, extra: bytes) -> bytes:
    keys = hmac("sha512", secret, b"tde2e_encrypt_data")
    return hmac("sha256", keys[32:64], padded + extra + len(extra).to_bytes(4, "little"))


def _data_cipher(secret: bytes, message_id: bytes) -> tuple[bytes, bytes]:
    return _key_and_iv(hmac("sha512", secret, b"tde2e_encrypt_data")[:32], message_id)


def padding_length(length: int) -> int:
    """telegram.8-1: the one number from 16 to 31 that fills `length` bytes to whole blocks."""
    return next(n for n in range(16, 32) if (n + length) % 16 == 0)


def encrypt(secret: bytes, data: bytes, extra: bytes, padding: bytes) -> tuple[bytes, bytes]:
    """telegram.8-1: (message, large_id); `padding` is what is random in front of the data."""
    padded = bytes([len(padding) + 1]) + padding + data
    return seal_padded(secret, padded, extra)


def seal_padded(secret: bytes, padded: bytes, extra: bytes) -> tuple[bytes, bytes]:
    """As `encrypt`, with whatever padding; also one that no sender makes."""
    large_id = _large_id(secret, padded, extra)
    return large_id[:16] + _cbc(*_data_cipher(secret, large_id[:16]), padded), large_id


def decrypt(secret: bytes, message: bytes, extra: bytes) -> tuple[bytes, bytes]:
    """telegram.8-2: (data, large_id)."""
    if len(message) < 32 or len(message) % 16 != 0:
        raise Refused("malformed", "telegram.8-2", "length")
    padded = _cbc_back(*_data_cipher(secret, message[:16]), message[16:])
    large_id = _large_id(secret, padded, extra)
    if large_id[:16] != message[:16]:
        raise Refused("verification", "telegram.8-2", "the id")
    if padded[0] not in range(16, 32) or padded[0] > len(padded):
        raise Refused("malformed", "telegram.8-2", "padding")
    return padded[padded[0] :], large_id


def _header_cipher(secret: bytes, message: bytes) -> tuple[bytes, bytes]:
    if len(message) < 16:
        raise Refused("malformed", "telegram.8-3", "no id")
    return _key_and_iv(hmac("sha512", secret, b"tde2e_encrypt_header")[:32], message[:16])


def encrypt_header(secret: bytes, header: bytes, message: bytes) -> bytes:
    """telegram.8-3: 32 bytes."""
    return _cbc(*_header_cipher(secret, message), header)


def decrypt_header(secret: bytes, encrypted: bytes, message: bytes) -> bytes:
    """telegram.8-3: 32 bytes, whatever they are."""
    if len(encrypted) != 32:
        raise Refused("malformed", "telegram.8-3", "length")
    return _cbc_back(*_header_cipher(secret, message), encrypted)


def shared_secret(seed: bytes, peer: bytes) -> bytes:
    """telegram.8-4: u = (1 + y) / (1 - y) of the other side's key."""
    if len(peer) != 32:
        raise Refused("malformed", "telegram.8-4", "length")
    ed25519.check_public_key(peer, "telegram.8-4")
    y = int.from_bytes(peer, "little") & (2**255 - 1)
    u = (1 + y) * pow(1 - y, -1, _FIELD) % _FIELD
    scalar = hashlib.sha512(seed).digest()[:32]
    return hmac("sha512", b"tde2e_shared_secret", x25519.exchange(scalar, u.to_bytes(32, "little")))[:32]

"""HMAC and HKDF from a hash function and nothing else."""

from __future__ import annotations

import hashlib

__all__ = ["hkdf_expand", "hkdf_extract", "hmac"]


def _hash(name: str, data: bytes) -> bytes:
    return hashlib.new(name, data).digest()


def hmac(name: str, key: bytes, data: bytes) -> bytes:
    """RFC 2104 §2: H(K xor opad, H(K xor ipad, data)), the key filled up with zeros to a block of the hash."""
    block = hashlib.new(name).block_size
    if len(key) > block:
        key = _hash(name, key)
    key = key + bytes(block - len(key))
    inner = bytes(byte ^ 0x36 for byte in key)
    outer = bytes(byte ^ 0x5C for byte in key)
    return _hash(name, outer + _hash(name, inner + data))


def hkdf_extract(name: str, salt: bytes, ikm: bytes) -> bytes:
    """RFC 5869 §2.2: a key of one hash length; an empty salt stands for as many zero bytes."""
    if not salt:
        salt = bytes(hashlib.new(name).digest_size)
    return hmac(name, salt, ikm)


def hkdf_expand(name: str, prk: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 §2.3: T(1) || T(2) || …, cut to `length` bytes."""
    output = b""
    block = b""
    number = 1
    while len(output) < length:
        block = hmac(name, prk, block + info + number.to_bytes(1, "big"))
        output += block
        number += 1
    return output[:length]

"""The two AEADs of RFC 9605 §4.5 from single AES blocks: GCM, and CTR with HMAC.

Blocks are 16 bytes. Elements of GCM's field are integers; bit 0 of NIST SP 800-38D is the highest bit here.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from e2ecall.audit.oracle.hashes import hmac
from e2ecall.audit.oracle.refused import Refused

__all__ = ["aes_block", "ctr_hmac_decrypt", "ctr_hmac_encrypt", "gcm_decrypt", "gcm_encrypt", "split_ctr_hmac_key"]

_BLOCK = 16


def aes_block(key: bytes, block: bytes) -> bytes:
    """FIPS 197: one block. That is the bare cipher; the modes are written out where they are used."""
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305
    return encryptor.update(block) + encryptor.finalize()


def _xor(left: bytes, right: bytes) -> bytes:
    """As long as the shorter one."""
    return bytes(a ^ b for a, b in zip(left, right, strict=False))


def _blocks(data: bytes) -> list[bytes]:
    return [data[start : start + _BLOCK] for start in range(0, len(data), _BLOCK)]


def _ctr(key: bytes, nonce: bytes, first: int, data: bytes) -> bytes:
    """SP 800-38A §6.5 with counter blocks of a nonce (12 bytes) and a number (4 bytes) from `first` on."""
    output = b""
    for number, block in enumerate(_blocks(data), first):
        output += _xor(block, aes_block(key, nonce + number.to_bytes(4, "big")))
    return output


def _times(x: int, y: int) -> int:
    """SP 800-38D §6.3: the product of two blocks in GF(2^128)."""
    product = 0
    for bit in range(128):
        if x >> (127 - bit) & 1:
            product ^= y
        y = y >> 1 ^ (0xE1 << 120 if y & 1 else 0)
    return product


def _ghash(subkey: int, data: bytes) -> int:
    """SP 800-38D §6.4, over whole blocks."""
    value = 0
    for block in _blocks(data):
        value = _times(value ^ int.from_bytes(block, "big"), subkey)
    return value


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _BLOCK)


def _gcm_tag(key: bytes, nonce: bytes, aad: bytes, ciphertext: bytes) -> bytes:
    subkey = int.from_bytes(aes_block(key, bytes(_BLOCK)), "big")
    lengths = (8 * len(aad)).to_bytes(8, "big") + (8 * len(ciphertext)).to_bytes(8, "big")
    value = _ghash(subkey, _padded(aad) + _padded(ciphertext) + lengths)
    return _ctr(key, nonce, 1, value.to_bytes(_BLOCK, "big"))


def gcm_encrypt(key: bytes, nonce: bytes, aad: bytes, plaintext: bytes) -> bytes:
    """SP 800-38D §7.1 with a nonce of 12 bytes: ciphertext || tag of 16 bytes."""
    ciphertext = _ctr(key, nonce, 2, plaintext)
    return ciphertext + _gcm_tag(key, nonce, aad, ciphertext)


def gcm_decrypt(key: bytes, nonce: bytes, aad: bytes, sealed: bytes) -> bytes:
    """SP 800-38D §7.2: the plaintext, or Refused."""
    ciphertext, tag = _split(sealed, 16)
    if _gcm_tag(key, nonce, aad, ciphertext) != tag:
        raise Refused("authentication", "frame.6-5", "the GCM tag is another one")
    return _ctr(key, nonce, 2, ciphertext)


def split_ctr_hmac_key(key: bytes, nka: int) -> tuple[bytes, bytes]:
    """RFC 9605 §4.5.1: (enc_key of `nka` bytes, auth_key: the rest)."""
    return key[:nka], key[nka:]


def _ctr_hmac_tag(hash_name: str, auth_key: bytes, nonce: bytes, aad: bytes, ciphertext: bytes, nt: int) -> bytes:
    lengths = len(aad).to_bytes(8, "big") + len(ciphertext).to_bytes(8, "big") + nt.to_bytes(8, "big")
    return hmac(hash_name, auth_key, lengths + nonce + aad + ciphertext)[:nt]


def ctr_hmac_encrypt(
    key: bytes, nonce: bytes, aad: bytes, plaintext: bytes, *, hash_name: str, nka: int, nt: int
) -> bytes:
    """RFC 9605 §4.5.1, AEAD.Encrypt: AES-CTR from block 0, then HMAC: ciphertext || tag of `nt` bytes."""
    enc_key, auth_key = split_ctr_hmac_key(key, nka)
    ciphertext = _ctr(enc_key, nonce, 0, plaintext)
    return ciphertext + _ctr_hmac_tag(hash_name, auth_key, nonce, aad, ciphertext, nt)


def ctr_hmac_decrypt(
    key: bytes, nonce: bytes, aad: bytes, sealed: bytes, *, hash_name: str, nka: int, nt: int
) -> bytes:
    """RFC 9605 §4.5.1, AEAD.Decrypt: the plaintext, or Refused."""
    enc_key, auth_key = split_ctr_hmac_key(key, nka)
    ciphertext, tag = _split(sealed, nt)
    if _ctr_hmac_tag(hash_name, auth_key, nonce, aad, ciphertext, nt) != tag:
        raise Refused("authentication", "frame.6-5", "the HMAC tag is another one")
    return _ctr(enc_key, nonce, 0, ciphertext)


def _split(sealed: bytes, nt: int) -> tuple[bytes, bytes]:
    if len(sealed) < nt:
        raise Refused("malformed", "frame.6-6", f"{len(sealed)} bytes have no room for a tag of {nt}")
    return sealed[: len(sealed) - nt], sealed[len(sealed) - nt :]

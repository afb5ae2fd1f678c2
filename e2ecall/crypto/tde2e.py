"""telegram.8: the encryption of Telegram's group calls (tde2e): data, headers, and the secret of two Ed25519 keys.

Its construction, not ours: AES-256-CBC under keys from the first half of a MAC over the padded plaintext, a tag of 128
bits, and a header without a tag of its own. A header is only as good as the data that its key opens.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from nacl.bindings import crypto_sign_ed25519_pk_to_curve25519

from e2ecall.crypto.kdf import constant_time_equal
from e2ecall.crypto.rng import Rng
from e2ecall.crypto.sign import SEED_LENGTH, check_public_key
from e2ecall.crypto.x25519 import X25519Key
from e2ecall.errors import ApiMisuse, MalformedMessage, VerificationFailed
from e2ecall.secret import SecretBytes

__all__ = [
    "HEADER_LENGTH",
    "ID_LENGTH",
    "SECRET_LENGTH",
    "Encrypted",
    "decrypt_data",
    "decrypt_header",
    "encrypt_data",
    "encrypt_header",
    "shared_secret",
]

BLOCK: Final = 16
ID_LENGTH: Final = 16
HEADER_LENGTH: Final = 32
SECRET_LENGTH: Final = 32
MIN_PADDING: Final = 16
MAX_PADDING: Final = MIN_PADDING + BLOCK - 1
_SHORTEST: Final = ID_LENGTH + MIN_PADDING


@dataclass(frozen=True, slots=True)
class Encrypted:
    """`message` is what travels: 16 bytes of id, then ciphertext. `large_id` (32 bytes) is what a sender signs."""

    message: bytes
    large_id: bytes


def encrypt_data(data: bytes, secret: SecretBytes, rng: Rng, *, extra: bytes = b"") -> Encrypted:
    """telegram.8-1: `data` under `secret`, with 16 to 31 random bytes in front; `extra` is bound, and stays."""
    length = _padding_length(len(data))
    padded = bytes([length]) + rng.draw("tde2e padding", length - 1) + data
    large_id, key = _large_id(padded, secret, extra)
    encryptor = _cipher(key, large_id[:ID_LENGTH]).encryptor()
    return Encrypted(large_id[:ID_LENGTH] + _run(encryptor, padded), large_id)


def decrypt_data(message: bytes, secret: SecretBytes, *, extra: bytes = b"") -> tuple[bytes, bytes]:
    """telegram.8-2: (data, large_id). The tag is compared, in constant time, before the padding is looked at.

    MalformedMessage for what no sender makes, VerificationFailed for another secret, other data or another `extra`.
    """
    if len(message) < _SHORTEST or len(message) % BLOCK:
        raise MalformedMessage(
            f"no encrypted data has {len(message)} bytes", offset=0, path="data", clause="telegram.8-2"
        )
    message_id = message[:ID_LENGTH]
    decryptor = _cipher(_kdf(secret, b"tde2e_encrypt_data")[:32], message_id).decryptor()
    padded = _run(decryptor, message[ID_LENGTH:])
    large_id, _ = _large_id(padded, secret, extra)
    if not constant_time_equal(large_id[:ID_LENGTH], message_id):
        raise VerificationFailed("the data was not encrypted under this secret", clause="telegram.8-2")
    length = padded[0]
    if not MIN_PADDING <= length <= min(MAX_PADDING, len(padded)):
        raise MalformedMessage(f"no padding has {length} bytes", offset=0, path="padding", clause="telegram.8-2")
    return padded[length:], large_id


def encrypt_header(header: SecretBytes, message: bytes, secret: SecretBytes) -> bytes:
    """telegram.8-3: `header`, 32 bytes, for whoever shares `secret`; bound to the id that `message` begins with."""
    if len(header.expose()) != HEADER_LENGTH:
        raise ApiMisuse(f"a header has {HEADER_LENGTH} bytes", clause="telegram.8-3")
    return _run(_header_cipher(message, secret).encryptor(), bytes(header.expose()))


def decrypt_header(encrypted: bytes, message: bytes, secret: SecretBytes) -> SecretBytes:
    """telegram.8-3: the header, 32 bytes. It has no tag: under a wrong secret it is 32 other bytes.

    MalformedMessage for another length.
    """
    if len(encrypted) != HEADER_LENGTH:
        raise MalformedMessage(f"a header has {len(encrypted)} bytes", offset=0, path="header", clause="telegram.8-3")
    return SecretBytes(_run(_header_cipher(message, secret).decryptor(), encrypted))


def shared_secret(seed: SecretBytes, peer: bytes) -> SecretBytes:
    """telegram.8-4: 32 bytes of this side's Ed25519 `seed` and the other side's Ed25519 key, by X25519.

    PeerMisbehaved for a key that is no canonical point of the prime-order subgroup.
    """
    if len(seed.expose()) != SEED_LENGTH:
        raise ApiMisuse(f"a seed has {SEED_LENGTH} bytes", clause="telegram.8-4")
    if len(peer) != 32:
        raise MalformedMessage(f"an Ed25519 key has {len(peer)} bytes", offset=0, path="key", clause="telegram.8-4")
    check_public_key(peer, clause="telegram.8-4")
    own = X25519Key(hashlib.sha512(seed.expose()).digest()[:32])
    secret = own.exchange(crypto_sign_ed25519_pk_to_curve25519(peer), clause="telegram.8-4")
    return SecretBytes(hmac.digest(b"tde2e_shared_secret", bytes(secret.expose()), "sha512")[:32])


def _padding_length(length: int) -> int:
    return MIN_PADDING + BLOCK - 1 - (length + BLOCK - 1) % BLOCK


def _large_id(padded: bytes, secret: SecretBytes, extra: bytes) -> tuple[bytes, bytes]:
    """(the MAC of 32 bytes, the key that the cipher's keys come from)."""
    keys = _kdf(secret, b"tde2e_encrypt_data")
    return hmac.digest(keys[32:], padded + extra + len(extra).to_bytes(4, "little"), "sha256"), keys[:32]


def _header_cipher(message: bytes, secret: SecretBytes) -> Cipher[modes.CBC]:
    if len(message) < ID_LENGTH:
        raise MalformedMessage("the data is shorter than its id", offset=0, path="data", clause="telegram.8-3")
    return _cipher(_kdf(secret, b"tde2e_encrypt_header")[:32], message[:ID_LENGTH])


def _kdf(secret: SecretBytes, label: bytes) -> bytes:
    if len(secret.expose()) != SECRET_LENGTH:
        raise ApiMisuse(f"a secret has {SECRET_LENGTH} bytes", clause="telegram.8-1")
    return hmac.digest(bytes(secret.expose()), label, "sha512")


def _cipher(key: bytes, message_id: bytes) -> Cipher[modes.CBC]:
    derived = hmac.digest(key, message_id, "sha512")
    return Cipher(algorithms.AES256(derived[:32]), modes.CBC(derived[32:48]))


def _run(context: CipherContext, data: bytes) -> bytes:
    return context.update(data) + context.finalize()

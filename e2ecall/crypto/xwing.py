"""X-Wing (draft-connolly-cfrg-xwing-kem): ML-KEM-768 and X25519 as one KEM, HPKE's 0x647a.

A device's long-term encryption key. It is broken only if both halves are.
"""

from __future__ import annotations

import hashlib
from typing import Final

from e2ecall.crypto import mlkem, x25519
from e2ecall.crypto.mlkem import Kem, MlKemKey, check_encapsulation_key
from e2ecall.crypto.x25519 import X25519Key
from e2ecall.errors import ApiMisuse, MalformedMessage
from e2ecall.secret import SecretBytes

__all__ = ["CT_LENGTH", "PUBLIC_LENGTH", "SEED_LENGTH", "XWingKey", "check_public_key", "encapsulate"]

SEED_LENGTH: Final = 32
PUBLIC_LENGTH: Final = mlkem.EK_LENGTH + x25519.KEY_LENGTH  # 1216
CT_LENGTH: Final = mlkem.CT_LENGTH + x25519.KEY_LENGTH  # 1120
_LABEL = b"\\.//^\\"


class XWingKey:
    """draft §5.2: one decapsulation key from its 32-byte seed; `public` is the 1216-byte encapsulation key."""

    __slots__ = ("_mlkem", "_x25519", "public")

    def __init__(self, seed: SecretBytes) -> None:
        if len(seed) != SEED_LENGTH:
            raise ApiMisuse("the seed of an X-Wing key has 32 bytes", clause="identity.1-2")
        expanded = hashlib.shake_256(seed.expose()).digest(mlkem.SEED_LENGTH + x25519.KEY_LENGTH)
        self._mlkem = MlKemKey(expanded[: mlkem.SEED_LENGTH])
        self._x25519 = X25519Key(expanded[mlkem.SEED_LENGTH :])
        self.public = self._mlkem.ek + self._x25519.public

    def decapsulate(self, ct: bytes) -> SecretBytes:
        """Draft §5.5: the 32-byte shared secret of a 1120-byte ciphertext; a damaged one gives another secret.

        MalformedMessage for another length. PeerMisbehaved for an X25519 half of low order, which the draft lets pass.
        """
        if len(ct) != CT_LENGTH:
            raise MalformedMessage("an X-Wing ciphertext has 1120 bytes", path="ct", clause="identity.1-6")
        ct_mlkem, ct_x25519 = ct[: mlkem.CT_LENGTH], ct[mlkem.CT_LENGTH :]
        ss_x25519 = self._x25519.exchange(ct_x25519, clause="identity.1-6")
        return _combine(self._mlkem.decapsulate(ct_mlkem), ss_x25519, ct_x25519, self._x25519.public)

    def __repr__(self) -> str:
        return f"<XWingKey of {self.public.hex()[:16]}…>"


def encapsulate(public: bytes, ephemeral: bytes, kem: Kem) -> tuple[bytes, SecretBytes]:
    """Draft §5.4: (ciphertext[1120], shared secret[32]) for a public key; `ephemeral` is 32 fresh random bytes."""
    check_public_key(public, clause="identity.1-6")
    ek, peer = public[: mlkem.EK_LENGTH], public[mlkem.EK_LENGTH :]
    own = X25519Key(ephemeral)
    ss_x25519 = own.exchange(peer, clause="identity.1-6")
    ct_mlkem, ss_mlkem = kem.encapsulate(ek)
    return ct_mlkem + own.public, _combine(ss_mlkem, ss_x25519, own.public, peer)


def check_public_key(key: bytes, *, clause: str) -> None:
    """1216 bytes (MalformedMessage), a canonical ML-KEM half and an X25519 half of full order (PeerMisbehaved)."""
    if len(key) != PUBLIC_LENGTH:
        raise MalformedMessage("an X-Wing key has 1216 bytes", path="encryption_key", clause=clause)
    check_encapsulation_key(key[: mlkem.EK_LENGTH], clause=clause)
    # Every scalar is a multiple of the cofactor: a point of low order gives zero with any of them.
    X25519Key(bytes(x25519.KEY_LENGTH)).exchange(key[mlkem.EK_LENGTH :], clause=clause).wipe()


def _combine(ss_mlkem: SecretBytes, ss_x25519: SecretBytes, ct_x25519: bytes, public_x25519: bytes) -> SecretBytes:
    """Draft §5.3: SHA3-256 over both secrets, the X25519 transcript and the label. Both secrets are wiped."""
    digest = hashlib.sha3_256(ss_mlkem.expose())
    digest.update(ss_x25519.expose())
    digest.update(ct_x25519 + public_x25519 + _LABEL)
    ss_mlkem.wipe()
    ss_x25519.wipe()
    return SecretBytes(digest.digest())

"""ML-KEM-768 (FIPS 203). Encapsulation is injected as a `Kem`, because the library takes no randomness for it."""

from __future__ import annotations

from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey

from e2ecall.errors import PeerMisbehaved
from e2ecall.secret import SecretBytes

__all__ = ["CT_LENGTH", "EK_LENGTH", "SEED_LENGTH", "Kem", "MlKem768", "MlKemKey", "check_encapsulation_key"]

EK_LENGTH = 1184
CT_LENGTH = 1088
SEED_LENGTH = 64
_Q = 3329
_RHO_LENGTH = 32


class MlKemKey:
    """One ephemeral decapsulation key from its 64-byte seed d || z; `ek` is the 1184-byte encapsulation key."""

    __slots__ = ("_private", "ek")

    def __init__(self, seed: bytes) -> None:
        self._private = MLKEM768PrivateKey.from_seed_bytes(seed)
        self.ek = self._private.public_key().public_bytes_raw()

    def decapsulate(self, ct: bytes) -> SecretBytes:
        """FIPS 203 §7.3: the 32-byte shared secret of a 1088-byte ciphertext (a wrong one gives a random secret)."""
        return SecretBytes(self._private.decapsulate(ct))


class Kem(Protocol):
    """What the callee needs of ML-KEM-768; tests and vectors pass a recorded (ct, ss)."""

    def encapsulate(self, ek: bytes) -> tuple[bytes, SecretBytes]:
        """The 1088-byte ciphertext and 32-byte shared secret for a checked `ek`."""
        ...


class MlKem768:
    """The real encapsulation, with the library's own randomness."""

    def encapsulate(self, ek: bytes) -> tuple[bytes, SecretBytes]:
        """FIPS 203 §7.2: (ciphertext[1088], shared secret[32])."""
        shared, ct = MLKEM768PublicKey.from_public_bytes(ek).encapsulate()
        return ct, SecretBytes(shared)


def check_encapsulation_key(ek: bytes, *, clause: str) -> None:
    """FIPS 203 §7.2, modulus check: every 12-bit coefficient is below q, or PeerMisbehaved.

    `ek` has the right length already; two coefficients are packed in three bytes, little-endian.
    """
    packed = ek[:-_RHO_LENGTH]
    for i in range(0, len(packed), 3):
        a, b, c = packed[i : i + 3]
        if a | (b & 15) << 8 >= _Q or b >> 4 | c << 4 >= _Q:
            raise PeerMisbehaved("the ML-KEM encapsulation key is not canonical", clause=clause)

"""peer.6: an ML-KEM encapsulation that was recorded before, in place of a random one."""

from __future__ import annotations

from e2ecall.conformance.request import Request
from e2ecall.crypto.mlkem import CT_LENGTH, Kem
from e2ecall.secret import SecretBytes

__all__ = ["recorded_kem"]


def recorded_kem(request: Request) -> Kem | None:
    """The member `kem`, {ciphertext, shared_secret}, or None where it is absent."""
    if not request.has("kem"):
        return None
    part = request.part("kem")
    return _RecordedKem(part.hex("ciphertext", length=CT_LENGTH), part.hex("shared_secret", length=32))


class _RecordedKem:
    """Gives the recorded pair, whatever the key."""

    def __init__(self, ct: bytes, shared: bytes) -> None:
        self._ct = ct
        self._shared = shared

    def encapsulate(self, ek: bytes) -> tuple[bytes, SecretBytes]:
        """The pair; the shared secret as a copy, which the caller wipes."""
        del ek
        return self._ct, SecretBytes(self._shared)

"""identity.3.3: a person's new device, introduced by one of the person's others.

    content   = old identity[32] || new identity[32]
    statement = content || signature[64] || acceptance[64]

The old device signs lv("e2ecall/1 new device") || content, the new one lv("e2ecall/1 new device accepts") || content.
Without the acceptance, a contact could claim the key of somebody else: whose calls would then carry the contact's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from e2ecall.crypto.sign import KEY_LENGTH, SIGNATURE_LENGTH, Signer, check_public_key, verify
from e2ecall.errors import ApiMisuse, MalformedMessage, PeerMisbehaved
from e2ecall.wire.declared import lv

__all__ = ["STATEMENT_LENGTH", "NewDevice", "accept_introduction", "introduce"]

STATEMENT_LENGTH: Final = 2 * KEY_LENGTH + 2 * SIGNATURE_LENGTH
_CLAUSE: Final = "identity.3-14"
_INTRODUCES: Final = b"e2ecall/1 new device"
_ACCEPTS: Final = b"e2ecall/1 new device accepts"


@dataclass(frozen=True, slots=True)
class NewDevice:
    """identity.3.3: a statement whose form is right. Nothing holds of it before `check`."""

    old: bytes
    new: bytes
    signature: bytes
    acceptance: bytes

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """identity.3.3: from its 192 bytes; MalformedMessage for any other length."""
        if len(data) != STATEMENT_LENGTH:
            length = f"{STATEMENT_LENGTH} bytes, not {len(data)}"
            raise MalformedMessage(f"the statement of a new device has {length}", path="statement", clause=_CLAUSE)
        middle = 2 * KEY_LENGTH + SIGNATURE_LENGTH
        return cls(data[:KEY_LENGTH], data[KEY_LENGTH : 2 * KEY_LENGTH], data[2 * KEY_LENGTH : middle], data[middle:])

    def encode(self) -> bytes:
        """identity.3.3: its 192 bytes."""
        return self.old + self.new + self.signature + self.acceptance

    def check(self) -> None:
        """identity.3-14: both devices signed.

        PeerMisbehaved for a device that introduces itself and for a key of small order or not canonical;
        VerificationFailed for a signature. Whether the old key may speak for a slot is for `Contacts` to say.
        """
        if self.old == self.new:
            raise PeerMisbehaved("a device cannot introduce itself", clause=_CLAUSE)
        check_public_key(self.old, clause=_CLAUSE)
        check_public_key(self.new, clause=_CLAUSE)
        verify(
            self.old, _signed(_INTRODUCES, self.old, self.new), self.signature, what="the old device", clause=_CLAUSE
        )
        verify(self.new, _signed(_ACCEPTS, self.old, self.new), self.acceptance, what="the new device", clause=_CLAUSE)


def introduce(old: Signer, new: bytes) -> bytes:
    """identity.3.3: on the old device, the 64-byte signature that introduces the identity `new` (32 bytes)."""
    if len(new) != KEY_LENGTH:
        raise ApiMisuse(f"an identity key has {KEY_LENGTH} bytes", clause=_CLAUSE)
    if new == old.public:
        raise ApiMisuse("a device cannot introduce itself", clause=_CLAUSE)
    check_public_key(new, clause=_CLAUSE)
    return old.sign(_signed(_INTRODUCES, old.public, new))


def accept_introduction(new: Signer, old: bytes, signature: bytes) -> NewDevice:
    """identity.3.3: on the new device, the whole statement, checked. `old` is 32 bytes, `signature` 64."""
    content = _signed(_ACCEPTS, old, new.public)
    statement = NewDevice.parse(old + new.public + signature + new.sign(content))
    statement.check()
    return statement


def _signed(label: bytes, old: bytes, new: bytes) -> bytes:
    return lv(label) + old + new

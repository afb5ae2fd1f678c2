"""identity.1: a device's two long-term keys, and the statement that binds the second to the first.

One key is one identity is one device: an Ed25519 identity key, and an X-Wing encryption key signed by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from e2ecall.crypto import sign, xwing
from e2ecall.crypto.kdf import sha256
from e2ecall.crypto.rng import Rng
from e2ecall.crypto.sign import Signer
from e2ecall.crypto.xwing import XWingKey
from e2ecall.errors import ApiMisuse, MalformedMessage
from e2ecall.secret import SecretBytes
from e2ecall.wire.declared import has_utf8, lv

__all__ = [
    "LABEL_DEVICE",
    "NAME_LIMIT",
    "Device",
    "DeviceRecord",
    "DeviceSeeds",
    "check_name",
    "fresh_device",
    "fresh_identity",
    "fresh_seeds",
]

LABEL_DEVICE: Final = "e2ecall/1 device"
NAME_LIMIT: Final = 64


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """identity.1-5: what anybody may know of a device. The name is a claim, and no signature covers it."""

    identity: bytes
    encryption_key: bytes
    statement: bytes
    name: str | None = None

    @property
    def encryption_key_hash(self) -> bytes:
        """SHA-256 of the encryption key, to show and compare 32 bytes instead of 1216."""
        return sha256(self.encryption_key)

    @property
    def shown_name(self) -> str:
        """kex.4-12: the name as a screen may show it: no control, formatting or private characters; "" without one."""
        return "".join(each for each in self.name or "" if each.isprintable()).strip()

    def verify(self) -> None:
        """identity.1-4: MalformedMessage (lengths), PeerMisbehaved (weak keys), VerificationFailed (the statement)."""
        if len(self.identity) != sign.KEY_LENGTH or len(self.statement) != sign.SIGNATURE_LENGTH:
            raise MalformedMessage(
                "an identity has 32 bytes and its statement 64", path="device", clause="identity.1-4"
            )
        sign.check_public_key(self.identity, clause="identity.1-4")
        xwing.check_public_key(self.encryption_key, clause="identity.1-4")
        message = _to_sign(self.identity, self.encryption_key)
        sign.verify(self.identity, message, self.statement, what="the encryption key", clause="identity.1-4")


class Device:
    """identity.1: the keys of this device in use. The libraries hold them for as long as this object lives."""

    __slots__ = ("encryption", "encryption_key", "identity", "signer", "statement")

    def __init__(self, signer: Signer, encryption: XWingKey) -> None:
        self.signer = signer
        self.encryption = encryption
        self.identity = signer.public
        self.encryption_key = encryption.public
        self.statement = signer.sign(_to_sign(self.identity, self.encryption_key))

    def record(self, name: str | None = None) -> DeviceRecord:
        """The public half, under a name of at most 64 bytes of UTF-8 (ApiMisuse)."""
        check_name(name)
        return DeviceRecord(self.identity, self.encryption_key, self.statement, name)

    def __repr__(self) -> str:
        return f"<Device {self.identity.hex()[:16]}…>"


@dataclass(frozen=True, slots=True)
class DeviceSeeds:
    """identity.1-1: what a device is made of: 32 bytes for each key. As a context manager it wipes itself."""

    identity: SecretBytes
    encryption: SecretBytes

    def device(self) -> Device:
        """The keys of these seeds, which stay as they are."""
        return Device(Signer(self.identity), XWingKey(self.encryption))

    def wipe(self) -> None:
        """Overwrite both seeds."""
        self.identity.wipe()
        self.encryption.wipe()

    def __enter__(self) -> DeviceSeeds:
        return self

    def __exit__(self, *exception: object) -> None:
        self.wipe()


def fresh_seeds(rng: Rng) -> DeviceSeeds:
    """identity.1-1: 32 random bytes for each key."""
    identity = SecretBytes(rng.draw("identity", sign.SEED_LENGTH))
    return DeviceSeeds(identity, SecretBytes(rng.draw("encryption key", xwing.SEED_LENGTH)))


def fresh_device(rng: Rng) -> Device:
    """A new device, kept in memory only: the next start is another one."""
    with fresh_seeds(rng) as seeds:
        return seeds.device()


def fresh_identity(rng: Rng) -> Signer:
    """A new identity key of 32 random bytes, kept in memory only, without an encryption key."""
    seed = SecretBytes(rng.draw("identity", sign.SEED_LENGTH))
    try:
        return Signer(seed)
    finally:
        seed.wipe()


def check_name(name: str | None) -> None:
    """kex.4-8: nothing, or 1 to 64 bytes of UTF-8; else ApiMisuse."""
    if name is not None and not (has_utf8(name) and 1 <= len(name.encode()) <= NAME_LIMIT):
        raise ApiMisuse("a name has 1 to 64 bytes of UTF-8", clause="kex.4-8")


def _to_sign(identity: bytes, encryption_key: bytes) -> bytes:
    return lv(LABEL_DEVICE.encode()) + identity + lv(encryption_key)

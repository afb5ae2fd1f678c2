"""telegram.2, telegram.3: what both sides end with: the key, its fingerprint, and what is compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from e2ecall.crypto.kdf import sha1, sha256
from e2ecall.crypto.modp import ModpKey
from e2ecall.crypto.rng import Rng
from e2ecall.errors import ApiMisuse, PeerMisbehaved
from e2ecall.handshake.keys import Role
from e2ecall.handshake.telegram.packets import Kind, PacketKeys
from e2ecall.handshake.telegram.params import PUBLIC_LENGTH, Group
from e2ecall.secret import SecretBytes

__all__ = ["TelegramEstablished", "commitment", "draw_key", "fingerprint", "shared_key", "visual_hash"]

_DRAWS: Final = 64  # each fits with at least 1/2: fewer happen once in 2^64 calls


@dataclass(frozen=True, slots=True, repr=False)
class TelegramEstablished:
    """telegram.2-6: one side's result. The four emoji follow from `sas`; nobody has compared them yet.

    `sas` has 32 bytes, `key` 256; `key_fingerprint` is a signed number of 64 bits, and no secret.
    """

    role: Role
    sas: bytes
    key: SecretBytes
    key_fingerprint: int

    @classmethod
    def of(cls, role: Role, key: SecretBytes, g_a: bytes) -> TelegramEstablished:
        """telegram.3-1: with what follows from the key and the caller's public value, as it was sent."""
        return cls(role, visual_hash(key, g_a), key, fingerprint(key))

    def packet_keys(self, kind: Kind) -> PacketKeys:
        """telegram.4-2: the keys of this side's packets of one kind, to send and to receive."""
        return PacketKeys(self.key, self.role, kind)

    def __repr__(self) -> str:
        return f"<TelegramEstablished {self.role}>"


def draw_key(group: Group, rng: Rng, server_random: bytes) -> tuple[ModpKey, bytes]:
    """telegram.1-3, telegram.1-5: a secret of this side's own, and its public value of exactly 256 bytes.

    `server_random` is mixed in and never used alone; 256 bytes, or none.
    """
    if len(server_random) not in (0, PUBLIC_LENGTH):
        raise ApiMisuse("a server's random has 256 bytes, or there is none", clause="telegram.1-3")
    for attempt in range(_DRAWS):
        own = rng.draw(f"telegram secret {attempt}", PUBLIC_LENGTH)
        mixed = bytes(a ^ b for a, b in zip(own, server_random or bytes(PUBLIC_LENGTH), strict=True))
        key = ModpKey(group.p, group.g, mixed, rng)
        public = key.public.to_bytes(PUBLIC_LENGTH, "big")
        if public[0] and _in_range(group, public):
            return key, public
        key.wipe()
    raise ApiMisuse("the source of randomness gives no usable secret", clause="telegram.1-5")


def _in_range(group: Group, public: bytes) -> bool:
    try:
        group.element(public, what="the own public value")
    except PeerMisbehaved:
        return False
    return True


def shared_key(own: ModpKey, own_public: bytes, peer: bytes, group: Group, rng: Rng, *, what: str) -> SecretBytes:
    """telegram.1-4, telegram.2-6: the key of 256 bytes. PeerMisbehaved also for this side's own value, reflected."""
    element = group.element(peer, what=what)
    if element == int.from_bytes(own_public, "big"):
        raise PeerMisbehaved(f"{what} is this side's own", clause="telegram.2-7")
    return SecretBytes(own.exchange(element, rng).to_bytes(PUBLIC_LENGTH, "big"))


def commitment(g_a: bytes) -> bytes:
    """telegram.2-1: g_a_hash, 32 bytes, of the value as it is sent."""
    return sha256(g_a)


def fingerprint(key: SecretBytes) -> int:
    """telegram.2-6: 64 bits of the key's SHA-1, as a signed number. It finds an error, and is no proof."""
    return int.from_bytes(sha1(bytes(key.expose()))[12:20], "little", signed=True)


def visual_hash(key: SecretBytes, g_a: bytes) -> bytes:
    """telegram.3-1: what is compared, 32 bytes; on both sides with the caller's value, byte for byte as it was sent."""
    return sha256(bytes(key.expose()) + g_a)

"""kex.3, epoch.1: transcripts and the key schedule.

Everything that m3 and m4 need comes from th, everything later from th2; a rekey makes a new th2 and a new secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from e2ecall.crypto import aead
from e2ecall.crypto.kdf import hkdf_expand, hkdf_extract, sha256
from e2ecall.handshake.link import LinkSecret
from e2ecall.secret import SecretBytes
from e2ecall.wire.declared import lv

__all__ = [
    "ControlKeys",
    "HandshakeKeys",
    "Role",
    "SessionKeys",
    "commitment",
    "rekey_secret",
    "rekey_transcript",
    "session_keys",
    "transcript",
    "transcript2",
]

_PREFIX = b"e2ecall/1 "


class Role(StrEnum):
    """Which side of the exchange this is: the caller sent the offer."""

    CALLER = "caller"
    CALLEE = "callee"

    @property
    def sender_index(self) -> int:
        """frame.4-1: 0 for the caller, 1 for the callee; the role's byte in signatures too."""
        return 0 if self is Role.CALLER else 1

    @property
    def other(self) -> Role:
        """The other side's role."""
        return Role.CALLEE if self is Role.CALLER else Role.CALLER


def commitment(offer_without_commitment: bytes, nonce: bytes) -> bytes:
    """kex.3-1: what m1 ends with: H over label, the whole offer before it, and nonce_A."""
    return sha256(lv(b"e2ecall/1 commit caller") + lv(offer_without_commitment) + lv(nonce))


def transcript(m1: bytes, m2: bytes, nonce: bytes) -> bytes:
    """kex.3-2: th, over m1, m2 and nonce_A as received."""
    return sha256(lv(b"e2ecall/1 th") + lv(m1) + lv(m2) + lv(nonce))


def transcript2(th: bytes, m3: bytes, m4: bytes) -> bytes:
    """kex.3-2: th2, over th, m3 and m4 as received."""
    return sha256(lv(b"e2ecall/1 th2") + th + lv(m3) + lv(m4))


def rekey_transcript(th2: bytes, rk1: bytes, rk2: bytes) -> bytes:
    """epoch.1-1: th2 of the next epoch, over this one's and both halves as received."""
    return sha256(lv(b"e2ecall/1 rekey") + th2 + lv(rk1) + lv(rk2))


@dataclass(frozen=True, slots=True)
class ControlKeys:
    """kex.3-5: AES-256-GCM key (32) and iv (12) of the control channel, one pair per direction."""

    caller_key: SecretBytes
    caller_iv: SecretBytes
    callee_key: SecretBytes
    callee_iv: SecretBytes

    def of(self, role: Role) -> tuple[SecretBytes, SecretBytes]:
        """Key and iv under which that side sends."""
        return (self.caller_key, self.caller_iv) if role is Role.CALLER else (self.callee_key, self.callee_iv)

    def wipe(self) -> None:
        """Zero all four."""
        for secret in (self.caller_key, self.caller_iv, self.callee_key, self.callee_iv):
            secret.wipe()


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """kex.3-5: what th2 yields: the frames' base_key of epoch 0, the control keys, and the chain of the next rekey."""

    base_key: SecretBytes
    control: ControlKeys
    chain: SecretBytes

    def wipe(self) -> None:
        """Zero all that is still here; what was taken by frames or the control channel is theirs to end."""
        self.base_key.wipe()
        self.control.wipe()
        self.chain.wipe()


class HandshakeKeys:
    """kex.3-3: hs and what is expanded from it. `wipe()` when the exchange is over, whatever its end."""

    __slots__ = ("_hs",)

    def __init__(self, secret: LinkSecret | None, ss_x25519: SecretBytes, ss_mlkem: SecretBytes | None) -> None:
        psk = secret.psk() if secret is not None else SecretBytes(bytes(32))
        self._hs = _mixed(psk, ss_x25519, ss_mlkem)
        psk.wipe()

    def expand(self, label: str, transcript_hash: bytes, length: int) -> SecretBytes:
        """kex.3-4: HKDF-Expand(hs, "e2ecall/1 " || label || transcript hash, length)."""
        return _expand(self._hs, label, transcript_hash, length)

    def seal(self, message: str, th: bytes, payload: bytes, aad: bytes) -> bytes:
        """kex.3-4, kex.3-6: the sealed part of `message`, "m3" or "m4"; its key and iv are wiped at once."""
        key, iv = self._sealing(message, th)
        try:
            return aead.seal(key, iv, payload, aad)
        finally:
            key.wipe()
            iv.wipe()

    def open(self, message: str, th: bytes, sealed: bytes, aad: bytes, *, what: str) -> bytes:
        """kex.7-5: the payload in the sealed part of `message`, or VerificationFailed naming `what`."""
        key, iv = self._sealing(message, th)
        try:
            return aead.open_sealed(key, iv, sealed, aad, what=what, clause="kex.7-5")
        finally:
            key.wipe()
            iv.wipe()

    def _sealing(self, message: str, th: bytes) -> tuple[SecretBytes, SecretBytes]:
        return self.expand(f"{message} key", th, 32), self.expand(f"{message} iv", th, 12)

    def sas(self, th: bytes) -> bytes:
        """kex.3-4: the 32 bytes that people compare."""
        return bytes(self.expand("sas", th, 32).expose())

    def session(self, th2: bytes) -> SessionKeys:
        """kex.3-5: everything that outlives the exchange."""
        return session_keys(self._hs, th2)

    def wipe(self) -> None:
        """Zero hs."""
        self._hs.wipe()


def rekey_secret(chain: SecretBytes, ss_x25519: SecretBytes, ss_mlkem: SecretBytes | None) -> SecretBytes:
    """epoch.1-1: hs of the next epoch, out of this one's chain and a fresh hybrid; the shared secrets are wiped."""
    return _mixed(chain, ss_x25519, ss_mlkem)


def session_keys(hs: SecretBytes, th2: bytes) -> SessionKeys:
    """kex.3-5, epoch.1-1: what an epoch has, out of its secret and its th2."""
    return SessionKeys(
        base_key=_expand(hs, "frames", th2, 32),
        control=ControlKeys(
            caller_key=_expand(hs, "control caller key", th2, 32),
            caller_iv=_expand(hs, "control caller iv", th2, 12),
            callee_key=_expand(hs, "control callee key", th2, 32),
            callee_iv=_expand(hs, "control callee iv", th2, 12),
        ),
        chain=_expand(hs, "chain", th2, 32),
    )


def _expand(hs: SecretBytes, label: str, transcript_hash: bytes, length: int) -> SecretBytes:
    return hkdf_expand(hs, _PREFIX + label.encode() + transcript_hash, length)


def _mixed(salt: SecretBytes, ss_x25519: SecretBytes, ss_mlkem: SecretBytes | None) -> SecretBytes:
    parts = [ss_x25519.expose(), *(() if ss_mlkem is None else (ss_mlkem.expose(),))]
    shared = SecretBytes.derive_into(sum(map(len, parts)), lambda buffer: _join(parts, buffer))
    mixed = hkdf_extract(salt.expose(), shared.expose())
    for used in (shared, ss_x25519, *(() if ss_mlkem is None else (ss_mlkem,))):
        used.wipe()
    return mixed


def _join(parts: list[memoryview], buffer: bytearray) -> None:
    at = 0
    for part in parts:
        buffer[at : at + len(part)] = part
        at += len(part)

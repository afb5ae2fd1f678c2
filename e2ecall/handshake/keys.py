"""kex.3: transcripts and the key schedule. Everything that m3 and m4 need comes from th, everything later from th2."""

from __future__ import annotations

from dataclasses import dataclass

from e2ecall.crypto import aead
from e2ecall.crypto.kdf import hkdf_expand, hkdf_extract, sha256
from e2ecall.handshake.link import LinkSecret
from e2ecall.secret import SecretBytes
from e2ecall.wire.declared import lv

__all__ = ["ControlKeys", "HandshakeKeys", "SessionKeys", "commitment", "transcript", "transcript2"]

_PREFIX = b"e2ecall/1 "


def commitment(offer_without_commitment: bytes, nonce: bytes) -> bytes:
    """kex.3-1: what m1 ends with: H over label, the whole offer before it, and nonce_A."""
    return sha256(lv(b"e2ecall/1 commit caller") + lv(offer_without_commitment) + lv(nonce))


def transcript(m1: bytes, m2: bytes, nonce: bytes) -> bytes:
    """kex.3-2: th, over m1, m2 and nonce_A as received."""
    return sha256(lv(b"e2ecall/1 th") + lv(m1) + lv(m2) + lv(nonce))


def transcript2(th: bytes, m3: bytes, m4: bytes) -> bytes:
    """kex.3-2: th2, over th, m3 and m4 as received."""
    return sha256(lv(b"e2ecall/1 th2") + th + lv(m3) + lv(m4))


@dataclass(frozen=True, slots=True)
class ControlKeys:
    """kex.3-5: AES-256-GCM key (32) and iv (12) of the control channel, one pair per direction."""

    caller_key: SecretBytes
    caller_iv: SecretBytes
    callee_key: SecretBytes
    callee_iv: SecretBytes

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
        parts = [ss_x25519.expose(), *(() if ss_mlkem is None else (ss_mlkem.expose(),))]
        shared = SecretBytes.derive_into(sum(map(len, parts)), lambda buffer: _join(parts, buffer))
        self._hs = hkdf_extract(psk.expose(), shared.expose())
        for used in (psk, shared, ss_x25519, *(() if ss_mlkem is None else (ss_mlkem,))):
            used.wipe()

    def expand(self, label: str, transcript_hash: bytes, length: int) -> SecretBytes:
        """kex.3-4: HKDF-Expand(hs, "e2ecall/1 " || label || transcript hash, length)."""
        return hkdf_expand(self._hs, _PREFIX + label.encode() + transcript_hash, length)

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
        return SessionKeys(
            base_key=self.expand("frames", th2, 32),
            control=ControlKeys(
                caller_key=self.expand("control caller key", th2, 32),
                caller_iv=self.expand("control caller iv", th2, 12),
                callee_key=self.expand("control callee key", th2, 32),
                callee_iv=self.expand("control callee iv", th2, 12),
            ),
            chain=self.expand("chain", th2, 32),
        )

    def wipe(self) -> None:
        """Zero hs."""
        self._hs.wipe()


def _join(parts: list[memoryview], buffer: bytearray) -> None:
    at = 0
    for part in parts:
        buffer[at : at + len(part)] = part
        at += len(part)

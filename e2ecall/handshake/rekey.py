"""epoch.1: one rekey, two signed halves: a fresh hybrid agreement on top of the old epoch's chain.

    Starter:  `start_rekey` -> RekeyStarted.receive_rk2 -> Rekeyed
    Answerer: `answer_rekey` -> RekeyAnswer with rk2 and Rekeyed

Like the exchange, this does no IO and reads no clock; when which key is used is `e2ecall.call.rekey`'s affair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from e2ecall.crypto import mlkem, sign
from e2ecall.crypto.rng import Rng
from e2ecall.crypto.sign import Signer
from e2ecall.crypto.x25519 import X25519Key
from e2ecall.errors import MalformedMessage, PeerMisbehaved, VerificationFailed
from e2ecall.handshake.keys import Role, SessionKeys, rekey_secret, rekey_transcript, session_keys
from e2ecall.handshake.messages import Suite
from e2ecall.handshake.state import SingleUse
from e2ecall.secret import SecretBytes
from e2ecall.wire.control import RK1, RK2
from e2ecall.wire.declared import Declaration, build_bytes, lv, parse_exact

__all__ = [
    "RekeyAnswer",
    "RekeyContext",
    "RekeyStarted",
    "Rekeyed",
    "Signed",
    "answer_rekey",
    "read_rk1",
    "start_rekey",
]


@dataclass(frozen=True, slots=True)
class RekeyContext:
    """What both halves rest on: the old epoch's th2 and chain, the suite of the exchange, and who is who.

    `role` is this side's; `epoch` the number of the new epoch. The chain stays its owner's, who wipes it.
    """

    role: Role
    suite: Suite
    epoch: int
    th2: bytes
    chain: SecretBytes
    peer_identity: bytes


@dataclass(frozen=True, slots=True)
class Signed:
    """rk1 or rk2 as bytes, and its signer's Ed25519 signature (64)."""

    data: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, repr=False)
class Rekeyed:
    """epoch.1-1: the new epoch: its number, its th2 (32) and all of its keys."""

    epoch: int
    th2: bytes
    keys: SessionKeys

    def __repr__(self) -> str:
        return f"<Rekeyed to epoch {self.epoch}>"


@dataclass(frozen=True, slots=True)
class RekeyAnswer:
    """What the answerer ends with: rk2 to send, as often as rk1 is repeated, and the epoch that may come of it."""

    rk2: Signed
    rekeyed: Rekeyed


@dataclass(frozen=True, slots=True)
class Rk1:
    """epoch.1: the numbers and keys in rk1."""

    epoch: int
    attempt: int
    x25519: bytes
    ek: bytes


def start_rekey(identity: Signer, rng: Rng, context: RekeyContext, attempt: int) -> RekeyStarted:
    """epoch.1-2: rk1, with fresh keys. `attempt` counts this side's rk1 in the call, from 1."""
    name = f"rekey {context.epoch} {attempt}"
    x25519 = X25519Key(rng.draw(f"{name} x25519", 32))
    kem = mlkem.MlKemKey(rng.draw(f"{name} mlkem", mlkem.SEED_LENGTH)) if context.suite.post_quantum else None
    ek = b"" if kem is None else kem.ek
    rk1 = _build(RK1, context.epoch, attempt, x25519.public, "ek", ek)
    signature = identity.sign(_to_sign(1, context.role, context, rk1))
    return RekeyStarted(context, attempt, x25519, kem, Signed(rk1, signature))


class RekeyStarted(SingleUse):
    """Waits for rk2. `rk1` is what was sent, and is sent again unchanged until then."""

    __slots__ = ("_context", "_kem", "_x25519", "attempt", "rk1")

    def __init__(
        self, context: RekeyContext, attempt: int, x25519: X25519Key, kem: mlkem.MlKemKey | None, rk1: Signed
    ) -> None:
        super().__init__()
        self._context = context
        self._x25519 = x25519
        self._kem = kem
        self.attempt = attempt
        self.rk1 = rk1

    def receive_rk2(self, rk2: Signed) -> Rekeyed | None:
        """epoch.1-6: the new epoch; None for the answer to an older rk1. A refused rk2 spends nothing.

        MalformedMessage, PeerMisbehaved (numbers never sent, bad keys) or VerificationFailed (signature).
        """
        self._check_unspent()
        context = self._context
        fields = _parse(RK2, rk2.data, "rk2", "ct", mlkem.CT_LENGTH, context.suite)
        if fields.epoch < context.epoch or (fields.epoch == context.epoch and fields.attempt < self.attempt):
            return None
        if (fields.epoch, fields.attempt) != (context.epoch, self.attempt):
            raise PeerMisbehaved("rk2 answers an rk1 that was never sent", clause="epoch.1-6")
        signed = _to_sign(2, context.role.other, context, self.rk1.data, rk2.data)
        _verify(context, signed, rk2, what="rk2", clause="epoch.1-6")
        shared = self._x25519.exchange(bytes(fields.x25519), clause="epoch.1-3")
        kem_shared = None if self._kem is None else self._kem.decapsulate(bytes(fields.ct))
        self._spend()
        return _rekeyed(context, shared, kem_shared, self.rk1.data, rk2.data)


def read_rk1(data: bytes, suite: Suite) -> Rk1:
    """epoch.1: the numbers and keys of rk1, unverified; MalformedMessage."""
    fields = _parse(RK1, data, "rk1", "ek", mlkem.EK_LENGTH, suite)
    return Rk1(fields.epoch, fields.attempt, bytes(fields.x25519), bytes(fields.ek))


def answer_rekey(
    identity: Signer, rng: Rng, context: RekeyContext, rk1: Signed, *, kem: mlkem.Kem | None = None
) -> RekeyAnswer:
    """epoch.1-2, epoch.1-3: rk1 to rk2 and the epoch that both make.

    MalformedMessage, PeerMisbehaved (another epoch, bad keys) or VerificationFailed (signature).
    """
    half = read_rk1(rk1.data, context.suite)
    if half.epoch != context.epoch:
        raise PeerMisbehaved("rk1 is for an epoch that is not the next", epoch=half.epoch, clause="epoch.1-4")
    signed = _to_sign(1, context.role.other, context, rk1.data)
    _verify(context, signed, rk1, what="rk1", clause="epoch.1-2")
    if half.ek:
        mlkem.check_encapsulation_key(half.ek, clause="epoch.1-3")
    x25519 = X25519Key(rng.draw(f"rekey {half.epoch} {half.attempt} x25519", 32))
    shared = x25519.exchange(half.x25519, clause="epoch.1-3")
    ct, kem_shared = (kem or mlkem.MlKem768()).encapsulate(half.ek) if half.ek else (b"", None)
    rk2 = _build(RK2, half.epoch, half.attempt, x25519.public, "ct", ct)
    signature = identity.sign(_to_sign(2, context.role, context, rk1.data, rk2))
    return RekeyAnswer(Signed(rk2, signature), _rekeyed(context, shared, kem_shared, rk1.data, rk2))


def _rekeyed(
    context: RekeyContext, ss_x25519: SecretBytes, ss_mlkem: SecretBytes | None, rk1: bytes, rk2: bytes
) -> Rekeyed:
    th2 = rekey_transcript(context.th2, rk1, rk2)
    hs = rekey_secret(context.chain, ss_x25519, ss_mlkem)
    try:
        return Rekeyed(context.epoch, th2, session_keys(hs, th2))
    finally:
        hs.wipe()


def _verify(context: RekeyContext, signed: bytes, half: Signed, *, what: str, clause: str) -> None:
    if len(half.signature) != sign.SIGNATURE_LENGTH:
        message = f"the signature of {what} has {len(half.signature)} bytes"
        raise VerificationFailed(message, epoch=context.epoch, clause=clause)
    sign.verify(context.peer_identity, signed, half.signature, what=what, clause=clause)


def _to_sign(half: int, role: Role, context: RekeyContext, *halves: bytes) -> bytes:
    label = lv(f"e2ecall/1 rekey {half}".encode())
    numbers = bytes([role.sender_index]) + context.epoch.to_bytes(4)
    return label + numbers + context.th2 + b"".join(lv(each) for each in halves)


def _build(declaration: Declaration, epoch: int, attempt: int, x25519: bytes, field: str, kem: bytes) -> bytes:
    values = {"epoch": epoch, "attempt": attempt, "x25519": x25519, field: kem}
    return build_bytes(declaration, values, "rekey")


def _parse(declaration: Declaration, data: bytes, what: str, field: str, length: int, suite: Suite) -> Any:
    fields = parse_exact(declaration, data, what, clause="epoch.1-3")
    if len(fields[field]) != (length if suite.post_quantum else 0):
        message = f"{what}.{field} has {len(fields[field])} bytes"
        raise MalformedMessage(message, path=f"{what}.{field}", clause="epoch.1-3")
    return fields

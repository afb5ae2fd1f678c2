"""epoch.1: the two halves of a rekey, their signatures, and the keys that come of them."""

from __future__ import annotations

from dataclasses import dataclass

from e2ecall.audit.oracle import ed25519, mlkem, x25519
from e2ecall.audit.oracle.exchange import draw
from e2ecall.audit.oracle.key_schedule import Late, extract, h, labelled, late, lv
from e2ecall.audit.oracle.messages import Bytes
from e2ecall.audit.oracle.refused import Refused

__all__ = ["Answerer", "Context", "Half", "Starter", "read_half", "to_sign", "transcript", "write_half"]


@dataclass(frozen=True, slots=True)
class Context:
    """What both rest on: the number of the new epoch, th2 and chain of the old one, the suite, who the other is.

    `role` is this side's: 0 caller, 1 callee.
    """

    role: int
    suite: int
    epoch: int
    th2: bytes
    chain: bytes
    peer: bytes


@dataclass(frozen=True, slots=True)
class Half:
    """rk1 (kem is ek) or rk2 (kem is ct)."""

    epoch: int
    attempt: int
    x25519: bytes
    kem: bytes


def write_half(half: Half) -> bytes:
    """epoch.1: u32 epoch || u32 attempt || x25519 || u16 len || ek or ct."""
    numbers = half.epoch.to_bytes(4, "big") + half.attempt.to_bytes(4, "big")
    return numbers + half.x25519 + len(half.kem).to_bytes(2, "big") + half.kem


def read_half(data: bytes, kem_length: int) -> Half:
    """The same, the other way; `kem_length` is what the suite asks for."""
    source = Bytes(data, "epoch.1-3")
    half = Half(source.number(4), source.number(4), source.take(32), source.prefixed())
    source.end()
    if len(half.kem) != kem_length:
        raise Refused("malformed", "epoch.1-3", f"{len(half.kem)} bytes of a key or ciphertext of {kem_length}")
    return half


def to_sign(number: int, role: int, context: Context, *halves: bytes) -> bytes:
    """epoch.1: what the signer of rk1 (1) or rk2 (2), whose role it is, signs."""
    head = labelled(f"rekey {number}") + bytes([role]) + context.epoch.to_bytes(4, "big") + context.th2
    return head + b"".join(lv(half) for half in halves)


def transcript(th2: bytes, rk1: bytes, rk2: bytes) -> bytes:
    """epoch.1: th2'."""
    return h(labelled("rekey") + th2 + lv(rk1) + lv(rk2))


def _keys(context: Context, ss_x25519: bytes, ss_mlkem: bytes, rk1: bytes, rk2: bytes) -> Late:
    """epoch.1-1: hs', then everything of the new epoch."""
    return late(extract(context.chain, ss_x25519 + ss_mlkem), transcript(context.th2, rk1, rk2))


def _exchange(private: bytes, peer: bytes) -> bytes:
    try:
        return x25519.exchange(private, peer)
    except Refused as refused:
        raise Refused(refused.layer, "epoch.1-3", "small order") from None


class Starter:
    """rk1 and its signature, then finish(rk2, signature)."""

    def __init__(self, seed: bytes, context: Context, attempt: int) -> None:
        self.context, self.attempt = context, attempt
        name = f"rekey {context.epoch} {attempt}"
        self.x25519 = draw(seed, f"{name} x25519", 32)
        self.ek, self.dk = mlkem.key_pair(draw(seed, f"{name} mlkem", 64)) if context.suite == 1 else (b"", b"")
        self.identity_seed = draw(seed, "identity", 32)
        self.rk1 = write_half(Half(context.epoch, attempt, x25519.public_key(self.x25519), self.ek))
        self.signed = to_sign(1, context.role, context, self.rk1)
        self.signature = ed25519.sign(self.identity_seed, self.signed)

    def finish(self, rk2: bytes, signature: bytes) -> Late | None:
        """epoch.1-6: the new epoch's keys; None where rk2 answers an older rk1."""
        context = self.context
        half = read_half(rk2, mlkem.CT_LENGTH if context.suite == 1 else 0)
        if half.epoch < context.epoch or (half.epoch == context.epoch and half.attempt < self.attempt):
            return None
        if (half.epoch, half.attempt) != (context.epoch, self.attempt):
            raise Refused("misbehaved", "epoch.1-6", "the answer to an rk1 that never was")
        ed25519.verify(context.peer, to_sign(2, 1 - context.role, context, self.rk1, rk2), signature, "epoch.1-6")
        self.ss_x25519 = _exchange(self.x25519, half.x25519)
        self.ss_mlkem = mlkem.decapsulate(self.dk, half.kem) if context.suite == 1 else b""
        return _keys(context, self.ss_x25519, self.ss_mlkem, self.rk1, rk2)


class Answerer:
    """rk1 in, rk2 and its signature out, and the new epoch's keys; `m` is what ML-KEM encapsulates with."""

    def __init__(self, seed: bytes, context: Context, rk1: bytes, signature: bytes, *, m: bytes = b"") -> None:
        half = read_half(rk1, mlkem.EK_LENGTH if context.suite == 1 else 0)
        if half.epoch != context.epoch:
            raise Refused("misbehaved", "epoch.1-4", f"rk1 for epoch {half.epoch}, the next is {context.epoch}")
        ed25519.verify(context.peer, to_sign(1, 1 - context.role, context, rk1), signature, "epoch.1-2")
        private = draw(seed, f"rekey {half.epoch} {half.attempt} x25519", 32)
        self.ss_x25519 = _exchange(private, half.x25519)
        self.ct, self.ss_mlkem = _encapsulate(half.kem, m) if context.suite == 1 else (b"", b"")
        self.rk2 = write_half(Half(half.epoch, half.attempt, x25519.public_key(private), self.ct))
        self.signed = to_sign(2, context.role, context, rk1, self.rk2)
        self.signature = ed25519.sign(draw(seed, "identity", 32), self.signed)
        self.keys = _keys(context, self.ss_x25519, self.ss_mlkem, rk1, self.rk2)


def _encapsulate(ek: bytes, m: bytes) -> tuple[bytes, bytes]:
    try:
        return mlkem.encapsulate(ek, m)
    except Refused as refused:
        raise Refused(refused.layer, "epoch.1-3", "a coefficient that is not below q") from None

"""Mistakes in the exchange, in what people compare, in rekeys, in the control channel, in links and ledgers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from e2ecall.conformance.mutants.mutation import Mutant, instead, left_out
from e2ecall.errors import PeerMisbehaved
from e2ecall.handshake.payload import LABEL_CALLER
from e2ecall.secret import SecretBytes

__all__ = ["EXCHANGE"]

_EXCHANGE: Final = ("handshake.*",)
_REKEY: Final = ("rekey.*",)
_CONTROL: Final = ("control.*",)
_CALLEE: Final = "e2ecall.handshake.callee"
_KEYS: Final = "e2ecall.handshake.keys"
_MESSAGES: Final = "e2ecall.handshake.messages"
_REKEYING: Final = "e2ecall.handshake.rekey"
_RECORDS: Final = "e2ecall.call.records:EpochRecords"


class _Opening(bytes):
    """What an opening leads to, so that its comparison can be told from others."""


def _nothing(_: Any) -> Callable[..., None]:
    return lambda *given, **named: None


def _twice(spend: Any) -> Callable[[Any], None]:
    """A state ends with its second use."""
    used: list[Any] = []

    def spend_later(self: Any) -> None:
        if any(each is self for each in used):
            spend(self)
        used.append(self)

    return spend_later


def _zero_taken(exchange: Any) -> Any:
    def agree(self: Any, peer: bytes, *, clause: str) -> SecretBytes:
        try:
            return SecretBytes(bytes(exchange(self, peer, clause=clause).expose()))
        except PeerMisbehaved:
            return SecretBytes(bytes(32))

    return agree


def _unmasked(emoji: Any) -> Any:
    """The whole 64 bits are taken modulo 333."""

    def four(sas: bytes) -> Any:
        words = (int.from_bytes(sas[at : at + 8], "big") % 333 for at in range(0, len(sas), 8))
        return emoji(b"".join(word.to_bytes(8, "big") for word in words))

    return four


def _without_th2(to_sign: Any) -> Any:
    return lambda half, role, context, *halves: to_sign(half, role, replace(context, th2=bytes(32)), *halves)


def _last_half_alone(to_sign: Any) -> Any:
    return lambda half, role, context, *halves: to_sign(half, role, context, halves[-1])


EXCHANGE: Final = (
    Mutant(
        "opening-not-compared",
        "the callee never compares the opening with the commitment (as CVE-2016-6271)",
        ("kex.6-3",),
        _EXCHANGE,
        (
            instead(f"{_CALLEE}:commitment", lambda make: lambda *parts: _Opening(make(*parts))),
            instead(f"{_CALLEE}:constant_time_equal", lambda same: lambda a, b: isinstance(a, _Opening) or same(a, b)),
        ),
    ),
    Mutant(
        "commitment-of-the-nonce-alone",
        "the commitment does not bind the offer: it can be copied into another one",
        ("kex.3-1",),
        _EXCHANGE,
        (instead(f"{_CALLEE}:commitment", lambda make: lambda offer, nonce: make(b"", nonce)),),
    ),
    Mutant(
        "two-openings",
        "a state can be used twice: two openings, two answers",
        ("kex.6-3", "kex.5-1"),
        _EXCHANGE,
        (instead("e2ecall.handshake.state:SingleUse._spend", _twice),),
    ),
    Mutant(
        "transcript-without-the-answer",
        "the emoji do not cover m2: a late ciphertext can be chosen after all else is known",
        ("kex.3-2",),
        _EXCHANGE,
        tuple(
            instead(f"e2ecall.handshake.{side}:transcript", lambda make: lambda m1, m2, nonce: make(m1, b"", nonce))
            for side in ("caller", "callee")
        ),
    ),
    Mutant(
        "sas-of-the-key-alone",
        "the emoji cover no transcript at all",
        ("kex.3-4",),
        _EXCHANGE,
        (instead(f"{_KEYS}:HandshakeKeys.sas", lambda make: lambda self, th: make(self, bytes(32))),),
    ),
    Mutant(
        "kem-ignored",
        "the ML-KEM secret is left out of the keys",
        ("kex.3-3",),
        _EXCHANGE,
        (instead(f"{_KEYS}:_mixed", lambda make: lambda salt, first, second: make(salt, first, None)),),
    ),
    Mutant(
        "psk-ignored",
        "the link secret is compared and left out of the keys",
        ("kex.3-3",),
        _EXCHANGE,
        (
            instead(
                f"{_KEYS}:HandshakeKeys.__init__", lambda make: lambda self, secret, *shared: make(self, None, *shared)
            ),
        ),
    ),
    Mutant(
        "psk-optional",
        "an offer without the link secret is answered as if it had it",
        ("kex.8-1",),
        _EXCHANGE,
        (instead(f"{_CALLEE}:_check_secret", _nothing),),
    ),
    Mutant(
        "own-identity-taken",
        "the other side may be this side: a reflection",
        ("kex.7-4",),
        _EXCHANGE,
        (left_out("e2ecall.handshake.payload:SignedPayload.verify", "kex.7-4"),),
    ),
    Mutant(
        "low-order-taken",
        "an X25519 key of low order makes a key of zeros",
        ("kex.7-1",),
        _EXCHANGE,
        (instead("e2ecall.crypto.x25519:X25519Key.exchange", _zero_taken),),
    ),
    Mutant(
        "any-ed25519-key",
        "an identity key need not be a point of the prime order",
        ("kex.7-3",),
        _EXCHANGE,
        (instead("e2ecall.crypto.sign:check_public_key", _nothing),),
    ),
    Mutant(
        "ek-not-checked",
        "an ML-KEM key with coefficients of q and more is used",
        ("kex.7-2",),
        (*_EXCHANGE, *_REKEY),
        (instead("e2ecall.crypto.mlkem:check_encapsulation_key", _nothing),),
    ),
    Mutant(
        "signature-not-checked",
        "who the other side is, is taken on its word",
        ("kex.7-5",),
        _EXCHANGE,
        (instead("e2ecall.crypto.sign:verify", _nothing),),
    ),
    Mutant(
        "suite-not-offered",
        "the caller follows an answer to a suite that it did not offer: a downgrade",
        ("kex.5-2",),
        _EXCHANGE,
        (left_out(f"{_MESSAGES}:Answer.parse", "kex.5-2"),),
    ),
    Mutant(
        "any-version",
        "a message of another version is read as one of this",
        ("kex.2-1",),
        _EXCHANGE,
        (left_out(f"{_MESSAGES}:_read", "kex.2-1"),),
    ),
    Mutant(
        "another-call",
        "a message of another call is taken for one of this",
        ("kex.2-3",),
        _EXCHANGE,
        (left_out(f"{_MESSAGES}:check_call_id", "kex.2-3"),),
    ),
    Mutant(
        "critical-field-ignored",
        "an unknown field is passed over although it says that it must not be",
        ("kex.4-2",),
        _EXCHANGE,
        (left_out("e2ecall.wire.tlv:decode_tlv", "kex.4-2"),),
    ),
    Mutant(
        "one-label-for-both",
        "the signature does not say whose it is: the caller's can be sent back as the callee's",
        ("kex.4-11",),
        _EXCHANGE,
        tuple(
            instead(f"e2ecall.handshake.{side}:LABEL_CALLEE", lambda _: LABEL_CALLER) for side in ("caller", "callee")
        ),
    ),
    Mutant(
        "emoji-reversed",
        "the four emoji are shown in the other order",
        ("sas.2-1",),
        ("sas.emoji",),
        (instead("e2ecall.conformance.operations:emoji", lambda make: lambda sas: make(sas)[::-1]),),
    ),
    Mutant(
        "emoji-of-64-bits",
        "the highest bit of each number is not taken away",
        ("sas.2-1",),
        ("sas.emoji",),
        (instead("e2ecall.conformance.operations:emoji", _unmasked),),
    ),
    Mutant(
        "rekey-without-th2",
        "a rekey is not bound to the keys before it",
        ("epoch.1-1",),
        _REKEY,
        (instead(f"{_REKEYING}:_to_sign", _without_th2),),
    ),
    Mutant(
        "rk2-without-rk1",
        "the signature of the answer does not cover what it answers",
        ("epoch.1-2",),
        _REKEY,
        (instead(f"{_REKEYING}:_to_sign", _last_half_alone),),
    ),
    Mutant(
        "rekey-of-another-epoch",
        "a rekey for an epoch that is not the next is answered",
        ("epoch.1-4",),
        _REKEY,
        (left_out(f"{_REKEYING}:answer_rekey", "epoch.1-4"),),
    ),
    Mutant(
        "record-taken-twice",
        "a control record is taken as often as it comes",
        ("control.2-3",),
        _CONTROL,
        (left_out(f"{_RECORDS}.open", "control.2-3"),),
    ),
    Mutant(
        "epoch-not-forgotten",
        "records of an epoch that is over are still opened",
        ("control.2-4",),
        _CONTROL,
        (instead("e2ecall.call.control:ControlChannel.forget", _nothing),),
    ),
    Mutant(
        "link-damage-ignored",
        "a link whose room is not that of its secret is followed",
        ("kex.8-4",),
        ("link.*",),
        (left_out("e2ecall.handshake.link:LinkSecret._check_path", "kex.8-4"),),
    ),
    Mutant(
        "ledger-not-chained",
        "an entry need not name the one before it",
        ("identity.6-8",),
        ("ledger.verify",),
        (left_out("e2ecall.identity.ledger_check:_follow", "CHAIN"),),
    ),
    Mutant(
        "code-of-the-other-half",
        "a typed code is compared in its first five digits",
        ("sas.8-3",),
        ("sas.typed",),
        (
            instead(
                "e2ecall.sas.once:hmac.compare_digest",
                lambda same: lambda a, b: same(a[:5], b[:5]),
            ),
        ),
    ),
)

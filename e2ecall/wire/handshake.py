"""kex.2: the five messages of the 1:1 exchange, each declared once. Big-endian."""

from __future__ import annotations

from enum import IntEnum

import construct
from construct import Bytes, If, Int8ub, Int16ub, PrefixedArray, this

from e2ecall.wire.declared import Declaration, length_prefixed

__all__ = ["ABORT", "ANSWER", "FINISH", "MESSAGES", "OFFER", "REVEAL", "VERSION", "MessageType"]

VERSION = 1


class MessageType(IntEnum):
    """kex.2: the second byte of every message."""

    OFFER = 1
    ANSWER = 2
    REVEAL = 3
    FINISH = 4
    ABORT = 5


def _message(*fields: Declaration) -> Declaration:
    return construct.Struct(
        "version" / Int8ub * "1",
        "type" / Int8ub * "which message",
        "call_id" / Bytes(16) * "random, chosen by the caller; the same in all messages of a call",
        *fields,
    )


OFFER = _message(
    "suites" / PrefixedArray(Int8ub, Int16ub) * "the caller's suites, best first: u8 count || u16 each",
    "x25519" / Bytes(32) * "the caller's ephemeral X25519 key",
    "ek" / length_prefixed(Int16ub) * "ML-KEM-768 encapsulation key, 1184 bytes; empty unless suite 1 is offered",
    "psk_mode" / Int8ub * "1 if a link secret is mixed in, else 0",
    "psk_id" / If(this.psk_mode == 1, Bytes(16)) * "names the link secret to those who have it; only with psk_mode 1",
    "ext" / length_prefixed(Int16ub) * "TLV list, in clear",
    "commitment" / Bytes(32) * "to everything before it and to nonce_A",
)

ANSWER = _message(
    "suite" / Int16ub * "the one suite taken from the offer",
    "x25519" / Bytes(32) * "the callee's ephemeral X25519 key",
    "ct" / length_prefixed(Int16ub) * "ML-KEM-768 ciphertext, 1088 bytes; empty in suite 2",
    "nonce" / Bytes(32) * "nonce_B",
    "ext" / length_prefixed(Int16ub) * "TLV list, in clear",
)

REVEAL = _message(
    "nonce" / Bytes(32) * "nonce_A, the opening of the commitment",
    "sealed" / length_prefixed(Int16ub) * "the caller's payload under the m3 key",
)

FINISH = _message(
    "sealed" / length_prefixed(Int16ub) * "the callee's payload under the m4 key",
)

ABORT = _message(
    "reason" / Int8ub * "a hint for the display",
)

MESSAGES: dict[MessageType, Declaration] = {
    MessageType.OFFER: OFFER,
    MessageType.ANSWER: ANSWER,
    MessageType.REVEAL: REVEAL,
    MessageType.FINISH: FINISH,
    MessageType.ABORT: ABORT,
}

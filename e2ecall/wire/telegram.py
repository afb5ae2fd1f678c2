"""telegram.6: the five messages that carry Telegram's exchange between two of these programs, each declared once.

Big-endian. Telegram's own way to carry them is a server's, under an account, and no part of this.
"""

from __future__ import annotations

from enum import IntEnum

import construct
from construct import Bytes, Int8ub, Int16ub, Int64sb, PrefixedArray

from e2ecall.wire.declared import Declaration, length_prefixed

__all__ = ["ACCEPT", "CONFIRM", "DISCARD", "MESSAGES", "RECEIVED", "REQUEST", "VERSION", "MessageType"]

VERSION = 0x54


class MessageType(IntEnum):
    """telegram.6: the second byte of every message."""

    REQUEST = 1
    RECEIVED = 2
    ACCEPT = 3
    CONFIRM = 4
    DISCARD = 5


def _message(*fields: Declaration) -> Declaration:
    return construct.Struct(
        "version" / Int8ub * "0x54",
        "type" / Int8ub * "which message",
        "call_id" / Bytes(16) * "random, chosen by the caller; the same in all messages of a call",
        *fields,
    )


_VERSIONS = PrefixedArray(Int8ub, length_prefixed(Int8ub))

REQUEST = _message(
    "versions" / _VERSIONS * "the caller's library versions, best first: u8 count || (u8 length || ASCII) each",
    "g_a_hash" / Bytes(32) * "SHA-256 of g_a",
)

RECEIVED = _message()

ACCEPT = _message(
    "version_taken" / length_prefixed(Int8ub) * "the one library version taken from the request",
    "g_b" / length_prefixed(Int16ub) * "the callee's public value, 1 to 256 bytes",
)

CONFIRM = _message(
    "g_a" / length_prefixed(Int16ub) * "the caller's public value, 1 to 256 bytes",
    "key_fingerprint" / Int64sb * "64 bits of the key's SHA-1",
)

DISCARD = _message(
    "reason" / Int8ub * "a hint for the display, as in an abort",
)

MESSAGES: dict[MessageType, Declaration] = {
    MessageType.REQUEST: REQUEST,
    MessageType.RECEIVED: RECEIVED,
    MessageType.ACCEPT: ACCEPT,
    MessageType.CONFIRM: CONFIRM,
    MessageType.DISCARD: DISCARD,
}

"""control.2, epoch.1: records of the control channel, the halves of a rekey, and the envelope; declared once."""

from __future__ import annotations

from enum import IntEnum

import construct
from construct import Bytes, GreedyBytes, Int8ub, Int16ub, Int32ub, Int64ub

from e2ecall.wire.declared import build_bytes, length_prefixed, parse_exact

__all__ = ["BODY", "ENVELOPE", "RECORD", "RK1", "RK2", "Channel", "ControlType", "in_envelope", "open_envelope"]


class Channel(IntEnum):
    """control.1: what an opaque message at the relay carries."""

    EXCHANGE = 1
    CONTROL = 2


class ControlType(IntEnum):
    """control.3: the types of control messages; one without a handler is ignored."""

    SDP = 1
    CANDIDATE = 2
    STREAMS = 3
    MUTE = 4
    RK1 = 5
    RK2 = 6
    ACK = 7
    HEARTBEAT = 8
    CHAT = 9
    RECEIPT = 10
    BYE = 11
    DATA = 12


ENVELOPE = construct.Struct(
    "channel" / Int8ub * "1 exchange, 2 control",
    "message" / GreedyBytes * "the message, to the end",
)

RECORD = construct.Struct(
    "epoch" / Int8ub * "the number of the key's epoch, modulo 256",
    "seq" / Int64ub * "one counter per direction for the life of the key, from 0",
    "sealed" / GreedyBytes * "AES-256-GCM of the body, nonce = iv XOR seq, AAD = epoch || seq",
)

BODY = construct.Struct(
    "type" / Int8ub * "what the message is",
    "message_id" / Int32ub * "the same when a message is sent again; 0 for one that is not acknowledged",
    "fields" / GreedyBytes * "TLV list",
)

_HALF = (
    "epoch" / Int32ub * "the number of the new epoch",
    "attempt" / Int32ub * "the starter's rekeys in this call, from 1; rk2 repeats it",
    "x25519" / Bytes(32) * "a fresh X25519 key",
)

RK1 = construct.Struct(
    *_HALF,
    "ek" / length_prefixed(Int16ub) * "ML-KEM-768 encapsulation key, 1184 bytes; empty in suite 2",
)

RK2 = construct.Struct(
    *_HALF,
    "ct" / length_prefixed(Int16ub) * "ML-KEM-768 ciphertext, 1088 bytes; empty in suite 2",
)


def in_envelope(channel: Channel, message: bytes) -> bytes:
    """control.1: `message` as the relay carries it."""
    return build_bytes(ENVELOPE, {"channel": channel, "message": message}, "envelope")


def open_envelope(data: bytes) -> tuple[int, bytes]:
    """control.1: (channel, message); MalformedMessage for no bytes. The channel may be one that nobody knows."""
    envelope = parse_exact(ENVELOPE, data, "envelope")
    return envelope.channel, envelope.message

"""control.2: records of the control channel and the envelope that tells them from the exchange, declared once."""

from __future__ import annotations

from enum import IntEnum

import construct
from construct import GreedyBytes, Int8ub, Int32ub, Int64ub

__all__ = ["BODY", "ENVELOPE", "RECORD", "Channel", "ControlType"]


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


ENVELOPE = construct.Struct(
    "channel" / Int8ub * "1 exchange, 2 control",
    "message" / GreedyBytes * "the message, to the end",
)

RECORD = construct.Struct(
    "epoch" / Int8ub * "the epoch of the key",
    "seq" / Int64ub * "one counter per direction for the life of the key",
    "sealed" / GreedyBytes * "AES-256-GCM of the body, nonce = iv XOR seq, AAD = epoch || seq",
)

BODY = construct.Struct(
    "type" / Int8ub * "what the message is",
    "message_id" / Int32ub * "the same when a message is sent again",
    "fields" / GreedyBytes * "TLV list",
)

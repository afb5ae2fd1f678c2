"""relay.2: the binary messages between a member and the relay, one to a WebSocket message, each declared once.

The first byte is the type; WebSocket delimits the message, so the last field is as long as what is left.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import Any

from construct import Const, GreedyBytes, Int8ub, Struct

from e2ecall.errors import ApiMisuse, MalformedMessage
from e2ecall.wire.declared import Declaration, build_bytes, parse_exact

__all__ = [
    "DECLARATIONS",
    "MESSAGE_LIMIT",
    "ROOM_NAME",
    "Delivered",
    "FromMember",
    "FromRelay",
    "Joined",
    "Left",
    "MediaAnswer",
    "MediaOffer",
    "Post",
    "Refused",
    "RefusedReason",
    "Welcome",
    "decode_from_member",
    "decode_from_relay",
    "encode",
]

MESSAGE_LIMIT = 65536
"""relay.4-2: the most that one message of a member may be, in bytes, type included; a relay may take less."""

ROOM_NAME = re.compile(r"[0-9a-f]{32}")
"""relay.1-2: 16 bytes in the one spelling that is taken."""

_TEXT_LIMIT = 256
_CLAUSE = "relay.2-2"


class RefusedReason(IntEnum):
    """relay.3: why the relay did not do what was asked; from 64 on it ends the connection as well."""

    TOO_LARGE = 1
    TOO_FAST = 2
    QUEUE_FULL = 3
    NO_FORWARDER = 32
    OFFER_REFUSED = 33
    BAD_ROOM = 64
    ROOM_FULL = 65
    RELAY_FULL = 66
    MALFORMED = 67
    FLOODING = 68
    TOO_SLOW = 69
    IDLE = 70
    NOT_A_MEMBER = 71

    @property
    def ends(self) -> bool:
        """relay.3-1: whether the relay closes the connection after this."""
        return self >= 64

    @property
    def concerns_offer(self) -> bool:
        """relay.3-2: whether this answers a media offer."""
        return 32 <= self < 64


@dataclass(frozen=True, slots=True)
class Post:
    """relay.2, type 1: bytes for the other member."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class MediaOffer:
    """relay.2, type 2: an SDP offer for the relay's own forwarder; it describes the leg to it and nothing else."""

    sdp: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Welcome:
    """relay.2, type 16: the seat taken, and how many are in the room now (2: the other one was here first)."""

    seat: int
    members: int


@dataclass(frozen=True, slots=True)
class Joined:
    """relay.2, type 17: the other member has come in."""

    seat: int


@dataclass(frozen=True, slots=True)
class Left:
    """relay.2, type 18: the other member has gone; no statement about why."""

    seat: int


@dataclass(frozen=True, slots=True)
class Delivered:
    """relay.2, type 19: what the member at `seat` posted."""

    seat: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class MediaAnswer:
    """relay.2, type 20: the forwarder's SDP answer."""

    sdp: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """relay.2, type 21: the relay did not do it; `text` is for people, printable, at most 256 bytes of UTF-8."""

    reason: RefusedReason
    text: str


FromMember = Post | MediaOffer
FromRelay = Welcome | Joined | Left | Delivered | MediaAnswer | Refused


def _message(kind: int, *rest: Declaration) -> Declaration:
    return Struct("type" / Const(kind, Int8ub) * str(kind), *rest)


_SEAT = "seat" / Int8ub * "whose: 0 or 1"

DECLARATIONS: dict[type[FromMember | FromRelay], Declaration] = {
    Post: _message(1, "data" / GreedyBytes * "for the other member; opaque to the relay"),
    MediaOffer: _message(2, "sdp" / GreedyBytes * "SDP offer for the leg to the forwarder, UTF-8"),
    Welcome: _message(16, "seat" / Int8ub * "yours: 0 or 1", "members" / Int8ub * "in the room, with you: 1 or 2"),
    Joined: _message(17, _SEAT),
    Left: _message(18, _SEAT),
    Delivered: _message(19, _SEAT, "data" / GreedyBytes * "as posted"),
    MediaAnswer: _message(20, "sdp" / GreedyBytes * "SDP answer of the forwarder, UTF-8"),
    Refused: _message(
        21, "reason" / Int8ub * "see relay.3", "text" / GreedyBytes * "for people, UTF-8, 0 to 256 bytes"
    ),
}

_BY_TYPE = {declaration.subcons[0].subcon.value: kind for kind, declaration in DECLARATIONS.items()}
_RANGES = {"seat": (0, 1), "members": (1, 2)}


def encode(message: FromMember | FromRelay) -> bytes:
    """relay.2-1: the bytes of one message. A value that its field cannot hold is ApiMisuse."""
    name = type(message).__name__
    values: dict[str, object] = {}
    for item in fields(message):
        value = getattr(message, item.name)
        if item.name in _RANGES and value not in range(_RANGES[item.name][0], _RANGES[item.name][1] + 1):
            raise ApiMisuse(f"{name}.{item.name} does not fit the message")
        values[item.name] = _utf8(value, name) if isinstance(value, str) else value
    if isinstance(message, Refused) and not _showable(message.text):
        raise ApiMisuse("Refused.text is too long or not printable")
    return build_bytes(DECLARATIONS[type(message)], values, name)


def decode_from_member(data: bytes) -> FromMember:
    """relay.2-2: a message that a member sent: Post or MediaOffer. Anything else is MalformedMessage."""
    message: FromMember = _decode(data, (Post, MediaOffer))
    return message


def decode_from_relay(data: bytes) -> FromRelay:
    """relay.2-2: a message that the relay sent. Anything else is MalformedMessage."""
    message: FromRelay = _decode(data, (Welcome, Joined, Left, Delivered, MediaAnswer, Refused))
    return message


def _decode(data: bytes, expected: tuple[type, ...]) -> Any:
    if not data:
        raise MalformedMessage("the message is empty", offset=0, clause=_CLAUSE)
    kind: Any = _BY_TYPE.get(data[0])
    if kind not in expected:
        raise MalformedMessage(f"message type {data[0]} is not known here", offset=0, path="type", clause=_CLAUSE)
    name = kind.__name__
    parsed = parse_exact(DECLARATIONS[kind], data, name, clause=_CLAUSE)
    values: dict[str, object] = {}
    for offset, item in enumerate(fields(kind), start=1):  # every field before the last is one byte
        values[item.name] = _checked(item.name, parsed[item.name], offset, f"{name}.{item.name}")
    return kind(**values)


def _checked(name: str, value: Any, offset: int, path: str) -> object:
    """The field's value as the dataclass holds it, or MalformedMessage."""
    if name in _RANGES and not _RANGES[name][0] <= value <= _RANGES[name][1]:
        raise MalformedMessage(f"{value} is out of range", offset=offset, path=path, clause=_CLAUSE)
    if name == "reason":
        try:
            return RefusedReason(value)
        except ValueError:
            raise MalformedMessage(f"reason {value} is not known", offset=offset, path=path, clause=_CLAUSE) from None
    if name not in {"sdp", "text"}:
        return value
    try:
        text = str(value, "utf-8")
    except UnicodeDecodeError as error:
        where = offset + error.start
        raise MalformedMessage("the text is not UTF-8", offset=where, path=path, clause=_CLAUSE) from None
    if name == "text" and not _showable(text):
        raise MalformedMessage("the text is too long or not printable", offset=offset, path=path, clause="relay.2-3")
    return text


def _utf8(text: str, name: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ApiMisuse(f"{name} holds text that has no UTF-8 form") from None


def _showable(text: str) -> bool:
    """Whether a terminal can show it without obeying it: the relay is not trusted."""
    return text.isprintable() and len(text.encode()) <= _TEXT_LIMIT

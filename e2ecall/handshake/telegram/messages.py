"""telegram.6: the messages of Telegram's exchange as values: read strictly, written from what the states give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeAlias

from e2ecall.errors import ApiMisuse, MalformedMessage, PeerIncompatible
from e2ecall.handshake.messages import AbortReason
from e2ecall.wire.declared import build_bytes, parse_exact
from e2ecall.wire.telegram import MESSAGES, VERSION, MessageType

__all__ = ["Accept", "Confirm", "Discard", "ExchangeMessage", "Received", "Request", "build_message", "parse_message"]

MAX_VERSIONS: Final = 16
MAX_VERSION_LENGTH: Final = 16


@dataclass(frozen=True, slots=True)
class Request:
    """telegram.6-1: the caller's first message: what it speaks, best first, and the hash of its public value."""

    type: ClassVar = MessageType.REQUEST
    call_id: bytes
    versions: tuple[str, ...]
    g_a_hash: bytes


@dataclass(frozen=True, slots=True)
class Received:
    """telegram.6-3: the callee's device has the request, and rings."""

    type: ClassVar = MessageType.RECEIVED
    call_id: bytes


@dataclass(frozen=True, slots=True)
class Accept:
    """telegram.6-4: the callee's person takes the call, in that version."""

    type: ClassVar = MessageType.ACCEPT
    call_id: bytes
    version_taken: str
    g_b: bytes


@dataclass(frozen=True, slots=True)
class Confirm:
    """telegram.6-5: the caller's opening. `key_fingerprint` is a signed number of 64 bits."""

    type: ClassVar = MessageType.CONFIRM
    call_id: bytes
    g_a: bytes
    key_fingerprint: int


@dataclass(frozen=True, slots=True)
class Discard:
    """telegram.6-6: either side, at any time, unauthenticated; an unknown reason reads as UNSPECIFIED."""

    type: ClassVar = MessageType.DISCARD
    call_id: bytes
    reason: AbortReason


ExchangeMessage: TypeAlias = Request | Received | Accept | Confirm | Discard


def parse_message(data: bytes) -> ExchangeMessage:
    """telegram.6-1: PeerIncompatible for another exchange than this, MalformedMessage for what is not as declared."""
    if data[:1] and data[0] != VERSION:
        raise PeerIncompatible(f"an exchange of version {data[0]}, not Telegram's", clause="telegram.6-1")
    if len(data) < 2 or data[1] not in MESSAGES:
        raise MalformedMessage("no message of Telegram's exchange", offset=1, path="type", clause="telegram.6-1")
    kind = MessageType(data[1])
    fields: Any = parse_exact(MESSAGES[kind], data, kind.name.lower(), clause="telegram.6-1")
    call_id: bytes = fields.call_id
    if kind is MessageType.REQUEST:
        return Request(call_id, _checked([_text(each) for each in fields.versions]), fields.g_a_hash)
    if kind is MessageType.RECEIVED:
        return Received(call_id)
    if kind is MessageType.ACCEPT:
        return Accept(call_id, _text(fields.version_taken), fields.g_b)
    if kind is MessageType.CONFIRM:
        return Confirm(call_id, fields.g_a, fields.key_fingerprint)
    known = fields.reason in AbortReason._value2member_map_
    return Discard(call_id, AbortReason(fields.reason) if known else AbortReason.UNSPECIFIED)


def build_message(message: ExchangeMessage) -> bytes:
    """telegram.6-1: the bytes of a message. ApiMisuse for versions that no reader would take."""
    fields = {name: getattr(message, name) for name in message.__dataclass_fields__}
    try:
        if isinstance(message, Request):
            fields["versions"] = [each.encode("ascii") for each in _checked(list(message.versions))]
        elif isinstance(message, Accept):
            fields["version_taken"] = message.version_taken.encode("ascii")
    except (MalformedMessage, UnicodeEncodeError) as error:
        raise ApiMisuse("library versions are short ASCII texts, 1 to 16 of them", clause="telegram.6-2") from error
    fields |= {"version": VERSION, "type": message.type}
    return build_bytes(MESSAGES[message.type], fields, message.type.name.lower())


def _checked(versions: list[str]) -> tuple[str, ...]:
    if not 1 <= len(versions) <= MAX_VERSIONS or len(set(versions)) != len(versions):
        raise _malformed("a request names 1 to 16 different versions")
    if not all(1 <= len(each) <= MAX_VERSION_LENGTH and each.isascii() and each.isprintable() for each in versions):
        raise _malformed("a library version is 1 to 16 printable ASCII characters")
    return tuple(versions)


def _text(raw: bytes) -> str:
    try:
        return _checked([raw.decode("ascii")])[0]
    except UnicodeDecodeError:
        raise _malformed("a library version is ASCII") from None


def _malformed(message: str) -> MalformedMessage:
    return MalformedMessage(message, offset=18, path="versions", clause="telegram.6-2")

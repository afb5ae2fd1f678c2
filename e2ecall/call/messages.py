"""control.3: the messages of the control channel as values, to and from their fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Final, Self, get_args

from e2ecall.call.control import ControlMessage
from e2ecall.call.streams import Kind, Source
from e2ecall.errors import ApiMisuse, MalformedMessage, PeerMisbehaved
from e2ecall.handshake.messages import AbortReason
from e2ecall.handshake.rekey import Signed
from e2ecall.wire.control import ControlType
from e2ecall.wire.declared import has_utf8
from e2ecall.wire.tlv import decode_tlv

__all__ = [
    "CHAT_LIMIT",
    "LABEL_LIMIT",
    "SIGNATURE",
    "AppData",
    "Bye",
    "Candidate",
    "Chat",
    "Heartbeat",
    "Message",
    "Mute",
    "Receipt",
    "ReceiptMethod",
    "Rk1",
    "Rk2",
    "Sdp",
    "StreamState",
    "Streams",
    "decode",
]

SIGNATURE: Final = 0x7FFF
CHAT_LIMIT: Final = 4096
LABEL_LIMIT: Final = 255
_HASH: Final = 32
_SIGNATURE_LENGTH: Final = 64
_KINDS: Final[tuple[Kind, ...]] = ("audio", "video")
_SOURCES: Final = (Source.OTHER, Source.MICROPHONE, Source.CAMERA, Source.SCREEN, Source.SCREEN_SOUND)

Fields = Mapping[int, bytes]


class StreamState(IntEnum):
    """control.3, field 6 of streams."""

    OPEN = 0
    ENDED = 1


class ReceiptMethod(IntEnum):
    """control.3, field 1 of receipt: how the other side says that its person compared."""

    EMOJI = 1
    DIGITS = 2
    WORDS = 3
    QR = 4
    LINK = 5


@dataclass(frozen=True, slots=True)
class Sdp:
    """Renegotiation: an offer or answer without candidates."""

    is_answer: bool
    sdp: str
    type: ClassVar = ControlType.SDP
    numbers: ClassVar = frozenset({1, 2})

    def fields(self) -> dict[int, bytes]:
        """{number: value}; ApiMisuse for candidates in it."""
        sdp = _utf8(self.sdp)
        _require("a=candidate:" not in self.sdp, "candidates have messages of their own")
        return {1: _fits(self.is_answer, 1, below=2), 2: sdp}

    @classmethod
    def read(cls, fields: Fields) -> Sdp:
        """control.3-6: PeerMisbehaved for candidates in it."""
        sdp = _text(fields, 2, "sdp")
        if "a=candidate:" in sdp:
            raise PeerMisbehaved("the SDP has candidates in it", clause="control.3-6")
        return cls(_number(fields, 1, 1, "sdp", below=2) == 1, sdp)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One ICE candidate; an empty line is the end of them."""

    mid: str
    line: str
    type: ClassVar = ControlType.CANDIDATE
    numbers: ClassVar = frozenset({1, 2})

    def fields(self) -> dict[int, bytes]:
        """{number: value}."""
        return {1: _utf8(self.mid), 2: _utf8(self.line)}

    @classmethod
    def read(cls, fields: Fields) -> Candidate:
        """control.3-2."""
        return cls(_text(fields, 1, "candidate"), _text(fields, 2, "candidate"))


@dataclass(frozen=True, slots=True)
class Streams:
    """frame.7: a stream that the sender of this message opened or ended."""

    context: int
    kind: Kind
    codec: str
    source: Source = Source.OTHER
    layer: int | None = None
    state: StreamState = StreamState.OPEN
    type: ClassVar = ControlType.STREAMS
    numbers: ClassVar = frozenset(range(1, 7))

    def fields(self) -> dict[int, bytes]:
        """{number: value}."""
        _require(self.kind in _KINDS and self.source in _SOURCES, "a stream has one of the known kinds and sources")
        codec = _utf8(self.codec)
        _require(self.codec == self.codec.lower(), "a codec is in lower case")
        fixed = {1: _fits(self.context, 2), 2: bytes([_KINDS.index(self.kind)]), 3: codec}
        layer = {} if self.layer is None else {5: _fits(self.layer, 1)}
        source = _SOURCES.index(self.source)
        return fixed | {4: bytes([source])} | layer | {6: _fits(self.state, 1, below=len(StreamState))}

    @classmethod
    def read(cls, fields: Fields) -> Streams:
        """control.3-2."""
        what = "streams"
        codec = _text(fields, 3, what)
        if codec != codec.lower():
            raise _malformed(what, 3)
        return cls(
            _number(fields, 1, 2, what),
            _KINDS[_number(fields, 2, 1, what, below=len(_KINDS))],
            codec,
            _SOURCES[_number(fields, 4, 1, what, below=len(_SOURCES))],
            _number(fields, 5, 1, what) if 5 in fields else None,
            StreamState(_number(fields, 6, 1, what, below=len(StreamState))),
        )


@dataclass(frozen=True, slots=True)
class Mute:
    """The sender's stream of that context is muted, or sends again: to be shown, nothing is decided by it."""

    context: int
    muted: bool
    type: ClassVar = ControlType.MUTE
    numbers: ClassVar = frozenset({1, 2})

    def fields(self) -> dict[int, bytes]:
        """{number: value}."""
        return {1: _fits(self.context, 2), 2: _fits(self.muted, 1, below=2)}

    @classmethod
    def read(cls, fields: Fields) -> Mute:
        """control.3-2."""
        return cls(_number(fields, 1, 2, "mute"), _number(fields, 2, 1, "mute", below=2) == 1)


@dataclass(frozen=True, slots=True)
class _Half:
    """epoch.1: one half of a rekey, with its signature."""

    signed: Signed
    type: ClassVar[ControlType]
    numbers: ClassVar = frozenset({1, SIGNATURE})

    def fields(self) -> dict[int, bytes]:
        """{number: value}."""
        return {1: self.signed.data, SIGNATURE: self.signed.signature}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """control.3-2."""
        what = cls.type.name.lower()
        return cls(Signed(_bytes(fields, 1, what), _exactly(fields, SIGNATURE, _SIGNATURE_LENGTH, what)))


class Rk1(_Half):
    """epoch.1: the starter's half."""

    __slots__ = ()
    type = ControlType.RK1


class Rk2(_Half):
    """epoch.1: the answerer's half."""

    __slots__ = ()
    type = ControlType.RK2


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """control.3-4: the sender is in that epoch with that th2, and sealed so many frames in each context."""

    epoch: int
    th2: bytes
    number: int
    sent: tuple[tuple[int, int], ...] = ()
    type: ClassVar = ControlType.HEARTBEAT
    numbers: ClassVar = frozenset({1, 2, 3, 4, SIGNATURE})

    def fields(self) -> dict[int, bytes]:
        """{number: value}, without the signature."""
        sent = b"".join(context.to_bytes(2) + frames.to_bytes(8) for context, frames in self.sent)
        fixed = {1: self.epoch.to_bytes(4), 2: self.th2, 3: self.number.to_bytes(4)}
        return fixed | ({4: sent} if sent else {})

    @classmethod
    def read(cls, fields: Fields) -> Heartbeat:
        """control.3-2."""
        what = "heartbeat"
        sent = fields.get(4, b"")
        if len(sent) % 10:
            raise _malformed(what, 4)
        pairs = (sent[i : i + 10] for i in range(0, len(sent), 10))
        counts = tuple((int.from_bytes(pair[:2]), int.from_bytes(pair[2:])) for pair in pairs)
        th2 = _exactly(fields, 2, _HASH, what)
        _exactly(fields, SIGNATURE, _SIGNATURE_LENGTH, what)
        return cls(_number(fields, 1, 4, what), th2, _number(fields, 3, 4, what), counts)


@dataclass(frozen=True, slots=True)
class Chat:
    """A line of text; to be shown as text."""

    text: str
    type: ClassVar = ControlType.CHAT
    numbers: ClassVar = frozenset({1})

    def fields(self) -> dict[int, bytes]:
        """{number: value}; ApiMisuse for no text or more than 4096 bytes."""
        data = _utf8(self.text)
        _require(0 < len(data) <= CHAT_LIMIT, f"a chat line has 1 to {CHAT_LIMIT} bytes")
        return {1: data}

    @classmethod
    def read(cls, fields: Fields) -> Chat:
        """control.3-2."""
        if not 0 < len(_bytes(fields, 1, "chat")) <= CHAT_LIMIT:
            raise _malformed("chat", 1)
        return cls(_text(fields, 1, "chat"))


@dataclass(frozen=True, slots=True)
class Receipt:
    """control.3-5: what the other side says its person found. It is shown, and changes nothing."""

    method: ReceiptMethod
    matched: bool
    th2: bytes
    type: ClassVar = ControlType.RECEIPT
    numbers: ClassVar = frozenset({1, 2, 3, SIGNATURE})

    def fields(self) -> dict[int, bytes]:
        """{number: value}, without the signature."""
        _require(self.method in set(ReceiptMethod), "a receipt names a known method")
        _require(len(self.th2) == _HASH, f"a receipt names a transcript of {_HASH} bytes")
        return {1: bytes([self.method]), 2: _fits(self.matched, 1, below=2), 3: self.th2}

    @classmethod
    def read(cls, fields: Fields) -> Receipt:
        """control.3-2."""
        method = _number(fields, 1, 1, "receipt", below=max(ReceiptMethod) + 1)
        if method == 0:
            raise _malformed("receipt", 1)
        matched = _number(fields, 2, 1, "receipt", below=2) == 1
        _exactly(fields, SIGNATURE, _SIGNATURE_LENGTH, "receipt")
        return cls(ReceiptMethod(method), matched, _exactly(fields, 3, _HASH, "receipt"))


@dataclass(frozen=True, slots=True)
class Bye:
    """control.3-1: the other side hung up."""

    reason: AbortReason = AbortReason.UNSPECIFIED
    type: ClassVar = ControlType.BYE
    numbers: ClassVar = frozenset({1})

    def fields(self) -> dict[int, bytes]:
        """{number: value}."""
        _require(self.reason in set(AbortReason), "a bye names a known reason")
        return {1: bytes([self.reason])} if self.reason else {}

    @classmethod
    def read(cls, fields: Fields) -> Bye:
        """control.3-2; an unknown reason reads as unspecified."""
        number = _number(fields, 1, 1, "bye") if 1 in fields else 0
        return cls(AbortReason(number) if number in set(AbortReason) else AbortReason.UNSPECIFIED)


@dataclass(frozen=True, slots=True)
class AppData:
    """Bytes of the application, under a label of its own."""

    label: str
    data: bytes
    type: ClassVar = ControlType.DATA
    numbers: ClassVar = frozenset({1, 2})

    def fields(self) -> dict[int, bytes]:
        """{number: value}; ApiMisuse for a label above 255 bytes and for what does not fit a field."""
        _require(isinstance(self.data, bytes), "the data of a message is bytes")
        label = _utf8(self.label)
        _require(len(label) <= LABEL_LIMIT, f"a label has at most {LABEL_LIMIT} bytes")
        _require(len(self.data) < 1 << 16, "data of one message has fewer than 65,536 bytes")
        return {1: label, 2: self.data}

    @classmethod
    def read(cls, fields: Fields) -> AppData:
        """control.3-2."""
        if len(_bytes(fields, 1, "data")) > LABEL_LIMIT:
            raise _malformed("data", 1)
        return cls(_text(fields, 1, "data"), _bytes(fields, 2, "data"))


Message = Sdp | Candidate | Streams | Mute | Rk1 | Rk2 | Heartbeat | Chat | Receipt | Bye | AppData

_CLASSES: Final[Mapping[int, type[Message]]] = {each.type: each for each in get_args(Message)}


def decode(message: ControlMessage) -> Message | None:
    """control.3-2: the message as a value, None for an unknown type; MalformedMessage, PeerMisbehaved (control.3-6)."""
    kind = _CLASSES.get(message.type)
    if kind is None:
        return None
    decode_tlv(message.raw, kind.numbers, "control")  # an unknown critical field is refused (kex.4-2)
    return kind.read(message.fields)


def _bytes(fields: Fields, number: int, what: str) -> bytes:
    value = fields.get(number)
    if value is None:
        raise _malformed(what, number)
    return value


def _exactly(fields: Fields, number: int, length: int, what: str) -> bytes:
    value = _bytes(fields, number, what)
    if len(value) != length:
        raise _malformed(what, number)
    return value


def _number(fields: Fields, number: int, length: int, what: str, *, below: int | None = None) -> int:
    value = int.from_bytes(_exactly(fields, number, length, what))
    if below is not None and value >= below:
        raise _malformed(what, number)
    return value


def _text(fields: Fields, number: int, what: str) -> str:
    try:
        return _bytes(fields, number, what).decode()
    except UnicodeDecodeError:
        raise _malformed(what, number) from None


def _fits(number: int, length: int, *, below: int | None = None) -> bytes:
    limit = 1 << 8 * length if below is None else below
    _require(isinstance(number, int) and 0 <= number < limit, "a number of the message does not fit its field")
    return number.to_bytes(length)


def _utf8(text: str) -> bytes:
    _require(isinstance(text, str) and has_utf8(text), "the text has no UTF-8 form")
    return text.encode()


def _malformed(what: str, number: int) -> MalformedMessage:
    message = f"field {number} of {what} is missing or not what it should be"
    return MalformedMessage(message, path=f"control.{what}.{number}", clause="control.3-2")


def _require(condition: object, message: str) -> None:
    if not condition:
        raise ApiMisuse(message, clause="control.3-2")

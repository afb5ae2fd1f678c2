"""telegram.5: the messages of Telegram's WebRTC calls, library versions 8.0.0 to 13.0.0, as they stand in its packets.

`parse_signal` reads one, `build_signal` writes one. Every object keeps the members that this chapter does not name, in
`extra`, and writes them again: other libraries add members, and a call must not lose them on its way through here.

The packet layer vouches for who wrote a message, and nothing in a message vouches for itself. So the one member that
protects the media is the certificate's fingerprint in InitialSetup; `DtlsFingerprint.digest` gives its bytes.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import IntEnum, StrEnum
from typing import ClassVar, Final, TypeAlias, TypeVar

from e2ecall.errors import ApiMisuse, MalformedMessage
from e2ecall.handshake.telegram.signalling_json import Json, Members, number_or_digits, read_json, refuse

__all__ = [
    "Candidates",
    "DtlsFingerprint",
    "FeedbackType",
    "IceCandidate",
    "InitialSetup",
    "Json",
    "MediaContent",
    "MediaKind",
    "MediaState",
    "NegotiateChannels",
    "PayloadType",
    "RtpExtension",
    "Signal",
    "SsrcGroup",
    "UnknownSignal",
    "VideoRotation",
    "VideoState",
    "build_signal",
    "parse_signal",
]

_UINT32: Final = (1 << 32) - 1
_DIGEST_LENGTHS: Final = {"sha-1": 20, "sha-224": 28, "sha-256": 32, "sha-384": 48, "sha-512": 64}
_HEX_PAIRS: Final = re.compile(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})*")

_N = TypeVar("_N", bound="_Node")


class MediaKind(StrEnum):
    """telegram.5-6: what a content carries."""

    AUDIO = "audio"
    VIDEO = "video"


class VideoState(StrEnum):
    """telegram.5-6: whether a side sends video, or its screen."""

    INACTIVE = "inactive"
    SUSPENDED = "suspended"
    ACTIVE = "active"


class VideoRotation(IntEnum):
    """telegram.5-8: degrees by which the video is to be turned."""

    NONE = 0
    QUARTER = 90
    HALF = 180
    THREE_QUARTERS = 270


@dataclass(frozen=True, slots=True)
class _Node(ABC):
    """One object of a message. ApiMisuse when `extra` names a member that has a field."""

    extra: Mapping[str, Json] = field(default_factory=dict, kw_only=True, hash=False, repr=False)
    """telegram.5-5: the members that this chapter does not name."""

    def __post_init__(self) -> None:
        known = {"@type"} if isinstance(self, _Message) else set()
        known |= {_wire_name(member.name) for member in fields(self) if member.name != "extra"}
        if taken := known & self.extra.keys():
            raise ApiMisuse(f"{min(taken)} has a field, and cannot be an extra member", clause="telegram.5-5")

    @abstractmethod
    def _known(self) -> dict[str, Json]:
        """The members that have a field, as JSON."""

    def members(self) -> dict[str, Json]:
        """telegram.5-5: the whole object, the members without a field last."""
        return {**self._known(), **self.extra}


@dataclass(frozen=True, slots=True)
class _Message(_Node):
    """An object that is a whole message."""


@dataclass(frozen=True, slots=True)
class DtlsFingerprint(_Node):
    """telegram.5-9: the fingerprint of a certificate, as text, and which side is to begin the DTLS handshake."""

    hash: str
    setup: str
    fingerprint: str

    def digest(self) -> bytes:
        """telegram.5-9: the bytes. MalformedMessage for another hash than SHA-1 or SHA-2, no hex, another length."""
        length = _DIGEST_LENGTHS.get(self.hash.lower())
        if length is None:
            refuse("has a fingerprint of an unknown hash", "DtlsFingerprint.hash", "5-9")
        if not _HEX_PAIRS.fullmatch(self.fingerprint):
            refuse("has a fingerprint that is no hex in pairs", "DtlsFingerprint.fingerprint", "5-9")
        digest = bytes.fromhex(self.fingerprint.replace(":", ""))
        if len(digest) != length:
            refuse(f"has a fingerprint of {len(digest)} bytes, not {length}", "DtlsFingerprint.fingerprint", "5-9")
        return digest

    def _known(self) -> dict[str, Json]:
        return {"hash": self.hash, "setup": self.setup, "fingerprint": self.fingerprint}

    @classmethod
    def _read(cls, value: Json, path: str) -> DtlsFingerprint:
        m = Members(value, path)
        return cls(m.text("hash"), m.text("setup"), m.text("fingerprint"), extra=m.rest())


@dataclass(frozen=True, slots=True)
class InitialSetup(_Message):
    """telegram.5-6: how to reach a side by ICE, and which certificates it may show. `pwd` is kept out of the repr."""

    kind: ClassVar[str] = "InitialSetup"
    ufrag: str
    pwd: str = field(repr=False)
    fingerprints: tuple[DtlsFingerprint, ...]
    renomination: bool = False

    def _known(self) -> dict[str, Json]:
        return {
            "ufrag": self.ufrag,
            "pwd": self.pwd,
            "renomination": self.renomination,
            "fingerprints": _written(self.fingerprints),
        }

    @classmethod
    def _read(cls, m: Members) -> InitialSetup:
        return cls(
            m.text("ufrag"),
            m.text("pwd"),
            m.items("fingerprints", DtlsFingerprint._read, least=1, required=True),
            m.flag("renomination"),
            extra=m.rest(),
        )


@dataclass(frozen=True, slots=True)
class IceCandidate(_Node):
    """telegram.5-6: one candidate, `candidate:…` as in a session description."""

    sdp_string: str

    def _known(self) -> dict[str, Json]:
        return {"sdpString": self.sdp_string}

    @classmethod
    def _read(cls, value: Json, path: str) -> IceCandidate:
        m = Members(value, path)
        return cls(m.text("sdpString"), extra=m.rest())


@dataclass(frozen=True, slots=True)
class Candidates(_Message):
    """telegram.5-6: more ways to reach a side."""

    kind: ClassVar[str] = "Candidates"
    candidates: tuple[IceCandidate, ...]

    def _known(self) -> dict[str, Json]:
        return {"candidates": _written(self.candidates)}

    @classmethod
    def _read(cls, m: Members) -> Candidates:
        return cls(m.items("candidates", IceCandidate._read, required=True), extra=m.rest())


@dataclass(frozen=True, slots=True)
class SsrcGroup(_Node):
    """telegram.5-6: sources that belong together, and how (`FID`: the second repeats the first)."""

    semantics: str
    ssrcs: tuple[int, ...]

    def _known(self) -> dict[str, Json]:
        return {"semantics": self.semantics, "ssrcs": [str(ssrc) for ssrc in self.ssrcs]}

    @classmethod
    def _read(cls, value: Json, path: str) -> SsrcGroup:
        m = Members(value, path)
        return cls(m.text("semantics"), m.items("ssrcs", _ssrc, required=True), extra=m.rest())


@dataclass(frozen=True, slots=True)
class FeedbackType(_Node):
    """telegram.5-6: a kind of RTCP feedback; the subtype may be empty."""

    type: str
    subtype: str

    def _known(self) -> dict[str, Json]:
        return {"type": self.type, "subtype": self.subtype}

    @classmethod
    def _read(cls, value: Json, path: str) -> FeedbackType:
        m = Members(value, path)
        return cls(m.text("type"), m.text("subtype", least=0), extra=m.rest())


@dataclass(frozen=True, slots=True)
class PayloadType(_Node):
    """telegram.5-6: a codec and its number in RTP packets."""

    id: int
    name: str
    clockrate: int
    channels: int = 0
    feedback_types: tuple[FeedbackType, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict, hash=False)

    def _known(self) -> dict[str, Json]:
        return {
            "id": self.id,
            "name": self.name,
            "clockrate": self.clockrate,
            "channels": self.channels,
            "feedbackTypes": _written(self.feedback_types),
            "parameters": dict(self.parameters),
        }

    @classmethod
    def _read(cls, value: Json, path: str) -> PayloadType:
        m = Members(value, path)
        return cls(
            m.whole("id", 0, 127),
            m.text("name"),
            m.whole("clockrate", 1, (1 << 31) - 1),
            m.whole("channels", 0, 255, default=0),
            m.items("feedbackTypes", FeedbackType._read),
            m.texts("parameters"),
            extra=m.rest(),
        )


@dataclass(frozen=True, slots=True)
class RtpExtension(_Node):
    """telegram.5-6: a header extension and its number in RTP packets."""

    id: int
    uri: str

    def _known(self) -> dict[str, Json]:
        return {"id": self.id, "uri": self.uri}

    @classmethod
    def _read(cls, value: Json, path: str) -> RtpExtension:
        m = Members(value, path)
        return cls(m.whole("id", 1, 255), m.text("uri"), extra=m.rest())


@dataclass(frozen=True, slots=True)
class MediaContent(_Node):
    """telegram.5-6: one source of audio or video, and the ways in which it may be sent."""

    type: MediaKind
    ssrc: int
    ssrc_groups: tuple[SsrcGroup, ...] = ()
    payload_types: tuple[PayloadType, ...] = ()
    rtp_extensions: tuple[RtpExtension, ...] = ()

    def _known(self) -> dict[str, Json]:
        known: dict[str, Json] = {"type": self.type, "ssrc": str(self.ssrc)}
        if self.ssrc_groups:  # the libraries leave these two out when they are empty, and the third not
            known["ssrcGroups"] = _written(self.ssrc_groups)
        if self.payload_types:
            known["payloadTypes"] = _written(self.payload_types)
        return {**known, "rtpExtensions": _written(self.rtp_extensions)}

    @classmethod
    def _read(cls, value: Json, path: str) -> MediaContent:
        m = Members(value, path)
        return cls(
            m.choice("type", MediaKind),
            m.digits("ssrc", 1, _UINT32),
            m.items("ssrcGroups", SsrcGroup._read),
            m.items("payloadTypes", PayloadType._read),
            m.items("rtpExtensions", RtpExtension._read),
            extra=m.rest(),
        )


@dataclass(frozen=True, slots=True)
class NegotiateChannels(_Message):
    """telegram.5-6: an offer of contents, or the answer of the same `exchange_id`."""

    kind: ClassVar[str] = "NegotiateChannels"
    exchange_id: int
    contents: tuple[MediaContent, ...]

    def _known(self) -> dict[str, Json]:
        return {"exchangeId": str(self.exchange_id), "contents": _written(self.contents)}

    @classmethod
    def _read(cls, m: Members) -> NegotiateChannels:
        contents = m.items("contents", MediaContent._read, required=True)
        return cls(m.digits("exchangeId", 0, _UINT32), contents, extra=m.rest())


@dataclass(frozen=True, slots=True)
class MediaState(_Message):
    """telegram.5-6: what a side sends at the moment."""

    kind: ClassVar[str] = "MediaState"
    muted: bool = False
    low_battery: bool = False
    video_state: VideoState = VideoState.INACTIVE
    video_rotation: VideoRotation = VideoRotation.NONE
    screencast_state: VideoState = VideoState.INACTIVE

    def _known(self) -> dict[str, Json]:
        return {
            "muted": self.muted,
            "lowBattery": self.low_battery,
            "videoState": self.video_state,
            "videoRotation": self.video_rotation,
            "screencastState": self.screencast_state,
        }

    @classmethod
    def _read(cls, m: Members) -> MediaState:
        rotation = m.whole("videoRotation", 0, 270, default=0)
        if rotation % 90:
            refuse("needs 0, 90, 180 or 270", "MediaState.videoRotation", "5-8")
        return cls(
            m.flag("muted"),
            m.flag("lowBattery"),
            m.choice("videoState", VideoState, default=VideoState.INACTIVE),
            VideoRotation(rotation),
            m.choice("screencastState", VideoState, default=VideoState.INACTIVE),
            extra=m.rest(),
        )


@dataclass(frozen=True, slots=True)
class UnknownSignal(_Message):
    """telegram.5-4: a message of a type that this chapter does not name: `kind`, and all else in `extra`."""

    kind: str

    def __post_init__(self) -> None:
        if self.kind in _KINDS:
            raise ApiMisuse(f"{self.kind} is a type with a class of its own", clause="telegram.5-4")
        if "@type" in self.extra:
            raise ApiMisuse("@type has a field, and cannot be an extra member", clause="telegram.5-5")

    def _known(self) -> dict[str, Json]:
        return {}


Signal: TypeAlias = InitialSetup | Candidates | NegotiateChannels | MediaState | UnknownSignal
"""Any message."""

_KINDS: Final = {kind.kind: kind for kind in (InitialSetup, Candidates, NegotiateChannels, MediaState)}


def parse_signal(data: bytes) -> Signal:
    """telegram.5-1 to telegram.5-8: the message in `data`, packed by gzip or not; else MalformedMessage."""
    value = read_json(data)
    members = Members(value, "signal")
    name = members.text("@type")
    kind = _KINDS.get(name)
    if kind is None:
        return UnknownSignal(name, extra=members.rest())
    return kind._read(Members(dict(members.rest()), name))


def build_signal(signal: Signal) -> bytes:
    """telegram.5-10: `signal` as JSON in UTF-8, without spaces, the type first. Not packed: each side reads both.

    ApiMisuse for what `parse_signal` would refuse or read otherwise: no side gets what this one would not take.
    """
    try:
        members = {"@type": signal.kind, **signal.members()}
        data = json.dumps(members, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        again = parse_signal(data)
    except (TypeError, ValueError, RecursionError, MalformedMessage) as error:
        detail = error if isinstance(error, MalformedMessage) else "it is no JSON"
        raise ApiMisuse(f"not to be written as a signalling message: {detail}", clause="telegram.5-10") from None
    if again != signal:
        raise ApiMisuse("the signalling message would be read as another one", clause="telegram.5-10")
    return data


def _ssrc(value: Json, path: str) -> int:
    return number_or_digits(value, path, 1, _UINT32)


def _written(nodes: tuple[_N, ...]) -> list[Json]:
    return [node.members() for node in nodes]


def _wire_name(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.title() for word in others)

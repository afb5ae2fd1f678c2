"""telegram.7: what Telegram's signalling says of sources, codecs and candidates, in aiortc's words, and the reverse.

`offered` is what this side can send, `accepted` what it takes of an offer, `agreed` what the answer made of its own
offer. Opus for audio; VP8 and H.264 for video, with retransmission (RFC 4588) where both name a source for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address
from typing import Final

from aiortc import RTCIceCandidate
from aiortc.rtcrtpparameters import (
    RTCRtcpFeedback,
    RTCRtcpParameters,
    RTCRtpCodecParameters,
    RTCRtpDecodingParameters,
    RTCRtpHeaderExtensionParameters,
    RTCRtpReceiveParameters,
    RTCRtpRtxParameters,
    RTCRtpSendParameters,
)
from aiortc.sdp import candidate_from_sdp, candidate_to_sdp

from e2ecall.errors import PeerMisbehaved
from e2ecall.handshake.telegram.signalling import (
    FeedbackType,
    IceCandidate,
    MediaContent,
    MediaKind,
    PayloadType,
    RtpExtension,
    SsrcGroup,
)

__all__ = [
    "MAX_CONTENTS",
    "accepted",
    "agreed",
    "checked_contents",
    "own_candidate",
    "offered",
    "receive_parameters",
    "repair_source",
    "send_parameters",
    "usable_candidate",
]

MAX_CONTENTS: Final = 4
"""A microphone, a camera, a screen and its sound: each source costs a decoder and a thread."""
ABS_SEND_TIME: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
_EXTENSIONS: Final = (RtpExtension(2, ABS_SEND_TIME),)  # of all that the libraries offer, the one that aiortc fills in
_FID: Final = "FID"
_CANDIDATE: Final = "candidate:"
_TYPES: Final = ("host", "srflx", "prflx", "relay")
_BROADCAST: Final = "255.255.255.255"
_VIDEO_FEEDBACK: Final = (
    FeedbackType("goog-remb", ""),
    FeedbackType("ccm", "fir"),
    FeedbackType("nack", ""),
    FeedbackType("nack", "pli"),
)
_H264: Final = {"level-asymmetry-allowed": "1", "packetization-mode": "1", "profile-level-id": "42e01f"}
_OFFERS: Final = {
    MediaKind.AUDIO: (PayloadType(111, "opus", 48000, 2, (), {"minptime": "10", "useinbandfec": "1"}),),
    MediaKind.VIDEO: (
        PayloadType(100, "VP8", 90000, 0, _VIDEO_FEEDBACK),
        PayloadType(101, "rtx", 90000, 0, (), {"apt": "100"}),
        PayloadType(102, "H264", 90000, 0, _VIDEO_FEEDBACK, _H264),
        PayloadType(103, "rtx", 90000, 0, (), {"apt": "102"}),
    ),
}
_PREFERRED: Final = {MediaKind.AUDIO: ("opus",), MediaKind.VIDEO: ("vp8", "h264")}
_CLOCKRATES: Final = {"opus": 48000, "vp8": 90000, "h264": 90000, "rtx": 90000}


def offered(kind: MediaKind, ssrc: int, repair_ssrc: int) -> MediaContent:
    """telegram.7-6: this side's source of `kind`, with all that it can be sent as."""
    groups = (SsrcGroup(_FID, (ssrc, repair_ssrc)),) if kind is MediaKind.VIDEO else ()
    return MediaContent(kind, ssrc, groups, _OFFERS[kind], _EXTENSIONS)


def checked_contents(contents: Iterable[MediaContent], *, own: set[int]) -> tuple[MediaContent, ...]:
    """telegram.7-8: the contents of an offer, or PeerMisbehaved: too many, a source twice, or one of this side's."""
    contents, taken = tuple(contents), set(own)
    if len(contents) > MAX_CONTENTS:
        raise PeerMisbehaved(f"an offer of {len(contents)} sources", clause="telegram.7-8")
    for content in contents:
        sources = [content.ssrc]
        if (repair := repair_source(content)) is not None:
            sources.append(repair)
        if len({*sources} - taken) != len(sources):
            raise PeerMisbehaved("two sources of a call have the same number", clause="telegram.7-8")
        taken |= {*sources}
    return contents


def accepted(content: MediaContent) -> MediaContent | None:
    """telegram.7-7: `content` with the one codec that this side will take, or None when there is none."""
    main = _first_known(content)
    if main is None:
        return None
    kept = [_narrowed(main)]
    if repair_source(content) is not None:
        kept += [_narrowed(each) for each in content.payload_types if _repairs(each, main)][:1]
    extensions = tuple(each for each in content.rtp_extensions if each.uri == ABS_SEND_TIME)[:1]
    return MediaContent(content.type, content.ssrc, content.ssrc_groups, tuple(kept), extensions)


def agreed(offer: MediaContent, answer: MediaContent) -> MediaContent | None:
    """telegram.7-7: what of `offer` the answer took; None for nothing usable; PeerMisbehaved for what was not in it."""
    known = {(each.id, each.name.lower(), each.clockrate) for each in offer.payload_types}
    if answer.type is not offer.type or any(
        (each.id, each.name.lower(), each.clockrate) not in known for each in answer.payload_types
    ):
        raise PeerMisbehaved("the answer takes what was not offered", clause="telegram.7-7")
    if not {(each.id, each.uri) for each in answer.rtp_extensions} <= {(e.id, e.uri) for e in offer.rtp_extensions}:
        raise PeerMisbehaved("the answer takes a header extension that was not offered", clause="telegram.7-7")
    main = _first_known(answer)
    if main is None:
        return None
    kept = (main, *[each for each in answer.payload_types if _repairs(each, main)][:1])
    return replace(offer, payload_types=kept, rtp_extensions=answer.rtp_extensions, extra={})


def repair_source(content: MediaContent) -> int | None:
    """telegram.7-7: the source that repeats this one's lost packets: the second of its group FID."""
    for group in content.ssrc_groups:
        if group.semantics == _FID and len(group.ssrcs) == 2 and group.ssrcs[0] == content.ssrc:
            return group.ssrcs[1]
    return None


def send_parameters(content: MediaContent, cname: str) -> RTCRtpSendParameters:
    """What aiortc is to send for an agreed content."""
    return RTCRtpSendParameters(
        codecs=_codecs(content), headerExtensions=_extensions(content), rtcp=RTCRtcpParameters(cname=cname, mux=True)
    )


def receive_parameters(content: MediaContent) -> RTCRtpReceiveParameters:
    """What aiortc is to take for an accepted content: its source, and the one that repeats it."""
    codecs, repair = _codecs(content), repair_source(content)
    rtx = None if repair is None or len(codecs) < 2 else RTCRtpRtxParameters(ssrc=repair)
    encodings = [RTCRtpDecodingParameters(content.ssrc, _number(codecs[0]), rtx)]
    if rtx is not None:
        encodings.append(RTCRtpDecodingParameters(rtx.ssrc, _number(codecs[1])))
    return RTCRtpReceiveParameters(codecs=codecs, headerExtensions=_extensions(content), encodings=encodings)


def own_candidate(candidate: RTCIceCandidate) -> IceCandidate:
    """telegram.7-5: one of this side's candidates."""
    return IceCandidate(_CANDIDATE + candidate_to_sdp(candidate))


def usable_candidate(candidate: IceCandidate) -> RTCIceCandidate | None:
    """telegram.7-5: the candidate, when it is an IP address and a port for UDP; None for anything else.

    A name is never looked up: it would tell a name server, or the local network, that this call is being made.
    """
    try:
        read = candidate_from_sdp(candidate.sdp_string.removeprefix(_CANDIDATE))
        address = ip_address(read.ip)
    except (ValueError, AssertionError, IndexError):
        return None
    if address.is_multicast or address.is_unspecified or read.ip == _BROADCAST:
        return None
    if read.protocol.lower() != "udp" or read.component != 1 or read.type not in _TYPES:
        return None
    return read if 0 < read.port < 1 << 16 and 0 <= read.priority < 1 << 32 else None


def _first_known(content: MediaContent) -> PayloadType | None:
    for name in _PREFERRED[content.type]:
        for each in content.payload_types:
            if each.name.lower() == name and _decodable(each, name):
                return each
    return None


def _decodable(payload: PayloadType, name: str) -> bool:
    if payload.clockrate != _CLOCKRATES[name] or (name == "opus" and payload.channels != 2):
        return False
    return name != "h264" or payload.parameters.get("packetization-mode") == "1"


def _repairs(payload: PayloadType, main: PayloadType) -> bool:
    return payload.name.lower() == "rtx" and payload.parameters.get("apt") == str(main.id) and payload.id != main.id


def _narrowed(payload: PayloadType) -> PayloadType:
    """With the feedback that aiortc gives, and nothing else of what was offered."""
    feedback = tuple(each for each in payload.feedback_types if each in _VIDEO_FEEDBACK)
    return replace(payload, feedback_types=feedback, extra={})


def _codecs(content: MediaContent) -> list[RTCRtpCodecParameters]:
    return [
        RTCRtpCodecParameters(
            mimeType=f"{content.type}/{each.name}",
            clockRate=each.clockrate,
            channels=each.channels or None,
            payloadType=each.id,
            rtcpFeedback=[RTCRtcpFeedback(one.type, one.subtype or None) for one in each.feedback_types],
            parameters={"apt": int(each.parameters["apt"])} if each.name.lower() == "rtx" else dict(each.parameters),
        )
        for each in content.payload_types
    ]


def _number(codec: RTCRtpCodecParameters) -> int:
    assert codec.payloadType is not None
    return codec.payloadType


def _extensions(content: MediaContent) -> list[RTCRtpHeaderExtensionParameters]:
    return [RTCRtpHeaderExtensionParameters(each.id, each.uri) for each in content.rtp_extensions]

"""The private names of aiortc and aioice that this package depends on, checked when it is imported.

aiortc has no public place for encoded frames. Its internals have kept the names below since 2020; this module refuses
a version or a layout that was not tested, because a hook that is silently not called would send a call in clear.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import CodeType
from typing import Any

import aioice.ice
import aiortc
from aiortc import rtcpeerconnection, rtcrtpreceiver, rtcrtpsender
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.opus import OpusEncoder
from aiortc.codecs.vpx import Vp8Encoder
from aiortc.jitterbuffer import JitterFrame

__all__ = ["check"]

# RTCPeerConnection
CREATE_TRANSCEIVER = "_RTCPeerConnection__createTransceiver"
CONFIGURATION = "_RTCPeerConnection__configuration"
# RTCRtpTransceiver
PREFERRED_CODECS = "_preferred_codecs"
# RTCRtpSender
NEXT_ENCODED_FRAME = "_next_encoded_frame"
RUN_RTP = "_run_rtp"
SEND_KEYFRAME = "_send_keyframe"
ENCODER = "_RTCRtpSender__encoder"
SENDER_STARTED = "_RTCRtpSender__started"
# RTCRtpReceiver
DECODER_QUEUE = "_RTCRtpReceiver__decoder_queue"
DECODER_ERROR = "_RTCRtpReceiver__decoder_error"
JITTER_BUFFER = "_RTCRtpReceiver__jitter_buffer"
RECEIVER_CODECS = "_RTCRtpReceiver__codecs"
RECEIVER_STARTED = "_RTCRtpReceiver__started"
SEND_PLI = "_send_rtcp_pli"
# encoders
ENCODE = "encode"
PACK = "pack"
PACKETIZE = "_packetize"
SPLIT_BITSTREAM = "_split_bitstream"
# aioice.ice
HOST_ADDRESSES = "get_host_addresses"
CONSENT_TASK = "_query_consent_task"

_Pc = rtcpeerconnection.RTCPeerConnection
_Sender = rtcrtpsender.RTCRtpSender
_Receiver = rtcrtpreceiver.RTCRtpReceiver

# (where, function, the names that it must use): reading the compiled code costs nothing and cannot be out of date.
_USES: tuple[tuple[str, Callable[..., Any], tuple[str, ...]], ...] = (
    ("RTCPeerConnection()", _Pc.__init__, (CONFIGURATION,)),
    ("RTCPeerConnection.addTrack", _Pc.addTrack, (CREATE_TRANSCEIVER,)),
    ("RTCPeerConnection.addTransceiver", _Pc.addTransceiver, (CREATE_TRANSCEIVER,)),
    ("RTCPeerConnection.setRemoteDescription", _Pc.setRemoteDescription, (CREATE_TRANSCEIVER, PREFERRED_CODECS)),
    ("RTCPeerConnection.createOffer", _Pc.createOffer, (PREFERRED_CODECS,)),
    ("RTCRtpSender.send", _Sender.send, (RUN_RTP, SENDER_STARTED)),
    ("RTCRtpSender._run_rtp", _Sender._run_rtp, (NEXT_ENCODED_FRAME, "audio_level", "payloads")),
    ("RTCRtpSender._next_encoded_frame", _Sender._next_encoded_frame, (ENCODER, "encode", "pack")),
    ("RTCRtpSender._handle_rtcp_packet", _Sender._handle_rtcp_packet, (SEND_KEYFRAME,)),
    ("RTCRtpReceiver.receive", _Receiver.receive, (DECODER_QUEUE, DECODER_ERROR, RECEIVER_CODECS, RECEIVER_STARTED)),
    (
        "RTCRtpReceiver._handle_rtp_packet",
        _Receiver._handle_rtp_packet,
        (DECODER_QUEUE, DECODER_ERROR, JITTER_BUFFER, RECEIVER_CODECS, SEND_PLI),
    ),
    ("decoder_worker", rtcrtpreceiver.decoder_worker, ("get", "decode")),
    ("Vp8Encoder.encode", Vp8Encoder.encode, (PACKETIZE,)),
    ("Vp8Encoder.pack", Vp8Encoder.pack, (PACKETIZE,)),
    ("H264Encoder._encode_frame", H264Encoder._encode_frame, (SPLIT_BITSTREAM,)),
    ("H264Encoder.pack", H264Encoder.pack, (SPLIT_BITSTREAM,)),
    ("OpusEncoder.encode", OpusEncoder.encode, ("codec",)),
    ("JitterFrame()", JitterFrame.__init__, ("data", "timestamp")),
    ("aioice Connection.gather_candidates", aioice.ice.Connection.gather_candidates, (HOST_ADDRESSES,)),
    ("aioice Connection.connect", aioice.ice.Connection.connect, (CONSENT_TASK,)),
)


def _code(function: Callable[..., Any]) -> CodeType | None:
    code = getattr(function, "__code__", None)
    return code if isinstance(code, CodeType) else None


def _makers_of_senders() -> set[str]:
    """The methods of RTCPeerConnection that mention RTCRtpSender or RTCRtpReceiver in their code."""
    return {
        name
        for name, member in vars(_Pc).items()
        if (code := _code(member)) is not None and {"RTCRtpSender", "RTCRtpReceiver"} & set(code.co_names)
    }


def check(
    version: str = aiortc.__version__,
    uses: Iterable[tuple[str, Callable[..., Any], tuple[str, ...]]] = _USES,
) -> None:
    """Raise ImportError unless this is aiortc 1.16 with the internals that the plug-in was tested against."""
    if version.split(".")[:2] != ["1", "16"]:
        raise ImportError(f"e2ecall encrypts calls of aiortc >=1.16,<1.17 and found {version}", name="aiortc")
    for where, function, wanted in uses:
        code = _code(function)
        present = set(code.co_names) if code is not None else set()
        if missing := sorted(set(wanted) - present):
            message = f"unsupported aiortc {version}: {where} does not use {', '.join(missing)}"
            raise ImportError(message, name="aiortc")
    if makers := _makers_of_senders() - {CREATE_TRANSCEIVER}:
        message = f"unsupported aiortc {version}: {', '.join(sorted(makers))} may make senders past the plug-in"
        raise ImportError(message, name="aiortc")


check()

"""RFC 9429 §5.3: what the forwarder reads in a member's offer before aiortc acts on it.

aiortc takes some descriptions half, and then can neither answer nor close; those are refused here.
"""

from __future__ import annotations

from aiortc import RTCRtpSender
from aiortc.codecs import is_rtx
from aiortc.rtcrtpparameters import RTCRtpCodecCapability
from aiortc.sdp import SessionDescription

from e2ecall.errors import MalformedMessage
from e2ecall.media.rtc import BAD_DESCRIPTION

__all__ = ["CODECS", "capabilities", "parse_offer"]

CODECS = {"audio": ("opus",), "video": ("vp8", "h264")}


def parse_offer(offer_sdp: str) -> SessionDescription:
    """RFC 8866 §5: the offer, with one name and a DTLS fingerprint for each section, or MalformedMessage."""
    try:
        offer = SessionDescription.parse(offer_sdp)
    except BAD_DESCRIPTION as error:
        raise MalformedMessage(f"the offer is not a session description: {error}", path="sdp") from error
    for number, media in enumerate(offer.media):
        if media.kind not in (*CODECS, "application"):
            raise MalformedMessage(f"the offer has a section of kind {media.kind!r}", path=f"sdp.media[{number}]")
        if media.dtls is None or not media.dtls.fingerprints:
            raise MalformedMessage("the offer names no DTLS fingerprint", path=f"sdp.media[{number}]")
    if not any(media.kind in CODECS for media in offer.media):
        raise MalformedMessage("the offer has neither audio nor video", path="sdp")
    mids = [media.rtp.muxId for media in offer.media]
    bundled = [mid for group in offer.group if group.semantic == "BUNDLE" for mid in group.items]
    if not all(mids) or len(set(mids)) < len(mids) or not set(bundled) <= set(mids):
        raise MalformedMessage("the sections of the offer are not named one by one", path="sdp")
    return offer


def capabilities(kind: str, codec: str) -> list[RTCRtpCodecCapability]:
    """What to prefer so that `codec`, with its retransmissions, is the only one negotiated."""
    available = RTCRtpSender.getCapabilities(kind).codecs
    return [capability for capability in available if is_rtx(capability) or capability.name.lower() == codec]

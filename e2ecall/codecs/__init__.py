"""How a sealed frame is laid out so that codec-aware machines on its way still carry it; pure functions of bytes.

    layout            what every layout can do, and the profiles
    opaque            nothing in front: Opus
    vp9               nothing in front: VP9
    vp8               behind a constant VP8 header that says key or delta
    h264              behind a constant SPS, PPS and slice start, with emulation prevention
    av1               inside one OBU that decoders ignore
    vp8_clear_header  VP8's first bytes in clear and authenticated: for interoperation, and only by name

In every layout but the last the whole encoded frame is plaintext of the seal: not one byte of it stays in clear.
"""

from __future__ import annotations

from typing import Final

from e2ecall.codecs.av1 import AV1
from e2ecall.codecs.h264 import H264
from e2ecall.codecs.layout import Layout, Profile
from e2ecall.codecs.opaque import OPUS
from e2ecall.codecs.vp8 import VP8
from e2ecall.codecs.vp8_clear_header import VP8_CLEAR_HEADER
from e2ecall.codecs.vp9 import VP9
from e2ecall.errors import MediaUnavailable

__all__ = ["Layout", "Profile", "layout_for"]

# Beside each entry, the RTP payload format that has to carry it.
_LAYOUTS: Final[dict[Profile, dict[str, Layout]]] = {
    Profile.WHOLE: {
        "opus": OPUS,  # RFC 7587 §4: one frame a packet, no byte looked at
        "vp8": VP8,  # RFC 7741 §4.3: the packetizer copies the frame's first bytes, and reads its first bit
        "vp9": VP9,  # RFC 9628 §4.2: frame type and layers stand in the payload descriptor
        "h264": H264,  # RFC 6184 §5: NAL units, split and put together by their headers
        "av1": AV1,  # RTP Payload Format For AV1 v1.0.0 §4, §5: OBUs, with or without their size fields
    },
    Profile.CLEAR_HEADER: {"vp8": VP8_CLEAR_HEADER},  # RFC 7741 §4.3
}


def layout_for(codec: str, *, profile: Profile = Profile.WHOLE) -> Layout:
    """frame.8-11: the layout of "opus", "vp8", "vp9", "h264" or "av1" (case does not matter).

    `profile` is for interoperation alone; read `Profile.CLEAR_HEADER` first. MediaUnavailable for a codec that has no
    layout in it.
    """
    layouts = _LAYOUTS[profile]
    try:
        return layouts[codec.lower()]
    except KeyError:
        raise MediaUnavailable(
            f"frames of codec {codec!r} cannot be sealed" + ("" if profile is Profile.WHOLE else f" as {profile}"),
            clause="frame.8-11",
            hint=f"negotiate one of: {', '.join(sorted(layouts))}",
        ) from None

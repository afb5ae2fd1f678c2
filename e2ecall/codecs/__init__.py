"""How a sealed frame is laid out so that codec-aware machines on its way still carry it; pure functions of bytes.

    layout   what every layout can do
    opaque   nothing in front: Opus
    vp8      behind a constant VP8 header that says key or delta
    h264     behind a constant SPS, PPS and slice start, with emulation prevention

In every layout the whole encoded frame is plaintext of the seal: not one byte of it stays in clear.
"""

from __future__ import annotations

from e2ecall.codecs.h264 import H264
from e2ecall.codecs.layout import Layout
from e2ecall.codecs.opaque import OPUS
from e2ecall.codecs.vp8 import VP8
from e2ecall.errors import MediaUnavailable

__all__ = ["Layout", "layout_for"]

_LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in (OPUS, VP8, H264)}


def layout_for(codec: str) -> Layout:
    """frame.8-11: the layout of "opus", "vp8" or "h264" (case does not matter), or MediaUnavailable."""
    try:
        return _LAYOUTS[codec.lower()]
    except KeyError:
        names = ", ".join(sorted(_LAYOUTS))
        raise MediaUnavailable(
            f"frames of codec {codec!r} cannot be sealed", clause="frame.8-11", hint=f"negotiate one of: {names}"
        ) from None

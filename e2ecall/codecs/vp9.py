"""frame.8.1: VP9 in the opaque layout. Frame type, layers and references stand in the RTP descriptor (RFC 9628 §4.2).

Packetizers take the descriptor from the encoder and forwarders read nothing else: browsers carry VP9 with no byte in
clear, with temporal and with spatial layers.
"""

from __future__ import annotations

from typing import Final

from e2ecall.codecs.opaque import OpaqueLayout

__all__ = ["VP9", "Vp9Layout"]

# (mask, value) of the first byte, from its top: frame_marker 10, two bits of profile, in profile 3 a zero bit, then
# show_existing_frame 0 and frame_type 0.
_KEY: Final = (0b1100_1100, 0b1000_0000)
_KEY_OF_PROFILE_3: Final = (0b1111_1110, 0b1011_0000)
_PROFILE_3: Final = 0b0011_0000


class Vp9Layout(OpaqueLayout):
    """frame.8.1: the opaque layout of VP9."""

    __slots__ = ()

    def is_key(self, frame: bytes) -> bool:
        """frame.8-17 (VP9 bitstream §6.2): the frame, or the first of a superframe, is a key frame. False for b""."""
        first = frame[0] if frame else 0
        mask, key = _KEY_OF_PROFILE_3 if first & _PROFILE_3 == _PROFILE_3 else _KEY
        return first & mask == key


VP9 = Vp9Layout("vp9")

"""frame.8.5: VP8 with its first bytes in clear: CLEAR || SFrame(rest, metadata = CLEAR || n) || n, n = length of CLEAR.

CLEAR is the frame's first 10 bytes in a key frame and its first 3 otherwise (RFC 6386 §9.1: everything before the first
partition), or all of a frame that is shorter. It is the layout that other systems give VP8, for forwarders that read
picture sizes there; their ciphertexts differ from SFrame's and from each other, and are not read here.

For interoperation, and only by name: `Profile.CLEAR_HEADER` says what it shows to everyone on the way. H.264 has no
such profile: browsers rewrite the SPS on the way, so that what stands in clear there could not be authenticated.
"""

from __future__ import annotations

from typing import Final

from e2ecall.codecs.layout import Seal, Unseal, malformed, require_frame
from e2ecall.codecs.vp8 import Vp8Layout

__all__ = ["DELTA_CLEAR", "KEY_CLEAR", "VP8_CLEAR_HEADER", "Vp8ClearHeaderLayout"]

KEY_CLEAR: Final = 10  # bytes: frame tag, start code, width and height
DELTA_CLEAR: Final = 3  # bytes: frame tag


class Vp8ClearHeaderLayout(Vp8Layout):
    """frame.8.5: the interoperation profile of VP8; see `Profile.CLEAR_HEADER` for what it shows."""

    __slots__ = ()

    def seal(self, frame: bytes, protect: Seal) -> bytes:
        """frame.8-19: the clear bytes, the rest of the frame sealed, and the number of clear bytes."""
        require_frame(frame, "an empty frame is not sealed")
        clear = frame[: _most_clear(frame)]
        length = bytes((len(clear),))
        return b"".join((clear, protect(frame[len(clear) :], clear + length), length))

    def open(self, sealed: bytes, unprotect: Unseal) -> bytes:
        """frame.8-20: the clear bytes and the opened rest; bytes and number of the former are authenticated."""
        require_frame(sealed, "the sealed frame is empty")
        length, most = sealed[-1], _most_clear(sealed)
        if not 1 <= length <= most or len(sealed) < length + 2:
            raise malformed("the sealed VP8 frame does not have that many clear bytes", "frame.8-20")
        clear = sealed[:length]
        rest = unprotect(sealed[length:-1], clear + sealed[-1:])
        if rest and length < most:
            raise malformed("the VP8 frame has sealed bytes that should be in clear", "frame.8-21")
        return clear + rest

    def has_prefix(self, sealed: bytes) -> bool:
        """Whether the last byte can be a number of clear bytes; an encoder's own frame ends so by chance."""
        return bool(sealed) and 1 <= sealed[-1] <= _most_clear(sealed)


def _most_clear(frame: bytes) -> int:
    """RFC 6386 §9.1: the length of the header, by the first bit."""
    return DELTA_CLEAR if frame[0] & 1 else KEY_CLEAR


VP8_CLEAR_HEADER = Vp8ClearHeaderLayout()

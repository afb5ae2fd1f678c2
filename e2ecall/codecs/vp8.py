"""frame.8.2: VP8 behind a constant header (RFC 6386 §9.1): PREFIX || SFrame(frame, metadata = PREFIX).

Browsers and forwarders read the frame type off the first bit and, in a key frame, the start code and the size. The
constant gives them that: a picture of 16 x 16, whatever is sealed. It tells key from delta and nothing else.
"""

from __future__ import annotations

from typing import Final

from e2ecall.codecs.layout import Seal, Unseal, malformed, require_frame

__all__ = ["DELTA_PREFIX", "KEY_PREFIX", "VP8", "Vp8Layout"]

# Frame tag (key, version 0, shown), start code 9d 01 2a, width 16, height 16: RFC 6386 §9.1.
KEY_PREFIX: Final = bytes.fromhex("10 02 00 9d 01 2a 10 00 10 00")
DELTA_PREFIX: Final = bytes.fromhex("11")


class Vp8Layout:
    """frame.8.2: the constant-prefix layout of VP8."""

    __slots__ = ()
    name: Final = "vp8"

    def is_key(self, frame: bytes) -> bool:
        """RFC 6386 §9.1: the first bit is 0 in a key frame. False for no bytes."""
        return bool(frame) and not frame[0] & 1

    def seal(self, frame: bytes, protect: Seal) -> bytes:
        """frame.8-4: the constant for the frame's type, and the whole frame sealed with it as metadata."""
        require_frame(frame, "an empty frame is not sealed")
        prefix = DELTA_PREFIX if frame[0] & 1 else KEY_PREFIX
        return prefix + protect(frame, prefix)

    def open(self, sealed: bytes, unprotect: Unseal) -> bytes:
        """frame.8-5: the type comes from the first bit; whatever else stands in the prefix is not looked at."""
        require_frame(sealed, "the sealed frame is empty")
        prefix = DELTA_PREFIX if sealed[0] & 1 else KEY_PREFIX
        ciphertext = sealed[len(prefix) :]
        if not ciphertext:
            raise malformed("the sealed VP8 frame ends within its prefix", "frame.8-5")
        return require_frame(unprotect(ciphertext, prefix), "the frame is empty")

    def has_prefix(self, sealed: bytes) -> bool:
        """Whether the prefix is the constant; one in eight delta frames of an encoder begins like it by chance."""
        return sealed.startswith((DELTA_PREFIX, KEY_PREFIX))


VP8 = Vp8Layout()

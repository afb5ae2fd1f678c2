"""frame.8.3: H.264 behind constant parameter sets and a constant slice start (ITU-T H.264 §7.3, Annex B).

    key    SC SPS  SC PPS  SC 65 88 80 || escape(SFrame(access unit, metadata = 65 88 80))
    delta                  SC 61 9a    || escape(SFrame(access unit, metadata = 61 9a))

SC is the start code 00 00 00 01. The whole access unit is sealed, with all its NAL units and start codes; outside
stands one slice of a 16 x 16 picture, which packetizers split and forwarders recognise as key or delta. The receiver
looks for the slice NAL unit instead of counting bytes: a browser may have rewritten the SPS in front of it.
"""

from __future__ import annotations

import re
from typing import Final

from e2ecall.codecs.layout import Seal, Unseal, malformed, require_frame

__all__ = ["DELTA_SLICE", "H264", "KEY_SLICE", "PPS", "SPS", "START_CODE", "H264Layout", "escape"]

START_CODE: Final = bytes.fromhex("00 00 00 01")
SPS: Final = bytes.fromhex("67 42 c0 0a da 79")  # Constrained Baseline, level 1, 16 x 16
PPS: Final = bytes.fromhex("68 ce 3c 80")
KEY_SLICE: Final = bytes.fromhex("65 88 80")  # NAL header (IDR), first_mb 0, an I slice
DELTA_SLICE: Final = bytes.fromhex("61 9a")  # NAL header (not IDR), first_mb 0, a P slice
STOP: Final = b"\x80"

_KEY_FRONT = START_CODE + SPS + START_CODE + PPS + START_CODE + KEY_SLICE
_DELTA_FRONT = START_CODE + DELTA_SLICE

_IDR = 5
# NAL headers with forbidden_zero_bit 0 and any nal_ref_idc: types 1 to 5 carry slices, 1 and 5 whole ones (Table 7-1).
_VCL = re.compile(rb"\x00\x00\x01([\x01-\x05\x21-\x25\x41-\x45\x61-\x65])")
_SLICE = re.compile(rb"\x00\x00\x01([\x01\x05\x21\x25\x41\x45\x61\x65])")
_START = re.compile(rb"\x00{2,3}\x01")
_NEEDS_ESCAPE = re.compile(rb"\x00\x00(?=[\x00-\x03])")
# What §7.4.1 keeps out of a NAL unit: a start code, three zeros, 00 00 02, and a 03 that prevents nothing.
_FORBIDDEN = re.compile(rb"\x00\x00(?!\x03[\x00-\x03]|[\x04-\xff])")


class H264Layout:
    """frame.8.3: the constant-prefix layout of H.264, for byte streams of whole access units."""

    __slots__ = ()
    name: Final = "h264"

    def is_key(self, frame: bytes) -> bool:
        """H.264 §7.4.1.2.4: whether the access unit's slices are of an IDR picture; the first one decides."""
        found = _VCL.search(frame)
        return found is not None and found[1][0] & 31 == _IDR

    def seal(self, frame: bytes, protect: Seal) -> bytes:
        """frame.8-6: the constants for the frame's type, and the whole access unit sealed and escaped."""
        require_frame(frame, "an empty frame is not sealed")
        if self.is_key(frame):
            return _KEY_FRONT + escape(protect(frame, KEY_SLICE))
        return _DELTA_FRONT + escape(protect(frame, DELTA_SLICE))

    def open(self, sealed: bytes, unprotect: Unseal) -> bytes:
        """frame.8-8: the access unit in the one slice NAL unit; whatever stands before that is not looked at."""
        require_frame(sealed, "the sealed frame is empty")
        found = _SLICE.search(sealed)
        if found is None:
            raise malformed("the sealed H.264 frame has no slice NAL unit", "frame.8-8")
        prefix = KEY_SLICE if found[1][0] & 31 == _IDR else DELTA_SLICE
        ciphertext = _unescape(sealed, found.start(1) + len(prefix))
        return require_frame(unprotect(ciphertext, prefix), "the frame is empty")

    def has_prefix(self, sealed: bytes) -> bool:
        """Whether the first slice begins with one of the two constants."""
        found = _SLICE.search(sealed)
        return found is not None and sealed.startswith((KEY_SLICE, DELTA_SLICE), found.start(1))


def escape(data: bytes) -> bytes:
    """frame.8-7 (H.264 §7.4.1): `data` || 80, with a 03 put into every 00 00 that 00, 01, 02 or 03 follows."""
    return _NEEDS_ESCAPE.sub(b"\x00\x00\x03", data + STOP)


def _unescape(sealed: bytes, start: int) -> bytes:
    """frame.8-9, frame.8-10: what was escaped into the NAL unit that runs from `start` to a start code or the end.

    Strict: FrameRejected(MALFORMED) for what `escape` would never have returned, and for a second slice behind.
    """
    suspect = _NEEDS_ESCAPE.search(sealed, start)  # None for nearly all frames: then there is nothing to undo either
    stop = None if suspect is None else _FORBIDDEN.search(sealed, suspect.start())
    end = len(sealed) if stop is None else stop.start()
    if stop is not None and _START.match(sealed, end) is None:
        raise malformed("the H.264 slice has bytes that no NAL unit may have", "frame.8-10")
    if stop is not None and _SLICE.search(sealed, end) is not None:
        raise malformed("the sealed H.264 frame has more than one slice", "frame.8-9")
    if not sealed.endswith(STOP, start, end):
        raise malformed("the H.264 slice does not end with the stop byte 80", "frame.8-10")
    body = sealed[start : end - 1]
    return body if suspect is None else body.replace(b"\x00\x00\x03", b"\x00\x00")


H264 = H264Layout()

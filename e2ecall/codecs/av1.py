"""frame.8.4: AV1 inside one OBU (AV1 bitstream §5.3): 4a || size || SFrame(frame, metadata = 48) || 80.

    4a / 48   obu_header: type 9, no extension; with and without the size field
    size      leb128 of what follows
    80        trailing bits: systems may take zero bytes at the end of an OBU for padding

Packetizers parse OBUs, drop types 2 and 8 (and some 15), and may drop or rewrite size fields; nothing else of an OBU
changes. Type 9 is reserved: decoders must discard it and machines on the way should not look into it, whereas types 5
and 6 would have them read ciphertext as metadata or as a frame header. It says nothing of key or delta: that is for the
dependency descriptor, an RTP header extension that AV1 needs here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from e2ecall.codecs.layout import Seal, Unseal, malformed, require_frame

__all__ = ["AV1", "OBU_HEADER", "TEMPORAL_DELIMITER", "Av1Layout"]

OBU_HEADER: Final = bytes.fromhex("48")  # and the metadata: what no packetizer changes
TEMPORAL_DELIMITER: Final = bytes.fromhex("12 00")
STOP: Final = b"\x80"

_SIZED: Final = bytes.fromhex("4a")
_FRONTS = (OBU_HEADER, _SIZED, TEMPORAL_DELIMITER + OBU_HEADER, TEMPORAL_DELIMITER + _SIZED)
_LEB128 = re.compile(rb"[\x80-\xff]{0,7}[\x00-\x7f]")  # §4.10.5: at most 8 bytes, not always the shortest form

_TYPE, _EXTENSION, _HAS_SIZE = 0xF8, 0x04, 0x02  # the first with the forbidden bit: 0 in every type below
_SEQUENCE_HEADER, _FRAME_HEADER, _FRAME = 1 << 3, 3 << 3, 6 << 3
_MOST_OBUS = 64  # before the first frame header; a bound on work, real frames have 1 to 4


class Av1Layout:
    """frame.8.4: the layout of AV1, for frames of OBUs as encoders and depacketizers give them."""

    __slots__ = ()
    name: Final = "av1"

    def is_key(self, frame: bytes) -> bool:
        """frame.8-17 (AV1 bitstream §7.6.2): there is a sequence header, and the first frame is a shown key frame."""
        sequence = False
        for kind, start, end in islice(_read_obus(frame), _MOST_OBUS):
            if kind in (_FRAME_HEADER, _FRAME):
                # From the top: show_existing_frame 0, frame_type 00 (key), show_frame 1.
                return sequence and start < end <= len(frame) and frame[start] >> 4 == 1
            sequence |= kind == _SEQUENCE_HEADER
        return False

    def seal(self, frame: bytes, protect: Seal) -> bytes:
        """frame.8-13: one OBU around the whole sealed frame."""
        ciphertext = protect(require_frame(frame, "an empty frame is not sealed"), OBU_HEADER)
        return b"".join((_SIZED, _leb128(len(ciphertext) + 1), ciphertext, STOP))

    def open(self, sealed: bytes, unprotect: Unseal) -> bytes:
        """frame.8-14: the frame in the one OBU, with or without its size, and with or without a delimiter before it."""
        require_frame(sealed, "the sealed frame is empty")
        start = _find_payload(sealed, len(TEMPORAL_DELIMITER) if sealed.startswith(TEMPORAL_DELIMITER) else 0)
        if not sealed.endswith(STOP, start):
            raise malformed("the OBU does not end with the trailing byte 80", "frame.8-16")
        return require_frame(unprotect(sealed[start:-1], OBU_HEADER), "the frame is empty")

    def has_prefix(self, sealed: bytes) -> bool:
        """Whether the first OBU is of our type, which no encoder writes."""
        return sealed.startswith(_FRONTS)


def _find_payload(sealed: bytes, start: int) -> int:
    """frame.8-14, frame.8-15: where the payload of the one OBU at `start` begins; it ends with the frame."""
    if sealed.startswith(OBU_HEADER, start):
        return start + 1
    if not sealed.startswith(_SIZED, start):
        raise malformed("the sealed AV1 frame is not one OBU of type 9", "frame.8-14")
    size, start = _read_leb128(sealed, start + 1)
    if size != len(sealed) - start:
        raise malformed("the size of the OBU is not that of the rest of the frame", "frame.8-15")
    return start


def _read_obus(data: bytes) -> Iterator[tuple[int, int, int]]:
    """AV1 bitstream §5.3.1: (type bits, start and end of the payload) of each OBU; a cut one ends behind `data`."""
    at = 0
    while at < len(data):
        header = data[at]
        start = at + (2 if header & _EXTENSION else 1)
        size, start = _read_leb128(data, start) if header & _HAS_SIZE else (len(data) - start, start)
        at = start + size
        yield header & _TYPE, start, at


def _leb128(value: int) -> bytes:
    """AV1 bitstream §4.10.5, in the shortest form."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_leb128(data: bytes, start: int) -> tuple[int, int]:
    """AV1 bitstream §4.10.5: (value, where it ends); a size that no data has where there is none of 1 to 8 bytes."""
    found = _LEB128.match(data, start)
    if found is None:
        return 1 << 56, start
    return sum((byte & 0x7F) << 7 * n for n, byte in enumerate(found[0])), found.end()


AV1 = Av1Layout()

"""H.264: what opens is the frame that was sealed, also behind a rewritten SPS; escaping has one form, and is undone.

Start codes of three bytes, other parameter sets and other NAL units around the slice are what machines on the way do.
"""

from __future__ import annotations

from e2ecall.codecs.h264 import DELTA_SLICE, KEY_SLICE, PPS, SPS, START_CODE, escape
from fuzz.layouts import MAX_LENGTH, LayoutFuzz

__all__ = ["MAX_LENGTH", "mutate", "run", "seeds"]

_AUD = bytes.fromhex("00 00 00 01 09 f0")
_SEI = bytes.fromhex("06 05 80")


def _short_start_codes(sealed: bytes, argument: int) -> bytes:
    del argument
    return sealed.replace(START_CODE, START_CODE[1:])


def _other_sps(sealed: bytes, argument: int) -> bytes:
    """frame.8-8: nothing before the slice is looked at."""
    rewritten = bytes((0x67, 0x42, 0xC0, argument | 1)) * (1 + argument % 3)
    return sealed.replace(
        START_CODE + SPS, START_CODE + rewritten, 1
    )  # not in the slice: start codes are escaped there


def _other_units(sealed: bytes, argument: int) -> bytes:
    """frame.8-9: other NAL units in front, behind, or both."""
    front = _AUD + START_CODE + _SEI if argument & 1 else b""
    behind = START_CODE[argument >> 2 & 1 :] + (_AUD[4:] if argument & 8 else _SEI) if argument & 2 else b""
    return front + sealed + behind


def _other_slice_prefix(sealed: bytes, argument: int) -> bytes:
    """frame.8-8: of the slice's prefix only the type in the first byte is looked at."""
    at = sealed.rindex(START_CODE) + len(START_CODE)
    header, rest = sealed[at], sealed[at + 1 : at + len(KEY_SLICE if sealed[at] & 31 == 5 else DELTA_SLICE)]
    changed = bytes((header & 0x1F | argument & 0x60,)) + bytes(0xFF - (argument & 15) for _ in rest)
    return sealed[:at] + changed + sealed[at + len(changed) :]


_FUZZ = LayoutFuzz(
    "h264",
    samples=(START_CODE + b"\x65", b"\0"),
    transits=(_short_start_codes, _other_sps, _other_units, _other_slice_prefix),
    tokens=(
        START_CODE,
        START_CODE[1:],
        b"\0\0",
        b"\0\0\2",
        b"\0\0\3",
        b"\0\0\3\0",
        b"\0\0\3\4",
        START_CODE + KEY_SLICE,
        START_CODE + DELTA_SLICE,
        START_CODE + SPS + START_CODE + PPS,
        b"\x80",
    ),
    body=escape,
)
run, seeds, mutate = _FUZZ.run, _FUZZ.seeds, _FUZZ.mutate

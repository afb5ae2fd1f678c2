"""frame.8: what stands in front of a sealed frame. A layout is a name, and a way to seal and to open.

`Protect` takes (frame, metadata) and gives an SFrame ciphertext; `Unprotect` takes (ciphertext, metadata) and gives the
frame. Both may raise Refused.
"""

from __future__ import annotations

from collections.abc import Callable

from e2ecall.audit.oracle.refused import Refused

__all__ = [
    "H264_DELTA",
    "H264_KEY",
    "H264_PPS",
    "H264_SPS",
    "START_CODE",
    "VP8_DELTA",
    "VP8_KEY",
    "escape",
    "nal_units",
    "open_frame",
    "seal_frame",
    "unescape",
]

Protect = Callable[[bytes, bytes], bytes]
Unprotect = Callable[[bytes, bytes], bytes]

START_CODE = bytes.fromhex("00000001")
VP8_KEY = bytes.fromhex("1002009d012a10001000")
VP8_DELTA = bytes.fromhex("11")
H264_SPS = bytes.fromhex("6742c00ada79")
H264_PPS = bytes.fromhex("68ce3c80")
H264_KEY = bytes.fromhex("658880")
H264_DELTA = bytes.fromhex("619a")


def seal_frame(codec: str, frame: bytes, protect: Protect) -> bytes:
    """frame.8-1: the sealed frame of one encoded frame."""
    if codec not in ("opus", "vp8", "h264"):
        raise Refused("misuse", "frame.8-11", f"no layout for {codec}")
    if not frame:
        raise Refused("malformed", "frame.8-2", "an empty frame")
    if codec == "opus":
        return protect(frame, b"")
    if codec == "vp8":
        constant = VP8_DELTA if frame[0] % 2 else VP8_KEY
        return constant + protect(frame, constant)
    if _is_h264_key(frame):
        front = START_CODE + H264_SPS + START_CODE + H264_PPS + START_CODE + H264_KEY
        return front + escape(protect(frame, H264_KEY))
    return START_CODE + H264_DELTA + escape(protect(frame, H264_DELTA))


def open_frame(codec: str, sealed: bytes, unprotect: Unprotect) -> bytes:
    """frame.8-1: the encoded frame of one sealed frame, bit for bit."""
    if codec not in ("opus", "vp8", "h264"):
        raise Refused("misuse", "frame.8-11", f"no layout for {codec}")
    if not sealed:
        raise Refused("malformed", "frame.8-2", "nothing")
    if codec == "opus":
        frame = unprotect(sealed, b"")
    elif codec == "vp8":
        frame = _open_vp8(sealed, unprotect)
    else:
        frame = _open_h264(sealed, unprotect)
    if not frame:
        raise Refused("malformed", "frame.8-2", "a sealed empty frame")
    return frame


def _open_vp8(sealed: bytes, unprotect: Unprotect) -> bytes:
    constant = VP8_DELTA if sealed[0] % 2 else VP8_KEY
    if len(sealed) <= len(constant):
        raise Refused("malformed", "frame.8-5", f"{len(sealed)} bytes of prefix and nothing behind it")
    return unprotect(sealed[len(constant) :], constant)


def _open_h264(sealed: bytes, unprotect: Unprotect) -> bytes:
    for start in range(3, len(sealed)):
        if sealed[start - 3 : start] == b"\0\0\1" and _is_slice(sealed[start:]):
            constant = H264_KEY if _type(sealed[start:]) == 5 else H264_DELTA
            body, *behind = nal_units(b"\0\0\1" + sealed[start + len(constant) :])
            if any(_is_slice(unit) for unit in behind):
                raise Refused("malformed", "frame.8-9", "a second slice")
            return unprotect(unescape(body), constant)
    raise Refused("malformed", "frame.8-8", "no NAL unit of type 1 or 5")


def _type(unit: bytes) -> int | None:
    """H.264 §7.4.1: nal_unit_type; None where forbidden_zero_bit is set, or where there is no byte."""
    return unit[0] % 32 if unit and unit[0] < 0x80 else None


def _is_slice(unit: bytes) -> bool:
    return _type(unit) in (1, 5)


def _is_h264_key(access_unit: bytes) -> bool:
    """frame.8-6: by the first NAL unit of types 1 to 5."""
    for unit in nal_units(access_unit):
        if _type(unit) in (1, 2, 3, 4, 5):
            return _type(unit) == 5
    return False


def nal_units(stream: bytes) -> list[bytes]:
    """H.264 Annex B: what stands behind each start code, up to the next one of three or four bytes or to the end."""
    units: list[bytes] = []
    parts = stream.split(b"\0\0\1")
    for number, part in enumerate(parts[1:], 1):
        another_follows = number < len(parts) - 1
        # The zero in front of the next three bytes makes them a start code of four.
        units.append(part[:-1] if another_follows and part.endswith(b"\0") else part)
    return units


def escape(data: bytes) -> bytes:
    """frame.8-7: the stop byte, then a 03 into every 00 00 that 00, 01, 02 or 03 follows (H.264 §7.4.1)."""
    output = b""
    for byte in data + b"\x80":
        if output.endswith(b"\0\0") and byte <= 3:
            output += b"\x03"
        output += bytes([byte])
    return output


def unescape(body: bytes) -> bytes:
    """frame.8-10: what `escape` was given, or Refused for anything that it never writes."""
    data = body.replace(b"\0\0\3", b"\0\0")
    if not data.endswith(b"\x80") or escape(data[:-1]) != body:
        raise Refused("malformed", "frame.8-10", "not an escaped slice")
    return data[:-1]

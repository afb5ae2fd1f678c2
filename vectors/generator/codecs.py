"""Sealed frames of Opus, VP8 and H.264: what a layout writes, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator

from e2ecall.audit.oracle import layouts
from e2ecall.audit.oracle.layouts import H264_DELTA as P
from e2ecall.audit.oracle.layouts import H264_KEY as IDR
from e2ecall.audit.oracle.layouts import H264_PPS as PPS
from e2ecall.audit.oracle.layouts import H264_SPS as SPS
from e2ecall.audit.oracle.layouts import START_CODE as SC
from e2ecall.audit.oracle.layouts import VP8_DELTA, VP8_KEY, escape
from e2ecall.audit.oracle.suites import protect, unprotect
from generator.cases import Case, VectorFile, outcome

__all__ = ["FILES"]

_SUITE = 5
_KEY = bytes(range(32))
_AUDIO, _VIDEO = 0, 32


def _sealed(kid: int, ctr: int, frame: bytes, metadata: bytes = b"") -> bytes:
    return protect(_SUITE, kid, ctr, _KEY, frame, metadata).ciphertext


def _kid_of(codec: str, kid: int | None) -> int:
    return kid if kid is not None else _AUDIO if codec == "opus" else _VIDEO


def _open(codec: str, kid: int, sealed: bytes) -> tuple[bytes | None, str]:
    """(frame, "ok"), or (None, the layer)."""
    frame, refused = outcome(
        lambda: layouts.open_frame(
            codec, sealed, lambda data, metadata: unprotect(_SUITE, kid, _KEY, data, metadata)[0]
        )
    )
    return frame, refused.layer if refused else "ok"


def seal(name: str, clause: str, codec: str, ctr: int, frame: bytes, *, kid: int | None = None) -> Case:
    """codec.seal, and that it opens again."""
    kid = _kid_of(codec, kid)
    sealed = layouts.seal_frame(codec, frame, lambda data, metadata: _sealed(kid, ctr, data, metadata))
    if _open(codec, kid, sealed) != (frame, "ok"):
        raise ValueError(f"{name}: does not open again")
    case = {"name": name, "clause": clause, "op": "codec.seal", "codec": codec, "suite": _SUITE, "kid": str(kid)}
    return case | {
        "ctr": str(ctr),
        "base_key": _KEY.hex(),
        "frame": frame.hex(),
        "sealed": sealed.hex(),
        "result": "ok",
    }


def opened(name: str, clause: str, codec: str, sealed: bytes, result: str) -> Case:
    """codec.open, with the result that it is to have."""
    kid = _kid_of(codec, None)
    frame, found = _open(codec, kid, sealed)
    if found != result:
        raise ValueError(f"{name}: {found}, not {result}")
    case = {"name": name, "clause": clause, "op": "codec.open", "codec": codec, "suite": _SUITE, "kid": str(kid)}
    case |= {"base_key": _KEY.hex(), "sealed": sealed.hex()}
    return case | ({} if frame is None else {"frame": frame.hex()}) | {"result": result}


_OPUS = bytes.fromhex("fc0102030405")
_VK, _VD = bytes.fromhex("9014009d012a8002e001aabbcc"), bytes.fromhex("b1120055")
_HK = b"".join(
    (
        SC + bytes.fromhex("09f0"),
        SC + bytes.fromhex("6742c01f95a014016e"),
        SC + bytes.fromhex("68ce3c80"),
        SC + bytes.fromhex("0605ff"),
        SC[1:] + bytes.fromhex("6588843344"),
        SC[1:] + bytes.fromhex("6502ee"),
    )
)
_HD = SC + bytes.fromhex("419a2468aa")
_ZEROS = bytes.fromhex("00000000000000010000020000030000040000ff000000")
_FRONT = SC + SPS + SC + PPS + SC + IDR


def _with_zeros(ctr: int, start: bytes, metadata: bytes) -> bytes:
    """A frame that begins with `start` and whose ciphertext holds _ZEROS behind it."""
    length = len(start) + len(_ZEROS)
    keystream = _sealed(_VIDEO, ctr, bytes(length), metadata)[2 + 1 * (ctr >= 8) :][len(start) : length]
    return start + bytes(a ^ b for a, b in zip(_ZEROS, keystream, strict=True))


def _seals() -> Iterator[Case]:
    yield seal("opus", "frame.8-3", "opus", 0, _OPUS)
    yield seal("opus, one byte", "frame.8-3", "opus", 8, b"\xf8", kid=16)
    yield seal("vp8, key frame", "frame.8-4", "vp8", 0, _VK)
    yield seal("vp8, delta frame", "frame.8-4", "vp8", 1, _VD)
    yield seal("vp8, one byte", "frame.8-4", "vp8", 2, b"\0")
    yield seal("h264, key frame with AUD, SPS, PPS, SEI and two slices", "frame.8-6", "h264", 3, _HK)
    yield seal("h264, delta frame", "frame.8-6", "h264", 4, _HD)
    for name, ctr, start, metadata in (("key", 5, SC + b"\x65\x88", IDR), ("delta", 6, SC + b"\x41\x9a", P)):
        frame = _with_zeros(ctr, start, metadata)
        if _ZEROS not in _sealed(_VIDEO, ctr, frame, metadata):
            raise ValueError("the ciphertext does not hold the zeros")
        yield seal(f"h264, {name} frame with zeros in the ciphertext", "frame.8-7", "h264", ctr, frame)


def _opens_vp8_opus() -> Iterator[Case]:
    key, delta = VP8_KEY + _sealed(_VIDEO, 0, _VK, VP8_KEY), VP8_DELTA + _sealed(_VIDEO, 1, _VD, VP8_DELTA)
    prefix, empty, plain = "frame.8-5", "frame.8-2", "frame.8-12"
    other = b"\xfe" + b"\xff" * 9 + key[10:]
    yield opened("vp8, other bytes in the prefix of a key frame", prefix, "vp8", other, "ok")
    yield opened("vp8, other bits in the prefix of a delta frame", prefix, "vp8", b"\xff" + delta[1:], "ok")
    yield opened("vp8, a key frame called delta", prefix, "vp8", VP8_DELTA + key[10:], "authentication")
    yield opened("vp8, a delta frame called key", prefix, "vp8", VP8_KEY + delta[1:], "authentication")
    yield opened("vp8, nothing", empty, "vp8", b"", "malformed")
    yield opened("vp8, the delta prefix alone", prefix, "vp8", VP8_DELTA, "malformed")
    yield opened("vp8, the key prefix alone", prefix, "vp8", VP8_KEY, "malformed")
    yield opened("vp8, half a key prefix", prefix, "vp8", VP8_KEY[:5], "malformed")
    nothing = VP8_DELTA + _sealed(_VIDEO, 9, b"", VP8_DELTA)
    yield opened("vp8, a sealed empty frame", empty, "vp8", nothing, "malformed")
    yield opened("opus, nothing", empty, "opus", b"", "malformed")
    yield opened("opus, a sealed empty frame", empty, "opus", _sealed(_AUDIO, 9, b""), "malformed")
    yield opened("opus, not sealed", plain, "opus", _OPUS + b"\xff" * 20, "unknown-key")
    yield opened("vp8, not sealed", plain, "vp8", _VK + b"\xff" * 20, "unknown-key")
    yield opened("h264, not sealed", plain, "h264", _HK, "malformed")


def _opens_h264() -> Iterator[Case]:
    key, body = escape(_sealed(_VIDEO, 3, _HK, IDR)), escape(_sealed(_VIDEO, 4, _HD, P))
    good = SC + P + body
    find, end, bad = "frame.8-8", "frame.8-9", "frame.8-10"
    rewritten = SC + bytes.fromhex("6742c00ada79048000000300800000") + SC + PPS + SC + IDR + key
    in_front = SC + b"\x09\xf0" + SC + b"\x06\x05\x80" + good
    filler = b"\x0c\xff\x80"
    yield opened("h264, three-byte start codes", find, "h264", SC[1:] + P + body, "ok")
    yield opened("h264, the SPS rewritten on the way", find, "h264", rewritten, "ok")
    yield opened("h264, AUD and SEI in front", find, "h264", in_front, "ok")
    yield opened("h264, another NAL unit behind", end, "h264", good + SC[1:] + filler, "ok")
    yield opened("h264, another NAL unit behind four bytes", end, "h264", good + SC + filler, "ok")
    yield opened("h264, other bytes in the slice prefix", find, "h264", SC + b"\x21\xff" + body, "ok")
    yield opened("h264, a delta frame called key", find, "h264", SC + IDR + body, "authentication")
    yield opened("h264, nothing", "frame.8-2", "h264", b"", "malformed")
    yield opened("h264, no slice", find, "h264", SC + SPS + SC + PPS, "malformed")
    yield opened("h264, no start code", find, "h264", P + body, "malformed")
    yield opened("h264, a start code of two bytes", find, "h264", b"\0\1" + P + body, "malformed")
    yield opened("h264, two slices", end, "h264", good + good, "malformed")
    yield opened("h264, no stop byte", bad, "h264", good[:-1] + b"\x81", "malformed")
    yield opened("h264, a zero behind the stop byte", bad, "h264", good + b"\0", "malformed")
    yield opened("h264, slice prefix alone", bad, "h264", SC + P, "malformed")
    for wrong in ("000000", "000002", "00000304", "000003ff"):
        spoilt = SC + P + body[:4] + bytes.fromhex(wrong) + body[4:]
        yield opened(f"h264, {wrong} in the slice", bad, "h264", spoilt, "malformed")
    nothing = SC + P + escape(_sealed(_VIDEO, 9, b"", P))
    yield opened("h264, a sealed empty frame", "frame.8-2", "h264", nothing, "malformed")


FILES = (
    VectorFile(
        "codec.json",
        "codec",
        "sealed frames of Opus, VP8 and H.264, and what is refused",
        "e2ecall; computed with a second implementation; the layouts were measured against aiortc, Janus and Chromium",
        (*_seals(), *_opens_vp8_opus(), *_opens_h264()),
    ),
)

"""frame.8-4, frame.8-6: aiortc's own packetizers carry sealed frames unchanged, whatever their size and bytes."""

import fractions
import random

import av
import pytest
from aiortc.codecs.h264 import H264Encoder, h264_depayload
from aiortc.codecs.vpx import Vp8Encoder, vp8_depayload

from e2ecall.codecs import layout_for
from e2ecall.codecs.h264 import DELTA_SLICE, START_CODE
from e2ecall.secret import SecretBytes
from e2ecall.sframe import Receiver, Sender

BASE = SecretBytes(bytes(range(32)))
SC = START_CODE
SIZES = [1, 2, 3, 4, 100, 1200, *range(1255, 1315), 1319, 1320, *range(2540, 2625), 3900, 10_000]
PATTERNS = [
    b"\0",
    b"\0\0\1",
    b"\0\0\2",
    b"\0\0\3",
    b"\0\0\0\1",
    b"\0\0\3\0\0\3\1",
    b"\0\0\xff",
    b"\x41\0\0\1\x65",
    None,
]


def vp8_wire(sealed):
    payloads = Vp8Encoder._packetize(sealed, 7)
    assert all(len(payload) <= 1300 for payload in payloads)
    return b"".join(vp8_depayload(payload) for payload in payloads)


def h264_wire(sealed):
    payloads = H264Encoder._packetize(H264Encoder._split_bitstream(sealed))
    assert all(len(payload) <= 1300 for payload in payloads)
    return b"".join(h264_depayload(payload) for payload in payloads)


WIRES = {"vp8": vp8_wire, "h264": h264_wire}
STARTS = {"vp8": (b"\x90", b"\xb1"), "h264": (SC + b"\x65\x88", SC + b"\x41\x9a")}


def body(pattern, size):
    return random.Random(size).randbytes(size) if pattern is None else (pattern * (size // len(pattern) + 1))[:size]


def frames(codec):
    for size in SIZES:
        for start in STARTS[codec]:
            for pattern in PATTERNS:
                yield start + body(pattern, size)


@pytest.mark.clause("frame.8-1", "frame.8-4", "frame.8-6", "frame.8-7")
@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_sealed_frames_arrive_unchanged(codec):
    layout, sender, receiver = layout_for(codec), Sender(5, 32, BASE), Receiver(5)
    receiver.add_key(32, BASE)
    for frame in frames(codec):
        sealed = layout.seal(frame, sender.protect)
        arrived = WIRES[codec](sealed)
        assert arrived == sealed
        assert layout.open(arrived, lambda c, m: receiver.unprotect(c, m)[0]) == frame


@pytest.mark.clause("frame.8-7", "frame.8-8")
@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_ciphertexts_full_of_zeros_and_start_codes_arrive_unchanged(codec):
    """The cipher's output is random; here it is the worst that it could be."""
    layout = layout_for(codec)
    for frame in frames(codec):
        worst = body(frame[-4:] if len(frame) > 4 else frame, len(frame))
        for ciphertext in (frame, worst):
            sealed = layout.seal(frame, lambda *_, c=ciphertext: c)
            arrived = WIRES[codec](sealed)
            assert arrived == sealed
            assert layout.open(arrived, lambda c, _: c) == ciphertext


@pytest.mark.clause("frame.8-6")
def test_every_sealed_h264_size_around_the_packet_limit_stays_whole():
    """The slice NAL unit itself at 1298 to 1302 and 2598 to 2602 bytes, where aiortc starts to fragment."""
    for length in (*range(1295, 1305), *range(2595, 2605)):
        nal = DELTA_SLICE + b"x" * (length - len(DELTA_SLICE) - 1) + b"\x80"
        assert len(nal) == length
        assert h264_wire(SC + nal) == SC + nal


def pictures(count):
    for n in range(count):
        picture = av.VideoFrame(64, 64, "yuv420p")
        for plane in picture.planes:
            plane.update(bytes((n * 40 + i) % 256 for i in range(plane.buffer_size)))
        picture.pts, picture.time_base = n * 3000, fractions.Fraction(1, 90000)
        yield picture


@pytest.mark.clause("frame.8-1", "frame.8-6")
@pytest.mark.parametrize(("codec", "encoder"), [("vp8", Vp8Encoder), ("h264", H264Encoder)])
def test_frames_of_a_real_encoder(codec, encoder, monkeypatch):
    """The first of six is the key frame; the layout finds it out, and each opens bit for bit after the wire."""
    layout, sender, receiver = layout_for(codec), Sender(5, 32, BASE), Receiver(5)
    receiver.add_key(32, BASE)
    encoded, made = [], encoder()
    name = {"vp8": "_packetize", "h264": "_split_bitstream"}[codec]
    original = getattr(encoder, name)

    def tap(buffer, *rest):
        encoded.append(bytes(buffer))
        return original(buffer, *rest)

    monkeypatch.setattr(made, name, tap)
    for picture in pictures(6):
        made.encode(picture)
    assert [layout.is_key(frame) for frame in encoded] == [True] + [False] * 5
    for frame in encoded:
        sealed = layout.seal(frame, sender.protect)
        assert layout.open(WIRES[codec](sealed), lambda c, m: receiver.unprotect(c, m)[0]) == frame

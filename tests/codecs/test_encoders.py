"""frame.8: frames of real encoders: which are key frames, and that each opens bit for bit behind the wire."""

import fractions

import av
import pytest
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder

from support.codec_frames import LAYOUTS, protector, unprotect
from support.rtp_payloads import (
    Vp9Descriptor,
    av1_depacketize,
    av1_packetize,
    parse_obus,
    vp9_depacketize,
    vp9_packetize,
    write_obu,
)


def pictures(count):
    for n in range(count):
        picture = av.VideoFrame(64, 64, "yuv420p")
        for plane in picture.planes:
            plane.update(bytes((n * 40 + i) % 256 for i in range(plane.buffer_size)))
        picture.pts, picture.time_base = n * 3000, fractions.Fraction(1, 90000)
        yield picture


def aiortc_frames(encoder, tapped):
    """What one of aiortc's encoders hands to its packetizer."""
    made, encoded = encoder(), []
    original = getattr(encoder, tapped)

    def tap(buffer, *rest):
        encoded.append(bytes(buffer))
        return original(buffer, *rest)

    setattr(made, tapped, tap)
    for picture in pictures(6):
        made.encode(picture)
    return encoded


def av_frames(codec, options):
    """What FFmpeg's encoder gives, in order."""
    encoder = av.CodecContext.create(codec, "w")
    encoder.width = encoder.height = 64
    encoder.pix_fmt, encoder.time_base = "yuv420p", fractions.Fraction(1, 90000)
    encoder.framerate, encoder.gop_size, encoder.options = fractions.Fraction(30), 100, options
    packets = [packet for picture in [*pictures(6), None] for packet in encoder.encode(picture)]
    assert [packet.is_keyframe for packet in packets] == [True] + [False] * 5
    return [bytes(packet) for packet in packets]


def vp9_wire(sealed):
    return vp9_depacketize(vp9_packetize(sealed, 100, Vp9Descriptor(picture_id=9)))


def av1_wire(sealed):
    return av1_depacketize(av1_packetize(sealed, 100, counted=True), size_bytes=1)


REAL_TIME = {"deadline": "realtime", "lag-in-frames": "0"}
LOW_DELAY = {"preset": "12", "svtav1-params": "rtc=1:pred-struct=1:lookahead=0"}


@pytest.mark.clause("frame.8-1", "frame.8-6", "frame.8-17")
@pytest.mark.parametrize(
    ("name", "make", "wire"),
    [
        ("vp8", lambda: aiortc_frames(Vp8Encoder, "_packetize"), None),
        ("vp8 clear header", lambda: aiortc_frames(Vp8Encoder, "_packetize"), None),
        ("h264", lambda: aiortc_frames(H264Encoder, "_split_bitstream"), None),
        ("vp9", lambda: av_frames("libvpx-vp9", REAL_TIME), vp9_wire),
        ("av1", lambda: av_frames("libsvtav1", LOW_DELAY), av1_wire),
    ],
)
def test_frames_of_a_real_encoder(name, make, wire):
    """The first of six is the key frame; the layout finds it out."""
    layout, encoded = LAYOUTS[name], make()
    assert [layout.is_key(frame) for frame in encoded] == [True] + [False] * 5
    for frame in encoded:
        sealed = layout.seal(frame, protector())
        assert layout.open(sealed if wire is None else wire(sealed), unprotect) == frame


@pytest.mark.clause("frame.8-13")
def test_a_real_temporal_unit_would_not_arrive_bit_for_bit_and_a_sealed_one_does():
    """Encoders put a temporal delimiter in front, packetizers take it away: sealed, it is back behind the wire."""
    layout = LAYOUTS["av1"]
    unit = av_frames("libsvtav1", LOW_DELAY)[0]
    kept = b"".join(write_obu(obu, size_bytes=1) for obu in parse_obus(unit)[1:])
    assert unit == b"\x12\0" + kept
    assert av1_wire(unit) == kept
    assert layout.open(av1_wire(layout.seal(unit, protector())), unprotect) == unit

"""frame.8: aiortc's own packetizers carry sealed VP8 and H.264 frames unchanged, whatever their size and bytes."""

import random

import pytest
from aiortc.codecs.h264 import H264Encoder, h264_depayload
from aiortc.codecs.vpx import Vp8Encoder, vp8_depayload

from e2ecall.codecs.h264 import DELTA_SLICE, KEY_SLICE
from support.codec_frames import LAYOUTS, SC, protector, unprotect

LIMIT = 1300  # bytes of a payload in aiortc
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


def vp8_packets(sealed):
    payloads = Vp8Encoder._packetize(sealed, 7)
    assert all(len(payload) <= LIMIT for payload in payloads)
    return payloads


def h264_packets(sealed):
    payloads = H264Encoder._packetize(H264Encoder._split_bitstream(sealed))
    assert all(len(payload) <= LIMIT for payload in payloads)
    return payloads


def vp8_wire(sealed):
    return b"".join(vp8_depayload(payload) for payload in vp8_packets(sealed))


def h264_wire(sealed):
    return b"".join(h264_depayload(payload) for payload in h264_packets(sealed))


WIRES = {"vp8": vp8_wire, "vp8 clear header": vp8_wire, "h264": h264_wire}
STARTS = {
    "vp8": (b"\x90", b"\xb1"),
    "vp8 clear header": (b"\x90clear-hea", b"\xb1cl"),
    "h264": (SC + b"\x65\x88", SC + b"\x41\x9a"),
}
both_codecs = pytest.mark.parametrize("name", WIRES)


def body(pattern, size):
    return random.Random(size).randbytes(size) if pattern is None else (pattern * (size // len(pattern) + 1))[:size]


def frames(name):
    for size in SIZES:
        for start in STARTS[name]:
            for pattern in PATTERNS:
                yield start + body(pattern, size)


@pytest.mark.clause("frame.8-1", "frame.8-4", "frame.8-6", "frame.8-7", "frame.8-19")
@both_codecs
def test_sealed_frames_arrive_unchanged(name):
    layout = LAYOUTS[name]
    protect = protector()
    for frame in frames(name):
        sealed = layout.seal(frame, protect)
        arrived = WIRES[name](sealed)
        assert arrived == sealed
        assert layout.open(arrived, unprotect) == frame


@pytest.mark.clause("frame.8-7", "frame.8-8")
@pytest.mark.parametrize("name", ["vp8", "h264"])
def test_ciphertexts_full_of_zeros_and_start_codes_arrive_unchanged(name):
    """The cipher's output is random; here it is the worst that it could be."""
    layout = LAYOUTS[name]
    for frame in frames(name):
        worst = body(frame[-4:] if len(frame) > 4 else frame, len(frame))
        for ciphertext in (frame, worst):
            sealed = layout.seal(frame, lambda *_, c=ciphertext: c)
            arrived = WIRES[name](sealed)
            assert arrived == sealed
            assert layout.open(arrived, lambda c, _: c) == ciphertext


@pytest.mark.clause("frame.8-4", "frame.8-6", "frame.8-8", "frame.8-19")
@both_codecs
def test_every_size_of_a_sealed_frame_up_to_four_packets(name):
    """Every length of the ciphertext: no boundary of a payload, a fragment or an aggregate is left out."""
    layout = LAYOUTS[name]
    noise = random.Random(1).randbytes(4 * LIMIT)
    for start in STARTS[name]:
        for size in range(1, len(noise)):
            ciphertext = noise[:size]
            sealed = layout.seal(start, lambda *_, c=ciphertext: c)
            arrived = WIRES[name](sealed)
            assert arrived == sealed
            assert layout.open(arrived, lambda c, _: c).endswith(ciphertext)


STAP_A, FU_A, IDR, NOT_IDR, SPS_TYPE, PPS_TYPE = 24, 28, 5, 1, 7, 8


def kinds(payloads):
    return [payload[0] & 31 for payload in payloads]


@pytest.mark.clause("frame.8-6")
@pytest.mark.parametrize(
    ("slice_size", "packets"),
    [
        (1282, [STAP_A]),
        (1283, [STAP_A]),  # 1 + (2 + 6) + (2 + 4) + (2 + 1283) = 1300
        (1284, [STAP_A, IDR]),
        (1299, [STAP_A, IDR]),
        (1300, [STAP_A, IDR]),
        (1301, [STAP_A, FU_A, FU_A]),
        (1 + 2 * 1298, [STAP_A, FU_A, FU_A]),
        (2 + 2 * 1298, [STAP_A, FU_A, FU_A, FU_A]),
        (1 + 3 * 1298, [STAP_A, FU_A, FU_A, FU_A]),
    ],
)
def test_key_frames_at_the_boundaries_of_aggregates_and_fragments(slice_size, packets):
    sealed = LAYOUTS["h264"].seal(SC + b"\x65", lambda *_: b"x" * (slice_size - len(KEY_SLICE) - 1))
    assert kinds(h264_packets(sealed)) == packets
    assert h264_wire(sealed) == sealed


@pytest.mark.clause("frame.8-6")
@pytest.mark.parametrize(
    ("slice_size", "packets"),
    [(1299, [NOT_IDR]), (1300, [NOT_IDR]), (1301, [FU_A] * 2), (2597, [FU_A] * 2), (2598, [FU_A] * 3)],
)
def test_delta_frames_at_the_boundaries_of_fragments(slice_size, packets):
    sealed = LAYOUTS["h264"].seal(SC + b"\x41", lambda *_: b"x" * (slice_size - len(DELTA_SLICE) - 1))
    assert kinds(h264_packets(sealed)) == packets
    assert h264_wire(sealed) == sealed


@pytest.mark.clause("frame.8-4")
def test_vp8_frames_at_the_boundaries_of_payloads():
    """Four bytes of descriptor: 1296 of the frame in each packet."""
    for count in (1, 2, 3):
        for more, packets in ((-1, count), (0, count), (1, count + 1)):
            sealed = LAYOUTS["vp8"].seal(b"\xb1", lambda *_, n=count * 1296 + more - 1: b"x" * n)
            assert len(vp8_packets(sealed)) == packets
            assert vp8_wire(sealed) == sealed

"""frame.8.1, frame.8.2: Opus, VP9 and VP8."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2ecall.codecs import layout_for
from e2ecall.codecs.vp8 import DELTA_PREFIX, KEY_PREFIX
from e2ecall.errors import FrameReason
from support.codec_frames import bare, malformed, protector, refused, unprotect


@pytest.mark.clause("frame.8-3")
@pytest.mark.parametrize("codec", ["opus", "vp9"])
def test_opaque_layouts_are_the_sframe_ciphertext_alone(codec):
    layout = layout_for(codec)
    sealed = protector(9)(b"frame", b"")
    assert layout.seal(b"frame", protector(9)) == sealed
    assert layout.open(sealed, unprotect) == b"frame"
    assert refused(layout, protector(9)(b"frame", b"metadata")) is FrameReason.AUTHENTICATION


def test_every_opus_frame_is_a_key_frame():
    assert all(layout_for("opus").is_key(frame) for frame in (b"\xfc", b"\x11", b""))


@pytest.mark.clause("frame.8-17")
@pytest.mark.parametrize(
    ("first", "key"),
    [
        (0b10_0_0_0_0_1_0, True),  # profile 0, shown
        (0b10_0_0_0_0_0_0, True),  # hidden
        (0b10_1_0_0_0_1_0, True),  # profile 1
        (0b10_0_1_0_0_1_1, True),  # profile 2, error resilient
        (0b10_0_0_0_1_1_0, False),  # not a key frame
        (0b10_0_0_1_0_0_0, False),  # shows an existing frame
        (0b10_1_0_1_0_0_0, False),
        (0b10_0_1_0_1_0_0, False),
        (0b10_1_1_0_0_0_1, True),  # profile 3: a zero bit before the others
        (0b10_1_1_0_0_0_0, True),
        (0b10_1_1_0_0_1_0, False),
        (0b10_1_1_0_1_0_0, False),
        (0b10_1_1_1_0_0_0, False),  # the zero bit is not zero
        (0b00_0_0_0_0_1_0, False),  # no frame_marker
        (0b11_0_0_0_0_1_0, False),
        (0b01_0_0_0_0_1_0, False),
    ],
)
def test_vp9_key_frames_by_their_first_byte(first, key):
    assert layout_for("vp9").is_key(bytes([first]) + b"\x49\x83\x42") is key
    assert layout_for("vp9").is_key(bytes([first])) is key


@pytest.mark.clause("frame.8-17")
def test_no_vp9_frame_is_no_key_frame():
    assert layout_for("vp9").is_key(b"") is False


@pytest.mark.clause("frame.8-4")
def test_vp8_stands_behind_one_of_two_constants():
    vp8 = layout_for("vp8")
    assert vp8.seal(b"\x90key", bare).hex() == "1002009d012a10001000" + b"\x90key".hex()
    assert vp8.seal(b"\xb1delta", bare).hex() == "11" + b"\xb1delta".hex()
    assert [vp8.is_key(frame) for frame in (b"\x90", b"\xb1", b"\0", b"\1", b"")] == [True, False, True, False, False]


@pytest.mark.clause("frame.8-5")
@given(st.binary(min_size=10, max_size=10), st.booleans())
def test_vp8_reads_the_first_bit_of_the_prefix_and_nothing_else(prefix, key):
    vp8 = layout_for("vp8")
    frame = b"\x90real" if key else b"\xb1real"
    sealed = vp8.seal(frame, protector())
    first = bytes([prefix[0] & 0xFE | (not key)])
    changed = first + prefix[1:] + sealed[10:] if key else first + sealed[1:]
    assert vp8.open(changed, unprotect) == frame


@pytest.mark.clause("frame.8-5")
def test_vp8_authenticates_the_type():
    vp8 = layout_for("vp8")
    for frame, swapped, length in ((b"\x90key", DELTA_PREFIX, 10), (b"\xb1delta", KEY_PREFIX, 1)):
        sealed = vp8.seal(frame, protector())
        assert refused(vp8, swapped + sealed[length:]) is FrameReason.AUTHENTICATION


@pytest.mark.clause("frame.8-5")
def test_vp8_needs_more_than_its_prefix():
    for sealed in (DELTA_PREFIX, KEY_PREFIX, *(KEY_PREFIX[:n] for n in range(1, 10))):
        assert malformed(layout_for("vp8"), sealed) == "frame.8-5"

"""frame.8: one changed, cut or added byte of a sealed frame opens to the same frame or to none, and where which."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2ecall.codecs.h264 import DELTA_SLICE, KEY_SLICE, PPS, SPS
from e2ecall.errors import FrameRejected
from support.codec_frames import LAYOUTS, SC, every_layout, frames, protector, unprotect

BODY = b"the rest of an encoded frame"
STARTS = {
    "opus": [b"\xfc"],
    "vp8": [b"\x90\x14\x00\x9d\x01\x2a\x80\x02\xe0\x01", b"\xb1\x12\x00"],
    "vp8 clear header": [b"\x90\x14\x00\x9d\x01\x2a\x80\x02\xe0\x01", b"\xb1\x12\x00"],
    "vp9": [b"\x82\x49\x83\x42", b"\x86"],
    "h264": [SC + SPS + SC + PPS + SC + b"\x65\x88", SC + b"\x41\x9a"],
    "av1": [b"\x12\0\x0a\x02\0\x80\x32\x1d\x10", b"\x12\0\x32\x1d\x30"],
}


def slice_of(sealed, kind):
    """Where the NAL unit of the real slice begins, and where its constant ends."""
    constant = DELTA_SLICE if kind else KEY_SLICE
    begins = sealed.index(SC + constant) + len(SC)
    return begins, begins + len(constant)


def ignored_bits(name, kind, sealed):
    """frame.8-5, frame.8-8: what the receiver does not look at, since something on the way may have rewritten it."""
    if name == "vp8":
        return set(range(8 if kind else 80)) - {7}  # all of the prefix but the type
    if name != "h264":
        return set()
    begins, ends = slice_of(sealed, kind)
    in_front = set(range(8 * (begins - 3)))  # a start code of four bytes without its first zero is one of three
    sps, pps = sealed.find(SPS), sealed.find(PPS)
    # 67 becomes 65; the third zero of a start code becomes 01, which then is the header of a slice.
    second_slice = {8 * sps + 6, 8 * sps - 9, 8 * pps - 9} if kind == 0 else set()
    nal_ref_idc = {8 * begins + 1, 8 * begins + 2}
    return in_front - second_slice | nal_ref_idc | set(range(8 * begins + 8, 8 * ends))


def opens(layout, sealed, frame):
    """Whether it opens, which it may do to `frame` alone."""
    try:
        opened = layout.open(sealed, unprotect)
    except FrameRejected:
        return False
    assert opened == frame
    return True


def flipped(sealed, bit):
    changed = bytearray(sealed)
    changed[bit // 8] ^= 0x80 >> bit % 8
    return bytes(changed)


@pytest.mark.clause("frame.8-1", "frame.8-5", "frame.8-8", "frame.8-14", "frame.8-20")
@pytest.mark.parametrize("name", LAYOUTS)
def test_each_bit_is_ignored_or_authenticated_as_the_specification_says(name):
    layout = LAYOUTS[name]
    for kind, start in enumerate(STARTS[name]):
        frame = start + BODY
        sealed = layout.seal(frame, protector())
        assert opens(layout, sealed, frame)
        ignored = {bit for bit in range(8 * len(sealed)) if opens(layout, flipped(sealed, bit), frame)}
        assert ignored == ignored_bits(name, kind, sealed)


@pytest.mark.clause("frame.8-1")
@pytest.mark.parametrize("name", LAYOUTS)
def test_no_cut_frame_opens(name):
    layout = LAYOUTS[name]
    for kind, start in enumerate(STARTS[name]):
        frame = start + BODY
        sealed = layout.seal(frame, protector())
        assert not any(opens(layout, sealed[:length], frame) for length in range(len(sealed)))
        behind = {n for n in range(1, len(sealed) + 1) if opens(layout, sealed[n:], frame)}
        assert behind == (set(range(1, slice_of(sealed, kind)[0] - 2)) if name == "h264" else set())


@pytest.mark.clause("frame.8-1")
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_byte_more_opens_to_the_same_frame_or_to_none(name):
    layout = LAYOUTS[name]
    for kind, start in enumerate(STARTS[name]):
        frame = start + BODY
        sealed = layout.seal(frame, protector())
        in_front = slice_of(sealed, kind)[0] if name == "h264" else 0
        for n in range(len(sealed) + 1):
            for more in (b"\0", b"\1", b"\2", b"\3", b"\x80", b"\xff", sealed[n - 1 : n], sealed[n : n + 1]):
                assert not more or not opens(layout, sealed[:n] + more + sealed[n:], frame) or n < in_front


@pytest.mark.clause("frame.8-1")
@every_layout
@given(frames, st.data())
def test_whatever_happened_to_a_sealed_frame_it_opens_to_itself_or_not_at_all(layout, frame, data):
    sealed = bytearray(layout.seal(frame, protector()))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(sealed)))
        until = data.draw(st.integers(at, min(at + 3, len(sealed))))
        sealed[at:until] = data.draw(st.binary(max_size=3))
    opens(layout, bytes(sealed), frame)


@pytest.mark.clause("frame.8-1")
@pytest.mark.parametrize("name", LAYOUTS)
def test_two_sealed_frames_do_not_mix(name):
    """The front of one before the rest of the other opens to the rest's frame, to the front's if all of it is there, or
    not at all."""
    layout = LAYOUTS[name]
    sealed = [(start + BODY, layout.seal(start + BODY, protector(n))) for n, start in enumerate(STARTS[name] * 2)]
    for one, first in sealed:
        for other, second in sealed:
            for n in range(min(len(first), len(second)) + 1):
                try:
                    opened = layout.open(first[:n] + second[n:], unprotect)
                except FrameRejected:
                    continue
                assert opened in (one, other)

"""frame.8.3: H.264 behind constant parameter sets, with emulation prevention."""

import pytest
from hypothesis import assume, given

from e2ecall.codecs import layout_for
from e2ecall.codecs.h264 import DELTA_SLICE, KEY_SLICE, PPS, SPS, escape
from e2ecall.errors import FrameReason, FrameRejected
from support.codec_frames import SC, bare, malformed, protector, refused, unprotect, zeros


def naive_escape(data):
    """H.264 §7.4.1 byte by byte."""
    out, zero_run = bytearray(), 0
    for byte in data + b"\x80":
        if zero_run >= 2 and byte <= 3:
            out.append(3)
            zero_run = 0
        out.append(byte)
        zero_run = zero_run + 1 if byte == 0 else 0
    return bytes(out)


@pytest.mark.clause("frame.8-6")
def test_h264_stands_behind_constant_parameter_sets_and_slice_starts():
    h264 = layout_for("h264")
    idr, delta = SC + b"\x65\x88\x84", SC + b"\x41\x9a\x24"
    key_front = "000000016742c00ada790000000168ce3c8000000001658880"
    assert h264.seal(idr, lambda *_: b"\xaa").hex() == key_front + "aa80"
    assert h264.seal(delta, lambda *_: b"\xaa").hex() == "00000001619aaa80"


@pytest.mark.clause("frame.8-6")
@pytest.mark.parametrize(
    ("frame", "key"),
    [
        (SC + b"\x65\x88", True),
        (SC[1:] + b"\x25\x88", True),
        (
            SC
            + b"\x09\xf0"
            + SC
            + SPS
            + SC
            + PPS
            + SC[1:]
            + b"\x06\x05\x80"
            + SC[1:]
            + b"\x65\x88"
            + SC[1:]
            + b"\x65\x02",
            True,
        ),
        (SC + b"\x41\x9a", False),
        (SC + SPS + SC + PPS + SC + b"\x41\x9a", False),
        (SC + b"\x06\x65\x65" + SC + b"\x01\x9a", False),
        (SC + b"\x42\x9a" + SC + b"\x65\x88", False),
        (SC + b"\x03\x9a" + SC + b"\x65\x88", False),
        (SC + SPS + SC + PPS, False),
        (SC + b"\xe5\x88", False),
        (b"\x65\x88", False),
        (SC, False),
        (b"", False),
    ],
)
def test_h264_key_frames_are_those_whose_first_slice_is_idr(frame, key):
    assert layout_for("h264").is_key(frame) is key


@pytest.mark.clause("frame.8-7")
@given(zeros)
def test_emulation_prevention_is_that_of_the_standard(frame):
    escaped = escape(frame)
    assert escaped == naive_escape(frame)
    assert all(code not in escaped for code in (b"\0\0\0", b"\0\0\1", b"\0\0\2"))
    assert escaped.endswith(b"\x80")


@pytest.mark.clause("frame.8-7", "frame.8-10")
@given(zeros.filter(len))
def test_h264_opens_what_it_escaped_and_nothing_that_it_would_not_have_written(body):
    h264 = layout_for("h264")
    assert h264.open(SC + DELTA_SLICE + escape(body), bare) == body
    assume(body[:1] != b"\0")
    try:
        frame = h264.open(SC + DELTA_SLICE + body, bare)
    except FrameRejected:
        malformed(h264, SC + DELTA_SLICE + body)
    else:
        assert (SC[1:] in body) or escape(frame) == body


@pytest.mark.clause("frame.8-8")
def test_h264_looks_for_the_slice_and_ignores_what_stands_before_it():
    h264 = layout_for("h264")
    key, delta = SC + b"\x65\x88\x84key", SC + b"\x41\x9a\x24delta"
    for frame, slice_start in ((key, KEY_SLICE), (delta, DELTA_SLICE)):
        body = h264.seal(frame, protector()).split(slice_start, 1)[1]
        rewritten = bytes.fromhex("6742c00ada79048000000300800000")
        for n, front in enumerate(
            (
                SC,
                SC[1:],
                SC + rewritten + SC + PPS + SC[1:],
                SC + b"\x09\xf0" + SC + b"\x06\x05\x00\x00\x03\x01\x80" + SC,
                b"noise" + SC,
            )
        ):
            assert h264.open(front + slice_start + body, unprotect) == frame, n
        other = bytes([slice_start[0] & 0x3F]) + bytes(b ^ 0xFF for b in slice_start[1:])
        assert h264.open(SC + other + body, unprotect) == frame


@pytest.mark.clause("frame.8-8")
@pytest.mark.parametrize(
    "sealed",
    [SC + SPS + SC + PPS, DELTA_SLICE + b"x\x80", b"\0\1" + DELTA_SLICE + b"x\x80", SC + b"\xe1\x9ax\x80", b"x"],
)
def test_h264_without_a_slice_is_malformed(sealed):
    assert malformed(layout_for("h264"), sealed) == "frame.8-8"


@pytest.mark.clause("frame.8-8")
def test_h264_authenticates_the_type():
    h264 = layout_for("h264")
    for frame, slice_start, swapped in ((SC + b"\x65", KEY_SLICE, DELTA_SLICE), (SC + b"\x41", DELTA_SLICE, KEY_SLICE)):
        body = h264.seal(frame, protector()).split(slice_start, 1)[1]
        assert refused(h264, SC + swapped + body) is FrameReason.AUTHENTICATION


@pytest.mark.clause("frame.8-9")
def test_h264_has_one_slice_and_maybe_other_nal_units_behind_it():
    h264 = layout_for("h264")
    one = SC + DELTA_SLICE + b"x\x80"
    for behind in (SC + b"\x0c\xff\x80", SC[1:] + b"\x0a", SC[1:]):
        assert h264.open(one + behind, bare) == b"x"
    for second in (one, SC[1:] + KEY_SLICE, SC + b"\x0c\xff\x80" + one):
        assert malformed(h264, one + second) == "frame.8-9"


@pytest.mark.clause("frame.8-10")
@pytest.mark.parametrize(
    "body",
    [
        "",
        "61",
        "6181",
        "6100",
        "618000",
        "61800000",
        "00000080",
        "61000002ff80",
        "610000030480",
        "61000003ff80",
        "6100000380",
        "61800000000001",
    ],
)
def test_h264_bytes_that_no_sealed_slice_has_are_malformed(body):
    assert malformed(layout_for("h264"), SC + DELTA_SLICE + bytes.fromhex(body)) == "frame.8-10"

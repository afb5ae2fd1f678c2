import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from e2ecall.codecs import layout_for
from e2ecall.codecs.h264 import DELTA_SLICE, KEY_SLICE, PPS, SPS, START_CODE, escape
from e2ecall.codecs.vp8 import DELTA_PREFIX, KEY_PREFIX
from e2ecall.errors import FrameReason, FrameRejected, MediaUnavailable
from e2ecall.secret import SecretBytes
from e2ecall.sframe import Receiver, Sender

CODECS = ["opus", "vp8", "h264"]
BASE = SecretBytes(bytes(range(32)))
SC = START_CODE

# Bytes in which start codes, zero runs and emulation prevention are common.
zeros = st.lists(
    st.sampled_from([b"\0", b"\0\0", b"\0\0\0", b"\1", b"\2", b"\3", b"\4", b"\x80", b"a"]), max_size=30
).map(b"".join)
data = st.one_of(zeros, st.binary(max_size=80))
frames = st.one_of(
    data,
    st.tuples(st.sampled_from([SC, SC[1:]]), st.sampled_from([b"\x65", b"\x41", b"\x67", b"\x06"]), data).map(b"".join),
).filter(len)


def bare(frame, metadata):
    """No cryptography at all: what the layout itself does."""
    return frame


def pair(ctr=0):
    receiver = Receiver(5)
    receiver.add_key(32, BASE)
    return (
        Sender(5, 32, BASE, first_ctr=ctr).protect,
        lambda ciphertext, metadata: receiver.unprotect(ciphertext, metadata)[0],
    )


def malformed(layout, sealed, unprotect=bare):
    with pytest.raises(FrameRejected) as caught:
        layout.open(sealed, unprotect)
    assert caught.value.reason is FrameReason.MALFORMED
    return caught.value.clause


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


@pytest.mark.clause("frame.8-11")
def test_layouts_go_by_name_in_any_case_and_other_codecs_have_none():
    assert [layout_for(name).name for name in ("opus", "VP8", "H264", "Opus")] == ["opus", "vp8", "h264", "opus"]
    for codec in ("PCMU", "vp9", "av1", "", "h264 "):
        with pytest.raises(MediaUnavailable) as caught:
            layout_for(codec)
        assert "h264, opus, vp8" in caught.value.hint


@pytest.mark.clause("frame.8-1")
@pytest.mark.parametrize("codec", CODECS)
@settings(deadline=None)
@given(frames, st.integers(0, 2**64 - 1))
def test_what_is_sealed_opens_bit_for_bit(codec, frame, ctr):
    layout = layout_for(codec)
    protect, unprotect = pair(ctr)
    sealed = layout.seal(frame, protect)
    assert layout.open(sealed, unprotect) == frame
    assert layout.has_prefix(sealed)


@pytest.mark.clause("frame.8-1")
@pytest.mark.parametrize("codec", CODECS)
@settings(deadline=None)
@given(frames)
def test_the_whole_frame_is_handed_to_the_cipher_and_only_its_output_comes_out(codec, frame):
    layout, given_to = layout_for(codec), []

    def protect(plaintext, metadata):
        given_to.append((plaintext, metadata))
        return b"<sealed>"

    front = {
        "opus": (b"", b""),
        "vp8": (KEY_PREFIX, DELTA_PREFIX),
        "h264": (SC + SPS + SC + PPS + SC + KEY_SLICE, SC + DELTA_SLICE),
    }[codec][0 if layout.is_key(frame) else 1]
    metadata = {"opus": (b"", b""), "vp8": (KEY_PREFIX, DELTA_PREFIX), "h264": (KEY_SLICE, DELTA_SLICE)}[codec]
    tail = b"\x80" if codec == "h264" else b""
    assert layout.seal(frame, protect) == front + b"<sealed>" + tail
    assert given_to == [(frame, metadata[0 if layout.is_key(frame) else 1])]


@pytest.mark.clause("frame.8-2")
@pytest.mark.parametrize("codec", CODECS)
def test_an_empty_frame_is_neither_sealed_nor_opened(codec):
    layout = layout_for(codec)
    protect, unprotect = pair()
    with pytest.raises(FrameRejected) as caught:
        layout.seal(b"", protect)
    assert (caught.value.reason, caught.value.clause) == (FrameReason.MALFORMED, "frame.8-2")
    assert malformed(layout, b"", unprotect) == "frame.8-2"
    front, metadata, tail = {
        "opus": (b"", b"", b""),
        "vp8": (DELTA_PREFIX, DELTA_PREFIX, b""),
        "h264": (SC + DELTA_SLICE, DELTA_SLICE, b"\x80"),
    }[codec]
    assert malformed(layout, front + protect(b"", metadata) + tail, unprotect) == "frame.8-2"


@pytest.mark.clause("frame.8-2", "frame.8-5", "frame.8-8", "frame.8-10")
@pytest.mark.parametrize("codec", CODECS)
@settings(deadline=None)
@given(sealed=data)
@example(sealed=SC + KEY_SLICE)
@example(sealed=SC + b"\x41")
@example(sealed=SC + DELTA_SLICE + b"\0\0\3")
@example(sealed=SC + DELTA_SLICE + b"\0\0\3\x80")
@example(sealed=SC[1:] * 5)
def test_any_bytes_open_or_are_refused(codec, sealed):
    layout = layout_for(codec)
    layout.is_key(sealed)
    layout.has_prefix(sealed)
    for front in (b"", SC + KEY_SLICE, SC + DELTA_SLICE, KEY_PREFIX, DELTA_PREFIX):
        try:
            frame = layout.open(front + sealed, bare)
        except FrameRejected:
            malformed(layout, front + sealed)
        else:
            assert frame
        with pytest.raises(FrameRejected):
            layout.open(front + sealed, pair()[1])


@pytest.mark.clause("frame.8-3")
def test_opus_is_the_sframe_ciphertext_alone():
    opus = layout_for("opus")
    assert opus.seal(b"frame", pair(9)[0]) == pair(9)[0](b"frame", b"")
    assert opus.is_key(b"\xfc")


@pytest.mark.clause("frame.8-4")
def test_vp8_stands_behind_one_of_two_constants():
    vp8 = layout_for("vp8")
    assert vp8.seal(b"\x90key", bare).hex() == "1002009d012a10001000" + b"\x90key".hex()
    assert vp8.seal(b"\xb1delta", bare).hex() == "11" + b"\xb1delta".hex()
    assert [vp8.is_key(frame) for frame in (b"\x90", b"\xb1", b"\0", b"\1", b"")] == [True, False, True, False, False]


@pytest.mark.clause("frame.8-5")
@settings(deadline=None)
@given(st.binary(min_size=10, max_size=10), st.booleans())
def test_vp8_reads_the_first_bit_of_the_prefix_and_nothing_else(prefix, key):
    vp8 = layout_for("vp8")
    frame = b"\x90real" if key else b"\xb1real"
    protect, unprotect = pair()
    sealed = vp8.seal(frame, protect)
    first = bytes([prefix[0] & 0xFE | (not key)])
    changed = first + prefix[1:] + sealed[10:] if key else first + sealed[1:]
    assert vp8.open(changed, unprotect) == frame
    assert vp8.has_prefix(sealed)


@pytest.mark.clause("frame.8-5")
def test_vp8_authenticates_the_type():
    vp8 = layout_for("vp8")
    for frame, swapped, length in ((b"\x90key", DELTA_PREFIX, 10), (b"\xb1delta", KEY_PREFIX, 1)):
        protect, unprotect = pair()
        with pytest.raises(FrameRejected) as caught:
            vp8.open(swapped + vp8.seal(frame, protect)[length:], unprotect)
        assert caught.value.reason is FrameReason.AUTHENTICATION


@pytest.mark.clause("frame.8-5")
def test_vp8_needs_more_than_its_prefix():
    for sealed in (DELTA_PREFIX, KEY_PREFIX, *(KEY_PREFIX[:n] for n in range(1, 10))):
        assert malformed(layout_for("vp8"), sealed) == "frame.8-5"


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
@settings(deadline=None)
@given(zeros)
def test_emulation_prevention_is_that_of_the_standard(frame):
    escaped = escape(frame)
    assert escaped == naive_escape(frame)
    assert all(code not in escaped for code in (b"\0\0\0", b"\0\0\1", b"\0\0\2"))
    assert escaped.endswith(b"\x80")


@pytest.mark.clause("frame.8-7", "frame.8-10")
@settings(deadline=None)
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
        protect, unprotect = pair()
        body = h264.seal(frame, protect).split(slice_start, 1)[1]
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
            receiver = Receiver(5)
            receiver.add_key(32, BASE)
            opened = h264.open(front + slice_start + body, lambda c, m, r=receiver: r.unprotect(c, m)[0])
            assert opened == frame, n
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
        protect, unprotect = pair()
        body = h264.seal(frame, protect).split(slice_start, 1)[1]
        with pytest.raises(FrameRejected) as caught:
            h264.open(SC + swapped + body, unprotect)
        assert caught.value.reason is FrameReason.AUTHENTICATION


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


@pytest.mark.clause("frame.8-12")
def test_the_prefix_of_an_encoder_is_told_from_ours():
    vp8, h264 = layout_for("vp8"), layout_for("h264")
    assert [
        vp8.has_prefix(f)
        for f in (b"", KEY_PREFIX + b"x", DELTA_PREFIX + b"x", b"\x10\2\0\x9d\1\x2a\x80\2\xe0\1", b"\xb1\2", b"\x31")
    ] == [
        False,
        True,
        True,
        False,
        False,
        False,
    ]
    assert [
        h264.has_prefix(f)
        for f in (
            b"",
            SC + KEY_SLICE,
            SC[1:] + DELTA_SLICE,
            SC + SPS + SC + b"\x65\x88\x84",
            SC + b"\x41\x9a\x24",
            SC + b"\x61\xe0",
        )
    ] == [
        False,
        True,
        True,
        False,
        False,
        False,
    ]
    assert layout_for("opus").has_prefix(b"anything")

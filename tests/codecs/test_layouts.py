"""frame.8: what every layout keeps, whatever the codec."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from e2ecall.codecs import Profile, layout_for
from e2ecall.codecs.av1 import OBU_HEADER
from e2ecall.codecs.h264 import DELTA_SLICE, KEY_SLICE, PPS, SPS
from e2ecall.codecs.vp8 import DELTA_PREFIX, KEY_PREFIX
from e2ecall.errors import FrameReason, FrameRejected, MediaUnavailable
from support.codec_frames import (
    LAYOUTS,
    SC,
    bare,
    data,
    every_layout,
    frames,
    malformed,
    protector,
    unprotect,
    whole_layouts,
)


@pytest.mark.clause("frame.8-11")
def test_layouts_go_by_name_in_any_case_and_other_codecs_have_none():
    names = ("opus", "VP8", "Vp9", "H264", "AV1", "Opus")
    assert [layout_for(name).name for name in names] == ["opus", "vp8", "vp9", "h264", "av1", "opus"]
    assert layout_for("VP8", profile=Profile.CLEAR_HEADER).name == "vp8"
    for codec in ("PCMU", "vp7", "h265", "", "h264 ", "av 1"):
        with pytest.raises(MediaUnavailable) as caught:
            layout_for(codec)
        assert caught.value.clause == "frame.8-11"
        assert caught.value.hint == "negotiate one of: av1, h264, opus, vp8, vp9"


@pytest.mark.clause("frame.8-11", "frame.8-18")
@pytest.mark.parametrize("codec", ["opus", "vp9", "h264", "av1", ""])
def test_the_clear_header_profile_is_for_vp8_alone(codec):
    with pytest.raises(MediaUnavailable) as caught:
        layout_for(codec, profile=Profile.CLEAR_HEADER)
    assert (caught.value.clause, caught.value.hint) == ("frame.8-11", "negotiate one of: vp8")
    assert "clear-header" in caught.value.message


@pytest.mark.clause("frame.8-18")
def test_no_layout_shows_a_header_unless_it_is_asked_for_by_name():
    default, clear = layout_for("vp8"), layout_for("vp8", profile=Profile.CLEAR_HEADER)
    assert default is layout_for("vp8", profile=Profile.WHOLE)
    assert type(default) is not type(clear)
    frame = b"\x90\x14\x00\x9d\x01\x2a\x80\x02\xe0\x01rest"
    assert frame[:10] not in default.seal(frame, protector())
    assert clear.seal(frame, protector()).startswith(frame[:10])


@pytest.mark.clause("frame.8-1")
@every_layout
@given(frames, st.integers(0, 2**64 - 1))
def test_what_is_sealed_opens_bit_for_bit(layout, frame, ctr):
    sealed = layout.seal(frame, protector(ctr))
    assert layout.open(sealed, unprotect) == frame
    assert layout.has_prefix(sealed)


FRONTS = {
    "opus": (b"", b""),
    "vp8": (KEY_PREFIX, DELTA_PREFIX),
    "vp9": (b"", b""),
    "h264": (SC + SPS + SC + PPS + SC + KEY_SLICE, SC + DELTA_SLICE),
    "av1": (bytes.fromhex("4a 09"),) * 2,  # size 9: <sealed> and the trailing byte
}
METADATA = {
    "opus": (b"", b""),
    "vp8": (KEY_PREFIX, DELTA_PREFIX),
    "vp9": (b"", b""),
    "h264": (KEY_SLICE, DELTA_SLICE),
    "av1": (OBU_HEADER, OBU_HEADER),
}
TAILS = {"h264": b"\x80", "av1": b"\x80"}


@pytest.mark.clause("frame.8-1", "frame.8-3", "frame.8-13")
@whole_layouts
@given(frames)
def test_the_whole_frame_is_handed_to_the_cipher_and_only_its_output_comes_out(codec, frame):
    layout, given_to = LAYOUTS[codec], []

    def protect(plaintext, metadata):
        given_to.append((plaintext, metadata))
        return b"<sealed>"

    kind = 0 if layout.is_key(frame) else 1
    assert layout.seal(frame, protect) == FRONTS[codec][kind] + b"<sealed>" + TAILS.get(codec, b"")
    assert given_to == [(frame, METADATA[codec][kind])]


@pytest.mark.clause("frame.8-2")
@every_layout
def test_an_empty_frame_is_not_sealed(layout):
    with pytest.raises(FrameRejected) as caught:
        layout.seal(b"", protector())
    assert (caught.value.reason, caught.value.clause) == (FrameReason.MALFORMED, "frame.8-2")
    assert malformed(layout, b"", unprotect) == "frame.8-2"


@pytest.mark.clause("frame.8-2")
@whole_layouts
def test_a_sealed_empty_frame_is_not_handed_on(codec):
    """As a side would send it that lacks the rule: sealed, authentic, and nothing in it."""
    ciphertext = protector()(b"", METADATA[codec][1])
    front = FRONTS[codec][1] if codec != "av1" else bytes([0x4A, len(ciphertext) + 1])
    sealed = front + ciphertext + TAILS.get(codec, b"")
    assert malformed(LAYOUTS[codec], sealed, unprotect) == "frame.8-2"


@pytest.mark.clause("frame.8-1")
@given(frames, st.sampled_from(sorted(LAYOUTS)), st.sampled_from(sorted(LAYOUTS)))
def test_what_one_layout_sealed_another_opens_to_the_same_frame_or_not_at_all(frame, one, other):
    assume(one != other)
    sealed = LAYOUTS[one].seal(frame, protector())
    try:
        opened = LAYOUTS[other].open(sealed, unprotect)
    except FrameRejected:
        assert {one, other} != {"opus", "vp9"}
    else:
        assert opened == frame
        assert {one, other} == {"opus", "vp9"}  # both are the bare ciphertext; the stream's context tells them apart


MANY_FRONTS = (b"", SC + KEY_SLICE, SC + DELTA_SLICE, KEY_PREFIX, DELTA_PREFIX, b"\x4a", b"\x48", b"\x12\0\x4a")


@pytest.mark.clause("frame.8-2", "frame.8-5", "frame.8-8", "frame.8-10", "frame.8-14", "frame.8-15", "frame.8-20")
@every_layout
@given(sealed=data)
@example(sealed=SC + KEY_SLICE)
@example(sealed=SC + b"\x41")
@example(sealed=SC + DELTA_SLICE + b"\0\0\3")
@example(sealed=SC + DELTA_SLICE + b"\0\0\3\x80")
@example(sealed=SC[1:] * 5)
@example(sealed=b"\x80" * 12)
@example(sealed=b"\xff" * 7 + b"\x7f")
@example(sealed=b"\x02\0\x80")
def test_any_bytes_open_or_are_refused(layout, sealed):
    """Nothing but FrameRejected leaves a layout, and behind real cryptography nothing opens that was not sealed."""
    for front in MANY_FRONTS:
        assert layout.is_key(front + sealed) in (True, False)
        assert layout.has_prefix(front + sealed) in (True, False)
        try:
            frame = layout.open(front + sealed, bare)
        except FrameRejected:
            malformed(layout, front + sealed)
        else:
            assert frame
        with pytest.raises(FrameRejected):
            layout.open(front + sealed, unprotect)


@pytest.mark.clause("frame.8-12")
def test_the_prefix_of_an_encoder_is_told_from_ours():
    """Hints for a message to people; (bytes, whether they look like ours)."""
    hints = {
        "opus": [(b"anything", True)],
        "vp9": [(b"anything", True)],
        "vp8": [
            (b"", False),
            (KEY_PREFIX + b"x", True),
            (DELTA_PREFIX + b"x", True),
            (b"\x10\2\0\x9d\1\x2a\x80\2\xe0\1", False),
            (b"\xb1\2", False),
            (b"\x31", False),
        ],
        "h264": [
            (b"", False),
            (SC + KEY_SLICE, True),
            (SC[1:] + DELTA_SLICE, True),
            (SC + SPS + SC + b"\x65\x88\x84", False),
            (SC + b"\x41\x9a\x24", False),
            (SC + b"\x61\xe0", False),
        ],
        "av1": [
            (b"", False),
            (b"\x4a\x02x\x80", True),
            (b"\x48x\x80", True),
            (b"\x12\0\x4a\x02x\x80", True),
            (b"\x12\0\x48x\x80", True),
            (b"\x12\0\x0a\x0b", False),
            (b"\x32\x10", False),
            (b"\x12\0", False),
            (b"\x4e\0\x02x\x80", False),
        ],
        "vp8 clear header": [
            (b"", False),
            (b"\x90" + b"x" * 20 + b"\x0a", True),
            (b"\x90" + b"x" * 20 + b"\x0b", False),
            (b"\xb1" + b"x" * 20 + b"\x03", True),
            (b"\xb1" + b"x" * 20 + b"\x04", False),
            (b"\xb1" + b"x" * 20 + b"\x00", False),
        ],
    }
    assert set(hints) == set(LAYOUTS)
    for name, cases in hints.items():
        for sealed, ours in cases:
            assert LAYOUTS[name].has_prefix(sealed) is ours, (name, sealed)

"""frame.8.5: the interoperation profile that leaves VP8's header in clear."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2ecall.codecs import Profile, layout_for
from e2ecall.errors import FrameReason, FrameRejected
from support.codec_frames import bare, malformed, protector, refused, unprotect

CLEAR = layout_for("vp8", profile=Profile.CLEAR_HEADER)
KEY = bytes.fromhex("90 14 00 9d 01 2a 80 02 e0 01") + b"first partition"
DELTA = bytes.fromhex("b1 12 00") + b"first partition"


@pytest.mark.clause("frame.8-19")
@pytest.mark.parametrize(("frame", "most"), [(KEY, 10), (DELTA, 3)])
def test_ten_and_three_bytes_stay_clear_and_the_rest_is_sealed(frame, most):
    given_to = []

    def protect(plaintext, metadata):
        given_to.append((plaintext, metadata))
        return b"<sealed>"

    for length in range(1, len(frame) + 1):
        clear = min(length, most)
        sealed = CLEAR.seal(frame[:length], protect)
        assert sealed == frame[:clear] + b"<sealed>" + bytes([clear])
        assert given_to.pop() == (frame[clear:length], frame[:clear] + bytes([clear]))
        assert CLEAR.open(CLEAR.seal(frame[:length], protector()), unprotect) == frame[:length]


@pytest.mark.clause("frame.8-20")
@pytest.mark.parametrize(("frame", "most"), [(KEY, 10), (DELTA, 3), (KEY[:4], 4), (DELTA[:1], 1)])
def test_every_clear_bit_and_the_length_are_authenticated(frame, most):
    sealed = CLEAR.seal(frame, protector())
    for n in range(8 * most):
        changed = bytearray(sealed)
        changed[n // 8] ^= 1 << n % 8
        assert refused(CLEAR, bytes(changed)) in (FrameReason.AUTHENTICATION, FrameReason.MALFORMED)
        if n:  # all but the type, which also says how long the header is
            assert refused(CLEAR, bytes(changed)) is FrameReason.AUTHENTICATION
    for length in range(256):
        if length != most:
            with pytest.raises(FrameRejected):
                CLEAR.open(sealed[:-1] + bytes([length]), unprotect)


@pytest.mark.clause("frame.8-20")
def test_the_length_is_authenticated_by_itself():
    """Not only by where it cuts: the right bytes under metadata without it, or with another one, do not open."""
    for metadata in (DELTA[:3], DELTA[:3] + b"\x02", DELTA[:3] + b"\x0a", b"\x03" + DELTA[:3], b""):
        sealed = DELTA[:3] + protector()(DELTA[3:], metadata) + b"\x03"
        assert refused(CLEAR, sealed) is FrameReason.AUTHENTICATION
    assert CLEAR.open(DELTA[:3] + protector()(DELTA[3:], DELTA[:3] + b"\x03") + b"\x03", unprotect) == DELTA


@pytest.mark.clause("frame.8-20")
@pytest.mark.parametrize(
    "sealed",
    [
        b"\x90" * 40 + b"\x0b",
        b"\x90" * 40 + b"\x00",
        b"\x90" * 40 + b"\xff",
        b"\x91" * 40 + b"\x04",
        b"\x91" * 40 + b"\x0a",
        b"\x91" * 40 + b"\x00",
        b"\x01",
        b"\x00",
        b"\x90\x01",
        b"\x91\x02\x02",
        b"\x91\x02\x03\x03",
        b"\x90" * 10 + b"\x0a",
    ],
    ids=bytes.hex,
)
def test_lengths_that_no_header_has_and_frames_that_end_in_it(sealed):
    assert malformed(CLEAR, sealed) == "frame.8-20"


@pytest.mark.clause("frame.8-20")
def test_one_byte_of_sframe_is_left_to_sframe():
    assert CLEAR.open(b"\x91xyz\x03", bare) == b"\x91xyz"
    assert CLEAR.open(b"\x90" * 10 + b"x" + b"\x0a", bare) == b"\x90" * 10 + b"x"


@pytest.mark.clause("frame.8-21")
@given(st.sampled_from([(KEY, 10), (DELTA, 3)]), st.data())
def test_fewer_clear_bytes_are_taken_only_of_a_frame_that_ends_there(frame_and_most, data):
    frame, most = frame_and_most
    fewer = data.draw(st.integers(1, most - 1))
    clear, length = frame[:fewer], bytes([fewer])
    sealed = clear + protector()(frame[fewer:], clear + length) + length
    assert malformed(CLEAR, sealed, unprotect) == "frame.8-21"
    whole = clear + protector()(b"", clear + length) + length
    assert CLEAR.open(whole, unprotect) == clear


@pytest.mark.clause("frame.8-21")
def test_a_frame_that_is_nothing_but_its_header_opens():
    for frame in (KEY[:10], DELTA[:3]):
        assert CLEAR.open(CLEAR.seal(frame, protector()), unprotect) == frame


def test_key_frames_are_those_of_vp8():
    assert [CLEAR.is_key(frame) for frame in (KEY, DELTA, b"", b"\0", b"\1")] == [True, False, False, True, False]
    assert CLEAR.is_key(CLEAR.seal(KEY, protector()))

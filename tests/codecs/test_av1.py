"""frame.8.4: AV1 inside one OBU of a type that decoders discard."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2ecall.codecs import layout_for
from e2ecall.codecs.av1 import OBU_HEADER, TEMPORAL_DELIMITER
from e2ecall.errors import FrameReason
from support.codec_frames import bare, malformed, protector, refused, unprotect
from support.rtp_payloads import Obu, leb128, parse_obus, read_leb128, write_obu

AV1 = layout_for("av1")
SIZES = [1, 2, 125, 126, 127, 128, 16_381, 16_382, 16_383, 16_384, 2_097_150, 2_097_151]


def sized(payload):
    return b"\x4a" + leb128(len(payload)) + payload


@pytest.mark.clause("frame.8-13")
@pytest.mark.parametrize("size", SIZES)
def test_av1_is_one_obu_of_type_9_with_its_size_and_trailing_bits(size):
    ciphertext = b"c" * size
    sealed = AV1.seal(b"frame", lambda *_: ciphertext)
    assert parse_obus(sealed) == [Obu(b"\x48", ciphertext + b"\x80", True)]
    assert sealed == sized(ciphertext + b"\x80")  # in the shortest form
    assert AV1.open(sealed, bare) == ciphertext


@pytest.mark.clause("frame.8-13")
def test_av1_to_the_byte():
    assert AV1.seal(b"frame", lambda *_: bytes(127)).hex() == "4a8001" + "00" * 127 + "80"
    assert AV1.seal(b"frame", lambda *_: bytes(126)).hex() == "4a7f" + "00" * 126 + "80"
    assert (OBU_HEADER.hex(), TEMPORAL_DELIMITER.hex()) == ("48", "1200")


@pytest.mark.clause("frame.8-14", "frame.8-15")
@given(st.binary(min_size=1, max_size=300), st.integers(0, 8), st.booleans())
def test_av1_opens_with_and_without_the_size_and_the_delimiter(frame, size_bytes, delimiter):
    (obu,) = parse_obus(AV1.seal(frame, protector()))
    front = TEMPORAL_DELIMITER if delimiter else b""
    assert AV1.open(front + write_obu(obu, size_bytes=size_bytes), unprotect) == frame


@pytest.mark.clause("frame.8-14")
@pytest.mark.parametrize(
    "header",
    [0xCA, 0x4B, 0x49, 0xC8, *(kind << 3 | 2 for kind in range(16) if kind != 9), *(kind << 3 for kind in range(9))],
)
def test_av1_takes_no_other_obu_header(header):
    """Forbidden and reserved bits, and every other type, among them those that packetizers drop."""
    body = protector()(b"frame", OBU_HEADER) + b"\x80"
    size = leb128(len(body)) if header & 2 else b""
    for front in (b"", TEMPORAL_DELIMITER):
        assert malformed(AV1, front + bytes([header]) + size + body) == "frame.8-14"


@pytest.mark.clause("frame.8-14")
def test_av1_takes_no_extension_and_nothing_but_one_delimiter_in_front():
    sealed = AV1.seal(b"frame", protector())
    for front in (
        TEMPORAL_DELIMITER * 2,
        b"\x10",  # a delimiter without a size
        b"\x12\x01\x00",  # one with a payload
        b"\x12\x80\x00",  # one whose size takes two bytes
        b"\x16\x00\x00",  # one with an extension
        b"\x7a\x01\x80",  # padding
        b"\x0a\x01\x80",  # a sequence header
        b"\x00",
    ):
        assert malformed(AV1, front + sealed) == "frame.8-14"
    size, start = read_leb128(sealed, 1)
    for extended in (b"\x4e\x00" + leb128(size) + sealed[start:], b"\x4c\x00" + sealed[start:]):
        assert malformed(AV1, extended) == "frame.8-14"
    for cut in (TEMPORAL_DELIMITER, TEMPORAL_DELIMITER[:1], sealed[2:]):
        assert malformed(AV1, cut) == "frame.8-14"


@pytest.mark.clause("frame.8-15")
def test_av1_has_nothing_behind_its_obu():
    sealed = AV1.seal(b"frame", protector())
    for behind in (b"\0", b"\x80", TEMPORAL_DELIMITER, b"\x7a\x01\x80", sealed):
        assert malformed(AV1, sealed + behind) == "frame.8-15"


@pytest.mark.clause("frame.8-15")
@pytest.mark.parametrize(
    "size",
    [
        leb128(2),
        leb128(4),
        leb128(0),
        leb128(3 + (1 << 32)),
        leb128(3 + (1 << 35)),
        leb128(3, at_least=9),
        leb128(4, at_least=9),
        b"\xff" * 9,
        b"\x83",
        b"\x83\x80\x80",
        b"",
    ],
    ids=bytes.hex,
)
def test_av1_sizes_that_are_not_that_of_the_rest(size):
    assert AV1.open(b"\x4a" + leb128(3) + b"\x01\x02\x80", bare) == b"\x01\x02"
    assert malformed(AV1, b"\x4a" + size + b"\x01\x02\x80") == "frame.8-15"
    assert malformed(AV1, b"\x4a" + size) == "frame.8-15" if size != leb128(0) else "frame.8-16"


@pytest.mark.clause("frame.8-16")
def test_av1_ends_with_its_trailing_byte():
    ciphertext = protector()(b"frame", OBU_HEADER)
    for payload in (ciphertext, ciphertext + b"\x80\0", ciphertext + b"\x40", ciphertext + b"\x81", ciphertext + b"\0"):
        assert malformed(AV1, sized(payload)) == "frame.8-16"
        assert malformed(AV1, b"\x48" + payload) == "frame.8-16"
    for empty in (b"\x4a\0", b"\x48", TEMPORAL_DELIMITER + b"\x48"):
        assert malformed(AV1, empty) == "frame.8-16"


@pytest.mark.clause("frame.8-16")
def test_av1_authenticates_that_it_is_av1():
    for metadata in (b"", b"\x4a", b"\x12\0\x48"):
        assert refused(AV1, sized(protector()(b"frame", metadata) + b"\x80")) is FrameReason.AUTHENTICATION
    bare_ciphertext = AV1.seal(b"frame", protector())[2:-1]
    assert refused(layout_for("vp9"), bare_ciphertext) is FrameReason.AUTHENTICATION


# --------------------------------------------------------------------------------------------------- key frames, §7.6.2

TD, SEQUENCE, PADDING = b"\x12\0", b"\x0a\x02\0\x80", b"\x7a\x01\x80"
METADATA = b"\x2a\x02\x01\x80"
KEY, HIDDEN_KEY, INTER, INTRA_ONLY, EXISTING = 0x10, 0x00, 0x30, 0x50, 0x90


def frame_obu(first, kind=6, header=b"", size=True):
    head = bytes([kind << 3 | (4 if header else 0) | (2 if size else 0)]) + header
    return head + (b"\x03" if size else b"") + bytes([first]) + b"xx"


@pytest.mark.clause("frame.8-17")
@pytest.mark.parametrize(
    ("frame", "key"),
    [
        (TD + SEQUENCE + frame_obu(KEY), True),
        (SEQUENCE + frame_obu(KEY), True),
        (SEQUENCE + frame_obu(KEY | 0x0F), True),
        (SEQUENCE + frame_obu(KEY, kind=3), True),
        (SEQUENCE + frame_obu(KEY, header=b"\x20"), True),
        (SEQUENCE + frame_obu(KEY, size=False), True),
        (TD + SEQUENCE + METADATA * 60 + frame_obu(KEY), True),
        (b"\x0a\x82\x80\x80\x00\0\x80" + frame_obu(KEY), True),  # sizes in more bytes than it takes
        (TD + PADDING + SEQUENCE + frame_obu(KEY) + frame_obu(INTER), True),
        (TD + frame_obu(KEY), False),  # no sequence header
        (frame_obu(KEY) + SEQUENCE, False),  # too late
        (SEQUENCE + frame_obu(INTER) + frame_obu(KEY), False),
        (SEQUENCE + frame_obu(INTER), False),
        (SEQUENCE + frame_obu(INTRA_ONLY), False),
        (SEQUENCE + frame_obu(HIDDEN_KEY), False),
        (SEQUENCE + frame_obu(EXISTING), False),
        (SEQUENCE + frame_obu(KEY)[:-1], False),  # cut
        (SEQUENCE + b"\x32\0", False),
        (SEQUENCE + b"\x30", False),
        (SEQUENCE + b"\x34", False),
        (SEQUENCE + b"\x32", False),
        (SEQUENCE + b"\x32" + b"\xff" * 9 + b"\x10", False),
        (SEQUENCE + TD * 70 + frame_obu(KEY), False),  # more OBUs than are looked at
        (SEQUENCE + b"\xb2\x03\x10xx", False),  # forbidden bit
        (b"\x8a\x02\0\x80" + frame_obu(KEY), False),
        (SEQUENCE, False),
        (TD, False),
        (b"", False),
    ],
)
def test_av1_key_frames_are_random_access_points(frame, key):
    assert AV1.is_key(frame) is key


@pytest.mark.clause("frame.8-17")
def test_a_sealed_av1_frame_is_no_key_frame():
    assert not AV1.is_key(AV1.seal(SEQUENCE + frame_obu(KEY), protector()))

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2ecall.errors import ApiMisuse, FrameReason, FrameRejected
from e2ecall.sframe import decode_header, encode_header

values = st.one_of(st.integers(0, 2**64 - 1), *(st.integers(0, 2**bits - 1) for bits in (3, 8, 9, 16, 24, 32, 48)))


def refused(data):
    with pytest.raises(FrameRejected) as caught:
        decode_header(data)
    assert caught.value.reason is FrameReason.MALFORMED
    return caught.value.clause


@pytest.mark.clause("frame.2-1")
@pytest.mark.parametrize(
    ("kid", "ctr", "header"),
    [(0, 0, "00"), (7, 7, "77"), (8, 0, "8008"), (0, 8, "0808"), (16, 255, "8810ff"), (255, 256, "89ff0100")],
)
def test_values_below_8_travel_in_the_config_byte_and_others_behind_it(kid, ctr, header):
    assert encode_header(kid, ctr).hex() == header
    assert decode_header(bytes.fromhex(header)) == (kid, ctr, len(header) // 2)


@pytest.mark.clause("frame.2-1")
@settings(deadline=None)
@given(values, values, st.binary(max_size=20))
def test_every_pair_comes_back_and_what_follows_the_header_is_not_read(kid, ctr, rest):
    header = encode_header(kid, ctr)
    assert decode_header(header + rest) == (kid, ctr, len(header))
    assert len(header) <= 17


@pytest.mark.clause("frame.2-1")
@pytest.mark.parametrize(("kid", "ctr"), [(-1, 0), (0, -1), (2**64, 0), (0, 2**64)])
def test_what_does_not_fit_64_bits_is_not_encoded(kid, ctr):
    with pytest.raises(ApiMisuse):
        encode_header(kid, ctr)


@pytest.mark.clause("frame.2-2")
@settings(deadline=None)
@given(values, values)
def test_a_header_cut_anywhere_is_refused(kid, ctr):
    header = encode_header(kid, ctr)
    assert {refused(header[:n]) for n in range(len(header))} == {"frame.2-2"}


@pytest.mark.clause("frame.2-3")
@settings(deadline=None)
@given(values, values, st.integers(1, 7), st.integers(0, 7))
def test_a_longer_encoding_of_the_same_values_is_refused(kid, ctr, extra, where):
    """Every encoding of 1 to 8 bytes a field that is longer than the shortest."""

    def field(value, length):
        return (8 | length - 1, value.to_bytes(length, "big")) if length else (value, b"")

    def shortest(value):
        return 0 if value < 8 else (value.bit_length() + 7) // 8

    lengths = [shortest(kid), shortest(ctr)]
    lengths[where & 1] = min(8, lengths[where & 1] + extra)
    if lengths == [shortest(kid), shortest(ctr)]:
        return
    (k, kid_field), (c, ctr_field) = field(kid, lengths[0]), field(ctr, lengths[1])
    assert refused(bytes([k << 4 | c]) + kid_field + ctr_field) == "frame.2-3"


@pytest.mark.clause("frame.2-2", "frame.2-3")
@settings(deadline=None)
@given(st.binary(max_size=24))
def test_any_bytes_are_the_one_encoding_of_a_pair_or_malformed(data):
    try:
        kid, ctr, length = decode_header(data)
    except FrameRejected:
        assert refused(data) in {"frame.2-2", "frame.2-3"}
    else:
        assert encode_header(kid, ctr) == data[:length]

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2ecall.errors import ApiMisuse, FrameReason, FrameRejected
from e2ecall.sframe import decode_header, encode_header
from e2ecall.sframe.header import SHAPES, kid_prefixes

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
@given(values, values)
def test_a_header_cut_anywhere_is_refused(kid, ctr):
    header = encode_header(kid, ctr)
    assert {refused(header[:n]) for n in range(len(header))} == {"frame.2-2"}


@pytest.mark.clause("frame.2-3")
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


@pytest.mark.clause("frame.2-3")
@pytest.mark.parametrize("length", range(1, 9))
def test_the_largest_value_that_needs_one_byte_less_is_refused_and_the_next_one_is_not(length):
    largest = 7 if length == 1 else 256 ** (length - 1) - 1
    for value, fine in ((0, False), (largest, False), (largest + 1, True)):
        field = value.to_bytes(length)
        for data, pair in (
            (bytes([0x80 | length - 1 << 4]) + field, (value, 0)),
            (bytes([0x08 | length - 1]) + field, (0, value)),
        ):
            if fine:
                assert decode_header(data) == (*pair, 1 + length)
            else:
                assert refused(data) == "frame.2-3"


@pytest.mark.clause("frame.2-2", "frame.2-3")
@given(st.binary(max_size=24))
def test_any_bytes_are_the_one_encoding_of_a_pair_or_malformed(data):
    try:
        kid, ctr, length = decode_header(data)
    except FrameRejected:
        assert refused(data) in {"frame.2-2", "frame.2-3"}
    else:
        assert encode_header(kid, ctr) == data[:length]


def by_length(length):
    """The values at both ends of those that take `length` bytes of their own; 0: none."""
    if length == 0:
        return 0, 1, 7
    return 8 if length == 1 else 256 ** (length - 1), 256 ** (length - 1) + 8, 256**length - 1


def read_as_prefix(header):
    """What the receiver's fast path reads from a header: the prefix and the CTR."""
    shape = SHAPES[header[0]]
    number = int.from_bytes(header[: shape.length])
    return number >> shape.ctr_bits, number & shape.ctr_mask, shape


@pytest.mark.clause("frame.2-1")
@pytest.mark.parametrize("kid_length", range(9))
@pytest.mark.parametrize("ctr_length", range(9))
def test_a_header_read_as_one_integer_is_the_header_read_field_by_field(kid_length, ctr_length):
    for kid in by_length(kid_length):
        for ctr in by_length(ctr_length):
            header = encode_header(kid, ctr)
            prefix, read, shape = read_as_prefix(header + b"whatever comes behind")
            assert shape.length == len(header) == decode_header(header)[2]
            if ctr_length:
                assert (read, shape.ctr_floor <= ctr, prefix in kid_prefixes(kid)) == (ctr, True, True)
            else:
                assert read < shape.ctr_floor
                assert prefix not in kid_prefixes(kid)


@pytest.mark.clause("frame.2-1")
def test_no_two_kids_share_a_prefix():
    kids = {*range(600), *(kid + d for length in range(9) for kid in by_length(length) for d in (0, 1, 256, 65_536))}
    kids = sorted(kid for kid in kids if kid < 2**64)
    prefixes = [prefix for kid in kids for prefix in kid_prefixes(kid)]
    assert len(prefixes) == len(set(prefixes)) == 8 * len(kids)


@pytest.mark.clause("frame.2-2", "frame.2-3")
@given(values, st.binary(max_size=20))
def test_only_a_well_formed_header_finds_its_kid_by_prefix(kid, data):
    """Whatever is cut short or too long has a prefix that no KID has, or a CTR below its floor."""
    if not data:
        return
    for candidate in (data, encode_header(kid, 2**64 - 1)[: data[0] % 17 + 1], bytes([0x88, 0]) + data):
        prefix, ctr, shape = read_as_prefix(candidate)
        try:
            named, read, _ = decode_header(candidate)
        except FrameRejected:
            named = kid
            assert prefix not in kid_prefixes(kid) or ctr < shape.ctr_floor
        else:
            assert (prefix in kid_prefixes(named)) == (read >= 8)


@pytest.mark.clause("frame.2-2", "frame.2-3")
def test_no_header_of_up_to_three_bytes_is_mistaken():
    known = {prefix: kid for kid in range(0, 65_536, 5) for prefix in kid_prefixes(kid)}
    for number in range(0, 1 << 24, 61):
        for data in (number.to_bytes(3), (number >> 8).to_bytes(2), bytes([number >> 16])):
            prefix, ctr, shape = read_as_prefix(data)
            found = known.get(prefix) if ctr >= shape.ctr_floor else None
            if found is not None:
                assert decode_header(data) == (found, ctr, shape.length)

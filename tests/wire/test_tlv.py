"""TLV lists: what is read quickly is what the declaration says, and a list cut short never passes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2ecall.errors import MalformedMessage
from e2ecall.wire.declared import parse_exact
from e2ecall.wire.tlv import CRITICAL, FIELDS, decode_tlv, encode_tlv

lists = st.dictionaries(st.integers(0, CRITICAL - 1), st.binary(max_size=300), max_size=12)


def declared(data):
    """The list as the declaration reads it."""
    return {field.type & ~CRITICAL: bytes(field.value) for field in parse_exact(FIELDS, data, "list")}


def told(read):
    """The list, or what is said of the damage."""
    try:
        return read()
    except MalformedMessage as error:
        return error.message, error.offset


@pytest.mark.clause("kex.4-1")
@given(lists)
def test_what_is_read_is_what_the_declaration_says(fields):
    data = encode_tlv(fields, "list")
    assert decode_tlv(data, fields, "list") == declared(data) == fields


@pytest.mark.clause("kex.2-2")
@given(lists, st.data())
def test_a_list_cut_short_is_malformed_or_a_shorter_list(fields, draw):
    data = encode_tlv(fields, "list")
    cut = data[: draw.draw(st.integers(0, len(data)))]
    assert told(lambda: decode_tlv(cut, fields, "list")) == told(lambda: declared(cut))


@pytest.mark.clause("kex.2-2")
@pytest.mark.parametrize("data", [b"\x00", b"\x00\x01\x00", b"\x00\x01\x00\x01", b"\x00\x01\xff\xff" + bytes(65534)])
def test_a_field_that_is_not_all_there(data):
    with pytest.raises(MalformedMessage):
        decode_tlv(data, range(9), "list")


@pytest.mark.clause("kex.4-1", "kex.4-2", "kex.4-3")
def test_sixteen_thousand_empty_fields_are_a_list():
    data = encode_tlv(dict.fromkeys(range(16_000), b""), "list")
    assert decode_tlv(data, (), "list") == {}
    assert len(decode_tlv(data, range(16_000), "list")) == 16_000
    with pytest.raises(MalformedMessage, match="critical"):
        decode_tlv(data + b"\xff\xff\x00\x00", range(16_000), "list")

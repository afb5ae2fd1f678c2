"""The declarations' helpers: exact parsing with offset and path, building, describing; and TLV lists."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2ecall.errors import ApiMisuse, E2ECallError, MalformedMessage
from e2ecall.handshake.messages import Abort, Answer, Finish, Offer, Reveal, Suite
from e2ecall.wire.declared import build_bytes, describe, lv, parse_exact
from e2ecall.wire.handshake import ANSWER, FINISH, MESSAGES, OFFER, REVEAL
from e2ecall.wire.tlv import decode_tlv, encode_tlv


def test_lv():
    assert lv(b"") == bytes(4)
    assert lv(b"abc") == b"\0\0\0\3abc"


def test_the_error_has_the_offset_and_the_field():
    with pytest.raises(MalformedMessage) as caught:
        parse_exact(FINISH, b"\1\4" + bytes(16) + b"\0\5abc", "finish")
    assert caught.value.path == "finish.sealed"
    assert caught.value.offset == 23
    assert str(caught.value) == "finish cannot be read (clause kex.2-2) at finish.sealed, byte 23"


def test_what_does_not_fit_is_misuse():
    with pytest.raises(ApiMisuse, match="sealed does not fit"):
        build_bytes(FINISH, {"version": 1, "type": 4, "call_id": bytes(16), "sealed": bytes(65536)}, "finish")


def test_the_byte_tables():
    assert [(row.name, row.size) for row in describe(OFFER)] == [
        ("version", "1"),
        ("type", "1"),
        ("call_id", "16"),
        ("suites", "1 + 2 n"),
        ("x25519", "32"),
        ("ek", "2 + n"),
        ("psk_mode", "1"),
        ("psk_id", "0 or 16"),
        ("ext", "2 + n"),
        ("commitment", "32"),
    ]
    assert [row.size for row in describe(ANSWER)] == ["1", "1", "16", "2", "32", "2 + n", "32", "2 + n"]
    assert [row.size for row in describe(REVEAL)] == ["1", "1", "16", "32", "2 + n"]
    assert all(row.meaning for declaration in MESSAGES.values() for row in describe(declaration))


fields = st.dictionaries(st.integers(0, 0x7FFF), st.binary(max_size=40), max_size=6)


@given(fields)
def test_tlv_round_trip(values):
    assert decode_tlv(encode_tlv(values, "list"), values.keys(), "list") == values
    assert decode_tlv(encode_tlv(values, "list"), (), "list") == {}


@pytest.mark.clause("kex.4-1")
@given(fields.filter(lambda values: len(values) > 1), st.randoms())
def test_only_the_ascending_order_is_taken(values, random):
    parts = [encode_tlv({number: value}, "list") for number, value in values.items()]
    random.shuffle(parts)
    data = b"".join(parts)
    if data == encode_tlv(values, "list"):
        assert decode_tlv(data, values.keys(), "list") == values
    else:
        with pytest.raises(MalformedMessage):
            decode_tlv(data, values.keys(), "list")


@pytest.mark.clause("kex.2-2")
@given(st.binary(max_size=200), st.sampled_from([b"", b"\1\1", b"\1\2", b"\1\3", b"\1\4", b"\1\5"]))
def test_any_bytes_give_a_message_or_a_typed_error(data, head):
    for parse in (Offer.parse, lambda d: Answer.parse(d, tuple(Suite)), Reveal.parse, Finish.parse, Abort.parse):
        with contextlib.suppress(E2ECallError):
            assert parse(head + data) is not None


@given(st.binary(max_size=120))
def test_any_bytes_give_a_list_or_a_typed_error(data):
    try:
        values = decode_tlv(data, range(0x8000), "list")
    except MalformedMessage:
        return
    assert len(encode_tlv(values, "list")) == len(data)

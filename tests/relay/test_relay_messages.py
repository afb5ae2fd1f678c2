"""relay.2, relay.3: the bytes of every message, and each way to get them wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2ecall.errors import ApiMisuse, MalformedMessage
from e2ecall.relay.mailbox import refused
from e2ecall.relay.messages import (
    DECLARATIONS,
    Delivered,
    Joined,
    Left,
    MediaAnswer,
    MediaOffer,
    Post,
    Refused,
    RefusedReason,
    Welcome,
    decode_from_member,
    decode_from_relay,
    encode,
)

EXACT = [
    (Post(b"\x00ab"), "01 00 61 62"),
    (Post(b""), "01"),
    (MediaOffer("v=0é"), "02 76 3d 30 c3 a9"),
    (Welcome(1, 2), "10 01 02"),
    (Joined(0), "11 00"),
    (Left(1), "12 01"),
    (Delivered(1, b"xyz"), "13 01 78 79 7a"),
    (MediaAnswer("v"), "14 76"),
    (Refused(RefusedReason.ROOM_FULL, "no"), "15 41 6e 6f"),
]
FROM_MEMBER = (Post, MediaOffer)

seats = st.integers(0, 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
printable = st.text(max_size=64).filter(str.isprintable)
from_member = st.builds(Post, st.binary(max_size=300)) | st.builds(MediaOffer, texts)
from_relay = st.one_of(
    st.builds(Welcome, seats, st.integers(1, 2)),
    st.builds(Joined, seats),
    st.builds(Left, seats),
    st.builds(Delivered, seats, st.binary(max_size=300)),
    st.builds(MediaAnswer, texts),
    st.builds(Refused, st.sampled_from(RefusedReason), printable),
)


def decoder(message):
    return decode_from_member if isinstance(message, FROM_MEMBER) else decode_from_relay


def attempt(decode, data):
    try:
        return decode(data)
    except MalformedMessage as error:
        return error


@pytest.mark.clause("relay.2-1")
@pytest.mark.parametrize(("message", "expected"), EXACT, ids=lambda value: type(value).__name__)
def test_exact_bytes_both_ways(message, expected):
    assert encode(message) == bytes.fromhex(expected)
    assert decoder(message)(bytes.fromhex(expected)) == message


def test_every_message_has_an_exact_example():
    assert {type(message) for message, _ in EXACT} == set(DECLARATIONS)


@pytest.mark.clause("relay.2-1")
@given(from_member | from_relay)
def test_round_trip(message):
    assert decoder(message)(encode(message)) == message


@pytest.mark.clause("relay.2-2")
@given(
    st.binary(max_size=40)
    | st.tuples(st.sampled_from(range(24)), st.binary(max_size=8)).map(lambda t: bytes([t[0]]) + t[1])
)
def test_any_bytes_are_a_message_or_malformed(data):
    for decode in (decode_from_member, decode_from_relay):
        outcome = attempt(decode, data)
        if isinstance(outcome, MalformedMessage):
            assert outcome.offset is not None
            assert 0 <= outcome.offset <= len(data)
            assert outcome.clause in {"relay.2-2", "relay.2-3"}
        else:
            assert encode(outcome) == data


@pytest.mark.clause("relay.2-2")
@pytest.mark.parametrize(
    ("decode", "data", "offset", "path"),
    [
        (decode_from_member, b"", 0, None),
        (decode_from_relay, b"", 0, None),
        (decode_from_member, b"\x00", 0, "type"),
        (decode_from_member, b"\x03abc", 0, "type"),
        (decode_from_member, b"\x10\x00\x01", 0, "type"),  # a welcome from a member
        (decode_from_relay, b"\x01abc", 0, "type"),  # a post from the relay
        (decode_from_relay, b"\xff", 0, "type"),
        (decode_from_relay, b"\x10\x00", 2, "Welcome.members"),
        (decode_from_relay, b"\x10\x00\x01\x00", 3, "Welcome"),
        (decode_from_relay, b"\x10\x02\x01", 1, "Welcome.seat"),
        (decode_from_relay, b"\x10\x00\x00", 2, "Welcome.members"),
        (decode_from_relay, b"\x10\x00\x03", 2, "Welcome.members"),
        (decode_from_relay, b"\x11", 1, "Joined.seat"),
        (decode_from_relay, b"\x11\x01\x00", 2, "Joined"),
        (decode_from_relay, b"\x12\x02", 1, "Left.seat"),
        (decode_from_relay, b"\x13", 1, "Delivered.seat"),
        (decode_from_relay, b"\x13\x07x", 1, "Delivered.seat"),
        (decode_from_relay, b"\x14v=\xff", 3, "MediaAnswer.sdp"),
        (decode_from_member, b"\x02\xc3", 1, "MediaOffer.sdp"),
        (decode_from_relay, b"\x15", 1, "Refused.reason"),
        (decode_from_relay, b"\x15\x04no", 1, "Refused.reason"),
        (decode_from_relay, b"\x15\x41\x80", 2, "Refused.text"),
    ],
)
def test_malformed(decode, data, offset, path):
    with pytest.raises(MalformedMessage) as caught:
        decode(data)
    assert (caught.value.offset, caught.value.path, caught.value.clause) == (offset, path, "relay.2-2")


@pytest.mark.clause("relay.2-3")
@pytest.mark.parametrize("text", ["\x1b[2J", "two\nlines", "\u202egnp.exe", "x" * 257, "é" * 129])
def test_text_that_a_terminal_would_obey(text):
    with pytest.raises(MalformedMessage) as caught:
        decode_from_relay(b"\x15\x41" + text.encode())
    assert (caught.value.offset, caught.value.path, caught.value.clause) == (2, "Refused.text", "relay.2-3")
    with pytest.raises(ApiMisuse):
        encode(Refused(RefusedReason.ROOM_FULL, text))


@pytest.mark.clause("relay.2-3")
@given(st.sampled_from(RefusedReason), st.text(max_size=400))
def test_the_relays_own_refusals_can_always_be_shown(reason, detail):
    refusal = refused(reason, detail)
    assert decode_from_relay(encode(refusal)) == refusal


@pytest.mark.clause("relay.2-1")
@pytest.mark.parametrize(
    "message", [Welcome(2, 1), Welcome(0, 3), Joined(-1), Left(256), Delivered(2, b""), MediaOffer("\ud800")]
)
def test_a_value_that_does_not_fit_is_our_mistake(message):
    with pytest.raises(ApiMisuse):
        encode(message)


@pytest.mark.clause("relay.3-1", "relay.3-2")
def test_reasons_by_range():
    assert {reason.value for reason in RefusedReason if not reason.ends and not reason.concerns_offer} == {1, 2, 3}
    assert {reason.value for reason in RefusedReason if reason.concerns_offer} == {32, 33}
    assert {reason.value for reason in RefusedReason if reason.ends} == set(range(64, 72))


def test_contents_stay_out_of_reprs():
    shown = repr([Post(b"PRIVATE"), Delivered(0, b"PRIVATE"), MediaOffer("PRIVATE"), MediaAnswer("PRIVATE")])
    assert "PRIVATE" not in shown

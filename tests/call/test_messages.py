"""control.3: the messages as values: what is written is read, and what is not of its type is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2ecall.call.control import ControlMessage
from e2ecall.call.messages import (
    CHAT_LIMIT,
    SIGNATURE,
    AppData,
    Bye,
    Candidate,
    Chat,
    Heartbeat,
    Mute,
    Receipt,
    ReceiptMethod,
    Rk1,
    Rk2,
    Sdp,
    Streams,
    StreamState,
    decode,
)
from e2ecall.call.streams import Source
from e2ecall.errors import ApiMisuse, E2ECallError, MalformedMessage, PeerMisbehaved
from e2ecall.handshake.messages import AbortReason
from e2ecall.handshake.rekey import Signed
from e2ecall.wire.tlv import CRITICAL, decode_tlv, encode_tlv

TH2 = bytes(range(32))
MARK = bytes(range(64))
SIGNED = (Heartbeat, Receipt)
EXAMPLES = [
    Sdp(False, "v=0\r\n"),
    Sdp(True, ""),
    Candidate("0", "candidate:1 1 udp 1 192.0.2.1 9 typ host"),
    Candidate("0", ""),
    Streams(2, "video", "vp8"),
    Streams(1023, "audio", "opus", Source.SCREEN_SOUND, 0, StreamState.ENDED),
    Streams(3, "video", "h264", Source.SCREEN, 255),
    Mute(0, muted=True),
    Mute(65535, muted=False),
    Rk1(Signed(b"one half", MARK)),
    Rk2(Signed(b"", MARK)),
    Heartbeat(7, TH2, 3),
    Heartbeat(2**32 - 1, TH2, 2**32 - 1, ((0, 0), (1, 2**64 - 1))),
    Chat("ß"),
    Chat("x" * CHAT_LIMIT),
    Receipt(ReceiptMethod.EMOJI, matched=True, th2=TH2),
    Receipt(ReceiptMethod.LINK, matched=False, th2=TH2),
    Bye(),
    Bye(AbortReason.DECLINED),
    AppData("", b""),
    AppData("x" * 255, b"\0" * 65535),
]


def received(kind, fields):
    return ControlMessage(kind, 1, fields, 0, encode_tlv(fields, "control"))


def fields_of(message):
    return message.fields() | ({SIGNATURE: MARK} if isinstance(message, SIGNED) else {})


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__.lower())
def test_what_is_written_is_read(message):
    assert decode(received(message.type, fields_of(message))) == message


def test_the_types_have_their_numbers():
    kinds = (Sdp, Candidate, Streams, Mute, Rk1, Rk2, None, Heartbeat, Chat, Receipt, Bye, AppData)
    assert {kind.type: kind for kind in kinds if kind} == {n: kind for n, kind in enumerate(kinds, 1) if kind}


@pytest.mark.clause("control.2-5")
@pytest.mark.parametrize("kind", [0, 7, 13, 200, 255])
def test_an_unknown_type_is_none_of_them(kind):
    assert decode(received(kind, {1: b"x", 2: b""})) is None


REQUIRED = {Sdp: 2, Candidate: 2, Mute: 2, Chat: 1, AppData: 2, Rk1: 2, Rk2: 2, Heartbeat: 4, Receipt: 4, Streams: 5}


@pytest.mark.clause("control.3-2", "control.3-3")
@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__.lower())
def test_without_any_required_field_it_is_malformed(message):
    fields = fields_of(message)
    refused = 0
    for number in fields:
        rest = {other: value for other, value in fields.items() if other != number}
        if (type(message), number) in {(Streams, 5), (Heartbeat, 4), (Bye, 1)}:
            assert decode(received(message.type, rest)) is not None
            continue
        with pytest.raises(MalformedMessage) as caught:
            decode(received(message.type, rest))
        assert caught.value.clause == "control.3-2"
        assert str(number) in caught.value.path
        refused += 1
    assert refused == REQUIRED.get(type(message), 0)


BAD = [
    (Sdp(False, ""), {1: b"\2"}),
    (Sdp(False, ""), {1: b""}),
    (Sdp(False, ""), {1: b"\0\0"}),
    (Sdp(False, ""), {2: b"\xff"}),
    (Candidate("0", ""), {1: b"\xff"}),
    (Candidate("0", ""), {2: b"\xed\xa0\x80"}),
    (Streams(2, "video", "vp8"), {1: b"\2"}),
    (Streams(2, "video", "vp8"), {2: b"\2"}),
    (Streams(2, "video", "vp8"), {3: b"VP8"}),
    (Streams(2, "video", "vp8"), {3: b"\xff"}),
    (Streams(2, "video", "vp8"), {4: b"\5"}),
    (Streams(2, "video", "vp8"), {5: b""}),
    (Streams(2, "video", "vp8"), {6: b"\2"}),
    (Mute(0, muted=True), {1: b"\0"}),
    (Mute(0, muted=True), {2: b"\2"}),
    (Rk1(Signed(b"x", MARK)), {SIGNATURE: MARK[1:]}),
    (Rk2(Signed(b"x", MARK)), {SIGNATURE: MARK + b"\0"}),
    (Heartbeat(0, TH2, 1), {1: bytes(3)}),
    (Heartbeat(0, TH2, 1), {2: TH2[1:]}),
    (Heartbeat(0, TH2, 1), {3: bytes(5)}),
    (Heartbeat(0, TH2, 1), {4: bytes(9)}),
    (Heartbeat(0, TH2, 1), {SIGNATURE: MARK[1:]}),
    (Chat("x"), {1: b""}),
    (Chat("x"), {1: b"x" * 4097}),
    (Chat("x"), {1: b"\xc0\x80"}),
    (Receipt(ReceiptMethod.QR, matched=True, th2=TH2), {1: b"\0"}),
    (Receipt(ReceiptMethod.QR, matched=True, th2=TH2), {1: b"\6"}),
    (Receipt(ReceiptMethod.QR, matched=True, th2=TH2), {2: b"\2"}),
    (Receipt(ReceiptMethod.QR, matched=True, th2=TH2), {3: TH2 + b"\0"}),
    (Receipt(ReceiptMethod.QR, matched=True, th2=TH2), {SIGNATURE: b""}),
    (Bye(), {1: b""}),
    (Bye(), {1: b"\0\0"}),
    (AppData("", b""), {1: b"x" * 256}),
    (AppData("", b""), {1: b"\xff"}),
]


@pytest.mark.clause("control.3-2", "control.3-3")
@pytest.mark.parametrize(("message", "change"), BAD, ids=lambda each: "" if isinstance(each, dict) else repr(each)[:9])
def test_a_field_of_another_length_range_or_alphabet_is_malformed(message, change):
    assert decode(received(message.type, fields_of(message))) == message
    with pytest.raises(MalformedMessage) as caught:
        decode(received(message.type, fields_of(message) | change))
    assert caught.value.clause == "control.3-2"


@pytest.mark.clause("kex.4-2", "control.3-2")
@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__.lower())
def test_an_unknown_field_is_ignored_and_a_critical_one_refused(message):
    fields = fields_of(message)
    number = 9
    assert decode(received(message.type, fields | {number: b"later"})) == message
    later = encode_tlv(fields | {number: b"later"}, "control")
    plain = number.to_bytes(2) + b"\0\5later"
    assert plain in later
    critical = later.replace(plain, (number | CRITICAL).to_bytes(2) + plain[2:])
    read = decode_tlv(critical, range(0x8000), "control")
    with pytest.raises(MalformedMessage) as caught:
        decode(ControlMessage(message.type, 1, read, 0, critical))
    assert caught.value.clause == "kex.4-2"


def test_an_unknown_reason_of_a_bye_is_unspecified():
    assert decode(received(Bye.type, {1: b"\xee"})) == Bye()


@pytest.mark.clause("control.3-6")
def test_sdp_carries_no_candidates_either_way():
    sdp = "v=0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n"
    with pytest.raises(ApiMisuse):
        Sdp(False, sdp).fields()
    with pytest.raises(PeerMisbehaved) as caught:
        decode(received(Sdp.type, {1: b"\0", 2: sdp.encode()}))
    assert caught.value.clause == "control.3-6"


@pytest.mark.parametrize(
    "message",
    [
        Chat(""),
        Chat("x" * 4097),
        Chat("ß" * 2049),
        Chat("\ud800"),
        Sdp(False, "\udfff"),
        Candidate("\ud800", ""),
        AppData("ß" * 128, b""),
        AppData("", bytes(65536)),
    ],
    ids=range(8),
)
def test_what_does_not_fit_is_this_programs_mistake(message):
    with pytest.raises(ApiMisuse):
        message.fields()


@given(st.integers(0, 255), st.dictionaries(st.sampled_from([1, 2, 3, 4, 5, 6, 9, SIGNATURE]), st.binary(max_size=80)))
def test_whatever_comes_only_our_own_errors_leave(kind, fields):
    try:
        message = decode(received(kind, fields))
    except E2ECallError:
        return
    if message is not None:
        known = {number: value for number, value in fields.items() if number in fields_of(message)}
        assert fields_of(message).keys() == known.keys() | ({SIGNATURE} & fields_of(message).keys())

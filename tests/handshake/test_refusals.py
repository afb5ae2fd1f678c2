"""Every MUST-reject of the exchange, each with its reason: kex.2, kex.4, kex.7, kex.8."""

import struct

import pytest

from e2ecall.errors import (
    ApiMisuse,
    E2ECallError,
    MalformedMessage,
    PeerIncompatible,
    PeerMisbehaved,
    VerificationFailed,
)
from e2ecall.handshake import Abort, LinkSecret, Suite
from e2ecall.secret import SecretBytes
from support import oracle
from support.parties import ALICE, BOB, CALL_ID, SeededRng, answer, link_secret, offer

LOW_ORDER_X25519 = [
    bytes(32),
    b"\1" + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
]


def states():
    a1 = offer()
    b1 = answer(a1.offer)
    return a1, b1


def all_messages():
    """(name, honest message, the function that receives it in a fresh exchange)."""
    a1, b1 = states()
    a2 = a1.receive_answer(b1.answer, ALICE)
    b2 = b1.receive_reveal(a2.reveal)
    m4, _ = b2.accept(BOB)
    return {
        "offer": (a1.offer, answer),
        "answer": (b1.answer, lambda data: offer().receive_answer(data, ALICE)),
        "reveal": (a2.reveal, lambda data: answer(a1.offer).receive_reveal(data)),
        "finish": (m4, lambda data: offer().receive_answer(answer(offer().offer).answer, ALICE).receive_finish(data)),
        "abort": (b"\1\5" + CALL_ID + b"\1", Abort.parse),
    }


MESSAGES = all_messages()


@pytest.mark.clause("kex.2-1")
@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version_is_incompatible(name, version):
    data, receive = MESSAGES[name]
    with pytest.raises(PeerIncompatible, match=f"version {version} "):
        receive(bytes([version]) + data[1:])


@pytest.mark.clause("kex.2-2")
@pytest.mark.parametrize("name", MESSAGES)
def test_every_truncation_and_any_trailing_byte_is_malformed(name):
    data, receive = MESSAGES[name]
    for length in {*range(min(len(data), 70)), *range(0, len(data), 37), len(data) - 1}:
        with pytest.raises(MalformedMessage) as caught:
            receive(data[:length])
        assert caught.value.path is not None
    with pytest.raises(MalformedMessage) as caught:
        receive(data + b"\0")
    assert caught.value.offset == len(data)


@pytest.mark.clause("kex.2-2")
@pytest.mark.parametrize("name", MESSAGES)
def test_an_unknown_type_is_malformed(name):
    data, receive = MESSAGES[name]
    with pytest.raises(MalformedMessage, match="no message has type 77"):
        receive(data[:1] + b"\x4d" + data[2:])


@pytest.mark.clause("kex.2-6")
@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("other", MESSAGES)
def test_a_message_out_of_turn_is_misbehaviour(name, other):
    if name == other:
        return
    _, receive = MESSAGES[name]
    with pytest.raises(PeerMisbehaved, match=f"expected {name}, received {other}"):
        receive(MESSAGES[other][0])


@pytest.mark.clause("kex.2-3")
def test_messages_of_another_call():
    other = bytes(16)
    a1, b1 = states()
    m2 = b1.answer[:2] + other + b1.answer[18:]
    with pytest.raises(PeerMisbehaved, match="another call"):
        a1.receive_answer(m2, ALICE)
    a2 = a1.receive_answer(b1.answer, ALICE)
    with pytest.raises(PeerMisbehaved, match="another call"):
        b1.receive_reveal(a2.reveal[:2] + other + a2.reveal[18:])
    with pytest.raises(PeerMisbehaved, match="another call"):
        a2.receive_finish(b"\1\4" + other + b"\0\x10" + bytes(16))


@pytest.mark.clause("kex.2-4")
def test_suite_lists_and_key_lengths():
    m1 = offer().offer
    ek_at = 19 + 4 + 32
    cases = {
        "no suite": m1[:18] + b"\0" + m1[23:],
        "a suite twice": m1[:19] + b"\0\1\0\1" + m1[23:],
        "an ek without suite 1": m1[:19] + b"\0\2\0\3" + m1[23:],
        "no ek with suite 1": m1[:ek_at] + b"\0\0" + m1[ek_at + 2 + 1184 :],
        "a short ek": m1[:ek_at] + struct.pack("!H", 1183) + m1[ek_at + 3 :],
    }
    for case, data in cases.items():
        with pytest.raises(MalformedMessage) as caught:
            answer(data)
        assert caught.value.clause == "kex.2-4", case
    a1, b1 = states()
    no_ct = b1.answer[:52] + b"\0\0" + b1.answer[54 + 1088 :]
    with pytest.raises(MalformedMessage, match=r"answer\.ct has 0 bytes"):
        a1.receive_answer(no_ct, ALICE)
    with_ct = b1.answer[:18] + b"\0\2" + b1.answer[20:]
    with pytest.raises(MalformedMessage, match=r"answer\.ct has 1088 bytes, not 0"):
        a1.receive_answer(with_ct, ALICE)


@pytest.mark.clause("kex.2-5")
def test_psk_mode_is_0_or_1():
    m1 = offer().offer
    at = len(m1) - 32 - 2 - 1
    assert m1[at] == 0
    with pytest.raises(MalformedMessage, match="psk_mode"):
        answer(m1[:at] + b"\2" + m1[at + 1 :])


@pytest.mark.clause("kex.7-1")
@pytest.mark.parametrize("point", LOW_ORDER_X25519)
def test_low_order_x25519_on_both_sides(point):
    m1 = offer(suites=(Suite.X25519,)).offer
    body = m1[:21] + point + m1[53:-32]
    nonce = SeededRng("a").draw("nonce", 32)
    with pytest.raises(PeerMisbehaved, match="low order") as caught:
        answer(body + oracle.commitment(body + bytes(32), nonce))
    assert caught.value.clause == "kex.7-1"
    a1, b1 = states()
    with pytest.raises(PeerMisbehaved, match="low order"):
        a1.receive_answer(b1.answer[:20] + point + b1.answer[52:], ALICE)


@pytest.mark.clause("kex.5-2")
def test_a_refused_answer_spends_nothing():
    a1, b1 = states()
    for bad in (
        b"",
        b1.answer[:-1],
        b1.answer[:18] + b"\0\3" + b1.answer[20:],
        b1.answer[:20] + bytes(32) + b1.answer[52:],
        a1.offer,
    ):
        with pytest.raises(E2ECallError):
            a1.receive_answer(bad, ALICE)
        assert not a1.spent
    a2 = a1.receive_answer(b1.answer, ALICE)
    m4, _ = b1.receive_reveal(a2.reveal).accept(BOB)
    a2.receive_finish(m4)


@pytest.mark.clause("kex.5-2")
def test_a_suite_that_was_not_offered():
    a1 = offer(suites=(Suite.X25519_MLKEM768,))
    b1 = answer(offer(suites=(Suite.X25519,)).offer)
    with pytest.raises(PeerMisbehaved, match="not offered") as caught:
        a1.receive_answer(b1.answer, ALICE)
    assert caught.value.clause == "kex.5-2"


@pytest.mark.clause("kex.7-2")
@pytest.mark.parametrize("coefficient", [3329, 4095])
@pytest.mark.parametrize("at", [0, 1, 767])
def test_a_non_canonical_encapsulation_key(coefficient, at):
    m1 = bytearray(offer().offer)
    where = 19 + 4 + 32 + 2 + at // 2 * 3
    a, b, c = m1[where : where + 3]
    if at % 2 == 0:
        a, b = coefficient & 255, b & 0xF0 | coefficient >> 8
    else:
        b, c = b & 0x0F | (coefficient & 15) << 4, coefficient >> 4
    m1[where : where + 3] = bytes([a, b, c])
    with pytest.raises(PeerMisbehaved, match="not canonical") as caught:
        answer(bytes(m1))
    assert caught.value.clause == "kex.7-2"


@pytest.mark.clause("kex.8-1")
@pytest.mark.parametrize(
    ("theirs", "ours"), [(None, link_secret()), (link_secret(), None), (link_secret(7), link_secret(8))]
)
def test_link_secrets_that_do_not_match_fail_alike(theirs, ours):
    with pytest.raises(VerificationFailed, match="the link secrets do not match") as caught:
        answer(offer(secret=theirs).offer, secret=ours)
    assert caught.value.clause == "kex.8-1"


@pytest.mark.clause("kex.8-1")
def test_a_forged_psk_id_does_not_help():
    m1 = offer(secret=link_secret(7)).offer
    right = link_secret(8).psk_id(CALL_ID)
    body = m1[: -32 - 2 - 16] + right + m1[-34:-32]
    nonce = SeededRng("a").draw("nonce", 32)
    forged = body + oracle.commitment(body + bytes(32), nonce)
    b1 = answer(forged, secret=link_secret(8))
    a1 = offer(secret=link_secret(7))
    a1.offer = forged
    a2 = a1.receive_answer(b1.answer, ALICE)
    with pytest.raises(VerificationFailed, match="caller's proof"):
        b1.receive_reveal(a2.reveal)


@pytest.mark.clause("kex.8-2")
@pytest.mark.parametrize(
    "link",
    [
        "",
        "hello",
        "http://example.org/c/1#BwcHBwcHBwcHBwcHBwcHBw",
        "ftp://example.org#BwcHBwcHBwcHBwcHBwcHBw",
        "e2ecall://example.org",
        "e2ecall://example.org#",
        "e2ecall://example.org#BwcHBwcHBwcHBwcHBwcHB",
        "e2ecall://example.org#BwcHBwcHBwcHBwcHBwcHBww",
        "e2ecall://example.org#BwcHBwcHBwcHBwcHBwcHBx",
        "e2ecall://example.org#BwcHBwcHBwcHBwcHBwcHB=",
        "e2ecall://example.org#BwcHBwcHBwcH+wcHBwcHBw",
        "https://[broken#BwcHBwcHBwcHBwcHBwcHBw",
    ],
)
def test_bad_links(link):
    with pytest.raises(MalformedMessage) as caught:
        LinkSecret.parse(link)
    assert "BwcH" not in str(caught.value)


@pytest.mark.clause("kex.8-2")
@pytest.mark.parametrize("link", ["e2ecall://relay.example/x#", "e2ecall://relay.example#"])
def test_links_round_trip_and_derive(link):
    secret = LinkSecret.parse(link + "BwcHBwcHBwcHBwcHBwcHBw")
    assert secret.fragment == "BwcHBwcHBwcHBwcHBwcHBw"
    expected = oracle.link(b"\7" * 16, CALL_ID)
    assert secret.room() == expected["room"]
    assert secret.psk() == SecretBytes(expected["psk"])
    assert secret.psk_id(CALL_ID) == expected["psk_id"]
    assert repr(secret) == "<LinkSecret>"


def test_a_link_secret_of_another_length():
    with pytest.raises(ApiMisuse):
        LinkSecret(SecretBytes(bytes(15)))

"""What the sealed half of m3 and m4 may not say: kex.4, and the identity, signature and seal checks of kex.7."""

import struct
from dataclasses import replace

import pytest

from e2ecall.errors import (
    ApiMisuse,
    MalformedMessage,
    PeerMisbehaved,
    VerificationFailed,
)
from e2ecall.handshake import Profile, TransportMode
from support.crafted import CraftingCallee, CraftingCaller, signed, tlv
from support.parties import ALICE, BOB, CALL_ID, SeededRng, answer, offer, signer

SMALL_ORDER_ED25519 = [
    b"\1" + bytes(31),
    bytes(32),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
]
NOT_A_POINT = b"\2" + bytes(31)
NON_CANONICAL = bytes.fromhex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")


def states():
    a1 = offer()
    b1 = answer(a1.offer)
    return a1, b1


def with_ext(message, tail, ext):
    """The message with a TLV list in its (empty, `tail` bytes from the end) ext."""
    at = len(message) - tail - 2
    assert message[at : at + 2] == b"\0\0"
    return message[:at] + struct.pack("!H", len(ext)) + ext + message[at + 2 :]


BAD_LISTS = {
    "a field twice": (tlv(0x20, b"a") + tlv(0x20, b"b"), "kex.4-1"),
    "twice, once critical": (tlv(0x20, b"a") + tlv(0x8020, b"b"), "kex.4-1"),
    "out of order": (tlv(0x21, b"a") + tlv(0x20, b"b"), "kex.4-1"),
    "unknown critical": (tlv(0x8020, b"a"), "kex.4-2"),
    "truncated": (tlv(0x20, b"abc")[:-1], "kex.2-2"),
    "half a header": (b"\0\x20\0", "kex.2-2"),
}


@pytest.mark.clause("kex.4-1", "kex.4-2")
@pytest.mark.parametrize("case", BAD_LISTS)
def test_bad_lists_in_ext_and_payload(case):
    fields, clause = BAD_LISTS[case]
    a1, b1 = states()
    for receive in (
        lambda: answer(with_ext(a1.offer, 32, fields)),
        lambda: a1.receive_answer(with_ext(b1.answer, 0, fields), ALICE),
        lambda: caller_payload(tlv(1, CraftingCaller().public) + fields),
    ):
        with pytest.raises(MalformedMessage) as caught:
            receive()
        assert caught.value.clause == clause
        assert caught.value.path is not None


def caller_payload(*fields, **kw):
    """What a callee makes of an m3 with these fields, well sealed and signed."""
    caller = CraftingCaller()
    b1 = answer(caller.offer)
    return b1.receive_reveal(caller.reveal(b1.answer, caller.payload(*fields, **kw)))


def callee_payload(*fields, profile=ALICE, **kw):
    """What a caller makes of an m4 with these fields, well sealed and signed."""
    a1 = offer()
    callee = CraftingCallee(a1.offer)
    a2 = a1.receive_answer(callee.answer, profile)
    return a2.receive_finish(callee.finish(a2.reveal, callee.payload(*fields, **kw)))


def identity():
    return tlv(1, CraftingCaller().public)


@pytest.mark.clause("kex.4-3")
def test_unknown_fields_are_ignored_where_they_are_not_critical():
    a1, b1 = states()
    data = with_ext(b1.answer, 0, tlv(0x20, b"x") + tlv(0x7000, b""))
    a1.receive_answer(data, ALICE)
    ringing = caller_payload(identity() + tlv(0x20, b"x"))
    assert ringing.peer_identity == CraftingCaller().public
    assert callee_payload(identity() + tlv(0x20, b"x")).peer_identity == CraftingCaller().public


@pytest.mark.clause("kex.4-3")
def test_a_known_field_may_be_marked_critical():
    ringing = caller_payload(tlv(0x8001, CraftingCaller().public), tlv(0x8007, b"Eve"))
    assert ringing.peer_profile.name == "Eve"


def test_absent_fields_mean_relayed_and_the_default_suite():
    assert caller_payload(identity()).peer_profile == Profile()
    result = callee_payload(identity())
    assert result.peer_profile == Profile()
    assert result.frame_suite == 5
    assert result.peer_profile.transport is TransportMode.RELAYED


@pytest.mark.clause("kex.5-4")
def test_a_callee_names_a_suite_only_to_a_caller_that_did():
    for caller, named in ((Profile(), ()), (Profile(frame_suites=(5, 4)), (5,))):
        a1, b1 = states()
        a2 = a1.receive_answer(b1.answer, caller)
        m4, result = b1.receive_reveal(a2.reveal).accept(BOB)
        assert a2.receive_finish(m4).peer_profile.frame_suites == named
        assert result.frame_suite == 5


BAD_PAYLOADS = {
    "no identity": ((), MalformedMessage, "kex.4-4"),
    "short identity": ((tlv(1, bytes(31)),), MalformedMessage, "kex.4-4"),
    "mode 2": ((identity(), tlv(3, b"\2")), MalformedMessage, "kex.4-5"),
    "mode of two bytes": ((identity(), tlv(3, b"\0\1")), MalformedMessage, "kex.4-5"),
    "empty fingerprints": ((identity(), tlv(4, b"")), MalformedMessage, "kex.4-6"),
    "31 bytes of fingerprint": ((identity(), tlv(4, bytes(31))), MalformedMessage, "kex.4-6"),
    "direct without fingerprint": ((identity(), tlv(3, b"\0")), PeerMisbehaved, "kex.4-6"),
    "short X-Wing key": ((identity(), tlv(2, bytes(1215))), MalformedMessage, "kex.4-7"),
    "name of 65 bytes": ((identity(), tlv(7, b"n" * 65)), MalformedMessage, "kex.4-8"),
    "name not UTF-8": ((identity(), tlv(7, b"\xff")), MalformedMessage, "kex.4-8"),
    "SDP not UTF-8": ((identity(), tlv(5, b"\xff")), MalformedMessage, "kex.4-8"),
    "empty suites": ((identity(), tlv(6, b"")), MalformedMessage, "kex.4-9"),
    "a suite twice": ((identity(), tlv(6, b"\0\5\0\5")), MalformedMessage, "kex.4-9"),
    "half a suite": ((identity(), tlv(6, b"\0\5\0")), MalformedMessage, "kex.4-9"),
    "candidates": ((identity(), tlv(5, b"v=0\r\na=candidate:1")), PeerMisbehaved, "kex.4-10"),
    "identity not a point": ((tlv(1, NOT_A_POINT),), PeerMisbehaved, "kex.7-3"),
    "identity not canonical": ((tlv(1, NON_CANONICAL),), PeerMisbehaved, "kex.7-3"),
}


@pytest.mark.clause(
    "kex.4-4", "kex.4-5", "kex.4-6", "kex.4-7", "kex.4-8", "kex.4-9", "kex.4-10", "kex.7-3"
)  # fmt: skip
@pytest.mark.parametrize("side", [caller_payload, callee_payload])
@pytest.mark.parametrize("case", BAD_PAYLOADS)
def test_bad_payloads(side, case):
    fields, error, clause = BAD_PAYLOADS[case]
    with pytest.raises(error) as caught:
        side(*fields)
    assert caught.value.clause == clause


def test_a_whole_good_payload_is_taken():
    fields = (
        identity(),
        tlv(2, bytes(1216)),
        tlv(3, b"\0"),
        tlv(4, bytes(64)),
        tlv(5, b"v=0"),
        tlv(6, b"\0\5"),
        tlv(7, b"n" * 64),
    )
    taken = caller_payload(*fields).peer_profile
    unasked = [field for field in fields if field != tlv(6, b"\0\5")]  # a callee names a suite to a caller that did
    assert callee_payload(*unasked).peer_profile == replace(taken, frame_suites=())
    assert len(taken.fingerprints) == 2
    assert taken.frame_suites == (5,)
    assert taken.encryption_key == bytes(1216)


@pytest.mark.clause("kex.4-12")
@pytest.mark.parametrize(
    ("claimed", "shown"),
    [
        (None, ""),
        ("", ""),
        ("Zoë 🐝", "Zoë 🐝"),
        ("Bob\n(verified)", "Bob(verified)"),
        ("\x1b[2Jeve", "[2Jeve"),
        ("\u202eecilA", "ecilA"),
        ("a\u200bb\x00", "ab"),
        ("  ", ""),
    ],
)
def test_a_name_is_shown_without_what_could_rewrite_the_screen(claimed, shown):
    assert Profile(name=claimed).shown_name == shown


@pytest.mark.clause("kex.7-3")
@pytest.mark.parametrize("key", SMALL_ORDER_ED25519)
def test_small_order_identities_are_refused_even_with_a_signature_that_verifies(key):
    # Under a small-order key R = any small-order point and S = 0 is a signature that some libraries accept.
    body = tlv(1, key)
    forged = body + tlv(0x7FFF, b"\1" + bytes(63))
    caller = CraftingCaller()
    b1 = answer(caller.offer)
    with pytest.raises(PeerMisbehaved) as caught:
        b1.receive_reveal(caller.reveal(b1.answer, lambda th: forged))
    assert caught.value.clause == "kex.7-3"


@pytest.mark.clause("kex.7-4")
def test_the_own_identity_is_refused_on_both_sides():
    def seed(name):
        return SeededRng(name).draw("identity", 32)

    with pytest.raises(PeerMisbehaved) as caught:
        caller_payload(tlv(1, signer("bob").public), seed=seed("bob"))
    assert caught.value.clause == "kex.7-4"
    with pytest.raises(PeerMisbehaved) as caught:
        callee_payload(tlv(1, signer("alice").public), seed=seed("alice"))
    assert caught.value.clause == "kex.7-4"


@pytest.mark.clause("kex.7-5", "kex.4-11")
def test_signatures_with_another_label_context_or_key():
    for make in (
        lambda: caller_payload(identity(), label=b"e2ecall/1 sig callee"),
        lambda: caller_payload(identity(), seed=bytes(32)),
        lambda: callee_payload(identity(), label=b"e2ecall/1 sig caller"),
        lambda: callee_payload(identity(), seed=bytes(32)),
        lambda: callee_payload(identity(), cover_m3=False),
    ):
        with pytest.raises(VerificationFailed, match="signature") as caught:
            make()
        assert caught.value.clause == "kex.7-5"
    caller = CraftingCaller()
    b1 = answer(caller.offer)
    over_another_th = signed(caller.seed, b"e2ecall/1 sig caller", bytes(32), identity())
    with pytest.raises(VerificationFailed, match="signature"):
        b1.receive_reveal(caller.reveal(b1.answer, lambda th: over_another_th))


@pytest.mark.clause("kex.4-4")
def test_an_unsigned_payload_and_one_with_something_behind_the_signature():
    caller = CraftingCaller()
    for payload in (identity(), signed(caller.seed, b"x", b"", identity()) + tlv(0x7FFF, bytes(64))):
        b1 = answer(caller.offer)
        with pytest.raises(MalformedMessage):
            b1.receive_reveal(caller.reveal(b1.answer, lambda th, payload=payload: payload))


@pytest.mark.clause("kex.7-5")
def test_seals_that_do_not_authenticate():
    a1, b1 = states()
    a2 = a1.receive_answer(b1.answer, ALICE)
    broken = a2.reveal[:-1] + bytes([a2.reveal[-1] ^ 1])
    with pytest.raises(VerificationFailed, match="caller's proof") as caught:
        b1.receive_reveal(broken)
    assert caught.value.clause == "kex.7-5"
    with pytest.raises(VerificationFailed, match="callee's proof"):
        a2.receive_finish(b"\1\4" + CALL_ID + b"\0\x20" + bytes(32))


@pytest.mark.clause("kex.6-3")
def test_the_opening_is_compared_before_anything_else():
    a1, b1 = states()
    a2 = a1.receive_answer(b1.answer, ALICE)
    wrong = bytearray(a2.reveal)
    wrong[18] ^= 1  # nonce_A
    wrong[2] ^= 1  # and the call id, which is looked at later
    with pytest.raises(VerificationFailed, match="committed") as caught:
        b1.receive_reveal(bytes(wrong))
    assert caught.value.clause == "kex.6-3"
    with pytest.raises(ApiMisuse):
        b1.receive_reveal(a2.reveal)


@pytest.mark.clause("kex.5-4")
@pytest.mark.parametrize("suites", [b"\0\4", b"\0\5\0\4"])
def test_a_frame_suite_that_was_not_offered_or_more_than_one(suites):
    with pytest.raises(PeerMisbehaved, match="SFrame suite") as caught:
        callee_payload(identity(), tlv(6, suites), profile=Profile(frame_suites=(5,)))
    assert caught.value.clause == "kex.5-4"


@pytest.mark.clause("kex.5-4")
def test_a_callee_that_names_no_suite_means_suite_5():
    assert callee_payload(identity(), profile=Profile(frame_suites=(4, 5))).frame_suite == 5
    with pytest.raises(PeerMisbehaved, match="SFrame suite"):
        callee_payload(identity(), profile=Profile(frame_suites=(4,)))
    with pytest.raises(PeerMisbehaved, match="SFrame suite"):
        callee_payload(identity(), tlv(6, b"\0\4"), profile=Profile())

"""The exchange between two honest sides, against a second writing of the key schedule."""

import dataclasses

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from nacl.signing import VerifyKey

from e2ecall.errors import ApiMisuse, PeerIncompatible
from e2ecall.handshake import Abort, AbortReason, Profile, Suite, TransportMode
from e2ecall.secret import SecretBytes
from support import oracle
from support.parties import (
    ALICE,
    BOB,
    CALL_ID,
    DIRECT_ALICE,
    DIRECT_BOB,
    SeededRng,
    answer,
    link_secret,
    offer,
    run,
    signer,
)

KEM_SEED = SeededRng("a").draw("mlkem", 64)
NONCE_A = SeededRng("a").draw("nonce", 32)


def derive_again(messages, *, secret=None, ct_length=1088):
    """Everything of the key schedule from the four messages and Alice's private draws, by the oracle."""
    m1, m2, m3, m4 = messages
    assert m3[18:50] == NONCE_A
    private = X25519PrivateKey.from_private_bytes(SeededRng("a").draw("x25519", 32))
    ss_x25519 = private.exchange(X25519PublicKey.from_public_bytes(m2[20:52]))
    ct = m2[54 : 54 + ct_length]
    ss_mlkem = MLKEM768PrivateKey.from_seed_bytes(KEM_SEED).decapsulate(ct) if ct_length else b""
    th = oracle.th(m1, m2, NONCE_A)
    th2 = oracle.th2(th, m3, m4)
    psk = oracle.link(secret, CALL_ID)["psk"] if secret else bytes(32)
    return th, th2, oracle.schedule(psk, ss_x25519, ss_mlkem, th, th2)


CASES = {
    "default": (ALICE, BOB, {}, {}, None, 1088),
    "direct": (DIRECT_ALICE, DIRECT_BOB, {}, {}, None, 1088),
    "link": (ALICE, BOB, {"secret": link_secret()}, {"secret": link_secret()}, b"\7" * 16, 1088),
    "suite 2": (ALICE, BOB, {"suites": (Suite.X25519,)}, {}, None, 0),
    "suite 2 forced by the callee": (ALICE, BOB, {}, {"suites": (Suite.X25519,)}, None, 0),
}


@pytest.mark.clause("kex.3-1", "kex.3-2", "kex.3-3", "kex.3-4", "kex.3-5", "kex.3-6", "kex.4-11")
@pytest.mark.parametrize("case", CASES)
def test_both_sides_agree_with_the_second_writing(case):
    alice, bob, caller, callee, secret, ct_length = CASES[case]
    messages, a, b = run(alice, bob, caller, callee)
    m1, _, m3, m4 = messages
    th, th2, keys = derive_again(messages, secret=secret, ct_length=ct_length)

    assert m1[-32:] == oracle.commitment(m1, NONCE_A)
    for result in (a, b):
        assert result.sas == keys["sas"]
        assert result.th2 == th2
        assert result.keys.base_key == SecretBytes(keys["frames"])
        assert result.keys.chain == SecretBytes(keys["chain"])
        control = result.keys.control
        assert control.caller_key == SecretBytes(keys["control caller key"])
        assert control.caller_iv == SecretBytes(keys["control caller iv"])
        assert control.callee_key == SecretBytes(keys["control callee key"])
        assert control.callee_iv == SecretBytes(keys["control callee iv"])

    caller_payload = AESGCM(keys["m3 key"]).decrypt(keys["m3 iv"], m3[52:], th + m3[:52])
    callee_payload = AESGCM(keys["m4 key"]).decrypt(keys["m4 iv"], m4[20:], th + oracle.h(m3) + m4[:20])
    assert caller_payload[:36] == b"\0\1\0\x20" + signer("alice").public
    assert callee_payload[:36] == b"\0\1\0\x20" + signer("bob").public
    for payload in (caller_payload, callee_payload):
        assert payload[-68:-64] == b"\x7f\xff\0\x40"
    lv = oracle.lv
    to_sign_a = lv(b"e2ecall/1 sig caller") + th + lv(caller_payload[:-68])
    to_sign_b = lv(b"e2ecall/1 sig callee") + th + lv(m3) + lv(callee_payload[:-68])
    VerifyKey(signer("alice").public).verify(to_sign_a, caller_payload[-64:])
    VerifyKey(signer("bob").public).verify(to_sign_b, callee_payload[-64:])


def test_results_name_the_other_side():
    _, a, b = run(DIRECT_ALICE, DIRECT_BOB)
    assert a.peer_identity == signer("bob").public
    assert b.peer_identity == signer("alice").public
    assert b.peer_profile == DIRECT_ALICE
    assert a.peer_profile == dataclasses.replace(DIRECT_BOB, frame_suites=(5,))
    assert a.suite is b.suite is Suite.X25519_MLKEM768
    assert a.suite.post_quantum
    assert a.call_id == b.call_id == CALL_ID


@pytest.mark.clause("kex.6-2")
@pytest.mark.parametrize(
    ("offered", "supported", "taken"),
    [((1, 2), (1, 2), 1), ((2, 1), (1, 2), 2), ((1, 2), (2,), 2), ((2,), (1, 2), 2), ((1,), (2, 1), 1)],
)
def test_the_first_offered_suite_that_the_callee_has(offered, supported, taken):
    def suites(numbers):
        return {"suites": tuple(Suite(n) for n in numbers)}

    _, a, b = run(caller=suites(offered), callee=suites(supported))
    assert a.suite == b.suite == taken
    assert a.suite.post_quantum == (taken == 1)


@pytest.mark.clause("kex.6-2")
def test_no_suite_in_common_is_incompatible():
    with pytest.raises(PeerIncompatible, match="no suite in common"):
        answer(offer(suites=(Suite.X25519_MLKEM768,)).offer, suites=(Suite.X25519,))


@pytest.mark.clause("kex.6-4", "kex.5-4")
@pytest.mark.parametrize(
    ("offered", "supported", "taken"), [((5, 4), (4, 5), 5), ((4, 5), (5, 4), 4), ((4, 5), (5,), 5)]
)
def test_the_first_offered_frame_suite_that_the_callee_has(offered, supported, taken):
    _, a, b = run(Profile(frame_suites=offered), Profile(frame_suites=supported))
    assert a.frame_suite == b.frame_suite == taken


@pytest.mark.clause("kex.6-4")
def test_no_frame_suite_in_common_spends_nothing():
    a1 = offer()
    b1 = answer(a1.offer)
    a2 = a1.receive_answer(b1.answer, Profile(frame_suites=(4,)))
    ringing = b1.receive_reveal(a2.reveal)
    with pytest.raises(PeerIncompatible, match="no SFrame suite in common"):
        ringing.accept(Profile(frame_suites=(5,)))
    m4, _ = ringing.accept(Profile(frame_suites=(5, 4)))
    assert a2.receive_finish(m4).frame_suite == 4


@pytest.mark.clause("kex.5-1", "kex.6-1")
def test_every_state_is_single_use():
    a1, other = offer(), answer
    b1 = other(a1.offer)
    a2 = a1.receive_answer(b1.answer, ALICE)
    with pytest.raises(ApiMisuse, match="OfferSent state has been used"):
        a1.receive_answer(b1.answer, ALICE)
    with pytest.raises(ApiMisuse, match="OfferSent"):
        a1.receive_answer(b"not even a message", ALICE)
    b2 = b1.receive_reveal(a2.reveal)
    with pytest.raises(ApiMisuse, match="AnswerSent"):
        b1.receive_reveal(a2.reveal)
    m4, _ = b2.accept(BOB)
    with pytest.raises(ApiMisuse, match="Ringing"):
        b2.accept(BOB)
    a2.receive_finish(m4)
    with pytest.raises(ApiMisuse, match="RevealSent"):
        a2.receive_finish(m4)


@pytest.mark.clause("kex.5-1")
def test_an_abandoned_attempt_opens_nothing():
    def states():
        a1 = offer()
        b1 = answer(a1.offer)
        return a1, b1

    a1, b1 = states()
    a1.abandon()
    with pytest.raises(ApiMisuse):
        a1.receive_answer(b1.answer, ALICE)
    a1, b1 = states()
    a2 = a1.receive_answer(b1.answer, ALICE)
    a2.abandon()
    with pytest.raises(ApiMisuse):
        a2.receive_finish(b"")
    b1.abandon()
    with pytest.raises(ApiMisuse):
        b1.receive_reveal(a2.reveal)
    a1, b1 = states()
    b2 = b1.receive_reveal(a1.receive_answer(b1.answer, ALICE).reveal)
    b2.abandon()
    with pytest.raises(ApiMisuse):
        b2.accept(BOB)


@pytest.mark.clause("kex.5-3", "kex.6-6")
def test_nothing_of_the_visual_hash_or_the_keys_before_the_last_message():
    a1 = offer()
    b1 = answer(a1.offer)
    a2 = a1.receive_answer(b1.answer, ALICE)
    b2 = b1.receive_reveal(a2.reveal)
    for state in (a1, b1, a2, b2):
        public = [name for name in dir(state) if not name.startswith("_")]
        assert not {"sas", "keys", "base_key"} & set(public)


@pytest.mark.clause("kex.6-5")
def test_the_answer_to_a_repeated_offer_is_kept():
    a1 = offer()
    b1 = answer(a1.offer)
    assert b1.offer_hash == oracle.h(a1.offer)
    assert answer(a1.offer, seed="another").answer != b1.answer


@pytest.mark.clause("kex.2-7")
@pytest.mark.parametrize("reason", list(AbortReason))
def test_abort_round_trip(reason):
    data = Abort(CALL_ID, reason).build()
    assert data == b"\1\5" + CALL_ID + bytes([reason])
    assert Abort.parse(data) == Abort(CALL_ID, reason)


@pytest.mark.clause("kex.2-7")
def test_an_unknown_abort_reason_is_unspecified():
    assert Abort.parse(b"\1\5" + CALL_ID + b"\xc8").reason is AbortReason.UNSPECIFIED


@pytest.mark.parametrize(
    "profile",
    [
        Profile(fingerprints=(b"short",)),
        Profile(TransportMode.DIRECT),
        Profile(sdp="v" * 65001),
        Profile(name="ü" * 33),
        Profile(name="\ud800"),
        Profile(sdp="\udfff"),
        Profile(mode=1),
        Profile(frame_suites=(70000,)),
        Profile(frame_suites=(5, 5)),
        Profile(sdp="v=0\r\na=candidate:1 1 UDP 1 127.0.0.1 1 typ host\r\n"),
    ],
)
def test_an_own_profile_that_does_not_fit_shows_before_anything_is_spent(profile):
    a1 = offer()
    b1 = answer(a1.offer)
    with pytest.raises(ApiMisuse):
        a1.receive_answer(b1.answer, profile)
    ringing = b1.receive_reveal(a1.receive_answer(b1.answer, ALICE).reveal)
    with pytest.raises(ApiMisuse):
        ringing.accept(profile)
    ringing.accept(BOB)


@pytest.mark.parametrize("suites", [(), (Suite.X25519, Suite.X25519), (2,)])
def test_own_suites_that_make_no_offer(suites):
    with pytest.raises(ApiMisuse):
        offer(suites=suites)


def test_own_call_id_of_another_length():
    with pytest.raises(ApiMisuse):
        offer(call_id=bytes(15))

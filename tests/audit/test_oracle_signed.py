"""The oracle's signed control messages against a session's, both ways, with every kind of damage."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from e2ecall.audit.oracle import ed25519
from e2ecall.audit.oracle.control import HEARTBEAT, RECEIPT, Message, check_message, check_signed, signed_message
from e2ecall.audit.oracle.refused import Refused
from e2ecall.call.events import EpochAttested, PeerSaid, PeerSent
from e2ecall.call.messages import Heartbeat, Receipt, ReceiptMethod
from e2ecall.call.records import Body, EpochRecords
from e2ecall.call.session import Session
from e2ecall.call.signed import signed_fields
from e2ecall.conformance.request import layer_of
from e2ecall.conformance.seeded import SeededRng
from e2ecall.crypto.sign import Signer
from e2ecall.errors import E2ECallError
from e2ecall.handshake import Established, Profile, Role, Suite
from e2ecall.handshake.keys import session_keys
from e2ecall.identity import fresh_identity
from e2ecall.secret import SecretBytes
from e2ecall.wire.tlv import encode_tlv

SEED, TH2 = b"s" * 32, b"t" * 32
ROLES = (Role.CALLER, Role.CALLEE)
SIGNATURE_FIELD = 4 + 64  # at the end of the list
KINDS = {"heartbeat": HEARTBEAT, "receipt": RECEIPT}
U16, U32, U64 = (st.integers(0, 2**bits - 1) for bits in (16, 32, 64))
HASHES = st.binary(min_size=32, max_size=32)
SIDES = st.sampled_from((0, 1))
BEATS = st.builds(Heartbeat, U32, HASHES, U32, st.lists(st.tuples(U16, U64), max_size=4).map(tuple))
RECEIPTS = st.builds(Receipt, st.sampled_from(ReceiptMethod), st.booleans(), HASHES)
SAID = {"heartbeat": Heartbeat(0, TH2, 7, ((0, 5), (1, 2**40))), "receipt": Receipt(ReceiptMethod.WORDS, True, TH2)}


def label_of(message):
    return type(message).__name__.lower()


def keys():
    return session_keys(SecretBytes(b"k" * 32), TH2)


def product(label, role, fields, identity=None):
    """What a session in epoch 0, whose th2 is `TH2`, makes of the fields of the other side: events, or its refusal."""
    peer = ed25519.public_key(SEED) if identity is None else identity
    result = Established(
        call_id=bytes(16),
        suite=Suite.X25519,
        sas=bytes(32),
        th2=TH2,
        keys=keys(),
        peer_identity=peer,
        own_profile=Profile(),
        peer_profile=Profile(),
    )
    session = Session(fresh_identity(SeededRng(bytes(32))), SeededRng(bytes(32)), ROLES[role].other, result, 0.0)
    record = EpochRecords(0, keys().control, ROLES[role]).seal(Body(KINDS[label], 0, fields))
    try:
        return session.receive(record, 1.0)
    except E2ECallError as error:
        return layer_of(error), error.clause


def oracle(label, role, fields, identity=None):
    """None, or the refusal."""
    try:
        check_message(Message(KINDS[label], 0, fields))
        check_signed(ed25519.public_key(SEED) if identity is None else identity, label, role, TH2, fields)
    except Refused as refused:
        return refused.layer, refused.clause


@settings(max_examples=40, deadline=None)
@given(seed=HASHES, role=SIDES, message=BEATS | RECEIPTS)
@pytest.mark.clause("control.3-3")
def test_both_sign_the_same_bytes(seed, role, message):
    label, plain = label_of(message), encode_tlv(message.fields(), "control")
    signed = encode_tlv(signed_fields(message, Signer(SecretBytes(seed)), ROLES[role]), "control")
    assert signed == signed_message(seed, label, role, message.th2, plain)
    check_message(Message(KINDS[label], 0, signed))
    check_signed(ed25519.public_key(seed), label, role, message.th2, signed)


@pytest.mark.parametrize("role", [0, 1])
@pytest.mark.parametrize("label", KINDS)
@pytest.mark.clause("control.3-3", "control.3-4")
def test_a_session_takes_what_the_oracle_signed(label, role):
    said = SAID[label]
    fields = signed_message(SEED, label, role, TH2, encode_tlv(said.fields(), "control"))
    beat = [EpochAttested(0, TH2), PeerSent(0, ((0, 5), (1, 2**40)))]
    assert product(label, role, fields) == {"heartbeat": beat, "receipt": [PeerSaid(said)]}[label]
    assert oracle(label, role, fields) is None


@settings(max_examples=250, deadline=None)
@given(label=st.sampled_from(sorted(KINDS)), role=SIDES, at=st.integers(0, 10**6), bit=st.integers(0, 7))
@example(label="heartbeat", role=0, at=76, bit=7)
@example(label="receipt", role=1, at=46, bit=7)
@example(label="heartbeat", role=1, at=11, bit=1)
@pytest.mark.clause("control.3-2", "control.3-3", "control.3-4")
def test_a_flipped_bit_is_refused_alike(label, role, at, bit):
    """Of two faults in a list either may be told; and a session looks at the epoch and the th2 before the signature."""
    fields = signed_message(SEED, label, role, TH2, encode_tlv(SAID[label].fields(), "control"))
    at %= len(fields)
    spoilt = fields[:at] + bytes([fields[at] ^ 1 << bit]) + fields[at + 1 :]
    found, expected = product(label, role, spoilt), oracle(label, role, spoilt)
    if (at, bit) == (len(fields) - SIGNATURE_FIELD, 7):  # "critical", of a field that is known: the same list
        assert (found, expected) == (product(label, role, fields), None)
    elif expected[0] == "malformed":
        assert found[0] == "malformed"
    elif label == "heartbeat" and (4 <= at < 8 or 12 <= at < 44):
        assert (found, expected) == (("verification", "control.3-4"), ("verification", "control.3-3"))
    else:
        assert found == expected == ("verification", "control.3-3")


@pytest.mark.parametrize("role", [0, 1])
@pytest.mark.parametrize("label", KINDS)
@pytest.mark.clause("control.3-3")
def test_another_role_label_identity_or_transcript_does_not_hold(label, role):
    plain = encode_tlv(SAID[label].fields(), "control")
    other = next(each for each in KINDS if each != label)
    refused = "verification", "control.3-3"
    for fields in (
        signed_message(SEED, label, 1 - role, TH2, plain),
        signed_message(SEED, other, role, TH2, plain),
        signed_message(SEED, label, role, bytes(32), plain),
        signed_message(bytes(32), label, role, TH2, plain),
    ):
        assert product(label, role, fields) == oracle(label, role, fields) == refused
    good = signed_message(SEED, label, role, TH2, plain)
    stranger = ed25519.public_key(bytes(32))
    assert product(label, role, good, stranger) == oracle(label, role, good, stranger) == refused

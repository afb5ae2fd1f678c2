"""The oracle's rekey and control channel against the product's: random values, damage, and orders of records."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2ecall.audit.oracle import ed25519
from e2ecall.audit.oracle.control import Channel, Message, check_message, seal_record, write_body
from e2ecall.audit.oracle.exchange import draw
from e2ecall.audit.oracle.key_schedule import late
from e2ecall.audit.oracle.messages import write_fields
from e2ecall.audit.oracle.refused import Refused
from e2ecall.audit.oracle.rekey import Answerer, Context, Starter
from e2ecall.call.control import ControlChannel, ControlMessage
from e2ecall.call.messages import decode
from e2ecall.conformance.request import layer_of
from e2ecall.conformance.seeded import SeededRng
from e2ecall.crypto.sign import Signer
from e2ecall.errors import E2ECallError
from e2ecall.handshake import ControlKeys, Role, Suite
from e2ecall.handshake.rekey import RekeyContext, Signed, answer_rekey, start_rekey
from e2ecall.secret import SecretBytes
from e2ecall.wire.tlv import decode_tlv

SEEDS = st.binary(min_size=32, max_size=32)
KEYS = late(b"h" * 32, b"t" * 32)
OTHER_KEYS = late(b"o" * 32, b"t" * 32)
NAMES = ("caller_key", "caller_iv", "callee_key", "callee_iv")


def told(do):
    """A value, or (layer, clause) of its refusal."""
    try:
        return do()
    except Refused as refused:
        return refused.layer, refused.clause
    except E2ECallError as error:
        return layer_of(error), error.clause


class Kem:
    """An encapsulation that was recorded."""

    def __init__(self, ct, shared):
        self.pair = ct, shared

    def encapsulate(self, ek):
        assert len(ek) == 1184
        return self.pair[0], SecretBytes(self.pair[1])


def identity(seed):
    return draw(seed, "identity", 32)


def fast(context):
    """The product's context of the oracle's."""
    role = (Role.CALLER, Role.CALLEE)[context.role]
    chain = SecretBytes(context.chain)
    return RekeyContext(role, Suite(context.suite), context.epoch, context.th2, chain, context.peer)


def contexts(seed_s, seed_a, role, suite, epoch, th2, chain):
    """Of the starter and of the answerer."""
    public_s, public_a = (ed25519.public_key(identity(seed)) for seed in (seed_s, seed_a))
    return (
        Context(role, suite, epoch, th2, chain, public_a),
        Context(1 - role, suite, epoch, th2, chain, public_s),
    )


def keys_of(rekeyed):
    """(th2, base_key, chain, the four control keys)."""
    keys, control = rekeyed.keys, rekeyed.keys.control
    exposed = [keys.base_key, keys.chain, *(getattr(control, name) for name in NAMES)]
    return [rekeyed.th2, *(bytes(each.expose()) for each in exposed)]


@settings(max_examples=25, deadline=None)
@given(
    seed_s=SEEDS,
    seed_a=SEEDS,
    role=st.integers(0, 1),
    suite=st.sampled_from([1, 2]),
    epoch=st.integers(1, 2**32 - 1),
    attempt=st.integers(1, 2**32 - 1),
    th2=SEEDS,
    chain=SEEDS,
    m=SEEDS,
)
@pytest.mark.clause("epoch.1-1", "epoch.1-2")
def test_random_rekeys_are_the_same_bytes(seed_s, seed_a, role, suite, epoch, attempt, th2, chain, m):
    of_starter, of_answerer = contexts(seed_s, seed_a, role, suite, epoch, th2, chain)
    slow_starter = Starter(seed_s, of_starter, attempt)
    slow_answerer = Answerer(seed_a, of_answerer, slow_starter.rk1, slow_starter.signature, m=m)
    signers = [Signer(SecretBytes(identity(seed))) for seed in (seed_s, seed_a)]
    starter = start_rekey(signers[0], SeededRng(seed_s), fast(of_starter), attempt)
    assert starter.rk1 == Signed(slow_starter.rk1, slow_starter.signature)
    kem = Kem(slow_answerer.ct, slow_answerer.ss_mlkem)
    answer = answer_rekey(signers[1], SeededRng(seed_a), fast(of_answerer), starter.rk1, kem=kem)
    assert answer.rk2 == Signed(slow_answerer.rk2, slow_answerer.signature)
    late_keys = slow_starter.finish(slow_answerer.rk2, slow_answerer.signature)
    assert late_keys == slow_answerer.keys
    wanted = [late_keys.th2, late_keys.base_key, late_keys.chain, *(getattr(late_keys, name) for name in NAMES)]
    assert keys_of(starter.receive_rk2(answer.rk2)) == keys_of(answer.rekeyed) == wanted


SEED_S, SEED_A = b"s" * 32, b"a" * 32


@settings(max_examples=80, deadline=None)
@given(at=st.integers(0, 41), byte=st.integers(0, 255), cut=st.booleans(), resign=st.booleans())
@pytest.mark.clause("epoch.1-2", "epoch.1-3", "epoch.1-4", "epoch.1-6")
def test_damaged_halves_are_refused_alike(at, byte, cut, resign):
    """With the old signature, and with a good one over the damaged bytes."""
    of_starter, of_answerer = contexts(SEED_S, SEED_A, 0, 2, 3, b"t" * 32, b"c" * 32)
    starter = Starter(SEED_S, of_starter, 1)
    rk1 = damaged(starter.rk1, at, byte, cut=cut)
    signature = starter.signature
    if resign:
        label, context = b"e2ecall/1 rekey 1", bytes([0, 0, 0, 0, 3]) + b"t" * 32
        to_sign = len(label).to_bytes(4) + label + context + len(rk1).to_bytes(4) + rk1
        signature = ed25519.sign(identity(SEED_S), to_sign)
    slow = told(lambda: Answerer(SEED_A, of_answerer, rk1, signature).rk2)
    signer = Signer(SecretBytes(identity(SEED_A)))
    rng = SeededRng(SEED_A)
    assert told(lambda: answer_rekey(signer, rng, fast(of_answerer), Signed(rk1, signature)).rk2.data) == slow
    answerer = Answerer(SEED_A, of_answerer, starter.rk1, starter.signature)
    rk2 = damaged(answerer.rk2, at, byte, cut=cut)
    fast_starter = start_rekey(Signer(SecretBytes(identity(SEED_S))), SeededRng(SEED_S), fast(of_starter), 1)
    found = told(lambda: fast_starter.receive_rk2(Signed(rk2, answerer.signature)))
    wanted = told(lambda: starter.finish(rk2, answerer.signature))
    if not isinstance(wanted, tuple):
        assert (found is None) == (wanted is None)
        return
    assert found == wanted


def damaged(data, at, byte, *, cut):
    return data[:at] if cut else data[:at] + bytes([byte]) + data[at + 1 :]


RECORDS = st.lists(
    st.tuples(
        st.integers(0, 140) | st.sampled_from([2**32, 2**64 - 1, 2**64 - 64, 2**64 - 65]),  # seq
        st.integers(0, 70),  # message id
        st.sampled_from([0, 0, 0, 1, 255, 256]),  # epoch
        st.integers(0, 7),  # 0: damaged, 1: one's own
    ),
    max_size=30,
)


@settings(max_examples=80, deadline=None)
@given(records=RECORDS, role=st.integers(0, 1))
@pytest.mark.clause("control.2-2", "control.2-3", "control.2-4", "control.2-8")
def test_channels_take_the_same_records(records, role):
    slow = Channel(role)
    product = ControlChannel(control_keys(KEYS), (Role.CALLER, Role.CALLEE)[role])
    slow.install(0, KEYS)
    slow.install(1, OTHER_KEYS)
    product.install(1, control_keys(OTHER_KEYS))
    for seq, number, epoch, what in records:
        keys = OTHER_KEYS if epoch == 1 else KEYS
        own = what == 1
        key, iv = (keys.caller_key, keys.caller_iv) if (role == 0) == own else (keys.callee_key, keys.callee_iv)
        record = seal_record(key, iv, epoch, seq, write_body(Message(200, number, b"")))
        record = record[:-1] + bytes([record[-1] ^ (what == 0)])
        assert told(lambda r=record: taken(product.receive(r))) == told(lambda r=record: first(slow.receive(r)))


def control_keys(keys):
    return ControlKeys(*(SecretBytes(getattr(keys, name)) for name in NAMES))


def taken(message):
    return None if message is None else [message.type, message.message_id]


def first(got):
    return [got[0].type, got[0].message_id] if got[1] else None


VALUES = st.sampled_from([b"", b"\0", b"\1", b"\5", b"\6", b"\0\0", bytes(4), bytes(32), bytes(64), b"\xff", b"VP8"])
LISTS = st.dictionaries(st.sampled_from([1, 2, 3, 4, 5, 6, 9, 0x8009, 0x7FFF]), VALUES, max_size=7)


@settings(max_examples=300, deadline=None)
@given(kind=st.integers(0, 13).filter(lambda kind: kind != 7), fields=LISTS)
@pytest.mark.clause("control.3-2")
def test_messages_are_judged_alike(kind, fields):
    """Acknowledgements are the channel's; everything else is read as a value."""
    raw = write_fields(sorted(fields.items(), key=lambda field: field[0] % 0x8000))
    slow = told(lambda: check_message(Message(kind, 1, raw)))
    found = told(lambda: decode(ControlMessage(kind, 1, decode_tlv(raw, range(0x8000), "control"), 0, raw)))
    found = found if isinstance(found, tuple) else None
    if found != slow:  # two faults, of which either may be named
        assert {found[0], slow[0]} == {"malformed"}
        assert {found[1], slow[1]} <= {"kex.4-1", "kex.4-2", "control.3-2"}

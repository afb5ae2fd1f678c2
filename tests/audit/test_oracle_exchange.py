"""The oracle's exchange against the product's: random calls give the same bytes, random damage the same refusals."""

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from e2ecall.audit.oracle import messages
from e2ecall.audit.oracle.exchange import Callee, Caller
from e2ecall.audit.oracle.payload import Payload
from e2ecall.audit.oracle.refused import Refused
from e2ecall.conformance.peer import Peer
from e2ecall.errors import MalformedMessage
from e2ecall.wire.tlv import decode_tlv

SEEDS = st.binary(min_size=32, max_size=32)
NAMES = st.none() | st.text(max_size=16).filter(lambda name: len(name.encode()) <= 64)
FRAME_SUITES = st.lists(st.sampled_from([1, 2, 4, 5, 6, 65535]), unique=True, max_size=4)
PRINTS = st.lists(st.binary(min_size=32, max_size=32), max_size=2)
SLOW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def payloads(draw):
    """What either side may say."""
    prints = tuple(draw(PRINTS))
    mode = draw(st.sampled_from([None, 1, 0] if prints else [None, 1]))
    sdp = draw(st.none() | st.text(max_size=30))
    return Payload(mode, prints, sdp, tuple(draw(FRAME_SUITES)), draw(NAMES))


def asked(payload):
    """The payload of a request."""
    members = {"mode": payload.mode, "sdp": payload.sdp, "name": payload.name}
    found = {name: value for name, value in members.items() if value is not None}
    return found | {
        "fingerprints": [each.hex() for each in payload.fingerprints],
        "frame_suites": list(payload.frame_suites),
    }


class Pair:
    """Both sides twice: in the oracle, and in one peer."""

    def __init__(self, seed_a, seed_b, a, b, *, suites=(2,), secret=None, m=bytes(32)):
        self.peer = Peer("0")
        self.a = Caller(seed_a, bytes(16), suites, a, secret=secret)
        self.b = Callee(seed_b, (1, 2), b, secret=secret, m=m)
        self.secret = {} if secret is None else {"secret": secret.hex()}
        self.requests = {
            "a": {"session": "a", "seed": seed_a.hex(), "call_id": "00" * 16, "suites": list(suites)},
            "b": {"session": "b", "seed": seed_b.hex(), "suites": [1, 2]},
        }
        self.requests["a"] |= {"payload": asked(a)} | self.secret
        self.requests["b"] |= {"payload": asked(b)} | self.secret

    def ask(self, op, **request):
        """What the peer answers: the values, or (layer, clause)."""
        answer = self.peer.answer(json.dumps({"id": 1, "op": f"handshake.{op}", **request}))
        if "ok" in answer:
            return answer["ok"]
        return answer["error"]["layer"], answer["error"].get("clause")

    def callee_new(self, offer, kem=None):
        """m1 to a fresh session."""
        pair = {} if not kem or not kem[0] else {"kem": {"ciphertext": kem[0].hex(), "shared_secret": kem[1].hex()}}
        return self.ask("callee.new", **self.requests["b"], offer=offer.hex(), **pair)


def told(do):
    """The oracle's value or refusal."""
    try:
        return do()
    except Refused as refused:
        return refused.layer, refused.clause


@SLOW
@given(
    seed_a=SEEDS,
    seed_b=SEEDS,
    a=payloads(),
    b=payloads(),
    suites=st.sampled_from([(1,), (2,), (1, 2), (2, 1)]),
    secret=st.none() | st.binary(min_size=16, max_size=16),
    m=SEEDS,
)
@pytest.mark.clause("kex.3-2", "kex.3-3", "kex.3-5", "kex.5-4", "kex.6-4")
def test_random_calls_are_the_same_bytes(seed_a, seed_b, a, b, suites, secret, m):
    if seed_a == seed_b:
        return
    pair = Pair(seed_a, seed_b, a, b, suites=suites, secret=secret, m=m)
    m2 = pair.b.answer(pair.a.offer)
    m3 = pair.a.reveal(m2)
    peer = pair.b.reveal(m3)
    assert pair.ask("caller.new", **pair.requests["a"]) == {"offer": pair.a.offer.hex()}
    assert pair.callee_new(pair.a.offer, (pair.b.ct, pair.b.shared.ss_mlkem)) == {"answer": m2.hex()}
    assert pair.ask("caller.answer", session="a", answer=m2.hex()) == {"reveal": m3.hex()}
    found = pair.ask("callee.reveal", session="b", reveal=m3.hex())
    assert found == {"peer_identity": pair.a.identity.hex(), "name": peer.name}
    finished = told(pair.b.accept)
    if not isinstance(finished[0], bytes):
        assert pair.ask("callee.accept", session="b") == finished
        return
    m4, late = finished
    assert pair.ask("callee.accept", session="b") == {"finish": m4.hex()}
    assert pair.a.finish(m4) == late
    assert pair.ask("caller.finish", session="a", finish=m4.hex()) == {}
    for session, side in (("a", pair.a), ("b", pair.b)):
        result = pair.ask("result", session=session)
        assert result["base_key"] == late.base_key.hex()
        assert result["transcript_hash"] == late.th2.hex()
        assert result["sas"] == side.early.sas.hex()
        assert result["peer_identity"] == side.peer.identity.hex()


@st.composite
def damages(draw):
    """What is done to a message: (what, where as a share of its length, a byte)."""
    what = draw(st.sampled_from(["bit", "cut", "insert", "append", "byte", "head"]))
    return what, draw(st.floats(0, 1, exclude_max=True)), draw(st.integers(1, 255))


def damaged(data, damage):
    """The message after it."""
    what, share, byte = damage
    at = int(share * (min(len(data), 60) if what == "head" else len(data)))
    if what == "cut":
        return data[:at]
    if what == "insert":
        return data[:at] + bytes([byte]) + data[at:]
    if what == "append":
        return data + bytes([byte])
    if what == "bit":
        byte = 1 << byte % 8
    return data[:at] + bytes([data[at] ^ byte]) + data[at + 1 :]


BASE = (b"a" * 32, b"b" * 32, Payload(1, name="Alice"), Payload(1, name="Bob"))


@settings(max_examples=200, deadline=None)
@given(damage=damages())
@pytest.mark.clause("kex.2-1", "kex.2-2", "kex.2-4", "kex.2-5", "kex.2-6")
def test_damaged_offers_are_refused_alike(damage):
    pair = Pair(*BASE)
    m1 = damaged(pair.a.offer, damage)
    wanted = told(lambda: pair.b.answer(m1))
    assert_alike(pair.callee_new(m1), {"answer": wanted.hex()} if isinstance(wanted, bytes) else wanted, m1)


@settings(max_examples=150, deadline=None)
@given(damage=damages())
@pytest.mark.clause("kex.2-1", "kex.2-2", "kex.2-3", "kex.2-4", "kex.5-2")
def test_damaged_answers_are_refused_alike(damage):
    pair = Pair(*BASE)
    m2 = damaged(pair.b.answer(pair.a.offer), damage)
    pair.ask("caller.new", **pair.requests["a"])
    wanted = told(lambda: pair.a.reveal(m2))
    found = pair.ask("caller.answer", session="a", answer=m2.hex())
    assert_alike(found, {"reveal": wanted.hex()} if isinstance(wanted, bytes) else wanted, m2)


@settings(max_examples=200, deadline=None)
@given(damage=damages())
@pytest.mark.clause("kex.2-2", "kex.6-3", "kex.7-5")
def test_damaged_reveals_are_refused_alike(damage):
    pair = Pair(*BASE)
    m3 = damaged(pair.a.reveal(pair.b.answer(pair.a.offer)), damage)
    pair.callee_new(pair.a.offer)
    wanted = told(lambda: pair.b.reveal(m3))
    assert isinstance(wanted, tuple), "no damage is taken"
    assert_alike(pair.ask("callee.reveal", session="b", reveal=m3.hex()), wanted, m3)


@settings(max_examples=200, deadline=None)
@given(damage=damages())
@pytest.mark.clause("kex.2-2", "kex.2-3", "kex.7-5")
def test_damaged_finishes_are_refused_alike(damage):
    pair = Pair(*BASE)
    m2 = pair.b.answer(pair.a.offer)
    pair.b.reveal(pair.a.reveal(m2))
    m4 = damaged(pair.b.accept()[0], damage)
    pair.ask("caller.new", **pair.requests["a"])
    pair.ask("caller.answer", session="a", answer=m2.hex())
    wanted = told(lambda: pair.a.finish(m4))
    assert isinstance(wanted, tuple), "no damage is taken"
    assert_alike(pair.ask("caller.finish", session="a", finish=m4.hex()), wanted, m4)


def assert_alike(found, wanted, data):
    """Both take it, with the same bytes, or both refuse it in the same layer; of two faults either may be named."""
    if isinstance(wanted, dict) or isinstance(found, dict):
        assert found == wanted, data.hex()
        return
    if found != wanted:
        assert {found[0], wanted[0]} <= {"malformed", "misbehaved", "incompatible", "verification"}
        assert found[0] == wanted[0], (found, wanted, data.hex())


FIELDS = st.lists(st.tuples(st.integers(0, 9) | st.integers(0x8000, 0x8009), st.binary(max_size=3)), max_size=4)


@settings(max_examples=200, deadline=None)
@given(fields=FIELDS, ordered=st.booleans(), damage=st.none() | damages(), known=st.sets(st.integers(0, 9)))
@pytest.mark.clause("kex.4-1", "kex.4-2", "kex.4-3")
def test_lists_are_read_alike(fields, ordered, damage, known):
    if ordered:
        fields = sorted(fields, key=lambda field: field[0] % 0x8000)
    data = messages.write_fields(fields)
    if damage is not None and data:
        data = damaged(data, damage)
    wanted = told(lambda: messages.read_fields(data, known))
    if isinstance(wanted, dict):
        assert decode_tlv(data, known, "list") == wanted
        return
    with pytest.raises(MalformedMessage) as caught:
        decode_tlv(data, known, "list")
    assert wanted[0] == "malformed"
    if caught.value.clause != wanted[1]:
        assert {caught.value.clause, wanted[1]} & {"kex.2-2"}, "of two faults, the shorter list's end is one"


def test_the_oracle_is_single_use():
    pair = Pair(*BASE)
    m2 = pair.b.answer(pair.a.offer)
    m3 = pair.a.reveal(m2)
    assert told(lambda: pair.a.reveal(m2)) == ("misuse", "kex.5-1")
    twin = copy.copy(pair.b)
    pair.b.reveal(m3)
    assert told(lambda: pair.b.reveal(m3)) == ("misuse", "kex.6-1")
    assert told(lambda: twin.reveal(m3[:-1])) == ("malformed", "kex.2-2")
    assert told(lambda: twin.reveal(m3)) == ("misuse", "kex.6-1")

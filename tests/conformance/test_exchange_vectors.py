"""vectors/exchange: every step of every case, with what it returns or the layer and clause of its refusal."""

import json
from hashlib import sha256

import pytest

from e2ecall.conformance.seeded import SeededRng
from e2ecall.crypto.mlkem import CT_LENGTH, MlKemKey
from e2ecall.crypto.x25519 import X25519Key
from e2ecall.handshake import LinkSecret
from e2ecall.handshake.keys import HandshakeKeys, commitment, transcript, transcript2
from e2ecall.secret import SecretBytes
from support.vector_steps import VECTORS, clauses_of, load, marked, params, take

WHOLE = ("exchange", "exchange-taken")
FIRST_TWO = ("offer-refused", "answer-refused")
LAST_TWO = ("reveal-refused", "reveal-payload-refused", "finish-refused", "finish-payload-refused")


@pytest.mark.parametrize("case", params("exchange", *WHOLE))
@pytest.mark.clause("kex.2-3", "kex.3-3", "kex.3-5", "kex.4-2", "kex.4-3", "kex.4-6", "kex.4-7", "kex.4-8", "kex.4-9")
@pytest.mark.clause("kex.4-10", "kex.5-4", "kex.6-2", "kex.6-4", "kex.7-1", "kex.7-5", "kex.8-1")
def test_exchanges(case):
    take(case)


@pytest.mark.parametrize("case", params("exchange", *FIRST_TWO))
@pytest.mark.clause("kex.2-1", "kex.2-2", "kex.2-3", "kex.2-4", "kex.2-5", "kex.2-6", "kex.4-1", "kex.4-2", "kex.5-1")
@pytest.mark.clause("kex.5-2", "kex.6-2", "kex.7-1", "kex.7-2", "kex.8-1")
def test_refused_offers_and_answers(case):
    take(case)


@pytest.mark.parametrize("case", params("exchange", *LAST_TWO))
@pytest.mark.clause("kex.2-1", "kex.2-2", "kex.2-3", "kex.2-6", "kex.4-1", "kex.4-2", "kex.4-4", "kex.4-5", "kex.4-6")
@pytest.mark.clause("kex.4-7", "kex.4-8", "kex.4-9", "kex.4-10", "kex.5-4", "kex.6-1", "kex.6-3", "kex.6-4", "kex.7-3")
@pytest.mark.clause("kex.7-4", "kex.7-5")
def test_refused_reveals_and_finishes(case):
    take(case)


@pytest.mark.parametrize(
    ("test", "names"),
    [
        (test_exchanges, WHOLE),
        (test_refused_offers_and_answers, FIRST_TWO),
        (test_refused_reveals_and_finishes, LAST_TWO),
    ],
)
def test_the_marks_are_the_clauses_of_the_files(test, names):
    assert marked(test) == clauses_of("exchange", *names)


def test_every_file_is_run():
    here = {path.stem for path in (VECTORS / "exchange").iterdir()}
    assert here - {"worked-example"} == {*WHOLE, *FIRST_TWO, *LAST_TWO}


WORKED = [pytest.param(case, id=case["name"]) for case in load("exchange", "exchange")]


@pytest.mark.parametrize("case", WORKED)
@pytest.mark.clause("kex.3-1", "kex.3-2", "kex.3-3", "kex.3-4", "kex.3-5", "kex.8-1")
def test_the_key_schedule_value_by_value(case):
    """What lies between: from the recorded shared secrets to every key."""
    values = {name: bytes.fromhex(value) for name, value in case["values"].items()}
    m1, m2, m3, m4 = messages(case)
    offered = case["steps"][0]
    call_id, secret = bytes.fromhex(offered["call_id"]), link_of(offered)
    assert commitment(m1[:-32], values["nonce_a"]) == values["commitment"] == m1[-32:]
    assert values["nonce_a"] == m3[18:50]
    th = transcript(m1, m2, values["nonce_a"])
    assert (th, transcript2(th, m3, m4)) == (values["th"], values["th2"])
    if secret is not None:
        assert secret.psk_id(call_id) == values["psk_id"]
        assert secret.room() == values["room"]
        assert bytes(secret.psk().expose()) == values["psk"]
    else:
        assert values["psk"] == bytes(32)
    mlkem = SecretBytes(values["ss_mlkem"]) if values["ss_mlkem"] else None
    keys = HandshakeKeys(secret, SecretBytes(values["ss_x25519"]), mlkem)
    for label in ("m3 key", "m3 iv", "m4 key", "m4 iv", "sas"):
        wanted = values[label.replace(" ", "_")]
        assert bytes(keys.expand(label, th, len(wanted)).expose()) == wanted, label
    session = keys.session(values["th2"])
    assert bytes(session.base_key.expose()) == values["base_key"]
    assert bytes(session.chain.expose()) == values["chain"]
    for name in ("caller_key", "caller_iv", "callee_key", "callee_iv"):
        assert bytes(getattr(session.control, name).expose()) == values[name], name


@pytest.mark.parametrize("case", WORKED)
@pytest.mark.clause("kex.3-6", "kex.4-11")
def test_the_payloads_stand_in_the_seals(case):
    values = {name: bytes.fromhex(value) for name, value in case["values"].items()}
    mlkem = SecretBytes(values["ss_mlkem"]) if values["ss_mlkem"] else None
    keys = HandshakeKeys(link_of(case["steps"][0]), SecretBytes(values["ss_x25519"]), mlkem)
    _, _, m3, m4 = messages(case)
    for message, data, at, context in (
        ("m3", m3, 52, values["th"]),
        ("m4", m4, 20, values["th"] + sha256(m3).digest()),
    ):
        plain = keys.open(message, values["th"], data[at:], context + data[:at], what=message)
        assert plain == values["payload_a" if message == "m3" else "payload_b"]


POST_QUANTUM = [case for case in load("exchange", "exchange") if case["values"]["ss_mlkem"]]


@pytest.mark.parametrize("case", POST_QUANTUM, ids=lambda case: case["name"])
@pytest.mark.clause("peer.2-1", "kex.3-3")
def test_the_shared_secrets_belong_to_the_seeds(case):
    """This project's own X25519 and ML-KEM, with the caller's draws, give those of the file out of m2."""
    rng, m2 = SeededRng(bytes.fromhex(case["steps"][0]["seed"])), messages(case)[1]
    mlkem = MlKemKey(rng.draw("mlkem", 64)).decapsulate(m2[54 : 54 + CT_LENGTH])
    x25519 = X25519Key(rng.draw("x25519", 32)).exchange(m2[20:52], clause="kex.7-1")
    assert bytes(mlkem.expose()).hex() == case["values"]["ss_mlkem"]
    assert bytes(x25519.expose()).hex() == case["values"]["ss_x25519"]


def messages(case):
    """m1 to m4."""
    found = [step["returns"] for step in case["steps"]]
    names = ("offer", "answer", "reveal", "finish")
    return [bytes.fromhex(next(each[name] for each in found if name in each)) for name in names]


def link_of(step):
    """The link secret of a request."""
    return LinkSecret(SecretBytes(bytes.fromhex(step["secret"]))) if "secret" in step else None


def test_a_changed_vector_is_found():
    """The runner can fail: one digit of a message, of a result, of a layer, of a clause."""
    case = load("exchange", "exchange")[0]
    bad = load("exchange", "offer-refused")[0]
    for spoilt, at, name, new in (
        (case, 0, "returns", {"offer": case["steps"][0]["returns"]["offer"][:-1] + "g"}),
        (case, -1, "returns", case["steps"][-1]["returns"] | {"base_key": "00" * 32}),
        (case, -1, "returns", {}),
        (bad, -1, "result", "misbehaved"),
        (bad, -1, "clause", "kex.2-2"),
        (bad, -1, "result", "ok"),
    ):
        other = json.loads(json.dumps(spoilt))
        other["steps"][at][name] = new
        if new == "ok":
            other["steps"][at]["returns"] = {"answer": ""}
        with pytest.raises(AssertionError):
            take(other)

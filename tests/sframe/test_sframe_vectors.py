"""vectors/sframe, strictly and in both directions; and that RFC 9605's own are restated without a change."""

import json
import os
import re
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag

from e2ecall.crypto.ctr_hmac import AesCtrHmac
from e2ecall.crypto.kdf import hkdf_expand, hkdf_extract
from e2ecall.errors import ApiMisuse, FrameReason, FrameRejected
from e2ecall.secret import SecretBytes
from e2ecall.sframe import CipherSuite, KeyIdLayout, Receiver, decode_header, derive, encode_header
from e2ecall.sframe.cipher import FrameCipher
from e2ecall.sframe.ratchet import RatchetReceiver, RatchetSender, ratchet_base_key

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "vectors" / "sframe"
SHARED = (
    Path(os.environ.get("E2ECALL_SHARED", ROOT.parent / "shared")) / "vectors/sframe-rfc9605/sframe-test-vectors.json"
)
GOOD_FRAMES = ("gcm", "ctr-hmac", "ctr-hmac-256", "gcm-edges", "ctr-hmac-edges", "lengths", "counters", "mls")
BAD_FRAMES = ("gcm-refused", "frame-refused", "tag-bits")
RECEIVERS = ("receiver", "replay", "contexts", "epochs")
HERE = {"header", "header-edges", "header-refused", "aead", "aead-refused", "key-id", "ratchet", "ratchet-receiver"}
ELSEWHERE = {"codec", "codec-more"}  # tests/codecs


def load(name):
    data = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    assert data["schema"] == "e2ecall/vectors/1"
    assert data["licence"] == "CC0-1.0"
    assert data["source"]
    return data["cases"]


def cases(*names):
    return [pytest.param(case, id=f"{name}: {case['name']}") for name in names for case in load(name)]


def by_suite(*names):
    """The cases of the files, those of one suite together."""
    found = {}
    for name in names:
        for case in load(name):
            found.setdefault((name, case["suite"]), []).append(case)
    return [pytest.param(group, id=f"{name}, suite {suite}") for (name, suite), group in found.items()]


def raw(case, *names):
    return [bytes.fromhex(case[name]) for name in names]


def secret(case, name="base_key"):
    return SecretBytes(bytes.fromhex(case[name]))


def exposed(value):
    return bytes(value.expose()).hex()


def refusal(do):
    """(result, clause) of what must be refused; "it was not" would be the answer otherwise."""
    try:
        do()
    except FrameRejected as rejected:
        return rejected.reason.value, rejected.clause
    except ApiMisuse as misuse:
        return "misuse", misuse.clause
    return "ok", None


def test_every_file_has_a_test_and_every_case_a_clause_of_the_specification():
    files = {path.stem for path in VECTORS.glob("*.json")}
    assert files <= {*GOOD_FRAMES, *BAD_FRAMES, *RECEIVERS} | HERE | ELSEWHERE
    assert files >= {*GOOD_FRAMES, *BAD_FRAMES, *RECEIVERS, "codec"} | HERE
    clauses = set(
        re.findall(r"^- \*\*([a-z]+\.[0-9.]+-[0-9]+)\*\*", (ROOT / "spec/protocol.md").read_text("utf-8"), re.M)
    )
    for name in files:
        scenarios = isinstance(load(name)[0].get("steps"), list)
        named = {step["clause"] for case in load(name) for step in (case["steps"] if scenarios else [case])}
        assert named <= clauses, (name, named - clauses)
        names = [case["name"] for case in load(name)]
        assert len(names) == len(set(names)), name


@pytest.mark.clause("frame.2-1")
def test_all_289_headers_of_rfc_9605():
    assert len(load("header")) == 289
    for case in load("header") + load("header-edges"):
        kid, ctr, header = int(case["kid"]), int(case["ctr"]), bytes.fromhex(case["header"])
        assert encode_header(kid, ctr) == header
        assert decode_header(header) == (kid, ctr, len(header))


@pytest.mark.clause("frame.2-1", "frame.2-2", "frame.2-3")
def test_headers_to_be_refused():
    for case in load("header-refused"):
        if "data" in case:
            found = refusal(lambda case=case: decode_header(bytes.fromhex(case["data"])))
        else:
            found = refusal(lambda case=case: encode_header(int(case["kid"]), int(case["ctr"])))
        assert found == (case["result"], case["clause"]), case["name"]
    assert {"8005", "0803"} <= {case.get("data") for case in load("header-refused")}


def assert_intermediate_values(case):
    """RFC 9605 §4.4.2, §4.4.3: everything between base_key and ciphertext."""
    suite, kid, ctr = CipherSuite(case["suite"]), int(case["kid"]), int(case["ctr"])
    parameters = suite.parameters
    derived = hkdf_extract(b"", secret(case).expose(), parameters.hash_name)
    assert exposed(derived) == case["secret"]
    key, salt = derive(suite, kid, secret(case))
    assert (exposed(key), exposed(salt)) == (case["key"], case["salt"])
    for label, value, length in (("key_label", "key", parameters.key_length), ("salt_label", "salt", 12)):
        assert exposed(hkdf_expand(derived, *raw(case, label), length, parameters.hash_name)) == case[value]
    if parameters.cipher_key_length is None:
        assert "enc_key" not in case
    else:
        assert case["enc_key"] + case["auth_key"] == case["key"]
        assert (len(case["enc_key"]), len(case["auth_key"])) == (
            2 * parameters.cipher_key_length,
            2 * parameters.hash_length,
        )
    assert int(case["salt"], 16) ^ ctr == int(case["nonce"], 16)
    assert encode_header(kid, ctr).hex() + case["metadata"] == case["aad"]


def assert_whole_frame(case):
    """RFC 9605 §4.4.3, §4.4.4: the frame, both ways, and every intermediate value."""
    suite, kid, ctr = case["suite"], int(case["kid"]), int(case["ctr"])
    plaintext, metadata, ciphertext = raw(case, "plaintext", "metadata", "ciphertext")
    assert_intermediate_values(case)
    cipher = FrameCipher(suite, kid, secret(case))
    assert cipher.seal(encode_header(kid, ctr), ctr, plaintext, metadata) == ciphertext, case["name"]
    receiver = Receiver(suite)
    receiver.add_key(kid, secret(case))
    assert receiver.unprotect(ciphertext, metadata) == (plaintext, kid, ctr)


@pytest.mark.clause("frame.3-1", "frame.3-2", "frame.3-3")
@pytest.mark.parametrize("group", by_suite(*GOOD_FRAMES))
def test_whole_frames(group):
    for case in group:
        assert_whole_frame(case)


@pytest.mark.clause("frame.2-2", "frame.2-3", "frame.6-2", "frame.6-5", "frame.6-6")
@pytest.mark.parametrize("group", by_suite(*BAD_FRAMES))
def test_frames_to_be_refused(group):
    for case in group:
        receiver = Receiver(case["suite"])
        receiver.add_key(int(case["kid"]), secret(case))
        found = refusal(lambda case=case, receiver=receiver: receiver.unprotect(*raw(case, "ciphertext", "metadata")))
        assert found == (case["result"], case["clause"]), case["name"]


def ctr_hmac(case):
    parameters = CipherSuite(case["suite"]).parameters
    return AesCtrHmac(
        secret(case, "key"),
        cipher_key_length=parameters.cipher_key_length,
        hash_name=parameters.hash_name,
        tag_length=parameters.tag_length,
    )


@pytest.mark.clause("frame.3-3")
@pytest.mark.parametrize("case", cases("aead"))
def test_aeads(case):
    nonce, aad, plaintext, ciphertext = raw(case, "nonce", "aad", "plaintext", "ciphertext")
    assert case["enc_key"] + case["auth_key"] == case["key"]
    assert len(case["enc_key"]) == 2 * CipherSuite(case["suite"]).parameters.cipher_key_length
    for _ in range(2):
        assert ctr_hmac(case).encrypt(nonce, plaintext, aad) == ciphertext
        assert ctr_hmac(case).decrypt(nonce, ciphertext, aad) == plaintext


@pytest.mark.clause("frame.6-5", "frame.6-6")
@pytest.mark.parametrize("group", by_suite("aead-refused"))
def test_aeads_refuse(group):
    for case in group:
        nonce, aad, ciphertext = raw(case, "nonce", "aad", "ciphertext")
        assert case["result"] == (
            "malformed" if len(ciphertext) < CipherSuite(case["suite"]).parameters.tag_length else "authentication"
        )
        with pytest.raises(InvalidTag):
            ctr_hmac(case).decrypt(nonce, ciphertext, aad)


@pytest.mark.clause("frame.4-1", "frame.4-2")
@pytest.mark.parametrize("case", cases("key-id", "mls"))
def test_key_ids(case):
    parts = {name: int(case[name]) for name in ("context", "sender", "epoch")}
    bits = {name: case[name] for name in ("epoch_bits", "sender_bits")}
    if case["result"] == "ok":
        layout = KeyIdLayout(**bits)
        assert layout.encode(**parts) == int(case["kid"])
        parts["epoch"] %= 2 ** bits["epoch_bits"]
        assert layout.decode(int(case["kid"]))._asdict() == parts
    else:
        assert refusal(lambda: KeyIdLayout(**bits).encode(**parts)) == (case["result"], case["clause"])


def test_mls_base_keys_have_the_length_that_the_exporter_is_asked_for():
    for case in load("mls"):
        assert (case["exporter_label"], case["exporter_context"]) == ("SFrame 1.0 Base Key", "")
        assert case["exporter_length"] == len(case["base_key"]) // 2
        assert case["exporter_length"] == CipherSuite(case["suite"]).parameters.key_length


def ratchet_sender(case, base_key):
    bits = {"step_bits": case["step_bits"], "step": case["steps"]}
    return RatchetSender(case["suite"], int(case["generation"]), base_key, **bits)


@pytest.mark.clause("frame.10-1", "frame.10-2")
@pytest.mark.parametrize("group", by_suite("ratchet"))
def test_ratchets(group):
    """RFC 9605 §5.1: the base_key after so many steps, its KID, and a frame under both."""
    for case in group:
        if case["result"] != "ok":
            found = refusal(lambda case=case: ratchet_sender(case, SecretBytes(bytes(range(32)))))
            assert found[0] == case["result"], case["name"]
            continue
        base_key = secret(case, "first_base_key")
        for _ in range(case["steps"]):
            base_key = ratchet_base_key(case["suite"], base_key)
        assert exposed(base_key) == case["base_key"], case["name"]
        assert_whole_frame(case)
        if case["step_bits"] < 2:  # a KID of RFC 9605 that no receiver here takes
            layout = KeyIdLayout(epoch_bits=case["step_bits"], sender_bits=0)
            kid = layout.encode(context=int(case["generation"]), sender=0, epoch=case["steps"])
            assert kid == int(case["kid"])
            continue
        sender = ratchet_sender(case, base_key)
        assert sender.kid == int(case["kid"])
        if case["ctr"] == "0":  # what its Sender seals first; there may be one only in a process
            assert sender.protect(*raw(case, "plaintext", "metadata")) == bytes.fromhex(case["ciphertext"])


def receiver_of(case):
    layout = None
    if "epoch_bits" in case:
        layout = KeyIdLayout(epoch_bits=case["epoch_bits"], sender_bits=case["sender_bits"])
    return Receiver(case["suite"], layout=layout, own_sender=case.get("own_sender"))


def told(do):
    """What one step says: "ok", or the reason."""
    found, _ = refusal(do)
    return found


def assert_step(step, found, number):
    expected = step.get("reason", step["result"])
    assert found == expected, number
    assert step["result"] == ("replay" if expected == FrameReason.TOO_OLD else expected)


def opens(receiver, step, **more):
    plaintext, _, ctr = receiver.unprotect(*raw(step, "ciphertext", "metadata"), **more)
    assert (plaintext.hex(), ctr) == (step["plaintext"], int(step["ctr"]))


@pytest.mark.clause(
    "frame.4-3", "frame.4-4", "frame.4-5", "frame.6-2", "frame.6-3", "frame.6-4", "frame.6-8", "frame.6-9"
)
@pytest.mark.clause("frame.6-10", "frame.6-11", "frame.6-12", "frame.6-13", "frame.6-14", "frame.6-15")
@pytest.mark.parametrize("case", cases(*RECEIVERS))
def test_receivers(case):
    receiver = receiver_of(case)
    for number, step in enumerate(case["steps"]):
        streams = frozenset(map(int, step["streams"])) if "streams" in step else None
        do = {
            "add_key": lambda step=step: receiver.add_key(int(step["kid"]), secret(step)),
            "remove_key": lambda step=step: receiver.remove_key(int(step["kid"])),
            "unprotect": lambda step=step, streams=streams: opens(receiver, step, streams=streams),
        }
        assert_step(step, told(do[step["op"]]), number)


@pytest.mark.clause("frame.10-3", "frame.10-4", "frame.10-5", "frame.10-6")
@pytest.mark.parametrize("case", cases("ratchet-receiver"))
def test_receivers_of_a_ratchet(case):
    receiver = RatchetReceiver(case["suite"], step_bits=case["step_bits"], ahead=case["ahead"])
    for number, step in enumerate(case["steps"]):
        do = {
            "add_key": lambda s=step: receiver.add_key(int(s["generation"]), secret(s), step=s["step"]),
            "remove_generation": lambda s=step: receiver.remove_generation(int(s["generation"])),
            "unprotect": lambda s=step: opens(receiver, s),
        }
        assert_step(step, told(do[step["op"]]), number)


@pytest.mark.skipif(not SHARED.exists(), reason="RFC 9605's own file is not here (E2ECALL_SHARED)")
def test_the_restated_vectors_are_rfc_9605_s_own():
    official = json.loads(SHARED.read_text(encoding="utf-8"))
    assert [(int(c["kid"]), int(c["ctr"]), c["header"]) for c in load("header")] == [
        (int(v["kid"]), int(v["ctr"]), v["encoded"]) for v in official["header"]
    ]
    values = {"suite": "cipher_suite", "plaintext": "pt", "ciphertext": "ct"}
    frame = values | {name: f"sframe_{name}" for name in ("secret", "key", "salt", "key_label", "salt_label")}
    frame |= {name: name for name in ("kid", "ctr", "base_key", "nonce", "aad", "metadata")}
    assert len(official["sframe"]) == 5
    assert restated(load("ctr-hmac") + load("gcm"), frame) == in_our_words(official["sframe"], frame)
    aead = values | {name: name for name in ("key", "enc_key", "auth_key", "nonce", "aad")}
    theirs = official["aes_ctr_hmac"] + official["aes_256_ctr_hmac"]
    assert len(theirs) == 6
    assert restated(load("aead"), aead) == in_our_words(theirs, aead)


def restated(ours, names):
    return [{name: str(case[name]) for name in names} for case in ours]


def in_our_words(theirs, names):
    return [{ours: str(value[name]) for ours, name in names.items()} for value in theirs]

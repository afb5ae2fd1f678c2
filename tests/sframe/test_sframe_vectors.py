"""vectors/sframe, strictly and in both directions; and that RFC 9605's own are restated without a change."""

import json
import os
from pathlib import Path

import pytest

from e2ecall.crypto.kdf import hkdf_extract
from e2ecall.errors import ApiMisuse, FrameReason, FrameRejected
from e2ecall.secret import SecretBytes
from e2ecall.sframe import KeyIdLayout, Receiver, Sender, decode_header, derive, encode_header

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "vectors" / "sframe"
SHARED = (
    Path(os.environ.get("E2ECALL_SHARED", ROOT.parent / "shared")) / "vectors/sframe-rfc9605/sframe-test-vectors.json"
)


def load(name):
    data = json.loads((VECTORS / name).read_text(encoding="utf-8"))
    assert data["schema"] == "e2ecall/vectors/1"
    assert data["licence"] == "CC0-1.0"
    assert data["source"]
    return data["cases"]


def cases(name):
    return [pytest.param(case, id=case["name"]) for case in load(name)]


def raw(case, *names):
    return [bytes.fromhex(case[name]) for name in names]


def secret(case):
    return SecretBytes(bytes.fromhex(case["base_key"]))


@pytest.mark.clause("frame.2-1")
def test_all_289_headers_of_rfc_9605():
    headers = load("header.json")
    assert len(headers) == 289
    for case in headers:
        kid, ctr, header = int(case["kid"]), int(case["ctr"]), bytes.fromhex(case["header"])
        assert encode_header(kid, ctr) == header
        assert decode_header(header) == (kid, ctr, len(header))


@pytest.mark.clause("frame.2-2", "frame.2-3")
@pytest.mark.parametrize("case", cases("header-refused.json"))
def test_headers_to_be_refused(case):
    with pytest.raises(FrameRejected) as caught:
        decode_header(bytes.fromhex(case["data"]))
    assert (caught.value.reason.value, caught.value.clause) == (case["result"], case["clause"])


@pytest.mark.clause("frame.3-2", "frame.3-3")
@pytest.mark.parametrize("case", cases("gcm.json") + cases("gcm-edges.json"))
def test_whole_frames(case):
    suite, kid, ctr = case["suite"], int(case["kid"]), int(case["ctr"])
    plaintext, metadata, ciphertext = raw(case, "plaintext", "metadata", "ciphertext")
    hash_name = {4: "sha256", 5: "sha512"}[suite]
    assert bytes(hkdf_extract(b"", secret(case).expose(), hash_name).expose()).hex() == case["secret"]
    key, salt = derive(suite, kid, secret(case))
    assert bytes(key.expose()).hex() == case["key"]
    assert bytes(salt.expose()).hex() == case["salt"]
    assert (int(case["salt"], 16) ^ ctr) == int(case["nonce"], 16)
    assert (encode_header(kid, ctr) + metadata).hex() == case["aad"]
    assert Sender(suite, kid, secret(case), first_ctr=ctr).protect(plaintext, metadata) == ciphertext
    receiver = Receiver(suite)
    receiver.add_key(kid, secret(case))
    assert receiver.unprotect(ciphertext, metadata) == (plaintext, kid, ctr)


@pytest.mark.clause("frame.2-2", "frame.2-3", "frame.6-2", "frame.6-5", "frame.6-6")
@pytest.mark.parametrize("case", cases("gcm-refused.json"))
def test_frames_to_be_refused(case):
    receiver = Receiver(case["suite"])
    receiver.add_key(int(case["kid"]), secret(case))
    ciphertext, metadata = raw(case, "ciphertext", "metadata")
    with pytest.raises(FrameRejected) as caught:
        receiver.unprotect(ciphertext, metadata)
    assert (caught.value.reason.value, caught.value.clause) == (case["result"], case["clause"])


@pytest.mark.clause("frame.4-1", "frame.4-2")
@pytest.mark.parametrize("case", cases("key-id.json"))
def test_key_ids(case):
    parts = {name: int(case[name]) for name in ("context", "sender", "epoch")}
    bits = {name: case[name] for name in ("epoch_bits", "sender_bits")}
    if case["result"] == "ok":
        layout = KeyIdLayout(**bits)
        assert layout.encode(**parts) == int(case["kid"])
        assert layout.decode(int(case["kid"]))[:2] == (parts["context"], parts["sender"])
    else:
        with pytest.raises(ApiMisuse) as caught:
            KeyIdLayout(**bits).encode(**parts)
        assert caught.value.clause == case["clause"]


@pytest.mark.clause("frame.4-3", *(f"frame.6-{n}" for n in (2, 8, 9, 10, 11, 12, 13, 14)))
@pytest.mark.parametrize("case", cases("receiver.json"))
def test_receivers(case):
    receiver = Receiver(case["suite"])
    for step in case["steps"]:
        if step["op"] == "add_key":
            receiver.add_key(int(step["kid"]), secret(step))
        elif step["op"] == "remove_key":
            receiver.remove_key(int(step["kid"]))
        elif step["result"] == "ok":
            plaintext, _, ctr = receiver.unprotect(*raw(step, "ciphertext", "metadata"))
            assert (plaintext.hex(), ctr) == (step["plaintext"], int(step["ctr"]))
        else:
            with pytest.raises(FrameRejected) as caught:
                receiver.unprotect(*raw(step, "ciphertext", "metadata"))
            assert caught.value.reason is FrameReason(step.get("reason", step["result"]))


@pytest.mark.skipif(not SHARED.exists(), reason="RFC 9605's own file is not here (E2ECALL_SHARED)")
def test_the_restated_vectors_are_rfc_9605_s_own():
    official = json.loads(SHARED.read_text(encoding="utf-8"))
    assert [(int(c["kid"]), int(c["ctr"]), c["header"]) for c in load("header.json")] == [
        (int(v["kid"]), int(v["ctr"]), v["encoded"]) for v in official["header"]
    ]
    names = {
        "suite": "cipher_suite",
        "secret": "sframe_secret",
        "key": "sframe_key",
        "salt": "sframe_salt",
        "plaintext": "pt",
        "ciphertext": "ct",
    } | {name: name for name in ("kid", "ctr", "base_key", "nonce", "aad", "metadata")}
    gcm = [v for v in official["sframe"] if int(v["cipher_suite"]) in (4, 5)]
    assert len(gcm) == 2
    assert [{ours: str(c[ours]) for ours in names} for c in load("gcm.json")] == [
        {ours: str(v[theirs]) for ours, theirs in names.items()} for v in gcm
    ]

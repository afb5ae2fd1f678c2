"""tde2e's second writing against the first, on random input and on the published values."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2ecall.audit.oracle import tde2e as oracle
from e2ecall.audit.oracle.refused import Refused
from e2ecall.crypto import tde2e
from e2ecall.crypto.sign import Signer
from e2ecall.errors import E2ECallError
from e2ecall.secret import SecretBytes
from tests.support.telegram import ROOT, SHARED


def outcome(do):
    """What it gives, or the clause that refuses."""
    try:
        return do()
    except (E2ECallError, Refused) as refused:
        return refused.clause


class Padding:
    def __init__(self, data):
        self.data = data

    def draw(self, name, length):
        return self.data[:length]


SECRETS = st.binary(min_size=32, max_size=32)


@given(SECRETS, st.binary(max_size=70), st.binary(max_size=20), SECRETS)
def test_both_encrypt_alike(secret, data, extra, padding):
    ours = tde2e.encrypt_data(data, SecretBytes(secret), Padding(padding), extra=extra)
    length = oracle.padding_length(len(data)) - 1
    assert oracle.encrypt(secret, data, extra, padding[:length]) == (ours.message, ours.large_id)
    assert oracle.decrypt(secret, ours.message, extra) == (data, ours.large_id)
    header = SecretBytes(secret[::-1])
    encrypted = tde2e.encrypt_header(header, ours.message, SecretBytes(secret))
    assert oracle.encrypt_header(secret, secret[::-1], ours.message) == encrypted
    assert oracle.decrypt_header(secret, encrypted, ours.message) == secret[::-1]


@given(st.integers(0, 40), st.integers(0, 2), st.binary(max_size=4))
def test_both_refuse_alike(first, more, spoilt):
    """Under a good tag, and with a few bytes changed."""
    secret = bytes(32)
    message, _ = oracle.seal_padded(secret, bytes([first]) + bytes(15 + 16 * more), b"")
    message = spoilt + message[len(spoilt) :] if more else message
    assert outcome(lambda: tde2e.decrypt_data(message, SecretBytes(secret))) == outcome(
        lambda: oracle.decrypt(secret, message, b"")
    )


@settings(max_examples=10, deadline=None)
@given(SECRETS, SECRETS)
def test_both_find_one_secret(one, two):
    public = Signer(SecretBytes(two)).public
    assert oracle.shared_secret(one, public) == bytes(tde2e.shared_secret(SecretBytes(one), public).expose())


@pytest.mark.skipif(not SHARED.is_dir(), reason="the published values of tde2e are not here")
def test_the_vectors_restate_the_published_values():
    published = json.loads((SHARED / "tde2e_encryption_vectors.json").read_text(encoding="utf-8"))["vectors"]
    cases = json.loads((ROOT / "vectors/telegram/group.json").read_text(encoding="utf-8"))["cases"]
    restated = {case["name"]: case["steps"] for case in cases}
    found = [each for each in published if each["name"] in restated]
    assert len(found) == 6
    for each in found:
        encrypt, _, header, _ = restated[each["name"]]
        assert encrypt["data"] == each["data"]
        assert encrypt["returns"]["message"] == each["encrypted"]
        assert header["returns"]["encrypted"] == each["encrypted_header"]
    keys = json.loads((SHARED / "ed25519_x25519.json").read_text(encoding="utf-8"))
    (step,) = restated["the keys of alice and bob"]
    assert step["peer_public"] == keys["bob_pub"]
    assert step["returns"]["secret"] == keys["compute_shared_secret"]

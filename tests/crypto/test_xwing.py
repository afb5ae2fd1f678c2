"""X-Wing: the draft's vectors, HPKE of the library as a second implementation, both directions, refusals."""

import hashlib
import hmac
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PublicKey, Suite

from e2ecall.crypto.mlkem import MlKem768
from e2ecall.crypto.xwing import XWingKey, check_public_key, encapsulate
from e2ecall.errors import ApiMisuse, MalformedMessage, PeerMisbehaved
from e2ecall.secret import SecretBytes

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/identity/xwing.json").read_text("utf-8"))["cases"]
GOOD = [case for case in VECTORS if case["result"] == "ok"]
REFUSED = [case for case in VECTORS if case["result"] != "ok"]
LAYERS = {"malformed": MalformedMessage, "misbehaved": PeerMisbehaved}
SEED = SecretBytes(bytes(range(32)))


@pytest.mark.clause("identity.1-2", "identity.1-6")
@pytest.mark.parametrize("case", GOOD, ids=lambda case: case["name"])
def test_the_vectors_of_the_draft(case):
    key = XWingKey(SecretBytes(bytes.fromhex(case["seed"])))
    assert key.public.hex() == case["public"]
    assert bytes(key.decapsulate(bytes.fromhex(case["ciphertext"])).expose()).hex() == case["shared_secret"]
    check_public_key(key.public, clause="x.1-1")


@pytest.mark.clause("identity.1-6")
@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["name"])
def test_refused_ciphertexts(case):
    key = XWingKey(SecretBytes(bytes.fromhex(case["seed"])))
    with pytest.raises(LAYERS[case["result"]]) as caught:
        key.decapsulate(bytes.fromhex(case["ciphertext"]))
    assert caught.value.clause == "identity.1-6"


def test_there_are_vectors():
    assert (len(GOOD), len(REFUSED)) == (3, 5)


@pytest.mark.clause("identity.1-6")
def test_both_ends_have_the_same_secret_and_a_changed_ciphertext_gives_another():
    key = XWingKey(SEED)
    ct, secret = encapsulate(key.public, b"\7" * 32, MlKem768())
    assert (len(ct), len(secret)) == (1120, 32)
    assert key.decapsulate(ct) == secret
    for position in (0, 1087, 1088, 1119):
        changed = ct[:position] + bytes([ct[position] ^ 1]) + ct[position + 1 :]
        assert key.decapsulate(changed) != secret
    assert XWingKey(SecretBytes(bytes(32))).decapsulate(ct) != secret


@pytest.mark.clause("identity.1-6")
def test_hpke_of_the_library_agrees():
    """It seals for our public key; RFC 9180 §5.1 from our shared secret opens."""
    key = XWingKey(SEED)
    public = MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(key.public[:1184]), X25519PublicKey.from_public_bytes(key.public[1184:])
    )
    sealed = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_128_GCM).encrypt(b"hello", public, info=b"info")
    secret = bytes(key.decapsulate(sealed[:1120]).expose())
    suite = b"HPKE" + bytes.fromhex("647a00010001")

    def extract(salt, label, ikm):
        return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")

    def expand(prk, label, info, length):
        labelled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
        return hmac.digest(prk, labelled + b"\1", "sha256")[:length]

    context = b"\0" + extract(b"", b"psk_id_hash", b"") + extract(b"", b"info_hash", b"info")
    prk = extract(secret, b"secret", b"")
    aes = AESGCM(expand(prk, b"key", context, 16))
    assert aes.decrypt(expand(prk, b"base_nonce", context, 12), sealed[1120:], b"") == b"hello"


@pytest.mark.clause("identity.1-6")
def test_the_combiner_takes_both_secrets_and_the_transcript():
    key = XWingKey(SEED)
    ct, secret = encapsulate(key.public, b"\7" * 32, FixedKem())
    own = ct[1088:]
    shared = key._x25519.exchange(own, clause="x.1-1").expose()
    label = bytes.fromhex("5c2e2f2f5e5c")
    expected = hashlib.sha3_256(b"\5" * 32 + bytes(shared) + own + key.public[1184:] + label).digest()
    assert bytes(secret.expose()) == expected


class FixedKem:
    def encapsulate(self, ek):
        assert len(ek) == 1184
        return bytes(1088), SecretBytes(b"\5" * 32)


@pytest.mark.clause("identity.1-6")
def test_keys_that_are_refused_before_anything_is_sealed_for_them():
    public = XWingKey(SEED).public
    for bad, layer in (
        (public[:-1], MalformedMessage),
        (public + b"\0", MalformedMessage),
        (b"", MalformedMessage),
        (b"\xff" * 2 + public[2:], PeerMisbehaved),
        (public[:1184] + bytes(32), PeerMisbehaved),
        (public[:1184] + b"\1" + bytes(31), PeerMisbehaved),
    ):
        with pytest.raises(layer):
            encapsulate(bad, b"\7" * 32, MlKem768())
        with pytest.raises(layer):
            check_public_key(bad, clause="x.1-1")


@pytest.mark.clause("identity.1-2")
@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_seed_has_32_bytes(length):
    with pytest.raises(ApiMisuse):
        XWingKey(SecretBytes(bytes(length)))


def test_its_repr_says_the_public_half_only():
    assert repr(XWingKey(SEED)) == f"<XWingKey of {XWingKey(SEED).public.hex()[:16]}…>"

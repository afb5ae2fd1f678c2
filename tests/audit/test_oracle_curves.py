"""X25519 and Ed25519 of the oracle: the vectors of RFC 7748 §5.2, §6.1 and RFC 8032 §7.1; against the libraries."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.bindings import crypto_core_ed25519_is_valid_point

from e2ecall.audit.oracle import ed25519, x25519
from e2ecall.audit.oracle.refused import Refused
from e2ecall.crypto.sign import verify
from e2ecall.errors import VerificationFailed

KEYS = st.binary(min_size=32, max_size=32)
NINE = bytes([9]) + bytes(31)


def raw(text):
    return bytes.fromhex(text)


@pytest.mark.parametrize(
    ("scalar", "u", "result"),
    [
        (  # RFC 7748 §5.2, first
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
        ),
        (  # RFC 7748 §5.2, second: the last bit of u is set
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
        ),
    ],
)
def test_the_function_of_rfc_7748(scalar, u, result):
    assert x25519.multiply(raw(scalar), raw(u)).hex() == result


def test_the_iterations_of_rfc_7748():
    k = u = NINE
    for number in range(1, 201):
        k, u = x25519.multiply(k, u), k
        if number == 1:
            assert k.hex() == "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"
    other_k = other_u = NINE
    for _ in range(200):
        shared = X25519PrivateKey.from_private_bytes(other_k).exchange(X25519PublicKey.from_public_bytes(other_u))
        other_k, other_u = shared, other_k
    assert k == other_k


def test_the_exchange_of_rfc_7748():
    """§6.1."""
    a = raw("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
    b = raw("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
    assert x25519.public_key(a).hex() == "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
    assert x25519.public_key(b).hex() == "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
    shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
    assert x25519.exchange(a, x25519.public_key(b)).hex() == shared
    assert x25519.exchange(b, x25519.public_key(a)).hex() == shared


@settings(max_examples=60, deadline=None)
@given(private=KEYS, peer=KEYS)
def test_x25519_against_the_library(private, peer):
    try:
        wanted = X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(peer))
    except ValueError:
        wanted = bytes(32)  # the library refuses a shared secret of zeros
    assert x25519.multiply(private, peer) == wanted


P = 2**255 - 19
ORDER_8 = (
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
)


@pytest.mark.parametrize("u", [each + bit * 2**255 for each in (0, 1, *ORDER_8, P - 1, P, P + 1) for bit in (0, 1)])
@pytest.mark.clause("kex.7-1")
def test_points_of_small_order_are_refused(u):
    with pytest.raises(Refused) as caught:
        x25519.exchange(b"k" * 32, u.to_bytes(32, "little"))
    assert (caught.value.layer, caught.value.clause) == ("misbehaved", "kex.7-1")


@pytest.mark.parametrize(
    ("seed", "public", "message", "signature"),
    [  # RFC 8032 §7.1: tests 1, 2 and 3
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ],
)
def test_the_signatures_of_rfc_8032(seed, public, message, signature):
    assert ed25519.public_key(raw(seed)).hex() == public
    assert ed25519.sign(raw(seed), raw(message)).hex() == signature
    ed25519.verify(raw(public), raw(message), raw(signature), "kex.7-5")


@settings(max_examples=25, deadline=None)
@given(seed=KEYS, message=st.binary(max_size=200), bit=st.integers(0, 511))
def test_ed25519_against_the_library(seed, message, bit):
    signature = Ed25519PrivateKey.from_private_bytes(seed).sign(message)
    assert ed25519.sign(seed, message) == signature
    public = ed25519.public_key(seed)
    ed25519.verify(public, message, signature, "kex.7-5")
    spoilt = (int.from_bytes(signature, "big") ^ 1 << bit).to_bytes(64, "big")
    for bad_message, bad_signature in ((message, spoilt), (message + b"x", signature), (message, signature[:-1])):
        with pytest.raises(Refused) as caught:
            ed25519.verify(public, bad_message, bad_signature, "kex.7-5")
        assert (caught.value.layer, caught.value.clause) == ("verification", "kex.7-5")


@settings(max_examples=60, deadline=None)
@given(key=st.one_of(KEYS, KEYS.map(lambda key: bytes(31) + key[:1]), st.integers(0, 40).map(lambda n: small(n))))
@pytest.mark.clause("kex.7-3")
def test_public_keys_are_judged_as_libsodium_judges_them(key):
    if crypto_core_ed25519_is_valid_point(key):
        ed25519.check_public_key(key)
        return
    with pytest.raises(Refused) as caught:
        ed25519.check_public_key(key)
    assert (caught.value.layer, caught.value.clause) == ("misbehaved", "kex.7-3")


def small(number):
    """Encodings around 0 and p, with and without a sign."""
    y = (number // 2 if number < 20 else P - 5 + number // 2 - 10) + number % 2 * 2**255
    return (y % 2**256).to_bytes(32, "little")


def test_no_signature_holds_under_a_key_of_small_order():
    """kex.7-3: with R = B, S = 1 the equation holds for one message in a few; the key is refused before."""
    big_r = ed25519.encode_point(ed25519.BASE)
    for key in (bytes([1]) + bytes(31), bytes(32)):
        for number in range(16):
            with pytest.raises(Refused) as caught:
                ed25519.verify(key, bytes([number]), big_r + bytes([1]) + bytes(31), "kex.7-5")
            assert caught.value.layer == "misbehaved"


@pytest.mark.clause("kex.7-5")
def test_a_signature_whose_r_is_of_small_order_is_refused_by_both():
    """Its owner alone can make one, with the nonce 0: it satisfies the equation, and nobody should rely on it."""
    seed = bytes(range(32))
    key = ed25519.public_key(seed)
    secret, _ = ed25519._expand(seed)
    r = b"\1" + bytes(31)  # the neutral point
    k = ed25519._number(r, key, b"message") % ed25519.L
    signature = r + (k * secret % ed25519.L).to_bytes(32, "little")
    with pytest.raises(Refused, match="small order"):
        ed25519.verify(key, b"message", signature, "kex.7-5")
    with pytest.raises(VerificationFailed):
        verify(key, b"message", signature, what="it", clause="kex.7-5")

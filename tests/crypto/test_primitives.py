"""The primitives' own vectors, restated from their standards, and what each wrapper refuses."""

import pytest

from e2ecall.crypto import sign
from e2ecall.crypto.aead import aes_gcm, open_sealed, seal
from e2ecall.crypto.kdf import constant_time_equal, hkdf_expand, hkdf_extract, sha256
from e2ecall.crypto.mlkem import CT_LENGTH, EK_LENGTH, MlKem768, MlKemKey, check_encapsulation_key
from e2ecall.crypto.rng import SystemRng, randbelow
from e2ecall.crypto.x25519 import X25519Key
from e2ecall.errors import ApiMisuse, PeerMisbehaved, VerificationFailed
from e2ecall.secret import SecretBytes


def secret(text):
    return SecretBytes(bytes.fromhex(text))


def test_sha256_fips_180_4():
    assert sha256(b"abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_hkdf_rfc_5869_case_1():
    prk = hkdf_extract(bytes(range(13)), b"\x0b" * 22)
    assert prk == secret("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5")
    okm = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    assert hkdf_expand(prk, bytes(range(0xF0, 0xFA)), 42) == secret(okm)


def test_hkdf_with_sha512_differs():
    assert len(hkdf_extract(b"", b"x", "sha512")) == 64
    assert hkdf_expand(SecretBytes(bytes(64)), b"", 32, "sha512") != hkdf_expand(SecretBytes(bytes(64)), b"", 32)


def test_x25519_rfc_7748_6_1():
    bob = X25519Key(bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"))
    assert bob.public.hex() == "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
    alice_public = bytes.fromhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
    shared = secret("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")
    assert bob.exchange(alice_public, clause="c") == shared


def test_x25519_refuses_the_zero_point():
    with pytest.raises(PeerMisbehaved) as caught:
        X25519Key(bytes(range(32))).exchange(bytes(32), clause="kex.7-1")
    assert caught.value.clause == "kex.7-1"


def test_mlkem_round_trip_and_lengths():
    key = MlKemKey(bytes(range(64)))
    ct, shared = MlKem768().encapsulate(key.ek)
    assert len(key.ek) == EK_LENGTH
    assert len(ct) == CT_LENGTH
    assert key.decapsulate(ct) == shared
    assert key.decapsulate(bytes(CT_LENGTH)) != shared  # implicit rejection
    check_encapsulation_key(key.ek, clause="c")


def test_mlkem_of_a_seed_is_the_same_key():
    assert MlKemKey(bytes(64)).ek == MlKemKey(bytes(64)).ek
    assert sha256(MlKemKey(bytes(64)).ek) != sha256(MlKemKey(b"\1" * 64).ek)


def test_ed25519_rfc_8032_test_2():
    signer = sign.Signer(secret("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
    assert signer.public.hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    signature = signer.sign(b"\x72")
    assert signature.hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    sign.verify(signer.public, b"\x72", signature, what="it", clause="c")
    for key, message, changed in (
        (signer.public, b"\x73", signature),
        (signer.public, b"\x72", signature[:-1] + b"\1"),
        (sign.Signer(SecretBytes(bytes(32))).public, b"\x72", signature),
    ):
        with pytest.raises(VerificationFailed, match="the signature of it does not verify"):
            sign.verify(key, message, changed, what="it", clause="c")
    assert "4ccd" not in repr(signer)


def test_ed25519_forgery_under_a_small_order_key_is_refused():
    small = b"\1" + bytes(31)
    with pytest.raises(PeerMisbehaved):
        sign.check_public_key(small, clause="c")
    with pytest.raises(VerificationFailed):
        sign.verify(small, b"anything", small + bytes(32), what="it", clause="c")


def test_aes_gcm_of_the_gcm_specification_case_14():
    key, iv = SecretBytes(bytes(32)), SecretBytes(bytes(12))
    sealed = seal(key, iv, bytes(16), b"")
    assert sealed.hex() == "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"
    assert open_sealed(key, iv, sealed, b"", what="it", clause="c") == bytes(16)
    assert aes_gcm(key).encrypt(bytes(12), bytes(16), None) == sealed
    for wrong in ((key, iv, sealed, b"x"), (key, SecretBytes(b"\1" * 12), sealed, b""), (key, iv, sealed[:15], b"")):
        with pytest.raises(VerificationFailed, match="it does not authenticate"):
            open_sealed(*wrong, what="it", clause="c")


def test_constant_time_equal():
    assert constant_time_equal(b"abc", b"abc")
    assert not constant_time_equal(b"abc", b"abd")
    assert not constant_time_equal(b"abc", b"ab")


def test_randomness():
    rng = SystemRng()
    assert len(rng.draw("x", 7)) == 7
    assert rng.draw("x", 16) != rng.draw("x", 16)
    assert {randbelow(rng, "x", 3) for _ in range(200)} == {0, 1, 2}


def test_a_secret_does_not_wander():
    import copy
    import pickle

    one = secret("00ff" * 8)
    assert repr(one) == "<SecretBytes of 16 bytes>"
    assert str(one) == repr(one)
    assert one == secret("00ff" * 8)
    assert one != secret("00fe" * 8)
    assert one != secret("00ff" * 7)
    assert (one == b"\0\xff" * 8) is False
    with pytest.raises(TypeError):
        hash(one)
    for wander in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(ApiMisuse):
            wander(one)
    with pytest.raises(TypeError):
        one.expose()[0] = 1
    view = one.expose()
    one.wipe()
    one.wipe()
    assert bytes(view) == bytes(16)
    assert one.wiped
    assert repr(one) == "<SecretBytes of 16 bytes, wiped>"
    with pytest.raises(ApiMisuse, match="wiped"):
        one.expose()


def test_derive_into_checks_the_length():
    assert SecretBytes.derive_into(2, lambda buffer: buffer.__setitem__(slice(0, 2), b"ab")) == SecretBytes(b"ab")
    with pytest.raises(ApiMisuse):
        SecretBytes.derive_into(2, lambda buffer: buffer.extend(b"c"))

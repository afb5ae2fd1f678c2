import pytest

from e2ecall.errors import ApiMisuse
from e2ecall.secret import SecretBytes
from e2ecall.sframe import DEFAULT_SUITE, CipherSuite, RatchetReceiver, Receiver, Sender, derive, ratchet_base_key
from e2ecall.sframe.cipher import FrameCipher
from e2ecall.sframe.suites import aead, derive_base_key_name, derive_key_name, derive_secret

BASE = SecretBytes(bytes(range(32)))
SUITES = list(CipherSuite)


@pytest.mark.clause("frame.3-1")
def test_all_eight_suites_exist_and_the_256_bit_gcm_is_the_default():
    assert {suite.value: (suite.name, *suite.parameters) for suite in CipherSuite} == {
        1: ("AES_128_CTR_HMAC_SHA256_80", 48, 10, "sha256", 32, 16),
        2: ("AES_128_CTR_HMAC_SHA256_64", 48, 8, "sha256", 32, 16),
        3: ("AES_128_CTR_HMAC_SHA256_32", 48, 4, "sha256", 32, 16),
        4: ("AES_128_GCM_SHA256_128", 16, 16, "sha256", 32, None),
        5: ("AES_256_GCM_SHA512_128", 32, 16, "sha512", 64, None),
        6: ("AES_256_CTR_HMAC_SHA512_80", 96, 10, "sha512", 64, 32),
        7: ("AES_256_CTR_HMAC_SHA512_64", 96, 8, "sha512", 64, 32),
        8: ("AES_256_CTR_HMAC_SHA512_32", 96, 4, "sha512", 64, 32),
    }
    assert DEFAULT_SUITE is CipherSuite.AES_256_GCM_SHA512_128


@pytest.mark.clause("frame.7-7")
def test_two_suites_have_short_tags():
    assert {suite.value for suite in CipherSuite if suite.has_short_tag} == {3, 8}


@pytest.mark.clause("frame.3-1")
@pytest.mark.parametrize("number", [-1, 0, 9, 255, 65535])
def test_an_unknown_suite_is_refused_wherever_one_is_named(number):
    for make in (
        lambda: derive(number, 0, BASE),
        lambda: derive_secret(number, BASE),
        lambda: ratchet_base_key(number, BASE),
        lambda: FrameCipher(number, 0, BASE),
        lambda: Sender(number, 0, BASE),
        lambda: Receiver(number),
        lambda: Receiver(5).add_key(0, BASE, suite=number),
        lambda: RatchetReceiver(number, step_bits=4),
    ):
        with pytest.raises(ApiMisuse) as caught:
            make()
        assert caught.value.clause == "frame.3-1"


@pytest.mark.clause("frame.3-2")
def test_key_and_salt_have_the_suite_s_lengths_and_depend_on_suite_kid_and_base_key():
    seen = set()
    for suite in SUITES:
        for kid in (0, 1, 2**64 - 1):
            for base_key in (BASE, SecretBytes(bytes(32))):
                key, salt = derive(suite, kid, base_key)
                assert (len(key), len(salt)) == (suite.parameters.key_length, 12)
                seen.update({bytes(key.expose()), bytes(salt.expose())})
    assert len(seen) == 8 * 3 * 2 * 2


@pytest.mark.clause("frame.3-2")
@pytest.mark.parametrize("suite", SUITES)
def test_an_sframe_key_of_another_length_makes_no_cipher(suite):
    for length in {0, 16, 32, 48, 96, suite.parameters.key_length + 1} - {suite.parameters.key_length}:
        with pytest.raises(ApiMisuse) as caught:
            aead(suite, SecretBytes(bytes(length)))
        assert caught.value.clause == "frame.3-2"
    aead(suite, SecretBytes(bytes(suite.parameters.key_length)))


@pytest.mark.clause("frame.3-4")
@pytest.mark.parametrize("suite", SUITES)
def test_a_short_base_key_is_refused(suite):
    derive(suite, 0, SecretBytes(bytes(16)))
    for length in (0, 15):
        short = SecretBytes(bytes(length))
        for make in (
            lambda short=short: derive(suite, 0, short),
            lambda short=short: Sender(suite, 0, short),
            lambda short=short: Receiver(suite).add_key(0, short),
            lambda short=short: RatchetReceiver(suite, step_bits=4).add_key(0, short),
            lambda short=short: derive_key_name(0, short),
            lambda short=short: derive_base_key_name(short),
        ):
            with pytest.raises(ApiMisuse) as caught:
                make()
            assert caught.value.clause == "frame.3-4"


@pytest.mark.clause("frame.2-1")
@pytest.mark.parametrize("kid", [-1, 2**64])
def test_a_kid_has_64_bits(kid):
    for make in (
        lambda: derive(4, kid, BASE),
        lambda: derive_key_name(kid, BASE),
        lambda: Sender(4, kid, BASE),
        lambda: Receiver(4).add_key(kid, BASE),
    ):
        with pytest.raises(ApiMisuse) as caught:
            make()
        assert caught.value.clause == "frame.2-1"


@pytest.mark.clause("frame.5-6", "frame.6-12")
def test_names_of_keys_have_16_bytes_tell_keys_apart_and_are_neither_key_nor_salt():
    keys = (BASE, SecretBytes(b"k" * 32), SecretBytes(bytes(range(33))))
    names = {derive_key_name(kid, key) for kid in (0, 1, 2**64 - 1) for key in keys}
    names |= {derive_base_key_name(key) for key in keys}
    assert len(names) == 3 * 3 + 3
    assert {len(name) for name in names} == {16}
    assert {type(name) for name in names} == {bytes}
    for suite in SUITES:
        for secret in (*derive(suite, 0, BASE), derive_secret(suite, BASE)):
            exposed = bytes(secret.expose())
            assert not any(name in exposed or exposed in name for name in names)


@pytest.mark.clause("frame.3-2")
def test_the_base_key_is_not_consumed():
    derive(5, 0, BASE)
    derive_key_name(0, BASE)
    Sender(5, 0, BASE)
    Receiver(5).add_key(0, BASE)
    ratchet_base_key(5, BASE)
    assert bytes(BASE.expose()) == bytes(range(32))

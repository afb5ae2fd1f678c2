import pytest

from e2ecall.errors import ApiMisuse
from e2ecall.secret import SecretBytes
from e2ecall.sframe import DEFAULT_SUITE, CipherSuite, Receiver, Sender, derive
from e2ecall.sframe.suites import derive_window_id

BASE = SecretBytes(bytes(range(32)))


@pytest.mark.clause("frame.3-1")
def test_the_two_gcm_suites_exist_and_the_256_bit_one_is_the_default():
    assert {suite.name: suite.value for suite in CipherSuite} == {
        "AES_128_GCM_SHA256_128": 4,
        "AES_256_GCM_SHA512_128": 5,
    }
    assert DEFAULT_SUITE is CipherSuite.AES_256_GCM_SHA512_128


@pytest.mark.clause("frame.3-1")
@pytest.mark.parametrize("number", [0, 1, 3, 6, -1])
def test_an_unknown_suite_is_refused_wherever_one_is_named(number):
    for make in (
        lambda: derive(number, 0, BASE),
        lambda: Sender(number, 0, BASE),
        lambda: Receiver(number),
    ):
        with pytest.raises(ApiMisuse) as caught:
            make()
        assert caught.value.clause == "frame.3-1"


@pytest.mark.clause("frame.3-2")
def test_key_and_salt_have_the_suite_s_lengths_and_depend_on_suite_kid_and_base_key():
    seen = set()
    for suite, length in ((4, 16), (5, 32)):
        for kid in (0, 1, 2**64 - 1):
            for base_key in (BASE, SecretBytes(bytes(32))):
                key, salt = derive(suite, kid, base_key)
                assert (len(key), len(salt)) == (length, 12)
                seen.update({bytes(key.expose()), bytes(salt.expose())})
    assert len(seen) == 2 * 3 * 2 * 2


@pytest.mark.clause("frame.3-4")
def test_a_short_base_key_is_refused():
    derive(4, 0, SecretBytes(bytes(16)))
    for length in (0, 15):
        with pytest.raises(ApiMisuse) as caught:
            derive(4, 0, SecretBytes(bytes(length)))
        assert caught.value.clause == "frame.3-4"


@pytest.mark.parametrize("kid", [-1, 2**64])
def test_a_kid_has_64_bits(kid):
    with pytest.raises(ApiMisuse):
        derive(4, kid, BASE)


def test_the_window_id_is_neither_key_nor_salt_and_tells_every_key_apart():
    ids = {
        derive_window_id(suite, kid, key)
        for suite in (4, 5)
        for kid in (0, 1)
        for key in (BASE, SecretBytes(b"k" * 32))
    }
    assert len(ids) == 8
    key, salt = derive(4, 0, BASE)
    assert not {bytes(key.expose()), bytes(salt.expose())} & ids


def test_the_base_key_is_not_consumed():
    derive(5, 0, BASE)
    assert bytes(BASE.expose()) == bytes(range(32))

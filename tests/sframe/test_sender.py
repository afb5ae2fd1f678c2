import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2ecall.errors import ApiMisuse, CounterExhausted
from e2ecall.secret import SecretBytes
from e2ecall.sframe import CipherSuite, Receiver, Sender, decode_header, encode_header

BASE = SecretBytes(bytes(range(32)))


def sender(kid=0, suite=5, **limits):
    return Sender(suite, kid, BASE, **limits)


@pytest.mark.clause("frame.3-3")
@settings(deadline=None)
@given(
    st.sampled_from(list(CipherSuite)),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
    st.binary(max_size=300),
    st.binary(max_size=60),
)
def test_what_is_protected_opens_with_the_same_metadata(suite, kid, ctr, plaintext, metadata):
    sealed = Sender(suite, kid, BASE, first_ctr=ctr).protect(plaintext, metadata)
    receiver = Receiver(suite)
    receiver.add_key(kid, BASE)
    assert receiver.unprotect(sealed, metadata) == (plaintext, kid, ctr)
    assert len(sealed) == len(encode_header(kid, ctr)) + len(plaintext) + 16


@pytest.mark.clause("frame.2-1")
@pytest.mark.parametrize("kid", [0, 7, 8, 300, 2**64 - 1])
def test_the_cached_header_is_the_encoded_one_at_every_length(kid):
    for ctr in {0, 7, 8, *(2**bits + d for bits in range(3, 64) for d in (-1, 0, 1)), 2**64 - 1}:
        assert sender(kid, first_ctr=ctr).protect(b"").startswith(encode_header(kid, ctr))


@pytest.mark.clause("frame.5-1")
def test_counters_start_at_0_and_go_up_by_one():
    one = sender()
    assert [decode_header(one.protect(b"x"))[1] for _ in range(300)] == list(range(300))


@pytest.mark.clause("frame.5-1")
def test_threads_never_get_the_same_counter():
    one = sender()
    with ThreadPoolExecutor(8) as pool:
        frames = list(pool.map(lambda _: [one.protect(b"x") for _ in range(250)], range(8)))
    counters = [decode_header(frame)[1] for batch in frames for frame in batch]
    assert sorted(counters) == list(range(2000))


@pytest.mark.clause("frame.5-2")
@pytest.mark.parametrize("last", [0, 7, 8, 255, 2**64 - 1])
def test_after_the_last_counter_nothing_is_sealed_any_more(last):
    one = sender(16, first_ctr=last, last_ctr=last)
    assert decode_header(one.protect(b"last"))[1] == last
    for _ in range(3):
        with pytest.raises(CounterExhausted) as caught:
            one.protect(b"one more")
        assert caught.value.key_id == 16


@pytest.mark.clause("frame.5-2")
@pytest.mark.parametrize("limits", [{"first_ctr": -1}, {"first_ctr": 2**64}, {"last_ctr": 2**64}, {"last_ctr": -1}])
def test_a_counter_outside_64_bits_is_refused_at_once(limits):
    with pytest.raises(ApiMisuse):
        sender(**limits)


@pytest.mark.clause("frame.5-3")
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_sender_and_a_receiver_are_neither_copied_nor_pickled(duplicate):
    for owned in (sender(), Receiver(5)):
        with pytest.raises(ApiMisuse):
            duplicate(owned)
        with pytest.raises(ApiMisuse):
            duplicate([owned]) if duplicate is not copy.copy else duplicate(owned)


@pytest.mark.clause("frame.5-5")
def test_a_counter_is_spent_even_if_nothing_was_sealed():
    one = sender()
    with pytest.raises(TypeError):
        one.protect("text")
    assert decode_header(one.protect(b"x"))[1] == 1


@pytest.mark.clause("frame.5-5")
def test_a_frame_beyond_the_cipher_s_limit_is_a_misuse(monkeypatch):
    one = sender(16)

    def too_long(nonce, data, aad):
        raise OverflowError

    monkeypatch.setattr(one, "_encrypt", too_long)
    with pytest.raises(ApiMisuse) as caught:
        one.protect(b"")
    assert caught.value.key_id == 16


def test_the_repr_names_kid_and_suite_and_no_key():
    assert repr(sender(48, 4)) == "<Sender of KID 48, AES_128_GCM_SHA256_128>"

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2ecall.errors import ApiMisuse, FrameReason, FrameRejected
from e2ecall.secret import SecretBytes
from e2ecall.sframe import ONE_TO_ONE, Receiver, Sender
from e2ecall.sframe import receiver as receiver_module

BASE = SecretBytes(bytes(range(32)))
OTHER = SecretBytes(bytes(range(1, 33)))


def kid(context=0, sender=0, epoch=0):
    return ONE_TO_ONE.encode(context=context, sender=sender, epoch=epoch)


def one_to_one(*kids, own=1):
    receiver = Receiver(5, layout=ONE_TO_ONE, own_sender=own)
    for number in kids:
        receiver.add_key(number, BASE)
    return receiver


def refused(receiver, sealed, metadata=b"", **kw):
    with pytest.raises(FrameRejected) as caught:
        receiver.unprotect(sealed, metadata, **kw)
    return caught.value


@pytest.mark.clause("frame.6-2")
def test_no_key_no_frame():
    error = refused(one_to_one(kid(0)), Sender(5, kid(1, epoch=3), BASE).protect(b"x"))
    assert (error.reason, error.key_id, error.epoch) == (FrameReason.UNKNOWN_KEY, 35, 3)
    error = refused(Receiver(5), Sender(5, 35, BASE).protect(b"x"))
    assert (error.reason, error.key_id, error.epoch) == (FrameReason.UNKNOWN_KEY, 35, None)


@pytest.mark.clause("frame.6-3")
def test_our_own_frames_sent_back_are_refused_as_such():
    sealed = Sender(5, kid(1, sender=1), BASE).protect(b"x")
    error = refused(one_to_one(kid(0), kid(1)), sealed)
    assert (error.reason, error.key_id, error.epoch) == (FrameReason.OWN_FRAME, 48, 0)
    assert refused(one_to_one(kid(0, sender=1), own=0), sealed).reason is FrameReason.UNKNOWN_KEY
    assert refused(Receiver(5, layout=ONE_TO_ONE), sealed).reason is FrameReason.UNKNOWN_KEY


@pytest.mark.clause("frame.6-3")
def test_a_key_of_our_own_kid_is_not_installed():
    for context in (0, 1, 7):
        with pytest.raises(ApiMisuse) as caught:
            one_to_one().add_key(kid(context, sender=1), BASE)
        assert caught.value.clause == "frame.6-3"
    with pytest.raises(ApiMisuse):
        Receiver(5, own_sender=0)


@pytest.mark.clause("frame.6-4")
def test_a_frame_of_another_stream_is_refused_and_still_opens_on_its_own():
    receiver = one_to_one(kid(0), kid(1))
    sealed = Sender(5, kid(0), BASE).protect(b"sound")
    error = refused(receiver, sealed, contexts=frozenset({1}))
    assert (error.reason, error.key_id, error.epoch) == (FrameReason.WRONG_STREAM, 0, 0)
    assert refused(receiver, sealed, contexts=frozenset()).reason is FrameReason.WRONG_STREAM
    assert receiver.unprotect(sealed, contexts=frozenset({0, 5})) == (b"sound", 0, 0)


@pytest.mark.clause("frame.6-4")
def test_contexts_mean_nothing_without_a_layout():
    receiver = Receiver(5)
    receiver.add_key(0, BASE)
    with pytest.raises(ApiMisuse):
        receiver.unprotect(Sender(5, 0, BASE).protect(b"x"), contexts=frozenset({0}))


@pytest.mark.clause("frame.6-5", "frame.6-7")
@settings(deadline=None)
@given(st.binary(max_size=40), st.binary(max_size=20), st.data())
def test_a_changed_frame_or_changed_metadata_gives_nothing_and_takes_nothing(plaintext, metadata, data):
    receiver = one_to_one(kid(0))
    sealed = Sender(5, kid(0), BASE, first_ctr=9).protect(plaintext, metadata)
    both = bytearray(sealed + metadata)
    bit = data.draw(st.integers(0, 8 * len(both) - 1))
    both[bit // 8] ^= 1 << bit % 8
    changed, changed_metadata = bytes(both[: len(sealed)]), bytes(both[len(sealed) :])
    assert refused(receiver, changed, changed_metadata).reason in {
        FrameReason.AUTHENTICATION,
        FrameReason.UNKNOWN_KEY,
        FrameReason.OWN_FRAME,
        FrameReason.MALFORMED,
    }
    assert receiver.unprotect(sealed, metadata) == (plaintext, 0, 9)


@pytest.mark.clause("frame.6-5")
def test_another_key_of_the_same_kid_does_not_open_it():
    error = refused(one_to_one(kid(1, epoch=2)), Sender(5, kid(1, epoch=2), OTHER).protect(b"x"))
    assert (error.reason, error.key_id, error.epoch) == (FrameReason.AUTHENTICATION, 34, 2)
    receiver = Receiver(4)
    receiver.add_key(0, BASE)
    assert refused(receiver, Sender(5, 0, BASE).protect(b"x")).reason is FrameReason.AUTHENTICATION


@pytest.mark.clause("frame.6-6")
def test_a_frame_without_room_for_its_tag_is_malformed():
    receiver = one_to_one(kid(0))
    sealed = Sender(5, kid(0), BASE).protect(b"")
    for length in range(1, len(sealed)):
        error = refused(receiver, sealed[:length])
        assert (error.reason, error.key_id) == (FrameReason.MALFORMED, 0)
    assert receiver.unprotect(sealed) == (b"", 0, 0)


@pytest.mark.clause("frame.6-6")
def test_a_frame_beyond_the_cipher_s_limit_is_refused(monkeypatch):
    receiver = one_to_one(kid(0))

    def too_long(nonce, data, aad):
        raise OverflowError

    monkeypatch.setattr(receiver._keys[0], "decrypt", too_long)
    assert refused(receiver, b"\0" * 40).reason is FrameReason.AUTHENTICATION


@pytest.mark.clause("frame.6-1")
def test_the_first_check_that_fails_names_the_reason():
    """Header, key, stream, window, tag: a frame with all the faults from one of them on is refused for that one."""
    receiver = one_to_one(kid(0))
    good = Sender(5, kid(0), BASE, first_ctr=8).protect(b"x")
    receiver.unprotect(good)
    forged = good[:-1] + bytes([good[-1] ^ 1])
    wrong = frozenset({1})
    assert refused(receiver, b"\x08\x07" + forged[2:], contexts=wrong).reason is FrameReason.MALFORMED
    assert refused(receiver, b"\x88\x20" + forged[1:], contexts=wrong).reason is FrameReason.UNKNOWN_KEY
    assert refused(receiver, forged, contexts=wrong).reason is FrameReason.WRONG_STREAM
    assert refused(receiver, forged).reason is FrameReason.REPLAY
    assert refused(receiver, b"\x08\x09" + forged[2:]).reason is FrameReason.AUTHENTICATION


@pytest.mark.clause("frame.6-1")
def test_unauthenticated_bytes_cost_one_aead_and_no_derivation(monkeypatch):
    receiver = one_to_one(*(kid(context) for context in range(20)))
    calls = []

    def counted(decrypt, number):
        def run(nonce, data, aad):
            calls.append(number)
            return decrypt(nonce, data, aad)

        return run

    for number, key in receiver._keys.items():
        monkeypatch.setattr(key, "decrypt", counted(key.decrypt, number))

    def derived(*_):
        raise AssertionError("a key was derived for a frame")

    monkeypatch.setattr(receiver_module, "derive", derived)
    monkeypatch.setattr(receiver_module, "derive_window_id", derived)
    known = dict(receiver._keys)
    refused(receiver, Sender(5, kid(3), OTHER).protect(b"x"))
    assert calls == [kid(3)]
    refused(receiver, Sender(5, kid(3, epoch=1), BASE).protect(b"x"))
    refused(receiver, Sender(5, kid(3), BASE).protect(b"x"), contexts=frozenset({4}))
    assert calls == [kid(3)]
    receiver.unprotect(Sender(5, kid(3), BASE).protect(b"x"))
    refused(receiver, Sender(5, kid(3), BASE).protect(b"x"))
    assert calls == [kid(3)] * 2
    assert receiver._keys == known


@pytest.mark.clause("frame.6-10")
def test_the_window_is_entered_after_the_tag_only():
    receiver = one_to_one(kid(0))
    frames = [Sender(5, kid(0), BASE, first_ctr=ctr).protect(b"%d" % ctr) for ctr in (1, 50_000)]
    forged = frames[1][:-1] + bytes([frames[1][-1] ^ 0x80])
    assert refused(receiver, forged).reason is FrameReason.AUTHENTICATION
    assert receiver.unprotect(frames[0])[0] == b"1"
    assert refused(receiver, forged).reason is FrameReason.AUTHENTICATION
    assert receiver.unprotect(frames[1])[0] == b"50000"
    assert refused(receiver, frames[0]).reason is FrameReason.TOO_OLD


@pytest.mark.clause("frame.6-8", "frame.6-10")
def test_a_frame_that_two_threads_open_at_once_is_taken_once(monkeypatch):
    receiver = one_to_one(kid(0))
    sealed = Sender(5, kid(0), BASE).protect(b"once")
    key = receiver._keys[0]
    decrypt, inner = key.decrypt, []

    def overtaken(nonce, data, aad):
        """While the first thread is between its look and its entry, a second one takes the same frame."""
        monkeypatch.setattr(key, "decrypt", decrypt)
        thread = threading.Thread(target=lambda: inner.append(receiver.unprotect(sealed)))
        thread.start()
        thread.join()
        return decrypt(nonce, data, aad)

    monkeypatch.setattr(key, "decrypt", overtaken)
    error = refused(receiver, sealed)
    assert (error.reason, error.key_id, error.epoch) == (FrameReason.REPLAY, 0, 0)
    assert inner == [(b"once", 0, 0)]


@pytest.mark.clause("frame.6-12", "frame.6-13", "frame.4-3")
def test_a_key_that_comes_back_brings_its_window_and_a_new_one_starts_anew():
    receiver = one_to_one(kid(0))
    sealed = Sender(5, kid(0), BASE).protect(b"x")
    receiver.unprotect(sealed)
    receiver.add_key(kid(0), BASE)
    assert refused(receiver, sealed).reason is FrameReason.REPLAY
    receiver.remove_key(kid(0))
    receiver.remove_key(kid(0))
    assert refused(receiver, sealed).reason is FrameReason.UNKNOWN_KEY
    receiver.add_key(kid(0), OTHER)
    assert refused(receiver, Sender(5, kid(0), BASE, first_ctr=5).protect(b"x")).reason is FrameReason.AUTHENTICATION
    assert receiver.unprotect(Sender(5, kid(0), OTHER).protect(b"new")) == (b"new", 0, 0)
    receiver.add_key(kid(0), BASE)
    assert refused(receiver, sealed).reason is FrameReason.REPLAY


@pytest.mark.clause("frame.4-3")
def test_an_epoch_with_the_same_low_bits_takes_the_kid_over():
    receiver = one_to_one(kid(0, epoch=1))
    assert kid(0, epoch=17) == kid(0, epoch=1)
    receiver.add_key(kid(0, epoch=17), OTHER)
    assert refused(receiver, Sender(5, kid(0, epoch=1), BASE).protect(b"x")).reason is FrameReason.AUTHENTICATION
    assert receiver.unprotect(Sender(5, kid(0, epoch=17), OTHER).protect(b"x"))[0] == b"x"


@pytest.mark.clause("frame.6-14")
def test_no_number_of_refused_frames_closes_a_key():
    receiver = one_to_one(kid(0))
    forged = Sender(5, kid(0), OTHER, first_ctr=3).protect(b"x")
    for _ in range(2000):
        refused(receiver, forged)
    assert receiver.unprotect(Sender(5, kid(0), BASE, first_ctr=3).protect(b"x"))[0] == b"x"


def test_the_repr_counts_keys_and_shows_none():
    assert repr(one_to_one(kid(0), kid(1))) == "<Receiver of 2 keys, AES_256_GCM_SHA512_128>"

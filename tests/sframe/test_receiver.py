import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2ecall.errors import ApiMisuse, FrameReason
from e2ecall.secret import SecretBytes
from e2ecall.sframe import ONE_TO_ONE, KeyIdLayout, Receiver, Sender, receive_key
from support.frames import forged, fresh_base, reason, refused, sealed

BASE = SecretBytes(bytes(range(32)))
OTHER = SecretBytes(bytes(range(1, 33)))


def kid(context=0, sender=0, epoch=0):
    return ONE_TO_ONE.encode(context=context, sender=sender, epoch=epoch)


def stream(context, sender=0):
    return ONE_TO_ONE.stream_of(context=context, sender=sender)


def one_to_one(*kids, own=1):
    receiver = Receiver(5, layout=ONE_TO_ONE, own_sender=own)
    for number in kids:
        receiver.add_key(number, BASE)
    return receiver


def frame(number, ctr=0, key=BASE, plaintext=b"x"):
    return sealed(5, number, key, ctr, plaintext)


@pytest.mark.clause("frame.6-2")
def test_no_key_no_frame():
    error = refused(one_to_one(kid(0)), frame(kid(1, epoch=3)))
    assert (error.reason, error.key_id, error.epoch, error.clause) == (FrameReason.UNKNOWN_KEY, 35, 3, "frame.6-2")
    error = refused(Receiver(5), frame(35))
    assert (error.reason, error.key_id, error.epoch) == (FrameReason.UNKNOWN_KEY, 35, None)


@pytest.mark.clause("frame.6-3")
def test_our_own_frames_sent_back_are_refused_as_such():
    own = Sender(5, kid(1, sender=1), BASE).protect(b"x")
    error = refused(one_to_one(kid(0), kid(1)), own)
    assert (error.reason, error.key_id, error.epoch, error.clause) == (FrameReason.OWN_FRAME, 48, 0, "frame.6-3")
    assert refused(one_to_one(kid(0, sender=1), own=0), own).reason is FrameReason.UNKNOWN_KEY
    assert refused(Receiver(5, layout=ONE_TO_ONE), own).reason is FrameReason.UNKNOWN_KEY
    error = refused(one_to_one(kid(0)), frame(kid(9, sender=1, epoch=15), 70_000))
    assert (error.reason, error.epoch) == (FrameReason.OWN_FRAME, 15)


@pytest.mark.clause("frame.6-3")
def test_a_key_of_our_own_kid_is_not_installed():
    receiver = one_to_one()
    for context in (0, 1, 7):
        for epoch in (0, 15):
            number = kid(context, sender=1, epoch=epoch)
            with pytest.raises(ApiMisuse) as caught:
                receiver.add_key(number, BASE)
            assert (caught.value.clause, caught.value.key_id) == ("frame.6-3", number)
            assert refused(receiver, frame(number)).reason is FrameReason.OWN_FRAME
    with pytest.raises(ApiMisuse) as caught:
        Receiver(5, own_sender=0)
    assert caught.value.clause == "frame.6-3"


@pytest.mark.clause("frame.6-3")
def test_every_sender_index_of_a_large_layout_but_our_own_is_opened():
    layout = KeyIdLayout(epoch_bits=8, sender_bits=16)
    receiver = Receiver(5, layout=layout, own_sender=300)
    for sender in (0, 1, 299, 301, 65_535):
        number = layout.encode(context=3, sender=sender, epoch=7)
        receiver.add_key(number, BASE)
        assert receiver.unprotect(frame(number)) == (b"x", number, 0)
    error = refused(receiver, frame(layout.encode(context=3, sender=300, epoch=263)))
    assert (error.reason, error.epoch) == (FrameReason.OWN_FRAME, 7)


@pytest.mark.clause("frame.6-4", "frame.4-4")
def test_a_frame_of_another_stream_is_refused_and_still_opens_on_its_own():
    receiver = one_to_one(kid(0), kid(1), kid(1, epoch=1))
    sound = frame(kid(0), plaintext=b"sound")
    for streams in ({stream(1)}, {stream(0, sender=1)}, {kid(1)}, set()):
        error = refused(receiver, sound, streams=frozenset(streams))
        assert (error.reason, error.key_id, error.epoch) == (FrameReason.WRONG_STREAM, 0, 0)
        assert error.clause == "frame.6-4"
    assert receiver.unprotect(sound, streams=frozenset({stream(0), 50})) == (b"sound", 0, 0)
    for epoch in (0, 1):  # the stream is the same one in every epoch
        number = kid(1, epoch=epoch)
        assert receiver.unprotect(frame(number), streams=frozenset({stream(1)})) == (b"x", number, 0)


@pytest.mark.clause("frame.6-4", "frame.4-4")
def test_without_a_layout_each_kid_is_a_stream():
    receiver = Receiver(5)
    for number in (0, 300):
        receiver.add_key(number, BASE)
    assert refused(receiver, frame(300), streams=frozenset({0})).reason is FrameReason.WRONG_STREAM
    assert receiver.unprotect(frame(300), streams=frozenset({300}))[1] == 300


@pytest.mark.clause("frame.6-5", "frame.6-7")
@given(st.binary(max_size=40), st.binary(max_size=20), st.data())
def test_a_changed_frame_or_changed_metadata_gives_nothing_and_takes_nothing(plaintext, metadata, data):
    receiver, base_key = one_to_one(), fresh_base()
    receiver.add_key(kid(0), base_key)
    good = sealed(5, kid(0), base_key, 9, plaintext, metadata)
    both = bytearray(good + metadata)
    bit = data.draw(st.integers(0, 8 * len(both) - 1))
    both[bit // 8] ^= 1 << bit % 8
    changed, changed_metadata = bytes(both[: len(good)]), bytes(both[len(good) :])
    assert refused(receiver, changed, changed_metadata).reason in {
        FrameReason.AUTHENTICATION,
        FrameReason.UNKNOWN_KEY,
        FrameReason.OWN_FRAME,
        FrameReason.MALFORMED,
    }
    assert receiver.unprotect(good, metadata) == (plaintext, 0, 9)


@pytest.mark.clause("frame.6-5")
def test_another_key_of_the_same_kid_does_not_open_it():
    error = refused(one_to_one(kid(1, epoch=2)), frame(kid(1, epoch=2), key=OTHER))
    assert (error.reason, error.key_id, error.epoch) == (FrameReason.AUTHENTICATION, 34, 2)
    assert error.clause == "frame.6-5"
    receiver = Receiver(4)
    receiver.add_key(0, BASE)
    assert refused(receiver, frame(0)).reason is FrameReason.AUTHENTICATION


@pytest.mark.clause("frame.3-1")
def test_a_stream_may_have_a_suite_of_its_own():
    receiver = Receiver(5)
    receiver.add_key(0, BASE)
    for suite in range(1, 9):
        receiver.add_key(suite, BASE, suite=suite)
    for suite in range(1, 9):
        error = refused(receiver, sealed(suite, suite, BASE, 1, b"")[:-1])
        assert (error.reason, error.clause) == (FrameReason.MALFORMED, "frame.6-6")
        wrong = sealed(1 + suite % 8, suite, BASE, 2, bytes(40))
        assert refused(receiver, wrong).reason is FrameReason.AUTHENTICATION
        assert receiver.unprotect(sealed(suite, suite, BASE, 1, b"x")) == (b"x", suite, 1)
    assert receiver.unprotect(frame(0)) == (b"x", 0, 0)
    assert receiver.suite == 5


@pytest.mark.clause("frame.6-6")
def test_a_frame_without_room_for_its_tag_is_malformed():
    receiver = one_to_one(kid(0))
    good = frame(kid(0), plaintext=b"")
    for length in range(1, len(good)):
        error = refused(receiver, good[:length])
        assert (error.reason, error.key_id, error.epoch) == (FrameReason.MALFORMED, 0, 0)
    assert receiver.unprotect(good) == (b"", 0, 0)


@pytest.mark.clause("frame.6-6")
def test_a_frame_beyond_the_cipher_s_limit_is_refused():
    receiver = one_to_one(kid(0))

    def too_long(nonce, data, aad):
        raise OverflowError

    key = receiver._keys.get(0)
    key.unwatch()
    works, key.decrypt = key.decrypt, too_long
    assert refused(receiver, b"\0" * 40).reason is FrameReason.AUTHENTICATION
    key.decrypt = works
    assert receiver.unprotect(frame(0))[0] == b"x"


@pytest.mark.clause("frame.6-10")
def test_the_window_is_entered_after_the_tag_only():
    receiver = one_to_one(kid(0))
    first, later = frame(kid(0), 1), frame(kid(0), 50_000)
    assert refused(receiver, forged(later)).reason is FrameReason.AUTHENTICATION
    assert receiver.unprotect(first)[2] == 1
    assert refused(receiver, forged(later)).reason is FrameReason.AUTHENTICATION
    assert receiver.unprotect(later)[2] == 50_000
    assert refused(receiver, first).reason is FrameReason.TOO_OLD


@pytest.mark.clause("frame.6-8", "frame.6-10")
def test_a_frame_that_two_threads_open_at_once_is_taken_once():
    receiver = one_to_one(kid(0))
    once = frame(kid(0), plaintext=b"once")
    key = receiver._keys.get(0)
    decrypt, inner = key.decrypt, []

    def overtaken(nonce, data, aad):
        """While the first thread is between its look and its entry, a second one takes the same frame."""
        key.decrypt = decrypt
        thread = threading.Thread(target=lambda: inner.append(receiver.unprotect(once)))
        thread.start()
        thread.join()
        return decrypt(nonce, data, aad)

    key.decrypt = overtaken
    error = refused(receiver, once)
    assert (error.reason, error.key_id, error.epoch) == (FrameReason.REPLAY, 0, 0)
    assert inner == [(b"once", 0, 0)]


@pytest.mark.clause("frame.6-12", "frame.6-13", "frame.4-3")
@pytest.mark.parametrize("layout", [None, ONE_TO_ONE])
def test_a_key_that_comes_back_brings_its_window_and_a_new_one_starts_anew(layout):
    receiver = Receiver(5, layout=layout)
    receiver.add_key(0, BASE)
    taken = frame(0)
    receiver.unprotect(taken)
    receiver.add_key(0, BASE)
    assert refused(receiver, taken).reason is FrameReason.REPLAY
    receiver.remove_key(0)
    receiver.remove_key(0)
    assert refused(receiver, taken).reason is FrameReason.UNKNOWN_KEY
    receiver.add_key(0, OTHER)
    assert refused(receiver, frame(0, 5)).reason is FrameReason.AUTHENTICATION
    assert receiver.unprotect(frame(0, 0, OTHER, b"new")) == (b"new", 0, 0)
    receiver.add_key(0, BASE)
    assert refused(receiver, taken).reason is FrameReason.REPLAY
    assert receiver.unprotect(frame(0, 5)) == (b"x", 0, 5)


@pytest.mark.clause("frame.6-12")
def test_the_window_is_that_of_the_key_whatever_the_suite():
    receiver = Receiver(5)
    receiver.add_key(0, BASE)
    receiver.unprotect(frame(0, 3))
    receiver.add_key(0, BASE, suite=4)
    assert reason(receiver, sealed(4, 0, BASE, 3, b"x")) is FrameReason.REPLAY
    assert receiver.unprotect(sealed(4, 0, BASE, 4, b"x"))[2] == 4


@pytest.mark.clause("frame.6-12")
def test_of_windows_without_a_key_the_last_are_kept(monkeypatch):
    monkeypatch.setattr("e2ecall.sframe.receive_key.WINDOWS_KEPT", 8)
    receiver = Receiver(3)
    for number in range(30):
        receiver.add_key(number, BASE)
        receiver.unprotect(sealed(3, number, BASE, 0, b""))
        receiver.remove_key(number)
        assert len(receiver._keys._windows) <= 9
    for number in range(22, 30):  # the last eight that are gone
        receiver.add_key(number, BASE)
        assert reason(receiver, sealed(3, number, BASE, 0, b"")) is FrameReason.REPLAY


@pytest.mark.clause("frame.6-12")
def test_the_window_of_an_installed_key_is_never_forgotten(monkeypatch):
    monkeypatch.setattr("e2ecall.sframe.receive_key.WINDOWS_KEPT", 2)
    receiver = Receiver(3)
    for number in range(20):
        receiver.add_key(number, BASE)
        receiver.unprotect(sealed(3, number, BASE, 0, b""))
    for number in range(100, 120):
        receiver.add_key(number, BASE)
        receiver.remove_key(number)
    for number in range(20):
        receiver.add_key(number, BASE)
        assert reason(receiver, sealed(3, number, BASE, 0, b"")) is FrameReason.REPLAY


def test_the_bound_of_windows_is_1024():
    assert receive_key.WINDOWS_KEPT == 1024


@pytest.mark.clause("frame.6-14")
def test_no_number_of_refused_frames_closes_a_key():
    receiver = one_to_one(kid(0))
    bad = frame(kid(0), 3, OTHER)
    for _ in range(2000):
        refused(receiver, bad)
    assert receiver.unprotect(frame(kid(0), 3))[0] == b"x"


def test_the_repr_counts_keys_and_shows_none():
    assert repr(one_to_one(kid(0), kid(1))) == "<Receiver of 2 keys, AES_256_GCM_SHA512_128>"


@pytest.mark.clause("frame.6-12", "frame.6-14")
def test_a_frame_that_comes_while_its_key_is_added_again_is_opened():
    """Another thread's frame, put where the old entry is gone and the new one is not there yet."""
    receiver, said = Receiver(5), []

    class Prefixes(dict):
        def __delitem__(self, prefix):
            super().__delitem__(prefix)
            said.append(reason(receiver, sealed(5, 0, BASE, 100 + len(said), b"")))

    receiver.add_key(0, BASE)
    receiver._by_prefix = receiver._keys.by_prefix = Prefixes(receiver._by_prefix)
    receiver.add_key(0, BASE)
    assert set(said) <= {None}
    assert reason(receiver, sealed(5, 0, BASE, 9, b"")) is None


@pytest.mark.clause("frame.6-12")
def test_windows_of_keys_that_are_gone_shrink_to_the_bound(monkeypatch):
    monkeypatch.setattr("e2ecall.sframe.receive_key.WINDOWS_KEPT", 8)
    receiver = Receiver(3)
    for number in range(40):
        receiver.add_key(number, BASE)
    for number in range(40):
        receiver.remove_key(number)
    receiver.add_key(100, BASE)
    assert len(receiver._keys._windows) <= 9


@pytest.mark.clause("frame.6-3")
def test_a_key_that_is_not_installed_leaves_no_window():
    receiver = Receiver(5, layout=ONE_TO_ONE, own_sender=1)
    for number in range(30):
        for kid, suite in ((16, 5), (0, 99)):
            with pytest.raises(ApiMisuse):
                receiver.add_key(kid, SecretBytes(bytes([number]) * 16), suite=suite)
    assert len(receiver._keys._windows) == 0


@pytest.mark.clause("frame.6-12")
def test_the_windows_kept_are_of_the_keys_that_went_last(monkeypatch):
    monkeypatch.setattr("e2ecall.sframe.receive_key.WINDOWS_KEPT", 4)
    receiver = Receiver(3)
    receiver.add_key(0, BASE)
    taken = sealed(3, 0, BASE, 0, b"")
    receiver.unprotect(taken)
    for number in range(1, 12):
        receiver.add_key(number, BASE)
        receiver.remove_key(number)
    receiver.remove_key(0)  # the last one of all to go
    receiver.add_key(50, BASE)
    receiver.add_key(0, BASE)
    assert reason(receiver, taken) is FrameReason.REPLAY


@pytest.mark.clause("frame.6-3")
@pytest.mark.parametrize("own", [-1, 2, 300])
def test_an_own_sender_index_that_the_layout_has_no_room_for_is_refused(own):
    with pytest.raises(ApiMisuse):
        Receiver(5, layout=ONE_TO_ONE, own_sender=own)

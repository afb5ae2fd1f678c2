"""Epochs: one base_key each, the wrap of their low bits, and how the keys of old ones leave."""

import pytest

from e2ecall.errors import FrameReason
from e2ecall.secret import SecretBytes
from e2ecall.sframe import KeyIdLayout, Receiver
from e2ecall.sframe.receive_key import LEAVE_AFTER_FRAMES, LEAVE_AFTER_SECONDS
from support.frames import forged, reason, refused, sealed

LAYOUT = KeyIdLayout(epoch_bits=2, sender_bits=2)
KEYS = [SecretBytes(bytes([number]) * 32) for number in range(12)]
UNKNOWN = FrameReason.UNKNOWN_KEY


class Group:
    """A receiver with sender index 3, and the frames of the others; the base_key is that of the epoch's number."""

    def __init__(self):
        self.receiver = Receiver(4, layout=LAYOUT, own_sender=3)
        self.counters = {}

    def kid(self, epoch, sender=0, context=0):
        return LAYOUT.encode(context=context, sender=sender, epoch=epoch)

    def add(self, epoch, sender=0, context=0):
        self.receiver.add_key(self.kid(epoch, sender, context), KEYS[epoch])

    def frame(self, epoch, sender=0, context=0):
        place = epoch, sender, context
        ctr = self.counters[place] = self.counters.get(place, -1) + 1
        return sealed(4, self.kid(*place), KEYS[epoch], ctr, b"%d" % epoch)

    def put(self, epoch, sender=0, context=0):
        """None if the next frame was opened, and otherwise the reason."""
        return reason(self.receiver, self.frame(epoch, sender, context))


def group(*places):
    made = Group()
    for place in places:
        made.add(*place)
    return made


@pytest.mark.clause("frame.6-15")
def test_keys_leave_after_256_frames_or_2_seconds():
    assert (LEAVE_AFTER_FRAMES, LEAVE_AFTER_SECONDS) == (256, 2.0)


@pytest.mark.clause("frame.6-15")
def test_an_old_epoch_opens_256_more_frames_after_the_first_of_a_newer_one():
    calls = group((0,), (1,))
    assert [calls.put(0) for _ in range(300)] == [None] * 300  # the new key is there, and not used yet
    assert calls.put(1) is None
    assert [calls.put(0) for _ in range(256)] == [None] * 256
    assert [calls.put(0) for _ in range(3)] == [UNKNOWN] * 3
    assert [calls.put(1) for _ in range(600)] == [None] * 600


@pytest.mark.clause("frame.6-15")
def test_an_old_epoch_leaves_2_s_after_the_first_look_at_the_clock():
    calls = group((0,), (1,))
    calls.receiver.expire(5.0)
    calls.receiver.expire(1000.0)
    assert calls.put(1) is None
    calls.receiver.expire(1000.5)
    for now in (1000.5, 1001.0, 1002.49):
        calls.receiver.expire(now)
        assert calls.put(0) is None
    calls.receiver.expire(1002.5)
    assert calls.put(0) is UNKNOWN
    calls.receiver.expire(5000.0)
    assert calls.put(1) is None


@pytest.mark.clause("frame.6-15")
def test_without_a_look_at_the_clock_time_drops_nothing():
    calls = group((0,), (1,))
    calls.receiver.expire(0.0)
    calls.put(1)
    assert calls.put(0) is None
    calls.receiver.expire(1e6)  # the first one that finds it leaving
    assert calls.put(0) is None
    calls.receiver.expire(1e6 + 2)
    assert calls.put(0) is UNKNOWN


@pytest.mark.clause("frame.6-15")
def test_only_frames_that_authenticate_and_are_new_count():
    calls = group((0,), (1,))
    first = calls.frame(1)
    assert refused(calls.receiver, forged(first)).reason is FrameReason.AUTHENTICATION
    assert [calls.put(0) for _ in range(300)] == [None] * 300  # the forgery did not begin anything
    assert reason(calls.receiver, first) is None
    old = calls.frame(0)
    assert reason(calls.receiver, old) is None
    for _ in range(300):
        assert refused(calls.receiver, old).reason is FrameReason.REPLAY
        assert refused(calls.receiver, forged(calls.frame(0))).reason is FrameReason.AUTHENTICATION
    assert [calls.put(0) for _ in range(256)] == [None] * 255 + [UNKNOWN]


@pytest.mark.clause("frame.6-15")
def test_a_frame_on_the_wrong_stream_makes_no_key_leave():
    calls = group((0,), (1,))
    error = refused(calls.receiver, calls.frame(1), streams=frozenset({9}))
    assert error.reason is FrameReason.WRONG_STREAM
    assert [calls.put(0) for _ in range(300)] == [None] * 300


@pytest.mark.clause("frame.6-15")
def test_only_that_sender_s_keys_leave_and_all_its_contexts():
    calls = group(*((epoch, sender, context) for epoch in (0, 1) for sender in (0, 1) for context in (0, 1)))
    assert calls.put(1, 0, 0) is None
    calls.receiver.expire(0.0)
    calls.receiver.expire(2.0)
    assert [calls.put(0, 0, context) for context in (0, 1)] == [UNKNOWN] * 2
    assert [calls.put(0, 1, context) for context in (0, 1)] == [None] * 2
    assert calls.put(1, 1, 1) is None
    calls.receiver.expire(10.0)
    calls.receiver.expire(12.0)
    assert [calls.put(0, 1, context) for context in (0, 1)] == [UNKNOWN] * 2
    assert [calls.put(1, sender, context) for sender in (0, 1) for context in (0, 1)] == [None] * 4


@pytest.mark.clause("frame.6-15")
def test_each_key_counts_its_own_256_frames():
    calls = group((0, 0, 0), (0, 0, 1), (1, 0, 0))
    calls.put(1)
    assert [calls.put(0, 0, 0) for _ in range(257)] == [None] * 256 + [UNKNOWN]
    assert [calls.put(0, 0, 1) for _ in range(257)] == [None] * 256 + [UNKNOWN]


@pytest.mark.clause("frame.6-15")
def test_epochs_installed_ahead_stay_when_an_older_one_is_used():
    calls = group((0,), (1,), (2,))
    assert calls.put(1) is None
    calls.receiver.expire(0.0)
    calls.receiver.expire(2.0)
    assert (calls.put(0), calls.put(1), calls.put(2)) == (UNKNOWN, None, None)
    calls.receiver.expire(3.0)
    calls.receiver.expire(5.0)
    assert (calls.put(1), calls.put(2)) == (UNKNOWN, None)


@pytest.mark.clause("frame.6-15")
def test_a_skipped_epoch_leaves_with_the_older_ones():
    calls = group((0,), (1,), (2,))
    assert calls.put(2) is None
    assert (calls.put(0), calls.put(1)) == (None, None)
    calls.receiver.expire(0.0)
    calls.receiver.expire(2.0)
    assert (calls.put(0), calls.put(1), calls.put(2)) == (UNKNOWN, UNKNOWN, None)


@pytest.mark.clause("frame.6-15")
def test_which_epoch_is_newer_is_what_came_later_and_not_the_low_bits():
    calls = group((3,), (4,))  # low bits 3 and 0
    assert calls.put(4) is None
    calls.receiver.expire(0.0)
    calls.receiver.expire(2.0)
    assert (calls.put(3), calls.put(4)) == (UNKNOWN, None)


@pytest.mark.clause("frame.4-5", "frame.4-3")
def test_a_wrapped_epoch_drops_every_key_of_the_old_one_at_once():
    places = [(0, sender, context) for sender in (0, 1, 2) for context in (0, 5)]
    calls = group(*places, (1, 0, 0))
    assert [calls.put(*place) for place in places] == [None] * 6
    calls.add(4, sender=2, context=7)
    said = [calls.put(*place) for place in places]
    assert said == [UNKNOWN] * 6
    assert calls.put(4, 2, 7) is None
    assert calls.put(1, 0, 0) is None
    calls.add(4, 0, 0)
    assert reason(calls.receiver, calls.frame(0, 0, 0)) is FrameReason.AUTHENTICATION
    assert calls.put(4, 0, 0) is None


@pytest.mark.clause("frame.4-5")
def test_the_same_base_key_adds_a_context_to_its_epoch():
    calls = group((0, 0, 0))
    assert calls.put(0, 0, 0) is None
    for context in (1, 2):
        calls.add(0, 0, context)
        calls.add(0, 1, context)
    said = [calls.put(0, sender, context) for sender, context in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2))]
    assert said == [None] * 5


@pytest.mark.clause("frame.4-5", "frame.6-12")
def test_a_wrap_and_the_old_epoch_once_more_bring_back_no_taken_frame():
    calls = group((0,))
    taken = calls.frame(0)
    assert reason(calls.receiver, taken) is None
    calls.add(4)
    calls.add(0)
    assert reason(calls.receiver, taken) is FrameReason.REPLAY
    calls.frame(4)  # its counter, 0, is one that the other key has taken
    assert calls.put(4) is FrameReason.AUTHENTICATION
    assert calls.put(0) is None


@pytest.mark.clause("frame.4-5")
def test_without_a_layout_kids_have_nothing_to_do_with_each_other():
    receiver = Receiver(4)
    for number, key in enumerate(KEYS):
        receiver.add_key(number, key)
    for turn in range(3):
        for number, key in enumerate(KEYS):
            assert reason(receiver, sealed(4, number, key, turn, b"")) is None
        receiver.expire(10.0 * turn)


@pytest.mark.clause("frame.6-15")
@pytest.mark.parametrize("layout", [None, LAYOUT])
def test_a_key_can_be_told_to_leave(layout):
    receiver = Receiver(4, layout=layout)
    for number in (0, 16):
        receiver.add_key(number, KEYS[0])
    frames = {number: iter([sealed(4, number, KEYS[0], ctr, b"") for ctr in range(400)]) for number in (0, 16)}

    def put(number):
        return reason(receiver, next(frames[number]))

    receiver.leave(0)
    receiver.leave(300)  # there is none
    assert [put(0) for _ in range(100)] == [None] * 100
    receiver.leave(0)  # once is enough: the frames are counted from the first time
    assert [put(0) for _ in range(157)] == [None] * 156 + [UNKNOWN]
    assert [put(16) for _ in range(300)] == [None] * 300
    receiver.leave(16)
    receiver.expire(7.0)
    receiver.expire(8.99)
    assert put(16) is None
    receiver.expire(9.0)
    assert put(16) is UNKNOWN


@pytest.mark.clause("frame.6-12", "frame.6-15")
def test_a_key_that_left_keeps_its_window():
    calls = group((0,), (1,))
    taken = calls.frame(0)
    assert reason(calls.receiver, taken) is None
    calls.put(1)
    calls.receiver.expire(0.0)
    calls.receiver.expire(2.0)
    assert reason(calls.receiver, taken) is UNKNOWN
    calls.add(0)
    assert reason(calls.receiver, taken) is FrameReason.REPLAY
    assert calls.put(0) is None


@pytest.mark.clause("frame.6-13", "frame.6-15")
def test_a_leaving_key_may_be_removed_and_a_removed_one_leaves_no_trace():
    calls = group((0,), (1,))
    calls.put(1)
    calls.receiver.remove_key(calls.kid(0))
    for now in (0.0, 2.0, 4.0):
        calls.receiver.expire(now)
    assert (calls.put(0), calls.put(1)) == (UNKNOWN, None)
    assert calls.receiver._keys._leaving == {}
    calls.receiver.remove_key(calls.kid(1))
    assert (len(calls.receiver._keys), calls.receiver._keys.by_prefix) == (0, {})


@pytest.mark.clause("frame.6-15")
def test_what_left_is_gone_from_every_table():
    calls = group((0, 0, 0), (0, 0, 1), (1, 0, 0))
    calls.put(1)
    assert [calls.put(0) for _ in range(256)] == [None] * 256
    assert len(calls.receiver._keys) == 2
    calls.receiver.expire(0.0)
    calls.receiver.expire(2.0)
    keys = calls.receiver._keys
    assert (len(keys), len(keys.by_prefix), keys._leaving) == (1, 8, {})


@pytest.mark.clause("frame.6-15")
def test_a_key_of_an_old_epoch_that_comes_late_or_again_leaves_too():
    calls = group((0, 0, 0), (1, 0, 0))
    assert calls.put(1) is None
    calls.add(0, 0, 1)
    calls.add(0, 0, 0)
    calls.add(0, 1, 0)  # of another sender, who is still in that epoch
    calls.receiver.expire(0.0)
    assert [calls.put(0, 0, context) for context in (0, 1)] == [None] * 2
    calls.receiver.expire(2.0)
    assert [calls.put(0, 0, context) for context in (0, 1)] == [UNKNOWN] * 2
    assert [calls.put(1, 0, 0), calls.put(0, 1, 0)] == [None] * 2


@pytest.mark.clause("frame.6-15")
def test_a_late_key_of_an_old_epoch_opens_256_frames_too():
    calls = group((0, 0, 0), (1, 0, 0))
    assert calls.put(1) is None
    calls.add(0, 0, 1)
    assert [calls.put(0, 0, 1) for _ in range(257)] == [None] * 256 + [UNKNOWN]
    assert [calls.put(1) for _ in range(300)] == [None] * 300


@pytest.mark.clause("frame.6-15")
def test_a_further_context_of_the_newest_epoch_stays():
    calls = group((0,), (1,))
    assert calls.put(1) is None
    calls.add(1, 0, 1)
    calls.add(1, 0, 0)
    calls.add(2)
    calls.receiver.expire(0.0)
    calls.receiver.expire(2.0)
    assert [calls.put(1, 0, context) for context in (0, 1) for _ in range(300)] == [None] * 600
    assert calls.put(2) is None

"""Frames of a picture that never came: when a key frame is asked for, and when not. A clock of the test's own."""

from itertools import count, pairwise

import pytest

from e2ecall.call.epochs import FrameKeys
from e2ecall.call.track import Track
from e2ecall.codecs.vp8 import KEY_PREFIX
from e2ecall.errors import FrameRejected
from e2ecall.handshake import Role
from e2ecall.media.events import FirstFrame
from e2ecall.media.health import StreamHealth
from e2ecall.media.transform import OpenStream
from e2ecall.secret import SecretBytes
from support.frames import sealed as sealed_under

BASE = bytes(range(32))
KID = 1 << 5  # Alice's camera


class Rig:
    """Bob's end of Alice's stream: frames under counters of the test's choice, and what they lead to."""

    def __init__(self, kind="video"):
        self.keys = FrameKeys(SecretBytes(BASE), Role.CALLEE)
        self.track = Track(kind, self.keys)
        self.stream = OpenStream("vp8", self.track, who="alice")
        self.health = StreamHealth(kind, who="alice", codec="vp8", mid="0")
        self.told = []

    @staticmethod
    def frame(ctr, kid=KID, *, base=BASE, key=False):
        prefix = KEY_PREFIX if key else b"\x11"  # RFC 6386 §9.1: the first bit is 0 in a key frame
        return prefix + sealed_under(5, kid, base, ctr, prefix[:1] + b" a frame", prefix)

    def take(self, sealed, now=0.0):
        try:
            frame = self.stream.open(sealed)
        except FrameRejected as rejected:
            self.told += self.health.refused(rejected, sealed, self.stream, now)
        else:
            self.told += self.health.opened(self.track)
            if self.health.torn:
                self.health.shown(now, key=self.stream.is_key(frame))

    def asks(self, frames, times):
        """When a key frame is asked for, of frames that arrive at those times."""
        asked = []
        for sealed, now in zip(frames, times, strict=False):
            self.take(sealed, now)
            if self.health.wants_key_frame():
                asked.append(now)
        return asked


def quarters(start=1.0):
    return (start + n / 4 for n in count())


@pytest.mark.clause("media.4-7")
def test_frames_that_never_came_ask_for_a_key_frame_at_the_pace_until_one_is_there():
    rig = Rig()
    assert rig.asks([rig.frame(ctr) for ctr in (0, 1, 2)], quarters()) == []
    assert not rig.health.torn
    gone = [rig.frame(ctr) for ctr in range(4, 11)]
    assert rig.asks(gone, quarters()) == [1.0, 1.5, 2.0, 2.5]
    assert rig.health.torn
    assert rig.asks([rig.frame(11, key=True)], [3.25]) == []
    assert not rig.health.torn
    assert rig.asks([rig.frame(ctr) for ctr in range(12, 40)], quarters(3.5)) == []
    assert rig.told == [FirstFrame(**rig.health.where(KID))], "nothing was refused, so nothing is told"


@pytest.mark.clause("media.4-7")
def test_requests_for_what_never_came_slow_down_and_a_key_frame_makes_later_trouble_new_trouble():
    rig = Rig()
    rig.take(rig.frame(0))
    slow = [*(1.0 + n / 2 for n in range(10)), 10.5, 15.5]
    assert rig.asks([rig.frame(ctr) for ctr in range(2, 68)], quarters()) == slow
    assert rig.asks([rig.frame(69, key=True)], [17.5]) == []
    assert rig.asks([rig.frame(ctr) for ctr in range(71, 76)], quarters(17.75)) == [17.75, 18.25, 18.75]


@pytest.mark.clause("media.4-7")
def test_gaps_one_after_the_other_ask_no_faster_than_the_pace():
    rig = Rig()
    rig.take(rig.frame(0))
    frames = [rig.frame(2 * n, key=n % 10 == 9) for n in range(1, 400)]
    asked = rig.asks(frames, (n / 32 for n in count()))
    assert 20 <= len(asked) <= 25
    assert min(later - earlier for earlier, later in pairwise(asked)) >= 0.5


@pytest.mark.clause("media.4-7")
def test_a_key_frame_after_the_gap_asks_for_nothing():
    rig = Rig()
    frames = [rig.frame(0), rig.frame(7, key=True), rig.frame(8), rig.frame(9)]
    assert rig.asks(frames, quarters()) == []
    assert not rig.health.torn


@pytest.mark.clause("media.4-7")
def test_a_frame_that_comes_late_does_not_mend_the_picture_and_asks_for_nothing_more():
    rig = Rig()
    late = [rig.frame(ctr) for ctr in (0, 3, 1, 2)]
    assert rig.asks(late, quarters()) == [1.25, 1.75]
    after = [rig.frame(4, key=True), *(rig.frame(ctr) for ctr in range(5, 30))]
    assert rig.asks(after, quarters(2.25)) == []


@pytest.mark.clause("media.4-7")
def test_a_late_start_and_another_epoch_are_no_gap():
    rig = Rig()
    rig.keys.install_epoch(1, SecretBytes(bytes(32)))
    frames = [rig.frame(1000), rig.frame(1001)]
    frames += [rig.frame(20, KID | 1, base=bytes(32)), rig.frame(21, KID | 1, base=bytes(32))]
    frames += [rig.frame(1002), rig.frame(22, KID | 1, base=bytes(32))]
    assert rig.asks(frames, quarters()) == []
    assert not rig.health.torn
    assert rig.stream.stats.frames == 6
    assert rig.asks([rig.frame(24, KID | 1, base=bytes(32))], [9.0]) == [9.0]


@pytest.mark.clause("media.4-7")
def test_sound_that_never_came_asks_for_nothing():
    rig = Rig("audio")
    sounds = [sealed_under(5, 0, BASE, ctr, b"a sound") for ctr in range(0, 40, 2)]
    rig.stream = OpenStream("opus", rig.track, who="alice")
    for sound_frame in sounds:
        rig.stream.open(sound_frame)
        rig.health.opened(rig.track)
        assert not rig.health.torn
        assert not rig.health.wants_key_frame()
    assert rig.track.missed == 19


@pytest.mark.clause("media.4-7")
def test_after_a_refused_frame_the_request_is_repeated_until_a_key_frame_is_there():
    rig = Rig()
    frames = [rig.frame(0), rig.frame(1, base=bytes(32)), rig.frame(2), rig.frame(3), rig.frame(4)]
    frames += [rig.frame(5, key=True), rig.frame(6), rig.frame(7), rig.frame(8)]
    assert rig.asks(frames, quarters()) == [1.25, 1.75]

"""The rules of when an application is told what, with a clock of the test's own and without aiortc."""

import os
import subprocess
import sys
from collections import Counter
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2ecall.call.epochs import FrameKeys
from e2ecall.call.streams import RemoteStream, Source
from e2ecall.call.track import Track
from e2ecall.errors import FrameReason, FrameRejected, StreamMismatch
from e2ecall.handshake import Role
from e2ecall.media.events import (
    Cause,
    Direction,
    FirstFrame,
    FrameDropped,
    StopReason,
    StreamReadable,
    StreamStopped,
    StreamUnreadable,
)
from e2ecall.media.health import DropLog, Pace, StreamHealth, diagnose
from e2ecall.media.transform import OpenStream, SealStream
from e2ecall.secret import SecretBytes
from support.frames import sealed as sealed_under

BASE = bytes(range(32))
CAMERA = RemoteStream(1, "video", Source.CAMERA)
SCREEN = RemoteStream(2, "video", Source.SCREEN, "vp8")
KID = 1 << 5  # Alice's camera


class Rig:
    """Bob's end of Alice's video: what arrives, and what is told of it."""

    def __init__(self, kind="video"):
        self.keys = FrameKeys(SecretBytes(BASE), Role.CALLEE)
        self.track = Track(kind, self.keys)
        self.stream = OpenStream("vp8", self.track, who="alice")
        self.health = StreamHealth(kind, who="alice", codec="vp8", mid="0")
        self.ctr = count()
        self.told = []

    def frame(self, kid=KID, *, ctr=None, base=BASE):
        return b"\x11" + sealed_under(5, kid, base, next(self.ctr) if ctr is None else ctr, b"\x11 a frame", b"\x11")

    def take(self, sealed, now=0.0):
        try:
            self.stream.open(sealed)
        except FrameRejected as rejected:
            events = self.health.refused(rejected, sealed, self.stream, now)
        else:
            events = self.health.opened(self.track)
        self.told += events
        return events

    def where(self, kid, stream=CAMERA):
        return {
            "who": "alice",
            "direction": Direction.RECEIVE,
            "kind": "video",
            "codec": "vp8",
            "mid": "0",
            "stream": stream,
            "key_id": kid,
            "epoch": None if kid is None else kid & 15,
        }

    def dropped(self):
        counts = Counter()
        for event in self.told:
            if isinstance(event, FrameDropped):
                counts[event.reason] += event.count
        return counts


# ------------------------------------------------------------------------------------------------ what events say


@pytest.mark.clause("frame.7-8", "frame.9-1")
def test_the_first_frame_says_whose_it_is_and_what_it_shows():
    rig = Rig()
    assert rig.take(rig.frame()) == [FirstFrame(**rig.where(KID))]
    assert [rig.take(rig.frame()) for _ in range(100)] == [[]] * 100
    assert not rig.health.wants_key_frame()


def own(rig):
    return rig.frame(KID | 1 << 4)


def malformed(rig):
    del rig
    return b"\x11\xff"


def unknown(rig):
    return rig.frame(KID | 3)


def replayed(rig):
    return rig.frame(ctr=7)


def too_old(rig):
    return rig.frame(ctr=6)


def forged(rig):
    return rig.frame(base=bytes(32))


def sound(rig):
    return rig.frame(0)


@pytest.mark.clause("frame.9-1", "media.5-2")
@pytest.mark.parametrize(
    ("make", "reason", "kid", "mismatch"),
    [
        (malformed, FrameReason.MALFORMED, None, None),
        (unknown, FrameReason.UNKNOWN_KEY, 35, None),
        (own, FrameReason.OWN_FRAME, 48, None),
        (sound, FrameReason.WRONG_STREAM, 0, StreamMismatch.KIND),
        (replayed, FrameReason.REPLAY, 32, None),
        (too_old, FrameReason.TOO_OLD, 32, None),
        (forged, FrameReason.AUTHENTICATION, 32, None),
    ],
)
def test_a_dropped_frame_says_who_which_stream_which_key_which_epoch_and_why(make, reason, kid, mismatch):
    rig = Rig()
    rig.take(rig.frame(ctr=7))
    rig.take(rig.frame(ctr=1030))
    rig.ctr = count(2000)
    (event,) = rig.take(make(rig))
    with pytest.raises(FrameRejected) as caught:
        rig.stream.open(make(rig))
    expected = FrameDropped(**rig.where(kid), reason=reason, count=1, detail=caught.value.message, mismatch=mismatch)
    assert event == expected


@pytest.mark.clause("frame.7-8")
def test_each_mismatch_is_told_at_once():
    rig = Rig()
    rig.keys.announce_remote(2, "video", "vp8", source=Source.SCREEN)
    rig.take(rig.frame())
    events = rig.take(sound(rig)) + rig.take(rig.frame(2 << 5)) + rig.take(sound(rig))
    assert [(event.mismatch, event.key_id) for event in events] == [
        (StreamMismatch.KIND, 0),
        (StreamMismatch.SOURCE, 64),
    ]
    ended = rig.health.ended(StopReason.CLOSED, "")
    assert [(event.mismatch, event.count) for event in ended[:-1]] == [(StreamMismatch.KIND, 1)]


@pytest.mark.clause("frame.7-8", "frame.7-9")
def test_a_track_that_goes_over_to_another_stream_says_so_and_wants_a_key_frame():
    rig = Rig()
    rig.keys.announce_remote(2, "video", "vp8", source=Source.SCREEN)
    rig.take(rig.frame())
    rig.keys.end_remote(1)
    assert rig.take(rig.frame(2 << 5)) == [FirstFrame(**rig.where(2 << 5, SCREEN))]
    assert rig.health.wants_key_frame()
    assert rig.take(rig.frame(2 << 5)) == []
    assert not rig.health.wants_key_frame()
    (dropped,) = rig.take(rig.frame())
    assert (dropped.reason, dropped.stream, dropped.key_id) == (FrameReason.UNKNOWN_KEY, SCREEN, KID)


@pytest.mark.clause("media.5-1")
def test_the_end_tells_what_is_left_and_then_why():
    rig = Rig()
    for _ in range(4):
        rig.take(malformed(rig))
    rig.take(own(rig))
    detail = rig.told[0].detail
    assert rig.health.ended(StopReason.INTERNAL, "ValueError") == [
        FrameDropped(**rig.where(None, None), reason=FrameReason.MALFORMED, count=3, detail=detail),
        StreamStopped(**rig.where(None, None), reason=StopReason.INTERNAL, detail="ValueError"),
    ]
    assert rig.health.ended(StopReason.CLOSED, "")[:-1] == []


# ------------------------------------------------------------------------------------------------ edges


@pytest.mark.clause("media.5-2")
def test_drop_log_tells_the_first_at_once_and_then_once_a_second():
    log = DropLog()
    assert [log.add(FrameReason.REPLAY, now) for now in (0.0, 0.1, 0.9, 1.0, 1.5, 2.5)] == [1, 0, 0, 3, 0, 2]
    assert log.add(FrameReason.MALFORMED, 0.2) == 1  # each reason on its own
    assert log.rest() == {}
    assert [log.add(FrameReason.REPLAY, now) for now in (2.6, 2.7)] == [0, 0]
    assert [log.rest(), log.rest()] == [{FrameReason.REPLAY: 2}, {}]
    assert log.add(FrameReason.REPLAY, 3.5) == 1


@pytest.mark.clause("media.5-2")
def test_a_storm_of_one_reason_does_not_hold_back_the_first_of_another():
    rig = Rig()
    for _ in range(1000):
        rig.take(malformed(rig), 0.5)
    for make in (unknown, own, sound):
        (event,) = rig.take(make(rig), 0.5)
        assert (type(event), event.count) == (FrameDropped, 1)


@pytest.mark.clause("media.5-3", "media.5-4")
def test_unreadable_after_eight_in_a_row_and_readable_again_however_often_at_one_instant():
    rig = Rig()
    rig.take(rig.frame())
    for _ in range(30):
        for n in range(1, 9):
            events = rig.take(forged(rig))
            assert any(isinstance(event, StreamUnreadable) for event in events) is (n == 8)
        rig.health.wants_key_frame()
        assert isinstance(rig.take(rig.frame())[-1], StreamReadable)
        assert rig.health.wants_key_frame()
    (unreadable,) = {event for event in rig.told if isinstance(event, StreamUnreadable)}
    assert unreadable == StreamUnreadable(
        **rig.where(KID), reason=FrameReason.AUTHENTICATION, cause=Cause.WRONG_KEY, advice=Cause.WRONG_KEY.advice
    )
    assert {event for event in rig.told if isinstance(event, StreamReadable)} == {StreamReadable(**rig.where(KID))}
    assert rig.dropped() == {FrameReason.AUTHENTICATION: 240}


@pytest.mark.clause("media.5-3")
def test_seven_in_a_row_are_no_edge():
    rig = Rig()
    for _ in range(20):
        for _ in range(7):
            rig.take(forged(rig))
        rig.take(rig.frame())
    assert [type(event) for event in rig.told] == [FrameDropped, FirstFrame]


@pytest.mark.clause("media.5-3")
def test_another_cause_is_told_after_256_frames_and_the_same_one_is_not_repeated():
    rig = Rig()
    for _ in range(8 + 2 * 256):
        rig.take(forged(rig))
    for _ in range(256):
        rig.take(own(rig))
    told = [event.cause for event in rig.told if isinstance(event, StreamUnreadable)]
    assert told == [Cause.WRONG_KEY, Cause.REFLECTED]


@pytest.mark.clause("media.5-3")
def test_no_key_and_no_layout_are_told_at_once():
    health = StreamHealth("video")
    for reason, cause in ((FrameReason.UNKNOWN_KEY, Cause.NO_KEY), (FrameReason.MALFORMED, Cause.CODEC)):
        dropped, unreadable = health.unopenable(reason, cause, 0.0)
        assert (dropped.reason, dropped.count, dropped.detail, dropped.key_id) == (reason, 1, cause.value, None)
        assert (unreadable.cause, unreadable.advice) == (cause, cause.advice)
        assert health.unopenable(reason, cause, 0.1) == []
    rig = Rig()
    rig.health.unopenable(FrameReason.UNKNOWN_KEY, Cause.NO_KEY, 0.0)
    assert [type(event) for event in rig.take(rig.frame())] == [StreamReadable, FirstFrame]
    assert rig.health.wants_key_frame()


@pytest.mark.clause("media.5-2", "frame.9-2")
@given(st.lists(st.tuples(st.integers(0, 7), st.floats(0, 0.7)), max_size=120))
def test_what_events_count_is_what_was_dropped(plan):
    """Whatever arrives, whenever: at every StreamReadable and at the end nothing is left untold."""
    rig = Rig()
    makes = (malformed, unknown, own, sound, replayed, forged, Rig.frame, Rig.frame)
    rig.take(rig.frame(ctr=7))
    rig.ctr = count(8)
    now = 0.0
    for which, wait in plan:
        now += wait
        events = rig.take(makes[which](rig), now)
        if any(isinstance(event, StreamReadable) for event in events):
            assert rig.dropped() == rig.stream.stats.rejected
    rig.told += rig.health.ended(StopReason.CLOSED, "")
    assert rig.dropped() == rig.stream.stats.rejected


# ------------------------------------------------------------------------------------------------ diagnosis


@pytest.mark.clause("media.5-3", "frame.8-12")
@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (forged, Cause.WRONG_KEY),
        (unknown, Cause.UNKNOWN_KEY),
        (own, Cause.REFLECTED),
        (sound, Cause.WRONG_STREAM),
        (replayed, Cause.REPLAYED),
        (lambda rig: rig.frame(ctr=9000)[:8], Cause.DAMAGED),
        (lambda rig: b"\xb1 an encoder's own %d" % next(rig.ctr), Cause.NOT_SEALED),
        (lambda rig: b"\x30\x01\x00\x9d\x01\x2a %d" % next(rig.ctr), Cause.NOT_SEALED),
    ],
)
def test_eight_frames_of_a_kind_are_diagnosed(make, cause):
    rig = Rig()
    rig.take(rig.frame(ctr=7))
    for _ in range(8):
        rig.take(make(rig))
    assert [event.cause for event in rig.told if isinstance(event, StreamUnreadable)] == [cause]


@pytest.mark.clause("frame.7-10", "media.5-3")
def test_a_call_that_was_stopped_is_called_that_and_asks_for_nothing():
    rig = Rig()
    rig.take(rig.frame())
    rig.keys.stop("the rows differ")
    for _ in range(8):
        rig.take(rig.frame(), now=9.0)
    (unreadable,) = [event for event in rig.told if isinstance(event, StreamUnreadable)]
    assert (unreadable.reason, unreadable.cause) == (FrameReason.STOPPED, Cause.STOPPED)
    assert {event.detail for event in rig.told if isinstance(event, FrameDropped)} == {"the rows differ"}
    assert rig.dropped().keys() == {FrameReason.STOPPED}
    assert not rig.health.wants_key_frame()


@pytest.mark.clause("media.5-3")
@pytest.mark.parametrize(
    ("reasons", "looks_unsealed", "cause"),
    [
        ({FrameReason.AUTHENTICATION: 8}, False, Cause.WRONG_KEY),
        ({FrameReason.UNKNOWN_KEY: 6, FrameReason.MALFORMED: 2}, True, Cause.NOT_SEALED),
        ({FrameReason.AUTHENTICATION: 8}, True, Cause.NOT_SEALED),
        ({FrameReason.UNKNOWN_KEY: 8}, False, Cause.UNKNOWN_KEY),
        ({FrameReason.MALFORMED: 8}, False, Cause.DAMAGED),
        ({FrameReason.OWN_FRAME: 5, FrameReason.REPLAY: 3}, False, Cause.REFLECTED),
        ({FrameReason.OWN_FRAME: 5, FrameReason.MALFORMED: 3}, True, Cause.NOT_SEALED),
        ({FrameReason.REPLAY: 8}, False, Cause.REPLAYED),
        ({FrameReason.TOO_OLD: 8}, True, Cause.REPLAYED),
        ({FrameReason.WRONG_STREAM: 8}, False, Cause.WRONG_STREAM),
        ({FrameReason.STOPPED: 8}, True, Cause.STOPPED),
    ],
)
def test_diagnosis(reasons, looks_unsealed, cause):
    assert diagnose(Counter(reasons), looks_unsealed=looks_unsealed) is cause


@pytest.mark.clause("media.5-3")
def test_every_cause_has_advice():
    assert all(cause.advice for cause in Cause)


# ------------------------------------------------------------------------------------------------ key frames


@pytest.mark.clause("media.4-3")
def test_pace_of_key_frame_requests():
    pace = Pace()
    times = [n / 100 for n in range(2000)]
    asked = [now for now in times if pace.due(now)]
    assert asked[:10] == [0.5 * n for n in range(10)]
    assert asked[10:] == [9.5, 14.5, 19.5]
    pace.succeeded()
    assert [now for now in (20.0, 20.3, 20.5) if pace.due(now)] == [20.0, 20.5]


@pytest.mark.clause("media.4-3")
def test_a_wrong_key_asks_for_key_frames_at_the_pace_and_an_opened_frame_resets_it():
    rig = Rig()
    asked = []
    for n in range(2000):
        rig.take(forged(rig), n / 100)
        if rig.health.wants_key_frame():
            asked.append(n / 100)
        assert not rig.health.wants_key_frame()
    assert asked == [*(0.5 * n for n in range(10)), 9.5, 14.5, 19.5]
    rig.take(rig.frame(), 20.0)
    assert rig.health.wants_key_frame()
    rig.take(forged(rig), 20.0)
    assert rig.health.wants_key_frame()


@pytest.mark.clause("media.4-3")
@pytest.mark.parametrize("make", [replayed, own, sound])
def test_frames_that_the_picture_does_not_miss_ask_for_nothing(make):
    rig = Rig()
    rig.take(rig.frame(ctr=7))
    for n in range(20):
        rig.take(make(rig), float(n))
        assert not rig.health.wants_key_frame()


def test_sound_asks_for_no_key_frame():
    rig = Rig("audio")
    for n in range(20):
        rig.take(malformed(rig), float(n))
        assert not rig.health.wants_key_frame()


def test_health_needs_no_aiortc():
    code = "import e2ecall.media.health, sys; print(sorted({'aiortc', 'av', 'numpy'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_the_cause_is_told_again_after_a_codec_without_layout():
    bob = FrameKeys(SecretBytes(os.urandom(32)), Role.CALLEE)
    stream = OpenStream("vp8", Track("video", bob), who=None)
    alice = SealStream("vp8", FrameKeys(SecretBytes(os.urandom(32)), Role.CALLER).open_stream("video", "vp8"), who=None)
    health, told, now = StreamHealth("video"), [], 0.0
    for frame_number in range(1000):
        now += 0.04
        if frame_number == 30:
            told += health.unopenable(FrameReason.MALFORMED, Cause.CODEC, now)
        sealed = alice.seal(b"\x11abc")
        with pytest.raises(FrameRejected) as refused:
            stream.open(sealed)
        told += health.refused(refused.value, sealed, stream, now)
    causes = [event.cause for event in told if isinstance(event, StreamUnreadable)]
    assert causes == [Cause.WRONG_KEY, Cause.CODEC, Cause.WRONG_KEY]

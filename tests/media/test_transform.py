from collections import Counter
from itertools import count

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from e2ecall.call.epochs import FrameKeys, LocalStream
from e2ecall.call.track import Track
from e2ecall.codecs import layout_for
from e2ecall.errors import (
    ApiMisuse,
    CounterExhausted,
    FrameReason,
    FrameRejected,
    MediaUnavailable,
    StreamMismatch,
)
from e2ecall.handshake import Role
from e2ecall.media import transform
from e2ecall.media.transform import OpenStream, SealStream, StreamStats
from e2ecall.secret import SecretBytes
from e2ecall.sframe import MAX_CTR, Sender
from support.frames import Leases
from support.frames import sealed as sealed_under

BASE = SecretBytes(bytes(range(32)))
fresh = count()
SC = b"\0\0\0\1"
FRAMES = {
    "opus": [b"\xfc\xff\xfe", b"\xf8\1\2\3\4"],
    "vp8": [b"\x90\2\0\x9d\1\x2akey", b"\xb1delta"],
    "h264": [SC + b"\x67\x42" + SC + b"\x68\xce" + SC + b"\x65\x88\x84", SC + b"\x41\x9a\x24"],
}
CODECS = [("audio", "opus"), ("video", "vp8"), ("video", "h264")]


class Sides:
    """A caller that seals one stream and a callee that opens it."""

    def __init__(self, kind="video", codec="vp8", *, base=BASE, of_bob=BASE):
        self.alice = FrameKeys(SecretBytes(base.expose()), Role.CALLER)
        self.bob = FrameKeys(SecretBytes(of_bob.expose()), Role.CALLEE)
        self.stream = self.alice.open_stream(kind, codec)
        self.seal = SealStream(codec, self.stream, who="bob")
        self.track = Track(kind, self.bob)
        self.open = OpenStream(codec, self.track, who="alice")


def refused(stream, sealed):
    with pytest.raises(FrameRejected) as caught:
        stream.open(sealed)
    error = caught.value
    return error.reason.value, error.who, error.stream, error.key_id, error.epoch


@pytest.mark.clause("frame.8-1", "frame.9-2")
@pytest.mark.parametrize(("kind", "codec"), CODECS)
def test_frames_go_through_sealed_and_are_counted_on_both_sides(kind, codec):
    sides = Sides(kind, codec)
    size = 0
    for frame in FRAMES[codec] * 5:
        sealed = sides.seal.seal(frame)
        assert frame not in sealed
        assert sides.open.open(sealed) == frame
        size += len(frame)
        assert sides.seal.is_key(frame) is sides.open.is_key(frame) is layout_for(codec).is_key(frame)
    kid = 0 if kind == "audio" else 32
    for stats in (sides.seal.stats, sides.open.stats):
        assert 0 < stats.seconds < 1
        assert stats == StreamStats(kind, codec, kid, 10, size, stats.seconds, Counter())


@pytest.mark.clause("frame.9-2")
def test_the_key_id_is_unknown_before_the_first_opened_frame():
    sides = Sides()
    assert (sides.seal.stats.kid, sides.open.stats.kid) == (32, None)


@pytest.mark.clause("frame.9-1", "frame.9-2")
def test_every_refused_frame_says_who_which_stream_which_key_and_why_and_is_counted():
    sides = Sides()
    sealed = sides.seal.seal(FRAMES["vp8"][1])
    sides.open.open(sealed)
    forged = sides.seal.seal(FRAMES["vp8"][1])[:-1] + b"?"
    sound = sides.alice.open_stream("audio", "opus").sender.protect(b"x", b"\x11")
    own = sides.bob.open_stream("video", "vp8").sender.protect(b"x", b"\x11")
    share = sides.alice.open_stream("video", "vp8").sender
    unknown = share.protect(b"x", b"\x11")
    ahead = sealed_under(5, 32, BASE, 5000, b"\xb1", b"\x11")
    sides.open.open(b"\x11" + ahead)
    assert refused(sides.open, b"") == ("malformed", "alice", "video", None, None)
    assert refused(sides.open, sealed) == ("too-old", "alice", "video", 32, 0)
    assert refused(sides.open, b"\x11" + ahead) == ("replay", "alice", "video", 32, 0)
    assert refused(sides.open, forged) == ("too-old", "alice", "video", 32, 0)
    assert refused(sides.open, b"\x11" + ahead[:2] + b"\x8d" + ahead[3:]) == ("authentication", "alice", "video", 32, 0)
    assert refused(sides.open, b"\x11" + sound) == ("wrong-stream", "alice", "video", 0, 0)
    assert refused(sides.open, b"\x11" + own) == ("own-frame", "alice", "video", 48, 0)
    assert refused(sides.open, b"\x11" + unknown) == ("unknown-key", "alice", "video", 64, 0)
    sides.bob.announce_remote(2, "video", "vp8")
    assert refused(sides.open, b"\x11" + unknown) == ("wrong-stream", "alice", "video", 64, 0)
    of_share = OpenStream("vp8", Track("video", sides.bob), who="alice")
    of_share.open(b"\x11" + unknown)
    assert refused(of_share, b"\x11" + unknown) == ("replay", "alice", "video 2", 64, 0)
    assert (of_share.stats.frames, of_share.stats.kid, of_share.stats.rejected) == (1, 64, {FrameReason.REPLAY: 1})
    assert sides.open.stats.rejected == Counter(
        {
            FrameReason.MALFORMED: 1,
            FrameReason.TOO_OLD: 2,
            FrameReason.REPLAY: 1,
            FrameReason.AUTHENTICATION: 1,
            FrameReason.WRONG_STREAM: 2,
            FrameReason.OWN_FRAME: 1,
            FrameReason.UNKNOWN_KEY: 1,
        }
    )
    assert (sides.open.stats.frames, sides.open.stats.kid) == (2, 32)
    assert sides.open.stats.bytes == len(FRAMES["vp8"][1]) + 1


@pytest.mark.clause("frame.6-5")
@pytest.mark.parametrize(("kind", "codec"), CODECS)
def test_another_base_key_opens_nothing(kind, codec):
    sides = Sides(kind, codec, base=SecretBytes(bytes(32)))
    for frame in FRAMES[codec]:
        assert refused(sides.open, sides.seal.seal(frame))[0] == "authentication"
    assert sides.open.stats.frames == 0


@pytest.mark.clause("frame.8-1")
def test_a_frame_sealed_for_one_codec_does_not_open_as_another():
    sides = Sides("video", "vp8")
    as_h264 = OpenStream("h264", sides.track, who="alice")
    sealed = sides.seal.seal(FRAMES["vp8"][1])
    assert refused(as_h264, sealed)[0] == "malformed"
    assert refused(as_h264, SC + b"\x61\x9a" + sealed[1:] + b"\x80")[0] == "authentication"
    assert sides.open.open(sealed) == FRAMES["vp8"][1]


@pytest.mark.clause("frame.8-2", "frame.9-2")
@pytest.mark.parametrize(("kind", "codec"), CODECS)
def test_an_empty_frame_is_not_sealed_and_spends_no_counter(kind, codec):
    sides = Sides(kind, codec)
    with pytest.raises(FrameRejected) as caught:
        sides.seal.seal(b"")
    assert (caught.value.reason, caught.value.who, caught.value.stream) == (FrameReason.MALFORMED, "bob", kind)
    assert sides.seal.stats.rejected == {FrameReason.MALFORMED: 1}
    assert sides.stream.sender.protect(b"x")[: 1 if kind == "audio" else 2] == (
        b"\0" if kind == "audio" else b"\x80\x20"
    )


@pytest.mark.clause("frame.5-2", "frame.9-2")
def test_a_used_up_key_ends_the_stream_with_who_and_which():
    stream = LocalStream(1, "video", "vp8", Sender(5, 32, BASE, counters=Leases(MAX_CTR)))
    seal = SealStream("VP8", stream, who="bob")
    seal.seal(b"\x90")
    for _ in range(2):
        with pytest.raises(CounterExhausted) as caught:
            seal.seal(b"\x90")
        assert (caught.value.who, caught.value.stream, caught.value.key_id) == ("bob", "video", 32)
    assert seal.stats.rejected == {FrameReason.EXHAUSTED: 2}
    assert seal.stats.frames == 1


@pytest.mark.clause("frame.5-4")
def test_after_a_fork_the_stream_raises_instead_of_letting_a_frame_through():
    sides = Sides()
    sides.stream.sender.disable_after_fork()
    with pytest.raises(ApiMisuse):
        sides.seal.seal(b"\x90")
    assert sides.seal.stats.frames == 0


@pytest.mark.clause("frame.8-11")
def test_a_codec_without_layout_and_a_kind_without_sense_are_refused_before_the_first_frame():
    sides = Sides()
    with pytest.raises(MediaUnavailable):
        SealStream("h265", sides.stream, who=None)
    with pytest.raises(MediaUnavailable):
        OpenStream("pcmu", Track("audio", sides.bob), who=None)
    with pytest.raises(ApiMisuse):
        Track("screen", sides.bob)


@pytest.mark.clause("frame.8-12")
@pytest.mark.parametrize(("kind", "codec"), CODECS)
@settings(deadline=None)
@given(data=st.data())
def test_what_was_not_sealed_never_comes_out(kind, codec, data):
    keys = FrameKeys(SecretBytes(bytes(range(32))), Role.CALLEE)
    stream = OpenStream(codec, Track(kind, keys), who="alice")
    sealed = data.draw(st.one_of(st.binary(max_size=60), st.sampled_from(FRAMES[codec])))
    assert refused(stream, sealed)[1:3] == ("alice", kind)
    stream.looks_unsealed(sealed)
    assert stream.stats.frames == 0
    assert stream.stats.rejected.total() == 1


@pytest.mark.clause("frame.8-12")
@pytest.mark.parametrize(("kind", "codec"), CODECS)
def test_frames_of_a_side_that_does_not_seal_are_recognised(kind, codec):
    sides = Sides(kind, codec)
    for frame in FRAMES[codec]:
        for plain in (frame, frame + bytes(range(1, 200))):
            assert sides.open.looks_unsealed(plain) is True
        sealed = sides.seal.seal(frame)
        assert sides.open.looks_unsealed(sealed) is False
        assert sides.open.open(sealed) == frame
    assert (sides.open.stats.frames, sides.open.stats.rejected) == (2, Counter())


@pytest.mark.clause("frame.8-12")
def test_sealed_frames_that_we_refuse_do_not_look_unsealed():
    sides = Sides()
    wrong_key = Sides(base=SecretBytes(bytes(32)))
    assert sides.open.looks_unsealed(wrong_key.seal.seal(b"\x90")) is False
    assert sides.open.looks_unsealed(b"\x11" + Sender(5, 35, BASE).protect(b"x")) is False  # another epoch
    assert sides.open.looks_unsealed(b"\x11" + Sender(5, 64, BASE).protect(b"x")) is True
    assert sides.open.looks_unsealed(b"\x11" + Sender(5, 48, BASE).protect(b"x")) is False  # our own, sent back
    assert sides.open.looks_unsealed(b"\x11" + Sender(5, 80, BASE).protect(b"x")) is True
    assert sides.open.looks_unsealed(b"\x11") is True


@pytest.mark.clause("frame.6-8")
@pytest.mark.parametrize(("kind", "codec"), CODECS)
@settings(deadline=None)
@given(data=st.data())
@example(data=None)
def test_each_frame_is_opened_at_most_once_in_any_order(kind, codec, data):
    base = SecretBytes(next(fresh).to_bytes(32))  # Hypothesis comes several times
    sides = Sides(kind, codec, base=base, of_bob=base)
    frames = [FRAMES[codec][n % 2] + b"%d" % n for n in range(12)]
    sealed = [sides.seal.seal(frame) for frame in frames]
    order = list(range(12)) * 2 if data is None else data.draw(st.lists(st.integers(0, 11), max_size=40))
    opened = []
    for n in order:
        if n in opened:
            assert refused(sides.open, sealed[n])[0] == "replay"
        else:
            assert sides.open.open(sealed[n]) == frames[n]
            opened.append(n)
    assert sides.open.stats.frames == len(set(order))


# ------------------------------------------------------------------------------------------------ the time it takes


def test_the_clock_is_read_for_a_few_frames_which_count_for_those_before_them(monkeypatch):
    """A clock that goes on by one second at every look: a measured frame takes 1 s."""
    seconds = iter(range(1000))
    monkeypatch.setattr(transform, "thread_time", lambda: next(seconds))
    sides = Sides()
    told = []
    for n in range(102):
        frame = b"\x11 %d" % n
        assert sides.open.open(sides.seal.seal(frame)) == frame
        told.append((sides.seal.stats.seconds, sides.open.stats.seconds))
    measured = [0, 11, 28, 51, 66, 89, 100]
    expected = [1 + max(m for m in measured if m <= n) for n in range(102)]
    assert told == [(each, each) for each in expected]
    assert next(seconds) == 2 * 2 * len(measured)  # two looks a frame on each side


@pytest.mark.parametrize("distance", [2, 11, 16, 17, 23, 30, 60, 90])
def test_no_distance_of_key_frames_misleads_the_clock(monkeypatch, distance):
    """Key frames take ten times as long; the estimate comes within a quarter."""
    now = [0.0]
    monkeypatch.setattr(transform, "thread_time", lambda: now[0])
    sides = Sides()
    really = sides.seal._layout.seal
    spent = 0.0

    class Layout:
        def seal(self, frame, protect):
            now[0] += 10.0 if len(frame) > 5 else 1.0
            return really(frame, protect)

    monkeypatch.setattr(sides.seal, "_layout", Layout())
    for n in range(89 * 20):
        frame = b"\x10 a key frame" if n % distance == 0 else b"\x11"
        sides.seal.seal(frame)
        spent += 10.0 if len(frame) > 5 else 1.0
    assert 0.75 * spent < sides.seal.stats.seconds < 1.25 * spent


def test_refused_frames_are_measured_too(monkeypatch):
    seconds = iter(range(1000))
    monkeypatch.setattr(transform, "thread_time", lambda: next(seconds))
    sides = Sides()
    for _ in range(12):
        refused(sides.open, b"")
        with pytest.raises(FrameRejected):
            sides.seal.seal(b"")
    assert (sides.open.stats.seconds, sides.seal.stats.seconds) == (12, 12)


@pytest.mark.clause("frame.7-8")
def test_a_wrong_stream_s_frame_says_what_does_not_fit():
    sides = Sides()
    sides.open.open(sides.seal.seal(b"\x11 camera"))
    sound = sides.alice.open_stream("audio", "opus").sender.protect(b"x", b"\x11")
    with pytest.raises(FrameRejected) as caught:
        sides.open.open(b"\x11" + sound)
    assert (caught.value.reason, caught.value.mismatch) == (FrameReason.WRONG_STREAM, StreamMismatch.KIND)

"""The receiving queue by itself, and the rules of when an application is told."""

import asyncio
from collections import Counter

import pytest
from aiortc.jitterbuffer import JitterFrame
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcrtpparameters import RTCRtpCodecParameters

from e2ecall.call.streams import RemoteStream, Source
from e2ecall.errors import FrameReason, StreamMismatch
from e2ecall.media import aiortc_names, rtc
from e2ecall.media.aiortc_plugin import protect
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
from e2ecall.media.transform import SealStream

SEND, RECEIVE = Direction.SEND, Direction.RECEIVE
VP8 = RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90000, payloadType=97)


# ------------------------------------------------------------------------------------------------ the receiving queue


@pytest.mark.clause("media.4-6")
def test_empty_frames_are_counted_and_never_opened(lab):
    async def main():
        a = lab.side()
        a.guard = protect(a.pc, lab.keys("caller"), **a.hooks)
        a.pc.addTransceiver("video")
        queue = lab.receiving_queue(a.pc)
        for item in ((VP8, JitterFrame(b"", 0)), (VP8, JitterFrame(b"", 3000)), None):
            queue.put(item)
        assert queue.get() is None
        assert a.guard.empty == 2
        assert a.guard.received() == []

    lab.run(main())


@pytest.mark.clause("media.4-2", "media.5-4")
def test_recovery_is_told_at_once_and_asks_for_a_key_frame(lab):
    async def main():
        a = lab.side()
        a.guard = protect(a.pc, lab.keys("caller"), **a.hooks)
        a.pc.addTransceiver("video")
        stream = lab.keys("callee").open_stream("video", "vp8")
        seal = SealStream("vp8", stream, who=None)
        receiver = a.pc.getReceivers()[0]
        error = getattr(receiver, aiortc_names.DECODER_ERROR)
        queue = lab.receiving_queue(a.pc)
        good = [seal.seal(b"\x10 a frame %d" % number) for number in range(3)]
        bad = [seal.seal(b"\x10 a frame")[:-1] + b"\0" for _ in range(9)]
        for data in (good[0], *bad, good[1], good[2]):
            queue.put((VP8, JitterFrame(data, 0)))
        assert queue.get()[1].data == b"\x10 a frame 0"
        assert not error.is_set()
        assert queue.get()[1].data == b"\x10 a frame 1"
        assert error.is_set()
        error.clear()
        assert queue.get()[1].data == b"\x10 a frame 2"
        assert not error.is_set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [type(event) for event in a.events] == [
            FirstFrame,
            FrameDropped,
            StreamUnreadable,
            FrameDropped,
            StreamReadable,
        ]
        assert [event.count for event in a.of(FrameDropped)] == [1, 8]
        assert a.of(StreamUnreadable)[0].cause is Cause.WRONG_KEY
        assert a.of(FirstFrame)[0].stream == RemoteStream(1, "video", Source.CAMERA)

    lab.run(main())


@pytest.mark.clause("media.2-3", "media.5-1", "media.5-4")
def test_installing_keys_asks_for_key_frames_on_both_sides_and_so_does_the_first_opened_frame(lab):
    async def main():
        a = lab.side()
        a.guard = protect(a.pc, **a.hooks)
        transceiver = a.pc.addTransceiver("video")
        forced = []
        setattr(transceiver.sender, aiortc_names.SEND_KEYFRAME, lambda: forced.append(1))
        error = getattr(transceiver.receiver, aiortc_names.DECODER_ERROR)
        seal = SealStream("vp8", lab.keys("callee").open_stream("video", "vp8"), who=None)
        queue = lab.receiving_queue(a.pc)
        queue.put((VP8, JitterFrame(seal.seal(b"\x10 too early"), 0)))
        queue.put(None)
        assert queue.get() is None
        assert not error.is_set()
        a.guard.install(lab.keys("caller"))
        assert forced == [1]
        assert error.is_set()
        error.clear()
        queue.put((VP8, JitterFrame(seal.seal(b"\x11 in time"), 0)))
        queue.put(None)
        assert queue.get()[1].data == b"\x11 in time"
        assert error.is_set()
        assert queue.get() is None
        await lab.until(lambda: len(a.events) >= 5)
        assert [type(event) for event in a.events] == [
            FrameDropped,
            StreamUnreadable,
            StreamStopped,
            StreamReadable,
            FirstFrame,
        ]

    lab.run(main())


@pytest.mark.clause("media.5-3")
def test_another_cause_is_told_and_the_same_one_is_not_repeated(lab):
    async def main():
        a = lab.side()
        a.guard = protect(a.pc, lab.keys("caller"), **a.hooks)
        a.pc.addTransceiver("video")
        other = lab.keys("callee", base=bytes(32))
        seal = SealStream("vp8", other.open_stream("video", "vp8"), who=None)
        queue = lab.receiving_queue(a.pc)
        for number in range(8):
            queue.put((VP8, JitterFrame(b"\x30 an encoder's own %d" % number, 0)))
        for number in range(900):
            queue.put((VP8, JitterFrame(seal.seal(b"\x11 %d" % number), 0)))
        queue.put(None)
        assert queue.get() is None
        await asyncio.sleep(0.05)
        assert [event.cause for event in a.of(StreamUnreadable)] == [Cause.NOT_SEALED, Cause.WRONG_KEY]

    lab.run(main())


@pytest.mark.clause("media.4-3")
def test_frames_that_the_picture_does_not_miss_ask_for_nothing(lab):
    """A forwarder that repeats frames, or sends our own back, gets no key frame requests for it."""

    async def main():
        a = lab.side()
        keys = lab.keys("caller")
        a.guard = protect(a.pc, keys, **a.hooks)
        a.pc.addTransceiver("video")
        seal = SealStream("vp8", lab.keys("callee").open_stream("video", "vp8"), who=None)
        ours = SealStream("vp8", lab.keys("caller").open_stream("video", "vp8"), who=None)
        sound = SealStream("vp8", lab.keys("callee").open_stream("audio", "opus"), who=None)
        error = getattr(a.pc.getReceivers()[0], aiortc_names.DECODER_ERROR)
        queue = lab.receiving_queue(a.pc)
        frame = seal.seal(b"\x10 a frame")
        for data in (frame, frame, ours.seal(b"\x10 ours"), sound.seal(b"\x10 sound")):
            queue.put((VP8, JitterFrame(data, 0)))
        queue.put(None)
        assert queue.get()[1].data == b"\x10 a frame"
        assert queue.get() is None
        assert not error.is_set()
        assert a.guard.received()[0].rejected == Counter(
            [FrameReason.REPLAY, FrameReason.OWN_FRAME, FrameReason.WRONG_STREAM]
        )

    lab.run(main())


@pytest.mark.clause("media.4-7")
def test_a_picture_that_rests_on_frames_that_never_came_asks_for_a_key_frame(lab):
    """At once, and no more when the frame after the gap is one, nor when one came."""

    async def main():
        a = lab.side()
        a.guard = protect(a.pc, lab.keys("caller"), **a.hooks)
        a.pc.addTransceiver("video")
        seal = SealStream("vp8", lab.keys("callee").open_stream("video", "vp8"), who=None)
        error = getattr(a.pc.getReceivers()[0], aiortc_names.DECODER_ERROR)
        queue = lab.receiving_queue(a.pc)
        asked = []
        for plain, removed in ((b"\x10", 0), (b"\x11", 0), (b"\x10", 3), (b"\x11", 1), (b"\x10", 0), (b"\x11", 0)):
            for _ in range(removed):
                seal.seal(b"\x11 a frame that a forwarder keeps")
            queue.put((VP8, JitterFrame(seal.seal(plain + b" a frame"), 0)))
            assert queue.get()[1].data == plain + b" a frame"
            asked.append(error.is_set())
            error.clear()
        assert asked == [False, False, False, True, False, False]
        await asyncio.sleep(0.02)
        assert [type(event) for event in a.events] == [FirstFrame]

    lab.run(main())


@pytest.mark.clause("media.4-7")
def test_in_a_call_one_request_mends_a_picture_of_which_a_forwarder_removed_a_frame(lab, monkeypatch):
    """It closes the gap in the packets' numbers, so that nothing below notices."""
    whole = SealStream.seal
    gap = []

    def removes(self, frame):
        sealed = whole(self, frame)
        if self.stats.frames != 10:
            return sealed
        gap.append(sealed)
        return whole(self, frame)

    monkeypatch.setattr(SealStream, "seal", removes)

    async def main():
        a, b = lab.side(), lab.side()
        protect(a.pc, lab.keys("caller"), **a.hooks)
        b.guard = protect(b.pc, lab.keys("callee"), **b.hooks)
        a.pc.addTrack(lab.Picture())
        await rtc.connect(a.pc, b.pc)
        await lab.until(lambda: len(b.opened) >= 8)
        before = lab.wire.key_frame_requests(b.pc)
        assert not gap
        await lab.until(lambda: lab.wire.key_frame_requests(b.pc) > before and len(b.opened) >= 15)
        await asyncio.sleep(1.8)
        assert 1 <= lab.wire.key_frame_requests(b.pc) - before <= 2
        keys = [number for number, (_, frame, _) in enumerate(b.opened) if not frame[0] & 1]
        assert [number for number in keys if number >= 9], "the other side sent a key frame"
        assert gap[0] not in lab.wire.frames(a.pc, "video", "VP8")
        assert b.guard.received()[0].rejected.total() == 0

    lab.run(main())


@pytest.mark.clause("frame.7-8", "frame.7-9")
def test_a_track_carries_one_stream_in_all_its_codecs_until_it_ends(lab):
    async def main():
        a = lab.side()
        keys = lab.keys("caller")
        keys.announce_remote(2, "video", "vp8", source=Source.SCREEN)
        a.guard = protect(a.pc, keys, **a.hooks)
        a.pc.addTransceiver("video")
        queue = lab.receiving_queue(a.pc)
        h264 = RTCRtpCodecParameters(mimeType="video/H264", clockRate=90000, payloadType=99)
        theirs = lab.keys("callee")
        camera, screen = theirs.open_stream("video", "vp8"), theirs.open_stream("video", "vp8")
        seal = SealStream("vp8", camera, who=None)
        seal_h264 = SealStream("h264", camera, who=None)
        seal_screen = SealStream("vp8", screen, who=None)
        queue.put((VP8, JitterFrame(seal.seal(b"\x10 camera"), 0)))
        queue.put((h264, JitterFrame(seal_h264.seal(b"\0\0\0\1\x41 camera"), 0)))
        queue.put((VP8, JitterFrame(seal_screen.seal(b"\x10 screen, too early"), 0)))
        assert [queue.get()[1].data for _ in range(2)] == [b"\x10 camera", b"\0\0\0\1\x41 camera"]
        queue.put((VP8, JitterFrame(seal.seal(b"\x10 camera again"), 0)))
        assert queue.get()[1].data == b"\x10 camera again"
        keys.end_remote(1)
        queue.put((VP8, JitterFrame(seal_screen.seal(b"\x10 screen"), 0)))
        queue.put(None)
        assert queue.get()[1].data == b"\x10 screen"
        assert queue.get() is None
        await asyncio.sleep(0.05)
        assert [(event.stream.source, event.key_id) for event in a.of(FirstFrame)] == [
            (Source.CAMERA, 48),
            (Source.SCREEN, 80),
        ]
        (dropped,) = a.of(FrameDropped)
        assert (dropped.reason, dropped.mismatch, dropped.key_id) == (
            FrameReason.WRONG_STREAM,
            StreamMismatch.SOURCE,
            80,
        )

    lab.run(main())


@pytest.mark.clause("media.4-3")
def test_changing_codecs_back_and_forth_keeps_one_stream_a_codec(lab):
    async def main():
        a = lab.side()
        a.guard = protect(a.pc, lab.keys("caller"), **a.hooks)
        a.pc.addTransceiver("video")
        queue = lab.receiving_queue(a.pc)
        h264 = RTCRtpCodecParameters(mimeType="video/H264", clockRate=90000, payloadType=99)
        for _ in range(50):
            queue.put((VP8, JitterFrame(b"\x10 not sealed at all", 0)))
            queue.put((h264, JitterFrame(b"\0\0\0\1\x61 not sealed at all", 0)))
        queue.put(None)
        assert queue.get() is None
        assert [(stats.codec, stats.rejected.total()) for stats in a.guard.received()] == [("vp8", 50), ("h264", 50)]

    lab.run(main())


# ------------------------------------------------------------------------------------------------ when to tell


@pytest.mark.clause("media.5-5")
def test_events_without_a_listener_go_to_the_log(lab, caplog):
    async def main():
        a = lab.side()
        protect(a.pc, lab.keys("caller"))
        a.pc.addTransceiver("video")
        queue = lab.receiving_queue(a.pc)
        for number in range(8):
            queue.put((VP8, JitterFrame(b"\x30 plain frame %d" % number, 0)))
        queue.put(None)
        assert queue.get() is None
        await asyncio.sleep(0.05)

    with caplog.at_level("WARNING", "e2ecall.media"):
        lab.run(main())
    assert [record.name for record in caplog.records] == ["e2ecall.media"]
    assert "does not seal its media" in caplog.records[0].getMessage()


@pytest.mark.clause("media.3-3")
def test_a_track_error_other_than_its_end_is_told_too(lab):
    class Broken(lab.Picture):
        async def recv(self):
            raise OSError("camera unplugged")

    class Gone(lab.Tone):
        async def recv(self):
            raise MediaStreamError

    async def main():
        a, b = lab.side(), lab.side()
        protect(a.pc, lab.keys("caller"), **a.hooks)
        protect(b.pc, lab.keys("callee"), **b.hooks)
        a.pc.addTrack(Broken())
        a.pc.addTrack(Gone())
        await rtc.connect(a.pc, b.pc)
        await lab.until(lambda: len(a.of(StreamStopped)) == 2)
        assert {(e.kind, e.reason, e.detail) for e in a.of(StreamStopped)} == {
            ("video", StopReason.INTERNAL, "OSError"),
            ("audio", StopReason.TRACK_ENDED, ""),
        }

    lab.run(main())

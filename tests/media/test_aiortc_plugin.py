"""The aiortc plug-in on real connections: nothing leaves unsealed, nothing is decoded unopened, and it says why."""

import asyncio
import struct
import threading
import warnings
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCRtpSender
from aiortc.jitterbuffer import JitterFrame
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcrtpparameters import RTCRtpCodecParameters

from e2ecall.call.epochs import FrameKeys
from e2ecall.errors import ApiMisuse, FrameReason, FrameRejected
from e2ecall.media import aiortc_names, rtc
from e2ecall.media.aiortc_plugin import protect
from e2ecall.media.aiortc_send import SendHook
from e2ecall.media.events import (
    Cause,
    Direction,
    DropLog,
    FirstFrame,
    FrameDropped,
    Pace,
    StopReason,
    StreamReadable,
    StreamStarted,
    StreamStopped,
    StreamUnreadable,
    diagnose,
)
from e2ecall.media.transform import OpenStream, SealStream
from e2ecall.secret import SecretBytes
from e2ecall.sframe import MAX_CTR, ONE_TO_ONE, Sender

SEND, RECEIVE = Direction.SEND, Direction.RECEIVE
VP8 = RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90000, payloadType=97)


def sealed_frames(side, kind):
    return {sealed for seen, _, sealed in side.sealed if seen == kind}


def assert_nothing_plain(lab, side, kind, codec, *, least=1):
    """Every frame on the wire is one that came out of the seal, and no plain frame is part of any packet."""
    frames = lab.wire.frames(side.pc, kind, codec)
    assert len(frames) >= least
    assert set(frames) <= sealed_frames(side, kind)
    packets = b"|".join(lab.wire.raw_rtp(side.pc))
    plain = [frame for seen, frame, _ in side.sealed if seen == kind and len(frame) >= 16]
    assert plain
    assert all(frame[:16] not in packets and frame[-16:] not in packets for frame in plain)


def assert_opened_as_sealed(here, there, kind, *, least):
    """What was opened here are frames that the other side sealed, in order."""
    opened = [frame for seen, frame, _ in here.opened if seen == kind]
    given = iter([frame for seen, frame, _ in there.sealed if seen == kind])
    assert len(opened) >= least
    assert all(any(frame == other for other in given) for frame in opened)


async def close(*sides):
    for side in sides:
        await side.close()


# ------------------------------------------------------------------------------------------------ both ways, all roads


@pytest.mark.clause("media.1-1", "media.1-2", "media.3-1", "media.4-1")
def test_vp8_and_opus_both_ways(lab):
    """Tracks added before protect() on one side, transceivers made from tracks after it on the other."""

    async def main():
        a, b = lab.side(), lab.side()
        for track in (lab.Tone(), lab.Picture()):
            a.pc.addTrack(track)
        a.guard = protect(a.pc, lab.keys("caller"), **a.hooks)
        b.guard = protect(b.pc, lab.keys("callee"), **b.hooks)
        for track in (lab.Tone(), lab.Picture()):
            b.pc.addTransceiver(track)
        await rtc.connect(a.pc, b.pc)
        await lab.until(lambda: min(s.decoded[k] for s in (a, b) for k in ("audio", "video")) >= 12)
        for side, other, who, sender in ((a, b, "bob", 0), (b, a, "alice", 1)):
            assert side.decoded["audio"] >= 12
            assert side.decoded["video"] >= 12
            assert max(side.luma) - min(side.luma) < 25
            for kind, codec in (("audio", "opus"), ("video", "VP8")):
                assert_nothing_plain(lab, side, kind, codec, least=12)
                assert_opened_as_sealed(side, other, kind, least=12)
            assert [(e.kind, e.context, e.key_id, e.epoch) for e in side.of(StreamStarted)] == [
                (kind, context, ONE_TO_ONE.encode(context=context, sender=sender, epoch=0), 0)
                for kind, context in (("audio", 0), ("video", 1))
            ]
            assert Counter((e.direction, e.kind) for e in side.of(FirstFrame)) == Counter(
                [(SEND, "audio"), (SEND, "video"), (RECEIVE, "audio"), (RECEIVE, "video")]
            )
            assert {e.who for e in side.events} == {who}
            assert side.of(FrameDropped) == side.of(StreamUnreadable) == side.of(StreamStopped) == []
            assert [stats.rejected for stats in side.guard.stats()] == [Counter()] * 4
            assert all(stats.frames >= 12 and stats.seconds > 0 for stats in side.guard.stats())
        await close(a, b)
        await asyncio.sleep(0)
        assert {e.reason for e in a.of(StreamStopped)} == {StopReason.CLOSED}
        assert len(a.of(StreamStopped)) == 4

    lab.run(main())


@pytest.mark.clause("media.1-1", "media.3-1", "media.4-1")
def test_h264_through_transceivers_that_the_offer_and_its_answer_create(lab):
    """Kinds instead of tracks here, replaceTrack later; there, senders of transceivers the remote offer made."""

    async def main():
        a, b = lab.side(), lab.side()
        protect(a.pc, lab.keys("caller"), **a.hooks)
        protect(b.pc, lab.keys("callee"), **b.hooks)
        a.pc.addTransceiver("video").sender.replaceTrack(lab.Picture())
        a.pc.addTransceiver("audio").sender.replaceTrack(lab.Tone())
        lab.prefer(a.pc, "H264")
        await a.pc.setLocalDescription(await a.pc.createOffer())
        await b.pc.setRemoteDescription(a.pc.localDescription)
        assert len(b.pc.getTransceivers()) == 2
        for track in (lab.Tone(), lab.Picture()):
            b.pc.addTrack(track)
        await b.pc.setLocalDescription(await b.pc.createAnswer())
        await a.pc.setRemoteDescription(b.pc.localDescription)
        await lab.until(lambda: min(s.decoded[k] for s in (a, b) for k in ("audio", "video")) >= 10)
        for side, other in ((a, b), (b, a)):
            assert side.decoded["video"] >= 10
            for kind, codec in (("audio", "opus"), ("video", "H264")):
                assert_nothing_plain(lab, side, kind, codec, least=10)
                assert_opened_as_sealed(side, other, kind, least=10)
            assert side.of(FrameDropped) == []

    lab.run(main())


@pytest.mark.clause("media.1-1", "media.2-5")
def test_replaced_track_stays_on_the_same_sealed_stream(lab):
    async def main():
        a, b = lab.side(), lab.side()
        protect(a.pc, lab.keys("caller"), **a.hooks)
        protect(b.pc, lab.keys("callee"), **b.hooks)
        sender = a.pc.addTrack(lab.Picture(luma=60))
        await rtc.connect(a.pc, b.pc)
        await lab.until(lambda: b.decoded["video"] >= 5)
        assert max(b.luma) < 100
        sender.replaceTrack(lab.Picture(luma=180))
        await lab.until(lambda: b.luma[-1] > 150)
        assert b.luma[-1] > 150
        assert_nothing_plain(lab, a, "video", "VP8", least=6)
        assert [event.context for event in a.of(StreamStarted)] == [1]
        assert b.of(FrameDropped) == []

    lab.run(main())


@pytest.mark.clause("media.1-1", "media.2-5")
def test_streams_added_by_renegotiation_are_sealed_each_under_its_own_context(lab):
    async def main():
        a, b = lab.side(), lab.side()
        protect(a.pc, lab.keys("caller"), **a.hooks)
        keys = lab.keys("callee")
        protect(b.pc, keys, **b.hooks)
        a.pc.addTrack(lab.Tone())
        await rtc.connect(a.pc, b.pc)
        await lab.until(lambda: b.decoded["audio"] >= 3)
        a.pc.addTrack(lab.Picture())
        await rtc.connect(a.pc, b.pc)
        await lab.until(lambda: b.decoded["video"] >= 3)
        keys.announce_remote(2, "video", "vp8")
        a.pc.addTrack(lab.Picture(luma=200))
        await rtc.connect(a.pc, b.pc)
        await lab.until(lambda: min(b.luma, default=255) < 150 and max(b.luma) > 150)
        assert min(b.luma) < 150 < max(b.luma)
        assert [(event.kind, event.context) for event in a.of(StreamStarted)] == [
            ("audio", 0),
            ("video", 1),
            ("video", 2),
        ]
        frames = lab.wire.frames(a.pc, "video", "VP8")
        assert frames
        assert set(frames) <= sealed_frames(a, "video")
        assert b.of(FrameDropped) == []

    lab.run(main())


@pytest.mark.clause("media.3-5")
def test_no_audio_level_in_any_rtp_header(lab):
    """RFC 6464: the negotiated extension carries the loudness of every frame in clear."""

    async def main():
        a, b = lab.side(), lab.side()
        protect(a.pc, lab.keys("caller"), **a.hooks)
        protect(b.pc, lab.keys("callee"), **b.hooks)
        a.pc.addTrack(lab.Tone())
        await rtc.connect(a.pc, b.pc)
        await lab.until(lambda: b.decoded["audio"] >= 10)
        assert "ssrc-audio-level" in a.pc.localDescription.sdp
        packets = lab.wire.raw_rtp(a.pc)
        assert len(packets) >= 10
        assert {number for data in packets for number in one_byte_extensions(data)} == {1}  # the mid alone

    lab.run(main())


def one_byte_extensions(data):
    """RFC 8285 §4.2: the ids of a packet's header extensions."""
    profile, words = struct.unpack_from("!HH", data, 12)
    assert data[0] & 0x1F == 0x10  # an extension, and no CSRC in front of it
    assert profile == 0xBEDE
    block, at, numbers = data[16 : 16 + 4 * words], 0, []
    while at < len(block):
        if block[at]:
            numbers.append(block[at] >> 4)
            at += (block[at] & 15) + 1
        at += 1
    return numbers


@pytest.mark.clause("media.3-7")
def test_several_opus_frames_of_one_encoding_go_out_each_with_its_own_time(lab):
    async def main():
        a, b = lab.side(), lab.side()
        protect(a.pc, lab.keys("caller"), **a.hooks)
        protect(b.pc, lab.keys("callee"), **b.hooks)
        a.pc.addTrack(lab.Tone(samples=2880))
        await rtc.connect(a.pc, b.pc)
        await lab.until(lambda: len(b.opened) >= 20)
        times = [packet.timestamp for packet in lab.wire.rtp(a.pc, "audio")]
        assert len(times) >= 20
        assert {(later - earlier) % (1 << 32) for earlier, later in pairwise(times)} == {960}
        assert_opened_as_sealed(b, a, "audio", least=20)
        assert b.of(FrameDropped) == []

    lab.run(main())


@pytest.mark.clause("media.3-1")
def test_frames_that_are_encoded_already_are_sealed_too(lab):
    audio, video = b"\xfcplain opus frame plain opus frame", b"\x10plain vp8 frame" * 200

    async def main():
        a, b = lab.side(), lab.side()
        protect(a.pc, lab.keys("caller"), **a.hooks)
        protect(b.pc, lab.keys("callee"), **b.hooks)
        a.pc.addTrack(lab.Packets("audio", audio, 960))
        a.pc.addTrack(lab.Packets("video", video, 3000))
        await rtc.connect(a.pc, b.pc)
        await lab.until(lambda: {kind for kind, _, _ in b.opened} == {"audio", "video"})
        assert {(kind, frame) for kind, frame, _ in b.opened} == {("audio", audio), ("video", video)}
        packets = b"".join(lab.wire.raw_rtp(a.pc))
        assert b"plain" not in packets
        assert len(packets) > 3000

    lab.run(main())


# ------------------------------------------------------------------------------------------------ keys


@pytest.mark.clause("media.2-1", "media.2-2", "media.2-3")
def test_without_keys_nothing_passes_and_installing_them_starts_the_call(lab):
    async def main():
        a, b = lab.side(), lab.side()
        a.guard, b.guard = protect(a.pc, **a.hooks), protect(b.pc, **b.hooks)
        for track in (lab.Tone(), lab.Picture()):
            a.pc.addTrack(track)
        await rtc.connect(a.pc, b.pc)
        await lab.until(lambda: len(a.of(FrameDropped)) == 2 and a.guard.sent()[0].rejected.total() > 4)
        assert lab.wire.raw_rtp(a.pc) == []
        dropped = a.of(FrameDropped, direction=SEND)
        assert {(e.kind, e.reason, e.count) for e in dropped} == {
            ("audio", FrameReason.UNKNOWN_KEY, 1),
            ("video", FrameReason.UNKNOWN_KEY, 1),
        }
        assert not a.guard.installed
        assert {stats.frames for stats in a.guard.sent()} == {0}

        a.guard.install(lab.keys("caller"))
        assert a.guard.installed
        await lab.until(lambda: {e.kind for e in b.of(StreamUnreadable)} == {"audio", "video"})
        assert {(e.kind, e.cause, e.reason) for e in b.of(StreamUnreadable)} == {
            ("audio", Cause.NO_KEY, FrameReason.UNKNOWN_KEY),
            ("video", Cause.NO_KEY, FrameReason.UNKNOWN_KEY),
        }
        assert b.opened == []
        assert dict(b.decoded) == {}
        assert all(
            stats.rejected == Counter({FrameReason.UNKNOWN_KEY: stats.rejected.total()}) for stats in b.guard.received()
        )

        b.guard.install(lab.keys("callee"))
        await lab.until(lambda: b.decoded["video"] >= 5 and b.decoded["audio"] >= 5)
        assert b.decoded["video"] >= 5
        assert b.decoded["audio"] >= 5
        assert {e.kind for e in b.of(StreamReadable)} == {"audio", "video"}
        assert_nothing_plain(lab, a, "video", "VP8", least=5)
        assert {e.who for e in b.of(FirstFrame)} == {"alice"}
        with pytest.raises(ApiMisuse):
            a.guard.install(lab.keys("caller"))

    lab.run(main())


@pytest.mark.clause("media.4-2", "media.4-3", "media.5-2", "media.5-4")
def test_a_wrong_key_plays_nothing_says_so_and_does_not_storm_key_frame_requests(lab):
    async def main():
        a, b = lab.side(), lab.side()
        protect(a.pc, lab.keys("caller"), **a.hooks)
        b.guard = protect(b.pc, lab.keys("callee", base=bytes(32)), **b.hooks)
        for track in (lab.Tone(), lab.Picture()):
            a.pc.addTrack(track)
        await rtc.connect(a.pc, b.pc)
        await lab.until(lambda: b.of(FrameDropped, kind="video"))
        await asyncio.sleep(2.2)
        assert dict(b.decoded) == {}
        assert b.opened == []
        for stats in b.guard.received():
            assert stats.frames == 0
            assert stats.rejected == Counter({FrameReason.AUTHENTICATION: stats.rejected.total()})
            assert stats.rejected.total() >= 20
        unreadable = b.of(StreamUnreadable)
        assert {(e.kind, e.cause, e.reason, e.epoch) for e in unreadable} == {
            ("audio", Cause.WRONG_KEY, FrameReason.AUTHENTICATION, 0),
            ("video", Cause.WRONG_KEY, FrameReason.AUTHENTICATION, 0),
        }
        assert len(unreadable) == 2
        assert "emoji" in unreadable[0].advice
        assert {e.key_id for e in unreadable} == {0, 32}
        assert 2 <= lab.wire.key_frame_requests(b.pc) <= 6
        drops = b.of(FrameDropped, kind="audio")
        assert drops[0].count == 1
        assert 2 <= len(drops) <= 4
        assert max(drop.count for drop in drops) >= 30

    lab.run(main())


# ------------------------------------------------------------------------------------------------ an unprotected peer


@pytest.mark.clause("media.3-1", "media.4-2", "media.5-3")
def test_an_unprotected_peer_gets_ciphertext_and_its_own_frames_are_not_played(lab):
    async def main():
        a, b = lab.side(), lab.side()
        a.guard = protect(a.pc, lab.keys("caller"), **a.hooks)
        for side in (a, b):
            for track in (lab.Tone(), lab.Picture()):
                side.pc.addTrack(track)
        to_decoder = spy_on_decoders(b.pc)
        await rtc.connect(a.pc, b.pc)
        await lab.until(lambda: len(a.of(StreamUnreadable)) == 2 and len(to_decoder) > 40)
        assert dict(a.decoded) == {}
        assert a.opened == []
        assert {(e.kind, e.cause) for e in a.of(StreamUnreadable)} == {
            ("audio", Cause.NOT_SEALED),
            ("video", Cause.NOT_SEALED),
        }
        assert all(e.advice == Cause.NOT_SEALED.advice for e in a.of(StreamUnreadable))
        assert all(stats.frames == 0 and stats.rejected.total() > 0 for stats in a.guard.received())
        assert len(to_decoder) > 40
        assert set(to_decoder) <= sealed_frames(a, "audio") | sealed_frames(a, "video")
        for kind, codec in (("audio", "opus"), ("video", "VP8")):
            assert_nothing_plain(lab, a, kind, codec)

    lab.run(main())


def spy_on_decoders(pc):
    """What the receivers of a connection that is not protected hand to their decoders."""
    seen = []
    for transceiver in pc.getTransceivers():
        frames = getattr(transceiver.receiver, aiortc_names.DECODER_QUEUE)
        put = frames.put

        def spy(item, put=put):
            if item is not None:
                seen.append(item[1].data)
            put(item)

        frames.put = spy
    return seen


# ------------------------------------------------------------------------------------------------ codecs


def audio_codecs(sdp):
    return [
        line.split()[1].split("/")[0]
        for line in sdp.splitlines()
        if line.startswith("a=rtpmap") and "/90000" not in line
    ]


@pytest.mark.clause("media.1-5")
def test_only_codecs_that_can_be_sealed_are_negotiated(lab):
    async def main():
        a, b = lab.side(), lab.side()
        a.pc.addTransceiver("audio")
        protect(a.pc, lab.keys("caller"), **a.hooks)
        protect(b.pc, lab.keys("callee"), **b.hooks)
        assert audio_codecs((await a.pc.createOffer()).sdp) == ["opus"]
        other = rtc.connection()
        other.addTransceiver("audio")
        await other.setLocalDescription(await other.createOffer())
        assert audio_codecs(other.localDescription.sdp) == ["opus", "G722", "PCMU", "PCMA"]
        await b.pc.setRemoteDescription(other.localDescription)
        assert audio_codecs((await b.pc.createAnswer()).sdp) == ["opus"]
        await close(a, b)
        await other.close()

    lab.run(main())


@pytest.mark.clause("media.1-5")
def test_the_order_of_the_offer_decides_the_video_codec(lab):
    async def main():
        a, b = lab.side(), lab.side()
        protect(a.pc, lab.keys("caller"), **a.hooks)
        protect(b.pc, lab.keys("callee"), **b.hooks)
        codecs = RTCRtpSender.getCapabilities("video").codecs
        a.pc.addTransceiver("video").setCodecPreferences(sorted(codecs, key=lambda codec: codec.name != "H264"))
        await rtc.connect(a.pc, b.pc)
        answered = [line for line in b.pc.localDescription.sdp.splitlines() if line.startswith("a=rtpmap")]
        assert [line.split()[1].split("/")[0] for line in answered] == ["H264", "rtx", "H264", "rtx", "VP8", "rtx"]

    lab.run(main())


@pytest.mark.clause("media.3-4", "media.4-5")
def test_a_codec_without_a_layout_is_refused_on_both_sides(lab):
    """An application that insists on G.711 gets an event and silence, in both directions."""

    async def main():
        a, b = lab.side(), lab.side()
        pcmu = [c for c in RTCRtpSender.getCapabilities("audio").codecs if c.name == "PCMU"]
        for side in (a, b):
            side.pc.addTransceiver(lab.Tone()).setCodecPreferences(pcmu)
        a.guard = protect(a.pc, lab.keys("caller"), **a.hooks)  # b is not protected, and sends PCMU
        await rtc.connect(a.pc, b.pc)
        await lab.until(lambda: a.of(StreamStopped) and a.of(StreamUnreadable))
        stopped = a.of(StreamStopped)
        assert [(e.direction, e.codec, e.reason) for e in stopped] == [(SEND, "pcmu", StopReason.CODEC)]
        assert "pcmu" in stopped[0].detail.lower()
        assert lab.wire.rtp(a.pc) == []
        assert [(e.codec, e.cause) for e in a.of(StreamUnreadable)] == [("pcmu", Cause.CODEC)]
        assert a.guard.received()[0].rejected.total() > 0
        assert dict(a.decoded) == {}
        await lab.until(lambda: a.pc.getSenders()[0].track is None)
        assert a.pc.getSenders()[0].track is None

    lab.run(main())


# ------------------------------------------------------------------------------------------------ what ends a stream


@pytest.mark.clause("media.3-3", "media.5-1")
def test_an_exception_while_sealing_ends_the_stream_with_an_event(lab, monkeypatch):
    seal = SealStream.seal

    def breaks(self, frame):
        if self.stats.frames == 5:
            raise ZeroDivisionError("with the frame in its text")
        return seal(self, frame)

    monkeypatch.setattr(SealStream, "seal", breaks)

    async def main():
        a, b = lab.side(), lab.side()
        protect(a.pc, lab.keys("caller"), **a.hooks)
        protect(b.pc, lab.keys("callee"), **b.hooks)
        track = lab.Picture()
        a.pc.addTrack(track)
        await rtc.connect(a.pc, b.pc)
        await lab.until(lambda: a.of(StreamStopped))
        assert [(e.direction, e.reason, e.detail) for e in a.of(StreamStopped)] == [
            (SEND, StopReason.INTERNAL, "ZeroDivisionError")
        ]
        assert track.readyState == "ended"
        assert len(set(lab.wire.frames(a.pc, "video", "VP8"))) == 5
        assert_nothing_plain(lab, a, "video", "VP8", least=5)

    lab.run(main())


@pytest.mark.clause("media.4-4", "media.5-1")
def test_an_exception_while_opening_ends_the_track_with_an_event(lab, monkeypatch):
    died = []
    monkeypatch.setattr(threading, "excepthook", died.append)
    opener = OpenStream.open

    def breaks(self, sealed):
        if self.stats.frames == 5:
            raise ZeroDivisionError
        return opener(self, sealed)

    monkeypatch.setattr(OpenStream, "open", breaks)

    async def main():
        a, b = lab.side(), lab.side()
        protect(a.pc, lab.keys("caller"), **a.hooks)
        protect(b.pc, lab.keys("callee"), **b.hooks)
        a.pc.addTrack(lab.Picture())
        await rtc.connect(a.pc, b.pc)
        await lab.until(lambda: b.ended)
        assert b.ended == {"video"}
        assert [(e.direction, e.reason, e.detail) for e in b.of(StreamStopped)] == [
            (RECEIVE, StopReason.INTERNAL, "ZeroDivisionError")
        ]
        assert b.decoded["video"] == 5
        assert [thread.exc_type for thread in died] == [ZeroDivisionError]
        queue = getattr(b.pc.getReceivers()[0], aiortc_names.DECODER_QUEUE)
        await asyncio.sleep(0.2)
        assert queue.qsize() <= 1  # what comes now is not kept

    lab.run(main())


@pytest.mark.clause("media.3-2")
def test_an_exhausted_counter_stops_the_stream_for_good(lab, monkeypatch):
    opening = FrameKeys.open_stream

    def nearly_used_up(self, kind, codec):
        stream = opening(self, kind, codec)
        sender = Sender(self.suite, stream.sender.kid, SecretBytes(lab.base), first_ctr=MAX_CTR - 3)
        return replace(stream, sender=sender)

    monkeypatch.setattr(FrameKeys, "open_stream", nearly_used_up)

    async def main():
        a, b = lab.side(), lab.side()
        a.guard = protect(a.pc, lab.keys("caller"), **a.hooks)
        protect(b.pc, lab.keys("callee"), **b.hooks)
        tracks = lab.Tone(), lab.Picture()
        for track in tracks:
            a.pc.addTrack(track)
        await rtc.connect(a.pc, b.pc)
        await lab.until(lambda: len(a.of(StreamStopped)) == 2)
        assert {(e.kind, e.reason) for e in a.of(StreamStopped)} == {
            ("audio", StopReason.EXHAUSTED),
            ("video", StopReason.EXHAUSTED),
        }
        assert {track.readyState for track in tracks} == {"ended"}
        await asyncio.sleep(0.3)
        assert len(lab.wire.frames(a.pc, "video", "VP8")) == len(lab.wire.frames(a.pc, "audio", "opus")) == 4
        assert_nothing_plain(lab, a, "video", "VP8")

    lab.run(main())


@pytest.mark.clause("media.3-2")
def test_a_refused_frame_is_dropped_and_the_stream_goes_on(lab, monkeypatch):
    seal = SealStream.seal

    def refuses_one(self, frame):
        if self.stats.frames == 3 and not self.stats.rejected:
            self.stats.rejected[FrameReason.MALFORMED] += 1
            raise FrameRejected(FrameReason.MALFORMED, "not today")
        return seal(self, frame)

    monkeypatch.setattr(SealStream, "seal", refuses_one)

    async def main():
        a, b = lab.side(), lab.side()
        a.guard = protect(a.pc, lab.keys("caller"), **a.hooks)
        protect(b.pc, lab.keys("callee"), **b.hooks)
        for track in (lab.Tone(), lab.Picture()):
            a.pc.addTrack(track)
        await rtc.connect(a.pc, b.pc)
        await lab.until(lambda: len(b.opened) >= 20)
        assert [(e.direction, e.reason, e.detail) for e in a.of(FrameDropped)] == [
            (SEND, FrameReason.MALFORMED, "not today")
        ] * 2
        assert [stats.rejected for stats in a.guard.sent()] == [Counter({FrameReason.MALFORMED: 1})] * 2
        for kind, codec in (("audio", "opus"), ("video", "VP8")):
            assert_nothing_plain(lab, a, kind, codec, least=4)
        assert a.of(StreamStopped) == []

    lab.run(main())


@pytest.mark.clause("media.3-3")
def test_payloads_that_did_not_pass_the_seal_are_not_sent(lab, monkeypatch):
    """As if another aiortc packetized without asking the method that the hook replaces."""
    monkeypatch.setattr(SendHook, "_wrap_vp8", lambda self, encoder: None)

    async def main():
        a, b = lab.side(), lab.side()
        protect(a.pc, lab.keys("caller"), **a.hooks)
        protect(b.pc, lab.keys("callee"), **b.hooks)
        a.pc.addTrack(lab.Picture())
        await rtc.connect(a.pc, b.pc)
        await lab.until(lambda: a.of(StreamStopped))
        assert [event.reason for event in a.of(StreamStopped)] == [StopReason.INTERNAL]
        assert lab.wire.raw_rtp(a.pc) == []

    lab.run(main())


@pytest.mark.clause("media.5-1")
def test_the_end_of_a_track_is_told(lab):
    async def main():
        a, b = lab.side(), lab.side()
        protect(a.pc, lab.keys("caller"), **a.hooks)
        protect(b.pc, lab.keys("callee"), **b.hooks)
        track = lab.Picture()
        a.pc.addTrack(track)
        await rtc.connect(a.pc, b.pc)
        await lab.until(lambda: b.decoded["video"])
        track.stop()
        await lab.until(lambda: a.of(StreamStopped))
        assert [(e.direction, e.reason, e.detail) for e in a.of(StreamStopped)] == [(SEND, StopReason.TRACK_ENDED, "")]
        await a.close()
        await lab.until(lambda: b.of(StreamStopped))
        assert [(e.direction, e.reason) for e in b.of(StreamStopped)] == [(RECEIVE, StopReason.DISCONNECTED)]

    lab.run(main())


@pytest.mark.clause("media.2-4")
def test_a_closed_guard_lets_nothing_through(lab):
    async def main():
        a, b = lab.side(), lab.side()
        a.guard = protect(a.pc, lab.keys("caller"), **a.hooks)
        b.guard = protect(b.pc, lab.keys("callee"), **b.hooks)
        a.pc.addTrack(lab.Picture())
        await rtc.connect(a.pc, b.pc)
        await lab.until(lambda: b.decoded["video"] >= 3)
        b.guard.close()
        await lab.until(lambda: b.ended)
        seen = len(b.opened)
        a.guard.close()
        await lab.until(lambda: a.of(StreamStopped))
        sent = len(lab.wire.raw_rtp(a.pc))
        await asyncio.sleep(0.3)
        assert len(lab.wire.raw_rtp(a.pc)) == sent
        assert len(b.opened) == seen
        assert [e.reason for side in (a, b) for e in side.of(StreamStopped)] == [StopReason.CLOSED] * 2
        for guard in (a.guard, b.guard):
            guard.close()
            with pytest.raises(ApiMisuse):
                guard.install(lab.keys("caller"))

    lab.run(main())


# ------------------------------------------------------------------------------------------------ using it wrongly


@pytest.mark.clause("media.1-3", "media.1-4")
def test_protect_refuses_what_would_not_protect(lab):
    async def main():
        a, b = lab.side(), lab.side()
        with pytest.raises(ApiMisuse, match="jitter"):
            protect(a.pc, jitter="none")
        protect(a.pc, lab.keys("caller"), **a.hooks)
        with pytest.raises(ApiMisuse, match="protected already"):
            protect(a.pc, lab.keys("caller"))
        a.pc.addTrack(lab.Tone())
        await rtc.connect(a.pc, b.pc)
        receiver = b.pc.getReceivers()[0]
        await lab.until(lambda: getattr(receiver, aiortc_names.RECEIVER_STARTED))
        with pytest.raises(ApiMisuse, match="has started"):
            protect(b.pc, lab.keys("callee"))
        assert "_next_encoded_frame" not in vars(b.pc.getSenders()[0])
        await close(a, b)
        with pytest.raises(ApiMisuse, match="closed"):
            protect(b.pc, lab.keys("callee"))

    lab.run(main())


@pytest.mark.clause("media.1-4")
def test_protect_belongs_on_the_event_loop(lab):
    with pytest.raises(ApiMisuse, match="event loop"):
        protect(rtc.connection(), lab.keys("caller"))


@pytest.mark.clause("media.1-6")
def test_the_default_stun_server_is_warned_about(lab):
    async def main():
        for configuration in (None, RTCConfiguration()):
            pc = RTCPeerConnection(configuration)
            with pytest.warns(rtc.E2ECallWarning, match="STUN"):
                protect(pc, lab.keys("caller"))
            await pc.close()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for pc in (rtc.connection(), rtc.connection(ice_servers=[RTCIceServer("stun:127.0.0.1:9")])):
                protect(pc, lab.keys("caller"))
                await pc.close()

    lab.run(main())


def test_connection_asks_nobody_unless_told():
    assert rtc.asks_public_stun(RTCPeerConnection())
    assert not rtc.asks_public_stun(rtc.connection())


def test_loopback_only_is_undone():
    async def hosts():
        pc = rtc.connection()
        pc.addTransceiver("audio")
        await pc.setLocalDescription(await pc.createOffer())
        sdp = pc.localDescription.sdp
        await pc.close()
        return {line.split()[4] for line in sdp.splitlines() if line.startswith("a=candidate")}

    with rtc.loopback_only():
        assert asyncio.run(hosts()) == {"127.0.0.1"}
    assert "127.0.0.1" not in asyncio.run(hosts())


@pytest.mark.clause("media.1-7")
def test_an_aiortc_that_was_not_tested_is_refused():
    aiortc_names.check()
    for version in ("1.15.0", "1.17.0", "2.0.0"):
        with pytest.raises(ImportError, match=version):
            aiortc_names.check(version)
    with pytest.raises(ImportError, match="_next_encoded_frame"):
        aiortc_names.check(uses=[("RTCRtpSender._run_rtp", asyncio.sleep, ("_next_encoded_frame",))])


@pytest.mark.clause("media.1-7")
def test_a_second_maker_of_senders_is_refused(monkeypatch):
    def makes_one(self):
        return RTCRtpSender("audio", None)

    monkeypatch.setattr(RTCPeerConnection, "makeOne", makes_one, raising=False)
    with pytest.raises(ImportError, match="makeOne"):
        aiortc_names.check()


# ------------------------------------------------------------------------------------------------ the receiving queue


def receiving_queue(pc):
    return getattr(pc.getReceivers()[0], aiortc_names.DECODER_QUEUE)


@pytest.mark.clause("media.4-6")
def test_empty_frames_are_counted_and_never_opened(lab):
    async def main():
        a = lab.side()
        a.guard = protect(a.pc, lab.keys("caller"), **a.hooks)
        a.pc.addTransceiver("video")
        queue = receiving_queue(a.pc)
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
        queue = receiving_queue(a.pc)
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
        assert [type(event) for event in a.events] == [FirstFrame, FrameDropped, StreamUnreadable, StreamReadable]
        assert a.of(StreamUnreadable)[0].cause is Cause.WRONG_KEY

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
        queue = receiving_queue(a.pc)
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
        queue = receiving_queue(a.pc)
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
        queue = receiving_queue(a.pc)
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


@pytest.mark.clause("media.4-3")
def test_changing_codecs_back_and_forth_keeps_one_stream_a_codec(lab):
    async def main():
        a = lab.side()
        a.guard = protect(a.pc, lab.keys("caller"), **a.hooks)
        a.pc.addTransceiver("video")
        queue = receiving_queue(a.pc)
        h264 = RTCRtpCodecParameters(mimeType="video/H264", clockRate=90000, payloadType=99)
        for _ in range(50):
            queue.put((VP8, JitterFrame(b"\x10 not sealed at all", 0)))
            queue.put((h264, JitterFrame(b"\0\0\0\1\x61 not sealed at all", 0)))
        queue.put(None)
        assert queue.get() is None
        assert [(stats.codec, stats.rejected.total()) for stats in a.guard.received()] == [("vp8", 50), ("h264", 50)]

    lab.run(main())


# ------------------------------------------------------------------------------------------------ when to tell


@pytest.mark.clause("media.5-2")
def test_drop_log_tells_the_first_at_once_and_then_once_a_second():
    log = DropLog()
    assert [log.add(FrameReason.REPLAY, now) for now in (0.0, 0.1, 0.9, 1.0, 1.5, 2.5)] == [1, 0, 0, 3, 0, 2]
    assert log.add(FrameReason.MALFORMED, 0.2) == 1  # each reason on its own


@pytest.mark.clause("media.4-3")
def test_pace_of_key_frame_requests():
    pace = Pace()
    times = [n / 100 for n in range(2000)]
    asked = [now for now in times if pace.due(now)]
    assert asked[:10] == [0.5 * n for n in range(10)]
    assert asked[10:] == [9.5, 14.5, 19.5]
    pace.succeeded()
    assert [now for now in (20.0, 20.3, 20.5) if pace.due(now)] == [20.0, 20.5]


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
        ({FrameReason.WRONG_STREAM: 8}, False, Cause.WRONG_STREAM),
    ],
)
def test_diagnosis(reasons, looks_unsealed, cause):
    assert diagnose(Counter(reasons), looks_unsealed=looks_unsealed) is cause


@pytest.mark.clause("media.5-3")
def test_every_cause_has_advice():
    assert all(cause.advice for cause in Cause)


@pytest.mark.clause("media.5-5")
def test_events_without_a_listener_go_to_the_log(lab, caplog):
    async def main():
        a = lab.side()
        protect(a.pc, lab.keys("caller"))
        a.pc.addTransceiver("video")
        queue = receiving_queue(a.pc)
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

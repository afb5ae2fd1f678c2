"""The aiortc plug-in on real connections: nothing leaves unsealed, nothing is decoded unopened, by whatever road."""

import asyncio
import struct
from collections import Counter
from itertools import pairwise

import pytest
from aiortc.rtcrtpparameters import RTCRtpCodecParameters

from e2ecall.call.streams import RemoteStream, Source
from e2ecall.errors import ApiMisuse, FrameReason
from e2ecall.media import aiortc_names, rtc
from e2ecall.media.aiortc_plugin import protect
from e2ecall.media.events import (
    Cause,
    Direction,
    FirstFrame,
    FrameDropped,
    StopReason,
    StreamReadable,
    StreamStarted,
    StreamStopped,
    StreamUnreadable,
)
from e2ecall.sframe import ONE_TO_ONE

SEND, RECEIVE = Direction.SEND, Direction.RECEIVE
VP8 = RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90000, payloadType=97)


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
                lab.assert_nothing_plain(side, kind, codec, least=12)
                lab.assert_opened_as_sealed(side, other, kind, least=12)
            assert [(e.kind, e.context, e.key_id, e.epoch) for e in side.of(StreamStarted)] == [
                (kind, context, ONE_TO_ONE.encode(context=context, sender=sender, epoch=0), 0)
                for kind, context in (("audio", 0), ("video", 1))
            ]
            assert Counter((e.direction, e.kind) for e in side.of(FirstFrame)) == Counter(
                [(SEND, "audio"), (SEND, "video"), (RECEIVE, "audio"), (RECEIVE, "video")]
            )
            assert {e.who for e in side.events} == {who}
            transceivers = {t.kind: t.mid for t in side.pc.getTransceivers()}
            assert all(e.mid == transceivers[e.kind] for e in side.of(FirstFrame))
            assert {(e.stream, e.key_id, e.epoch) for e in side.of(FirstFrame, direction=RECEIVE)} == {
                (RemoteStream(0, "audio", Source.MICROPHONE), (1 - sender) << 4, 0),
                (RemoteStream(1, "video", Source.CAMERA), 1 << 5 | (1 - sender) << 4, 0),
            }
            assert side.of(FrameDropped) == side.of(StreamUnreadable) == side.of(StreamStopped) == []
            assert [stats.rejected for stats in side.guard.stats()] == [Counter()] * 4
            assert all(stats.frames >= 12 and stats.seconds > 0 for stats in side.guard.stats())
        await a.close()
        await b.close()
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
                lab.assert_nothing_plain(side, kind, codec, least=10)
                lab.assert_opened_as_sealed(side, other, kind, least=10)
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
        lab.assert_nothing_plain(a, "video", "VP8", least=6)
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
        assert set(frames) <= lab.sealed_frames(a, "video")
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
        lab.assert_opened_as_sealed(b, a, "audio", least=20)
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
        lab.assert_nothing_plain(a, "video", "VP8", least=5)
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
        assert set(to_decoder) <= lab.sealed_frames(a, "audio") | lab.sealed_frames(a, "video")
        for kind, codec in (("audio", "opus"), ("video", "VP8")):
            lab.assert_nothing_plain(a, kind, codec)

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

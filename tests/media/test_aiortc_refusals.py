"""What the plug-in refuses, and what ends a stream: always with a reason, and never in clear."""

import asyncio
import threading
import warnings
from collections import Counter

import pytest
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCRtpSender
from aiortc.rtcrtpparameters import RTCRtpCodecParameters

from e2ecall.call import epochs
from e2ecall.call.epochs import FrameKeys
from e2ecall.errors import ApiMisuse, FrameReason, FrameRejected
from e2ecall.handshake import Role
from e2ecall.media import aiortc_names, rtc
from e2ecall.media.aiortc_plugin import protect
from e2ecall.media.aiortc_send import SendHook
from e2ecall.media.events import (
    Cause,
    Direction,
    FirstFrame,
    FrameDropped,
    StopReason,
    StreamStopped,
    StreamUnreadable,
)
from e2ecall.media.transform import OpenStream, SealStream
from e2ecall.secret import SecretBytes
from e2ecall.sframe import MAX_CTR, CipherSuite, Sender
from support.frames import Leases

SEND, RECEIVE = Direction.SEND, Direction.RECEIVE
VP8 = RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90000, payloadType=97)


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
        await a.close()
        await b.close()
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
        lab.assert_nothing_plain(a, "video", "VP8", least=5)

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
    def nearly_used_up(suite, kid, base_key):
        return Sender(suite, kid, base_key, counters=Leases(MAX_CTR - 3))

    monkeypatch.setattr(epochs, "Sender", nearly_used_up)

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
        lab.assert_nothing_plain(a, "video", "VP8")

    lab.run(main())


@pytest.mark.clause("frame.7-7", "media.3-2")
def test_video_under_32_bit_tags_is_not_sent_and_sound_is(lab):
    def keys(role, **kw):
        suite = CipherSuite.AES_128_CTR_HMAC_SHA256_32
        return FrameKeys(SecretBytes(lab.base), role, suite, who="the other", **kw)

    async def main():
        a, b = lab.side(), lab.side()
        a.guard = protect(a.pc, keys(Role.CALLER), **a.hooks)
        b.guard = protect(b.pc, keys(Role.CALLEE, short_tags=frozenset({1})), **b.hooks)
        for side in (a, b):
            for track in (lab.Tone(), lab.Picture()):
                side.pc.addTrack(track)
        await rtc.connect(a.pc, b.pc)
        await lab.until(lambda: b.decoded["audio"] and a.of(StreamStopped) and a.of(StreamUnreadable))
        (stopped,) = a.of(StreamStopped)
        assert (stopped.kind, stopped.direction, stopped.reason) == ("video", SEND, StopReason.REFUSED)
        assert "32-bit tags" in stopped.detail
        assert lab.wire.rtp(a.pc, "video") == []
        (unreadable,) = a.of(StreamUnreadable)  # the other side has named its camera, and this one has not
        assert (unreadable.kind, unreadable.cause, unreadable.key_id) == ("video", Cause.UNKNOWN_KEY, 48)
        assert "video" not in a.decoded
        assert b.of(FirstFrame, direction=RECEIVE, kind="audio")

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
            lab.assert_nothing_plain(a, kind, codec, least=4)
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
        a.guard.close()  # while the sender waits for its track, and has keys still
        sent = len(lab.wire.raw_rtp(a.pc))
        await lab.until(lambda: a.of(StreamStopped))
        await asyncio.sleep(0.3)
        assert len(lab.wire.raw_rtp(a.pc)) == sent
        assert len(b.opened) == seen
        assert [e.reason for side in (a, b) for e in side.of(StreamStopped)] == [StopReason.CLOSED] * 2
        for guard in (a.guard, b.guard):
            guard.close()
            with pytest.raises(ApiMisuse):
                guard.install(lab.keys("caller"))

    lab.run(main())


@pytest.mark.clause("media.2-4", "media.5-1")
def test_a_guard_closed_before_it_had_keys_ends_its_streams(lab):
    async def main():
        a, b = lab.side(), lab.side()
        a.guard = protect(a.pc, **a.hooks)
        track = lab.Picture()
        a.pc.addTrack(track)
        await rtc.connect(a.pc, b.pc)
        await lab.until(lambda: a.of(FrameDropped))
        a.guard.close()
        await lab.until(lambda: a.of(StreamStopped))
        assert [(e.direction, e.reason) for e in a.of(StreamStopped)] == [(SEND, StopReason.CLOSED)]
        assert lab.wire.raw_rtp(a.pc) == []

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
        await a.close()
        await b.close()
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


def test_close_ends_consent_checks_that_began_during_the_close():
    async def main():
        pc = rtc.connection()
        pc.addTransceiver("audio")
        checks = pc.getReceivers()[0].transport.transport._connection
        aiortc_close = pc.close

        async def closes_while_connecting():
            await aiortc_close()
            setattr(checks, aiortc_names.CONSENT_TASK, asyncio.ensure_future(asyncio.sleep(60)))

        pc.close = closes_while_connecting
        await rtc.close(pc)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


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

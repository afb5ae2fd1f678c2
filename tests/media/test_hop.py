"""The forwarder: sealed frames pass bit for bit, it asks for key frames, and refuses what it cannot serve."""

import asyncio
import re
from collections import Counter, defaultdict
from itertools import pairwise

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtcrtpparameters import RTCRtpCodecParameters

from e2ecall.codecs import layout_for
from e2ecall.errors import ApiMisuse, FrameReason, MalformedMessage, PeerIncompatible, PeerMisbehaved
from e2ecall.media import aiortc_names, rtc
from e2ecall.media import hop as hop_module
from e2ecall.media.aiortc_plugin import protect
from e2ecall.media.events import Cause, FrameDropped, StreamUnreadable
from e2ecall.media.hop import KEY_FRAME_INTERVAL, Hop
from e2ecall.media.jitter import Burst


class Tap:
    """What the forwarder saw."""

    def __init__(self):
        self.frames = defaultdict(list)
        self.codecs = defaultdict(set)
        self.times = defaultdict(list)

    def __call__(self, member, kind, codec, data, timestamp):
        self.frames[member, kind].append(data)
        self.codecs[member, kind].add(codec)
        self.times[member, kind].append(timestamp)


async def join(hop, number, pc):
    await pc.setLocalDescription(await pc.createOffer())
    answer = await hop.accept(number, pc.localDescription.sdp)
    await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))


def protected(lab, role, *tracks, codec=None, **options):
    side = lab.side()
    side.guard = protect(side.pc, lab.keys(role), jitter="low-latency", **side.hooks, **options)
    for track in tracks:
        side.pc.addTrack(track)
    if codec:
        lab.prefer(side.pc, codec)
    return side


def through(lab, main, **options):
    """Run `main(hop)` with a hop that is closed afterwards."""

    async def with_hop():
        hop = Hop(**options)
        try:
            await main(hop)
        finally:
            await hop.close()

    lab.run(with_hop())


@pytest.mark.clause("media.7-1", "media.7-2")
@pytest.mark.parametrize("codec", ["VP8", "H264"])
def test_sealed_frames_pass_both_ways_bit_for_bit(lab, codec):
    tap = Tap()

    async def main(hop):
        a = protected(lab, "caller", lab.Tone(), lab.Picture(), codec=codec)
        b = protected(lab, "callee", lab.Tone(), lab.Picture(), codec=codec)
        await join(hop, 0, a.pc)
        await join(hop, 1, b.pc)
        assert hop.members == {0, 1}
        await lab.until(lambda: min(s.decoded[k] for s in (a, b) for k in ("audio", "video")) >= 12)
        for number, side, other in ((0, a, b), (1, b, a)):
            assert side.decoded["video"] >= 12
            assert max(side.luma) - min(side.luma) < 25
            assert side.of(FrameDropped) == side.of(StreamUnreadable) == []
            for kind in ("audio", "video"):
                seen = tap.frames[number, kind]
                sealed = [ciphertext for k, _, ciphertext in side.sealed if k == kind]
                given = iter(sealed)
                assert len(seen) >= 12
                assert all(any(frame == ciphertext for ciphertext in given) for frame in seen)
                plain = {ciphertext: frame for k, frame, ciphertext in side.sealed if k == kind}
                opened = [frame for k, frame, _ in other.opened if k == kind]
                assert opened
                assert set(opened) <= {plain[frame] for frame in seen}
                assert hop.forwarded[number, kind] >= len(opened)
            assert tap.codecs[number, "video"] == {codec.lower()}
            assert tap.codecs[number, "audio"] == {"opus"}
            # The source's time line: audio frames are 20 ms apart, and so are they at the other end.
            assert {b - a for a, b in pairwise(tap.times[number, "audio"])} == {960}
            times = [timestamp for k, _, timestamp in other.opened if k == "audio"]
            assert {b - a for a, b in pairwise(times)} == {960}

    through(lab, main, tap=tap)


async def asks_for_nothing(ssrc):
    """A receiver that never asks for a key frame itself."""


@pytest.mark.clause("media.7-3", "media.7-5")
def test_who_joins_late_begins_with_a_key_frame(lab):
    tap = Tap()

    async def main(hop):
        a = protected(lab, "caller", lab.Picture())
        await join(hop, 0, a.pc)
        await lab.until(lambda: len(tap.frames[0, "video"]) >= 8)
        assert hop.forwarded == Counter()
        assert hop.dropped[0, "video"] >= 8
        absent = lab.side()  # it offers, and never connects
        absent.pc.addTrack(lab.Picture())
        await absent.pc.setLocalDescription(await absent.pc.createOffer())
        await hop.accept(1, absent.pc.localDescription.sdp)
        dropped = hop.dropped[0, "video"]
        await lab.until(lambda: hop.dropped[0, "video"] >= dropped + 3)
        assert hop.forwarded == Counter()
        await hop.leave(1)
        b = protected(lab, "callee", lab.Picture())
        for receiver in b.pc.getReceivers():
            setattr(receiver, aiortc_names.SEND_PLI, asks_for_nothing)
        await join(hop, 1, b.pc)
        await lab.until(lambda: b.decoded["video"] >= 3)
        assert b.decoded["video"] >= 3
        frames = [frame for _, frame, _ in b.opened]
        first_key = next(i for i, frame in enumerate(frames) if layout_for("vp8").is_key(frame))
        assert first_key <= 4
        assert b.opened[first_key][1] != a.sealed[0][1]  # one made for the occasion, not the stream's first

    through(lab, main, tap=tap)


@pytest.mark.clause("media.7-3")
def test_requests_for_key_frames_reach_the_source_at_a_bounded_rate(lab):
    """A member whose key is wrong asks twice a second; one that asks all the time is held back by the hop."""

    async def main(hop):
        a = protected(lab, "caller", lab.Picture())
        b = protected(lab, "callee", lab.Picture())
        await join(hop, 0, a.pc)
        await join(hop, 1, b.pc)
        await lab.until(lambda: b.decoded["video"] >= 3 and a.decoded["video"] >= 3)
        await asyncio.sleep(KEY_FRAME_INTERVAL)
        keys_before = sum(layout_for("vp8").is_key(frame) for _, frame, _ in a.sealed)
        receiver = b.pc.getReceivers()[0]
        sources = [source.source for source in receiver.getSynchronizationSources()]
        assert len(sources) == 1
        for _ in range(40):
            await receiver._send_rtcp_pli(sources[0])
            await asyncio.sleep(0.02)
        await asyncio.sleep(KEY_FRAME_INTERVAL + 0.2)
        keys = sum(layout_for("vp8").is_key(frame) for _, frame, _ in a.sealed) - keys_before
        assert 2 <= keys <= 5  # of 40 requests in about 0.9 s, one at once and then one every 0.3 s
        assert sum(layout_for("vp8").is_key(frame) for _, frame, _ in b.sealed) <= 2

    through(lab, main)


@pytest.mark.clause("media.7-4")
def test_changed_frames_are_refused_by_whom_they_are_for(lab):
    def flips(member, kind, codec, data):
        assert codec == {"audio": "opus", "video": "vp8"}[kind]
        if member == 1:
            return None if kind == "video" else data
        return data[:-1] + bytes([data[-1] ^ 1])

    async def main(hop):
        a = protected(lab, "caller", lab.Tone(), lab.Picture())
        b = protected(lab, "callee", lab.Tone(), lab.Picture())
        await join(hop, 0, a.pc)
        await join(hop, 1, b.pc)
        await lab.until(lambda: len(b.of(StreamUnreadable)) == 2 and a.decoded["audio"] >= 5)
        assert dict(b.decoded) == {}
        assert b.opened == []
        assert {(e.kind, e.reason, e.cause) for e in b.of(StreamUnreadable)} == {
            ("audio", FrameReason.AUTHENTICATION, Cause.WRONG_KEY),
            ("video", FrameReason.AUTHENTICATION, Cause.WRONG_KEY),
        }
        assert a.decoded["audio"] >= 5
        assert a.decoded["video"] == 0
        assert hop.dropped[1, "video"] > 0
        assert hop.forwarded[1, "video"] == 0

    through(lab, main, rewrite=flips)


@pytest.mark.clause("media.7-1")
def test_a_voice_call_between_members_that_do_not_seal(lab):
    """The hop looks into no frame: what is not sealed passes as well, and it sees it."""
    tap = Tap()

    async def main(hop):
        a, b = lab.side(), lab.side()
        for side in (a, b):
            side.pc.addTrack(lab.Tone())
        await join(hop, 0, a.pc)
        await join(hop, 1, b.pc)
        await lab.until(lambda: a.decoded["audio"] >= 8 and b.decoded["audio"] >= 8)
        assert a.decoded["audio"] >= 8
        assert b.decoded["audio"] >= 8
        assert set(tap.frames) == {(0, "audio"), (1, "audio")}

    through(lab, main, tap=tap, jitter="stock")


@pytest.mark.clause("media.7-5")
def test_one_with_a_camera_and_one_without(lab):
    async def main(hop):
        a = protected(lab, "caller", lab.Tone(), lab.Picture())
        b = protected(lab, "callee", lab.Tone())
        await join(hop, 0, a.pc)
        await join(hop, 1, b.pc)
        await lab.until(lambda: a.decoded["audio"] >= 5 and b.decoded["audio"] >= 5 and hop.dropped[0, "video"] >= 5)
        assert a.decoded["audio"] >= 5
        assert b.decoded["audio"] >= 5
        assert hop.dropped[0, "video"] >= 5
        assert hop.forwarded[0, "video"] == 0

    through(lab, main)


@pytest.mark.clause("media.7-5")
def test_members_go_and_come_again_and_the_stream_goes_on(lab):
    async def main(hop):
        a = protected(lab, "caller", lab.Tone())
        b = protected(lab, "callee", lab.Tone())
        await join(hop, 0, a.pc)
        await join(hop, 1, b.pc)
        await lab.until(lambda: b.decoded["audio"] >= 5)
        await a.pc.close()
        await lab.until(lambda: hop.members == {1})
        assert hop.members == {1}
        again = lab.side()  # not sealed, so that its keys cannot be the first one's again
        again.pc.addTrack(lab.Tone())
        heard = b.of(FrameDropped)
        assert heard == []
        await join(hop, 0, again.pc)
        await lab.until(lambda: again.decoded["audio"] or b.of(StreamUnreadable))
        assert b.of(FrameDropped)
        # Forwarded on the time line of the first one, later and not earlier than it.
        stamps = [packet.timestamp for packet in lab.wire.rtp(hop._members[1].pc, "audio")]
        steps = {(later - earlier) % (1 << 32) for earlier, later in pairwise(stamps)}
        assert len(steps) == 2
        assert min(steps) == 960
        assert max(steps) < 10 * 48_000
        third = lab.side()
        third.pc.addTrack(lab.Tone())
        await join(hop, 0, third.pc)  # the same member, without having left
        await lab.until(lambda: again.ended and third.decoded["audio"])
        assert again.ended == {"audio"}
        assert hop.members == {0, 1}

    through(lab, main)


@pytest.mark.clause("media.7-6")
def test_who_is_refused(lab):
    async def main(hop):
        sides = [lab.side() for _ in range(3)]
        for number, side in enumerate(sides):
            side.pc.addTrack(lab.Tone())
            await side.pc.setLocalDescription(await side.pc.createOffer())
            if number < 2:
                await hop.accept(number, side.pc.localDescription.sdp)
        with pytest.raises(PeerMisbehaved, match="two members"):
            await hop.accept(2, sides[2].pc.localDescription.sdp)
        assert hop.members == {0, 1}
        await hop.leave(1)
        await hop.leave(1)
        await hop.accept(2, sides[2].pc.localDescription.sdp)
        await hop.close()
        await hop.close()
        assert hop.members == frozenset()
        with pytest.raises(ApiMisuse, match="closed"):
            await hop.accept(0, sides[0].pc.localDescription.sdp)

    through(lab, main)


@pytest.mark.clause("media.7-6")
def test_video_codecs_that_do_not_meet(lab):
    async def main(hop):
        a, b, c = lab.side(), lab.side(), lab.side()
        for side, codec in ((a, "H264"), (b, "VP8"), (c, None)):
            side.pc.addTrack(lab.Picture())
            if codec:
                lab.prefer(side.pc, codec)
            await side.pc.setLocalDescription(await side.pc.createOffer())
        await hop.accept(0, a.pc.localDescription.sdp)
        with pytest.raises(PeerIncompatible, match="h264"):
            await hop.accept(1, b.pc.localDescription.sdp)
        answer = await hop.accept(1, c.pc.localDescription.sdp)  # offers both, VP8 first
        assert set(re.findall(r"a=rtpmap:\d+ (\w+)/", answer)) == {"H264", "rtx"}

    through(lab, main)


@pytest.mark.clause("media.7-6")
def test_offers_that_are_none_are_malformed(lab, monkeypatch):
    made = []

    def recorded():
        made.append(rtc.connection())
        return made[-1]

    monkeypatch.setattr(hop_module, "connection", recorded)

    async def main(hop):
        channel_only = lab.side().pc
        channel_only.createDataChannel("x")
        good = lab.side().pc
        good.addTrack(lab.Tone())
        good.addTrack(lab.Picture())
        for pc in (channel_only, good):
            await pc.setLocalDescription(await pc.createOffer())
        sdp = good.localDescription.sdp
        bad = [
            "",
            "x",
            "\0" * 100,
            "v=0\r\nm=audio",
            "v=0\r\nm=audio x UDP/TLS/RTP/SAVPF 96",
            sdp.replace("a=fingerprint", "a=nofingerprint"),
            sdp.replace("a=ice-ufrag", "a=noufrag"),
            sdp.replace("a=setup:actpass", "a=setup:nonsense"),
            sdp.replace("a=mid:1", "a=mid:0"),
            sdp.replace("a=mid:1", "a=mid:"),
            sdp.replace("a=group:BUNDLE 0", "a=group:BUNDLE 7"),
            sdp.replace("m=audio", "m=smell"),
            sdp.replace("a=rtcp-mux", "a=x"),
            sdp.replace("a=fmtp:98 apt=97", "a=fmtp:77 apt=97"),
            re.sub(r"a=candidate:.*", "a=candidate:garbage", sdp),
            channel_only.localDescription.sdp,
        ]
        for text in bad:
            with pytest.raises(MalformedMessage):
                await hop.accept(0, text)
        assert {pc.signalingState for pc in made} == {"closed"}
        lines = sdp.splitlines()
        for end in range(0, len(lines), 3):
            try:
                await hop.accept(0, "\r\n".join(lines[:end]))
            except (MalformedMessage, PeerIncompatible):
                assert made[-1].signalingState == "closed"
            else:
                await hop.leave(0)
        assert hop.members == frozenset()

    through(lab, main)


def test_a_burst_is_forwarded_frame_by_frame_and_empty_frames_are_not():
    opus = RTCRtpCodecParameters(mimeType="audio/opus", clockRate=48000)
    seen = []
    frames = hop_module._FrameQueue(lambda codec, frame: seen.append((codec.name, frame.data, frame.timestamp)))
    frames.put((opus, Burst([JitterFrame(b"a", 0), JitterFrame(b"b", 960), JitterFrame(b"", 1920)])))
    assert seen == [("opus", b"a", 0), ("opus", b"b", 960)]
    assert frames.empty()
    frames.put(None)
    assert frames.get() is None


def test_a_sender_that_does_not_keep_up_loses_the_newest_frames():
    async def main():
        track = hop_module._ForwardTrack("audio")
        source = object()
        assert [track.push(source, b"%d" % n, n * 960) for n in range(258)] == [True] * 256 + [False] * 2
        packet = await track.recv()
        assert (bytes(packet), packet.pts) == (b"0", 0)
        assert track.push(source, b"again", 300 * 960)

    asyncio.run(main())


def test_the_hop_asks_no_stun_server(lab, monkeypatch):
    made = []
    configured = rtc.RTCPeerConnection

    def recording(configuration=None):
        made.append(configuration)
        return configured(configuration)

    monkeypatch.setattr(rtc, "RTCPeerConnection", recording)

    async def main(hop):
        pc = RTCPeerConnection(rtc.RTCConfiguration(iceServers=[]))
        pc.addTransceiver("audio")
        await pc.setLocalDescription(await pc.createOffer())
        await hop.accept(0, pc.localDescription.sdp)
        await pc.close()
        assert [configuration.iceServers for configuration in made] == [[]]

    through(lab, main)

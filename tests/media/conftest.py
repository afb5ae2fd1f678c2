"""Real aiortc connections on the loopback interface, small pictures, and a look at every packet they send."""

import asyncio
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np
import pytest
from aiortc import MediaStreamTrack, RTCRtpSender
from aiortc.codecs import depayload
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import RtcpPacket, RtcpPsfbPacket, RtpPacket, is_rtcp

from e2ecall.call.epochs import FrameKeys
from e2ecall.handshake import Role
from e2ecall.media import aiortc_names, rtc
from e2ecall.secret import SecretBytes

WIDTH, HEIGHT, RATE = 160, 120, 15


class Picture(MediaStreamTrack):
    """A slowly moving gradient around one brightness, so that two tracks can be told apart when decoded."""

    kind = "video"

    def __init__(self, luma=100):
        super().__init__()
        self.luma, self.number, self.start = luma, 0, None

    async def recv(self):
        if self.readyState != "live":
            raise MediaStreamError
        self.start = self.start or time.monotonic()
        await asyncio.sleep(max(0, self.start + self.number / RATE - time.monotonic()))
        planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
        planes[:HEIGHT] = self.luma + (np.arange(WIDTH)[None, :] // 8 + self.number) % 20
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = self.number * 90000 // RATE, Fraction(1, 90000)
        self.number += 1
        return frame


class Tone(MediaStreamTrack):
    """440 Hz in frames of `samples` at 48 kHz."""

    kind = "audio"

    def __init__(self, samples=960):
        super().__init__()
        self.samples, self.number, self.start = samples, 0, None

    async def recv(self):
        if self.readyState != "live":
            raise MediaStreamError
        self.start = self.start or time.monotonic()
        await asyncio.sleep(max(0, self.start + self.number / 48000 - time.monotonic()))
        wave = (np.sin(2 * np.pi * 440 * (np.arange(self.samples) + self.number) / 48000) * 9000).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.repeat(wave, 2)[None], format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48000, self.number, Fraction(1, 48000)
        self.number += self.samples
        return frame


class Packets(MediaStreamTrack):
    """Frames that are encoded already, given as bytes."""

    def __init__(self, kind, data, step):
        super().__init__()
        self.kind, self.data, self.step, self.number = kind, data, step, 0

    async def recv(self):
        if self.readyState != "live":
            raise MediaStreamError
        await asyncio.sleep(0.02)
        packet = av.Packet(self.data)
        packet.pts, packet.time_base = self.number * self.step, Fraction(1, 90000 if self.kind == "video" else 48000)
        self.number += 1
        return packet


@dataclass
class Side:
    """One end of a call: its connection, what it decoded, and what its hooks saw."""

    pc: object
    events: list = field(default_factory=list)
    sealed: list = field(default_factory=list)  # (kind, frame, sealed)
    opened: list = field(default_factory=list)  # (kind, frame, timestamp)
    decoded: dict = field(default_factory=lambda: defaultdict(int))
    luma: list = field(default_factory=list)
    ended: set = field(default_factory=set)
    readers: list = field(default_factory=list)
    guard: object = None

    def __post_init__(self):
        self.pc.on("track", lambda track: self.readers.append(asyncio.ensure_future(self._read(track))))

    async def _read(self, track):
        try:
            while True:
                frame = await track.recv()
                self.decoded[track.kind] += 1
                if track.kind == "video":
                    self.luma.append(float(frame.to_ndarray(format="gray").mean()))
        except MediaStreamError:
            self.ended.add(track.kind)

    @property
    def hooks(self):
        return {
            "on_event": self.events.append,
            "on_sealed": lambda *seen: self.sealed.append(seen),
            "on_opened": lambda *seen: self.opened.append(seen),
        }

    def of(self, event, **wanted):
        """The events of one type, with these fields."""
        return [e for e in self.events if isinstance(e, event) and all(getattr(e, k) == v for k, v in wanted.items())]

    async def close(self):
        await rtc.close(self.pc)
        if self.readers:  # those of receivers that never started wait for ever
            _, waiting = await asyncio.wait(self.readers, timeout=0.5)
            for reader in waiting:
                reader.cancel()


class Wire:
    """Everything that leaves through `RTCDtlsTransport._send_rtp`, before SRTP."""

    def __init__(self, monkeypatch):
        self.sent = defaultdict(list)  # transport: [bytes]
        self.loses = lambda data: False  # which RTP packets the network loses
        send = RTCDtlsTransport._send_rtp

        async def recorded(transport, data):
            self.sent[transport].append(data)
            if is_rtcp(data) or not self.loses(data):
                await send(transport, data)

        monkeypatch.setattr(RTCDtlsTransport, "_send_rtp", recorded)

    def _data(self, pc):
        transports = {sender.transport for sender in pc.getSenders()}
        return [data for transport in transports for data in self.sent[transport]]

    def rtp(self, pc, kind=None):
        ssrcs = {sender._ssrc for sender in pc.getSenders() if kind in (None, sender.kind)}
        packets = [RtpPacket.parse(data) for data in self._data(pc) if not is_rtcp(data)]
        return [packet for packet in packets if packet.ssrc in ssrcs]

    def raw_rtp(self, pc):
        return [data for data in self._data(pc) if not is_rtcp(data)]

    def key_frame_requests(self, pc):
        packets = [packet for data in self._data(pc) if is_rtcp(data) for packet in RtcpPacket.parse(data)]
        return sum(isinstance(packet, RtcpPsfbPacket) and packet.fmt == 1 for packet in packets)

    def frames(self, pc, kind, codec):
        """The encoded frames as a receiver puts them together: payloads up to each marker."""
        parameters = RTCRtpCodecParameters(mimeType=f"{kind}/{codec}", clockRate=90000)
        frames, parts = [], []
        for packet in self.rtp(pc, kind):
            parts.append(depayload(parameters, packet.payload))
            if packet.marker:
                frames.append(b"".join(parts))
                parts = []
        return frames


class Lab:
    """What the tests of live connections are written with."""

    Picture, Tone, Packets = Picture, Tone, Packets

    def __init__(self, monkeypatch):
        self.wire = Wire(monkeypatch)
        self.base = bytes(range(32))
        self.sides = []

    def side(self):
        self.sides.append(Side(rtc.connection()))
        return self.sides[-1]

    def keys(self, role, base=None):
        return FrameKeys(SecretBytes(base or self.base), Role(role), who="bob" if role == "caller" else "alice")

    @staticmethod
    def prefer(pc, codec):
        """Offer one video codec."""
        for transceiver in pc.getTransceivers():
            if transceiver.kind == "video":
                codecs = RTCRtpSender.getCapabilities("video").codecs
                transceiver.setCodecPreferences([c for c in codecs if c.name in (codec, "rtx")])

    @staticmethod
    def sealed_frames(side, kind):
        return {sealed for seen, _, sealed in side.sealed if seen == kind}

    def assert_nothing_plain(self, side, kind, codec, *, least=1):
        """Every frame on the wire is one that came out of the seal, and no plain frame is part of any packet."""
        frames = self.wire.frames(side.pc, kind, codec)
        assert len(frames) >= least
        assert set(frames) <= self.sealed_frames(side, kind)
        packets = b"|".join(self.wire.raw_rtp(side.pc))
        plain = [frame for seen, frame, _ in side.sealed if seen == kind and len(frame) >= 16]
        assert plain
        assert all(frame[:16] not in packets and frame[-16:] not in packets for frame in plain)

    @staticmethod
    def assert_opened_as_sealed(here, there, kind, *, least):
        """What was opened here are frames that the other side sealed, in order."""
        opened = [frame for seen, frame, _ in here.opened if seen == kind]
        given = iter([frame for seen, frame, _ in there.sealed if seen == kind])
        assert len(opened) >= least
        assert all(any(frame == other for other in given) for frame in opened)

    @staticmethod
    def receiving_queue(pc):
        """The first receiver's decoder queue, as its decoder reads it."""
        return getattr(pc.getReceivers()[0], aiortc_names.DECODER_QUEUE)

    @staticmethod
    async def until(condition, seconds=8.0):
        """Wait for a condition; one that does not come true in time is the test's to find wanting."""
        deadline = time.monotonic() + seconds
        while not condition() and time.monotonic() < deadline:
            await asyncio.sleep(0.02)

    def run(self, main):
        """Run a coroutine on the loopback interface and close its sides; no task or decoder's thread may be left."""

        async def watched():
            try:
                await main
            finally:
                for side in self.sides:
                    await side.close()
            for _ in range(25):
                left = asyncio.all_tasks() - {asyncio.current_task()}
                if not left:
                    break
                await asyncio.sleep(0.02)
            assert not left

        with rtc.loopback_only():
            asyncio.run(watched())
        assert [thread.name for thread in threading.enumerate() if thread.name.endswith("-decoder")] == []


@pytest.fixture
def lab(monkeypatch):
    return Lab(monkeypatch)

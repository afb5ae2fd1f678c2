"""The sending side: every encoded frame of one RTCRtpSender is sealed between its encoder and its packetizer.

aiortc encodes and packetizes in one call, in a worker thread. The hook makes the encoder and replaces, on that object
alone, the method that sees the whole frame: VP8 `_packetize`, H.264 `_split_bitstream`, Opus `encode` and `pack`.

What happens instead of sealing:
* no key yet: the frame is read from the track, dropped and counted; it is not even encoded
* a frame is refused: it is dropped and counted
* the counter is used up, or the keys cannot be used: the stream stops, the track with it, and an event says why
* the codec has no layout: the same, before the first frame
* anything unexpected: an event says so, and the exception ends aiortc's send loop
In no case does a frame leave that was not sealed; payloads that did not pass the seal are an unexpected thing too.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from aiortc import RTCRtpTransceiver
from aiortc.codecs import get_encoder
from aiortc.codecs.base import Encoder
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.opus import SAMPLES_PER_FRAME, OpusEncoder
from aiortc.codecs.vpx import Vp8Encoder
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtcrtpsender import RTCEncodedFrame

from e2ecall.codecs import layout_for
from e2ecall.errors import CounterExhausted, E2ECallError, FrameReason, FrameRejected, MediaUnavailable
from e2ecall.media import aiortc_names as names
from e2ecall.media.aiortc_stream import Session, StreamHook
from e2ecall.media.events import Direction, FirstFrame, StopReason, StreamStarted
from e2ecall.media.transform import SealStream, StreamStats

__all__ = ["SendHook"]


class SendHook(StreamHook):
    """Takes the place of two methods of one sender, for good; `replaceTrack` leaves it where it is."""

    direction = Direction.SEND

    def __init__(self, session: Session, transceiver: RTCRtpTransceiver) -> None:
        super().__init__(session, transceiver)
        self._sender = transceiver.sender
        self._aiortc_next_frame = self._sender._next_encoded_frame
        self._aiortc_run = self._sender._run_rtp
        self._seal: SealStream | None = None
        self._later: deque[RTCEncodedFrame] = deque()
        self._offered = 0  # frames that came to the seal, sealed or refused
        self._begun = False
        setattr(self._sender, names.NEXT_ENCODED_FRAME, self.next_frame)
        setattr(self._sender, names.RUN_RTP, self.run)

    async def run(self, codec: RTCRtpCodecParameters) -> None:
        """Stands in for `_run_rtp`: when aiortc's loop is over, for whatever reason, that is told."""
        self._health.codec = codec.name.lower()
        try:
            await self._aiortc_run(codec)
        finally:
            if self._begun or self._dropped or self._stop_reason is not None:
                self.stopped()

    async def next_frame(self, codec: RTCRtpCodecParameters) -> RTCEncodedFrame | None:
        """Stands in for `_next_encoded_frame`: a frame whose payloads are sealed, or None for none this time."""
        if self._later and not self.session.closed:
            return self._later.popleft()
        expected = False
        try:
            frame = await self._sealed_frame(codec)
            expected = True
        except (asyncio.CancelledError, ConnectionError):
            expected = True
            raise
        except MediaStreamError:
            expected = True
            self.ending(StopReason.TRACK_ENDED)
            raise
        finally:
            if not expected:
                self.ending(StopReason.INTERNAL, sys.exception())
        return frame

    def ask_key_frame(self) -> None:
        """Make the next video frame one that a decoder can start at."""
        if self.kind == "video":
            self._sender._send_keyframe()

    def stats(self) -> list[StreamStats]:
        """Copies of the counts: the sealed frames, with those that were dropped for want of a key."""
        if self._seal is None:
            return [stats for stats in (self.without_transform(),) if stats is not None]
        rejected = Counter(self._seal.stats.rejected)
        rejected.update(self._dropped)
        return [replace(self._seal.stats, rejected=rejected)]

    async def _sealed_frame(self, codec: RTCRtpCodecParameters) -> RTCEncodedFrame | None:
        try:
            if not self._ready(codec):
                await self._discard()
                return None
            offered = self._offered
            frame = await self._aiortc_next_frame(codec)
        except CounterExhausted as error:
            self.ending(StopReason.EXHAUSTED, error)
            raise MediaStreamError from error
        except E2ECallError as error:
            self.ending(StopReason.REFUSED, error)
            raise MediaStreamError from error
        self._require_open()
        if frame is None:
            return None
        if self._offered == offered:
            raise MediaUnavailable("aiortc gave out payloads that did not pass the seal; they were not sent")
        frame.audio_level = None  # type: ignore[assignment]  # RFC 6464: it would stand in clear in the RTP header
        if self.kind == "audio" and (len(frame.payloads) > 1 or not frame.payloads[0]):
            return self._one_by_one(frame)
        return frame

    def _ready(self, codec: RTCRtpCodecParameters) -> bool:
        """Whether frames can be sealed; makes the stream and the encoder when they can for the first time."""
        self._require_open()
        if self._seal is None:
            self._require_layout(codec)
            if self.session.keys is None:
                return False
            stream = self.session.keys.open_stream(self.kind, codec.name)
            self._seal = SealStream(codec.name, stream, who=self.session.who)
            self._health.kid = stream.sender.kid
            self.tell([StreamStarted(**self.health.where(stream.sender.kid), context=stream.context)])
        if getattr(self._sender, names.ENCODER) is None:
            setattr(self._sender, names.ENCODER, self._encoder(codec))
        return True

    def _require_open(self) -> None:
        if self.session.closed:
            self.ending(StopReason.CLOSED)
            raise MediaStreamError

    def _require_layout(self, codec: RTCRtpCodecParameters) -> None:
        try:
            layout_for(codec.name)
        except MediaUnavailable as error:
            self.ending(StopReason.CODEC, error)
            raise MediaStreamError from error

    async def _discard(self) -> None:
        await self._sender.track.recv()
        if self._sender._enabled:
            self.drop_uncounted(FrameReason.UNKNOWN_KEY, "no key is installed yet")

    def _encoder(self, codec: RTCRtpCodecParameters) -> Encoder:
        """An encoder of aiortc, with the seal between encoding and packetizing."""
        encoder = get_encoder(codec)
        if isinstance(encoder, Vp8Encoder):
            self._wrap_vp8(encoder)
        elif isinstance(encoder, H264Encoder):
            self._wrap_h264(encoder)
        elif isinstance(encoder, OpusEncoder):
            self._wrap_opus(encoder)
        else:
            raise MediaUnavailable(f"aiortc's encoder for {codec.name} is not one that can be sealed")
        return encoder

    def _wrap_vp8(self, encoder: Vp8Encoder) -> None:
        packetize = encoder._packetize

        def sealed(buffer: bytes, picture_id: int) -> list[bytes]:
            return packetize(self._sealed(buffer), picture_id)

        setattr(encoder, names.PACKETIZE, sealed)

    def _wrap_h264(self, encoder: H264Encoder) -> None:
        split = encoder._split_bitstream

        def sealed(buf: bytes) -> Iterator[bytes]:
            return split(self._sealed(buf))

        setattr(encoder, names.SPLIT_BITSTREAM, sealed)

    def _wrap_opus(self, encoder: OpusEncoder) -> None:
        def wrap(method: Callable[..., tuple[list[bytes], int]]) -> Callable[..., tuple[list[bytes], int]]:
            def sealed(*args: Any) -> tuple[list[bytes], int]:
                payloads, timestamp = method(*args)
                return [self._sealed(payload) for payload in payloads], timestamp

            return sealed

        for name in (names.ENCODE, names.PACK):
            setattr(encoder, name, wrap(getattr(encoder, name)))

    def _sealed(self, frame: bytes) -> bytes:
        """One sealed frame; no bytes for an empty or refused one, which packetizers make into no packet."""
        if not frame:
            return b""
        self._offered += 1
        assert self._seal is not None
        try:
            sealed = self._seal.seal(frame)
        except FrameRejected as rejected:
            self.drop_for(rejected)
            return b""
        if self.session.on_sealed is not None:
            self.session.on_sealed(self.kind, frame, sealed)
        if not self._begun:
            self._begun = True
            self.tell([FirstFrame(**self.health.where(self._health.kid))])
        return sealed

    def _one_by_one(self, frame: RTCEncodedFrame) -> RTCEncodedFrame | None:
        """Each Opus frame with its own RTP timestamp: under a common one a receiver would take them for one frame."""
        for number, payload in enumerate(frame.payloads):
            if payload:
                timestamp = frame.timestamp + number * SAMPLES_PER_FRAME
                self._later.append(RTCEncodedFrame([payload], timestamp, None))  # type: ignore[arg-type]
        return self._later.popleft() if self._later else None

"""Recording a received call without transcoding, and reading recordings and single frames back.

`Recorder` muxes frames that were opened but not decoded: VP8 with Opus into WebM, H.264 with Opus into fragmented MP4,
Opus alone into WebM. Both containers are written in pieces of about a second, so that a recording whose process died
or whose disk filled up plays up to its last whole piece.
"""

from __future__ import annotations

import io
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import av.error
import numpy as np
import numpy.typing as npt

from e2ecall.codecs import layout_for
from e2ecall.errors import ApiMisuse, FrameRejected, MediaUnavailable, OutputFailed
from e2ecall.media.files import check_file, opened_media, require_codec
from e2ecall.media.testcard import AUDIO_RATE, AUDIO_SAMPLES, VIDEO_CLOCK

__all__ = ["FrameDecoder", "Recorder", "decode_recording", "recorded_pictures", "samples_of"]

_CLOCKS = {"audio": AUDIO_RATE, "video": VIDEO_CLOCK}
_JUMP = 10.0  # seconds: a timestamp further off than this starts anew from the time of arrival
_PENDING = 3000  # sound frames that wait for the first key frame: a minute
_SUFFIXES = {"vp8": ".webm", "h264": ".mp4", "opus": ".webm"}
_PIECES = {
    ".webm": {"cluster_time_limit": "1000"},
    ".mp4": {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "1000000"},
}
_COMMON = {"flush_packets": "1", "max_interleave_delta": "500000"}


class _Sink:
    """The file under a muxer. The first error is kept, and everything after it swallowed: FFmpeg then ends in peace."""

    def __init__(self, path: Path) -> None:
        self.error: OSError | None = None
        try:
            self._file = path.open("wb", buffering=0)
        except OSError as error:
            message = f"cannot write {path}: {error.strerror or error}"
            raise OutputFailed(message, hint="choose another output folder") from error

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        while view and self.error is None:
            try:
                view = view[self._file.write(view) or 0 :]
            except OSError as error:
                self.error = error
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def end(self) -> None:
        """Close the file. Not named `close`, for a muxer would call that before our own check."""
        try:
            self._file.close()
        except OSError as error:
            self.error = self.error or error


@dataclass(slots=True)
class _Timeline:
    """RFC 3550 §5.1: 32-bit RTP timestamps of one stream as ticks since the recording began, always growing."""

    clock: int
    last: int = -1
    _rtp: int | None = None

    def place(self, timestamp: int, elapsed: float) -> int:
        """The tick of a frame that arrived `elapsed` seconds after the recording began."""
        step = 0 if self._rtp is None else (timestamp - self._rtp + (1 << 31)) % (1 << 32) - (1 << 31)
        if self._rtp is None or abs(step) > _JUMP * self.clock:
            tick = max(round(elapsed * self.clock), self.last + 1)
        else:
            tick = max(self.last + step, self.last + 1)
        self._rtp, self.last = timestamp & 0xFFFFFFFF, tick
        return tick


class Recorder:
    """A recording at `path` of streams as they arrive; `codec` is "vp8", "h264", or "opus" for a voice call.

    The container follows the codec, see `suffix`. Safe to call from the decoder threads. Raises OutputFailed where the
    file cannot be opened, MediaUnavailable for another codec or one that this build lacks.
    """

    def __init__(self, path: Path, codec: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._suffix = self.suffix(codec)
        require_codec(codec)
        require_codec("opus")
        self.path, self._codec = path, codec.lower()
        self._clock, self._began = clock, 0.0
        self._sink = _Sink(path)
        self._lock = threading.Lock()
        self._lines = {kind: _Timeline(rate) for kind, rate in _CLOCKS.items()}
        self._pending: list[tuple[bytes, int]] = []
        self._container: av.container.OutputContainer | None = None
        self._streams: dict[str, av.stream.Stream] = {}
        self._closed = False
        self.frames: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()

    @staticmethod
    def suffix(codec: str) -> str:
        """The file name's ending for "vp8", "h264" or "opus". Raises MediaUnavailable for another name."""
        try:
            return _SUFFIXES[codec.lower()]
        except KeyError:
            message = f"calls of codec {codec!r} cannot be recorded"
            raise MediaUnavailable(message, hint="vp8, h264, or opus alone") from None

    def add(self, kind: Literal["audio", "video"], data: bytes, timestamp: int) -> int | None:
        """Write one encoded frame; `timestamp` is its RTP timestamp (48 kHz or 90 kHz).

        Returns its position among the written frames of its kind, or None where it is left out: empty, or video before
        the first key frame. Sound waits in memory for that key frame. Raises OutputFailed when the file takes no more,
        then and ever after; ApiMisuse after `close`.
        """
        with self._lock:
            if self._closed:
                raise ApiMisuse("this recording is closed")
            self._check()
            if not self.frames and not self.left_out:
                self._began = self._clock()
            if not data or (kind == "video" and not self._ready_for_video(data)):
                self.left_out[kind] += 1
                return None
            tick = self._lines[kind].place(timestamp, self._clock() - self._began)
            if kind == "audio" and self._container is None and self._codec != "opus" and len(self._pending) < _PENDING:
                self._pending.append((data, tick))
            else:
                self._start(None)
                self._mux(kind, data, tick)
            self.frames[kind] += 1
            return self.frames[kind] - 1

    def _ready_for_video(self, data: bytes) -> bool:
        """Whether this picture can be written; the first key frame opens the container."""
        if self._container is None and self._is_key(data):
            self._start(data)
        return "video" in self._streams

    def _is_key(self, data: bytes) -> bool:
        try:
            return self._codec != "opus" and layout_for(self._codec).is_key(data)
        except FrameRejected:
            return False

    def _start(self, key: bytes | None) -> None:
        """Open the container with what is known of its streams: pictures from their first key frame, and sound."""
        if self._container is not None:
            return
        name = "webm" if self._suffix == ".webm" else "mp4"
        container = av.open(self._sink, "w", format=name, container_options=_COMMON | _PIECES[self._suffix])
        if key is not None and not self._add_video(container, key):
            return
        sound = container.add_stream("libopus", rate=AUDIO_RATE, layout="stereo")
        self._container, self._streams["audio"] = container, sound
        for data, tick in self._pending:
            self._mux("audio", data, tick)
        self._pending.clear()

    def _add_video(self, container: av.container.OutputContainer, key: bytes) -> bool:
        """The video stream, described by its first key frame; whether that frame was whole enough for it."""
        if self._codec == "vp8":
            if len(key) < 10 or key[3:6] != b"\x9d\x01\x2a":  # RFC 6386 §9.1
                return False
            width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", key, 6))
            stream = container.add_mux_stream("vp8", rate=30, width=width, height=height)
        else:
            try:
                with av.open(io.BytesIO(key), "r", format="h264") as probe:
                    template = probe.streams.video[0]
                    if not template.codec_context.extradata:
                        return False
                    stream = container.add_stream_from_template(template, opaque=True)
            except (av.error.FFmpegError, IndexError):
                return False
        stream.time_base = Fraction(1, VIDEO_CLOCK)
        self._streams["video"] = stream
        return True

    def _mux(self, kind: str, data: bytes, tick: int) -> None:
        if self._container is None:
            return
        packet = av.Packet(data)
        packet.stream = self._streams[kind]
        packet.time_base = Fraction(1, _CLOCKS[kind])
        packet.pts = packet.dts = tick
        packet.duration = AUDIO_SAMPLES if kind == "audio" else VIDEO_CLOCK // 30
        packet.is_keyframe = kind == "audio" or self._is_key(data)
        try:
            self._container.mux_one(packet)
        except (av.error.FFmpegError, ValueError) as error:
            message = f"cannot write {self.path.name}: {error}"
            raise OutputFailed(message, hint="the call goes on; this recording is incomplete") from error
        self._check()

    def _check(self) -> None:
        if self._sink.error is not None:
            reason = self._sink.error.strerror or str(self._sink.error)
            message = f"cannot write {self.path.name} any further: {reason}"
            raise OutputFailed(message, hint="free some space; what was written so far can be played")

    def close(self) -> None:
        """Finish the file; a second call does nothing. Raises OutputFailed where its end could not be written."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            failed_before = self._sink.error is not None
            try:
                if self._pending:
                    self._start(None)
                if self._container is not None:
                    self._container.close()
            except av.error.FFmpegError as error:
                message = f"cannot finish {self.path.name}: {error}"
                raise OutputFailed(message, hint="the recording may lack its last second") from error
            finally:
                self._sink.end()
            if not failed_before:
                self._check()


class FrameDecoder:
    """Decodes single encoded frames of one stream: the opened ones, or what a hop without keys makes of sealed ones."""

    def __init__(self, codec: Literal["vp8", "h264", "opus"]) -> None:
        require_codec(codec)
        self._codec: av.VideoCodecContext | av.AudioCodecContext
        if codec == "opus":
            self._codec = av.CodecContext.create("libopus", "r")
            self._codec.sample_rate = AUDIO_RATE
            self._codec.layout = "stereo"
        else:
            self._codec = av.CodecContext.create("libvpx" if codec == "vp8" else "h264", "r")

    def decode(self, frame: bytes) -> list[av.VideoFrame] | list[av.AudioFrame]:
        """The pictures or sounds that come out. Raises MediaUnavailable with FFmpeg's reason where it refuses."""
        try:
            return self._codec.decode(av.Packet(frame))
        except av.error.FFmpegError as error:
            raise MediaUnavailable(f"{self._codec.name}: {error.strerror or error}") from error


def decode_recording(path: Path) -> Iterator[tuple[float, av.VideoFrame | av.AudioFrame]]:
    """Every picture and sound frame of a recording with its time in seconds, in the order of the file.

    Raises MediaUnavailable as `open_clip` does, also in the middle.
    """
    check_file(path)
    with opened_media(path) as container:
        for frame in container.decode(*container.streams.video, *container.streams.audio):
            if isinstance(frame, av.VideoFrame | av.AudioFrame):
                yield frame.time or 0.0, frame


def recorded_pictures(path: Path) -> Iterator[tuple[int, av.VideoFrame]]:
    """The pictures of a recording, each with the position that `Recorder.add` gave its frame.

    Frames that do not decode are left out. Raises MediaUnavailable where the file itself cannot be read.
    """
    check_file(path)
    with opened_media(path) as container:
        positions: dict[int | None, int] = {}
        packets = container.demux(*container.streams.video[:1]) if container.streams.video else iter(())
        for position, packet in enumerate(packets):
            if packet.size:
                positions[packet.pts] = position
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                continue
            for frame in frames:
                if isinstance(frame, av.VideoFrame) and frame.pts in positions:
                    yield positions.pop(frame.pts), frame


def samples_of(frame: av.AudioFrame) -> npt.NDArray[np.float32]:
    """A sound frame as `float32[samples, channels]` between -1 and 1, whatever its layout in memory."""
    array = frame.to_ndarray()
    peak = 1.0 if array.dtype.kind == "f" else float(2 ** (8 * array.dtype.itemsize - 1))
    values = array.astype(np.float32) / np.float32(peak)
    return values.T if frame.format.is_planar else values.reshape(frame.samples, -1)

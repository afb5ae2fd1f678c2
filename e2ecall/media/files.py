"""Reading media files with PyAV: any container and codec it knows, as endless pictures and sound of one fixed shape.

Nothing is kept in memory but the picture or second at hand; a file shorter than the call is opened again. Files that
only refer to other files (playlists) are refused, and no protocol but `file` is opened.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
from av.codec.codec import UnknownCodecError
from av.stream import Disposition

from e2ecall.errors import ApiMisuse, MediaUnavailable
from e2ecall.media.pictures import Image, even, fit_frame
from e2ecall.media.testcard import AUDIO_RATE, AUDIO_SAMPLES, VIDEO_CLOCK

__all__ = ["Clip", "check_file", "open_clip", "opened_media", "require_codec"]

_NOT_MEDIA = frozenset({"tty", "hls", "concat", "dash", "sdp", "rtsp", "imf"})
_LARGEST = (1920, 1080)
_BYTES_A_SAMPLE = 4  # two channels of s16
_SHORT = AUDIO_RATE * _BYTES_A_SAMPLE  # a sound of at most one second is kept and repeated, not opened again and again
_ENCODERS = {"vp8": ("libvpx", "libvpx"), "h264": ("libx264", "h264"), "opus": ("libopus", "libopus")}
_SIZE_HINT = "an even size of at least 16x16, as in --size 640x480"


def require_codec(name: str) -> None:
    """Check that this build of PyAV can encode and decode `name`: "vp8", "h264" or "opus".

    Raises MediaUnavailable where it cannot.
    """
    if name.lower() not in _ENCODERS:
        raise MediaUnavailable(f"unknown codec {name!r}", hint="vp8 or h264 for pictures, opus for sound")
    encoder, decoder = _ENCODERS[name.lower()]
    try:
        av.Codec(encoder, "w")
        av.Codec(decoder, "r")
    except UnknownCodecError as error:
        message = f"this build of PyAV has no codec for {name}"
        hint = "install PyAV's own wheel (pip install --only-binary av av), or choose another --codec"
        raise MediaUnavailable(message, hint=hint) from error


@contextmanager
def opened_media(path: Path) -> Iterator[av.container.InputContainer]:
    """The container at `path`; every failure of the file system or of FFmpeg leaves as MediaUnavailable."""
    try:
        with av.open(str(path.absolute()), "r", options={"protocol_whitelist": "file"}) as container:
            if not _NOT_MEDIA.isdisjoint(container.format.name.split(",")):
                message = f"{path.name} is no media file ({container.format.long_name})"
                raise MediaUnavailable(message, hint="give the file with the media itself")
            yield container
    except (av.error.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        hint = "is it a complete media file, and readable to you?"
        raise MediaUnavailable(f"cannot read {path.name}: {reason}", hint=hint) from error


def check_file(path: Path) -> None:
    """Refuse what is no readable, non-empty regular file before FFmpeg touches it."""
    try:
        if not path.exists():
            raise MediaUnavailable(f"no such file: {path}", hint="check the path")
        if not path.is_file():
            what = "a directory" if path.is_dir() else "no regular file"
            raise MediaUnavailable(f"{path} is {what}", hint="give one media file")
        if path.stat().st_size == 0:
            raise MediaUnavailable(f"{path.name} is empty", hint="give a file with pictures or sound")
    except OSError as error:
        raise MediaUnavailable(f"cannot read {path}: {error.strerror}", hint="check the path and its rights") from error


def _video_stream(container: av.container.InputContainer) -> av.VideoStream | None:
    """The first video stream that is a film and not the cover of a song."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    return None


def _audio_stream(container: av.container.InputContainer) -> av.AudioStream | None:
    return container.streams.audio[0] if container.streams.audio else None


@dataclass(frozen=True, slots=True)
class Clip:
    """What is played into a call: endless pictures of `size`, `fps` a second, endless sound, or one of the two.

    Made by `open_clip`. `seconds` is the length of one pass, None where the files do not say.
    """

    video: Path | None
    audio: Path | None
    size: tuple[int, int] | None
    fps: int
    seconds: float | None

    @property
    def has_video(self) -> bool:
        """Whether there are pictures."""
        return self.video is not None

    @property
    def has_audio(self) -> bool:
        """Whether there is sound."""
        return self.audio is not None

    def video_frames(self) -> Iterator[av.VideoFrame]:
        """Endless fresh yuv420p frames of `size`, pts in 1/90000 s from 0, black where the aspect differs.

        Raises MediaUnavailable at the place where the file cannot be decoded further; ApiMisuse without pictures.
        """
        if self.video is None or self.size is None:
            raise ApiMisuse("this clip has no pictures")
        n = 0
        while True:
            start, pictures, planes = n, 0, None
            for planes, end in self._video_pass(self.video, self.size):
                pictures += 1
                while n - start < end:
                    yield self._picture(planes, n)
                    n += 1
            if planes is None:
                raise MediaUnavailable(f"{self.video.name} has no picture", hint="is the file complete?")
            while pictures == 1:  # a still: nothing to open again
                yield self._picture(planes, n)
                n += 1

    def _picture(self, planes: Image, n: int) -> av.VideoFrame:
        # A frame is never handed out twice: an encoder rewrites the pts of the one it is given.
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = n * VIDEO_CLOCK // self.fps, Fraction(1, VIDEO_CLOCK)
        return frame

    def _video_pass(self, path: Path, size: tuple[int, int]) -> Iterator[tuple[Image, int]]:
        """One pass: each picture that is shown, with the number of the output picture at which it ends."""
        held, slot, when = None, 0, 0.0
        with opened_media(path) as container:
            stream = _video_stream(container)
            if stream is None:
                raise MediaUnavailable(f"{path.name} has lost its pictures", hint="was it replaced during the call?")
            step = float(1 / stream.average_rate) if stream.average_rate else 1 / self.fps
            first: float | None = None
            for frame in container.decode(stream):
                time = frame.time if frame.time is not None else (first or 0.0) + when + step
                first = time if first is None else first
                when = max(when, time - first)
                following = self._slot(when)
                if held is not None and following > slot:
                    yield fit_frame(held, size, _aspect(stream)), following
                held, slot = frame, following
            if held is not None:
                end = max(slot + 1, self._slot(when + step))
                yield fit_frame(held, size, _aspect(stream)), max(end, self._shared_length(self.fps))

    def _slot(self, when: float) -> int:
        """The first output picture at or after `when`; a tenth of a picture forgives times rounded to milliseconds."""
        return math.ceil(when * self.fps - 0.1)

    def _shared_length(self, rate: int) -> int:
        """Where pictures and sound come from one file, both passes last as long as the file does."""
        return round(self.seconds * rate) if self.seconds and self.video == self.audio else 0

    def audio_frames(self) -> Iterator[av.AudioFrame]:
        """Endless fresh s16 stereo frames of 960 samples at 48 kHz, pts in samples from 0, without a gap at the seam.

        Raises MediaUnavailable at the place where the file cannot be decoded further; ApiMisuse without sound.
        """
        if self.audio is None:
            raise ApiMisuse("this clip has no sound")
        size, n = AUDIO_SAMPLES * _BYTES_A_SAMPLE, 0
        waiting = bytearray()
        for chunk in self._endless_sound(self.audio):
            waiting += chunk
            while len(waiting) >= size:
                samples = np.frombuffer(bytes(waiting[:size]), np.int16)[None, :]
                del waiting[:size]
                frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
                frame.sample_rate = AUDIO_RATE
                frame.pts, frame.time_base = n * AUDIO_SAMPLES, Fraction(1, AUDIO_RATE)
                yield frame
                n += 1

    def _endless_sound(self, path: Path) -> Iterator[bytes]:
        while True:
            length, kept = 0, list[bytes]()
            for chunk in self._audio_pass(path):
                length += len(chunk)
                if length <= _SHORT:
                    kept.append(chunk)
                yield chunk
            while length <= _SHORT:
                yield from kept

    def _audio_pass(self, path: Path) -> Iterator[bytes]:
        """One pass as bytes of s16 stereo, padded with silence to the length of a film's pictures."""
        length = 0
        with opened_media(path) as container:
            stream = _audio_stream(container)
            if stream is None:
                raise MediaUnavailable(f"{path.name} has lost its sound", hint="was it replaced during the call?")
            for frame in _resampled(container.decode(stream)):
                samples = frame.to_ndarray().tobytes()
                length += len(samples)
                yield samples
        if not length:
            raise MediaUnavailable(f"no sound in {path.name} can be decoded", hint="is the file complete?")
        yield bytes(max(0, self._shared_length(AUDIO_RATE) * _BYTES_A_SAMPLE - length))


def _resampled(frames: Iterator[av.AudioFrame]) -> Iterator[av.AudioFrame]:
    """s16 stereo at 48 kHz, whatever comes in, even where it changes in the middle."""
    resampler, shape = None, None
    for frame in frames:
        current = (frame.format.name, frame.layout.name, frame.sample_rate)
        if resampler is None or current != shape:
            yield from resampler.resample(None) if resampler else ()
            resampler, shape = av.AudioResampler(format="s16", layout="stereo", rate=AUDIO_RATE), current
        yield from resampler.resample(frame)
    yield from resampler.resample(None) if resampler else ()


def _aspect(stream: av.VideoStream) -> float:
    """The width of one sample over its height."""
    ratio = stream.sample_aspect_ratio
    return float(ratio) if ratio else 1.0


def open_clip(video: Path | None, audio: Path | None, *, size: tuple[int, int] | None = None, fps: int = 30) -> Clip:
    """Look at the files and decode their first picture and sound; without `audio`, the video file's own sound is used.

    `size` None keeps the file's own size, made even and at most 1920x1080. Without `video` the clip is sound alone.
    Raises MediaUnavailable, with a hint, for a file that is missing, a directory, empty or unreadable, one without
    what was asked of it, and one whose first picture or sound does not decode; ApiMisuse without any file.
    """
    if video is None and audio is None:
        raise ApiMisuse("a clip needs a file")
    if fps < 1 or (size is not None and (min(size) < 16 or size[0] % 2 or size[1] % 2)):
        raise MediaUnavailable(f"pictures cannot be made at {size}, {fps} a second", hint=_SIZE_HINT)
    seconds: float | None = None
    sound = audio
    if video is not None:
        own_size, own_sound, seconds = _look_at_video(video)
        size = size or own_size
        sound = audio or (video if own_sound else None)
    if audio is not None:
        length = _look_at_audio(audio)
        seconds = seconds if video is not None else length
    return Clip(video, sound, size if video is not None else None, fps, seconds)


def _look_at_video(path: Path) -> tuple[tuple[int, int], bool, float | None]:
    """The shown size, whether there is sound that decodes, and the length in seconds."""
    check_file(path)
    with opened_media(path) as container:
        stream, sound = _video_stream(container), _audio_stream(container)
        if stream is None and sound is None:
            raise MediaUnavailable(f"{path.name} has neither picture nor sound", hint="give a video file")
        if stream is None:
            raise MediaUnavailable(f"{path.name} has no picture", hint=f"for a voice call: --audio {path.name}")
        frame = _first(container.decode(stream), path, "picture") if stream.codec_context else None
        if not isinstance(frame, av.VideoFrame):
            raise _no_decoder(path, "pictures")
        size = _shown_size(frame, _aspect(stream))
        seconds = container.duration / av.time_base if container.duration else None
    if sound is not None:
        _look_at_audio(path)
    return size, sound is not None, seconds


def _look_at_audio(path: Path) -> float | None:
    check_file(path)
    with opened_media(path) as container:
        stream = _audio_stream(container)
        if stream is None and not _video_stream(container):
            raise MediaUnavailable(f"{path.name} has neither picture nor sound", hint="give a sound file")
        if stream is None:
            raise MediaUnavailable(f"{path.name} has no sound", hint=f"for its pictures: --video {path.name}")
        if not stream.codec_context:
            raise _no_decoder(path, "sound")
        _first(container.decode(stream), path, "sound")
        return container.duration / av.time_base if container.duration else None


def _no_decoder(path: Path, what: str) -> MediaUnavailable:
    return MediaUnavailable(f"this build of PyAV cannot decode the {what} of {path.name}", hint="convert the file")


def _first(frames: Iterator[av.VideoFrame] | Iterator[av.AudioFrame], path: Path, what: str) -> object:
    frame = next(frames, None)
    if frame is None:
        raise MediaUnavailable(f"no {what} in {path.name} can be decoded", hint="is the file complete?")
    return frame


def _shown_size(frame: av.VideoFrame, aspect: float) -> tuple[int, int]:
    across, down = frame.width * aspect, float(frame.height)
    if frame.rotation % 180 == 90:
        across, down = down, across
    factor = min(1.0, _LARGEST[0] / across, _LARGEST[1] / down)
    return max(16, even(across * factor, _LARGEST[0])), max(16, even(down * factor, _LARGEST[1]))

"""The built-in clip: a moving test card whose frame number a program can read back, and a tone that it can recognise.

Picture `n` and sound frame `n` depend on nothing but `n`, the person and the size. The frame number stands at the
foot as two rows of twenty cells: 24 bits of number, then CRC-16 of its three bytes (polynomial 0x1021, start 0xffff),
most significant bit first, white for 1. The cells are found by their share of the picture, so scaling does not hurt.
"""

from __future__ import annotations

import binascii
import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import av
import numpy as np
import numpy.typing as npt

from e2ecall.errors import MediaUnavailable
from e2ecall.media.pictures import GLYPH_HEIGHT, Image, draw_text, luma, text_width

__all__ = [
    "ALICE",
    "AUDIO_RATE",
    "AUDIO_SAMPLES",
    "BOB",
    "COUNTER_LIMIT",
    "VIDEO_CLOCK",
    "Look",
    "TestCard",
    "Tone",
    "dominant_frequency",
    "read_counter",
]

AUDIO_RATE = 48000
AUDIO_SAMPLES = 960  # 20 ms
VIDEO_CLOCK = 90000
COUNTER_LIMIT = 1 << 24

_CELLS, _ROWS = 20, 2
_TOP, _BOTTOM = 12 / 15, 14 / 15  # whole macroblocks at 160x120, where VP8's denoiser else smears cells
_PERIOD = 90  # pictures for one turn of the ball
_DARK, _BRIGHT = 20, 232
_BARS = [(235, 235, 235), (225, 215, 40), (60, 200, 215), (70, 190, 80), (205, 80, 200), (215, 60, 60), (60, 80, 215)]

Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Look:
    """What differs between two people: the name, the colours, the pitch in Hz."""

    label: str
    above: Rgb
    below: Rgb
    accent: Rgb
    pitch: int


ALICE = Look("ALICE", (16, 40, 72), (12, 108, 118), (94, 234, 212), 440)
BOB = Look("BOB", (62, 24, 70), (150, 74, 44), (255, 190, 92), 660)


class TestCard:
    """A card of even size from 160x120 to 1920x1080 for one person.

    Raises MediaUnavailable for another size.
    """

    __test__ = False  # the name begins like a test's

    def __init__(self, look: Look, width: int = 640, height: int = 480, *, fps: int = 30) -> None:
        if width % 2 or height % 2 or not (160 <= width <= 1920 and 120 <= height <= 1080) or not 1 <= fps <= 60:
            message = f"the built-in clip cannot be made at {width}x{height}, {fps} pictures a second"
            raise MediaUnavailable(
                message, hint="an even size from 160x120 to 1920x1080, and 1 to 60 pictures a second"
            )
        self.look, self.width, self.height, self.fps = look, width, height, fps
        self._static = _static(look, width, height)
        self._text_size = max(
            1, min(width * 8 // 10 // text_width("ALICE 000000 00:00.0"), height // 12 // GLYPH_HEIGHT)
        )
        self._edges_x = [round(width * i / _CELLS) for i in range(_CELLS + 1)]
        self._edges_y = [round(height * (_TOP + (_BOTTOM - _TOP) * i / _ROWS)) for i in range(_ROWS + 1)]
        self._ball = _ball(max(4, round(height * 0.035)))
        self._stripes = _stripes(width, max(4, round(height * 0.03)))

    def label(self, n: int) -> str:
        """What the card says in words: person, frame number, time in the clip."""
        tenths = n * 10 // self.fps
        return f"{self.look.label} {n % 1000000:06d} {tenths // 600 % 100:02d}:{tenths // 10 % 60:02d}.{tenths % 10}"

    def picture(self, n: int) -> av.VideoFrame:
        """Picture `n` as a fresh yuv420p frame, its pts in 1/90000 s; the number on it is `n` modulo 2^24."""
        planes = self._static.copy()
        grey = planes[: self.height]
        self._draw_stripes(grey, n)
        self._draw_ball(grey, n)
        self._draw_label(grey, n)
        self._draw_counter(grey, n % COUNTER_LIMIT)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = n * VIDEO_CLOCK // self.fps, Fraction(1, VIDEO_CLOCK)
        return frame

    def _draw_stripes(self, grey: Image, n: int) -> None:
        height = self._stripes.shape[0]
        top, shift = round(self.height * 0.95), n * self.width // 240 % (self._stripes.shape[1] - self.width)
        grey[top : top + height] = self._stripes[:, shift : shift + self.width]

    def _draw_ball(self, grey: Image, n: int) -> None:
        angle, radius = 2 * math.pi * (n % _PERIOD) / _PERIOD, self.height * _CIRCLE_RADIUS
        size = self._ball.shape[0]
        x = round(self.width / 2 + math.sin(angle) * radius - size / 2)
        y = round(self.height * _CIRCLE_Y - math.cos(angle) * radius - size / 2)
        target = grey[max(0, y) : y + size, x : x + size]
        alpha = self._ball[max(0, -y) :]
        target[:] = target + alpha * (_BRIGHT - target.astype(np.float32))

    def _draw_label(self, grey: Image, n: int) -> None:
        text = self.label(n)
        x = (self.width - text_width(text, self._text_size)) // 2
        y = round(self.height * _BAND_Y) - GLYPH_HEIGHT * self._text_size // 2
        draw_text(grey, x, y, text, _BRIGHT, self._text_size)

    def _draw_counter(self, grey: Image, n: int) -> None:
        bits = _protected(n)
        for i in range(_CELLS * _ROWS):
            row, column = divmod(i, _CELLS)
            value = _BRIGHT if bits >> (_CELLS * _ROWS - 1 - i) & 1 else _DARK
            grey[self._edges_y[row] : self._edges_y[row + 1], self._edges_x[column] : self._edges_x[column + 1]] = value


def _protected(n: int) -> int:
    return n << 16 | binascii.crc_hqx(n.to_bytes(3, "big"), 0xFFFF)


def read_counter(picture: av.VideoFrame | Image) -> int | None:
    """The frame number on a received card, from a decoded frame or its grey plane `uint8[h, w]`.

    None where the picture is no card: cells without contrast, a cell neither dark nor bright, or a wrong checksum.
    """
    grey = luma(picture) if isinstance(picture, av.VideoFrame) else picture
    height, width = grey.shape
    if width < 2 * _CELLS or height < 40:
        return None
    means = _cell_means(grey, width, height)
    low, high = means.min(), means.max()
    share = (means - low) / max(high - low, 1.0)
    if high - low < 48 or bool(np.any(np.abs(share - 0.5) < 0.15)):
        return None
    bits = int("".join("1" if cell else "0" for cell in share > 0.5), 2)
    return bits >> 16 if _protected(bits >> 16) == bits else None


def _cell_means(grey: Image, width: int, height: int) -> npt.NDArray[np.float64]:
    """The mean of the inner half of each of the forty cells."""
    xs = [width * (i + 0.5) / _CELLS for i in range(_CELLS)]
    ys = [height * (_TOP + (_BOTTOM - _TOP) * (i + 0.5) / _ROWS) for i in range(_ROWS)]
    half_x, half_y = width / _CELLS / 4, height * (_BOTTOM - _TOP) / _ROWS / 4
    cells = [
        grey[int(y - half_y) : math.ceil(y + half_y), int(x - half_x) : math.ceil(x + half_x)].mean()
        for y in ys
        for x in xs
    ]
    return np.array(cells, np.float64)


_CIRCLE_Y, _CIRCLE_RADIUS, _BAND_Y = 0.415, 0.345, 0.43


def _static(look: Look, width: int, height: int) -> Image:
    """What never moves, as one yuv420p array `uint8[height * 3 / 2, width]`."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    above, below = np.array(look.above, np.float32), np.array(look.below, np.float32)
    picture = above + (below - above) * (y / height)[..., None]
    grid = height / 12
    lines = (np.abs((x - width / 2) % grid) < max(1.0, height / 320)) | (y % grid < max(1.0, height / 320))
    picture[lines] += 26
    centre_x, centre_y, radius = width / 2, height * _CIRCLE_Y, height * _CIRCLE_RADIUS
    distance = np.hypot(x - centre_x, y - centre_y)
    inside = np.clip(radius - distance + 0.5, 0, 1)[..., None]
    picture += (_circle(look, x, y, centre_x, radius, height) - picture) * inside
    ring = np.clip(max(1.0, height / 160) - np.abs(distance - radius) + 0.5, 0, 1)[..., None]
    picture += (np.array(look.accent, np.float32) - picture) * ring
    band = np.abs(y - height * _BAND_Y) < height * 0.06
    picture[band] = 14
    picture[np.abs(np.abs(y - height * _BAND_Y) - height * 0.06) < max(1.0, height / 240)] = look.accent
    foot = y > height * 0.785
    picture[foot] = 8
    picture[y > height * 0.945] = np.array(look.accent, np.float32) * 0.35
    array = np.clip(picture, 0, 255).astype(np.uint8)
    return np.asarray(av.VideoFrame.from_ndarray(array, format="rgb24").to_ndarray(format="yuv420p"), np.uint8)


def _circle(
    look: Look,
    x: npt.NDArray[np.float32],
    y: npt.NDArray[np.float32],
    centre_x: float,
    radius: float,
    height: int,
) -> npt.NDArray[np.float32]:
    """The disc: colour bars above the label, grey steps and gratings below it."""
    along = np.clip((x - centre_x + radius) / (2 * radius), 0, 0.999)
    bars = np.array(_BARS, np.float32)[(along * len(_BARS)).astype(np.int64)]
    steps = np.repeat((np.floor(along * 9) / 8 * 225 + 12)[..., None], 3, axis=2)
    period = np.maximum(4.0, radius / 6 * (1.05 - along))
    waves = np.repeat((128 + 96 * np.sign(np.sin(2 * np.pi * (x - centre_x) / period)))[..., None], 3, axis=2)
    lower = np.where((y < height * 0.6)[..., None], steps, waves)
    foot = (y > height * 0.68)[..., None]
    lower = np.where(foot, np.array(look.accent, np.float32) * 0.55, lower)
    return np.where((y < height * _BAND_Y)[..., None], bars, lower).astype(np.float32)


def _ball(radius: int) -> npt.NDArray[np.float32]:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return np.asarray(np.clip(radius - np.hypot(x, y), 0, 1), np.float32)


def _stripes(width: int, height: int) -> Image:
    """A band of slanted stripes, twice as wide as the picture, to be cut at a moving place."""
    period = max(8, width // 24)
    y, x = np.mgrid[0:height, 0 : 2 * width]
    return np.where((x + y) % period < period / 2, 56, 150).astype(np.uint8)


@lru_cache(maxsize=8)
def _tone(pitch: int) -> npt.NDArray[np.int16]:
    """Two seconds of a sine whose loudness swells once in them; both are whole turns, so the table loops cleanly."""
    t = np.arange(2 * AUDIO_RATE) / AUDIO_RATE
    swell = 0.8 - 0.2 * np.cos(np.pi * t)
    return np.round(9000 * swell * np.sin(2 * np.pi * pitch * t)).astype(np.int16)


class Tone:
    """The person's sound: a quiet sine of `look.pitch` Hz with a slow beat, 960 stereo samples at 48 kHz a frame."""

    def __init__(self, look: Look) -> None:
        self._table = _tone(look.pitch)

    def frame(self, n: int) -> av.AudioFrame:
        """Sound frame `n` (20 ms) as a fresh s16 frame, its pts in samples; the first 20 ms fade in."""
        start = n * AUDIO_SAMPLES % len(self._table)
        mono = self._table[start : start + AUDIO_SAMPLES]
        if n == 0:
            mono = (mono * np.linspace(0, 1, AUDIO_SAMPLES)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.repeat(mono, 2)[None, :], format="s16", layout="stereo")
        frame.sample_rate = AUDIO_RATE
        frame.pts, frame.time_base = n * AUDIO_SAMPLES, Fraction(1, AUDIO_RATE)
        return frame


def dominant_frequency(samples: npt.NDArray[np.generic], rate: int) -> tuple[float, float]:
    """The strongest frequency of `samples` (`[n]` or `[n, channels]`) in Hz, and its share of the energy.

    The share counts three bins or 5 Hz on either side, whichever is more. Silence and nothing give (0.0, 0.0).
    """
    mono = np.asarray(samples, np.float64)
    mono = mono.mean(axis=1) if mono.ndim == 2 else mono
    if mono.size < 16:
        return 0.0, 0.0
    power = np.abs(np.fft.rfft((mono - mono.mean()) * np.hanning(mono.size))) ** 2
    power[0] = 0
    total = float(power.sum())
    if total <= 1e-9 * mono.size:
        return 0.0, 0.0
    peak = int(power.argmax())
    reach = max(3, math.ceil(5 * mono.size / rate))
    near = power[max(0, peak - reach) : peak + reach + 1]
    offset = 0.0
    if 0 < peak < power.size - 1:
        below, at, above = np.log(power[peak - 1 : peak + 2] + 1e-12)
        offset = float(0.5 * (below - above) / (below - 2 * at + above))
    return (peak + offset) * rate / mono.size, float(near.sum()) / total

"""The demo's self-checks: functions of what was collected during a call, each giving one `Check`.

`frames.json` of a person holds one row for every encoded frame that was sealed or opened, as `SentFrame` and
`ReceivedFrame` say; the digests tie a received picture to the source picture it was made of, whatever lay between.

The thresholds were measured with aiortc's encoders at 250 to 1500 kb/s, from 160x120 to 1920x1080: a received picture
of the built-in clip is 26 to 64 dB from the sent one; a picture that has nothing to do with it, 4 to 13 dB.
"""

from __future__ import annotations

import json
import statistics
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import TypeVar

import av
import numpy as np
import numpy.typing as npt

from e2ecall.media.files import check_file, opened_media
from e2ecall.media.pictures import Image, luma, psnr, rgb, scale
from e2ecall.media.recorder import recorded_pictures, samples_of
from e2ecall.media.testcard import dominant_frequency, read_counter

__all__ = [
    "Check",
    "Compared",
    "ReceivedFrame",
    "SentFrame",
    "compare_pictures",
    "counters_read_back",
    "emoji_agree",
    "frames_delivered",
    "frames_identical",
    "load_frames",
    "nothing_opened",
    "nothing_rejected",
    "of_kind",
    "pictures_look_sent",
    "places_of",
    "recorded_sound",
    "relay_pictures",
    "relay_sound",
    "relay_sound_of_file",
    "sound_looks_sent",
    "tone_recognised",
]

Sound = npt.NDArray[np.float32]
FrameT = TypeVar("FrameT", "SentFrame", "ReceivedFrame")

MEDIAN_DB, WORST_DB = 25.0, 18.0  # a received picture of the built-in clip
STRANGER_DB = 16.0  # below it, a picture has nothing to do with the other
ALIKE = 0.8  # correlation of two pictures of one thing
FLAT = 4.0  # standard deviation of a picture that shows nothing
READABLE = 0.85  # the share of counters that VP8 leaves readable even at 160x120 and 250 kb/s, with a margin
TONE_SHARE = 0.5  # of the energy near the pitch; a lossless call has 0.97 and more
TONE_HERTZ = 4.0
SAME_WAVE = 0.5  # correlation with the sent sound: 0.9 and more after Opus, 0.2 and less for what a relay decodes
SILENCE = 1e-4
MOST_SAMPLES = 5 * 48000


@dataclass(frozen=True, slots=True)
class Check:
    """One self-check: its name, whether it holds, and the figures in words."""

    id: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class SentFrame:
    """One encoded frame that was sealed: `index` is the number of the source picture (None for sound), `digest` and
    `sealed` the first 16 hex digits of the SHA-256 of the frame and of what was sent for it, `key` whether a decoder
    can start there.
    """

    kind: str
    index: int | None
    digest: str
    sealed: str
    key: bool = False


@dataclass(frozen=True, slots=True)
class ReceivedFrame:
    """One frame that was opened, with its RTP timestamp; `position` is its place among the recorded frames of its
    kind, None where the recording left it out.
    """

    kind: str
    digest: str
    timestamp: int
    position: int | None


@dataclass(frozen=True, slots=True)
class Compared:
    """One received picture: the number of the picture that was sent, the number read off it, and their distance in
    dB where it was measured.
    """

    index: int
    counter: int | None
    psnr: float | None


def load_frames(path: Path) -> tuple[list[SentFrame], list[ReceivedFrame]]:
    """A person's `frames.json`; two empty lists where the process died before it could write it."""
    try:
        rows = json.loads(path.read_text("utf-8"))
        return [SentFrame(**row) for row in rows["sent"]], [ReceivedFrame(**row) for row in rows["received"]]
    except (OSError, ValueError, KeyError, TypeError):
        return [], []


# Looking at recordings


def compare_pictures(
    path: Path,
    sent: Sequence[SentFrame],
    received: Sequence[ReceivedFrame],
    source: Iterator[av.VideoFrame],
    *,
    keep: Collection[int] = (),
    at_most: int = 150,
) -> tuple[list[Compared], dict[int, tuple[Image, Image]]]:
    """Hold a recording against what was sent; `source` yields the source pictures 0, 1, 2 … once more.

    Distances are measured for at most `at_most` pictures, evenly spread, and for those in `keep`; of the latter the
    sent and the received picture are given in colour. Raises MediaUnavailable where the recording cannot be read.
    """
    outgoing = of_kind("video", sent)
    rows = of_kind("video", received)
    index_at = {
        row.position: outgoing[place].index
        for row, place in zip(rows, places_of(outgoing, rows), strict=True)
        if place is not None and row.position is not None
    }
    stride = max(1, -(-len(rows) // at_most))
    compared: list[Compared] = []
    kept: dict[int, tuple[Image, Image]] = {}
    following = 0
    for position, frame in recorded_pictures(path):
        index = index_at.get(position)
        if index is None or index < following:
            continue
        distance: float | None = None
        if position % stride == 0 or index in keep:
            original = next(islice(source, index - following, None), None)
            following = index + 1
            distance = _distance(original, frame)
            if original is not None and index in keep:
                kept[index] = rgb(original), rgb(frame)
        compared.append(Compared(index, read_counter(frame), distance))
    return compared, kept


def _distance(original: av.VideoFrame | None, frame: av.VideoFrame) -> float | None:
    if original is None:
        return None
    return psnr(luma(original), scale(luma(frame), original.width, original.height))


def recorded_sound(path: Path) -> Sound:
    """The sound of a recording as `float32[samples, channels]`, empty where there is none. Raises MediaUnavailable."""
    check_file(path)
    with opened_media(path) as container:  # the pictures are left alone: they may rest on some that never came
        sounds = container.decode(*container.streams.audio) if container.streams.audio else iter(())
        chunks = [samples_of(frame) for frame in sounds if isinstance(frame, av.AudioFrame)]
    return np.concatenate(chunks) if chunks else np.zeros((0, 2), np.float32)


# What must hold between the two people


def of_kind(kind: str, frames: Sequence[FrameT]) -> list[FrameT]:
    """Those of one kind."""
    return [frame for frame in frames if frame.kind == kind]


def places_of(sent: Sequence[SentFrame], received: Sequence[ReceivedFrame]) -> list[int | None]:
    """For each received frame its place among the sent ones, rising; None where it is none of those that follow.

    Two frames may be equal, those of silence for example: the next one that was not passed yet is taken.
    """
    places: dict[str, list[int]] = {}
    for place, frame in enumerate(sent):
        places.setdefault(frame.digest, []).append(place)
    found: list[int | None] = []
    passed = -1
    for row in received:
        candidates = places.get(row.digest, [])
        at = bisect_right(candidates, passed)
        found.append(candidates[at] if at < len(candidates) else None)
        passed = passed if found[-1] is None else found[-1]
    return found


def frames_identical(who: str, kind: str, sent: Sequence[SentFrame], received: Sequence[ReceivedFrame]) -> Check:
    """Every frame that `who` opened is bit for bit one that the other side sealed, each once, in the order sent."""
    outgoing, mine = of_kind(kind, sent), of_kind(kind, received)
    known = {frame.digest for frame in outgoing}
    strange = sum(frame.digest not in known for frame in mine)
    displaced = places_of(outgoing, mine).count(None) - strange
    detail = f"{len(mine) - strange} of {len(mine)} opened frames are bit for bit sent ones"
    if displaced:
        detail += f", {displaced} repeated or out of order"
    ok = bool(mine) and not strange and not displaced
    return Check(f"{who}.{kind}.identical", ok, detail if mine else "no frame was opened")


def frames_delivered(
    who: str, kind: str, sent: Sequence[SentFrame], received: Sequence[ReceivedFrame], *, least: float = 0.95
) -> Check:
    """At least the share `least` of the frames that were sent from the first opened one to the last was opened."""
    outgoing = of_kind(kind, sent)
    places = [place for place in places_of(outgoing, of_kind(kind, received)) if place is not None]
    between = places[-1] - places[0] + 1 if places else 0
    detail = f"{len(places)} of the {between} frames between the first and the last opened one; {len(outgoing)} sent"
    return Check(f"{who}.{kind}.delivered", bool(places) and len(places) >= least * between, detail)


def counters_read_back(who: str, compared: Sequence[Compared]) -> Check:
    """The numbers on the received test cards are those of the sent pictures, rising; a few may be too blurred."""
    read = [each for each in compared if each.counter is not None]
    wrong = sum(each.counter != each.index for each in read)
    falling = sum(one.index >= other.index for one, other in pairwise(read))
    ok = bool(read) and not wrong and not falling and len(read) >= READABLE * len(compared)
    detail = f"{len(read)} of {len(compared)} counters were read, {wrong} wrong, {falling} out of order"
    return Check(f"{who}.video.counters", ok, detail)


def pictures_look_sent(
    who: str, compared: Sequence[Compared], *, median: float = MEDIAN_DB, worst: float = WORST_DB
) -> Check:
    """The received pictures look like the sent ones, in decibels of peak signal-to-noise ratio."""
    distances = [each.psnr for each in compared if each.psnr is not None]
    if not distances:
        return Check(f"{who}.video.pictures", ok=False, detail="no picture could be compared")
    middle, least = statistics.median(distances), min(distances)
    detail = (
        f"{len(distances)} compared: median {middle:.1f} dB, worst {least:.1f} dB (at least {median:g} and {worst:g})"
    )
    return Check(f"{who}.video.pictures", middle >= median and least >= worst, detail)


def tone_recognised(who: str, samples: Sound, rate: int, hertz: float) -> Check:
    """The strongest frequency in what `who` heard is the other's tone, and most of the energy is there."""
    found, share = dominant_frequency(samples, rate)
    ok = abs(found - hertz) <= TONE_HERTZ and share >= TONE_SHARE
    detail = f"{found:.1f} Hz with {share:.0%} of the energy in {len(samples) / rate:.1f} s (sent: {hertz:g} Hz)"
    return Check(f"{who}.audio.tone", ok, detail)


def sound_looks_sent(who: str, heard: Sound, source: Sound) -> Check:
    """What `who` heard has the wave of the source, wherever it starts; for files, which have no tone to recognise.

    `source` begins where the call begins and lasts as long, up to 20 s.
    """
    if not source.size or source.std() < SILENCE:
        return Check(f"{who}.audio.sound", ok=True, detail="the sent sound is silence: nothing to recognise")
    likeness = _wave_likeness(heard, source)
    return Check(f"{who}.audio.sound", likeness >= SAME_WAVE, f"correlation with the sent sound {likeness:.2f}")


def _wave_likeness(heard: Sound, source: Sound) -> float:
    """The correlation, 0 to 1, of the middle half of what was heard with the stretch of the source most like it."""
    if not heard.size or not source.size:
        return 0.0
    part, whole = (np.asarray(each, np.float64).reshape(len(each), -1).mean(axis=1) for each in (heard, source))
    part, whole = part[len(part) // 4 :][: len(part) // 2][:MOST_SAMPLES], whole[: 4 * MOST_SAMPLES]
    part = part[: len(whole)]
    if not part.size or part.std() < SILENCE:
        return 0.0
    size = 1 << (len(part) + len(whole)).bit_length()
    product = np.fft.irfft(np.fft.rfft(whole, size) * np.conj(np.fft.rfft(part, size)), size)
    energy = np.concatenate([[0.0], np.cumsum(whole**2)])
    inside = np.maximum(energy[len(part) :] - energy[: len(whole) - len(part) + 1], 1e-9)
    at_shift = np.abs(product[: len(inside)]) / np.sqrt(inside * float((part**2).sum()))
    return float(at_shift.max())


def emoji_agree(alice: Sequence[str], bob: Sequence[str]) -> Check:
    """Both sides show the same four emoji in the same order."""
    ok = len(alice) == len(bob) == 4 and list(alice) == list(bob)
    detail = "both show " + " ".join(alice) if ok else f"Alice has {' '.join(alice) or '-'}, Bob {' '.join(bob) or '-'}"
    return Check("emoji", ok, detail)


def nothing_rejected(who: str, rejected: Mapping[str, int]) -> Check:
    """`who` opened every frame that arrived."""
    total = sum(rejected.values())
    reasons = ", ".join(f"{count} {reason}" for reason, count in Counter(rejected).most_common() if count)
    return Check(f"{who}.rejected", not total, reasons or "no frame was rejected")


def nothing_opened(who: str, received: Sequence[ReceivedFrame], rejected: Mapping[str, int]) -> Check:
    """With a wrong key, frames arrive at `who`, none is opened, and every one has its reason."""
    total = sum(rejected.values())
    reasons = ", ".join(f"{count} {reason}" for reason, count in Counter(rejected).most_common() if count)
    detail = f"{len(received)} frames opened, {total} rejected" + (f" ({reasons})" if reasons else "")
    return Check(f"{who}.nothing-opened", not received and total > 0, detail)


# What the relay could see


def relay_pictures(attempts: Sequence[Image | None], sent: Sequence[Image], *, clear: bool) -> Check:
    """What the relay decoded (None where nothing came out) has nothing to do with the sent pictures.

    With `clear` the opposite: in an attack it sees them all. Pictures are RGB; every attempt is held against each
    sent picture that is not all of one grey, which anything resembles.
    """
    originals = [grey for grey in map(_grey, sent) if grey.std() >= FLAT]
    seen = [_grey(picture) for picture in attempts if picture is not None]
    alike = sum(any(_resembles(picture, one) for one in originals) for picture in seen)
    readable = sum(read_counter(picture) is not None for picture in seen)
    detail = f"{len(attempts)} tried: {len(seen)} give a picture, {alike} resemble a sent one, {readable} can be read"
    if not originals:
        return Check("relay.video", bool(attempts), detail + "; the sent pictures show nothing to recognise")
    ok = bool(attempts) and (alike == len(attempts) if clear else not alike and not readable)
    return Check("relay.video", ok, detail)


def _resembles(picture: Image, sent: Image) -> bool:
    """Near in brightness, and light and dark in the same places."""
    same_size = scale(picture, sent.shape[1], sent.shape[0])
    if picture.std() < FLAT or psnr(same_size, sent) < STRANGER_DB:
        return False
    return float(np.corrcoef(same_size.ravel(), sent.ravel())[0, 1]) >= ALIKE


def _grey(picture: Image) -> Image:
    return luma(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24"))


def relay_sound_of_file(samples: Sound, source: Sound, *, clear: bool) -> Check:
    """What the relay decoded does not have the wave of the source; with `clear`, in an attack, it has."""
    if not source.size or source.std() < SILENCE:
        return Check("relay.audio", ok=True, detail="the sent sound is silence: nothing to recognise")
    likeness = _wave_likeness(samples, source)
    return Check("relay.audio", (likeness >= SAME_WAVE) == clear, f"correlation with the sent sound {likeness:.2f}")


def relay_sound(samples: Sound, rate: int, hertz: float, *, clear: bool) -> Check:
    """What the relay decoded is not the tone; with `clear`, in an attack, it is."""
    found, share = dominant_frequency(samples, rate)
    heard = abs(found - hertz) <= TONE_HERTZ and share >= TONE_SHARE / 2
    detail = f"the strongest frequency is {found:.0f} Hz with {share:.0%} of the energy (sent: {hertz:g} Hz)"
    return Check("relay.audio", heard == clear, detail if len(samples) else "nothing decodes")

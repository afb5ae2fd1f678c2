"""After the call: what was received is held against what was sent, what the relay saw against both; then the verdict.

The people's processes wrote down digests and recordings; the relay tried to decode what it kept. This process never
had a key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from e2ecall.demo.checks import (
    Check,
    ReceivedFrame,
    SentFrame,
    compare_pictures,
    counters_read_back,
    emoji_agree,
    frames_delivered,
    frames_identical,
    load_frames,
    nothing_opened,
    nothing_rejected,
    pictures_look_sent,
    recorded_sound,
    relay_pictures,
    relay_sound,
    relay_sound_of_file,
    sound_looks_sent,
    tone_recognised,
)
from e2ecall.demo.conductor import OTHER, PEOPLE, Conductor, Happening
from e2ecall.demo.fault_checks import faults_caught, gaps_explained, nothing_else_rejected, rows_of, tears, whole
from e2ecall.demo.output import write_whole
from e2ecall.demo.report import FaultRow, PersonRow, held_back
from e2ecall.demo.settings import Attack, Settings
from e2ecall.demo.sheet import Mood, Row, Tile, contact_sheet, pick
from e2ecall.demo.trust_checks import (
    caught,
    ledgers_whole,
    moved_to_the_data_channel,
    nothing_compared,
    nothing_went_out,
    person_row,
    rekeyed,
    verified,
)
from e2ecall.errors import FrameReason, MediaUnavailable, OutputFailed
from e2ecall.media.pictures import Image, png_bytes, read_png, rgb
from e2ecall.media.recorder import Recorder, samples_of
from e2ecall.media.testcard import ALICE, AUDIO_RATE, AUDIO_SAMPLES, BOB

__all__ = ["Evidence", "Judgement", "collect", "judge"]

LEAST_PSNR_OF_FILES = (14.0, 14.0)
"""Median and worst in dB, for pictures of any file: 720p of pure noise was measured at 15.7, a stranger's at most 13.

That the frames are the sent ones bit for bit is another check; this one is about what comes out of the decoder.
"""
_TITLES = {
    Attack.NONE: "a sealed call",
    Attack.MITM: "a call with a man in the middle",
    Attack.WRONG_KEY: "a call with a wrong key",
    Attack.TAMPER: "a call whose relay changes frames",
    Attack.REPLAY: "a call whose relay repeats frames",
    Attack.DROP: "a call whose relay keeps frames back",
    Attack.SWAP_STREAMS: "a call whose relay swaps streams",
}
_TONES = {"alice": ALICE.pitch, "bob": BOB.pitch}
Sound = npt.NDArray[np.float32]


@dataclass(slots=True)
class Evidence:
    """Everything that was found: logs, pictures by source number, and what the relay made of them."""

    settings: Settings
    sent: dict[str, list[SentFrame]] = field(default_factory=dict)
    received: dict[str, list[ReceivedFrame]] = field(default_factory=dict)
    columns: list[int] = field(default_factory=list)
    relay_pictures: dict[int, Image | None] = field(default_factory=dict)
    relay_reasons: dict[int, str] = field(default_factory=dict)
    relay_bytes: dict[int, bytes] = field(default_factory=dict)
    relay_sound: Sound = field(default_factory=lambda: np.zeros(0, np.float32))
    taken: frozenset[str] = frozenset()
    looked: bool = False
    look_failed: str | None = None

    def recording(self, who: str) -> Path:
        """Where `who` recorded what came."""
        video = any(frame.kind == "video" for frame in self.sent.get(OTHER[who], ()))
        return self.settings.folder / who / f"received{Recorder.suffix(self.settings.codec if video else 'opus')}"


async def collect(conductor: Conductor) -> Evidence:
    """Let the relay look at what it kept, end all processes, and read what they wrote down."""
    settings = conductor.settings
    evidence = Evidence(settings)
    for who in PEOPLE:
        evidence.sent[who], evidence.received[who] = load_frames(settings.folder / who / "frames.json")
    candidates = _candidates(evidence)
    evidence.columns = pick(sorted(candidates))
    if settings.path == "relayed":
        looked = await conductor.look([candidates[index] for index in evidence.columns])
        if looked is not None:
            _take_looks(evidence, looked, {candidates[index]: index for index in evidence.columns})
    await conductor.close()
    return evidence


def _candidates(evidence: Evidence) -> dict[int, str]:
    """{source number: digest of the sealed frame} of Alice's pictures: those that Bob got; else all."""
    sent, received = evidence.sent["alice"], evidence.received["bob"]
    got = {frame.digest for frame in received}
    pictures = [frame for frame in sent if frame.index is not None]
    arrived = [frame for frame in pictures if frame.digest in got]
    if evidence.settings.attack.on_frames:
        intact = set(whole(sent, received)[0])
        arrived = [frame for frame in arrived if frame.index in intact]
    return {frame.index: frame.sealed for frame in arrived or pictures if frame.index is not None}


def _take_looks(evidence: Evidence, looked: Happening, index_of: dict[str, int]) -> None:
    evidence.looked = True
    evidence.look_failed = looked["failed"]
    for digest, index in index_of.items():
        found = looked["pictures"].get(digest, {"reason": "the relay never had it"})
        evidence.relay_pictures[index] = read_png(Path(found["path"])) if "path" in found else None
        evidence.relay_reasons[index] = found.get("reason", "")
        evidence.relay_bytes[index] = bytes.fromhex(found.get("bytes", ""))
    if looked["sound"] is not None:
        evidence.relay_sound = np.fromfile(looked["sound"]["path"], "<f4")


# -- the checks ---------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Judgement:
    """The checks that were made, and the sheet that shows what they are about."""

    checks: list[Check]
    sheet: Path | None
    posters: dict[str, bytes] = field(default_factory=dict)
    faults: list[FaultRow] = field(default_factory=list)
    people: list[PersonRow] = field(default_factory=list)


def judge(evidence: Evidence, conductor: Conductor) -> Judgement:
    """All checks that fit this demonstration, and the contact sheet. Raises MediaUnavailable or OutputFailed."""
    emoji = {who: (conductor.said(who, "established") or {}).get("emoji", []) for who in PEOPLE}
    checks = [emoji_agree(emoji["alice"], emoji["bob"])]
    if evidence.look_failed is not None:
        raise OutputFailed(
            f"the relay cannot keep what it decoded: {evidence.look_failed}", hint="choose another --out"
        )
    people = [row for who in PEOPLE if (row := person_row(conductor, who)) is not None]
    checks += _trust_checks(evidence, conductor, people)
    if held_back(people):
        opened = sum(len(evidence.received[row.side]) for row in people if row.stopped)
        forwarded = (conductor.said("relay", "summary") or {}).get("forwarded", {})
        return Judgement([*checks, nothing_went_out(forwarded, opened)], None, people=people)
    told = [who for who in PEOPLE if conductor.said(who, "final", "stats") is not None]
    rejected = {who: _rejected(conductor.said(who, "final", "stats")) for who in told}
    faults = _faults(evidence, conductor) if evidence.settings.attack.on_frames else []
    sent, received, posters = _pictures(evidence, checks)
    if evidence.settings.attack is Attack.WRONG_KEY:
        checks += [nothing_opened(who, evidence.received[who], rejected[who]) for who in told]
    elif evidence.settings.attack.on_frames:
        checks += faults_caught(faults)
        checks += [nothing_else_rejected(who, faults, _rejected_by_kind(conductor)) for who in told]
        checks += _sound_checks(evidence)
    else:
        if evidence.settings.attack is Attack.MITM:  # what was under way when the two stopped
            rejected = {who: {r: n for r, n in rejected[who].items() if r != FrameReason.STOPPED} for who in told}
        checks += [nothing_rejected(who, rejected[who]) for who in told]
        checks += _sound_checks(evidence)
    checks += _relay_checks(evidence, list(sent.values()))
    return Judgement(checks, _draw_sheet(evidence, sent, received), posters, faults, people)


def _trust_checks(evidence: Evidence, conductor: Conductor, people: Sequence[PersonRow]) -> Iterator[Check]:
    """Who was there, and what was kept of it; where the call lasted, that its keys changed in the middle."""
    attack = evidence.settings.attack
    if attack is Attack.MITM or held_back(people):  # a changed or revoked key needs no attack
        yield caught(people)
    elif attack is Attack.WRONG_KEY:
        yield nothing_compared(people)
    else:
        yield verified(people)
        stats = {who: conductor.said(who, "final", "stats") or {"received": []} for who in PEOPLE}
        yield rekeyed(people, {who: [stream["kid"] for stream in stats[who]["received"]] for who in PEOPLE})
    if evidence.settings.path == "direct":
        yield moved_to_the_data_channel(conductor)
    yield ledgers_whole(people)


def _faults(evidence: Evidence, conductor: Conductor) -> list[FaultRow]:
    summary = conductor.said("relay", "summary") or {"injected": [], "taken": []}
    evidence.taken = frozenset(summary["taken"])
    sent = {who: evidence.sent[OTHER[who]] for who in PEOPLE}
    injected, rejected = summary["injected"], _rejected_by_kind(conductor)
    return rows_of(injected, rejected, sent, evidence.received, evidence.taken)


def _rejected_by_kind(conductor: Conductor) -> dict[tuple[str, str], Counter[str]]:
    total: dict[tuple[str, str], Counter[str]] = {}
    for who in PEOPLE:
        for stream in (conductor.said(who, "final", "stats") or {"received": []})["received"]:
            total.setdefault((who, stream["kind"]), Counter()).update(stream["rejected"])
    return total


def _rejected(stats: Happening | None) -> dict[str, int]:
    total: dict[str, int] = {}
    for stream in () if stats is None else stats["received"]:
        for reason, count in stream["rejected"].items():
            total[reason] = total.get(reason, 0) + count
    return total


def _pictures(evidence: Evidence, checks: list[Check]) -> tuple[dict[int, Image], dict[int, Image], dict[str, bytes]]:
    """Compare both directions; Alice's columns as sent and as Bob got them, and a still of each side."""
    settings, sent, received = evidence.settings, dict[int, Image](), dict[int, Image]()
    posters: dict[str, bytes] = {}
    for who in PEOPLE:
        theirs, mine = evidence.sent[OTHER[who]], evidence.received[who]
        if settings.attack is Attack.WRONG_KEY or not any(frame.kind == "video" for frame in theirs):
            continue
        keep = evidence.columns if who == "bob" else _first_column(theirs, mine)
        source = settings.source(OTHER[who]).video_frames()
        compared, kept = compare_pictures(evidence.recording(who), theirs, mine, source, keep=keep)
        checks += [frames_identical(who, "video", theirs, mine), _delivered(evidence, who, "video")]
        if settings.attack.on_frames:
            intact = set(whole(theirs, mine)[0])
            compared = [each for each in compared if each.index in intact]
            checks.append(tears(who, theirs, mine))
        if settings.built_in:
            checks += [counters_read_back(who, compared), pictures_look_sent(who, compared)]
        else:
            median, worst = LEAST_PSNR_OF_FILES
            checks.append(pictures_look_sent(who, compared, median=median, worst=worst))
        posters |= {f"{who}_received": png_bytes(kept[min(kept)][1])} if kept else {}
        for index, (original, arrived) in kept.items() if who == "bob" else ():
            sent[index], received[index] = original, arrived
    if not sent:
        sent = _source_pictures(settings, evidence.columns)
    return sent, received, posters


def _delivered(evidence: Evidence, who: str, kind: str) -> Check:
    theirs, mine = evidence.sent[OTHER[who]], evidence.received[who]
    if evidence.settings.attack.on_frames:
        return gaps_explained(who, kind, theirs, mine, evidence.taken)
    return frames_delivered(who, kind, theirs, mine)


def _first_column(sent: Sequence[SentFrame], received: Sequence[ReceivedFrame]) -> list[int]:
    """The number of the first picture that arrived, for a still in front of the recording."""
    got = {frame.digest for frame in received}
    return [frame.index for frame in sent if frame.index is not None and frame.digest in got][:1]


def _source_pictures(settings: Settings, columns: Sequence[int]) -> dict[int, Image]:
    wanted = set(columns)
    if not wanted:
        return {}
    source = islice(settings.source("alice").video_frames(), max(wanted) + 1)
    return {index: rgb(frame) for index, frame in enumerate(source) if index in wanted}


def _sound_checks(evidence: Evidence) -> Iterator[Check]:
    for who in PEOPLE:
        theirs, mine = evidence.sent[OTHER[who]], evidence.received[who]
        if not any(frame.kind == "audio" for frame in theirs):
            continue
        yield frames_identical(who, "audio", theirs, mine)
        yield _delivered(evidence, who, "audio")
        heard = recorded_sound(evidence.recording(who))
        if evidence.settings.built_in:
            yield tone_recognised(who, heard, AUDIO_RATE, _TONES[OTHER[who]])
        else:
            yield sound_looks_sent(who, heard, _source_sound(evidence.settings, OTHER[who]))


def _relay_checks(evidence: Evidence, sent: Sequence[Image]) -> Iterator[Check]:
    if evidence.settings.path == "direct":
        return
    if not evidence.looked:
        yield Check("relay", ok=False, detail="the relay is gone and cannot be asked")
        return
    clear = evidence.settings.attack is Attack.MITM
    if evidence.columns:
        yield relay_pictures([evidence.relay_pictures[i] for i in evidence.columns], sent, clear=clear)
    sound = evidence.relay_sound.reshape(-1, 1)
    if evidence.settings.built_in:
        yield relay_sound(sound, AUDIO_RATE, _TONES["alice"], clear=clear)
    elif any(frame.kind == "audio" for frame in evidence.sent["alice"]):
        yield relay_sound_of_file(sound, _source_sound(evidence.settings, "alice"), clear=clear)


# -- the sheet ----------------------------------------------------------------------------------------------------


def _draw_sheet(evidence: Evidence, sent: dict[int, Image], received: dict[int, Image]) -> Path | None:
    rows = _picture_rows(evidence, sent, received) if sent else _sound_rows(evidence)
    title = _TITLES[evidence.settings.attack]
    path = evidence.settings.folder / "contact-sheet.png"
    first = next(iter(sent.values()), None)
    aspect = 4 / 3 if first is None else first.shape[1] / first.shape[0]
    about = f"what Alice sent to Bob, {evidence.settings.path}"
    write_whole(path, png_bytes(contact_sheet(f"e2ecall: {title}", about, rows, aspect=aspect)))
    return path


def _relay_mood(evidence: Evidence) -> Mood:
    return Mood.BAD if evidence.settings.attack is Attack.MITM else Mood.GOOD


def _picture_rows(evidence: Evidence, sent: dict[int, Image], received: dict[int, Image]) -> list[Row]:
    columns = [index for index in evidence.columns if index in sent]
    captions = {index: f"#{index}" for index in columns}
    sent_tiles = [Tile(captions[i], picture=sent[i]) for i in columns]
    got_tiles = [_tile(captions[i], received.get(i), _why_not(evidence)) for i in columns]
    relay_tiles = [
        _tile(
            captions[i], evidence.relay_pictures.get(i), evidence.relay_reasons.get(i, ""), evidence.relay_bytes.get(i)
        )
        for i in columns
    ]
    wrong_key = evidence.settings.attack is Attack.WRONG_KEY
    return [
        Row("SENT", "what Alice's camera saw", sent_tiles),
        _relay_row(evidence, relay_tiles),
        Row("RECEIVED", "what Bob saw", got_tiles, Mood.BAD if wrong_key else Mood.GOOD),
    ]


def _why_not(evidence: Evidence) -> str:
    return "wrong key: nothing is opened" if evidence.settings.attack is Attack.WRONG_KEY else "did not arrive"


def _tile(caption: str, picture: Image | None, reason: str, data: bytes | None = None) -> Tile:
    return Tile(caption, reason=reason, data=data or b"") if picture is None else Tile(caption, picture=picture)


def _relay_row(evidence: Evidence, tiles: Sequence[Tile]) -> Row:
    if evidence.settings.path == "direct":
        return Row("WHAT THE RELAY GETS", "peer to peer", mood=Mood.GOOD, absent="NOT ON THE PATH")
    if not evidence.looked:
        return Row("WHAT THE RELAY GETS", "", mood=Mood.PLAIN, absent="THE RELAY IS GONE")
    about = "it holds the keys of both exchanges" if evidence.settings.attack is Attack.MITM else "it holds no keys"
    return Row("WHAT THE RELAY GETS", about, tiles, _relay_mood(evidence))


def _sound_rows(evidence: Evidence) -> list[Row]:
    """For a voice call: stretches of sound instead of pictures."""
    try:
        heard = recorded_sound(evidence.recording("bob"))[:, 0]
    except MediaUnavailable:
        heard = np.zeros(0, np.float32)
    spoken = _source_sound(evidence.settings, "alice")[:, 0]
    return [
        Row("SENT", "what Alice's microphone heard", _stretches(spoken)),
        _relay_row(evidence, _stretches(evidence.relay_sound)),
        Row("RECEIVED", "what Bob heard", _stretches(heard), Mood.GOOD if len(heard) else Mood.BAD),
    ]


def _source_sound(settings: Settings, who: str) -> Sound:
    """What `who` played, from the start of the call and as long, 20 s at most: `float32[samples, channels]`."""
    frames = round(min(settings.duration, 20) * AUDIO_RATE / AUDIO_SAMPLES)
    return np.concatenate([samples_of(frame) for frame in islice(settings.source(who).audio_frames(), frames)])


def _stretches(samples: Sound, count: int = 6) -> list[Tile]:
    length = AUDIO_RATE // 4
    if len(samples) < length:
        return [Tile("", reason="nothing decodes")]
    starts = np.linspace(0, len(samples) - length, count).astype(int)
    return [Tile(f"{start / AUDIO_RATE:.1f} s", sound=samples[start : start + length]) for start in starts]

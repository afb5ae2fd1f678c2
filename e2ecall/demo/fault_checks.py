"""The self-checks of a call whose relay spoils frames: every fault was noticed, and nothing false was shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from e2ecall.demo.checks import Check, ReceivedFrame, SentFrame, of_kind, places_of
from e2ecall.demo.faults import REASONS, Fault
from e2ecall.demo.report import FaultRow
from e2ecall.media.testcard import AUDIO_SAMPLES

__all__ = ["LONGEST_TEAR", "faults_caught", "gaps_explained", "nothing_else_rejected", "rows_of", "tears", "whole"]

STRAY = 0.05
"""The share of frames that a busy machine may lose by itself, as in a call without an attack."""
LONGEST_TEAR = 60
"""Pictures in a row that may rest on one that is missing: two seconds, four times as long as requests for a key frame
are apart.
"""

Rejected = Mapping[tuple[str, str], Mapping[str, int]]
"""(side, kind) -> reason -> frames."""


def rows_of(
    injected: Sequence[Mapping[str, Any]],
    rejected: Rejected,
    sent: Mapping[str, Sequence[SentFrame]],
    received: Mapping[str, Sequence[ReceivedFrame]],
    taken: Collection[str],
) -> list[FaultRow]:
    """What the relay says that it did, beside what the receivers say that they noticed.

    `sent` is by the side that receives: what the other one sent. A frame that is kept back at the very end leaves no
    gap, since nothing comes after it; it is not counted.
    """
    rows = []
    for each in injected:
        side, kind, fault, count = str(each["side"]), str(each["kind"]), Fault(each["fault"]), int(each["count"])
        reasons = {
            reason.value: rejected.get((side, kind), {}).get(reason.value, 0) for reason in sorted(REASONS[fault])
        }
        caught = sum(reasons.values())
        if fault is Fault.DROPPED:
            between, missing, at_the_end = _missing(kind, sent[side], received[side])
            caught = (_digests(missing) & _digests(_of(between, taken))).total()
            count -= len(_of(at_the_end, taken))
        found = {reason: number for reason, number in reasons.items() if number}
        rows.append(FaultRow(side=side, kind=kind, fault=fault.value, injected=count, caught=caught, reasons=found))
    return rows


def faults_caught(rows: Sequence[FaultRow]) -> list[Check]:
    """Each kind of fault on each stream was noticed as often as it was done, and there were some."""
    if not any(row.injected for row in rows):
        return [Check("faults", ok=False, detail="nothing was injected: a longer call is needed")]
    return [
        Check(f"{row.side}.{row.kind}.{row.fault}", row.injected == row.caught, _fault_detail(row))
        for row in rows
        if row.injected or row.caught
    ]


def _fault_detail(row: FaultRow) -> str:
    by = ", ".join(f"{count} {reason}" for reason, count in row.reasons.items())
    noticed = f"{row.caught} rejected ({by or 'none'})" if row.fault != Fault.DROPPED else f"{row.caught} gaps"
    return f"{row.injected} {row.fault} by the relay, {noticed}"


def nothing_else_rejected(who: str, rows: Sequence[FaultRow], rejected: Rejected) -> Check:
    """`who` rejected what the relay spoilt, and nothing besides."""
    others: dict[str, int] = {}
    for (side, kind), reasons in rejected.items():
        mine = [row for row in rows if (row.side, row.kind) == (side, kind)]
        expected = {reason.value for row in mine for reason in REASONS[Fault(row.fault)]}
        for reason, count in reasons.items() if side == who else ():
            if reason not in expected and count:
                others[reason] = others.get(reason, 0) + count
    what = ", ".join(f"{count} {reason}" for reason, count in others.items())
    return Check(f"{who}.rejected", not others, what or "no other frame was rejected")


def gaps_explained(
    who: str, kind: str, sent: Sequence[SentFrame], received: Sequence[ReceivedFrame], taken: Collection[str]
) -> Check:
    """What `who` misses is what the relay took, and none of that was opened.

    Frames that are equal, those of a tone or of silence, count together: which of them is missing nobody can say.
    """
    between, missing, _ = _missing(kind, sent, received)
    lost, took = _digests(missing), _digests(_of(between, taken))
    stray, opened = (lost - took).total(), (took - lost).total()
    detail = f"{len(missing)} of {len(between)} frames are missing, {len(missing) - stray} of them taken by the relay"
    if opened:
        detail += f"; {opened} taken ones were opened"
    return Check(f"{who}.{kind}.gaps", not opened and stray <= STRAY * len(between) and bool(between), detail)


def _missing(
    kind: str, sent: Sequence[SentFrame], received: Sequence[ReceivedFrame]
) -> tuple[list[SentFrame], list[SentFrame], list[SentFrame]]:
    """What was sent from the first opened frame to the last; what of that was not opened; what was sent afterwards."""
    outgoing = of_kind(kind, sent)
    places = _places_in_time(outgoing, of_kind(kind, received))
    if not places:
        return [], [], []
    first, last = min(places), max(places)
    missing = [outgoing[place] for place in range(first, last) if place not in places]
    return outgoing[first : last + 1], missing, outgoing[last + 1 :]


def _places_in_time(outgoing: Sequence[SentFrame], rows: Sequence[ReceivedFrame]) -> set[int]:
    """The places of the opened frames among the sent ones.

    Of sound that repeats, silence say, any frame could be any other. Its frames are 20 ms apart; so where the time that
    has passed names a frame that fits, that is taken to be it.
    """
    found = set[int]()
    anchor: tuple[int, int] | None = None
    for row, place in zip(rows, places_of(outgoing, rows), strict=True):
        if place is None:
            continue
        anchor = anchor or (place, row.timestamp)
        due = anchor[0] + round((row.timestamp - anchor[1]) / AUDIO_SAMPLES)
        fits = row.kind == "audio" and 0 <= due < len(outgoing) and outgoing[due].digest == row.digest
        found.add(due if fits else place)
    return found


def _of(frames: Sequence[SentFrame], taken: Collection[str]) -> list[SentFrame]:
    return [frame for frame in frames if frame.sealed in taken]


def _digests(frames: Sequence[SentFrame]) -> Counter[str]:
    return Counter(frame.digest for frame in frames)


def whole(sent: Sequence[SentFrame], received: Sequence[ReceivedFrame]) -> tuple[list[int], int]:
    """The numbers of the source pictures that came with all that they rest on, from a key frame on; and how many
    pictures in a row came without, at most.
    """
    outgoing, rows = of_kind("video", sent), of_kind("video", received)
    found, torn, longest, last = [], 0, 0, -1
    intact = False
    for place in places_of(outgoing, rows):
        if place is None:
            continue
        frame = outgoing[place]
        intact = frame.key or (intact and place == last + 1)
        last = place
        torn = 0 if intact else torn + 1
        longest = max(longest, torn)
        if intact and frame.index is not None:
            found.append(frame.index)
    return found, longest


def tears(who: str, sent: Sequence[SentFrame], received: Sequence[ReceivedFrame]) -> Check:
    """Where a picture is missing, those after it are soon whole again: the receiver asks for a key frame."""
    found, longest = whole(sent, received)
    total = len(of_kind("video", received))
    detail = (
        f"{len(found)} of {total} opened pictures are whole; at most {longest} in a row rest on one that is missing"
    )
    return Check(f"{who}.video.heals", bool(found) and longest <= LONGEST_TEAR, detail)

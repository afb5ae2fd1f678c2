"""What one receiver takes, in order: keys, the replay window, forgeries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from generator.cases import Draw
from generator.scenario import KEY_B, Scenario, file_of

__all__ = ["FILES"]


def _windows() -> Iterator[Scenario]:
    yield (
        Scenario("each frame once")
        .add(0)
        .put(0, 0)
        .put(0, 1)
        .put(0, 1, expect="replay")
        .put(0, 0, expect="replay")
        .put(0, 2)
        .put(0, 2, expect="replay")
    )
    s = Scenario("out of order").add(0).put(0, 5).put(0, 3).put(0, 4).put(0, 3, expect="replay")
    yield s.put(0, 9).put(0, 8).put(0, 0).put(0, 5, expect="replay")
    first = "frame.6-11"
    s = Scenario("older than the first one taken").add(0).put(0, 2000, clause=first).put(0, 977, clause=first)
    yield s.put(0, 976, expect="too-old").put(0, 977, expect="replay").put(0, 1999, clause=first)
    s = Scenario("the window's two ends").add(0).put(0, 0).put(0, 1023).put(0, 0, expect="replay").put(0, 1024)
    s.put(0, 0, expect="too-old").put(0, 1).put(0, 2048)
    yield s.put(0, 1024, expect="too-old").put(0, 1025)
    last = 2**64 - 1
    s = Scenario("a jump over the whole window, to the last counter").add(0).put(0, 3).put(0, last)
    s.put(0, 4, expect="too-old").put(0, last - 1023)
    yield s.put(0, last - 1024, expect="too-old").put(0, last, expect="replay")


def _forgeries() -> Iterator[Scenario]:
    before, gate = "frame.6-10", "frame.6-14"
    s = Scenario("a forged frame moves nothing").add(0).put(0, 10)
    s.put(0, 9000, forged=True, expect="authentication", clause=before)
    s.put(0, 9, forged=True, expect="authentication", clause=before)
    yield s.put(0, 9).put(0, 11).put(0, 9000, clause=before)
    s = Scenario("failures gate nothing").add(0)
    for ctr in range(40):
        s.put(0, ctr, forged=True, expect="authentication", clause=gate)
    for ctr in range(3):
        s.put(0, ctr, clause=gate)
    yield s


def _keys() -> Iterator[Scenario]:
    again, other = "frame.6-12", "frame.4-3"
    s = Scenario("one window for each KID").add(0).add(16).put(0, 1).put(16, 1)
    yield s.put(0, 1, expect="replay").put(16, 1, expect="replay")
    s = Scenario("the same key added again keeps its window").add(0).put(0, 7).add(0)
    yield s.put(0, 7, expect="replay", clause=again).put(0, 8)
    s = Scenario("removed and added again keeps it too").add(0).put(0, 7).remove(0)
    s.put(0, 8, expect="unknown-key", clause="frame.6-13")
    yield s.add(0).put(0, 7, expect="replay", clause=again).put(0, 8)
    s = Scenario("another key of the KID drops the first").add(0).put(0, 7).add(0, KEY_B, clause=other)
    s.put(0, 8, expect="authentication", clause=other).put(0, 7, KEY_B, clause=other).put(0, 7, KEY_B, expect="replay")
    yield s.add(0).put(0, 7, expect="replay", clause=again).put(0, 8)
    none = "unknown-key"
    yield Scenario("no key").put(0, 0, expect=none).add(16).put(0, 0, expect=none).remove(5).put(16, 0)


def _order() -> Iterator[Scenario]:
    """frame.6, its table: a frame that fails two checks is refused for the first."""
    s = Scenario("the first check that fails names the reason", epoch_bits=4, sender_bits=1, own_sender=1)
    s.add(0).put(0, 1500, streams=[0]).put(0, 20, forged=True, expect="too-old")
    s.put(0, 1500, forged=True, expect="replay").put(0, 1500, expect="wrong-stream", streams=[2])
    s.put(0, 20, expect="wrong-stream", streams=[]).put(16, 0, expect="own-frame", streams=[2])
    s.put(32, 0, expect="unknown-key", streams=[0])
    s.raw(bytes.fromhex("0905dc"), 1500, expect="replay", streams=[0])
    s.raw(bytes.fromhex("0905dd"), 1501, expect="malformed", streams=[0])
    s.raw(bytes.fromhex("0905dd"), 1501, expect="wrong-stream", streams=[4])
    s.raw(bytes.fromhex("90"), expect="malformed")
    yield s.raw(bytes.fromhex("8007"), expect="malformed", streams=[2]).put(0, 1501, streams=[0])


def _random(name: str, suite: int, frames: int, pick: Callable[[Draw, int], int], *, kids: int = 1) -> Scenario:
    """Frames in an order that the seed gives; `pick` gives a counter for (draw, highest one so far)."""
    draw = Draw(name)
    s = Scenario(name, suite)
    keys = [draw.bytes(16) for _ in range(kids)]
    highest = [0] * kids
    for kid in range(kids):
        s.add(kid, keys[kid])
    for _ in range(frames):
        kid = draw.below(kids)
        ctr = max(0, min(pick(draw, highest[kid]), 2**64 - 1))
        forged = draw.below(8) == 0
        s.put(kid, ctr, keys[kid], expect=None, forged=forged, plaintext=b"")
        if not forged:
            highest[kid] = max(highest[kid], ctr)
    return s


def _shuffled(name: str, suite: int, order: Iterable[int]) -> Scenario:
    s = Scenario(name, suite).add(0)
    for ctr in order:
        s.put(0, ctr, expect=None, plaintext=b"")
    return s


def _replays() -> Iterator[Scenario]:
    twice = Draw("twice").shuffled([*range(40), *range(40)])
    yield _shuffled("forty frames, each twice, in any order", 4, twice)
    backwards = range(2047, 1000, -29)
    yield _shuffled("backwards out of the window", 1, [*backwards, 1023, 1024, 1025])
    yield _random("around both ends of the window", 4, 100, lambda d, top: top + _ENDS[d.below(len(_ENDS))])
    yield _random("jumps of powers of two", 3, 80, lambda d, top: top + 2 ** d.below(60) - d.below(1100) * d.below(2))
    yield _random("four KIDs at once", 8, 100, lambda d, top: top + 3 - d.below(8), kids=4)
    yield _random("up to the last counter", 5, 60, lambda d, top: 2**64 - 1 - d.below(1100) // (1 + d.below(40)))


_ENDS = (1, 1, 2, 3, 0, -1, -2, -1022, -1023, -1024, -1025, 1022, 1023, 1024, 1025)


FILES = (
    file_of(
        "receiver.json",
        "what one receiver takes, in this order: keys, replay window, forgeries",
        (*_windows(), *_forgeries(), *_keys(), *_order()),
    ),
    file_of("replay.json", "replay sequences: random orders with duplicates, jumps and forgeries", _replays()),
)

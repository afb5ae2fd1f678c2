"""What a dishonest relay does to sealed frames that it forwards: to a few of them, counted, so that the call goes on.

    tamper         a bit of the frame is flipped; the frame itself does not arrive     authentication
    replay         an earlier frame is sent once more, beside the others               replay, too-old
    drop           the frame is kept back                                              a gap
    swap-streams   a sound frame is put on the picture's track, wrapped as a picture   wrong-stream
                   a frame goes back to who sent it                                    own-frame

What it takes away it takes down by digest. So it can be said afterwards of each missing frame whether the relay took
it, and of each frame that the relay took whether anybody opened it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from e2ecall.codecs import layout_for
from e2ecall.demo.medialog import digest_of
from e2ecall.demo.settings import Attack
from e2ecall.errors import FrameReason

__all__ = ["EVERY", "REASONS", "WARM_UP", "Fault", "Faults", "flipped", "wrapped"]

WARM_UP = 25
"""Frames of a stream that are left alone at its beginning, so that there are pictures and sound to be spoilt."""
EVERY = {"audio": 17, "video": 19}
"""One frame of so many, 6 % of the sound and 5 % of the pictures; each of those costs the ones up to the next key frame
too. Both are primes: they keep step with no rhythm of an encoder.
"""
KEPT = 40
"""How many frames back a replayed frame comes from; every fourth one is the first of all."""


class Fault(StrEnum):
    """What was done to one frame."""

    TAMPERED = "tampered"
    REPLAYED = "replayed"
    DROPPED = "dropped"
    MISPLACED = "misplaced"
    RETURNED = "returned"


REASONS: Mapping[Fault, frozenset[FrameReason]] = MappingProxyType(
    {
        Fault.TAMPERED: frozenset({FrameReason.AUTHENTICATION}),
        Fault.REPLAYED: frozenset({FrameReason.REPLAY, FrameReason.TOO_OLD}),
        Fault.DROPPED: frozenset(),
        Fault.MISPLACED: frozenset({FrameReason.WRONG_STREAM}),
        Fault.RETURNED: frozenset({FrameReason.OWN_FRAME}),
    }
)
"""For which reasons a receiver refuses such a frame; a dropped one leaves a gap."""

Slip = Callable[[int, str, bytes], bool]
"""`Hop.slip`: a further frame to a member, on its track of a kind."""


@dataclass(slots=True)
class _Stream:
    """What came from one member of one kind."""

    seen: int = 0
    due: int = 0
    first: bytes = b""
    earlier: deque[bytes] = field(default_factory=lambda: deque(maxlen=KEPT))


class Faults:
    """Spoils frames in one way. `rewrite` is the hop's; `slip` is to be set to the hop's before the first frame comes.

    `injected` counts by the member that is to receive the fault, the kind of the track, and the fault; `taken` has the
    digests of the sealed frames that do not arrive.
    """

    def __init__(self, attack: Attack) -> None:
        self.attack = attack
        self.injected: Counter[tuple[int, str, Fault]] = Counter()
        self.taken: list[str] = []
        self.slip: Slip | None = None
        self._streams: dict[tuple[int, str], _Stream] = {}
        self._codecs: dict[int, str] = {}  # of each member's pictures

    def rewrite(self, member: int, kind: str, codec: str, data: bytes) -> bytes | None:
        """What leaves in place of a frame of `member`; None drops it."""
        if kind == "video":
            self._codecs[member] = codec
        stream = self._streams.setdefault((member, kind), _Stream(first=data))
        stream.seen += 1
        leaves: bytes | None = data
        if stream.seen > WARM_UP and stream.seen % EVERY[kind] == 0:
            stream.due += 1
            leaves = self._spoil(member, kind, data, stream)
        stream.earlier.append(data)
        return leaves

    def _spoil(self, member: int, kind: str, data: bytes, stream: _Stream) -> bytes | None:
        match self.attack:
            case Attack.TAMPER:
                return self._take(1 - member, kind, Fault.TAMPERED, data, flipped(data))
            case Attack.DROP:
                return self._take(1 - member, kind, Fault.DROPPED, data, None)
            case Attack.REPLAY:
                earlier = stream.earlier[0] if stream.due % 4 else stream.first
                self._slip(1 - member, kind, Fault.REPLAYED, earlier)
            case Attack.SWAP_STREAMS if kind == "audio" and stream.due % 2 and 1 - member in self._codecs:
                self._slip(1 - member, "video", Fault.MISPLACED, wrapped(self._codecs[1 - member], data))
            case _:
                self._slip(member, kind, Fault.RETURNED, data)
        return data

    def _take(self, to: int, kind: str, fault: Fault, data: bytes, leaves: bytes | None) -> bytes | None:
        self.injected[to, kind, fault] += 1
        self.taken.append(digest_of(data))
        return leaves

    def _slip(self, to: int, kind: str, fault: Fault, data: bytes) -> None:
        if self.slip is not None and self.slip(to, kind, data):
            self.injected[to, kind, fault] += 1


def flipped(sealed: bytes) -> bytes:
    """The frame with one bit of its last bytes, which are the tag, turned round, and nothing else changed.

    A byte of 16 or more keeps that size, so that in H.264 no start code comes or goes (H.264 §7.4.1); the last byte is
    that codec's stop byte and stays.
    """
    at = next(at for at in range(len(sealed) - 2, -1, -1) if sealed[at] >= 16)
    return sealed[:at] + bytes([sealed[at] ^ 8]) + sealed[at + 1 :]


def wrapped(codec: str, sealed: bytes) -> bytes:
    """A sealed sound frame as a delta picture of `codec`: what its packetizer takes, with the same frame inside."""
    return layout_for(codec).seal(b"\1", lambda frame, metadata: sealed)

"""frame.7: which streams the other side has, and which of them a track may carry.

A frame's KID says which stream it is of, and only the other side can have sealed it so. What a relay says (this is the
screen's track) is worth nothing. So a track belongs to the stream of its first opened frame, and what the table says of
that stream is what is shown of it; frames of any other stream are refused from then on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from e2ecall.errors import StreamMismatch

__all__ = ["Kind", "RemoteStream", "Source", "StreamTable"]

Kind = Literal["audio", "video"]


class Source(StrEnum):
    """What a stream shows or sounds, as its sender says."""

    MICROPHONE = "microphone"
    CAMERA = "camera"
    SCREEN = "screen"
    SCREEN_SOUND = "screen sound"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class RemoteStream:
    """frame.7-2: one announced stream. `codec` in lower case, None for any; `layer` is one of a simulcast."""

    context: int
    kind: Kind
    source: Source
    codec: str | None = None
    layer: int | None = None


class StreamTable:
    """frame.7-5, frame.7-8: the announced streams of one sender, by their number (`KeyIdLayout.stream`)."""

    __slots__ = ("_by_kind", "_streams")

    def __init__(self) -> None:
        self._streams: dict[int, RemoteStream] = {}
        self._by_kind: dict[Kind, frozenset[int]] = {"audio": frozenset(), "video": frozenset()}

    def add(self, number: int, stream: RemoteStream) -> None:
        """Enter a stream under its number."""
        self._streams[number] = stream
        self._by_kind[stream.kind] |= {number}

    def end(self, number: int) -> None:
        """Take a stream out; an unknown one is ignored."""
        stream = self._streams.pop(number, None)
        if stream is not None:
            self._by_kind[stream.kind] -= {number}

    def get(self, number: int) -> RemoteStream | None:
        """The stream of that number, if it was announced and has not ended."""
        return self._streams.get(number)

    def __iter__(self) -> Iterator[RemoteStream]:
        return iter(tuple(self._streams.values()))

    def of_kind(self, kind: Kind) -> frozenset[int]:
        """The numbers of all streams of a kind."""
        return self._by_kind[kind]

    def mismatch(self, kind: Kind, expected: frozenset[int], found: int) -> StreamMismatch:
        """frame.7-8: what is wrong with a frame of stream `found` where one of `expected`, of that kind, belongs."""
        stream = self._streams.get(found)
        wanted = [self._streams[number] for number in expected if number in self._streams]
        if stream is None:
            return StreamMismatch.SENDER
        if stream.kind != kind:
            return StreamMismatch.KIND
        if wanted and all(stream.source != other.source for other in wanted):
            return StreamMismatch.SOURCE
        if wanted and all(stream.layer != other.layer for other in wanted):
            return StreamMismatch.LAYER
        return StreamMismatch.STREAM

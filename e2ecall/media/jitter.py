"""Jitter buffers that hand a frame on as soon as it is complete, in place of aiortc's own.

aiortc's buffer gives a frame out when the first packet of the next one arrives (33 ms at 30 frames a second), holds
four audio packets (80 ms), and lets one lost audio packet stall fourteen. Here the rules are:

video  a frame is complete with its marker packet, or, where markers are missing, with the first packet of another
       timestamp. A frame whose first packet is missing is never given out. A hole waits for its retransmission until
       `patience` has passed in RTP time and `AHEAD` packets have come after it; then the buffer goes on at the next
       packet that can begin a frame, and asks for a key frame.
audio  packets go out in order at once; a hole is skipped when `wait` newer packets are there.
both   a packet that was given up or seen before is dropped; one `MISORDER` behind, or `capacity` ahead, restarts the
       buffer as aiortc's does, with a request for a key frame for video.

aiortc takes one frame per packet. When a late packet completes several frames, they travel together as a `Burst`,
which `unfold` takes apart again: otherwise every loss would leave the stream one frame later for good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from aiortc.jitterbuffer import JitterFrame
from aiortc.rtp import RtpPacket

__all__ = ["AudioBuffer", "Burst", "Buffer", "VideoBuffer", "begins_frame", "low_latency", "unfold"]

MISORDER = 100
AHEAD = 8
_HALF = 1 << 31
_WRAP = 1 << 32


class Burst(JitterFrame):
    """The first of several frames that one packet completed; `later` holds the others, with their RTP timestamps."""

    def __init__(self, frames: list[JitterFrame]) -> None:
        super().__init__(frames[0].data, frames[0].timestamp)
        self.later = frames[1:]
        self._rtp_timestamp = frames[0].timestamp

    def frames(self) -> Iterator[JitterFrame]:
        """All frames in order, on the time line that the receiver has meanwhile put this one on."""
        yield JitterFrame(self.data, self.timestamp)
        for frame in self.later:
            step = (frame.timestamp - self._rtp_timestamp + _HALF) % _WRAP - _HALF
            yield JitterFrame(frame.data, self.timestamp + step)


def unfold(frame: JitterFrame) -> Iterator[JitterFrame]:
    """The frames that one item of a decoder queue stands for."""
    return frame.frames() if isinstance(frame, Burst) else iter((frame,))


def begins_frame(codec: str | None, payload: bytes) -> bool:
    """Whether an RTP payload can be the first of its frame: exact for VP8, a sieve for H.264, else always true.

    RFC 7741 §4.2: S bit set and partition index 0. RFC 6184 §5.8: a fragment (FU-A) without its start bit cannot.
    """
    if codec == "VP8":
        return bool(payload) and payload[0] & 0x17 == 0x10
    if codec == "H264" and len(payload) > 1 and payload[0] & 0x1F == 28:
        return bool(payload[1] & 0x80)
    return True


class Buffer(Protocol):
    """What aiortc's receiver asks of a jitter buffer."""

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """Take a packet; whether to ask for a key frame now, and what became complete."""
        ...


class _Sequence:
    """RFC 3550 appendix A.1: 16-bit sequence numbers put on one line of integers."""

    __slots__ = ("newest",)

    def __init__(self) -> None:
        self.newest: int | None = None

    def unwrap(self, number: int) -> int:
        newest = self.newest
        if newest is None:
            self.newest = number
            return number
        position = newest + (number - newest + 0x8000 & 0xFFFF) - 0x8000
        if position > newest:
            self.newest = position
        return position

    def restart(self, position: int) -> None:
        self.newest = position


def _data(packet: RtpPacket) -> bytes:
    data: bytes = packet._data  # type: ignore[attr-defined]  # set by aiortc's receiver after depayload()
    return data


def _emitted(frames: list[JitterFrame]) -> JitterFrame | None:
    if len(frames) > 1:
        return Burst(frames)
    return frames[0] if frames else None


class AudioBuffer:
    """One packet is one frame; they leave in order, and `wait` newer packets give a missing one up.

    `skipped` counts packets that were given up. Source of the figures: measurements with injected loss.
    """

    def __init__(self, *, wait: int = 3) -> None:
        self._wait = wait
        self._sequence = _Sequence()
        self._next: int | None = None
        self._held: dict[int, RtpPacket] = {}
        self.skipped = 0

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """Take a packet; never asks for a key frame."""
        position = self._sequence.unwrap(packet.sequence_number)
        if self._next is None:
            self._next = position
        elif position < self._next:
            if self._next - position < MISORDER:
                return False, None
            self._restart(position)
        held = self._held
        held[position] = packet
        if self._next not in held and len(held) >= self._wait:
            oldest = min(held)
            self.skipped += oldest - self._next
            self._next = oldest
        frames = []
        while (ready := held.pop(self._next, None)) is not None:
            frames.append(JitterFrame(_data(ready), ready.timestamp))
            self._next += 1
        return False, _emitted(frames)

    def _restart(self, position: int) -> None:
        self._held.clear()
        self._sequence.restart(position)
        self._next = position


class VideoBuffer:
    """Frames of one or more packets. `codec_of` names the codec of an RTP payload type, None if unknown.

    `incomplete` counts frames thrown away because their first packets never came, `overflows` the holes given up.
    `patience` is in ticks of the 90 kHz clock.
    """

    def __init__(self, codec_of: Callable[[int], str | None], *, capacity: int = 512, patience: int = 45_000) -> None:
        self._codec_of = codec_of
        self._capacity = capacity
        self._patience = patience
        self._sequence = _Sequence()
        self._held: dict[int, RtpPacket] = {}
        self._next: int | None = None  # the first packet of the frame that is to leave next
        self._scanned = 0  # packets of that frame already looked at, all present, none the last
        self._begun = False  # whether `_next` follows the end of a frame, so that it begins one
        self._started = False  # whether anything has left
        self.incomplete = 0
        self.overflows = 0

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """Take a packet; whether to ask for a key frame now, and the frame or burst that became complete."""
        position = self._sequence.unwrap(packet.sequence_number)
        if self._next is None:
            self._next = position
        key_frame = False
        if position < self._next:
            behind = self._next - position
            if behind >= MISORDER:
                self._restart(position)
                key_frame = True
            elif self._started or behind + self._sequence_span() > self._capacity:
                return False, None
            else:
                self._next, self._scanned = position, 0  # reordered before anything left: begin earlier
        self._held[position] = packet
        if self._hopeless(packet, position):
            self._give_up(position)
            key_frame = True
        frames, torn = self._complete()
        return key_frame or torn, _emitted(frames)

    def _sequence_span(self) -> int:
        return (self._sequence.newest or 0) - (self._next or 0)

    def _restart(self, position: int) -> None:
        self._held.clear()
        self._sequence.restart(position)
        self._next, self._scanned, self._begun = position, 0, False

    def _hopeless(self, packet: RtpPacket, position: int) -> bool:
        """Whether the hole in front has been waited for long enough."""
        assert self._next is not None
        ahead = position - self._next
        if ahead >= self._capacity:
            return True
        if ahead < AHEAD or self._next + self._scanned in self._held:
            return False
        oldest = self._held[min(self._held)]
        return self._patience < (packet.timestamp - oldest.timestamp) % _WRAP < _HALF

    def _give_up(self, position: int) -> None:
        """Go on behind the hole, at the next packet that can begin a frame; with none, at whatever comes next."""
        assert self._next is not None
        self.overflows += 1
        least = max(self._next + self._scanned, position - self._capacity) + 1
        for start in sorted(self._held):
            if start >= least and self._is_start(start):
                break
        else:
            start = position + 1
        for old in [old for old in self._held if old < start]:
            del self._held[old]
        self._next, self._scanned, self._begun = start, 0, False

    def _is_start(self, position: int) -> bool:
        packet, before = self._held[position], self._held.get(position - 1)
        if before is not None:
            return bool(before.marker) or before.timestamp != packet.timestamp
        return begins_frame(self._codec_of(packet.payload_type), packet.payload)

    def _complete(self) -> tuple[list[JitterFrame], bool]:
        """Every frame that is complete at the front, and whether one of them had lost its beginning."""
        frames: list[JitterFrame] = []
        torn = False
        while (packets := self._take()) is not None:
            first = packets[0]
            if self._begun or begins_frame(self._codec_of(first.payload_type), first.payload):
                data = _data(first) if len(packets) == 1 else b"".join(map(_data, packets))
                frames.append(JitterFrame(data, first.timestamp))
            else:
                self.incomplete += 1
                torn = True
            self._begun = self._started = True
        return frames, torn

    def _take(self) -> list[RtpPacket] | None:
        """The packets of the frame at the front, if all of them are there."""
        assert self._next is not None
        held, start = self._held, self._next
        end = start + self._scanned
        while (packet := held.get(end)) is not None:
            if end > start and packet.timestamp != held[start].timestamp:
                break
            end += 1
            if packet.marker:
                break
        else:
            self._scanned = end - start
            return None
        self._next, self._scanned = end, 0
        return [held.pop(position) for position in range(start, end)]


def low_latency(kind: str, codec_of: Callable[[int], str | None]) -> Buffer:
    """The buffer for a receiver of `kind`, audio or video."""
    return VideoBuffer(codec_of) if kind == "video" else AudioBuffer()

"""The untrusted forwarder: two members of a room, one connection to each, complete encoded frames passed across.

The hop ends ICE, DTLS and SRTP, as every SFU does, and sees what is inside: encoded frames, which are sealed if the
members protect their connections. It has no keys, decodes nothing and checks nothing. Frames leave it bit for bit as
they came, packetized anew (H.264: every start code becomes 00 00 00 01), on the time line of their source.

A request for a key frame goes on to the source, at most every `KEY_FRAME_INTERVAL` seconds. Whoever joins late gets a
key frame in the same way. Frames for a member that is not connected are dropped.

`tap`, `rewrite` and `slip` are what an operator of such a machine can do: look at every frame, put other bytes in its
place or drop it, and send further frames in between. The first two run on the event loop and have to be quick.
"""

from __future__ import annotations

import asyncio
import queue
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

import av
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.jitterbuffer import JitterFrame
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.sdp import MediaDescription, SessionDescription

from e2ecall.errors import ApiMisuse, MalformedMessage, PeerIncompatible, PeerMisbehaved
from e2ecall.media import aiortc_names as names
from e2ecall.media.hop_offer import CODECS, capabilities, parse_offer
from e2ecall.media.jitter import low_latency, unfold
from e2ecall.media.rtc import BAD_DESCRIPTION, close, connection

__all__ = ["KEY_FRAME_INTERVAL", "Hop", "Rewrite", "Tap"]

Tap = Callable[[int, str, str, bytes, int], None]
Rewrite = Callable[[int, str, str, bytes], bytes | None]
_Slot = tuple[str, int]  # kind, and which one of that kind in the session description

KEY_FRAME_INTERVAL = 0.3
MEMBERS = 2
_WAITING = 256  # frames on their way to one sender: five seconds of sound
_CLOCK_RATE = {"audio": 48_000, "video": 90_000}
SLIPPED = 3
"""How many frames may be slipped in after one that was forwarded."""
SLIP_SHARE = 200
"""They are 1/200 s apart in RTP time, so that three fit between two sound frames, or two pictures at 60 a second."""


class _ForwardTrack(MediaStreamTrack):
    """What one sender of the hop sends: packets that are encoded already, in the order they came."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self._packets: asyncio.Queue[av.Packet[Any]] = asyncio.Queue(_WAITING)
        self._time_base = Fraction(1, _CLOCK_RATE[kind])
        self._source: object = None
        self._shift = 0
        self._last: tuple[int, float] | None = None
        self._slipped = 0  # since the last frame that was pushed

    def push(self, source: object, data: bytes, timestamp: int) -> bool:
        """Queue a frame; False if the queue is full. A new source goes on where the time line of the last one is."""
        if self._packets.full():
            return False
        if source is not self._source:
            self._source = source
            if self._last is not None:
                pts, when = self._last
                passed = max(1, int((time.monotonic() - when) * _CLOCK_RATE[self.kind]))
                self._shift = pts + passed - timestamp
        packet = av.Packet(data)
        packet.pts = timestamp + self._shift
        packet.time_base = self._time_base
        self._last = (packet.pts, time.monotonic())
        self._packets.put_nowait(packet)
        self._slipped = 0
        return True

    def slip(self, data: bytes) -> bool:
        """Queue a frame of its own, a little later than the last one; False where there is none, or no room."""
        if self._last is None or self._packets.full() or self._slipped >= SLIPPED:
            return False
        self._slipped += 1
        packet = av.Packet(data)
        packet.pts = self._last[0] + self._slipped * _CLOCK_RATE[self.kind] // SLIP_SHARE
        packet.time_base = self._time_base
        self._packets.put_nowait(packet)
        return True

    async def recv(self) -> av.Packet[Any]:
        """The next packet for the sender's `pack()`."""
        if self.readyState != "live":
            raise MediaStreamError
        return await self._packets.get()


class _FrameQueue(queue.Queue[Any]):
    """In place of a receiver's decoder queue: frames are forwarded, and the decoder's thread never gets one."""

    def __init__(self, forward: Callable[[RTCRtpCodecParameters, JitterFrame], None]) -> None:
        super().__init__()
        self._forward = forward

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: FBT001, FBT002 - queue.Queue's own signature
        """On the event loop: one (codec, frame), or None at the end."""
        if item is None:
            super().put(None, block, timeout)
            return
        codec, frame = item
        for part in unfold(frame):
            if part.data:
                self._forward(codec, part)


@dataclass(slots=True, eq=False)
class _Member:
    number: int
    pc: RTCPeerConnection
    tracks: dict[_Slot, _ForwardTrack] = field(default_factory=dict)
    receivers: dict[_Slot, RTCRtpReceiver] = field(default_factory=dict)
    codecs: dict[_Slot, str] = field(default_factory=dict)
    asked: dict[_Slot, float] = field(default_factory=dict)  # when a key frame was last asked for, loop time
    connected: bool = False


class Hop:
    """One room. `forwarded` and `dropped` count frames by the member that sent them and their kind.

    `tap(member, kind, codec, data, timestamp)` sees every frame as it came; codec is "opus", "vp8" or "h264", the
    timestamp counts from the source's first frame in ticks of 48 kHz (audio) or 90 kHz (video).
    `rewrite(member, kind, codec, data)` returns the bytes to forward instead, or None to drop the frame.
    """

    def __init__(
        self,
        *,
        tap: Tap | None = None,
        rewrite: Rewrite | None = None,
        jitter: Literal["stock", "low-latency"] = "low-latency",
    ) -> None:
        self.forwarded: Counter[tuple[int, str]] = Counter()
        self.dropped: Counter[tuple[int, str]] = Counter()
        self._tap = tap
        self._rewrite = rewrite
        self._jitter = jitter
        self._members: dict[int, _Member] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepting = asyncio.Lock()
        self._closed = False

    async def accept(self, member: int, offer_sdp: str) -> str:
        """RFC 9429 §5.3: the answer to a member's offer, candidates included. Who was here before is replaced.

        One codec of each kind is answered: the first of the offer that can be forwarded, or the one that the other
        member uses already. MalformedMessage for an offer that is none, PeerIncompatible for codecs that do not meet,
        PeerMisbehaved for a third member, ApiMisuse after `close`.
        """
        async with self._accepting:
            if self._closed:
                raise ApiMisuse("this hop is closed")
            if member not in self._members and len(self._members) >= MEMBERS:
                raise PeerMisbehaved("the room has two members already")
            offer = parse_offer(offer_sdp)
            joining = _Member(member, connection())
            answered = False
            try:
                answer = await self._answer(joining, offer, offer_sdp)
                await self.leave(member)
                self._members[member] = joining
                answered = True
            finally:
                if not answered:
                    await close(joining.pc)
            return answer

    @property
    def members(self) -> frozenset[int]:
        """Who is here, connected or about to be."""
        return frozenset(self._members)

    async def leave(self, member: int) -> None:
        """Close a member's connection and forget it; harmless for one that is not here."""
        leaving = self._members.pop(member, None)
        if leaving is not None:
            await close(leaving.pc)

    async def close(self) -> None:
        """Close both connections. Nobody is accepted afterwards; a second close does nothing."""
        self._closed = True
        for member in list(self._members):
            await self.leave(member)
        await asyncio.gather(*self._tasks)

    def slip(self, to: int, kind: str, data: bytes) -> bool:
        """Send `data` as one more frame on the first track of `kind` to member `to`; False if that cannot be now."""
        member = self._members.get(to)
        track = member.tracks.get((kind, 0)) if member is not None and member.connected else None
        return track is not None and track.slip(data)

    async def _answer(self, joining: _Member, offer: SessionDescription, offer_sdp: str) -> str:
        pc = joining.pc
        numbers: Counter[str] = Counter()
        for media in offer.media:
            if media.kind in CODECS:
                slot = (media.kind, numbers[media.kind])
                numbers[media.kind] += 1
                self._prepare(joining, slot, media)
        pc.on("connectionstatechange", lambda: self._state_changed(joining))
        try:
            await pc.setRemoteDescription(RTCSessionDescription(sdp=offer_sdp, type="offer"))
            await pc.setLocalDescription(await pc.createAnswer())
        except BAD_DESCRIPTION as error:
            raise MalformedMessage(f"the offer cannot be answered: {error}", path="sdp") from error
        return str(pc.localDescription.sdp)

    def _prepare(self, joining: _Member, slot: _Slot, media: MediaDescription) -> None:
        """One transceiver that is ready before aiortc matches it to this line of the offer."""
        kind = slot[0]
        codec = joining.codecs[slot] = self._choose_codec(joining, slot, media)
        track = joining.tracks[slot] = _ForwardTrack(kind)
        transceiver = joining.pc.addTransceiver(track)
        transceiver.setCodecPreferences(capabilities(kind, codec))
        receiver = joining.receivers[slot] = transceiver.receiver

        def forward(codec: RTCRtpCodecParameters, frame: JitterFrame) -> None:
            self._forward(joining, slot, codec.name.lower(), frame)

        setattr(receiver, names.DECODER_QUEUE, _FrameQueue(forward))
        setattr(transceiver.sender, names.SEND_KEYFRAME, lambda: self._ask_key_frame(joining.number, slot))
        if self._jitter == "low-latency":
            setattr(receiver, names.JITTER_BUFFER, low_latency(kind, lambda _: codec.upper()))

    def _choose_codec(self, joining: _Member, slot: _Slot, media: MediaDescription) -> str:
        offered = [codec.name.lower() for codec in media.rtp.codecs]
        other = self._other(joining.number)
        wanted = (other.codecs[slot],) if other is not None and slot in other.codecs else CODECS[slot[0]]
        for codec in offered:
            if codec in wanted:
                return codec
        raise PeerIncompatible(f"the offer has no {slot[0]} codec of: {', '.join(wanted)}")

    def _other(self, member: int) -> _Member | None:
        return next((other for number, other in self._members.items() if number != member), None)

    def _forward(self, source: _Member, slot: _Slot, codec: str, frame: JitterFrame) -> None:
        member, kind, data = source.number, slot[0], frame.data
        if self._tap is not None:
            self._tap(member, kind, codec, data, frame.timestamp)
        other = self._other(member)
        track = other.tracks.get(slot) if other is not None and other.connected else None
        rewritten: bytes | None = data
        if track is not None and self._rewrite is not None:
            rewritten = self._rewrite(member, kind, codec, data)
        if track is not None and rewritten and track.push(source, rewritten, frame.timestamp):
            self.forwarded[member, kind] += 1
        else:
            self.dropped[member, kind] += 1

    def _state_changed(self, member: _Member) -> None:
        state = member.pc.connectionState
        member.connected = state == "connected"
        if member.connected:
            for slot in member.tracks:
                self._ask_key_frame(member.number, slot)
        elif state in ("closed", "failed") and self._members.get(member.number) is member:
            self._spawn(self.leave(member.number))

    def _ask_key_frame(self, for_member: int, slot: _Slot) -> None:
        """Ask the other member for a key frame on behalf of `for_member`; too early a request is put off."""
        source = self._other(for_member)
        if slot[0] != "video" or source is None or slot not in source.receivers:
            return
        loop = asyncio.get_running_loop()
        due = source.asked.get(slot, float("-inf")) + KEY_FRAME_INTERVAL
        if due <= (now := loop.time()):
            source.asked[slot] = now
            self._spawn(_send_pli(source.receivers[slot]))
        elif now >= due - KEY_FRAME_INTERVAL:  # none is put off yet
            source.asked[slot] = due
            loop.call_at(due, self._ask_again, source, slot)

    def _ask_again(self, source: _Member, slot: _Slot) -> None:
        if self._members.get(source.number) is source:
            self._spawn(_send_pli(source.receivers[slot]))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _send_pli(receiver: RTCRtpReceiver) -> None:
    """RFC 4585 §6.3.1: a picture loss indication to whoever sends to this receiver."""
    for source in receiver.getSynchronizationSources():
        await receiver._send_rtcp_pli(source.source)

"""One person's media: the connection, the guard that seals it, what is played into it and what comes out of it."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import time
from collections.abc import Callable

from aiortc import MediaStreamTrack, RTCDataChannel, RTCIceCandidate, RTCPeerConnection, RTCRtpSender
from aiortc.codecs import is_rtx
from aiortc.mediastreams import MediaStreamError
from aiortc.sdp import candidate_from_sdp

from e2ecall.call.epochs import FrameKeys
from e2ecall.call.messages import Candidate
from e2ecall.demo.child import Child
from e2ecall.demo.medialog import MediaLog
from e2ecall.errors import E2ECallError, MalformedMessage, PeerMisbehaved, TransportFailed
from e2ecall.handshake import Profile, TransportMode
from e2ecall.media import binding
from e2ecall.media.aiortc_plugin import protect
from e2ecall.media.data_channel import control_channel
from e2ecall.media.events import MediaEvent, StreamStopped, StreamUnreadable
from e2ecall.media.rtc import apply_description, close, connection
from e2ecall.media.tracks import tracks_of
from e2ecall.media.transform import StreamStats
from e2ecall.relay.client import RelayClient

__all__ = ["MediaSide"]

CLOSE_SECONDS = 5.0
CANDIDATES = 64


class MediaSide:
    """A connection with its tracks; `fail` is told the first thing that goes wrong with it."""

    def __init__(self, child: Child, peer: str, profile: Profile, fail: Callable[[E2ECallError], None]) -> None:
        """`profile` is what this side says of itself; errors as of `Settings.source` and `MediaLog`."""
        self.heard = asyncio.Event()
        """Set when the first frame of the other side was decoded."""
        self._child = child
        self._profile = profile
        self._fail = fail
        self._over = False
        self._log = MediaLog(child.settings, child.who, fail)
        self._candidates: asyncio.Queue[str] = asyncio.Queue(CANDIDATES)
        self._decoded = {"audio": 0, "video": 0}
        self._playing: list[asyncio.Task[None]] = []
        self._began = time.monotonic()
        self._cpu_before = time.process_time()
        self._connection = connection()
        self._guard = protect(
            self._connection,
            who=peer,
            jitter="low-latency",
            on_event=self._tell_event,
            on_sealed=self._log.on_sealed,
            on_opened=self._log.on_opened,
        )
        self._connection.on("track", self._watch)
        self._connection.on("connectionstatechange", self._state_changed)
        source = child.settings.source(child.who)
        self._tracks = [track for track in tracks_of(source, on_picture=self._log.on_picture) if track is not None]
        for track in self._tracks:
            sender = self._connection.addTrack(track)
            if track.kind == "video":
                _prefer(self._connection, sender, child.settings.codec)

    # -- before the keys ------------------------------------------------------------------------------------------

    def control_channel(self) -> RTCDataChannel:
        """The data channel for the call's messages; before the offer or the answer."""
        return control_channel(self._connection)

    async def offer(self) -> Profile:
        """The profile of a caller who wants the media to go directly: it binds the offer."""
        await self._connection.setLocalDescription(await self._connection.createOffer())
        return self._direct_profile()

    async def answer(self, theirs: Profile) -> Profile:
        """The profile of the callee: it binds the answer to the offer in `theirs`."""
        await apply_description(self._connection, binding.bind(theirs), "offer")
        return self._direct_profile()

    def _direct_profile(self) -> Profile:
        sdp, _ = binding.without_candidates(self._connection.localDescription.sdp)
        mine = self._profile
        return Profile(
            TransportMode.DIRECT, binding.fingerprints(sdp), sdp, name=mine.name, encryption_key=mine.encryption_key
        )

    # -- with the keys --------------------------------------------------------------------------------------------

    def begin(self, keys: FrameKeys) -> None:
        """From here the frames are sealed, and the times are counted."""
        self._began, self._cpu_before = time.monotonic(), time.process_time()
        self._guard.install(keys)

    async def connect_relayed(self, client: RelayClient) -> None:
        """To the relay's forwarder."""
        await self._connection.setLocalDescription(await self._connection.createOffer())
        answer = await client.media(self._connection.localDescription.sdp)
        await apply_description(self._connection, answer, "answer")

    async def take_answer(self, theirs: Profile) -> None:
        """The caller's, directly: the answer as it was bound."""
        await apply_description(self._connection, binding.bind(theirs), "answer")

    def candidates(self) -> list[Candidate]:
        """This side's addresses, and the end of them."""
        _, own = binding.without_candidates(self._connection.localDescription.sdp)
        return [Candidate(self._mid, candidate) for candidate in (*own, "")]

    def offer_candidate(self, line: str) -> None:
        """One of the other side's."""
        try:
            self._candidates.put_nowait(line)
        except asyncio.QueueFull:
            self._fail(PeerMisbehaved("more candidates than any host has addresses"))

    async def take_candidates(self) -> None:
        """Until the other side has no more."""
        while line := await self._candidates.get():
            await self._connection.addIceCandidate(_candidate(line, self._mid))
        await self._connection.addIceCandidate(None)

    def ask_key_frames(self) -> None:
        """Let the encoders begin anew: the other side cannot open what came before."""
        self._guard.ask_key_frames()

    @property
    def _mid(self) -> str:
        return self._connection.getTransceivers()[0].mid or "0"

    # -- the end --------------------------------------------------------------------------------------------------

    def stop_tracks(self) -> None:
        """Play nothing more into the call."""
        self._over = True
        for track in self._tracks:
            track.stop()
            if track.error is not None:
                self._fail(track.error)

    async def close(self) -> None:
        """Close the connection and tell the last counts."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(close(self._connection), CLOSE_SECONDS)
        for task in self._playing:
            task.cancel()
        await asyncio.gather(*self._playing, return_exceptions=True)
        self.tell_stats("final")

    def save(self) -> None:
        """Write down what came; errors as of `MediaLog.save`."""
        self._log.save()

    def tell_stats(self, event: str) -> None:
        """All counts so far."""
        sent, received = self._guard.sent(), self._guard.received()
        self._child.tell(
            event,
            sent=[_plain(stats) for stats in sent],
            received=[_plain(stats) for stats in received],
            decoded=dict(self._decoded),
            elapsed=time.monotonic() - self._began,
            cpu=time.process_time() - self._cpu_before,
            sealing=sum(stats.seconds for stats in sent),
            opening=sum(stats.seconds for stats in received),
        )

    # -- inside ---------------------------------------------------------------------------------------------------

    def _watch(self, track: MediaStreamTrack) -> None:
        self._playing.append(asyncio.create_task(self._play(track)))

    async def _play(self, track: MediaStreamTrack) -> None:
        """What a window and a loudspeaker would take: every decoded frame, counted."""
        with contextlib.suppress(MediaStreamError):
            while True:
                await track.recv()
                self.heard.set()
                self._decoded[track.kind] += 1
                if self._decoded[track.kind] == 1:
                    self._child.tell("first", kind=track.kind, ms=(time.monotonic() - self._began) * 1000)

    def _state_changed(self) -> None:
        state = self._connection.connectionState
        self._child.tell("connection", state=state)
        if state == "failed" and not self._over:
            self._fail(TransportFailed("the media connection failed", hint="is UDP on this host blocked?"))

    def _tell_event(self, event: MediaEvent) -> None:
        if isinstance(event, StreamUnreadable):
            self._child.tell("unreadable", kind=event.kind, reason=event.reason, cause=event.cause, advice=event.advice)
        elif isinstance(event, StreamStopped):
            self._child.tell("stopped", kind=event.kind, reason=event.reason, detail=event.detail)


def _prefer(pc: RTCPeerConnection, sender: RTCRtpSender, codec: str) -> None:
    """Offer `codec` alone, with its retransmissions."""
    wanted = f"video/{codec}".lower()
    codecs = [c for c in RTCRtpSender.getCapabilities("video").codecs if c.mimeType.lower() == wanted or is_rtx(c)]
    next(t for t in pc.getTransceivers() if t.sender is sender).setCodecPreferences(codecs)


def _candidate(line: str, mid: str) -> RTCIceCandidate:
    try:
        candidate = candidate_from_sdp(line.removeprefix("candidate:"))
        ipaddress.ip_address(candidate.ip)  # a name would be looked up, and tell somebody
        usable = 0 < candidate.port < 1 << 16
    except (ValueError, AssertionError, IndexError):
        usable = False
    if not usable:
        raise MalformedMessage("a candidate cannot be used", path="control.candidate")
    candidate.sdpMid = mid
    return candidate


def _plain(stats: StreamStats) -> dict[str, object]:
    return {
        "kind": stats.kind,
        "codec": stats.codec,
        "kid": stats.kid,
        "frames": stats.frames,
        "bytes": stats.bytes,
        "seconds": stats.seconds,
        "rejected": {reason.value: count for reason, count in stats.rejected.items()},
    }

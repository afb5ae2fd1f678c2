"""Alice or Bob: a process that joins the room, runs the exchange, and holds the call until its time is over."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import time
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from aiortc import MediaStreamTrack, RTCIceCandidate, RTCPeerConnection, RTCRtpSender
from aiortc.codecs import is_rtx
from aiortc.mediastreams import MediaStreamError
from aiortc.sdp import candidate_from_sdp

from e2ecall.call.epochs import FrameKeys, Role
from e2ecall.call.events import CallEnded, EpochChanged, IncomingCall, MessageRefused, PeerSaid
from e2ecall.call.messages import Candidate
from e2ecall.call.one_to_one import CallEstablished, Event, OneToOne
from e2ecall.crypto.rng import SystemRng
from e2ecall.demo.child import Child
from e2ecall.demo.medialog import MediaLog
from e2ecall.demo.settings import Attack
from e2ecall.errors import E2ECallError, MalformedMessage, PeerMisbehaved, TransportFailed
from e2ecall.handshake import Profile, TransportMode
from e2ecall.identity import fresh_identity
from e2ecall.media import binding
from e2ecall.media.aiortc_plugin import Guard, protect
from e2ecall.media.events import MediaEvent, StreamStopped, StreamUnreadable
from e2ecall.media.rtc import apply_description, close, connection, loopback_only
from e2ecall.media.tracks import AudioTrack, VideoTrack, tracks_of
from e2ecall.media.transform import StreamStats
from e2ecall.relay.client import RelayClient, connect
from e2ecall.relay.driver import CallDriver
from e2ecall.relay.messages import Delivered, Left
from e2ecall.sas import digits, emoji
from e2ecall.secret import SecretBytes
from e2ecall.sframe import CipherSuite

__all__ = ["hold_call"]

EXCHANGE_SECONDS = 20.0
CONNECT_SECONDS = 20.0
DRAIN_SECONDS = 0.8
STATS_SECONDS = 0.5
BYE_SECONDS = 5.0
CLOSE_SECONDS = 5.0
CANDIDATES = 64

T = TypeVar("T")


async def hold_call(child: Child) -> None:
    """The whole life of one person's process; ends by returning, or by an E2ECallError with partial results kept."""
    with loopback_only():
        async with connect(child.settings.relay, child.settings.room) as client:
            person = Person(child, client)
            try:
                await person.live()
            finally:
                await person.leave()


@dataclass(slots=True)
class _Connected:
    """The media connection and what guards it."""

    pc: RTCPeerConnection
    guard: Guard
    tracks: list[AudioTrack | VideoTrack]


class Person:
    """One side of the call, on real IO."""

    def __init__(self, child: Child, client: RelayClient) -> None:
        self._child = child
        self._settings = child.settings
        self._client = client
        self._peer = {"alice": "Bob", "bob": "Alice"}[child.who]
        self._name = child.who.capitalize()
        self._driver: CallDriver | None = None
        loop = asyncio.get_running_loop()
        self._incoming: asyncio.Future[IncomingCall] = loop.create_future()
        self._established: asyncio.Future[CallEstablished] = loop.create_future()
        self._failure: asyncio.Future[E2ECallError] = loop.create_future()
        self._over = asyncio.Event()
        self._candidates: asyncio.Queue[str] = asyncio.Queue(CANDIDATES)
        self._log = MediaLog(child.settings, child.who, self._fail)
        self._media: _Connected | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._decoded = {"audio": 0, "video": 0}
        self._began = 0.0
        self._cpu_before = 0.0
        self._exchange_cpu = 0.0

    # -- the course of a call -------------------------------------------------------------------------------------

    async def live(self) -> None:
        """Exchange, media, time, hang up."""
        self._child.tell("waiting" if self._client.waits else "calling", pid=os.getpid())
        direct = self._settings.path == "direct"
        established = await (self._exchange_direct() if direct else self._exchange_relayed())
        self._begin(established)
        keys = self._frame_keys(established)
        await (self._connect_direct(established, keys) if direct else self._connect_relayed(keys))
        self._tasks.append(asyncio.create_task(self._report()))
        await self._hold()
        await self._hang_up(established.role)

    async def leave(self) -> None:
        """Whatever happened: stop the media, write down what there is, leave the room."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            if self._media is not None:
                self._stop_tracks()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(close(self._media.pc), CLOSE_SECONDS)
                self._tell_stats("final")
            with contextlib.suppress(TransportFailed):
                if self._driver is not None:
                    self._driver.call.end()
                    await self._driver.flush()
        finally:
            self._log.save()

    # -- the exchange ---------------------------------------------------------------------------------------------

    async def _exchange_relayed(self) -> CallEstablished:
        await self._start_exchange(Profile(name=self._name))
        if self._client.waits:
            await self._until(self._incoming, EXCHANGE_SECONDS, "call")
            await self._accept(Profile(name=self._name))
        return await self._until(self._established, EXCHANGE_SECONDS, "proof")

    async def _exchange_direct(self) -> CallEstablished:
        media = self._media = self._open_connection()
        if not self._client.waits:
            await media.pc.setLocalDescription(await media.pc.createOffer())
            await self._start_exchange(self._direct_profile(media))
        else:
            await self._start_exchange(Profile(name=self._name))
            incoming = await self._until(self._incoming, EXCHANGE_SECONDS, "call")
            await apply_description(media.pc, binding.bind(incoming.profile), "offer")
            await self._accept(self._direct_profile(media))
        return await self._until(self._established, EXCHANGE_SECONDS, "proof")

    async def _start_exchange(self, profile: Profile) -> None:
        """Listen; and call, unless this side was first in the room."""
        rng = SystemRng()
        call = OneToOne(fresh_identity(rng), rng, profile)
        driver = self._driver = CallDriver(call, self._client.post, self._handle)
        if not self._client.waits:
            with self._exchange_clock():
                call.call(driver.now)
        self._tasks += [asyncio.create_task(self._listen(driver)), asyncio.create_task(self._keep_time(driver))]

    async def _accept(self, profile: Profile) -> None:
        assert self._driver is not None
        with self._exchange_clock():
            await self._driver.accept(profile)

    @contextlib.contextmanager
    def _exchange_clock(self) -> Iterator[None]:
        before = time.process_time()
        yield
        self._exchange_cpu += time.process_time() - before

    def _direct_profile(self, media: _Connected) -> Profile:
        sdp, _ = binding.without_candidates(media.pc.localDescription.sdp)
        return Profile(TransportMode.DIRECT, binding.fingerprints(sdp), sdp, name=self._name)

    async def _listen(self, driver: CallDriver) -> None:
        """Everything the relay brings, until the connection to it ends."""
        try:
            await driver.flush()
            async for event in self._client.events():
                if isinstance(event, Delivered):
                    with self._exchange_clock():
                        await driver.receive(event.data)
                elif isinstance(event, Left) and not self._over.is_set():
                    self._fail(TransportFailed(f"{self._peer} is gone", hint="the other process ended or was killed"))
        except E2ECallError as error:
            if not self._over.is_set():
                self._fail(error)

    async def _keep_time(self, driver: CallDriver) -> None:
        """Repetitions, heartbeats, rekeys."""
        try:
            await driver.run()
        except E2ECallError as error:
            if not self._over.is_set():
                self._fail(error)

    def _handle(self, event: Event) -> None:
        if isinstance(event, IncomingCall) and not self._incoming.done():
            self._child.tell("ringing", name=event.profile.shown_name)
            self._incoming.set_result(event)
        elif isinstance(event, CallEstablished) and not self._established.done():
            self._established.set_result(event)
        elif isinstance(event, PeerSaid) and isinstance(event.message, Candidate):
            self._offer_candidate(event.message.line)
        elif isinstance(event, EpochChanged) and self._media is not None:
            self._media.guard.ask_key_frames()
            self._child.tell("rekeyed", epoch=event.epoch)
        elif isinstance(event, MessageRefused):
            self._child.tell("refused", reason=str(event.error))
            if event.fatal:
                self._fail(event.error)
        elif isinstance(event, CallEnded):
            self._over.set()
            if not event.authenticated:
                self._fail(TransportFailed(event.message))

    def _offer_candidate(self, line: str) -> None:
        try:
            self._candidates.put_nowait(line)
        except asyncio.QueueFull:
            self._fail(PeerMisbehaved("more candidates than any host has addresses"))

    def _begin(self, established: CallEstablished) -> None:
        self._began, self._cpu_before = time.monotonic(), time.process_time()
        result = established.result
        four = emoji(result.sas)
        self._child.tell(
            "established",
            role=established.role,
            peer=result.peer_profile.shown_name,
            suite=result.suite.name,
            post_quantum=result.suite.post_quantum,
            emoji=[each.char for each in four],
            shown=[each.display for each in four],
            names=[each.name("en") for each in four],
            digits=digits(result.sas),
            exchange_cpu_ms=self._exchange_cpu * 1000,
        )

    def _frame_keys(self, established: CallEstablished) -> FrameKeys:
        if self._settings.attack is Attack.WRONG_KEY and self._child.who == "bob":
            wrong = SecretBytes(SystemRng().draw("wrong key", 32))
            return FrameKeys(wrong, established.role, CipherSuite(established.result.frame_suite), who=self._peer)
        return established.frame_keys(self._peer)

    # -- the media ------------------------------------------------------------------------------------------------

    def _open_connection(self) -> _Connected:
        pc = connection()
        guard = protect(
            pc,
            who=self._peer,
            jitter="low-latency",
            on_event=self._media_event,
            on_sealed=self._log.on_sealed,
            on_opened=self._log.on_opened,
        )
        pc.on("track", self._watch)
        pc.on("connectionstatechange", lambda: self._connection_changed(pc))
        source = self._settings.source(self._child.who)
        tracks = [track for track in tracks_of(source, on_picture=self._log.on_picture) if track is not None]
        for track in tracks:
            sender = pc.addTrack(track)
            if track.kind == "video":
                _prefer(pc, sender, self._settings.codec)
        return _Connected(pc, guard, tracks)

    async def _connect_relayed(self, keys: FrameKeys) -> None:
        media = self._media = self._open_connection()
        media.guard.install(keys)
        await media.pc.setLocalDescription(await media.pc.createOffer())
        answer = await self._until(self._client.media(media.pc.localDescription.sdp), CONNECT_SECONDS, "answer")
        await apply_description(media.pc, answer, "answer")

    async def _connect_direct(self, established: CallEstablished, keys: FrameKeys) -> None:
        media, driver = self._media, self._driver
        assert media is not None
        assert driver is not None
        media.guard.install(keys)
        if established.role is Role.CALLER:
            await apply_description(media.pc, binding.bind(established.result.peer_profile), "answer")
        _, own = binding.without_candidates(media.pc.localDescription.sdp)
        mid = media.pc.getTransceivers()[0].mid or "0"
        for candidate in (*own, ""):
            driver.call.send(Candidate(mid, candidate))
        await driver.flush()
        await self._until(self._take_candidates(media.pc, mid), CONNECT_SECONDS, "end of candidates")

    async def _take_candidates(self, pc: RTCPeerConnection, mid: str) -> None:
        while line := await self._candidates.get():
            await pc.addIceCandidate(_candidate(line, mid))
        await pc.addIceCandidate(None)

    def _watch(self, track: MediaStreamTrack) -> None:
        self._tasks.append(asyncio.create_task(self._play(track)))

    async def _play(self, track: MediaStreamTrack) -> None:
        """What a window and a loudspeaker would take: every decoded frame, counted."""
        with contextlib.suppress(MediaStreamError):
            while True:
                await track.recv()
                self._decoded[track.kind] += 1
                if self._decoded[track.kind] == 1:
                    self._child.tell("first", kind=track.kind, ms=(time.monotonic() - self._began) * 1000)

    def _connection_changed(self, pc: RTCPeerConnection) -> None:
        self._child.tell("connection", state=pc.connectionState)
        if pc.connectionState == "failed" and not self._over.is_set():
            self._fail(TransportFailed("the media connection failed", hint="is UDP on this host blocked?"))

    def _media_event(self, event: MediaEvent) -> None:
        if isinstance(event, StreamUnreadable):
            self._child.tell("unreadable", kind=event.kind, reason=event.reason, cause=event.cause, advice=event.advice)
        elif isinstance(event, StreamStopped):
            self._child.tell("stopped", kind=event.kind, reason=event.reason, detail=event.detail)

    async def _hold(self) -> None:
        """The call itself: until its time is over, somebody hangs up, or something fails."""
        ends = {asyncio.create_task(self._over.wait()), asyncio.create_task(self._child.stop.wait())}
        waiting: set[asyncio.Future[Any]] = {*ends, self._failure}
        await asyncio.wait(waiting, timeout=self._settings.duration, return_when=asyncio.FIRST_COMPLETED)
        for task in ends:
            task.cancel()
        self._raise_failure()

    # -- the end --------------------------------------------------------------------------------------------------

    async def _hang_up(self, role: Role) -> None:
        """Stop sending, let what is under way arrive, then the caller says bye and the callee hears it."""
        self._stop_tracks()
        await asyncio.sleep(DRAIN_SECONDS)
        self._raise_failure()
        if role is Role.CALLER:
            self._over.set()
            assert self._driver is not None
            self._driver.call.end()
            await self._driver.flush()
        else:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), BYE_SECONDS)
            self._over.set()

    def _raise_failure(self) -> None:
        if self._failure.done():
            raise self._failure.result()

    def _stop_tracks(self) -> None:
        for track in self._media.tracks if self._media is not None else ():
            track.stop()
            if track.error is not None:
                self._fail(track.error)

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(STATS_SECONDS)
            self._tell_stats("stats")

    def _tell_stats(self, event: str) -> None:
        assert self._media is not None
        guard = self._media.guard
        sent, received = guard.sent(), guard.received()
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

    def _fail(self, error: E2ECallError) -> None:
        """From any thread's callback on the loop: the first failure ends the call, with partial results."""
        if not self._failure.done():
            self._failure.set_result(error)

    async def _until(self, work: Awaitable[T], seconds: float, what: str) -> T:
        """What `work` gives; or the failure that came first; or TransportFailed when it takes too long."""
        task = asyncio.ensure_future(work)
        stop = asyncio.create_task(self._child.stop.wait())
        waiting: set[asyncio.Future[Any]] = {task, self._failure, stop}
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if self._failure.done():
            task.cancel()
            raise self._failure.result()
        if task.done():
            return task.result()
        task.cancel()
        raise TransportFailed("stopped" if self._child.stop.is_set() else f"no {what} from the other side")


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

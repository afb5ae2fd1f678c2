"""Alice or Bob: a process that joins the room, runs the exchange, and holds the call until its time is over."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Coroutine, Iterator
from typing import Any, TypeVar

from e2ecall.call.epochs import FrameKeys
from e2ecall.call.events import CallEnded, EpochChanged, IncomingCall, MessageRefused, PeerSaid
from e2ecall.call.messages import Candidate
from e2ecall.call.one_to_one import CallEstablished, Event, OneToOne
from e2ecall.crypto.rng import SystemRng
from e2ecall.demo.ceremony import Ceremony
from e2ecall.demo.child import Child
from e2ecall.demo.media_side import MediaSide
from e2ecall.demo.settings import Attack
from e2ecall.errors import E2ECallError, TransportFailed
from e2ecall.handshake import Profile, Role
from e2ecall.media.data_channel import carry
from e2ecall.media.rtc import loopback_only
from e2ecall.relay.client import RelayClient, connect
from e2ecall.relay.driver import CallDriver, Post
from e2ecall.relay.messages import Delivered, Left
from e2ecall.sas import digits, emoji
from e2ecall.secret import SecretBytes
from e2ecall.sframe import CipherSuite

__all__ = ["hold_call"]

EXCHANGE_SECONDS = 20.0
CONNECT_SECONDS = 20.0
COMPARE_SECONDS = 20.0
DRAIN_SECONDS = 0.8
STATS_SECONDS = 0.5
BYE_SECONDS = 5.0

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


class Person:
    """One side of the call, on real IO."""

    def __init__(self, child: Child, client: RelayClient) -> None:
        self._child = child
        self._settings = child.settings
        self._client = client
        name = child.who.capitalize()
        self._peer = {"alice": "Bob", "bob": "Alice"}[child.who]
        self._ceremony = Ceremony(child, name, self._peer)
        self._profile = Profile(name=name, encryption_key=self._ceremony.device.encryption_key)
        loop = asyncio.get_running_loop()
        self._incoming: asyncio.Future[IncomingCall] = loop.create_future()
        self._established: asyncio.Future[CallEstablished] = loop.create_future()
        self._failure: asyncio.Future[E2ECallError] = loop.create_future()
        self._over = asyncio.Event()
        self._media = MediaSide(child, self._peer, self._profile, self._fail)
        self._call_driver: CallDriver | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._exchange_cpu = 0.0

    # -- the course of a call -------------------------------------------------------------------------------------

    async def live(self) -> None:
        """Exchange, media, time, hang up."""
        self._child.tell("waiting" if self._client.waits else "calling", pid=os.getpid())
        direct = self._settings.path == "direct"
        established = await (self._exchange_direct() if direct else self._exchange_relayed())
        self._tell_established(established)
        call = self._driver.call
        self._ceremony.meet(established, (call.openings, call.answers))
        if (stopped := self._ceremony.stopped) is not None:
            await self._halt(f"no media to this key: {stopped}")
        else:
            self._media.begin(self._frame_keys(established))
            await (self._connect_direct(established) if direct else self._connect_relayed())
            self._start(self._report())
            if established.role is Role.CALLER and self._settings.attack is not Attack.WRONG_KEY:
                self._start(self._rekey())
            await self._hold()
            await self._hang_up(established.role)
        self._ceremony.tell_kept()

    async def leave(self) -> None:
        """Whatever happened: stop the media, write down what there is, leave the room."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            self._media.stop_tracks()
            await self._media.close()
            if self._call_driver is not None:
                with contextlib.suppress(TransportFailed):
                    self._driver.call.end()
                    await self._driver.flush()
        finally:
            self._media.save()

    # -- the exchange ---------------------------------------------------------------------------------------------

    async def _exchange_relayed(self) -> CallEstablished:
        await self._start_exchange(self._profile)
        if self._client.waits:
            await self._until(self._incoming, EXCHANGE_SECONDS, "call")
            await self._accept(self._profile)
        return await self._until(self._established, EXCHANGE_SECONDS, "proof")

    async def _exchange_direct(self) -> CallEstablished:
        channel = self._media.control_channel()
        if not self._client.waits:
            await self._start_exchange(await self._media.offer())
        else:
            await self._start_exchange(self._profile)
            incoming = await self._until(self._incoming, EXCHANGE_SECONDS, "call")
            await self._accept(await self._media.answer(incoming.profile))
        driver = self._driver
        self._tasks |= carry(channel, receive=driver.receive, move_to=self._move_to, fallback=self._client.post)
        return await self._until(self._established, EXCHANGE_SECONDS, "proof")

    async def _start_exchange(self, profile: Profile) -> None:
        """Listen; and call, unless this side was first in the room."""
        call = OneToOne(self._ceremony.device.signer, SystemRng(), profile)
        driver = self._call_driver = CallDriver(call, self._client.post, self._handle)
        if not self._client.waits:
            with self._exchange_clock():
                call.call(driver.now)
        self._start(self._listen(driver))
        self._start(self._keep_time(driver))

    async def _accept(self, profile: Profile) -> None:
        with self._exchange_clock():
            await self._driver.accept(profile)

    @contextlib.contextmanager
    def _exchange_clock(self) -> Iterator[None]:
        before = time.process_time()
        yield
        self._exchange_cpu += time.process_time() - before

    @property
    def _driver(self) -> CallDriver:
        assert self._call_driver is not None
        return self._call_driver

    async def _move_to(self, post: Post) -> None:
        """The call's messages go another way from now on."""
        await self._driver.move_to(post)
        self._child.tell("moved", to="relay" if post == self._client.post else "data channel")

    async def _listen(self, driver: CallDriver) -> None:
        """Everything the relay brings, until the connection to it ends."""
        with self._failing():
            await driver.flush()
            async for event in self._client.events():
                if isinstance(event, Delivered):
                    with self._exchange_clock():
                        await driver.receive(event.data)
                elif isinstance(event, Left) and not self._over.is_set():
                    self._fail(TransportFailed(f"{self._peer} is gone", hint="the other process ended or was killed"))

    async def _keep_time(self, driver: CallDriver) -> None:
        """Repetitions, heartbeats, rekeys."""
        with self._failing():
            await driver.run()

    def _handle(self, event: Event) -> None:
        if isinstance(event, IncomingCall) and not self._incoming.done():
            self._child.tell("ringing", name=event.profile.shown_name)
            self._incoming.set_result(event)
        elif isinstance(event, CallEstablished) and not self._established.done():
            self._established.set_result(event)
        elif isinstance(event, PeerSaid):
            if isinstance(event.message, Candidate):
                self._media.offer_candidate(event.message.line)
            else:
                self._ceremony.take(event)
        elif isinstance(event, EpochChanged):
            self._media.ask_key_frames()
            self._child.tell("rekeyed", epoch=event.epoch)
        elif isinstance(event, MessageRefused):
            self._child.tell("refused", reason=str(event.error))
            if event.fatal:
                self._fail(event.error)
        elif isinstance(event, CallEnded):
            self._over.set()
            if not event.authenticated:
                self._fail(TransportFailed(event.message))

    def _tell_established(self, established: CallEstablished) -> None:
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

    # -- the media ------------------------------------------------------------------------------------------------

    def _frame_keys(self, established: CallEstablished) -> FrameKeys:
        if self._settings.attack is Attack.WRONG_KEY and self._child.who == "bob":
            wrong = SecretBytes(SystemRng().draw("wrong key", 32))
            return FrameKeys(wrong, established.role, CipherSuite(established.result.frame_suite), who=self._peer)
        return established.frame_keys(self._peer)

    async def _connect_relayed(self) -> None:
        await self._until(self._media.connect_relayed(self._client), CONNECT_SECONDS, "answer")

    async def _connect_direct(self, established: CallEstablished) -> None:
        if established.role is Role.CALLER:
            await self._media.take_answer(established.result.peer_profile)
        for candidate in self._media.candidates():
            self._driver.call.send(candidate)
        await self._driver.flush()
        await self._until(self._media.take_candidates(), CONNECT_SECONDS, "end of candidates")

    # -- the call itself ------------------------------------------------------------------------------------------

    async def _rekey(self) -> None:
        """In the middle of the call, so that it is seen; by itself it would come after ten minutes."""
        await asyncio.sleep(self._settings.duration / 2)
        with self._failing():
            if self._driver.call.established:
                self._driver.call.rekey(self._driver.now)
                await self._driver.flush()

    async def _compare(self) -> None:
        """Compare the emoji as soon as there is something to hear, tell the other side, and stop what is wrong."""
        await self._media.heard.wait()
        if not await self._ceremony.compare():
            await self._halt("the emoji that were compared are different")
        elif (receipt := self._ceremony.receipt()) is not None and self._driver.call.established:
            self._driver.call.send(receipt)
            await self._driver.flush()

    async def _halt(self, why: str) -> None:
        """End at once: no frame is sealed or opened from here on."""
        self._over.set()
        self._driver.call.stop(why)
        self._child.tell("halted", reason=why)
        with contextlib.suppress(TransportFailed):
            await self._driver.flush()

    async def _hold(self) -> None:
        """Until the time is over, somebody hangs up, or something fails; nobody hangs up in the middle of comparing."""
        compare = asyncio.create_task(self._compare())
        over, stop = asyncio.create_task(self._over.wait()), asyncio.create_task(self._child.stop.wait())
        waiting: set[asyncio.Future[Any]] = {over, stop, self._failure}
        try:
            await asyncio.wait(waiting, timeout=self._settings.duration, return_when=asyncio.FIRST_COMPLETED)
            if self._media.heard.is_set():
                waiting = {compare, stop, self._failure}
                await asyncio.wait(waiting, timeout=COMPARE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if compare.done():
                compare.result()
        finally:
            for task in (compare, over, stop):
                task.cancel()
            await asyncio.gather(compare, over, stop, return_exceptions=True)
        self._raise_failure()

    # -- the end --------------------------------------------------------------------------------------------------

    async def _hang_up(self, role: Role) -> None:
        """Stop sending, let what is under way arrive, then the caller says bye and the callee hears it."""
        self._media.stop_tracks()
        await asyncio.sleep(DRAIN_SECONDS)
        self._raise_failure()
        if role is Role.CALLER and not self._over.is_set():
            self._over.set()
            await self._driver.move_to(self._client.post)  # a data channel would end with the bye still in it
            self._driver.call.end()
            await self._driver.flush()
        else:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), BYE_SECONDS)
            self._over.set()

    def _raise_failure(self) -> None:
        if self._failure.done():
            raise self._failure.result()

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(STATS_SECONDS)
            self._media.tell_stats("stats")

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(asyncio.create_task(work))

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        """What goes wrong while the call lasts ends it."""
        try:
            yield
        except E2ECallError as error:
            if not self._over.is_set():
                self._fail(error)

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

"""telegram.7: the media of one call of Telegram's WebRTC profile: ICE, DTLS-SRTP and what is negotiated over them.

    connection = TelegramConnection(Role.CALLER, [microphone], on_track=play)
    await connection.start()
    send each of connection.signals(); await connection.receive(signal) for each that came, and send again
    await connection.connected()

The media is protected by DTLS-SRTP alone: its certificates are vouched for by the fingerprint in InitialSetup, and that
by the packets it came in. So `receive` must get nothing that did not come out of the call's own packet channel.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Final

from aiortc import MediaStreamTrack, RTCIceServer, RTCRtpReceiver, RTCRtpSender
from aiortc.rtcrtpreceiver import RemoteStreamTrack

from e2ecall.errors import ApiMisuse, E2ECallError, PeerMisbehaved, TransportFailed
from e2ecall.handshake import Role
from e2ecall.handshake.telegram.signalling import (
    Candidates,
    InitialSetup,
    MediaContent,
    MediaKind,
    MediaState,
    NegotiateChannels,
    Signal,
    VideoState,
)
from e2ecall.media import telegram_contents as contents
from e2ecall.media.telegram_states import StateChannel
from e2ecall.media.telegram_transport import TelegramTransport, checked_setup

__all__ = ["CONNECT_SECONDS", "MAX_EXCHANGES", "State", "TelegramConnection"]

CONNECT_SECONDS: Final = 20.0
"""How long ICE and DTLS may take together: the libraries give up after the same time."""
MAX_EXCHANGES: Final = 256
"""Offers of the other side in one call; each may begin and end decoders."""


class State(StrEnum):
    """How far a connection is. FAILED and CLOSED are for good."""

    NEW = "new"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    FAILED = "failed"
    CLOSED = "closed"


def _ignore(_: object) -> None:
    pass


class TelegramConnection:
    """telegram.7: this side's end of the media of one call. Made and used on one event loop; `close` it in any case.

    `tracks`: what is sent, at most one of each kind. `on_track` is called with each track of the other side once its
    source is negotiated, `on_media_state` with what the other side says of its microphone and camera. `addresses` are
    the local addresses for ICE, instead of all that this host has. `ice_servers`: none unless named.
    """

    def __init__(
        self,
        role: Role,
        tracks: Iterable[MediaStreamTrack] = (),
        *,
        on_track: Callable[[MediaStreamTrack], object] = _ignore,
        on_state: Callable[[State], object] = _ignore,
        on_media_state: Callable[[MediaState], object] = _ignore,
        addresses: Sequence[str] | None = None,
        ice_servers: Sequence[RTCIceServer] = (),
        timeout: float = CONNECT_SECONDS,
    ) -> None:
        tracks = list(tracks)
        if len({track.kind for track in tracks}) != len(tracks):
            raise ApiMisuse("a call of this profile sends one track of a kind", clause="telegram.7-6")
        self._role = role
        self._on_track, self._on_state, self._on_media_state = on_track, on_state, on_media_state
        self._transport = TelegramTransport(role, addresses=addresses, ice_servers=ice_servers, timeout=timeout)
        self._transport.dtls.on("statechange", self._dtls_changed)
        self._states = StateChannel(self._transport.dtls, role, on_state=self._on_media_state, on_failure=self._fail)
        kinds = {track.kind for track in tracks}
        video = VideoState.ACTIVE if "video" in kinds else VideoState.INACTIVE
        self.announce(MediaState(muted="audio" not in kinds, video_state=video))
        self._senders = {_ssrc(sender): sender for sender in (RTCRtpSender(t, self._transport.dtls) for t in tracks)}
        self._sending: dict[int, MediaContent] = {}
        self._receivers: dict[int, tuple[MediaContent, RTCRtpReceiver]] = {}
        self._outgoing: list[Signal] = []
        self._state = State.NEW
        self._failure: E2ECallError | None = None
        self._settled = asyncio.Event()
        self._receiving = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._remote: InitialSetup | None = None
        self._offer: NegotiateChannels | None = None
        self._own_exchanges: set[int] = set()
        self._exchanges = 0
        self._gathered = False

    @property
    def state(self) -> State:
        """How far it is."""
        return self._state

    @property
    def failure(self) -> E2ECallError | None:
        """Why the state is FAILED: TransportFailed, VerificationFailed for another certificate, MalformedMessage."""
        return self._failure

    def signals(self) -> list[Signal]:
        """What is to be sent to the other side now, in order, each once: look after `start` and each `receive`."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    async def start(self) -> None:
        """telegram.7-1: find the own candidates; the caller then has its setup and its offer to send.

        AddressUnavailable when no address can be listened on. ApiMisuse at a second call.
        """
        if self._gathered or self._state is not State.NEW:
            raise ApiMisuse("a connection is started once", clause="telegram.7-1")
        self._gathered = True
        await self._transport.gather()
        self._change(State.CONNECTING)
        if self._role is Role.CALLER:
            self._outgoing += [self._transport.setup(None), self._transport.candidates()]
            self._make_offer()

    async def receive(self, signal: Signal) -> None:
        """telegram.7-1 to telegram.7-8: one message of the other side, as the packet channel gave it.

        PeerMisbehaved or MalformedMessage for one that may not come; the connection stays as it was before. Unknown
        messages are passed over, and so is everything once the connection has failed or is closed.
        """
        if self._state is State.NEW:
            raise ApiMisuse("start comes before receive", clause="telegram.7-1")
        async with self._receiving:  # one after the other, also where a program has a task for each
            await self._receive(signal)

    async def _receive(self, signal: Signal) -> None:
        if self._state in (State.FAILED, State.CLOSED):
            return
        if isinstance(signal, InitialSetup):
            self._receive_setup(signal)
        elif isinstance(signal, Candidates):
            await self._transport.add(signal.candidates)
        elif isinstance(signal, NegotiateChannels):
            await self._receive_contents(signal)
        elif isinstance(signal, MediaState):
            self._on_media_state(signal)

    def announce(self, state: MediaState) -> None:
        """telegram.7-11: say what this side sends at the moment; at first, what it has tracks for."""
        self._states.say(state)

    async def connected(self) -> None:
        """Until media can flow; the time limit runs from the other side's InitialSetup on. Raises `failure` else."""
        await self._settled.wait()
        if self._failure is not None:
            raise self._failure
        if self._state is State.CLOSED:
            raise TransportFailed("this side closed the connection")

    async def close(self) -> None:
        """End everything, and leave no task, thread or socket behind. A second call does nothing."""
        if self._state is State.CLOSED:
            return
        if self._failure is None:
            self._change(State.CLOSED)
        self._settled.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for sender in self._senders.values():
            await sender.stop()
        for _, receiver in self._receivers.values():
            await receiver.stop()
        await self._states.stop()
        await self._transport.close()
        self._change(State.CLOSED)

    # -- setup ----------------------------------------------------------------------------------------------------

    def _receive_setup(self, setup: InitialSetup) -> None:
        if self._remote is not None:
            if setup != self._remote:
                raise PeerMisbehaved("another InitialSetup in the same call", clause="telegram.7-4")
            return
        self._remote = checked_setup(setup)
        if self._role is Role.CALLEE:
            self._outgoing += [self._transport.setup(setup), self._transport.candidates()]
        self._task = asyncio.get_running_loop().create_task(self._connect(setup))

    async def _connect(self, setup: InitialSetup) -> None:
        broken: E2ECallError | None = TransportFailed("the media library raised what it should not")
        try:
            await self._transport.connect(setup)
            self._change(State.CONNECTED)
            await self._send_agreed()
            await self._states.start()
            broken = None
        except E2ECallError as error:
            broken = error
        except ConnectionError:
            broken = TransportFailed("the other side ended the connection")
        finally:
            if broken is not None:
                self._fail(broken)
            self._settled.set()

    def _dtls_changed(self) -> None:
        if self._transport.dtls.state == "closed" and self._state is State.CONNECTED:
            self._fail(TransportFailed("the other side ended the connection"))

    def _fail(self, error: E2ECallError) -> None:
        if self._state not in (State.FAILED, State.CLOSED):
            self._failure = error
            self._change(State.FAILED)

    def _change(self, state: State) -> None:
        if state is not self._state:
            self._state = state
            self._on_state(state)

    # -- channels -------------------------------------------------------------------------------------------------

    def _make_offer(self) -> None:
        own = tuple(
            contents.offered(MediaKind(sender.kind), ssrc, _repair_ssrc(sender))
            for ssrc, sender in self._senders.items()
        )
        self._offer = NegotiateChannels(secrets.randbelow((1 << 32) - 1) + 1, own)
        self._own_exchanges.add(self._offer.exchange_id)
        self._outgoing.append(self._offer)

    async def _receive_contents(self, message: NegotiateChannels) -> None:
        """telegram.7-6: an answer to this side's offer, or an offer. Of two that cross, the caller's counts."""
        if message.exchange_id in self._own_exchanges:
            if self._offer is not None and message.exchange_id == self._offer.exchange_id:
                await self._receive_answer(self._offer, message)
            return
        if self._offer is not None and self._role is Role.CALLER:
            return
        await self._receive_offer(message)
        if self._role is Role.CALLEE and not self._sending and self._senders:
            self._make_offer()

    async def _receive_answer(self, offer: NegotiateChannels, answer: NegotiateChannels) -> None:
        by_source = {each.ssrc: each for each in offer.contents}
        sending: dict[int, MediaContent] = {}
        for each in answer.contents:
            if each.ssrc not in by_source or each.ssrc in sending:
                raise PeerMisbehaved("the answer takes a source that was not offered", clause="telegram.7-7")
            content = contents.agreed(by_source[each.ssrc], each)
            if content is not None:
                sending[each.ssrc] = content
        self._sending, self._offer = sending, None
        if self._state is State.CONNECTED:
            await self._send_agreed()

    async def _receive_offer(self, offer: NegotiateChannels) -> None:
        self._exchanges += 1
        if self._exchanges > MAX_EXCHANGES:
            raise PeerMisbehaved(f"more than {MAX_EXCHANGES} offers in one call", clause="telegram.7-8")
        own = {ssrc for sender in self._senders.values() for ssrc in (_ssrc(sender), _repair_ssrc(sender))}
        offered = contents.checked_contents(offer.contents, own=own)
        self._offer = None
        taken = [content for each in offered if (content := contents.accepted(each)) is not None]
        await self._receive_sources({each.ssrc: each for each in taken})
        self._outgoing.append(NegotiateChannels(offer.exchange_id, tuple(taken)))

    async def _receive_sources(self, wanted: dict[int, MediaContent]) -> None:
        for ssrc, (content, receiver) in list(self._receivers.items()):
            if wanted.get(ssrc) != content:
                del self._receivers[ssrc]
                await receiver.stop()
        for ssrc, content in wanted.items():
            if ssrc in self._receivers or self._transport.dtls.state == "closed":
                continue
            receiver = RTCRtpReceiver(content.type, self._transport.dtls)
            receiver._track = RemoteStreamTrack(kind=content.type)
            receiver._set_rtcp_ssrc(self._report_ssrc(content.type))
            self._receivers[ssrc] = content, receiver
            await receiver.receive(contents.receive_parameters(content))
            self._on_track(receiver.track)

    def _report_ssrc(self, kind: str) -> int:
        """The source in whose name the reception is reported: the own one of that kind, or any."""
        own = [ssrc for ssrc, sender in self._senders.items() if sender.kind == kind]
        return own[0] if own else secrets.randbelow((1 << 32) - 1) + 1

    async def _send_agreed(self) -> None:
        for ssrc, content in self._sending.items():
            await self._senders[ssrc].send(contents.send_parameters(content, f"{ssrc:08x}"))


def _ssrc(sender: RTCRtpSender) -> int:
    return int(sender._ssrc)


def _repair_ssrc(sender: RTCRtpSender) -> int:
    return int(sender._rtx_ssrc)

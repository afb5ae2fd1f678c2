"""End-to-end frame encryption on an existing aiortc connection: `guard = protect(pc, keys)`, and nothing else changes.

aiortc_names     the private names it rests on, checked at import
aiortc_stream    what the hooks of a connection share
aiortc_send      seals between encoder and packetizer
aiortc_receive   opens between jitter buffer and decoder
events           what the application is told
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from typing import Literal, get_args

from aiortc import RTCPeerConnection, RTCRtpSender, RTCRtpTransceiver
from aiortc.codecs import is_rtx

from e2ecall.call.epochs import FrameKeys
from e2ecall.codecs import layout_for
from e2ecall.errors import ApiMisuse, MediaUnavailable
from e2ecall.media import aiortc_names as names
from e2ecall.media.aiortc_receive import ReceiveHook
from e2ecall.media.aiortc_send import SendHook
from e2ecall.media.aiortc_stream import OnOpened, OnSealed, Session
from e2ecall.media.events import MediaEvent, log_event
from e2ecall.media.jitter import Buffer, low_latency
from e2ecall.media.rtc import E2ECallWarning, asks_public_stun
from e2ecall.media.transform import StreamStats

__all__ = ["Guard", "Jitter", "protect"]

Jitter = Literal["stock", "low-latency"]


def protect(
    pc: RTCPeerConnection,
    keys: FrameKeys | None = None,
    *,
    who: str | None = None,
    on_event: Callable[[MediaEvent], None] | None = None,
    jitter: Jitter = "stock",
    on_sealed: OnSealed | None = None,
    on_opened: OnOpened | None = None,
) -> Guard:
    """media.1: from now on every audio and video frame of `pc` is sealed on its way out and opened on its way in.

    That holds for all senders and receivers, present and later: `addTrack`, `addTransceiver`, those that a remote
    description creates, `replaceTrack`, renegotiation. There is no switch to turn it off again.
    Data channels are not covered: DTLS protects them between this host and the next, nothing end to end.

    Call it on the event loop before media flows. Without `keys` all frames are dropped, on both sides, until
    `Guard.install`. Opus, VP8 and H.264 are sealed; other codecs are left out of the negotiation, and a stream that
    ends up with one anyway is stopped.

    `who` names the other side in events and errors. `on_event` is called on the event loop's thread; without it
    events go to the log `e2ecall.media`. `jitter` chooses aiortc's jitter buffer or the one of `e2ecall.media.jitter`.
    `on_sealed(kind, frame, sealed)` and `on_opened(kind, frame, timestamp)` see every encoded frame in clear, in the
    worker threads; they have to be quick, and an exception in one stops its stream.

    ApiMisuse: not on an event loop, on a closed connection, twice on one connection, or after media has started, when
    frames may have left in clear. E2ECallWarning: the connection would ask aiortc's default, public STUN server.
    """
    if jitter not in get_args(Jitter):
        raise ApiMisuse(f"there is no jitter buffer {jitter!r}", clause="media.1-4")
    if names.CREATE_TRANSCEIVER in vars(pc):
        raise ApiMisuse("this connection is protected already", clause="media.1-4")
    if pc.signalingState == "closed":
        raise ApiMisuse("this connection is closed", clause="media.1-4")
    if any(_started(transceiver) for transceiver in pc.getTransceivers()):
        raise ApiMisuse(
            "media of this connection has started, some of it perhaps in clear",
            clause="media.1-3",
            hint="protect a connection before its offer and answer are exchanged",
        )
    if asks_public_stun(pc):
        message = "this connection asks a public STUN server; pass RTCConfiguration(iceServers=[...]) of your own"
        warnings.warn(message, E2ECallWarning, stacklevel=2)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise ApiMisuse("protect() belongs on the event loop that runs the connection", clause="media.1-4") from None
    session = Session(
        pc,
        keys=keys,
        who=keys.who if who is None and keys is not None else who,
        on_event=on_event or log_event,
        on_sealed=on_sealed,
        on_opened=on_opened,
    )
    return Guard(session, jitter)


class Guard:
    """What `protect` returns: keys go in, counts come out. Its methods belong on the event loop's thread."""

    def __init__(self, session: Session, jitter: Jitter) -> None:
        self._session = session
        self._jitter = jitter
        self._senders: list[SendHook] = []
        self._receivers: list[ReceiveHook] = []
        self._aiortc_create = getattr(session.pc, names.CREATE_TRANSCEIVER)
        setattr(session.pc, names.CREATE_TRANSCEIVER, self._create)
        for transceiver in session.pc.getTransceivers():
            self._hook(transceiver)

    def install(self, keys: FrameKeys) -> None:
        """media.2: seal and open with `keys` from now on, beginning with a key frame. ApiMisuse if keys are there."""
        if self._session.closed:
            raise ApiMisuse("this guard is closed", clause="media.2-4")
        if self._session.keys is not None:
            raise ApiMisuse("keys are installed already", clause="media.2-4")
        if self._session.who is None:
            self._session.who = keys.who
        self._session.keys = keys
        self.ask_key_frames()
        for receiver in self._receivers:
            receiver.ask_key_frame()

    def ask_key_frames(self) -> None:
        """media.2-6: the next picture of every stream that is sent is a whole one; after a change of epoch."""
        for sender in self._senders:
            sender.ask_key_frame()

    @property
    def installed(self) -> bool:
        """Whether there are keys, so that frames can pass at all."""
        return self._session.keys is not None

    def sent(self) -> list[StreamStats]:
        """frame.9-2: a copy of the counts of every stream that was to be sent."""
        return [stats for hook in self._senders for stats in hook.stats()]

    def received(self) -> list[StreamStats]:
        """frame.9-2: a copy of the counts of every stream that came."""
        return [stats for hook in self._receivers for stats in hook.stats()]

    def stats(self) -> list[StreamStats]:
        """`sent` and `received` in one list."""
        return self.sent() + self.received()

    @property
    def empty(self) -> int:
        """How many received frames had no bytes; they are dropped without a reason."""
        return sum(hook.empty for hook in self._receivers)

    def close(self) -> None:
        """Let go of the keys: nothing is sealed, sent, opened or decoded any more, and the tracks end.

        The connection stays as it is, and protected. Harmless after `pc.close()` and a second time.
        """
        self._session.closed = True
        self._session.keys = None
        for hook in self._receivers:
            hook.close()

    def _create(self, *args: object, **kwargs: object) -> RTCRtpTransceiver:
        """Stands in for the one method of RTCPeerConnection that makes senders and receivers."""
        transceiver: RTCRtpTransceiver = self._aiortc_create(*args, **kwargs)
        self._hook(transceiver)
        return transceiver

    def _hook(self, transceiver: RTCRtpTransceiver) -> None:
        self._senders.append(SendHook(self._session, transceiver))
        receiver = ReceiveHook(self._session, transceiver)
        self._receivers.append(receiver)
        if self._session.closed:
            receiver.close()
        if self._jitter == "low-latency":
            setattr(transceiver.receiver, names.JITTER_BUFFER, _buffer(transceiver))
        _leave_out_unsealable(transceiver)


def _started(transceiver: RTCRtpTransceiver) -> bool:
    sender, receiver = transceiver.sender, transceiver.receiver
    return bool(getattr(sender, names.SENDER_STARTED) or getattr(receiver, names.RECEIVER_STARTED))


def _buffer(transceiver: RTCRtpTransceiver) -> Buffer:
    codecs = getattr(transceiver.receiver, names.RECEIVER_CODECS)  # filled when the receiver starts

    def codec_of(payload_type: int) -> str | None:
        codec = codecs.get(payload_type)
        return None if codec is None else codec.name

    return low_latency(transceiver.kind, codec_of)


def _leave_out_unsealable(transceiver: RTCRtpTransceiver) -> None:
    """Negotiate codecs with a layout alone, unless the application has chosen itself.

    Where all are sealable nothing is set: preferences would put this side's order before the offer's.
    """
    if getattr(transceiver, names.PREFERRED_CODECS):
        return
    available = RTCRtpSender.getCapabilities(transceiver.kind).codecs
    sealable = [codec for codec in available if is_rtx(codec) or _has_layout(codec.name)]
    if len(sealable) < len(available):
        transceiver.setCodecPreferences(sealable)


def _has_layout(codec: str) -> bool:
    try:
        layout_for(codec)
    except MediaUnavailable:
        return False
    return True

"""A call of two by Telegram's protocol, without IO: its exchange, then its signalling in packets. As `OneToOne`.

    receive(message, now) -> list[Event]      what an opaque message from the other side means
    handle_timer(now) -> list[Event]          whatever is due; `next_timer(now)` says when to come back
    messages_to_send(now) -> list[bytes]      what to give to the transport in use, each message whole

What a call of this library has and this one has not, because the protocol has no place for it: identities, and with
them contacts, continuity, and a ledger; rekeys; frame keys; an authenticated end. So `call.verification` does not take
it, and `comparison` is all there is: the same one, compared anew in every call.

`call`, `accept` and the messages of the exchange take 20 to 45 ms of a processor each. A program with an event loop
gives them to one thread, as `relay.driver.TelegramDriver` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from e2ecall.call.attempt import Limits
from e2ecall.call.comparison import Comparison
from e2ecall.call.events import AttemptAbandoned, CallEnded, EndReason, MessageRefused, PeerHeard, PeerSilent
from e2ecall.call.inputs import Clock, as_bytes
from e2ecall.call.telegram_attempt import (
    IncomingTelegramCall,
    PeerRinging,
    TelegramAttempt,
    TelegramAttemptEvent,
    TelegramReached,
)
from e2ecall.crypto.rng import Rng
from e2ecall.errors import ApiMisuse, E2ECallError, PeerMisbehaved
from e2ecall.handshake import AbortReason, Role
from e2ecall.handshake.telegram import Group, Kind, TelegramEstablished
from e2ecall.handshake.telegram.channel import PacketChannel
from e2ecall.handshake.telegram.signalling import Signal, build_signal, parse_signal
from e2ecall.sframe.owned import Owned
from e2ecall.wire.control import Channel, in_envelope, open_envelope

__all__ = [
    "LIBRARY_VERSIONS",
    "IncomingTelegramCall",
    "PeerRinging",
    "PeerSignal",
    "TelegramCall",
    "TelegramCallEstablished",
    "TelegramEvent",
]

LIBRARY_VERSIONS: Final = ("9.0.0", "8.0.0")
"""Versions whose signalling is the packets of telegram.4 themselves."""
SILENT_AFTER: Final = 10.0
LOST_AFTER: Final = 60.0


@dataclass(frozen=True, slots=True)
class TelegramCallEstablished:
    """Both sides have the key. Nobody has compared anything yet, and nothing else says who the other side is."""

    role: Role
    version: str
    result: TelegramEstablished


@dataclass(frozen=True, slots=True)
class PeerSignal:
    """telegram.5: a signalling message that came in a packet of this call."""

    signal: Signal


TelegramEvent: TypeAlias = (
    IncomingTelegramCall
    | PeerRinging
    | TelegramCallEstablished
    | PeerSignal
    | PeerSilent
    | PeerHeard
    | MessageRefused
    | AttemptAbandoned
    | CallEnded
)


class TelegramCall(Owned):
    """One side of one call by Telegram's protocol. It is not copied, and over in a forked child."""

    def __init__(
        self,
        rng: Rng,
        group: Group | None = None,
        *,
        versions: Sequence[str] = LIBRARY_VERSIONS,
        limits: Limits | None = None,
        server_random: bytes = b"",
    ) -> None:
        """`group`: the known one by default; `server_random`: 256 bytes that came with it, mixed into the secret."""
        self._rng = rng
        self._attempt = TelegramAttempt(rng, group or Group.known(), versions, limits or Limits(), server_random)
        self._result: TelegramEstablished | None = None
        self._channel: PacketChannel | None = None
        self._comparison: Comparison | None = None
        self._ended = False
        self._clock = Clock()
        self._waiting_since: float | None = None  # for any packet, while something is not acknowledged
        self._silent = False
        self._late = 0
        self.refused = 0
        super().__init__()

    @property
    def ignored(self) -> int:
        """How many messages changed nothing and were not refused: repeated, crossed, or after the end."""
        return self._late + self._attempt.ignored

    @property
    def established(self) -> bool:
        """Whether this side has the key, and the call goes on."""
        return self._result is not None and not self._ended

    @property
    def ended(self) -> bool:
        """Whether the call is over; nothing is sent or taken any more."""
        return self._ended

    @property
    def comparison(self) -> Comparison:
        """verification.3: the one comparison of this call. ApiMisuse before it is established or after it ended."""
        self._live()
        assert self._comparison is not None  # made with the channel
        return self._comparison

    # -- what the person does -------------------------------------------------------------------------------------

    def call(self, now: float) -> None:
        """telegram.6-2: send the request. A second call on the same object is ApiMisuse."""
        self._clock.tell(now)
        self._attempt.call(now)

    def accept(self, now: float) -> list[TelegramEvent]:
        """telegram.6-4: take the call that rings. There is a key once the caller has confirmed, told as an event."""
        self._clock.tell(now)
        self._attempt.accept(now)
        return []

    def end(self, reason: AbortReason = AbortReason.UNSPECIFIED) -> None:
        """telegram.6-6: hang up, with a discard that proves nothing. Harmless when already over."""
        if not isinstance(reason, AbortReason):
            raise ApiMisuse(f"a call does not end with the reason {reason!r}", clause="telegram.6-6")
        if not self._ended:
            self._finish(reason)

    def stop(self, message: str) -> list[TelegramEvent]:
        """End at once because of what was found, as when a comparison failed. Harmless when already over."""
        if self._ended:
            return []
        self._finish(AbortReason.FAILED)
        return [CallEnded(EndReason.STOPPED, message, authenticated=False)]

    def send(self, signal: Signal, *, confirmed: bool = True) -> None:
        """telegram.5-10: queue a signalling message. ApiMisuse before the call is established, or after it ended."""
        self._live().send(build_signal(signal), self._clock.now, confirmed=confirmed)
        self._watch()

    # -- what the network brings ----------------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> list[TelegramEvent]:
        """What one opaque message means. Never raises for what is in it: a refusal is a `MessageRefused`."""
        self._clock.tell(now)
        message = as_bytes(data)
        if self._ended:
            self._late += 1
            return []
        try:
            channel, content = open_envelope(message)
            if channel == Channel.EXCHANGE:
                return self._exchange(self._attempt.receive(content, now))
            if channel == Channel.CONTROL and self._channel is not None:
                return self._signals(self._channel, content, now)
            raise PeerMisbehaved("a message on a channel that is not open", clause="telegram.6-1")
        except E2ECallError as error:
            return [self._refusal(error)]

    def messages_to_send(self, now: float) -> list[bytes]:
        """What is to be given to the transport; each message is given out once."""
        self._clock.tell(now)
        outgoing, self._attempt.outgoing = self._attempt.outgoing, []
        messages = [in_envelope(Channel.EXCHANGE, message) for message in outgoing]
        if self._channel is not None and not self._ended:
            packets = self._channel.packets_to_send(now)
            messages += [in_envelope(Channel.CONTROL, packet) for packet in packets]
        return messages

    # -- what time brings -----------------------------------------------------------------------------------------

    def next_timer(self, now: float) -> float | None:
        """When to call `handle_timer` at the latest; None when nothing is waited for."""
        self._clock.tell(now)
        if self._ended:
            return None
        if self._channel is None:
            return self._attempt.next_timer
        times = [self._channel.next_timer]
        if self._waiting_since is not None:
            times.append(self._waiting_since + (LOST_AFTER if self._silent else SILENT_AFTER))
        due = min(times)
        return due if due < float("inf") else None

    def handle_timer(self, now: float) -> list[TelegramEvent]:
        """Everything that is due: repetitions, time limits, silence. Packets leave by `messages_to_send`."""
        self._clock.tell(now)
        if self._ended:
            return []
        if self._channel is None:
            return self._exchange(self._attempt.handle_timer(now))
        waited = 0.0 if self._waiting_since is None else now - self._waiting_since
        if waited >= LOST_AFTER:
            self._finish(None)
            return [CallEnded(EndReason.LOST, f"nothing came for {waited:.0f} s", authenticated=False)]
        if waited >= SILENT_AFTER and not self._silent:
            self._silent = True
            return [PeerSilent(waited)]
        return []

    def disable_after_fork(self) -> None:
        """telegram.4-4: the call goes on in the process that made it, and there alone."""
        self._ended = True

    # -- inside ---------------------------------------------------------------------------------------------------

    def _live(self) -> PacketChannel:
        if self._channel is None or self._ended:
            raise ApiMisuse("there is no key yet, or no longer", clause="telegram.6-5")
        return self._channel

    def _exchange(self, events: Sequence[TelegramAttemptEvent]) -> list[TelegramEvent]:
        told: list[TelegramEvent] = []
        for event in events:
            if isinstance(event, TelegramReached):
                self._result = result = event.result
                self._channel = PacketChannel(result.packet_keys(Kind.SIGNALLING), Kind.SIGNALLING)
                self._comparison = Comparison(result.sas, result.role, self._rng)
                told.append(TelegramCallEstablished(result.role, event.version, result))
            else:
                self.refused += isinstance(event, MessageRefused)
                told.append(event)
        if self._attempt.over:
            self._finish(None)
        return told

    def _signals(self, channel: PacketChannel, packet: bytes, now: float) -> list[TelegramEvent]:
        payloads = channel.receive(packet, now)
        self._waiting_since = None
        self._watch()
        told: list[TelegramEvent] = [PeerHeard()] if self._silent else []
        self._silent = False
        for payload in payloads:
            try:
                told.append(PeerSignal(parse_signal(payload)))
            except E2ECallError as error:
                told.append(self._refusal(error))
        return told

    def _watch(self) -> None:
        """Time runs while the other side owes an acknowledgement."""
        waits = self._channel is not None and self._channel.unacknowledged
        if not waits:
            self._waiting_since = None
        elif self._waiting_since is None:
            self._waiting_since = self._clock.now

    def _refusal(self, error: E2ECallError) -> MessageRefused:
        self.refused += 1
        return MessageRefused(error, fatal=False)

    def _finish(self, reason: AbortReason | None) -> None:
        self._ended = True
        self._attempt.abandon(reason)
        if self._channel is not None:
            self._channel.close()
        if self._result is not None:
            self._result.key.wipe()

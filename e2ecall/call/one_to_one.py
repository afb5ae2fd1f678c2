"""A call of two without IO: the exchange and then the session, driven by messages, by time, and by a person.

    receive(message, now) -> list[Event]      what an opaque message from the other side means
    handle_timer(now) -> list[Event]          whatever is due; `next_timer(now)` says when to come back
    messages_to_send(now) -> list[bytes]      what to give to the transport in use, each message whole

`now` is in seconds of a clock that never goes back; another is ApiMisuse. Nothing is accepted without the person:
`accept` and `end` follow `IncomingCall`. Rules of the exchange stand in `attempt`, those of the established call in
`session`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from e2ecall.call.attempt import OFFERS_PER_RING, REDIALS, Attempt, AttemptEvent, Limits, Reached
from e2ecall.call.epochs import FrameKeys
from e2ecall.call.events import (
    AttemptAbandoned,
    CallEnded,
    EndReason,
    IncomingCall,
    MessageRefused,
    PeerControl,
    SessionEvent,
)
from e2ecall.call.inputs import Clock, as_bytes
from e2ecall.call.messages import Bye
from e2ecall.call.policy import SessionPolicy
from e2ecall.call.session import Said, Session
from e2ecall.crypto.mlkem import Kem
from e2ecall.crypto.rng import Rng
from e2ecall.crypto.sign import Signer
from e2ecall.errors import ApiMisuse, E2ECallError, PeerMisbehaved
from e2ecall.handshake import AbortReason, Established, LinkSecret, Profile, Role, Suite
from e2ecall.handshake.messages import DEFAULT_SUITES
from e2ecall.sframe.owned import Owned
from e2ecall.wire.control import Channel, in_envelope, open_envelope

__all__ = [
    "OFFERS_PER_RING",
    "REDIALS",
    "AttemptAbandoned",
    "CallEnded",
    "CallEstablished",
    "EndReason",
    "Event",
    "IncomingCall",
    "Limits",
    "MessageRefused",
    "OneToOne",
    "PeerControl",
]


@dataclass(frozen=True, slots=True)
class CallEstablished:
    """Both sides have the keys. Nobody has compared anything yet."""

    role: Role
    result: Established
    session: Session = field(repr=False)

    def frame_keys(self, who: str | None = None, *, short_tags: frozenset[int] = frozenset()) -> FrameKeys:
        """The keys of this call's frames, once: a second call raises ApiMisuse. They follow every rekey by themselves.

        `who` names the other side in errors and events; `short_tags` as in `FrameKeys`.
        """
        return self.session.frame_keys(who, short_tags=short_tags)


Event = IncomingCall | CallEstablished | MessageRefused | AttemptAbandoned | SessionEvent


class OneToOne(Owned):
    """One side of one call. `profile` is what it says of itself; the callee may give another one to `accept`.

    It is not copied, and over in a forked child.
    """

    def __init__(
        self,
        identity: Signer,
        rng: Rng,
        profile: Profile,
        *,
        suites: Sequence[Suite] = DEFAULT_SUITES,
        secret: LinkSecret | None = None,
        limits: Limits | None = None,
        redials: int = 0,
        policy: SessionPolicy | None = None,
        kem: Kem | None = None,
    ) -> None:
        """`redials`: how often a failed proof calls again by itself, at most 3; `kem` is for tests and vectors."""
        self._identity = identity
        self._rng = rng
        self._policy = policy
        self._kem = kem
        self._attempt = Attempt(identity, rng, profile, suites=suites, secret=secret, limits=limits, redials=redials)
        self._session: Session | None = None
        self._ended = False
        self._clock = Clock()
        self._last_words: list[bytes] = []
        self.refused = 0
        self._late = 0
        super().__init__()

    @property
    def openings(self) -> int:
        """q_A: how often this side has opened a commitment in this call."""
        return self._attempt.openings

    @property
    def answers(self) -> int:
        """q_B: how many different offers this side has answered in this call."""
        return self._attempt.answers

    @property
    def ignored(self) -> int:
        """How many messages changed nothing and were not refused: repeated, crossed, too late, or after the end."""
        return self._late + self._attempt.ignored + (0 if self._session is None else self._session.ignored)

    @property
    def established(self) -> bool:
        """Whether both sides have the keys, and the call goes on."""
        return self._session is not None and not self._ended

    @property
    def ended(self) -> bool:
        """Whether the call is over; nothing is sent or taken any more."""
        return self._ended

    # -- what the person does -------------------------------------------------------------------------------------

    def call(self, now: float) -> None:
        """Send m1. One per act of the person: a second call on the same object is ApiMisuse."""
        self._clock.tell(now)
        if self._ended:
            raise ApiMisuse("this call is over", clause="kex.9-2")
        self._attempt.call(now)

    def accept(self, now: float, profile: Profile | None = None) -> list[Event]:
        """Take the call that `IncomingCall` told of: m4 goes out and the keys are there.

        VerificationFailed where one side says direct and the other relayed, PeerIncompatible without a common SFrame
        suite: nothing has gone out then, and `end` declines.
        """
        self._clock.tell(now)
        return [self._establish(self._attempt.accept(profile), now)]

    def end(self, reason: AbortReason = AbortReason.UNSPECIFIED) -> None:
        """Hang up: a bye under the control keys, an abort before there are any. Harmless when already over."""
        if not isinstance(reason, AbortReason):
            raise ApiMisuse(f"a call does not end with the reason {reason!r}", clause="control.3-1")
        if self._ended:
            return
        self._say_bye(reason)
        self._finish(reason)

    def stop(self, message: str) -> list[Event]:
        """frame.7-10: end at once because of what was found: no frame is sealed or opened from now on, and all keys go.

        For a comparison that failed, and for a key that must not be used. Harmless when already over.
        """
        if self._ended:
            return []
        self._say_bye(AbortReason.FAILED)
        if self._session is not None:
            self._session.stop(message)
        self._finish(AbortReason.FAILED)
        return [CallEnded(EndReason.STOPPED, message, authenticated=False)]

    def send(self, message: Said, *, confirmed: bool = True) -> None:
        """Queue one control message; ApiMisuse before the call is established or after it ended."""
        self._established().send(message, confirmed=confirmed)

    def rekey(self, now: float) -> None:
        """epoch.2: change all keys now. ApiMisuse before the call is established or after it ended."""
        self._clock.tell(now)
        self._established().rekey(now)

    def transport_changed(self, now: float) -> None:
        """control.2-7: messages go another way from now on. ApiMisuse as for `send`."""
        self._clock.tell(now)
        self._established().transport_changed(now)

    # -- what the network brings ----------------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> list[Event]:
        """What one opaque message means. Never raises for what is in it: a refusal is a `MessageRefused`.

        ApiMisuse for what is not bytes.
        """
        self._clock.tell(now)
        message = as_bytes(data)
        if self._ended:
            self._late += 1
            return []
        try:
            channel, content = open_envelope(message)
            if channel == Channel.EXCHANGE:
                return self._exchange(self._attempt.receive(content, now), now)
            if channel == Channel.CONTROL and self._session is not None:
                events = self._session.receive(content, now)
                self._attempt.settled()
                return self._told(events)
            raise PeerMisbehaved("a message on a channel that is not open", clause="control.1-1")
        except E2ECallError as error:
            self.refused += 1
            return [MessageRefused(error, fatal=False)]

    def messages_to_send(self, now: float) -> list[bytes]:
        """What is to be given to the transport; each message is given out once."""
        self._clock.tell(now)
        outgoing, self._attempt.outgoing = self._attempt.outgoing, []
        messages = [in_envelope(Channel.EXCHANGE, message) for message in outgoing]
        records, self._last_words = self._last_words, []
        if self._session is not None and not self._ended:
            records += self._session.records_to_send(now)
        return messages + [in_envelope(Channel.CONTROL, record) for record in records]

    # -- what time brings -----------------------------------------------------------------------------------------

    def next_timer(self, now: float) -> float | None:
        """When to call `handle_timer` at the latest; None when nothing is waited for."""
        self._clock.tell(now)
        if self._ended:
            return None
        return self._attempt.next_timer if self._session is None else self._session.next_timer(now)

    def handle_timer(self, now: float) -> list[Event]:
        """Everything that is due: repetitions, time limits, heartbeats, rekeys, old keys."""
        self._clock.tell(now)
        if self._ended:
            return []
        if self._session is None:
            return self._exchange(self._attempt.handle_timer(now), now)
        return self._told(self._session.handle_timer(now))

    def disable_after_fork(self) -> None:
        """control.2-1: the call goes on in the process that made it, and there alone."""
        self._ended = True

    # -- inside ---------------------------------------------------------------------------------------------------

    def _established(self) -> Session:
        if self._session is None or self._ended:
            raise ApiMisuse("there is no control channel")
        return self._session

    def _exchange(self, events: Sequence[AttemptEvent], now: float) -> list[Event]:
        """Events of the attempt, with the session that comes of it."""
        told: list[Event] = []
        for event in events:
            if isinstance(event, Reached):
                told.append(self._establish(event, now))
            else:
                self.refused += isinstance(event, MessageRefused)
                self._ended = self._ended or isinstance(event, CallEnded)
                told.append(event)
        return told

    def _establish(self, reached: Reached, now: float) -> CallEstablished:
        self._session = Session(
            self._identity, self._rng, reached.role, reached.result, now, policy=self._policy, kem=self._kem
        )
        return CallEstablished(reached.role, reached.result, self._session)

    def _told(self, events: Sequence[SessionEvent]) -> list[Event]:
        self.refused += sum(isinstance(event, MessageRefused) for event in events)
        if any(isinstance(event, CallEnded) for event in events):
            self._finish(None)
        return list(events)

    def _say_bye(self, reason: AbortReason) -> None:
        if self._session is not None:
            self._last_words = self._session.hang_up(Bye(reason), self._clock.now)

    def _finish(self, reason: AbortReason | None) -> None:
        self._ended = True
        if self._session is not None:
            self._session.wipe()
            reason = None
        self._attempt.abandon(reason)

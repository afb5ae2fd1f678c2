"""telegram.6: Telegram's exchange of one call, with its limits: who calls, what is answered, repeated, and over when.

Rules, in the order in which they bind:
  1. One request is answered in a call: whoever sits in the middle has one guess. Another one is refused, and tells
     nothing of the first. Crossed requests: the smaller SHA-256 of the request is the caller's.
  2. A message that came before, byte for byte, is answered as before; it spends nothing.
  3. A refused message is told as an event; it ends the call only where its state was spent on it.
  4. A discard proves nothing. It ends a call all the same: who carries the messages can end it anyway.
  5. Whatever is waited for has a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from e2ecall.call.attempt import REPEAT_SECONDS, Limits
from e2ecall.call.events import AttemptAbandoned, CallEnded, EndReason, MessageRefused
from e2ecall.crypto.kdf import sha256
from e2ecall.crypto.rng import Rng
from e2ecall.errors import ApiMisuse, E2ECallError, PeerIncompatible, PeerMisbehaved
from e2ecall.handshake import AbortReason
from e2ecall.handshake.telegram import (
    CallAccepted,
    CallRequested,
    Group,
    TelegramEstablished,
    accept_call,
    request_call,
)
from e2ecall.handshake.telegram.messages import (
    Accept,
    Confirm,
    Discard,
    ExchangeMessage,
    Received,
    Request,
    build_message,
    parse_message,
)

__all__ = ["IncomingTelegramCall", "PeerRinging", "TelegramAttempt", "TelegramAttemptEvent", "TelegramReached"]


@dataclass(frozen=True, slots=True)
class IncomingTelegramCall:
    """telegram.6-3: somebody calls. Nothing says who: this protocol has no identity. The person accepts or declines."""

    versions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PeerRinging:
    """telegram.6-3: the other side's device has the request, as far as an unauthenticated message can tell."""


@dataclass(frozen=True, slots=True)
class TelegramReached:
    """The exchange is done; `version` is the library version that both speak."""

    version: str
    result: TelegramEstablished


TelegramAttemptEvent: TypeAlias = (
    IncomingTelegramCall | PeerRinging | MessageRefused | AttemptAbandoned | CallEnded | TelegramReached
)


@dataclass(frozen=True, slots=True)
class _Requested:
    state: CallRequested
    request: Request
    digest: bytes


@dataclass(frozen=True, slots=True)
class _Ringing:
    request: Request
    version: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class _Accepted:
    state: CallAccepted
    version: str


class TelegramAttempt:
    """One side's exchange. `outgoing` has the messages to post, each once."""

    def __init__(self, rng: Rng, group: Group, versions: Sequence[str], limits: Limits, server_random: bytes) -> None:
        """Raises ApiMisuse for versions that no reader would take."""
        self._versions = tuple(versions)
        build_message(Request(bytes(16), self._versions, bytes(32)))  # what does not fit shows now
        self._rng = rng
        self._group = group
        self._limits = limits
        self._server_random = server_random
        self._state: _Requested | _Ringing | _Accepted | TelegramReached | None = None
        self._call_id: bytes | None = None
        self._answers: dict[bytes, bytes] = {}  # H(message): what answers its repetition
        self._repeat: bytes | None = None
        self._repeat_at = 0.0
        self._deadline: float | None = None
        self.ignored = 0
        self.over = False
        self.outgoing: list[bytes] = []

    # -- what the person does -------------------------------------------------------------------------------------

    def call(self, now: float) -> None:
        """telegram.6-2: send the request. A second call is ApiMisuse."""
        if self._state is not None or self.over:
            raise ApiMisuse("this side has called already, is called, or the call is over", clause="telegram.6-2")
        self._call_id = self._rng.draw("call id", 16)
        state = request_call(self._group, self._rng, server_random=self._server_random)
        request = Request(self._call_id, self._versions, state.g_a_hash)
        raw = build_message(request)
        self._state = _Requested(state, request, sha256(raw))
        self._post_until(raw, now, self._limits.answer)

    def accept(self, now: float) -> None:
        """telegram.6-4: take the call that rings: g_b goes out. ApiMisuse where nobody calls."""
        ringing = self._state
        if not isinstance(ringing, _Ringing):
            raise ApiMisuse("nobody is calling", clause="telegram.6-4")
        state = accept_call(ringing.request.g_a_hash, self._group, self._rng, server_random=self._server_random)
        raw = build_message(Accept(ringing.request.call_id, ringing.version, state.g_b))
        self._state = _Accepted(state, ringing.version)
        self._answers = {ringing.digest: raw}
        self._post_until(raw, now, self._limits.proof)

    def abandon(self, reason: AbortReason | None) -> None:
        """End the call, in any state; with a reason, the other side gets a hint."""
        if reason is not None and self._call_id is not None and not self.over:
            self._post(build_message(Discard(self._call_id, reason)))
        state, self._state, self.over = self._state, None, True
        self._wait(None)
        if isinstance(state, _Requested | _Accepted):
            state.state.abandon()

    # -- what the network brings ----------------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> list[TelegramAttemptEvent]:
        """telegram.6: what one exchange message means. Never raises for what is in it."""
        digest = sha256(data)
        if (answer := self._answers.get(digest)) is not None:
            self.ignored += 1
            self._post(answer)
            return []
        try:
            return self._receive(parse_message(data), digest, now)
        except E2ECallError as error:
            return self._refuse(error)

    def _receive(self, message: ExchangeMessage, digest: bytes, now: float) -> list[TelegramAttemptEvent]:
        if isinstance(message, Request):
            return self._receive_request(message, digest, now)
        if message.call_id != self._call_id:
            raise PeerMisbehaved("the message belongs to another call", clause="telegram.6-1")
        if isinstance(message, Discard):
            self.abandon(None)
            text = f"the other side, or who carries the messages, ended the call: {message.reason.name.lower()}"
            return [CallEnded(EndReason.ABORTED, text, authenticated=False)]
        state = self._state
        if isinstance(message, Received) and isinstance(state, _Requested):
            if self._repeat is None:
                self.ignored += 1
                return []
            self._wait(now + self._limits.ring)
            return [PeerRinging()]
        if isinstance(message, Accept) and isinstance(state, _Requested):
            if message.version_taken not in state.request.versions:
                raise PeerIncompatible(f"it takes version {message.version_taken}, not offered", clause="telegram.6-2")
            confirmation = state.state.receive_accept(message.g_b)
            raw = build_message(Confirm(message.call_id, confirmation.g_a, confirmation.key_fingerprint))
            self._answers = {digest: raw}
            self._post(raw)
            return self._reach(message.version_taken, confirmation.result)
        if isinstance(message, Confirm) and isinstance(state, _Accepted):
            result = state.state.receive_confirm(message.g_a, message.key_fingerprint)
            self._answers = {}
            return self._reach(state.version, result)
        raise PeerMisbehaved("an exchange message that nothing waits for", clause="telegram.6-1")

    def _receive_request(self, request: Request, digest: bytes, now: float) -> list[TelegramAttemptEvent]:
        state = self._state
        if isinstance(state, _Requested):
            if state.digest < digest:
                self.ignored += 1  # crossed requests, and ours is the smaller: the other side takes it
                return []
        elif state is not None:
            raise PeerMisbehaved("a request while another call is under way", clause="telegram.6-2")
        version = next((each for each in request.versions if each in self._versions), None)
        if version is None:
            if state is None:
                self._post(build_message(Discard(request.call_id, AbortReason.INCOMPATIBLE)))
            raise PeerIncompatible(f"no common version: {', '.join(request.versions)}", clause="telegram.6-2")
        if state is not None:
            state.state.abandon()
        received = build_message(Received(request.call_id))
        self._call_id = request.call_id
        self._state = _Ringing(request, version, digest)
        self._answers = {digest: received}
        self._post(received)
        self._wait(now + self._limits.ring)
        return [IncomingTelegramCall(request.versions)]

    # -- what time brings -----------------------------------------------------------------------------------------

    @property
    def next_timer(self) -> float | None:
        """When `handle_timer` has something to do; None for never."""
        times = [self._deadline, self._repeat_at if self._repeat is not None else None]
        return min((each for each in times if each is not None), default=None)

    def handle_timer(self, now: float) -> list[TelegramAttemptEvent]:
        """telegram.6-7: repeat what is out, and end what has waited too long."""
        if self._deadline is not None and now >= self._deadline:
            guessed = isinstance(self._state, _Accepted)
            self.abandon(AbortReason.NO_ANSWER)
            reason = EndReason.NO_PROOF if guessed else EndReason.NO_ANSWER
            abandoned = [AttemptAbandoned(reason, 0, 1)] if guessed else []
            return [*abandoned, CallEnded(reason, reason.value, authenticated=False)]
        if self._repeat is not None and now >= self._repeat_at:
            self._repeat_at = now + REPEAT_SECONDS
            self._post(self._repeat)
        return []

    # -- inside ---------------------------------------------------------------------------------------------------

    def _reach(self, version: str, result: TelegramEstablished) -> list[TelegramAttemptEvent]:
        self._wait(None)
        self._state = reached = TelegramReached(version, result)
        return [reached]

    def _refuse(self, error: E2ECallError) -> list[TelegramAttemptEvent]:
        if not (isinstance(self._state, _Accepted) and self._state.state.spent):
            return [MessageRefused(error, fatal=False)]
        self.abandon(AbortReason.FAILED)
        ended = CallEnded(EndReason.REFUSED, error.message, authenticated=False)
        return [MessageRefused(error, fatal=True), AttemptAbandoned(EndReason.REFUSED, 0, 1), ended]

    def _post(self, message: bytes) -> None:
        self.outgoing.append(message)

    def _post_until(self, message: bytes, now: float, seconds: float) -> None:
        """Post now, and again until something comes or the time is over."""
        self._wait(now + seconds)
        self._repeat, self._repeat_at = message, now + REPEAT_SECONDS
        self._post(message)

    def _wait(self, deadline: float | None) -> None:
        self._repeat, self._deadline = None, deadline

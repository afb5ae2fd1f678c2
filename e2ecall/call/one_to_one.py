"""A call of two without IO: the exchange, its limits, and the control channel, driven by messages and by a person.

    receive(message) -> list[Event]      what an opaque message from the relay means
    messages_to_send() -> list[bytes]    what to post to the other side, each message whole

Rules, in the order in which they bind:
  1. The first in the room waits, the second calls. Crossed offers: the smaller H(m1) is the caller.
  2. One outstanding answer; at most three different offers answered per ring; the same offer gets the same answer.
  3. A refused message is counted and told as an event; it ends the attempt only where its state was spent on it.
  4. Nothing is accepted without the person: `accept` and `decline` follow `IncomingCall`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from e2ecall.call.control import ControlChannel, ControlMessage
from e2ecall.call.epochs import FrameKeys, Role
from e2ecall.crypto.kdf import sha256
from e2ecall.crypto.rng import Rng
from e2ecall.crypto.sign import Signer
from e2ecall.errors import ApiMisuse, E2ECallError, PeerMisbehaved, VerificationFailed
from e2ecall.handshake import (
    Abort,
    AbortReason,
    AnswerSent,
    Established,
    LinkSecret,
    OfferSent,
    Profile,
    RevealSent,
    Ringing,
    Suite,
    make_offer,
    receive_offer,
)
from e2ecall.handshake.messages import DEFAULT_SUITES
from e2ecall.sframe import CipherSuite
from e2ecall.wire.control import ENVELOPE, Channel, ControlType
from e2ecall.wire.declared import build_bytes, parse_exact
from e2ecall.wire.handshake import MessageType

__all__ = [
    "OFFERS_PER_RING",
    "CallEnded",
    "CallEstablished",
    "Event",
    "IncomingCall",
    "MessageRefused",
    "OneToOne",
    "PeerControl",
]

OFFERS_PER_RING = 3
"""q_B: how many different offers one ring answers. Each is one guess for whoever sits in the middle."""


@dataclass(frozen=True, slots=True)
class IncomingCall:
    """m3 is good: this identity calls, and claims this name. The person accepts or declines."""

    peer_identity: bytes
    profile: Profile


@dataclass(frozen=True, slots=True)
class CallEstablished:
    """Both sides have the keys. Nobody has compared anything yet."""

    role: Role
    result: Established

    def frame_keys(self, who: str | None = None, *, short_tags: frozenset[int] = frozenset()) -> FrameKeys:
        """The keys of this call's frames, once: they take the base key, and a second call raises ApiMisuse.

        `who` names the other side in errors and events; `short_tags` as in `FrameKeys`.
        """
        suite = CipherSuite(self.result.frame_suite)
        return FrameKeys(self.result.keys.base_key, self.role, suite, who=who, short_tags=short_tags)


@dataclass(frozen=True, slots=True)
class MessageRefused:
    """A message was refused for `error`; the attempt goes on if `fatal` is not set."""

    error: E2ECallError
    fatal: bool


@dataclass(frozen=True, slots=True)
class PeerControl:
    """An authenticated control message."""

    message: ControlMessage


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The attempt or the call is over. `authenticated` only for a bye inside the control channel."""

    reason: str
    authenticated: bool


Event = IncomingCall | CallEstablished | MessageRefused | PeerControl | CallEnded
_State = OfferSent | RevealSent | AnswerSent | Ringing | Established | None
_AWAITED: Mapping[type, MessageType] = {
    OfferSent: MessageType.ANSWER,
    AnswerSent: MessageType.REVEAL,
    RevealSent: MessageType.FINISH,
}


class OneToOne:
    """One side of one call. `profile` is what it says of itself; the callee may give another one to `accept`."""

    def __init__(
        self,
        identity: Signer,
        rng: Rng,
        profile: Profile,
        *,
        suites: Sequence[Suite] = DEFAULT_SUITES,
        secret: LinkSecret | None = None,
    ) -> None:
        profile.encode()  # what does not fit is this program's mistake, and shows now
        self._identity = identity
        self._rng = rng
        self._profile = profile
        self._suites = tuple(suites)
        self._secret = secret
        self._state: _State = None
        self._control: ControlChannel | None = None
        self._outgoing: list[bytes] = []
        self._own_offer: bytes | None = None
        self._answered: set[bytes] = set()
        self._ended = False
        self.refused = 0

    # -- what the person does -------------------------------------------------------------------------------------

    def call(self) -> None:
        """Send m1. One per act of the person: a second call on the same object is ApiMisuse."""
        if self._own_offer is not None or self._state is not None or self._ended:
            raise ApiMisuse("this side has called already, or the call is over", clause="kex.9-2")
        call_id = self._rng.draw("call id", 16)
        state = make_offer(self._identity, call_id, self._rng, suites=self._suites, secret=self._secret)
        self._state, self._own_offer = state, state.offer
        self._post(Channel.EXCHANGE, state.offer)

    def accept(self, profile: Profile | None = None) -> list[Event]:
        """Take the call that `IncomingCall` told of: m4 goes out and the keys are there.

        VerificationFailed where one side says direct and the other relayed, PeerIncompatible without a common SFrame
        suite: nothing has gone out then, and `end` declines.
        """
        if not isinstance(self._state, Ringing):
            raise ApiMisuse("nobody is calling", clause="kex.6-6")
        own = profile or self._profile
        _check_modes(own, self._state.peer_profile)
        finish, result = self._state.accept(own)
        self._post(Channel.EXCHANGE, finish)
        return [self._establish(Role.CALLEE, result)]

    def end(self, reason: AbortReason = AbortReason.UNSPECIFIED) -> None:
        """Hang up: a bye under the control keys, an abort before there are any. Harmless when already over."""
        if self._ended:
            return
        if self._control is not None:
            self.send_control(ControlType.BYE, {})
        elif (call_id := self._call_id()) is not None:
            self._post(Channel.EXCHANGE, Abort(call_id, reason).build())
        self._abandon()

    def send_control(self, kind: ControlType, fields: Mapping[int, bytes]) -> None:
        """Seal one control message; ApiMisuse before the call is established or after it ended."""
        if self._control is None or self._ended:
            raise ApiMisuse("there is no control channel")
        self._post(Channel.CONTROL, self._control.seal(kind, fields))

    # -- what the network brings ----------------------------------------------------------------------------------

    def receive(self, data: bytes) -> list[Event]:
        """What one opaque message means. Never raises for what is in it: a refusal is a `MessageRefused`."""
        if self._ended:
            return []
        try:
            envelope = parse_exact(ENVELOPE, data, "envelope")
            if envelope.channel == Channel.EXCHANGE:
                return self._receive_exchange(envelope.message)
            if envelope.channel == Channel.CONTROL and self._control is not None:
                return self._receive_control(self._control.open(envelope.message))
            raise PeerMisbehaved("a message on a channel that is not open", clause="control.1-1")
        except E2ECallError as error:
            return self._refuse(error)

    def messages_to_send(self) -> list[bytes]:
        """What is to be posted to the other side; each message is given out once."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    # -- inside ---------------------------------------------------------------------------------------------------

    def _receive_exchange(self, data: bytes) -> list[Event]:
        kind = data[1] if len(data) > 1 else 0
        if kind == MessageType.ABORT:
            return self._receive_abort(Abort.parse(data))
        if kind == MessageType.OFFER:
            return self._receive_offer(data)
        state = self._state
        if kind != _AWAITED.get(type(state)):  # a repeated m2, say: it must not spend the state that waits for m4
            raise PeerMisbehaved("an exchange message that nothing waits for", clause="kex.2-6")
        if isinstance(state, OfferSent):
            self._state = sent = state.receive_answer(data, self._profile)
            self._post(Channel.EXCHANGE, sent.reveal)
            return []
        if isinstance(state, AnswerSent):
            self._state = ringing = state.receive_reveal(data)
            return [IncomingCall(ringing.peer_identity, ringing.peer_profile)]
        assert isinstance(state, RevealSent)  # what _AWAITED leaves
        result = state.receive_finish(data)
        try:
            _check_modes(result.own_profile, result.peer_profile)
        except VerificationFailed:
            result.keys.wipe()
            raise
        return [self._establish(Role.CALLER, result)]

    def _receive_offer(self, data: bytes) -> list[Event]:
        if data == self._own_offer:
            return []
        digest = sha256(data)
        state = self._state
        if isinstance(state, AnswerSent) and state.offer_hash == digest:
            self._post(Channel.EXCHANGE, state.answer)
            return []
        if digest in self._answered:
            raise PeerMisbehaved("this offer was answered before, and its attempt has failed", clause="kex.6-5")
        if isinstance(state, OfferSent):
            if sha256(state.offer) < digest:
                return []  # crossed offers, and ours is the smaller: the other side answers it
        elif state is not None:
            raise PeerMisbehaved("an offer while another attempt is under way", clause="kex.9-1")
        if len(self._answered) >= OFFERS_PER_RING:
            raise PeerMisbehaved("more offers than one ring answers", clause="kex.9-1")
        answered = receive_offer(data, self._identity, self._rng, suites=self._suites, secret=self._secret)
        if isinstance(state, OfferSent):
            state.abandon()
        self._answered.add(digest)
        self._state = answered
        self._post(Channel.EXCHANGE, answered.answer)
        return []

    def _receive_abort(self, abort: Abort) -> list[Event]:
        if self._control is not None or abort.call_id != self._call_id():
            return []  # an established call ends by a bye only, and another call's abort is nothing to this one
        self._abandon()
        return [CallEnded(f"the other side ended the attempt: {abort.reason.name.lower()}", authenticated=False)]

    def _receive_control(self, message: ControlMessage) -> list[Event]:
        if message.type != ControlType.BYE:
            return [PeerControl(message)]
        self._abandon()
        return [CallEnded("the other side hung up", authenticated=True)]

    def _establish(self, role: Role, result: Established) -> CallEstablished:
        self._state = result
        self._control = ControlChannel(result.keys.control, role)
        result.keys.control.wipe()
        return CallEstablished(role, result)

    def _refuse(self, error: E2ECallError) -> list[Event]:
        self.refused += 1
        state = self._state
        spent = isinstance(state, AnswerSent | RevealSent) and state.spent
        if not spent:
            return [MessageRefused(error, fatal=False)]
        if isinstance(state, AnswerSent):
            self._state = None  # a callee goes back to waiting, within its limit of offers
            return [MessageRefused(error, fatal=False)]
        self._abandon()
        return [MessageRefused(error, fatal=True), CallEnded(error.message, authenticated=False)]

    def _call_id(self) -> bytes | None:
        return None if self._state is None else self._state.call_id

    def _abandon(self) -> None:
        state, self._state, self._ended = self._state, None, True
        if isinstance(state, Established):
            state.keys.wipe()
        elif state is not None:
            state.abandon()

    def _post(self, channel: Channel, message: bytes) -> None:
        self._outgoing.append(build_bytes(ENVELOPE, {"channel": channel, "message": message}, "envelope"))


def _check_modes(own: Profile, peer: Profile) -> None:
    if own.transport is not peer.transport:
        raise VerificationFailed("one side says direct, the other relayed", clause="kex.7-6")

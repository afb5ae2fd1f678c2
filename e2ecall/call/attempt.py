"""The exchange of one call, with its limits: who calls, what is answered how often, what is repeated, when it is over.

Rules, in the order in which they bind:
  1. The first in the room waits, the second calls. Crossed offers: the smaller H(m1) is the caller.
  2. One outstanding answer; at most three different offers answered per ring; the same offer gets the same answer.
  3. A message that came before, byte for byte, is answered as before or ignored; it spends nothing.
  4. A refused message is told as an event; it ends the attempt only where its state was spent on it.
  5. Whatever is waited for has a time; when it is over, that counts and is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from e2ecall.call.events import AttemptAbandoned, CallEnded, EndReason, IncomingCall, MessageRefused
from e2ecall.call.inputs import is_time
from e2ecall.crypto.kdf import sha256
from e2ecall.crypto.rng import Rng
from e2ecall.crypto.sign import Signer
from e2ecall.errors import ApiMisuse, E2ECallError, PeerIncompatible, PeerMisbehaved, VerificationFailed
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
    Role,
    Suite,
    make_offer,
    receive_offer,
)
from e2ecall.handshake.messages import DEFAULT_SUITES
from e2ecall.wire.handshake import MessageType

__all__ = ["OFFERS_PER_RING", "REDIALS", "Attempt", "AttemptEvent", "Limits", "Reached"]

OFFERS_PER_RING: Final = 3
"""q_B: how many different offers one ring answers. Each is one guess for whoever sits in the middle."""
REDIALS: Final = 3
"""How often one act of the caller's person may call again by itself. Each opening is one guess, as above."""
REPEAT_SECONDS: Final = 1.0
_CALL_ID = slice(2, 18)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long is waited, in seconds: for an answer, for a proof after it, and for a person to take the call."""

    answer: float = 30.0
    proof: float = 15.0
    ring: float = 60.0

    def __post_init__(self) -> None:
        if not all(is_time(each) and each > 0 for each in (self.answer, self.proof, self.ring)):
            raise ApiMisuse("a limit is a finite number of seconds above 0", clause="kex.9-4")


@dataclass(frozen=True, slots=True)
class Reached:
    """The exchange is done, in that role."""

    role: Role
    result: Established


AttemptEvent = IncomingCall | MessageRefused | AttemptAbandoned | CallEnded | Reached
_State = OfferSent | RevealSent | AnswerSent | Ringing | Reached | None
_AWAITED: Mapping[type, MessageType] = {
    OfferSent: MessageType.ANSWER,
    AnswerSent: MessageType.REVEAL,
    RevealSent: MessageType.FINISH,
}


class Attempt:
    """One side's exchange. `outgoing` has the messages to post, each once."""

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
    ) -> None:
        profile.encode()  # what does not fit is this program's mistake, and shows now
        if not 0 <= redials <= REDIALS:
            raise ApiMisuse(f"a call redials at most {REDIALS} times by itself", clause="kex.9-2")
        self._identity = identity
        self._rng = rng
        self._profile = profile
        self._suites = tuple(suites)
        self._secret = secret
        self._limits = limits or Limits()
        self._redials = redials
        self._state: _State = None
        self._own_offers: set[bytes] = set()
        self._answered: set[bytes] = set()
        self._taken: dict[bytes, bytes | None] = {}  # H(message): what answers its repetition
        self._reveal = b""  # H(m3), of the attempt that rings
        self._repeat: bytes | None = None
        self._repeat_at = 0.0
        self._deadline: float | None = None
        self.openings = 0
        self.ignored = 0  # messages that came again, crossed, or were of another call
        self.over = False
        self.outgoing: list[bytes] = []

    @property
    def answers(self) -> int:
        """How many different offers were answered: q_B so far."""
        return len(self._answered)

    @property
    def call_id(self) -> bytes | None:
        """Of the attempt under way."""
        state = self._state.result if isinstance(self._state, Reached) else self._state
        return None if state is None else state.call_id

    # -- what the person does -------------------------------------------------------------------------------------

    def call(self, now: float) -> None:
        """kex.9-2: send m1. One per act of the person: a second call is ApiMisuse."""
        if self._own_offers or self._state is not None or self.over:
            raise ApiMisuse("this side has called already, or the call is over", clause="kex.9-2")
        self._dial(now)

    def accept(self, profile: Profile | None = None) -> Reached:
        """kex.6-6: m4 goes out. Raises as `OneToOne.accept`; nothing has gone out then."""
        state = self._state
        if not isinstance(state, Ringing):
            raise ApiMisuse("nobody is calling", clause="kex.6-6")
        own = profile or self._profile
        check_modes(own, state.peer_profile)
        finish, result = state.accept(own)
        self._post(finish)
        self._taken[self._reveal] = finish
        self._wait(None)
        self._state = reached = Reached(Role.CALLEE, result)
        return reached

    def abandon(self, reason: AbortReason | None) -> None:
        """End the attempt; with a reason, the other side gets a hint."""
        if reason is not None and (call_id := self.call_id) is not None:
            self._post(Abort(call_id, reason).build())
        state, self._state, self.over = self._state, None, True
        self._wait(None)
        if state is not None and not isinstance(state, Reached):
            state.abandon()

    def settled(self) -> None:
        """The other side has shown that it has the keys: m4 is not repeated any more."""
        self._taken = dict.fromkeys(self._taken)

    # -- what the network brings ----------------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> list[AttemptEvent]:
        """kex.5, kex.6: what one exchange message means. Never raises for what is in it."""
        try:
            return self._receive(data, now)
        except E2ECallError as error:
            return self._refuse(error, now)

    def _receive(self, data: bytes, now: float) -> list[AttemptEvent]:
        digest = sha256(data)
        if digest in self._own_offers:
            self.ignored += 1  # this side's own, reflected
            return []
        if digest in self._taken:
            again = self._taken[digest]
            self.ignored += again is None
            self.outgoing += [] if again is None else [again]
            return []
        kind = data[1] if len(data) > 1 else 0
        if kind == MessageType.ABORT:
            return self._receive_abort(Abort.parse(data))
        if kind == MessageType.OFFER:
            return self._receive_offer(data, digest, now)
        state = self._state
        if kind != _AWAITED.get(type(state)):  # another m2, say: it must not spend the state that waits for m4
            raise PeerMisbehaved("an exchange message that nothing waits for", clause="kex.2-6")
        if isinstance(state, OfferSent):
            self._state = sent = state.receive_answer(data, self._profile)
            self.openings += 1
            self._taken[digest] = sent.reveal
            self._post_until(sent.reveal, now, self._limits.ring + self._limits.proof)
            return []
        if isinstance(state, AnswerSent):
            self._state = ringing = state.receive_reveal(data)
            self._taken = {digest: None, state.offer_hash: None}
            self._reveal = digest
            self._wait(now + self._limits.ring)
            return [IncomingCall(ringing.peer_identity, ringing.peer_profile)]
        assert isinstance(state, RevealSent)  # what _AWAITED leaves
        result = state.receive_finish(data)
        try:
            check_modes(result.own_profile, result.peer_profile)
        except VerificationFailed:
            result.keys.wipe()
            raise
        self._taken = {digest: None, **dict.fromkeys(self._taken)}
        self._wait(None)
        self._state = reached = Reached(Role.CALLER, result)
        return [reached]

    def _receive_offer(self, data: bytes, digest: bytes, now: float) -> list[AttemptEvent]:
        state = self._state
        if digest in self._answered:
            raise PeerMisbehaved("this offer was answered before, and its attempt has failed", clause="kex.6-5")
        if isinstance(state, OfferSent):
            if sha256(state.offer) < digest:
                self.ignored += 1  # crossed offers, and ours is the smaller: the other side answers it
                return []
        elif state is not None:
            raise PeerMisbehaved("an offer while another attempt is under way", clause="kex.9-1")
        if len(self._answered) >= OFFERS_PER_RING:
            raise PeerMisbehaved("more offers than one ring answers", clause="kex.9-1")
        try:
            answered = receive_offer(data, self._identity, self._rng, suites=self._suites, secret=self._secret)
        except PeerIncompatible:
            if state is None and len(data) >= _CALL_ID.stop:
                self._post(Abort(data[_CALL_ID], AbortReason.INCOMPATIBLE).build())
            raise
        if isinstance(state, OfferSent):
            state.abandon()
        self._answered.add(digest)
        self._state = answered
        self._taken[digest] = answered.answer
        self._wait(now + self._limits.proof)
        self._post(answered.answer)
        return []

    def _receive_abort(self, abort: Abort) -> list[AttemptEvent]:
        if isinstance(self._state, Reached) or abort.call_id != self.call_id:
            self.ignored += 1
            return []  # an established call ends by a bye only, and another call's abort is nothing to this one
        self.abandon(None)
        message = f"the other side ended the attempt: {abort.reason.name.lower()}"
        return [CallEnded(EndReason.ABORTED, message, authenticated=False)]

    # -- what time brings -----------------------------------------------------------------------------------------

    @property
    def next_timer(self) -> float | None:
        """When `handle_timer` has something to do; None for never."""
        times = [self._deadline, self._repeat_at if self._repeat is not None else None]
        return min((each for each in times if each is not None), default=None)

    def handle_timer(self, now: float) -> list[AttemptEvent]:
        """kex.9-4, kex.9-5: repeat what is out, and end what has waited too long."""
        if self._deadline is not None and now >= self._deadline:
            return self._time_out(now)
        if self._repeat is not None and now >= self._repeat_at:
            self._repeat_at = now + REPEAT_SECONDS
            self._post(self._repeat)
        return []

    def _time_out(self, now: float) -> list[AttemptEvent]:
        state = self._state
        if isinstance(state, AnswerSent):  # back to waiting, within the limit of offers
            state.abandon()
            self._back_to_waiting(now)
            return [AttemptAbandoned(EndReason.NO_PROOF, self.openings, self.answers)]
        no_proof = isinstance(state, RevealSent)
        self.abandon(AbortReason.NO_ANSWER)
        reason = EndReason.NO_PROOF if no_proof else EndReason.NO_ANSWER
        abandoned = [AttemptAbandoned(reason, self.openings, self.answers)] if no_proof else []
        return [*abandoned, CallEnded(reason, reason.value, authenticated=False)]

    # -- inside ---------------------------------------------------------------------------------------------------

    def _dial(self, now: float) -> None:
        call_id = self._rng.draw("call id", 16)
        state = make_offer(self._identity, call_id, self._rng, suites=self._suites, secret=self._secret)
        self._state = state
        self._own_offers.add(sha256(state.offer))
        self._post_until(state.offer, now, self._limits.answer)

    def _refuse(self, error: E2ECallError, now: float) -> list[AttemptEvent]:
        state = self._state
        if not (isinstance(state, AnswerSent | RevealSent) and state.spent):
            return [MessageRefused(error, fatal=False)]
        if isinstance(state, AnswerSent):
            self._back_to_waiting(now)
            return [MessageRefused(error, fatal=False)]
        if self._redials:
            self._redials -= 1
            self._taken = dict.fromkeys(self._taken)
            self._dial(now)
            abandoned = AttemptAbandoned(EndReason.REFUSED, self.openings, self.answers)
            return [MessageRefused(error, fatal=False), abandoned]
        self.abandon(None)
        ended = CallEnded(EndReason.REFUSED, error.message, authenticated=False)
        return [MessageRefused(error, fatal=True), ended]

    def _back_to_waiting(self, now: float) -> None:
        """For another offer: as long as the person likes, but who called and lost a crossing waits for an answer."""
        self._state = None
        self._taken = {}
        self._wait(now + self._limits.answer if self._own_offers else None)

    def _post(self, message: bytes) -> None:
        self.outgoing.append(message)

    def _post_until(self, message: bytes, now: float, seconds: float) -> None:
        """Post now, and again until something comes or the time is over."""
        self._wait(now + seconds)
        self._repeat, self._repeat_at = message, now + REPEAT_SECONDS
        self._post(message)

    def _wait(self, deadline: float | None) -> None:
        self._repeat, self._deadline = None, deadline


def check_modes(own: Profile, peer: Profile) -> None:
    """kex.7-6: VerificationFailed where one side says direct and the other relayed."""
    if own.transport is not peer.transport:
        raise VerificationFailed("one side says direct, the other relayed", clause="kex.7-6")

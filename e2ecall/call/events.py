"""What a call tells whoever drives it: frozen values, each with a typed reason where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from e2ecall.call.control import ControlMessage
from e2ecall.call.messages import AppData, Candidate, Chat, Mute, Receipt, Sdp, Streams
from e2ecall.errors import E2ECallError
from e2ecall.handshake import Profile

__all__ = [
    "AttemptAbandoned",
    "CallEnded",
    "EndReason",
    "EpochAttested",
    "EpochChanged",
    "IncomingCall",
    "MessageRefused",
    "PeerControl",
    "PeerHeard",
    "PeerSaid",
    "PeerSent",
    "PeerSilent",
    "RekeyAbandoned",
    "RekeyOverdue",
    "SessionEvent",
]


class EndReason(StrEnum):
    """Why an attempt or a call is over."""

    HUNG_UP = "hung up"  # the other side's authenticated bye, or our own act
    ABORTED = "aborted"  # an unauthenticated hint: only before there are keys
    NO_ANSWER = "no answer"  # nobody answered the offer, or nobody took the call
    NO_PROOF = "no proof from the other side"  # it answered, and then never proved who it is
    REFUSED = "refused"  # a proof was wrong
    LOST = "connection lost"  # nothing authentic came for too long
    STOPPED = "stopped"  # a comparison failed, or a key changed


@dataclass(frozen=True, slots=True)
class IncomingCall:
    """m3 is good: this identity calls, and claims this name. The person accepts or declines."""

    peer_identity: bytes
    profile: Profile


@dataclass(frozen=True, slots=True)
class MessageRefused:
    """A message was refused for `error`; the attempt goes on if `fatal` is not set.

    The error is kept without its traceback, whose frames would hold keys for as long as somebody keeps this event.
    """

    error: E2ECallError
    fatal: bool

    def __post_init__(self) -> None:
        self.error.__traceback__ = self.error.__context__ = self.error.__cause__ = None


@dataclass(frozen=True, slots=True)
class AttemptAbandoned:
    """kex.9-4: an offer was answered and never opened, or an answer opened and never proved. It counts as a guess."""

    reason: EndReason
    openings: int
    answers: int


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The attempt or the call is over. `authenticated` only for a bye inside the control channel."""

    reason: EndReason
    message: str
    authenticated: bool


@dataclass(frozen=True, slots=True)
class PeerControl:
    """An authenticated message of a type that this version does not know."""

    message: ControlMessage


@dataclass(frozen=True, slots=True)
class PeerSaid:
    """An authenticated message for the application. A receipt changes nothing: show it."""

    message: Sdp | Candidate | Streams | Mute | Chat | Receipt | AppData


@dataclass(frozen=True, slots=True)
class EpochChanged:
    """epoch.2: this side sends in a new epoch: ask the encoders for a key frame."""

    epoch: int


@dataclass(frozen=True, slots=True)
class EpochAttested:
    """control.3-4: the other side's identity has signed th2 of this epoch: what was compared holds for it too."""

    epoch: int
    th2: bytes


@dataclass(frozen=True, slots=True)
class PeerSent:
    """control.3-4: how many frames the other side has sealed in an epoch, as (context, frames)."""

    epoch: int
    sent: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class RekeyAbandoned:
    """epoch.2-5: no rk2 came in time; the call goes on in the old epoch, and a new attempt follows."""

    epoch: int
    attempt: int


@dataclass(frozen=True, slots=True)
class RekeyOverdue:
    """epoch.3-4: the health alarm: no rekey was completed for three intervals or more."""

    seconds: float


@dataclass(frozen=True, slots=True)
class PeerSilent:
    """Nothing authentic came over the control channel for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class PeerHeard:
    """Something authentic came after a silence."""


SessionEvent = (
    PeerControl
    | PeerSaid
    | EpochChanged
    | EpochAttested
    | PeerSent
    | RekeyAbandoned
    | RekeyOverdue
    | PeerSilent
    | PeerHeard
    | MessageRefused
    | CallEnded
)

"""Everything that can go wrong, as one tree; bad input never raises anything else.

    E2ECallError                    who, stream, key_id, epoch, clause, hint
      ApiMisuse                     a call in the wrong order, or a state used twice
      MalformedMessage              bytes that are not the declared message (offset or path)
      PeerMisbehaved                well-formed, and against the protocol
      PeerIncompatible              nothing in common: version, suite
      VerificationFailed            an opening, a proof, a signature or a comparison did not hold
      FrameRejected                 one frame, with a `FrameReason`
      CounterExhausted              a send key has no counter left
      TransportFailed               the relay or the other side is gone
        AddressUnavailable          this machine cannot listen there
      MediaUnavailable              a file, codec or device cannot give what was asked
      StoreCorrupt                  what was stored is damaged or not ours
      OutputFailed                  a result could not be written

No message, attribute or repr of an error carries key bytes.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import TypedDict, Unpack

__all__ = [
    "AddressUnavailable",
    "ApiMisuse",
    "CounterExhausted",
    "E2ECallError",
    "ExitStatus",
    "FrameReason",
    "FrameRejected",
    "MalformedMessage",
    "MediaUnavailable",
    "OutputFailed",
    "PeerIncompatible",
    "PeerMisbehaved",
    "StoreCorrupt",
    "StreamMismatch",
    "TransportFailed",
    "VerificationFailed",
    "Where",
    "exit_status",
]


class FrameReason(StrEnum):
    """Why one frame was not taken, in the words that PEER, the report and the screen share."""

    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown-key"
    OWN_FRAME = "own-frame"
    WRONG_STREAM = "wrong-stream"
    REPLAY = "replay"
    TOO_OLD = "too-old"
    AUTHENTICATION = "authentication"
    EXHAUSTED = "exhausted"
    STOPPED = "stopped"


class StreamMismatch(StrEnum):
    """What a frame of the reason wrong-stream belongs to instead: another …"""

    SENDER = "sender"
    KIND = "kind"
    SOURCE = "source"
    LAYER = "layer"
    STREAM = "stream"


class Where(TypedDict, total=False):
    """Where it happened, as far as that is known: keyword arguments of every error."""

    who: str | None
    stream: str | None
    key_id: int | None
    epoch: int | None
    clause: str | None
    hint: str | None


class _WhereElse(TypedDict, total=False):
    """`Where` without what FrameRejected takes by itself."""

    who: str | None
    stream: str | None
    hint: str | None


class E2ECallError(Exception):
    """The root of the tree: a message, and where it happened (`Where`)."""

    who: str | None = None
    stream: str | None = None
    key_id: int | None = None
    epoch: int | None = None
    clause: str | None = None
    hint: str | None = None

    def __init__(self, message: str, **where: Unpack[Where]) -> None:
        super().__init__(message)
        self.message = message
        self.__dict__.update(where)

    def __str__(self) -> str:
        context = [
            f"{name} {value}"
            for name, value in (
                ("from", self.who),
                ("stream", self.stream),
                ("key id", self.key_id),
                ("epoch", self.epoch),
                ("clause", self.clause),
            )
            if value is not None
        ]
        return f"{self.message} ({', '.join(context)})" if context else self.message


class ApiMisuse(E2ECallError):
    """This program called something in the wrong order, or a single-use state twice."""


class MalformedMessage(E2ECallError):
    """Bytes that are not the message they should be; `offset` in bytes or `path` of the field."""

    def __init__(
        self, message: str, *, offset: int | None = None, path: str | None = None, **where: Unpack[Where]
    ) -> None:
        super().__init__(message, **where)
        self.offset = offset
        self.path = path

    def __str__(self) -> str:
        where = [] if self.path is None else [self.path]
        where += [] if self.offset is None else [f"byte {self.offset}"]
        return super().__str__() + (f" at {', '.join(where)}" if where else "")


class PeerMisbehaved(E2ECallError):
    """The other side sent something well-formed that the protocol forbids."""


class PeerIncompatible(E2ECallError):
    """The two sides have no version, suite or mode in common."""


class VerificationFailed(E2ECallError):
    """A commitment, proof, signature, fingerprint or human comparison did not hold."""


class FrameRejected(E2ECallError):
    """One media frame was refused; `reason` says why. `mismatch` says more of a wrong stream, where that is known."""

    mismatch: StreamMismatch | None = None

    def __init__(  # written out: a refused frame must not cost more than a good one
        self,
        reason: FrameReason,
        message: str | None = None,
        key_id: int | None = None,
        epoch: int | None = None,
        clause: str | None = None,
        **where: Unpack[_WhereElse],
    ) -> None:
        self.reason = reason
        self.message = message or f"frame rejected: {reason}"
        self.key_id = key_id
        self.epoch = epoch
        self.clause = clause
        if where:
            self.__dict__.update(where)


class CounterExhausted(E2ECallError):
    """A send key has used its last counter value; only a new key helps."""


class TransportFailed(E2ECallError):
    """The relay, the network or the other side is gone."""


class AddressUnavailable(TransportFailed):
    """This machine cannot listen on that address or port."""


class MediaUnavailable(E2ECallError):
    """A file, codec or device cannot give what was asked of it."""


class StoreCorrupt(E2ECallError):
    """Stored state is damaged, from another program, or from a newer version."""


class OutputFailed(E2ECallError):
    """A result could not be written."""


class ExitStatus(IntEnum):
    """What the exit status of every command means."""

    OK = 0
    ENVIRONMENT = 1
    USAGE = 2
    PEER = 3
    VERIFICATION = 4
    SELF_CHECK = 5
    INTERRUPTED = 130


_EXIT_STATUS: dict[type[E2ECallError], ExitStatus] = {
    AddressUnavailable: ExitStatus.ENVIRONMENT,  # before its base
    MediaUnavailable: ExitStatus.ENVIRONMENT,
    OutputFailed: ExitStatus.ENVIRONMENT,
    StoreCorrupt: ExitStatus.ENVIRONMENT,
    TransportFailed: ExitStatus.PEER,
    PeerMisbehaved: ExitStatus.PEER,
    PeerIncompatible: ExitStatus.PEER,
    MalformedMessage: ExitStatus.PEER,
    VerificationFailed: ExitStatus.VERIFICATION,
}


def exit_status(error: E2ECallError) -> ExitStatus:
    """The exit status that `error` ends a command with; 5 for what should not have happened at all."""
    return next((status for kind, status in _EXIT_STATUS.items() if isinstance(error, kind)), ExitStatus.SELF_CHECK)

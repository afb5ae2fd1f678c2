"""frame.7: the only place that hands keys to frames: who sends what under which context of the call's base_key.

A call between two is a group of two (frame.4-1): the caller has sender index 0, the callee 1. This version has one
epoch, number 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from typing import Final, Literal

from e2ecall.codecs import layout_for
from e2ecall.errors import ApiMisuse, MediaUnavailable, PeerIncompatible, PeerMisbehaved
from e2ecall.secret import SecretBytes
from e2ecall.sframe import DEFAULT_SUITE, ONE_TO_ONE, CipherSuite, Owned, Receiver, Sender
from e2ecall.sframe.owned import refuse_after_fork

__all__ = ["CAMERA", "MAX_CONTEXT", "MICROPHONE", "FrameKeys", "Kind", "LocalStream", "Role"]

Kind = Literal["audio", "video"]
_KINDS: dict[str, Kind] = {"audio": "audio", "video": "video"}

MICROPHONE: Final = 0
CAMERA: Final = 1
_FIRST: dict[Kind, int] = {"audio": MICROPHONE, "video": CAMERA}
_FIRST_FURTHER: Final = 2
MAX_CONTEXT: Final = 1023  # per side and call; bounds what announcements can make a receiver hold

_EPOCH: Final = 0


class Role(StrEnum):
    """Which side of the exchange this is: the caller sent the offer."""

    CALLER = "caller"
    CALLEE = "callee"

    @property
    def sender_index(self) -> int:
        """frame.4-1: 0 for the caller, 1 for the callee."""
        return 0 if self is Role.CALLER else 1

    @property
    def other(self) -> Role:
        """The other side's role."""
        return Role.CALLEE if self is Role.CALLER else Role.CALLER


@dataclass(frozen=True, slots=True)
class LocalStream:
    """frame.7-1: one stream that this side sends; `codec` in lower case, `sender` the only one of its context."""

    context: int
    kind: Kind
    codec: str
    sender: Sender


class FrameKeys(Owned):
    """frame.7: the frame keys of one side of a call, from the base_key of epoch 0.

    It takes `base_key`: a second one from the same SecretBytes is ApiMisuse, because it would start its counters again.
    `wipe` ends `open_stream` and `announce_remote`. Like a Sender, the object cannot be copied, pickled, or used after
    os.fork().
    """

    __slots__ = ("_base_key", "_by_kind", "_next_context", "_remote", "_unopened", "receiver", "role", "suite", "who")

    def __init__(
        self, base_key: SecretBytes, role: Role, suite: CipherSuite = DEFAULT_SUITE, *, who: str | None = None
    ) -> None:
        """`who` names the other side in errors."""
        self.role = Role(role)
        self.suite = suite
        self.who = who
        self.receiver = Receiver(suite, layout=ONE_TO_ONE, own_sender=self.role.sender_index)
        self._base_key = base_key.take()
        self._next_context: Callable[[], int] = count(_FIRST_FURTHER).__next__
        self._unopened: dict[Kind, int] = dict(_FIRST)
        self._remote: dict[int, tuple[Kind, str | None]] = {}
        self._by_kind: dict[Kind, frozenset[int]] = {"audio": frozenset(), "video": frozenset()}
        for kind, context in _FIRST.items():
            self._install(context, kind, None)
        super().__init__()

    def open_stream(self, kind: Kind, codec: str) -> LocalStream:
        """frame.7-1: a new stream of ours, under a context that no stream of this call had before.

        The first audio is context 0, the first video 1, every further one the next from 2. ApiMisuse for another kind,
        beyond context 1023, after a fork and once base_key is wiped; MediaUnavailable for a codec without a layout.
        """
        _check_kind(kind)
        name = layout_for(codec).name
        context = self._unopened.pop(kind, None)
        if context is None:
            context = self._next_context()
        if context > MAX_CONTEXT:
            raise ApiMisuse(f"a call has at most {MAX_CONTEXT + 1} streams a side", clause="frame.7-4")
        return LocalStream(context, kind, name, Sender(self.suite, self._kid(self.role, context), self._base_key))

    def announce_remote(self, context: int, kind: str, codec: str) -> None:
        """frame.7-2, frame.7-3: the other side opened a further stream, as it said over the control channel.

        The same announcement again is ignored. PeerMisbehaved for contexts 0 and 1, for one beyond 1023, for a known
        context with another kind or codec, and for a kind that is neither audio nor video; PeerIncompatible for a codec
        that this version cannot open.
        """
        if not _FIRST_FURTHER <= context <= MAX_CONTEXT:
            raise PeerMisbehaved(f"context {context} cannot be announced", who=self.who, clause="frame.7-3")
        if kind not in _KINDS:
            raise PeerMisbehaved(f"a stream of kind {kind!r} is announced", who=self.who, clause="frame.7-3")
        try:
            name = layout_for(codec).name
        except MediaUnavailable as error:
            raise PeerIncompatible(error.message, who=self.who, clause=error.clause) from None
        known = self._remote.get(context)
        if known is None:
            self._install(context, _KINDS[kind], name)
        elif known != (kind, name):
            raise PeerMisbehaved(f"context {context} is announced a second time", who=self.who, clause="frame.7-3")

    def contexts(self, kind: Kind) -> frozenset[int]:
        """frame.7-5: the contexts of the other side that a receiver of that kind may carry."""
        _check_kind(kind)
        return self._by_kind[kind]

    def knows_context(self, context: int) -> bool:
        """Whether the other side has a stream of that context, whatever its kind."""
        return context in self._remote

    def wipe(self) -> None:
        """Zero the base key: no further stream is opened or announced; running ones go on until they are gone."""
        self._base_key.wipe()

    def disable_after_fork(self) -> None:
        """frame.5-4: a child opens no stream: parent and child would give out the same context."""
        self._unopened = {}
        self._next_context = refuse_after_fork

    def _install(self, context: int, kind: Kind, codec: str | None) -> None:
        self.receiver.add_key(self._kid(self.role.other, context), self._base_key)
        self._remote[context] = (kind, codec)
        self._by_kind[kind] |= {context}

    @staticmethod
    def _kid(role: Role, context: int) -> int:
        return ONE_TO_ONE.encode(context=context, sender=role.sender_index, epoch=_EPOCH)

    def __repr__(self) -> str:
        return f"<FrameKeys of the {self.role}, {self.suite.name}>"


def _check_kind(kind: str) -> None:
    if kind not in _KINDS:
        raise ApiMisuse(f"a stream is audio or video, not {kind!r}", clause="frame.7-1")

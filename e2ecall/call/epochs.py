"""frame.7: the only place that hands keys to frames: who sends what under which context of the call's base_key.

A call between two is a group of two (frame.4-1): the caller has sender index 0, the callee 1. It begins in epoch 0;
`e2ecall.call.rekey` says when a further one is installed, when sending moves to it, and when the old one is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Final

from e2ecall.call.streams import Kind, RemoteStream, Source, StreamTable
from e2ecall.codecs import layout_for
from e2ecall.errors import ApiMisuse, MediaUnavailable, PeerIncompatible, PeerMisbehaved, VerificationFailed
from e2ecall.handshake import Role
from e2ecall.secret import SecretBytes
from e2ecall.sframe import DEFAULT_SUITE, ONE_TO_ONE, CipherSuite, Owned, Receiver, Sender
from e2ecall.sframe.owned import refuse_after_fork
from e2ecall.sframe.suites import cipher_suite

__all__ = ["CAMERA", "MAX_CONTEXT", "MICROPHONE", "FrameKeys", "Kind", "LocalStream", "check_codec"]

_KINDS: dict[str, Kind] = {"audio": "audio", "video": "video"}

MICROPHONE: Final = 0
CAMERA: Final = 1
_FIRST: dict[Kind, int] = {"audio": MICROPHONE, "video": CAMERA}
_FIRST_SOURCE: dict[Kind, Source] = {"audio": Source.MICROPHONE, "video": Source.CAMERA}
_SOUND: Final = "opus"  # the one codec here that is no video
_FIRST_FURTHER: Final = 2
_SHOWN: Final = 32  # characters of a codec that an error repeats
MAX_CONTEXT: Final = 1023  # per side and call; bounds what announcements can make a receiver hold


class LocalStream:
    """frame.7-1: one stream that this side sends; `codec` in lower case. Its `sender` is another one in each epoch."""

    __slots__ = ("codec", "context", "frames", "kind", "sender", "source")

    def __init__(self, context: int, kind: Kind, codec: str, sender: Sender, source: Source = Source.OTHER) -> None:
        self.context = context
        self.kind: Kind = kind
        self.codec = codec
        self.sender: Sender | _StoppedSender = sender
        self.source = source
        self.frames = 0  # sealed in this epoch, as far as `protect` was used

    def protect(self, plaintext: bytes, metadata: bytes = b"") -> bytes:
        """frame.5-1: seal one frame under the key of the epoch that is sent in."""
        self.frames += 1
        return self.sender.protect(plaintext, metadata)

    def __repr__(self) -> str:
        return f"<LocalStream {self.context}, {self.kind}, {self.codec}>"


class _StoppedSender:
    """Stands where a stream had its sender: nothing is sealed any more, and whoever tries is told why."""

    def __init__(self, kid: int, message: str) -> None:
        self.kid = kid
        self._message = message

    def protect(self, plaintext: bytes, metadata: bytes = b"") -> bytes:
        """frame.7-10: VerificationFailed, always."""
        del plaintext, metadata
        raise VerificationFailed(self._message, key_id=self.kid, clause="frame.7-10")


class FrameKeys(Owned):
    """frame.7: the frame keys of one side of a call, from the base_key of its first epoch and of those installed later.

    It takes `base_key`: a second one from the same SecretBytes is ApiMisuse, because it would start its counters again.
    `wipe` ends `open_stream` and `announce_remote`. Like a Sender, the object cannot be copied, pickled, or used after
    os.fork().
    """

    __slots__ = (
        "_base_keys",
        "_ended",
        "_local",
        "_next_context",
        "_short_tags",
        "_unopened",
        "epoch",
        "on_open",
        "receiver",
        "remote",
        "role",
        "stopped",
        "suite",
        "who",
    )

    def __init__(
        self,
        base_key: SecretBytes,
        role: Role,
        suite: CipherSuite = DEFAULT_SUITE,
        *,
        who: str | None = None,
        short_tags: frozenset[int] = frozenset(),
        epoch: int = 0,
    ) -> None:
        """`who` names the other side in errors; `epoch` is the number of the epoch of `base_key`.

        With a suite of 32-bit tags, video is neither sealed nor opened under it, but for the contexts in `short_tags`.
        """
        self.role = Role(role)
        self.suite = cipher_suite(suite)
        self._short_tags = short_tags
        self.who = who
        self.receiver = Receiver(suite, layout=ONE_TO_ONE, own_sender=self.role.sender_index)
        self.epoch = epoch
        self.stopped: str | None = None  # why nothing is sealed or opened any more
        self._base_keys = {epoch: base_key.take()}
        self._local: list[LocalStream] = []
        self.on_open: Callable[[LocalStream], None] | None = None
        self._next_context: Callable[[], int] = count(_FIRST_FURTHER).__next__
        self._unopened: dict[Kind, int] = dict(_FIRST)
        self.remote = StreamTable()
        self._ended: set[int] = set()
        for kind, context in _FIRST.items():
            if not self._is_refused(kind, context):
                self._install(RemoteStream(context, kind, _FIRST_SOURCE[kind]))
        super().__init__()

    def open_stream(self, kind: Kind, codec: str, *, source: Source = Source.OTHER) -> LocalStream:
        """frame.7-1: a new stream of ours, under a context that no stream of this call had before.

        The first audio is context 0, the first video 1, every further one the next from 2, which the other side is
        told of with its `source`. ApiMisuse for another kind,
        beyond context 1023, for video under 32-bit tags (frame.7-7), after a fork and once base_key is wiped;
        MediaUnavailable for a codec without a layout.
        """
        _check_kind(kind)
        name = layout_for(codec).name
        context = self._unopened.pop(kind, None)
        if context is None:
            context = self._next_context()
        if self._is_refused(kind, context, name):
            message = f"video is not sealed with the 32-bit tags of {self.suite.name}"
            hint = f"take another suite, or name context {context} in short_tags"
            raise ApiMisuse(message, clause="frame.7-7", hint=hint)
        if context > MAX_CONTEXT:
            raise ApiMisuse(f"a call has at most {MAX_CONTEXT + 1} streams a side", clause="frame.7-4")
        stream = LocalStream(context, kind, name, self._sender(context), source)
        self._local.append(stream)
        if context >= _FIRST_FURTHER and self.on_open is not None:
            self.on_open(stream)
        return stream

    def announce_remote(
        self, context: int, kind: str, codec: str, *, source: Source = Source.OTHER, layer: int | None = None
    ) -> None:
        """frame.7-2, frame.7-3: the other side opened a further stream, as it said over the control channel.

        The same announcement again is ignored. PeerMisbehaved for contexts 0 and 1, for one beyond 1023, for a context
        that was announced as something else or has ended, and for a kind that is neither audio nor video;
        PeerIncompatible for a codec that this version cannot open, and for video under 32-bit tags (frame.7-7).
        """
        if not _FIRST_FURTHER <= context <= MAX_CONTEXT:
            raise PeerMisbehaved(f"context {context} cannot be announced", who=self.who, clause="frame.7-3")
        if kind not in _KINDS:
            raise PeerMisbehaved(f"a stream of kind {kind!r} is announced", who=self.who, clause="frame.7-3")
        name = check_codec(codec, who=self.who)
        if self._is_refused(kind, context, name):
            message = f"video in context {context} has the 32-bit tags of {self.suite.name}"
            raise PeerIncompatible(message, who=self.who, clause="frame.7-7")
        stream = RemoteStream(context, _KINDS[kind], source, name, layer)
        known = self.remote.get(self.remote_number(context))
        if known is None and context not in self._ended:
            self._install(stream)
        elif known != stream:
            raise PeerMisbehaved(f"context {context} is announced a second time", who=self.who, clause="frame.7-3")

    def end_remote(self, context: int) -> None:
        """frame.7-9: the other side's stream of that context is over; its frames are refused, its number is spent.

        A context that was not announced is ignored, as is one that cannot be.
        """
        if not 0 <= context <= MAX_CONTEXT:
            return
        number = self.remote_number(context)
        if self.remote.get(number) is not None:
            self.remote.end(number)
            for epoch in self._base_keys:
                self.receiver.remove_key(self._kid(self.role.other, context, epoch))
            self._ended.add(context)

    def streams(self, kind: Kind) -> frozenset[int]:
        """frame.7-5: the numbers (`KeyIdLayout.stream`) of the other side's streams of that kind."""
        _check_kind(kind)
        return self.remote.of_kind(kind)

    def knows_context(self, context: int) -> bool:
        """frame.8-12: whether the other side has, or had, a stream of that context, or may have one unannounced."""
        announced = self.remote.get(self.remote_number(context)) is not None
        return context < _FIRST_FURTHER or announced or context in self._ended

    # -- epochs: epoch.2 and epoch.3 ------------------------------------------------------------------------------

    def install_epoch(self, epoch: int, base_key: SecretBytes) -> None:
        """epoch.2-1: frames of that epoch can be opened from now on; `base_key` is taken.

        What an earlier attempt at the same epoch had installed is gone. Nothing is sent in it yet.
        """
        for known in [known for known in self._base_keys if ONE_TO_ONE.epoch(known) == ONE_TO_ONE.epoch(epoch)]:
            self.forget_epoch(known)  # the low bits of a KID are all that tells epochs apart
        self._base_keys[epoch] = base_key.take()
        for stream in self.remote:
            self._add_key(stream.context, epoch)

    def send_in(self, epoch: int) -> None:
        """epoch.2-2: every stream seals in that epoch from now on; the send keys of the one before are gone."""
        self.epoch = epoch
        for stream in self._local:
            stream.sender = self._sender(stream.context)
            stream.frames = 0

    def peer_is_in(self, epoch: int) -> bool:
        """epoch.2-4: whether a frame of that epoch, or of a later one, has authenticated."""
        return self.receiver.has_opened(epoch)

    def leave_epoch(self, epoch: int) -> None:
        """epoch.3-2: the other side is past that epoch: its receive keys go after 256 more frames each, or 2 s."""
        self.receiver.leave_epoch(epoch)

    def expire(self, now: float) -> None:
        """frame.6-15: drop the receive keys that have been leaving for 2 s; `now` in seconds."""
        self.receiver.expire(now)

    def forget_epoch(self, epoch: int) -> None:
        """epoch.3-2: nothing of that epoch is opened any more, and its base key is zeroed. Harmless when it is gone."""
        if epoch == self.epoch:
            raise ApiMisuse("this epoch is in use", epoch=epoch, clause="epoch.3-1")
        base_key = self._base_keys.pop(epoch, None)
        if base_key is not None:
            base_key.wipe()
            self.receiver.remove_epoch(epoch)

    def sent(self) -> tuple[tuple[int, int], ...]:
        """(context, frames sealed in this epoch) of every stream of ours."""
        return tuple((stream.context, stream.frames) for stream in self._local)

    def stop(self, message: str) -> None:
        """frame.7-10: seal and open nothing any more, on any stream: a comparison failed, or a key must not be used."""
        self.stopped = message
        self.wipe()
        for stream in self._local:
            stream.sender = _StoppedSender(stream.sender.kid, message)
        for kid in self.receiver.key_ids():
            self.receiver.remove_key(kid)

    def wipe(self) -> None:
        """Zero the base keys: no further stream is opened or announced; running ones go on until they are gone."""
        for base_key in self._base_keys.values():
            base_key.wipe()

    def disable_after_fork(self) -> None:
        """frame.5-4: a child opens no stream: parent and child would give out the same context."""
        self._unopened = {}
        self._next_context = refuse_after_fork

    def _install(self, stream: RemoteStream) -> None:
        for epoch in self._base_keys:
            self._add_key(stream.context, epoch)
        self.remote.add(self.remote_number(stream.context), stream)

    def _is_refused(self, kind: str, context: int, codec: str = _SOUND) -> bool:
        """frame.7-7: whether this is video under 32-bit tags that nobody asked for by name, whatever it is called."""
        return (kind == "video" or codec != _SOUND) and self.suite.has_short_tag and context not in self._short_tags

    def remote_number(self, context: int) -> int:
        """frame.4-4: the number of the other side's stream of that context, announced or not."""
        return ONE_TO_ONE.stream_of(context=context, sender=self.role.other.sender_index)

    def _add_key(self, context: int, epoch: int) -> None:
        self.receiver.add_key(self._kid(self.role.other, context, epoch), self._base_keys[epoch])

    def _sender(self, context: int) -> Sender:
        return Sender(self.suite, self._kid(self.role, context, self.epoch), self._base_keys[self.epoch])

    @staticmethod
    def _kid(role: Role, context: int, epoch: int) -> int:
        return ONE_TO_ONE.encode(context=context, sender=role.sender_index, epoch=epoch)

    def __repr__(self) -> str:
        return f"<FrameKeys of the {self.role}, {self.suite.name}>"


def check_codec(codec: str, *, who: str | None = None) -> str:
    """frame.7-3: the name of an announced codec; PeerIncompatible, which repeats little of it, without a layout."""
    try:
        return layout_for(codec).name
    except MediaUnavailable as error:
        message = error.message if len(codec) <= _SHOWN else "frames of the announced codec cannot be opened"
        raise PeerIncompatible(message, who=who, clause=error.clause) from None


def _check_kind(kind: str) -> None:
    if kind not in _KINDS:
        raise ApiMisuse(f"a stream is audio or video, not {kind!r}", clause="frame.7-1")

"""frame.7-8: one incoming track, the stream of the other side that it turns out to carry, and what is missing of it."""

from __future__ import annotations

from e2ecall.call.epochs import FrameKeys
from e2ecall.call.streams import Kind, RemoteStream
from e2ecall.errors import ApiMisuse, FrameReason, FrameRejected
from e2ecall.sframe import ONE_TO_ONE

__all__ = ["Track"]


class Track:
    """frame.7-8: opens the frames of one track. The first opened frame says of which stream they all are.

    Until then every stream of the kind may arrive. When the stream has ended (`FrameKeys.end_remote`), the track is
    free for another one. One frame at a time, from any thread.
    """

    __slots__ = ("_bound", "_keys", "_newest", "kid", "kind", "missed")

    def __init__(self, kind: Kind, keys: FrameKeys, *, context: int | None = None) -> None:
        """`context` binds the track at once, where something authenticated said so. ApiMisuse for another kind."""
        self.kind: Kind = kind
        self.kid: int | None = None  # of the last opened frame
        self.missed = 0  # counters of one key that were passed over; a frame that comes late is not taken off again
        self._newest = 0  # counter of the newest opened frame of that key
        self._keys = keys
        self._bound: frozenset[int] | None = None
        keys.streams(kind)
        if context is not None:
            number = keys.remote_number(context)
            if number not in keys.streams(kind):
                raise ApiMisuse(f"the other side has no {kind} stream {context}", clause="frame.7-8")
            self._bound = frozenset({number})

    @property
    def stream(self) -> RemoteStream | None:
        """What the other side said of the stream on this track; None before the first opened frame."""
        if self._bound is None:
            return None
        return next((self._keys.remote.get(number) for number in self._bound), None)

    @property
    def name(self) -> str:
        """For messages: the kind, with the context's number where the side has several streams of the kind."""
        stream = self.stream
        return self.kind if stream is None or stream.context < 2 else f"{self.kind} {stream.context}"

    def unprotect(self, ciphertext: bytes, metadata: bytes) -> bytes:
        """frame.7-8, frame.6-4: the plaintext, or FrameRejected; a wrong stream's tells the mismatch.

        After `FrameKeys.stop`, whatever comes is refused as stopped.
        """
        expected = self._bound or self._keys.streams(self.kind)
        try:
            plaintext, kid, ctr = self._keys.receiver.unprotect(ciphertext, metadata, streams=expected)
        except FrameRejected as rejected:
            if (why := self._keys.stopped) is not None:
                raise FrameRejected(FrameReason.STOPPED, why, rejected.key_id, clause="frame.7-10") from None
            if rejected.reason is FrameReason.WRONG_STREAM and rejected.key_id is not None:
                if self._bound is not None and self.stream is None:
                    self._bound = None  # its stream has ended
                    return self.unprotect(ciphertext, metadata)
                found = ONE_TO_ONE.stream(rejected.key_id)
                rejected.mismatch = self._keys.remote.mismatch(self.kind, expected, found)
            raise
        if kid == self.kid:
            if ctr > self._newest:
                self.missed += ctr - self._newest - 1
                self._newest = ctr
        elif plaintext:  # an empty frame is refused by its layout
            self.kid = kid
            self._newest = ctr  # what came before it is unknown: a late start, or another epoch
            self._bound = frozenset({ONE_TO_ONE.stream(kid)})
        return plaintext

    def could_be(self, kid: int) -> bool:
        """Whether the call has, or had, a stream of that KID's context, whoever sends it: our own frames may come back.

        A hint from bytes that nobody vouches for.
        """
        return self._keys.knows_context(ONE_TO_ONE.decode(kid).context)

"""frame.8, frame.9: encoded frames in, sealed frames out, and back. No aiortc here: bytes, keys, counts.

Each object serves one track, one frame at a time, from any thread. There is no way through without sealing: a frame
comes out sealed (or opened), or an error comes out that says who, which stream, which key and why.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from time import thread_time

from e2ecall.call.epochs import FrameKeys, Kind, LocalStream
from e2ecall.codecs import layout_for
from e2ecall.errors import CounterExhausted, FrameReason, FrameRejected
from e2ecall.sframe import ONE_TO_ONE, decode_header

__all__ = ["OpenStream", "SealStream", "StreamStats"]


@dataclass(slots=True)
class StreamStats:
    """frame.9-2: what became of one stream's frames, so far.

    `frames` and `bytes` count encoded frames that were sealed or opened, in clear size; `seconds` is CPU time of the
    threads that did it; `kid` is the key id in use (None before the first opened frame).
    """

    kind: str
    codec: str
    kid: int | None = None
    frames: int = 0
    bytes: int = 0
    seconds: float = 0.0
    rejected: Counter[FrameReason] = field(default_factory=Counter)


class SealStream:
    """frame.8: seals the frames of one local stream in its codec's layout. `who` is whom the stream is for."""

    __slots__ = ("_layout", "_protect", "_who", "stats")

    def __init__(self, codec: str, stream: LocalStream, *, who: str | None) -> None:
        """MediaUnavailable for a codec without a layout."""
        self._layout = layout_for(codec)
        self._protect = stream.sender.protect
        self._who = who
        self.stats = StreamStats(stream.kind, self._layout.name, stream.sender.kid)

    def seal(self, frame: bytes) -> bytes:
        """frame.8-1: the sealed frame, for the codec's packetizer.

        FrameRejected(MALFORMED) for an empty frame, which is not to be sent; CounterExhausted when the key is used up
        and ApiMisuse after a fork, both of which end the stream.
        """
        started = thread_time()
        try:
            sealed = self._layout.seal(frame, self._protect)
        except (FrameRejected, CounterExhausted) as error:
            reason = error.reason if isinstance(error, FrameRejected) else FrameReason.EXHAUSTED
            self.stats.rejected[reason] += 1
            error.who, error.stream, error.key_id = self._who, self.stats.kind, self.stats.kid
            raise
        finally:
            self.stats.seconds += thread_time() - started
        self.stats.frames += 1
        self.stats.bytes += len(frame)
        return sealed

    def is_key(self, frame: bytes) -> bool:
        """Whether a decoder can start at this encoded frame."""
        return self._layout.is_key(frame)


class OpenStream:
    """frame.8: opens the frames of one remote track of a kind ("audio" or "video"). `who` is whose frames they are."""

    __slots__ = ("_keys", "_kind", "_layout", "_who", "stats")

    def __init__(self, codec: str, kind: Kind, keys: FrameKeys, *, who: str | None) -> None:
        """MediaUnavailable for a codec without a layout; ApiMisuse for another kind."""
        keys.contexts(kind)
        self._layout = layout_for(codec)
        self._kind = kind
        self._keys = keys
        self._who = who
        self.stats = StreamStats(kind, self._layout.name)

    def open(self, sealed: bytes) -> bytes:
        """frame.8-1, frame.9-1: the encoded frame, bit for bit.

        FrameRejected otherwise, with who, stream, key id, epoch and reason as far as the frame tells them.
        """
        started = thread_time()
        try:
            frame = self._layout.open(sealed, self._unprotect)
        except FrameRejected as rejected:
            self.stats.rejected[rejected.reason] += 1
            rejected.who, rejected.stream = self._who, self._stream_name(rejected.key_id)
            raise
        finally:
            self.stats.seconds += thread_time() - started
        self.stats.frames += 1
        self.stats.bytes += len(frame)
        return frame

    def looks_unsealed(self, sealed: bytes) -> bool:
        """frame.8-12: whether a refused frame looks like an encoder's own, from a side that does not seal.

        A hint for the message to a person, after MALFORMED or UNKNOWN_KEY; encoders hit our constants by chance, so ask
        for several frames. Never a reason to pass a frame on.
        """
        if not self._layout.has_prefix(sealed):
            return True
        try:
            kid, _, _ = decode_header(self._layout.open(sealed, _bare))
        except FrameRejected:
            return True
        return not self._keys.knows_context(ONE_TO_ONE.decode(kid).context)

    def is_key(self, frame: bytes) -> bool:
        """Whether a decoder can start at this opened frame."""
        return self._layout.is_key(frame)

    def _unprotect(self, ciphertext: bytes, metadata: bytes) -> bytes:
        contexts = self._keys.contexts(self._kind)
        plaintext, kid, _ = self._keys.receiver.unprotect(ciphertext, metadata, contexts=contexts)
        self.stats.kid = kid
        return plaintext

    def _stream_name(self, kid: int | None) -> str:
        """The kind; with the context's number where the side has several streams of the kind."""
        context = None if kid is None else ONE_TO_ONE.decode(kid).context
        if context is None or context < 2 or context not in self._keys.contexts(self._kind):
            return self._kind
        return f"{self._kind} {context}"


def _bare(ciphertext: bytes, metadata: bytes) -> bytes:
    del metadata
    return ciphertext

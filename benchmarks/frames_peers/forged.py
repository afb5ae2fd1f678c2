"""What frames cost that nobody with a key has sent, and what they leave behind: the price list of an attacker.

Every kind is checked to be refused for its own reason before it is timed. The good frame it is compared with runs
through the same loop, in the same round.
"""

import gc
import tracemalloc
from contextlib import suppress
from enum import StrEnum
from itertools import count
from pathlib import Path

import e2ecall
from e2ecall.errors import FrameReason, FrameRejected
from e2ecall.sframe import ONE_TO_ONE, CipherSuite, Sender, decode_header, encode_header
from frames_peers.contestant import KID, Plaintexts, Spent, timed
from frames_peers.ours import OWN_SENDER, STREAMS, Ours

WINDOW = 1024
NO_TAG = bytes(16)
CHUNK = 500  # within the window
CALLS = 4  # how deep in calls memory is traced: the last ones say whose it is
OWN_KID = ONE_TO_ONE.encode(context=1, sender=OWN_SENDER, epoch=0)
OTHER_STREAM = ONE_TO_ONE.encode(context=9, sender=0, epoch=0)


class Forgery(StrEnum):
    """What is wrong with the frame; in the order of the checks that find it."""

    MALFORMED = "header not minimal"
    UNKNOWN_KEY = "unknown KID"
    OWN_FRAME = "our own KID"
    WRONG_STREAM = "KID of another stream"
    REPLAY = "replay"
    TOO_OLD = "older than the window"
    SHORT = "shorter than a tag"
    BAD_TAG = "bad tag"


REASONS = {
    Forgery.MALFORMED: FrameReason.MALFORMED,
    Forgery.UNKNOWN_KEY: FrameReason.UNKNOWN_KEY,
    Forgery.OWN_FRAME: FrameReason.OWN_FRAME,
    Forgery.WRONG_STREAM: FrameReason.WRONG_STREAM,
    Forgery.REPLAY: FrameReason.REPLAY,
    Forgery.TOO_OLD: FrameReason.TOO_OLD,
    Forgery.SHORT: FrameReason.MALFORMED,
    Forgery.BAD_TAG: FrameReason.AUTHENTICATION,
}


class Attacker:
    """Forges frames for one receiver. `ours` has sent and received more than a window of frames."""

    def __init__(self, suite: CipherSuite, plaintexts: Plaintexts) -> None:
        self.ours = Ours(suite, plaintexts)
        self.name = self.ours.name
        self._plaintexts = plaintexts
        self._unknown = count(1)
        self._other_stream = Sender(suite, OTHER_STREAM, self.ours.base_key)
        self.ours.receiver.add_key(OTHER_STREAM, self.ours.base_key)
        self._advance(2 * WINDOW)

    def frames(self, kind: Forgery, size: int, count: int) -> list[bytes]:
        """`count` frames of that kind, of about `size` bytes; the receiver is left as it was, but for its window."""
        bodies = self._plaintexts.take(size, count)
        protect = self.ours.sender.protect
        match kind:
            case Forgery.MALFORMED:
                return [b"\x08\x03" + body for body in bodies]
            case Forgery.UNKNOWN_KEY:  # every frame names another KID: a receiver that noted them would grow
                return [encode_header(next(self._unknown) << 9, 9) + body for body in bodies]
            case Forgery.OWN_FRAME:
                return [encode_header(OWN_KID, n) + body for n, body in enumerate(bodies)]
            case Forgery.WRONG_STREAM:
                return [self._other_stream.protect(body) for body in bodies]
            case Forgery.SHORT:
                return [encode_header(KID, ctr) + NO_TAG[1:] for ctr in self._coming(count)]
            case Forgery.BAD_TAG:
                ahead = zip(self._coming(count), bodies, strict=True)
                return [encode_header(KID, ctr) + body + NO_TAG for ctr, body in ahead]
        sealed = [protect(body) for body in bodies]
        for frame in sealed:
            self.ours.receiver.unprotect(frame, streams=STREAMS)
        if kind is Forgery.TOO_OLD:
            self._advance(WINDOW)
        return sealed

    def _advance(self, count: int) -> None:
        for _ in range(count):
            self.ours.receiver.unprotect(self.ours.sender.protect(b""), streams=STREAMS)

    def _coming(self, count: int) -> range:
        """The counters that the sender uses next: those of a forger who is ahead of it."""
        newest = self.ours.sender.protect(b"")
        _, ctr, _ = decode_header(newest)
        self.ours.receiver.unprotect(newest, streams=STREAMS)
        return range(ctr + 1, ctr + 1 + count)

    def good(self, size: int, count: int) -> Spent:
        return self._time([self.ours.sender.protect(body) for body in self._plaintexts.take(size, count)])

    def forged(self, kind: Forgery, size: int, count: int) -> Spent:
        return self._time(self.frames(kind, size, count))

    def check(self, kind: Forgery, size: int) -> None:
        """AssertionError unless frames of that kind are refused, and for their own reason."""
        for frame in self.frames(kind, size, 2):
            try:
                self.ours.receiver.unprotect(frame, streams=STREAMS)
            except FrameRejected as rejected:
                if rejected.reason is REASONS[kind]:
                    continue
                raise AssertionError(f"{kind}: refused as {rejected.reason}") from rejected
            raise AssertionError(f"{kind}: opened")

    def _time(self, frames: list[bytes]) -> Spent:
        unprotect = self.ours.receiver.unprotect

        def loop() -> None:
            for frame in frames:
                try:  # noqa: SIM105 - a context manager costs a third of a good frame
                    unprotect(frame, streams=STREAMS)
                except FrameRejected:
                    pass

        return timed(loop)

    def kept(self, kind: Forgery, total: int, size: int = 100) -> int:
        """Bytes that the library holds more of after `total` refused frames than before them.

        The library's are those that were asked for while one of its functions was running. The garbage collector is
        off: a cycle that waits for it counts as kept.
        """
        batches = total // CHUNK
        if kind in (Forgery.REPLAY, Forgery.TOO_OLD):  # the same ones again and again: more do not fit into a window
            frames = self.frames(kind, size, CHUNK) * batches
        else:
            frames = [frame for _ in range(batches) for frame in self.frames(kind, size, CHUNK)]
        gc.disable()
        tracemalloc.start(CALLS)
        try:
            self._attack(frames[:CHUNK])  # what is made once and stays, is made here
            before = _held()
            self._attack(frames)
            return max(0, _held() - before)
        finally:
            tracemalloc.stop()
            gc.enable()

    def _attack(self, frames: list[bytes]) -> None:
        for frame in frames:
            with suppress(FrameRejected):
                self.ours.receiver.unprotect(frame, streams=STREAMS)


def _held() -> int:
    library = tracemalloc.Filter(True, str(Path(e2ecall.__file__).parent / "*"), all_frames=True)
    return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([library]).traces)

"""What the targets of the codec layouts have in common.

    input   u8 flags || u8 argument || edit[flags bits 2 to 3] || frame
    edit    u8 kind || u16 position || u8 value

Bit 0 of the flags: `frame` is encoded, and is sealed, carried and opened; or it is sealed, and is opened by whoever
opens everything. Bit 1: sealed by SFrame; or by a cipher that leaves bytes as they are and adds a tag, so that the
input says what the layout has to carry. Bits 4 to 6: what a machine on the way does to the sealed frame, as far as it
may. The edits then are what nobody may do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from random import Random
from typing import NamedTuple

from e2ecall.audit.oracle.layouts import open_frame, seal_frame
from e2ecall.audit.oracle.refused import Refused
from e2ecall.codecs import Profile, layout_for
from e2ecall.errors import FrameReason, FrameRejected
from e2ecall.secret import SecretBytes
from e2ecall.sframe.cipher import FrameCipher
from e2ecall.sframe.header import encode_header
from e2ecall.sframe.receiver import Receiver
from fuzz.mutation import below, mutate_bytes
from fuzz.snapshot import Snapshot
from fuzz.target import Escape, cases

__all__ = ["MAX_LENGTH", "LayoutFuzz", "Transit"]

MAX_LENGTH = 256

Transit = Callable[[bytes, int], bytes]
"""(sealed frame, a number of the input) -> the frame as a machine on the way may hand it on."""

_KID = 0x20
_BASE = bytes(range(32))
_TAG = 8
_OPEN, _PLAIN = 1, 2  # bits of the flags
_KEY_CLEAR, _DELTA_CLEAR = 10, 3  # bytes of the clear header


class _Edit(NamedTuple):
    kind: int
    position: int
    value: int


class _Ciphers:
    """Both ways to seal and open one frame; an opened one stays open to be opened again."""

    def __init__(self) -> None:
        self.cipher = FrameCipher(5, _KID, SecretBytes(_BASE))
        self.receiver = Receiver(5)
        self.receiver.add_key(_KID, SecretBytes(_BASE))
        self.start = Snapshot(self.receiver)
        self.ctr = 0

    def protect(self, frame: bytes, metadata: bytes) -> bytes:
        """SFrame."""
        return self.cipher.seal(encode_header(_KID, self.ctr), self.ctr, frame, metadata)

    def unprotect(self, ciphertext: bytes, metadata: bytes) -> bytes:
        """SFrame, by a receiver that has seen nothing."""
        self.start.restore()
        return self.receiver.unprotect(ciphertext, metadata)[0]

    @staticmethod
    def protect_plain(frame: bytes, metadata: bytes) -> bytes:
        """The frame and a tag."""
        return frame + _tag(frame, metadata)

    @staticmethod
    def unprotect_plain(ciphertext: bytes, metadata: bytes) -> bytes:
        """The frame, if the tag is its own."""
        frame, tag = ciphertext[:-_TAG], ciphertext[-_TAG:]
        if tag != _tag(frame, metadata):
            raise FrameRejected(FrameReason.AUTHENTICATION)
        return frame


def _tag(frame: bytes, metadata: bytes) -> bytes:
    return blake2b(len(metadata).to_bytes(8) + metadata + frame, digest_size=_TAG).digest()


class LayoutFuzz:
    """One layout's target: `run`, `seeds` and `mutate`.

    `transits` are what machines on the way may do, `tokens` bytes that mean something to the codec, `samples` one frame
    of each type that the layout tells apart, and `body` how a ciphertext stands in a sealed frame. `read` opens in a
    second way, with nothing in the place of the cipher: the frame, or None. Without it the oracle opens, and seals.
    """

    def __init__(
        self,
        codec: str,
        *,
        profile: Profile = Profile.WHOLE,
        samples: Sequence[bytes] = (b"\0",),
        transits: Sequence[Transit] = (),
        tokens: Sequence[bytes] = (),
        body: Callable[[bytes], bytes] = bytes,
        read: Callable[[bytes], bytes | None] | None = None,
    ) -> None:
        self.codec = codec
        self.profile = profile
        self.layout = layout_for(codec, profile=profile)
        self.transits = transits
        self.tokens = tokens
        self.body = body
        self.ciphers = _Ciphers()
        self.read = read or self._read_by_oracle
        self.has_oracle = read is None
        self.samples: dict[bytes, bytes] = {}
        for sample in samples:
            self.layout.seal(sample, lambda frame, metadata: self.samples.setdefault(metadata, frame))

    def run(self, data: bytes) -> object:
        """The target."""
        flags, argument = (data[:2] + b"\0\0")[:2]
        count = flags >> 2 & 3
        raw = [data[at : at + 4] for at in range(2, 2 + 4 * count, 4)]
        edits = [_Edit(edit[0], int.from_bytes(edit[1:3]), edit[3]) for edit in raw if len(edit) == 4]
        frame = data[2 + 4 * count :]
        self.layout.is_key(frame)
        self.layout.has_prefix(frame)
        if flags & _OPEN:
            return self._open_anything(frame)
        transit = (flags >> 4 & 7) % (len(self.transits) + 1)
        return self._carry(frame, plain=bool(flags & _PLAIN), transit=transit, argument=argument, edits=edits)

    def _carry(self, frame: bytes, *, plain: bool, transit: int, argument: int, edits: list[_Edit]) -> object:
        self.ciphers.ctr = argument
        protect = self.ciphers.protect_plain if plain else self.ciphers.protect
        unprotect = self.ciphers.unprotect_plain if plain else self.ciphers.unprotect
        sealed = self._seal(frame, protect)
        if sealed is None:
            return "empty"
        if self.has_oracle and seal_frame(self.codec, frame, protect) != sealed:
            raise Escape(f"the oracle seals {frame.hex()} in another way")
        carried = self.transits[transit - 1](sealed, argument) if transit else sealed
        if self.layout.open(carried, unprotect) != frame:
            raise Escape(f"{carried.hex()} does not open to {frame.hex()}")
        for edit in edits:
            carried = self._edited(carried, edit)
        try:
            opened = self.layout.open(carried, unprotect)
        except FrameRejected as rejected:
            return transit, rejected.reason, rejected.clause
        if opened != frame:
            raise Escape(f"{frame.hex()} was sealed, and {opened.hex()} opened from {carried.hex()}")
        return transit, len(edits)

    def _seal(self, frame: bytes, protect: Callable[[bytes, bytes], bytes]) -> bytes | None:
        """Sealed, with a look at what was given to the seal; None for no frame."""
        given: list[tuple[bytes, bytes, bytes]] = []

        def watching(plaintext: bytes, metadata: bytes) -> bytes:
            given.append((plaintext, metadata, protect(plaintext, metadata)))
            return given[-1][2]

        try:
            sealed = self.layout.seal(frame, watching)
        except FrameRejected as rejected:
            if frame or rejected.reason is not FrameReason.MALFORMED:
                raise Escape(f"{frame.hex()} is not sealed: {rejected}") from rejected
            return None
        ((plaintext, metadata, ciphertext),) = given
        if self.profile is Profile.CLEAR_HEADER:
            clear = frame[: _DELTA_CLEAR if frame[0] & 1 else _KEY_CLEAR]
            expected = clear + ciphertext + bytes((len(clear),))
            whole = metadata[:-1] + plaintext
        else:
            expected = self.layout.seal(self.samples[metadata], lambda _frame, _metadata: ciphertext)
            whole = plaintext
        if whole != frame or sealed != expected or not self.layout.has_prefix(sealed):
            raise Escape(f"more of {frame.hex()} shows in {sealed.hex()} than its type")
        return sealed

    def _open_anything(self, sealed: bytes) -> object:
        """The bytes behind the layout are what it accepts once, in one way, and can seal again."""
        given: list[tuple[bytes, bytes]] = []

        def accept(ciphertext: bytes, metadata: bytes) -> bytes:
            given.append((ciphertext, metadata))
            return ciphertext

        frame = self._open_as_read(sealed, accept)
        if isinstance(frame, str):
            if len(given) > 1:
                raise Escape(f"{sealed.hex()} is opened {len(given)} times")
            return frame
        ((ciphertext, metadata),) = given
        if self.profile is Profile.CLEAR_HEADER:
            again = self.layout.seal(frame, _same)
            if again != sealed:
                raise Escape(f"{sealed.hex()} opens to a frame that is sealed as {again.hex()}")
            return len(metadata)
        again = self.layout.seal(self.samples[metadata], lambda _frame, _metadata: ciphertext)
        if frame != ciphertext or self.layout.open(again, accept) != frame or given[0] != given[-1]:
            raise Escape(f"{sealed.hex()} opens to {frame.hex()}, which is carried as {again.hex()}")
        if self.body(ciphertext) not in sealed:
            raise Escape(f"{sealed.hex()} opens to a ciphertext that stands in it in another form")
        return metadata

    def _open_as_read(self, sealed: bytes, accept: Callable[[bytes, bytes], bytes]) -> bytes | str:
        """The frame, or the clause by which it is refused. Escape unless the second way comes to the same."""
        frame: bytes | None = None
        clause = ""
        try:
            frame = self.layout.open(sealed, accept)
        except FrameRejected as rejected:
            if rejected.reason is not FrameReason.MALFORMED:
                raise Escape(f"{sealed.hex()} is refused as {rejected.reason}") from rejected
            clause = str(rejected.clause)
        expected = self.read(sealed)
        if frame != expected:
            raise Escape(f"{sealed.hex()} opens to {frame!r}, and by a second way to {expected!r}")
        return clause if frame is None else frame

    def _read_by_oracle(self, sealed: bytes) -> bytes | None:
        try:
            return open_frame(self.codec, sealed, _same)
        except Refused:
            return None

    def _edited(self, sealed: bytes, edit: _Edit) -> bytes:
        at = edit.position % (len(sealed) + 1)
        value = bytes((edit.value,))
        kind = edit.kind % 6
        if kind == 0:
            return sealed[:at] + value + sealed[at:]
        if kind == 1:
            return sealed[:at] + sealed[at + 1 + edit.value % 8 :]
        if kind == 2:
            return sealed[:at]
        if kind == 3 and self.tokens:
            return sealed[:at] + self.tokens[edit.value % len(self.tokens)] + sealed[at:]
        if kind == 4:
            return sealed[: at + edit.value % 16] + sealed[at:]
        return sealed[:at] + value + sealed[at + 1 :]

    def seeds(self) -> Iterator[bytes]:
        """The frames of the vectors, to be sealed in both ways, and all their sealed frames, good and bad."""
        for case in cases("codec", "codec-more"):
            if case["codec"] != self.codec or case.get("profile", Profile.WHOLE) != self.profile:
                continue
            for flags in (0, _PLAIN, *(_PLAIN | number << 4 for number in range(1, len(self.transits) + 1))):
                if "frame" in case:
                    yield bytes((flags, 0)) + bytes.fromhex(case["frame"])
            yield bytes((_OPEN, 0)) + bytes.fromhex(case["sealed"])

    def mutate(self, data: bytes, rng: Random) -> bytes:
        """The frame, the edits or the flags."""
        kind = below(rng, 8)
        if kind == 0 or len(data) < 2:
            return rng.randbytes(1) + data[1:]
        if kind == 1:
            return mutate_bytes(data, rng, self.tokens)
        if kind == 2 and data[0] & 0x0C != 0x0C:
            return bytes((data[0] + 4, data[1])) + rng.randbytes(4) + data[2:]
        at = 2 + 4 * (data[0] >> 2 & 3)
        return data[:at] + mutate_bytes(data[at:], rng, self.tokens)


def _same(data: bytes, _metadata: bytes) -> bytes:
    return data

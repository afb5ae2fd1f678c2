"""frame.6: opening (RFC 9605 §4.4.4). Bytes that are not authenticated cost one header, one lookup and one AEAD.

The order is fixed, and its first failure is the reason: header, key, stream, window, tag. No key is derived and none
is tried out for a frame; keys come from `add_key` alone, and failures of frames change nothing.
"""

from __future__ import annotations

from math import isfinite

from e2ecall.crypto.aead import InvalidTag
from e2ecall.errors import ApiMisuse, FrameReason, FrameRejected
from e2ecall.secret import SecretBytes
from e2ecall.sframe.header import SHAPES, decode_header
from e2ecall.sframe.key_id import KeyIdLayout
from e2ecall.sframe.owned import Owned, refuse_after_fork
from e2ecall.sframe.receive_key import InstalledKeys, ReceiveKey
from e2ecall.sframe.suites import NONCE_LENGTH, cipher_suite, derive_base_key_name

__all__ = ["Receiver"]

_LARGE = 32_768  # bytes; from here on a copy of the frame costs more than a memoryview
_from_bytes = int.from_bytes
_REFUSALS = {
    FrameReason.WRONG_STREAM: ("the frame belongs to another stream", "frame.6-4"),
    FrameReason.REPLAY: ("the frame was taken before", "frame.6-8"),
    FrameReason.TOO_OLD: ("the frame is older than the replay window", "frame.6-9"),
    FrameReason.AUTHENTICATION: ("the frame does not authenticate", "frame.6-5"),
}


class Receiver(Owned):
    """frame.6 (RFC 9605 §4.4.4): opens the frames of every KID that was added.

    `layout` says what a KID means; with it, `own_sender` is this side's sender index, whose frames are refused, and the
    keys of a sender's old epochs leave once the first frame of a newer one was opened (`expire`). Keys may be added and
    removed while other threads open frames.
    """

    __slots__ = (
        "_by_prefix",
        "_epoch_mask",
        "_forked",
        "_keys",
        "_layout",
        "_own_bits",
        "_sender_mask",
        "suite",
    )

    def __init__(self, suite: int, *, layout: KeyIdLayout | None = None, own_sender: int | None = None) -> None:
        if own_sender is not None and (layout is None or not 0 <= own_sender < 1 << layout.sender_bits):
            raise ApiMisuse("an own sender index needs a KID layout with room for it", clause="frame.6-3")
        self.suite = cipher_suite(suite)
        self._forked = False
        self._layout = layout
        # The layout's work for one frame, done beforehand: refusing costs as little as opening.
        epoch_bits, sender_bits = (0, 0) if layout is None else (layout.epoch_bits, layout.sender_bits)
        self._epoch_mask = (1 << epoch_bits) - 1
        self._sender_mask = (1 << sender_bits) - 1 << epoch_bits
        self._own_bits = -1 if own_sender is None else own_sender << epoch_bits
        self._keys = InstalledKeys()
        self._by_prefix = self._keys.by_prefix
        super().__init__()

    def add_key(self, kid: int, base_key: SecretBytes, *, suite: int | None = None) -> None:
        """frame.4-3, frame.4-5, frame.6-12: opens `kid` with this key from now on; another key of that KID is dropped.

        The same (base_key, KID) as before, removed or not, keeps its replay window. With a layout an epoch has one
        base_key: another one for the same epoch bits is a new epoch, and all keys of the old one are dropped. Epochs
        are added in their order.
        `suite` is the stream's, if it is not the receiver's. ApiMisuse for an own KID.
        """
        if self._forked:
            refuse_after_fork()
        if kid & self._sender_mask == self._own_bits:
            raise ApiMisuse("this is a KID of our own sending", key_id=kid, clause="frame.6-3")
        key = ReceiveKey(self.suite if suite is None else cipher_suite(suite), kid, base_key)
        if self._layout is None:
            self._keys.install(key)
        else:
            _, key.sender, key.epoch = self._layout.decode(kid)
            key.stream = self._layout.stream(kid)
            self._keys.install_in_epoch(key, derive_base_key_name(base_key))

    def key_ids(self) -> list[int]:
        """The KIDs that frames may have."""
        return self._keys.kids()

    def remove_key(self, kid: int) -> None:
        """frame.6-13: frames of `kid` are refused from now on; an unknown KID is ignored."""
        self._keys.remove(kid)

    def remove_epoch(self, epoch: int) -> None:
        """frame.6-13: refuse all frames of an epoch, also of senders who have not yet sent in a newer one.

        For a member who left and one who is silent, whose keys nothing else drops. `epoch` counts as in
        `KeyIdLayout.encode`. ApiMisuse without a layout.
        """
        self._keys.remove_epoch(self._epoch_bits(epoch))

    def leave_epoch(self, epoch: int) -> None:
        """frame.6-15: the same as `leave`, for every key of an epoch: its senders are known to have a newer one."""
        self._keys.leave_epoch(self._epoch_bits(epoch))

    def has_opened(self, epoch: int) -> bool:
        """epoch.2-4: whether a frame of that epoch, or of one added later, has authenticated."""
        return self._keys.has_begun(self._epoch_bits(epoch))

    def _epoch_bits(self, epoch: int) -> int:
        if self._layout is None:
            raise ApiMisuse("epochs need a KID layout", clause="frame.6-13")
        return self._layout.epoch(epoch)

    def leave(self, kid: int) -> None:
        """frame.6-15: the key of `kid` has a successor, and is dropped after 256 more frames or 2 s; see `expire`."""
        self._keys.leave(kid)

    def expire(self, now: float) -> None:
        """frame.6-15: drop the keys that have been leaving for 2 s; `now` in seconds of a clock that never goes back.

        To be called a few times a second: the 2 s begin with the first call that finds the key leaving.
        """
        if not isfinite(now):
            raise ApiMisuse(f"the time is {now}", clause="frame.6-15")
        self._keys.expire(now)

    def unprotect(
        self, ciphertext: bytes, metadata: bytes = b"", *, streams: frozenset[int] | None = None
    ) -> tuple[bytes, int, int]:
        """frame.6-1 (RFC 9605 §4.4.4): (plaintext, KID, CTR) of one sealed frame.

        `metadata` is what it was sealed with; `streams` are those that may arrive here, in the numbers of
        `KeyIdLayout.stream` (the KIDs themselves without a layout; None: any).
        FrameRejected otherwise, with the reason and the KID; nothing of a refused frame is kept or returned.
        """
        if not ciphertext:
            decode_header(ciphertext)
        length, ctr_bits, ctr_mask, ctr_floor = SHAPES[ciphertext[0]]
        header = ciphertext[:length]
        number = _from_bytes(header)
        ctr = number & ctr_mask
        key = self._by_prefix.get(number >> ctr_bits)
        if key is None or ctr < ctr_floor:
            key, ctr = self._find(ciphertext)
        if streams is not None and key.stream not in streams:
            raise self._refusal(FrameReason.WRONG_STREAM, key, ciphertext, length)
        window = key.window
        if ctr <= window.highest and (reason := window.refusal(ctr)) is not None:
            raise self._refusal(reason, key, ciphertext, length)
        sealed = ciphertext[length:] if len(ciphertext) < _LARGE else memoryview(ciphertext)[length:]
        try:
            plaintext = key.decrypt((key.salt ^ ctr).to_bytes(NONCE_LENGTH), sealed, header + metadata)
        except (InvalidTag, OverflowError):  # the latter: 2 GiB and more
            raise self._refusal(FrameReason.AUTHENTICATION, key, ciphertext, length) from None
        try:
            window.claim(ctr)
        except KeyError:
            if (reason := window.take(ctr)) is not None:
                raise self._refusal(reason, key, ciphertext, length) from None
        if ctr > window.highest:
            window.highest = ctr
        return plaintext, key.kid, ctr

    def _find(self, ciphertext: bytes) -> tuple[ReceiveKey, int]:
        """The key and the CTR of a frame whose prefix is not known: the CTR has no field, or there is a refusal."""
        kid, ctr, _ = decode_header(ciphertext)
        key = self._keys.get(kid)
        if key is not None:
            return key, ctr
        if self._forked:
            refuse_after_fork()
        epoch = None if self._layout is None else kid & self._epoch_mask
        if kid & self._sender_mask == self._own_bits:
            message = "the frame is one of our own, sent back"
            raise FrameRejected(FrameReason.OWN_FRAME, message, kid, epoch, "frame.6-3")
        raise FrameRejected(FrameReason.UNKNOWN_KEY, "there is no key for the frame", kid, epoch, "frame.6-2")

    def _refusal(self, reason: FrameReason, key: ReceiveKey, ciphertext: bytes, header_length: int) -> FrameRejected:
        """Why a frame was refused whose header is whole: a key that was found has its config byte in the prefix."""
        message, clause = _REFUSALS[reason]
        if reason is FrameReason.AUTHENTICATION and len(ciphertext) - header_length < key.tag_length:
            reason, message, clause = FrameReason.MALFORMED, "the frame is shorter than its tag", "frame.6-6"
        epoch = None if self._layout is None else key.epoch
        return FrameRejected(reason, message, key.kid, epoch, clause)

    def disable_after_fork(self) -> None:
        """A child opens nothing: parent and child would each take the same frame once."""
        self._forked = True
        self._keys = InstalledKeys()
        self._by_prefix = self._keys.by_prefix

    def __repr__(self) -> str:
        return f"<Receiver of {len(self._keys)} keys, {self.suite.name}>"

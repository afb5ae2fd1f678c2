"""frame.6: opening (RFC 9605 §4.4.4). Bytes that are not authenticated cost one header, one lookup and one AEAD.

The order is fixed, and its first failure is the reason: header, key, stream, window, tag. No key is derived and none
is tried out for a frame; keys come from `add_key` alone, and failures of frames change nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from e2ecall.crypto.aead import InvalidTag, aes_gcm
from e2ecall.errors import ApiMisuse, FrameReason, FrameRejected
from e2ecall.secret import SecretBytes
from e2ecall.sframe.header import decode_header
from e2ecall.sframe.key_id import KeyIdLayout
from e2ecall.sframe.owned import Owned, refuse_after_fork
from e2ecall.sframe.replay import ReplayWindow
from e2ecall.sframe.suites import NONCE_LENGTH, TAG_LENGTH, cipher_suite, derive, derive_window_id

__all__ = ["Receiver"]


class _ReceiveKey:
    """One installed KID: its AEAD, its salt, its window, and the context that the KID names."""

    __slots__ = ("context", "decrypt", "salt", "window")

    def __init__(self, key: SecretBytes, salt: SecretBytes, window: ReplayWindow, context: int | None) -> None:
        self.decrypt: Callable[[bytes, bytes, bytes], bytes] = aes_gcm(key).decrypt
        self.salt = int.from_bytes(salt.expose(), "big")
        self.window = window
        self.context = context


class Receiver(Owned):
    """frame.6 (RFC 9605 §4.4.4): opens the frames of every KID that was added.

    `layout` says what a KID means; with it, `own_sender` is this side's sender index, whose frames are refused.
    Keys may be added and removed while other threads open frames.
    """

    __slots__ = ("_forked", "_keys", "_layout", "_own_sender", "_windows", "suite")

    def __init__(self, suite: int, *, layout: KeyIdLayout | None = None, own_sender: int | None = None) -> None:
        if own_sender is not None and layout is None:
            raise ApiMisuse("an own sender index needs a KID layout", clause="frame.6-3")
        self.suite = cipher_suite(suite)
        self._forked = False
        self._layout = layout
        self._own_sender = own_sender
        self._keys: dict[int, _ReceiveKey] = {}
        # One small entry for every key ever added: it outlives the key, or a key that returns would open old frames.
        self._windows: dict[tuple[int, bytes], ReplayWindow] = {}
        super().__init__()

    def add_key(self, kid: int, base_key: SecretBytes) -> None:
        """frame.4-3, frame.6-12: opens `kid` with this key from now on; another key of that KID is dropped first.

        The same (base_key, KID) as before, removed or not, keeps its replay window. ApiMisuse for an own KID.
        """
        if self._forked:
            refuse_after_fork()
        context = None
        if self._layout is not None:
            context, sender, _ = self._layout.decode(kid)
            if sender == self._own_sender:
                raise ApiMisuse("this is a KID of our own sending", key_id=kid, clause="frame.6-3")
        window_id = derive_window_id(self.suite, kid, base_key)
        window = self._windows.setdefault((kid, window_id), ReplayWindow())
        key, salt = derive(self.suite, kid, base_key)
        self._keys[kid] = _ReceiveKey(key, salt, window, context)
        key.wipe()
        salt.wipe()

    def remove_key(self, kid: int) -> None:
        """frame.6-13: frames of `kid` are refused from now on; an unknown KID is ignored."""
        self._keys.pop(kid, None)

    def unprotect(
        self, ciphertext: bytes, metadata: bytes = b"", *, contexts: frozenset[int] | None = None
    ) -> tuple[bytes, int, int]:
        """frame.6-1 (RFC 9605 §4.4.4): (plaintext, KID, CTR) of one sealed frame.

        `metadata` is what it was sealed with; `contexts` are those that the stream it arrived on may carry (None: any).
        FrameRejected otherwise, with the reason and the KID; nothing of a refused frame is kept or returned.
        """
        kid, ctr, start = decode_header(ciphertext)
        key = self._keys.get(kid)
        if key is None:
            self._refuse_unknown(kid)
        if contexts is not None and key.context not in contexts:
            self._refuse_stream(kid)
        window = key.window
        try:
            if ctr <= window.highest:
                window.check(ctr)
            nonce = (key.salt ^ ctr).to_bytes(NONCE_LENGTH, "big")
            plaintext = key.decrypt(nonce, ciphertext[start:], ciphertext[:start] + metadata)
            window.commit(ctr)
        except (InvalidTag, OverflowError):  # the latter: 2 GiB and more
            self._refuse_tag(kid, len(ciphertext) - start)
        except FrameRejected as rejected:
            rejected.key_id, rejected.epoch = kid, self._epoch(kid)
            raise
        return plaintext, kid, ctr

    def _epoch(self, kid: int) -> int | None:
        return None if self._layout is None else self._layout.decode(kid).epoch

    def _refuse_unknown(self, kid: int) -> NoReturn:
        if self._forked:
            refuse_after_fork()
        if self._own_sender is not None and self._layout is not None:
            _, sender, epoch = self._layout.decode(kid)
            if sender == self._own_sender:
                message = "the frame is one of our own, sent back"
                raise FrameRejected(FrameReason.OWN_FRAME, message, key_id=kid, epoch=epoch, clause="frame.6-3")
        message = "there is no key for the frame"
        raise FrameRejected(FrameReason.UNKNOWN_KEY, message, key_id=kid, epoch=self._epoch(kid), clause="frame.6-2")

    def _refuse_stream(self, kid: int) -> NoReturn:
        if self._layout is None:
            raise ApiMisuse("contexts need a KID layout", key_id=kid, clause="frame.6-4")
        message = "the frame belongs to another stream"
        raise FrameRejected(FrameReason.WRONG_STREAM, message, key_id=kid, epoch=self._epoch(kid), clause="frame.6-4")

    def _refuse_tag(self, kid: int, length: int) -> NoReturn:
        epoch = self._epoch(kid)
        if length < TAG_LENGTH:
            message = "the frame is shorter than its tag"
            raise FrameRejected(FrameReason.MALFORMED, message, key_id=kid, epoch=epoch, clause="frame.6-6") from None
        message = "the frame does not authenticate"
        raise FrameRejected(FrameReason.AUTHENTICATION, message, key_id=kid, epoch=epoch, clause="frame.6-5") from None

    def disable_after_fork(self) -> None:
        """A child opens nothing: parent and child would each take the same frame once."""
        self._forked = True
        self._keys = {}

    def __repr__(self) -> str:
        return f"<Receiver of {len(self._keys)} keys, {self.suite.name}>"

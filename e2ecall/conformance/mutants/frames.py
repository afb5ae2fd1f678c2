"""Mistakes in frames: what is authenticated, what is taken twice, and which key opens what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from e2ecall.conformance.mutants.mutation import Breakage, Mutant, instead, left_out
from e2ecall.crypto.aead import InvalidTag
from e2ecall.errors import FrameRejected
from e2ecall.secret import SecretBytes
from e2ecall.sframe.header import decode_header
from e2ecall.sframe.replay import ReplayWindow

__all__ = ["FRAMES"]

_RECEIVER: Final = ("sframe.receiver.*",)


class _Aead:
    """An AEAD that authenticates what `change` makes of the associated data."""

    def __init__(self, aead: Any, change: Callable[[bytes], bytes]) -> None:
        self._aead, self._change = aead, change

    def encrypt(self, nonce: bytes, plaintext: bytes, aad: bytes) -> Any:
        return self._aead.encrypt(nonce, plaintext, self._change(aad))

    def decrypt(self, nonce: bytes, sealed: bytes, aad: bytes) -> Any:
        return self._aead.decrypt(nonce, sealed, self._change(aad))


def _with_aad(change: Callable[[bytes], bytes]) -> tuple[Breakage, ...]:
    def make(aead: Any) -> Any:
        return lambda *arguments: _Aead(aead(*arguments), change)

    return instead("e2ecall.sframe.cipher:aead", make), instead("e2ecall.sframe.receive_key:aead", make)


def _claiming_all(make: Any) -> Any:
    def begin(self: Any) -> None:
        make(self)
        self.claim = lambda ctr: None

    return begin


def _noting_first(unprotect: Any) -> Any:
    def noting(self: Any, ciphertext: bytes, *rest: Any, **named: Any) -> Any:
        try:
            return unprotect(self, ciphertext, *rest, **named)
        except FrameRejected:
            kid, ctr, _ = decode_header(ciphertext)
            if (key := self._keys.get(kid)) is not None:
                key.window.take(ctr)
            raise

    return noting


def _trying_all(unprotect: Any) -> Any:
    def trying(self: Any, ciphertext: bytes, metadata: bytes = b"", **named: Any) -> Any:
        try:
            return unprotect(self, ciphertext, metadata, **named)
        except FrameRejected:
            _, ctr, length = decode_header(ciphertext)
            for key in map(self._keys.get, self.key_ids()):
                try:
                    nonce = (key.salt ^ ctr).to_bytes(12)
                    return key.decrypt(nonce, ciphertext[length:], ciphertext[:length] + metadata), key.kid, ctr
                except InvalidTag:
                    continue
            raise

    return trying


def _beginning_anew(put: Any) -> Any:
    def forgetting(self: Any, key: Any) -> None:
        self._windows[key.name] = ReplayWindow()
        put(self, key)

    return forgetting


FRAMES: Final = (
    Mutant(
        "header-not-authenticated",
        "the header of a frame is left out of what the tag covers",
        ("frame.3-3",),
        ("sframe.*",),
        _with_aad(lambda aad: aad[decode_header(aad)[2] :]),
    ),
    Mutant(
        "metadata-not-authenticated",
        "the metadata is left out of what the tag covers",
        ("frame.3-3",),
        ("sframe.*",),
        _with_aad(lambda aad: aad[: decode_header(aad)[2]]),
    ),
    Mutant(
        "prefix-not-authenticated",
        "what a codec leaves in clear can be changed",
        ("frame.8-2",),
        ("codec.*",),
        _with_aad(lambda aad: aad[: decode_header(aad)[2]]),
    ),
    Mutant(
        "replay-taken",
        "a frame is opened as often as it comes",
        ("frame.6-8",),
        _RECEIVER,
        (
            instead("e2ecall.sframe.replay:ReplayWindow.__init__", _claiming_all),
            instead("e2ecall.sframe.replay:ReplayWindow.refusal", lambda _: lambda self, ctr: None),
        ),
    ),
    Mutant(
        "window-before-tag",
        "a forged frame uses up the counter of the good one",
        ("frame.6-10",),
        _RECEIVER,
        (instead("e2ecall.sframe.receiver:Receiver.unprotect", _noting_first),),
    ),
    Mutant(
        "all-keys-tried",
        "a frame that its own key does not open is tried with the others",
        ("frame.6-5",),
        _RECEIVER,
        (instead("e2ecall.sframe.receiver:Receiver.unprotect", _trying_all),),
    ),
    Mutant(
        "window-forgotten",
        "a key that is installed again opens its old frames again",
        ("frame.6-12",),
        _RECEIVER,
        (instead("e2ecall.sframe.receive_key:InstalledKeys._put", _beginning_anew),),
    ),
    Mutant(
        "removed-key-opens",
        "a key goes on opening frames after it was removed",
        ("frame.6-13",),
        _RECEIVER,
        (instead("e2ecall.sframe.receive_key:InstalledKeys.remove", lambda _: lambda self, kid: None),),
    ),
    Mutant(
        "own-frames-opened",
        "a key of this side's own sending is installed for receiving",
        ("frame.6-3",),
        _RECEIVER,
        (left_out("e2ecall.sframe.receiver:Receiver.add_key", "frame.6-3"),),
    ),
    Mutant(
        "long-header-taken",
        "a KID in a longer form than the shortest is read",
        ("frame.2-3",),
        ("sframe.*",),
        (instead("e2ecall.sframe.header:_FLOOR", lambda _: (0,) * 8),),
    ),
    Mutant(
        "half-a-tag",
        "the first half of a tag is compared, as if it were the suite's length",
        ("frame.6-5",),
        ("sframe.unprotect",),
        (
            instead(
                "e2ecall.crypto.ctr_hmac:hmac.compare_digest",
                lambda same: lambda a, b: same(a[: len(a) // 2], b[: len(a) // 2]),
            ),
        ),
    ),
    Mutant(
        "static-ratchet",
        "every step of the ratchet has the key of the one before",
        ("frame.10-1",),
        ("sframe.ratchet",),
        (
            instead(
                "e2ecall.conformance.operations:ratchet_base_key",
                lambda _: lambda suite, base_key: SecretBytes(base_key.expose()),
            ),
        ),
    ),
)

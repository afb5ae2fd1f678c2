"""What a receiver must answer, by a second way: the oracle's header and keys, fast ciphers, a set for the window.

It follows frame.6 from top to bottom. A receiver is held against it frame by frame.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from e2ecall.audit.oracle.aead import split_ctr_hmac_key
from e2ecall.audit.oracle.header import decode_header
from e2ecall.audit.oracle.refused import Refused
from e2ecall.audit.oracle.suites import derive, nonce_of, suite_of

__all__ = ["Answer", "ModelReceiver", "Opener", "opener"]

Answer = tuple[bytes, int, int] | str
"""(plaintext, KID, CTR), or the reason of a refusal."""

_WINDOW = 1024
_SECONDS = 2.0
_LAST = (1 << 64) - 1


class Opener:
    """RFC 9605 §4.4.4 for one (suite, KID, base_key)."""

    def __init__(self, number: int, kid: int, base_key: bytes) -> None:
        derived = derive(number, kid, base_key)
        self.base_key = base_key
        self.suite = suite_of(number)
        self.salt = derived.salt
        self.cipher_key, self.mac_key = split_ctr_hmac_key(derived.key, self.suite.nka or self.suite.nk)
        self.gcm = None if self.suite.nka else AESGCM(derived.key)

    def open(self, ctr: int, aad: bytes, sealed: bytes) -> bytes | None:
        """The plaintext of ciphertext and tag; None if the tag is another one."""
        nonce = nonce_of(self.salt, ctr)
        if self.gcm is not None:
            try:
                return self.gcm.decrypt(nonce, sealed, aad)
            except InvalidTag:
                return None
        nt = self.suite.nt
        ciphertext, tag = sealed[:-nt], sealed[-nt:]
        lengths = b"".join(length.to_bytes(8) for length in (len(aad), len(ciphertext), nt))
        if hmac.digest(self.mac_key, lengths + nonce + aad + ciphertext, self.suite.hash_name)[:nt] != tag:
            return None
        return Cipher(algorithms.AES(self.cipher_key), modes.CTR(nonce + bytes(4))).decryptor().update(ciphertext)


opener = lru_cache(maxsize=4096)(Opener)


class _Key:
    """An installed key, and the counters that were taken with it: `window`, which outlives it."""

    __slots__ = ("age", "deadline", "epoch", "leaving", "opened", "opener", "sender", "stream", "window")

    def __init__(self, found: Opener, window: set[int]) -> None:
        self.opener = found
        self.window = window
        self.opened = False
        self.leaving = False
        self.deadline: float | None = None
        self.stream = self.sender = self.epoch = self.age = 0

    def next_counter(self) -> int:
        """One that was not taken and is not too old; at most 64 were taken."""
        highest = max(self.window, default=-1)
        if highest < _LAST:
            return highest + 1
        return next(ctr for ctr in range(_LAST, _LAST - 65, -1) if ctr not in self.window)


class ModelReceiver:
    """frame.6; with `layout` (E, S), frame.4-5 and the leaving of old epochs as well."""

    def __init__(self, suite: int, layout: tuple[int, int] | None = None, own_sender: int | None = None) -> None:
        self.suite = suite
        self.layout = layout
        self.own_sender = own_sender
        self.keys: dict[int, _Key] = {}
        self.windows: dict[tuple[int, bytes], set[int]] = {}
        self.epochs: dict[int, tuple[int, bytes]] = {}
        self.ages = 0
        self.named: int | None = None  # by the header of the last frame
        self.begun: dict[int, int] = {}  # sender: age of the newest epoch that it was heard in

    def add_key(self, kid: int, base_key: bytes, suite: int | None = None) -> bool:
        """Whether the key is taken: one of an own KID is not."""
        key = _Key(
            opener(self.suite if suite is None else suite, kid, base_key),
            self.windows.setdefault((kid, base_key), set()),
        )
        key.stream = kid
        if self.layout is not None:
            key.stream, key.sender, key.epoch = self._parts(kid)
            if key.sender == self.own_sender:
                return False
            if self.epochs.get(key.epoch, (0, b""))[1] != base_key:
                self.keys = {other: old for other, old in self.keys.items() if old.epoch != key.epoch}
                self.ages += 1
                self.epochs[key.epoch] = self.ages, base_key
            key.age = self.epochs[key.epoch][0]
            key.leaving = key.age < self.begun.get(key.sender, 0)
        self.keys[kid] = key
        return True

    def leave(self, kid: int) -> None:
        """frame.6-15: a key whose successor is there."""
        if kid in self.keys:
            self.keys[kid].leaving = True

    def expire(self, now: float) -> None:
        """frame.6-15: two seconds, from the first call that finds the key leaving."""
        for kid, key in list(self.keys.items()):
            if key.leaving and key.deadline is None:
                key.deadline = now + _SECONDS
            elif key.leaving and key.deadline is not None and now >= key.deadline:
                del self.keys[kid]

    def unprotect(self, frame: bytes, metadata: bytes, streams: Collection[int] | None = None) -> Answer:
        """What `Receiver.unprotect` must return, or the reason that it must give."""
        self.named = None
        try:
            kid, ctr, length = decode_header(frame)
        except Refused:
            return "malformed"
        self.named = kid
        key = self.keys.get(kid)
        if key is None:
            own = self.own_sender is not None and self._parts(kid)[1] == self.own_sender
            return "own-frame" if own else "unknown-key"
        if streams is not None and key.stream not in streams:
            return "wrong-stream"
        if key.window and ctr <= max(key.window) - _WINDOW:
            return "too-old"
        if ctr in key.window:
            return "replay"
        if len(frame) - length < key.opener.suite.nt:
            return "malformed"
        plaintext = key.opener.open(ctr, frame[:length] + metadata, frame[length:])
        if plaintext is None:
            return "authentication"
        self._take(key, ctr)
        return plaintext, kid, ctr

    def _take(self, key: _Key, ctr: int) -> None:
        key.window.add(ctr)
        if self.layout is not None and not key.opened and not key.leaving:
            self.begun[key.sender] = max(key.age, self.begun.get(key.sender, 0))
            for other in self.keys.values():
                other.leaving |= other.sender == key.sender and other.age < key.age
        key.opened = True

    def _parts(self, kid: int) -> tuple[int, int, int]:
        """(stream, sender, low bits of the epoch)."""
        epoch_bits, sender_bits = self.layout or (0, 0)
        stream = kid >> epoch_bits
        return stream, stream & (1 << sender_bits) - 1, kid & (1 << epoch_bits) - 1

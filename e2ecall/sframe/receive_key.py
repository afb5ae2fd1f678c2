"""frame.6: one installed receive key, and how the keys of old epochs leave.

A KID layout says which keys are of one sender and which of one epoch. When the first frame of a sender's newer epoch
has authenticated, the keys of that sender's older epochs begin to leave: each is dropped after 256 more frames of its
own or after 2 s. In between, frames that were under way at the switch are still opened.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Final

from e2ecall.secret import SecretBytes
from e2ecall.sframe.header import kid_prefixes
from e2ecall.sframe.replay import ReplayWindow
from e2ecall.sframe.suites import CipherSuite, aead, derive, derive_key_name

__all__ = ["LEAVE_AFTER_FRAMES", "LEAVE_AFTER_SECONDS", "WINDOWS_KEPT", "InstalledKeys", "ReceiveKey"]

LEAVE_AFTER_FRAMES: Final = 256  # opened with the key, after its successor's first
LEAVE_AFTER_SECONDS: Final = 2.0
WINDOWS_KEPT: Final = 1024  # of keys that are gone: some 5 MB, 70 MB if their senders were hostile
_FOREVER = float("inf")


class ReceiveKey:
    """One KID: its AEAD, its salt and its window; the stream, sender and epoch that the KID names."""

    __slots__ = (
        "_decrypt",
        "age",
        "deadline",
        "decrypt",
        "epoch",
        "frames_left",
        "kid",
        "name",
        "salt",
        "sender",
        "stream",
        "tag_length",
        "window",
    )

    window: ReplayWindow

    def __init__(self, suite: CipherSuite, kid: int, base_key: SecretBytes) -> None:
        key, salt = derive(suite, kid, base_key)
        self.kid = kid
        self.name = derive_key_name(kid, base_key)
        self.decrypt = self._decrypt = aead(suite, key).decrypt
        self.salt = int.from_bytes(salt.expose())
        self.tag_length = suite.parameters.tag_length
        self.stream = kid
        self.sender = 0
        self.epoch = 0
        self.age = 0  # of its epoch: a larger one came later
        self.frames_left: int | None = None  # None while it is not leaving
        self.deadline = _FOREVER
        key.wipe()
        salt.wipe()

    def watch(self, opened: Callable[[ReceiveKey], None]) -> None:
        """Call `opened` for every frame that authenticates, until `unwatch`."""

        def decrypt(nonce: bytes, data: bytes | memoryview, associated_data: bytes) -> bytes:
            plaintext = self._decrypt(nonce, data, associated_data)
            opened(self)
            return plaintext

        self.decrypt = decrypt

    def unwatch(self) -> None:
        """Nobody wants to hear of the frames any more."""
        self.decrypt = self._decrypt


class InstalledKeys:
    """The keys of one receiver, by KID and by prefix. Looking up needs no lock; whatever changes the keys has one."""

    def __init__(self) -> None:
        self.by_prefix: dict[int, ReceiveKey] = {}  # `kid_prefixes` of every KID
        self._by_kid: dict[int, ReceiveKey] = {}
        self._epochs: dict[int, tuple[int, bytes]] = {}  # low bits: (age, name of the base_key)
        self._leaving: dict[int, ReceiveKey] = {}
        self._ages = 0
        self._begun: dict[int, int] = {}  # sender: age of the newest epoch that a frame of theirs came from
        # A window outlives its key, or a key that returns would open old frames. In the order in which keys went.
        self._windows: dict[bytes, ReplayWindow] = {}
        self._lock = Lock()

    def get(self, kid: int) -> ReceiveKey | None:
        """The key of `kid`, if there is one."""
        return self._by_kid.get(kid)

    def install(self, key: ReceiveKey) -> None:
        """frame.4-3: `key` answers for its KID from now on, and no other one does."""
        with self._lock:
            self._put(key)

    def install_in_epoch(self, key: ReceiveKey, base_key_name: bytes) -> None:
        """frame.4-5: the same, after every key of another epoch with the same low bits has been dropped."""
        with self._lock:
            known = self._epochs.get(key.epoch)
            if known is None or known[1] != base_key_name:
                for other in [other for other in self._by_kid.values() if other.epoch == key.epoch]:
                    self._drop(other)
                self._ages += 1
                known = self._epochs[key.epoch] = self._ages, base_key_name
            key.age = known[0]
            key.watch(self._opened)
            self._put(key)
            if key.age < self._begun.get(key.sender, 0):
                self._begin_leaving(key)

    def remove(self, kid: int) -> None:
        """frame.6-13: an unknown KID is ignored."""
        with self._lock:
            self._drop(self.get(kid))

    def remove_epoch(self, epoch: int) -> None:
        """frame.6-13: drop the keys of every sender and context that have these low bits."""
        with self._lock:
            for key in [key for key in self._by_kid.values() if key.epoch == epoch]:
                self._drop(key)
            self._epochs.pop(epoch, None)  # the next epoch with these low bits is another one, with or without keys

    def kids(self) -> list[int]:
        """The KIDs that have a key."""
        return list(self._by_kid)

    def leave(self, kid: int) -> None:
        """frame.6-15: the key of `kid`, if there is one, begins to leave."""
        with self._lock:
            if (key := self.get(kid)) is not None:
                self._begin_leaving(key)

    def leave_epoch(self, epoch: int) -> None:
        """frame.6-15: every key that has these low bits begins to leave."""
        with self._lock:
            for key in [key for key in self._by_kid.values() if key.epoch == epoch]:
                self._begin_leaving(key)

    def has_begun(self, epoch: int) -> bool:
        """Whether a frame of the epoch with these low bits, or of a later one, has authenticated."""
        known = self._epochs.get(epoch)
        return known is not None and max(self._begun.values(), default=0) >= known[0]

    def _opened(self, key: ReceiveKey) -> None:
        """frame.6-15: a frame of a watched key has authenticated."""
        with self._lock:
            if key.frames_left is None:
                self._begun[key.sender] = max(key.age, self._begun.get(key.sender, 0))
                for other in list(self._by_kid.values()):
                    if other.sender == key.sender and other.age < key.age:
                        self._begin_leaving(other)
                key.unwatch()  # at last: whatever interrupts this, the next frame does it again
                return
            key.frames_left -= 1
            if key.frames_left <= 0:
                self._drop(key)

    def expire(self, now: float) -> None:
        """frame.6-15: drop what has been leaving for 2 s."""
        with self._lock:
            for key in list(self._leaving.values()):
                if key.deadline == _FOREVER:
                    key.deadline = now + LEAVE_AFTER_SECONDS
                elif now >= key.deadline:
                    self._drop(key)

    def _begin_leaving(self, key: ReceiveKey) -> None:
        if key.frames_left is None:
            self._leaving[key.kid] = key
            key.watch(self._opened)
            key.frames_left = LEAVE_AFTER_FRAMES

    def _put(self, key: ReceiveKey) -> None:
        """In the place of the one before: no frame that comes meanwhile misses a key."""
        key.window = self._windows.setdefault(key.name, ReplayWindow())
        old = self.get(key.kid)
        self._by_kid[key.kid] = key
        self.by_prefix.update(dict.fromkeys(kid_prefixes(key.kid), key))
        if old is not None:
            self._gone(old)

    def _drop(self, key: ReceiveKey | None) -> None:
        if key is None or self.get(key.kid) is not key:
            return
        del self._by_kid[key.kid]
        for prefix in kid_prefixes(key.kid):
            del self.by_prefix[prefix]
        self._gone(key)

    def _gone(self, key: ReceiveKey) -> None:
        if self._leaving.get(key.kid) is key:
            del self._leaving[key.kid]
        key.unwatch()  # what it calls holds the key
        self._windows[key.name] = self._windows.pop(key.name, key.window)
        if len(self._windows) > WINDOWS_KEPT + len(self._by_kid):
            used = {other.name for other in self._by_kid.values()}
            del self._windows[next(name for name in self._windows if name not in used)]

    def __len__(self) -> int:
        return len(self._by_kid)

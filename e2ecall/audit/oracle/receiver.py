"""frame.6: what one receiver takes, with a set of counters for a replay window. Leaving by time is not in here."""

from __future__ import annotations

from collections.abc import Collection

from e2ecall.audit.oracle.header import decode_header
from e2ecall.audit.oracle.key_ids import mls_parts, stream_id
from e2ecall.audit.oracle.refused import Refused
from e2ecall.audit.oracle.suites import derive, suite_of, unprotect

__all__ = ["LEAVE_AFTER", "WINDOW", "Receiver", "Window"]

WINDOW = 1024
"""frame.6-9: how far behind the highest counter a frame may be, plus one."""

LEAVE_AFTER = 256
"""frame.6-15: how many frames a key still opens once there is a frame of a newer epoch."""


class Window:
    """frame.6-8 to frame.6-11: every counter ever taken, and the highest of them."""

    def __init__(self) -> None:
        self.taken: set[int] = set()

    def look(self, ctr: int) -> None:
        """Refused if this counter may not be taken."""
        if self.taken and max(self.taken) - ctr >= WINDOW:
            raise Refused("replay", "frame.6-9", f"{ctr} is behind {max(self.taken)}", reason="too-old")
        if ctr in self.taken:
            raise Refused("replay", "frame.6-8", f"{ctr} was taken")

    def take(self, ctr: int) -> None:
        """A frame with this counter was opened."""
        self.look(ctr)
        self.taken.add(ctr)


class Receiver:
    """frame.6: keys by KID, a window for each (base_key, KID) that there ever was.

    With `epoch_bits` a KID means what RFC 9605 §5.2 says: then there are own frames, and an epoch has one base_key.
    """

    def __init__(
        self,
        suite: int,
        *,
        epoch_bits: int | None = None,
        sender_bits: int = 0,
        own_sender: int | None = None,
    ) -> None:
        self.suite = suite_of(suite).number
        self.epoch_bits = epoch_bits
        self.sender_bits = sender_bits
        self.own_sender = own_sender
        self.keys: dict[int, bytes] = {}
        self.windows: dict[tuple[int, bytes], Window] = {}
        self.epochs: list[tuple[int, bytes]] = []
        self.frames_left: dict[int, int] = {}

    def _is_own(self, kid: int) -> bool:
        if self.epoch_bits is None or self.own_sender is None:
            return False
        _, sender, _ = mls_parts(kid, epoch_bits=self.epoch_bits, sender_bits=self.sender_bits)
        return sender == self.own_sender

    def _epoch(self, kid: int) -> int:
        """What two KIDs of one epoch have in common; without a layout, each KID stands alone."""
        return kid if self.epoch_bits is None else kid % (1 << self.epoch_bits)

    def add_key(self, kid: int, base_key: bytes) -> None:
        """frame.4-3, frame.4-5, frame.6-12: an old epoch with these low bits is gone; a window that was is kept."""
        derive(self.suite, kid, base_key)
        if self._is_own(kid):
            raise Refused("misuse", "frame.6-3", f"KID {kid} is the receiver's own")
        for other, other_key in list(self.keys.items()):
            if self._epoch(other) == self._epoch(kid) and other_key != base_key:
                self.remove_key(other)
        self.remove_key(kid)
        self.keys[kid] = base_key
        self.windows.setdefault((kid, base_key), Window())
        if (self._epoch(kid), base_key) not in self.epochs:
            self.epochs = [known for known in self.epochs if known[0] != self._epoch(kid)]
            self.epochs.append((self._epoch(kid), base_key))

    def remove_key(self, kid: int) -> None:
        """frame.6-13: frames of this KID find no key from now on."""
        self.keys.pop(kid, None)
        self.frames_left.pop(kid, None)

    def _leave(self, kid: int) -> None:
        """frame.6-15: a frame of `kid` was opened; keys of its sender's older epochs have so many frames left."""
        if kid in self.frames_left:
            self.frames_left[kid] -= 1
            if not self.frames_left[kid]:
                self.remove_key(kid)
            return
        for other in self.keys:
            if self._sender(other) == self._sender(kid) and self._age(other) < self._age(kid):
                self.frames_left.setdefault(other, LEAVE_AFTER)

    def _sender(self, kid: int) -> int:
        return mls_parts(kid, epoch_bits=self.epoch_bits or 0, sender_bits=self.sender_bits)[1]

    def _age(self, kid: int) -> int:
        return self.epochs.index((self._epoch(kid), self.keys[kid]))

    def unprotect(
        self, frame: bytes, metadata: bytes = b"", *, streams: Collection[int] | None = None
    ) -> tuple[bytes, int, int]:
        """frame.6, its table from top to bottom: (plaintext, KID, CTR), or Refused with the first check that fails."""
        kid, ctr, _ = decode_header(frame)
        if kid not in self.keys:
            if self._is_own(kid):
                raise Refused("own-frame", "frame.6-3", f"KID {kid} is the receiver's own")
            raise Refused("unknown-key", "frame.6-2", f"no key for KID {kid}")
        if streams is not None and stream_id(kid, epoch_bits=self.epoch_bits or 0) not in streams:
            raise Refused("wrong-stream", "frame.6-4", f"KID {kid} does not belong to the stream")
        base_key = self.keys[kid]
        window = self.windows[kid, base_key]
        window.look(ctr)
        plaintext, _ = unprotect(self.suite, kid, base_key, frame, metadata)
        window.take(ctr)
        if self.epoch_bits is not None:
            self._leave(kid)
        return plaintext, kid, ctr

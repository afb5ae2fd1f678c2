"""RFC 9605 §5.1 from the receiver's side: a base_key steps forward when a frame of a later step has authenticated."""

from __future__ import annotations

from e2ecall.audit.oracle.key_ids import ratchet, ratchet_key_id, ratchet_parts
from e2ecall.audit.oracle.receiver import Receiver
from e2ecall.audit.oracle.refused import Refused

__all__ = ["RatchetReceiver"]


class RatchetReceiver:
    """frame.10: the keys of the current step and of `ahead` more are there before any frame of theirs.

    A step that has the low bits of an older one takes its KID. That keys leave in time is not in here.
    """

    def __init__(self, suite: int, *, step_bits: int, ahead: int) -> None:
        if not 1 <= ahead <= (1 << step_bits) - 2:
            raise Refused("misuse", "frame.10-4", f"{ahead} steps ahead in {step_bits} bits")
        self.receiver = Receiver(suite)
        self.step_bits = step_bits
        self.ahead = ahead
        self.first: dict[int, tuple[int, bytes]] = {}
        self.current: dict[int, int] = {}

    def add_key(self, generation: int, base_key: bytes, *, step: int = 0) -> None:
        """frame.10-3: the base_key of `step`; the same once more is nothing new."""
        if generation in self.first:
            if self.first[generation] != (step, base_key):
                raise Refused("misuse", "frame.10-3", f"generation {generation} has another key")
            return
        self.receiver.add_key(ratchet_key_id(generation, step, self.step_bits), base_key)
        self.first[generation] = step, base_key
        self.current[generation] = step
        self._install(generation, step, step + self.ahead)

    def remove_generation(self, generation: int) -> None:
        """frame.10-6: its frames of every step find no key."""
        self.first.pop(generation, None)
        for kid in list(self.receiver.keys):
            if ratchet_parts(kid, self.step_bits)[0] == generation:
                self.receiver.remove_key(kid)

    def _install(self, generation: int, after: int, last: int) -> None:
        first, base_key = self.first[generation]
        for step in range(after + 1, last + 1):
            kid = ratchet_key_id(generation, step, self.step_bits)
            self.receiver.add_key(kid, ratchet(self.receiver.suite, base_key, step - first))

    def unprotect(self, frame: bytes, metadata: bytes = b"") -> tuple[bytes, int, int]:
        """frame.10-5: (plaintext, KID, CTR), or Refused as a Receiver refuses; only what opened moves the step."""
        opened = self.receiver.unprotect(frame, metadata)
        generation, low = ratchet_parts(opened[1], self.step_bits)
        current = self.current[generation]
        forward = (low - current) % (1 << self.step_bits)
        if forward <= self.ahead:
            self.current[generation] = current + forward
            self._install(generation, current + self.ahead, current + forward + self.ahead)
        return opened

"""frame.10: sender keys that step forward (RFC 9605 §5.1). KID = generation << R | step mod 2^R.

    64-R bits       R bits
    +---------------+------+
    | generation    | step |
    +---------------+------+

A sender steps when somebody joined, who then cannot read what came before. The step is on the wire. A receiver holds
the keys of the next few steps ready, so that a frame that nobody has authenticated makes it derive nothing: it finds
its key, or names an unknown one. Only a frame that authenticated moves the receiver forward.
"""

from __future__ import annotations

from threading import Lock
from typing import Final

from e2ecall.crypto.kdf import hkdf_expand, hkdf_extract
from e2ecall.errors import ApiMisuse
from e2ecall.secret import SecretBytes
from e2ecall.sframe.key_id import KeyIdLayout
from e2ecall.sframe.owned import Owned, refuse_after_fork
from e2ecall.sframe.receiver import Receiver
from e2ecall.sframe.sender import Sender
from e2ecall.sframe.suites import CipherSuite, cipher_suite, derive_base_key_name

__all__ = ["AHEAD", "RatchetReceiver", "RatchetSender", "ratchet_base_key"]

AHEAD: Final = 4  # steps that a receiver holds ready
_NOWHERE = None, 0


def ratchet_base_key(suite: int, base_key: SecretBytes) -> SecretBytes:
    """frame.10-1 (RFC 9605 §5.1): the base_key of the next step, as long as the suite's hash (Nh)."""
    parameters = cipher_suite(suite).parameters
    prk = hkdf_extract(b"", base_key.expose(), parameters.hash_name)
    try:
        return hkdf_expand(prk, b"SFrame 1.0 Ratchet", parameters.hash_length, parameters.hash_name)
    finally:
        prk.wipe()


class RatchetSender(Owned):
    """frame.10-2 (RFC 9605 §5.1): seals under the key of the current step; `advance` goes to the next one.

    It takes `base_key`, which is that of `step`. One per sender and generation; `step_bits` is R.
    """

    __slots__ = ("_base_key", "_generation", "_layout", "_lock", "_sender", "step", "suite")

    def __init__(self, suite: int, generation: int, base_key: SecretBytes, *, step_bits: int, step: int = 0) -> None:
        """ApiMisuse for a generation that has no room in 64 - R bits, and as a Sender raises."""
        self.suite: CipherSuite = cipher_suite(suite)
        self.step = step
        self._layout = _layout(step_bits)
        self._generation = generation
        self._sender = Sender(suite, _kid(self._layout, generation, step), base_key)
        self._base_key = base_key.take()
        self._lock = Lock()
        super().__init__()

    @property
    def kid(self) -> int:
        """The KID of the current step."""
        return self._sender.kid

    def protect(self, plaintext: bytes, metadata: bytes = b"") -> bytes:
        """frame.10-2: one frame under the current step, as `Sender.protect`."""
        return self._sender.protect(plaintext, metadata)

    def advance(self) -> SecretBytes:
        """frame.10-2: seal under the next step from now on; a copy of its base_key, for who joins. The old key is gone.

        ApiMisuse in a forked child.
        """
        with self._lock:
            if self._base_key.wiped:
                refuse_after_fork()
            following = ratchet_base_key(self.suite, self._base_key)
            before, kid = self._base_key, _kid(self._layout, self._generation, self.step + 1)
            # One line: if it were interrupted in between, the next step's only Sender would be lost.
            self._sender, self._base_key, self.step = Sender(self.suite, kid, following), following, self.step + 1
            before.wipe()
            return SecretBytes(following.expose())

    def disable_after_fork(self) -> None:
        """frame.5-4: a child seals nothing and derives nothing; the Sender in it is disabled by itself."""
        self._base_key.wipe()
        self._lock = Lock()  # a thread that did not come along may have held it

    def __repr__(self) -> str:
        return f"<RatchetSender of generation {self._generation}, step {self.step}, {self.suite.name}>"


class _Generation:
    """One generation's place: the last step seen, and the base_key of the furthest one that is ready."""

    __slots__ = ("added", "furthest", "furthest_key", "step")

    def __init__(self, step: int, base_key: SecretBytes) -> None:
        self.added = step, derive_base_key_name(base_key)
        self.step = step
        self.furthest = step
        self.furthest_key = SecretBytes(base_key.expose())


class RatchetReceiver(Owned):
    """frame.10-3 to frame.10-6 (RFC 9605 §5.1): opens one sender's frames, some steps ahead of the last one seen.

    Keys may be added and removed while other threads open frames.
    """

    __slots__ = ("_ahead", "_generations", "_layout", "_lock", "_receiver", "_steps", "suite")

    def __init__(self, suite: int, *, step_bits: int, ahead: int = AHEAD) -> None:
        """`ahead` steps are held ready. ApiMisuse unless the low bits tell them from the current step and the last."""
        self.suite: CipherSuite = cipher_suite(suite)
        self._layout = _layout(step_bits)
        if not 1 <= ahead <= (1 << step_bits) - 2:
            raise ApiMisuse(f"{step_bits} bits of step do not allow {ahead} steps ahead", clause="frame.10-4")
        self._ahead = ahead
        self._receiver = Receiver(suite)
        self._generations: dict[int, _Generation] = {}
        # By KID; replaced whole, never changed.
        self._steps: dict[int, tuple[_Generation, int]] = {}
        self._lock = Lock()
        super().__init__()

    def add_key(self, generation: int, base_key: SecretBytes, *, step: int = 0) -> None:
        """frame.10-3: opens the frames of `generation` from `step` on, whose base_key this is.

        The same key again is ignored. ApiMisuse for another one of the same generation, and as `Receiver.add_key`.
        """
        with self._lock:
            known = self._generations.get(generation)
            if known is not None:
                if known.added != (step, derive_base_key_name(base_key)):
                    raise ApiMisuse(f"generation {generation} has another key", clause="frame.10-3")
                return
            self._receiver.add_key(_kid(self._layout, generation, step), base_key)
            self._generations[generation] = _Generation(step, base_key)
            self._prepare(generation)

    def remove_generation(self, generation: int) -> None:
        """frame.10-6: frames of `generation` are refused from now on; an unknown one is ignored."""
        with self._lock:
            known = self._generations.pop(generation, None)
            if known is not None:
                self._steps = {kid: place for kid, place in self._steps.items() if place[0] is not known}
                known.furthest_key.wipe()
                for kid in self._receiver.key_ids():
                    if self._layout.stream(kid) == generation:
                        self._receiver.remove_key(kid)

    def expire(self, now: float) -> None:
        """frame.6-15: drop the keys of earlier steps that have been leaving for 2 s, as `Receiver.expire`."""
        self._receiver.expire(now)

    def unprotect(self, ciphertext: bytes, metadata: bytes = b"") -> tuple[bytes, int, int]:
        """frame.10-5 (RFC 9605 §4.4.4): (plaintext, KID, CTR), or FrameRejected as `Receiver.unprotect` raises it."""
        steps = self._steps  # as they were: the same low bits may be of another step by the time the frame is opened
        opened = self._receiver.unprotect(ciphertext, metadata)
        known, step = steps.get(opened[1], _NOWHERE)
        if known is not None and step > known.step:
            self._follow(self._layout.stream(opened[1]), known, step)
        return opened

    def _follow(self, generation: int, known: _Generation, step: int) -> None:
        """A frame of a later step has authenticated: go there, unless the generation has been replaced."""
        with self._lock:
            if self._generations.get(generation) is known and step > known.step:
                for earlier in range(known.step, step):
                    self._receiver.leave(_kid(self._layout, generation, earlier))
                known.step = step
                self._prepare(generation)

    def _prepare(self, generation: int) -> None:
        """Have the keys of all steps ready that a frame may be of."""
        known = self._generations[generation]
        while known.furthest < known.step + self._ahead:
            before = known.furthest_key
            following = ratchet_base_key(self.suite, before)
            self._receiver.add_key(_kid(self._layout, generation, known.furthest + 1), following)
            known.furthest_key, known.furthest = following, known.furthest + 1
            before.wipe()
        ready = range(known.step, known.furthest + 1)
        others = {kid: place for kid, place in self._steps.items() if place[0] is not known}
        self._steps = others | {_kid(self._layout, generation, step): (known, step) for step in ready}

    def disable_after_fork(self) -> None:
        """frame.5-4: a child opens nothing; the Receiver in it is disabled by itself."""
        for known in self._generations.values():
            known.furthest_key.wipe()
        self._generations, self._steps = {}, {}
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"<RatchetReceiver of {len(self._generations)} generations, {self.suite.name}>"


def _layout(step_bits: int) -> KeyIdLayout:
    """A KID without a sender index: the step where the epoch would be, the generation as context."""
    if step_bits < 2:
        raise ApiMisuse("a step has at least 2 bits: the last one, this one and the next differ", clause="frame.10-4")
    return KeyIdLayout(epoch_bits=step_bits, sender_bits=0)


def _kid(layout: KeyIdLayout, generation: int, step: int) -> int:
    return layout.encode(context=generation, sender=0, epoch=step)

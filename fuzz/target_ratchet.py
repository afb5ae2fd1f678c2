"""A ratchet's receiver answers as the model, derives at most `ahead` steps and only for opened frames, and opens once.

An input chooses a suite, R and `ahead`, and gives one receiver frames of any step of some generations, and other steps
(`fuzz.frames`): generations that come and go, and time. The oracle says what the base keys are.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Any, NamedTuple

from e2ecall.audit.oracle import key_ids
from e2ecall.errors import ApiMisuse, FrameRejected
from e2ecall.secret import SecretBytes
from e2ecall.sframe import ratchet
from e2ecall.sframe.cipher import FrameCipher
from e2ecall.sframe.header import encode_header
from fuzz.frames import METADATA, Kind, Step, join, mutate_steps, special, split
from fuzz.model import Answer, ModelReceiver
from fuzz.mutation import below
from fuzz.target import Escape, cases

__all__ = ["MAX_LENGTH", "mutate", "run", "seeds"]

MAX_LENGTH = 640

_GENERATIONS = (5, 0, 6, 7)
_FIRST_STEPS = 8  # a generation is added at one of these
_CLOCK = 0.25  # seconds that one step of EXPIRE's argument stands for
_PIECE = 16  # steps of a vector in one input


class Setup(NamedTuple):
    """One kind of receiver."""

    suite: int
    step_bits: int
    ahead: int


SETUPS = (
    Setup(5, 4, 4),
    Setup(1, 4, 4),
    Setup(4, 3, 4),
    Setup(4, 2, 2),
    Setup(8, 8, 3),
    Setup(5, 3, 6),
    Setup(3, 2, 1),
)


@cache
def _base_key(suite: int, generation: int, step: int) -> bytes:
    """By the oracle; generations differ in their first key."""
    if step == 0:
        return bytes(range(generation, generation + 32))
    return key_ids.ratchet(suite, _base_key(suite, generation, step - 1))


@cache
def _cipher(setup: Setup, generation: int, step: int) -> FrameCipher:
    kid = key_ids.ratchet_key_id(generation, step, setup.step_bits)
    return FrameCipher(setup.suite, kid, SecretBytes(_base_key(setup.suite, generation, step)))


def _generation(argument: int) -> tuple[int, int]:
    """The generation that ADD means, and its first step."""
    step, number = divmod(argument % (_FIRST_STEPS * len(_GENERATIONS)), len(_GENERATIONS))
    return _GENERATIONS[number], step


class _Generation:
    """The step that a receiver is at, and what it was given."""

    def __init__(self, step: int) -> None:
        self.added = self.step = step


class _Model:
    """frame.10, on top of the model of a receiver."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.receiver = ModelReceiver(setup.suite)
        self.generations: dict[int, _Generation] = {}

    def add(self, generation: int, step: int) -> bool:
        """Whether the key of `step` is taken."""
        known = self.generations.get(generation)
        if known is not None:
            return known.added == step
        self.generations[generation] = _Generation(step)
        self._install(generation, step, step + self.setup.ahead)
        return True

    def remove(self, generation: int) -> None:
        """frame.10-6: every step's key is gone."""
        if self.generations.pop(generation, None) is not None:
            mine = [kid for kid in self.receiver.keys if kid >> self.setup.step_bits == generation]
            for kid in mine:
                del self.receiver.keys[kid]

    def unprotect(self, frame: bytes, metadata: bytes) -> tuple[Answer, int]:
        """The answer, and by how many steps the receiver moves."""
        answer = self.receiver.unprotect(frame, metadata)
        if isinstance(answer, str):
            return answer, 0
        generation, low = key_ids.ratchet_parts(answer[1], self.setup.step_bits)
        known = self.generations[generation]
        steps = (low - known.step) % (1 << self.setup.step_bits)
        if steps > self.setup.ahead:
            return answer, 0
        for step in range(known.step, known.step + steps):
            self.receiver.leave(self._kid(generation, step))
        known.step += steps
        self._install(generation, known.step + self.setup.ahead - steps + 1, known.step + self.setup.ahead)
        return answer, steps

    def _install(self, generation: int, first: int, last: int) -> None:
        for step in range(first, last + 1):
            self.receiver.add_key(self._kid(generation, step), _base_key(self.setup.suite, generation, step))

    def _kid(self, generation: int, step: int) -> int:
        return key_ids.ratchet_key_id(generation, step, self.setup.step_bits)


class _Bench:
    """A receiver and its model, side by side."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.receiver = ratchet.RatchetReceiver(setup.suite, step_bits=setup.step_bits, ahead=setup.ahead)
        self.model = _Model(setup)
        self.now = 0.0
        self._add(0)

    def step(self, step: Step) -> str:
        """Take one step with both; what happened to a frame, in a word."""
        kind = step.kind
        if kind is Kind.FRAME:
            return self.frame(step.payload, METADATA[step.op & 3])
        argument = step.payload[0]
        if kind is Kind.EXPIRE:
            self.now += argument * _CLOCK
            self.receiver.expire(self.now)
            self.model.receiver.expire(self.now)
        elif kind is Kind.REMOVE:
            self.receiver.remove_generation(_GENERATIONS[argument % len(_GENERATIONS)])
            self.model.remove(_GENERATIONS[argument % len(_GENERATIONS)])
        elif kind is Kind.ADD:
            self._add(argument)
        return ""

    def _add(self, argument: int) -> None:
        generation, step = _generation(argument)
        taken = self.model.add(generation, step)
        try:
            self.receiver.add_key(generation, SecretBytes(_base_key(self.setup.suite, generation, step)), step=step)
        except ApiMisuse as misuse:
            if taken:
                raise Escape(f"generation {generation} from step {step} is refused: {misuse}") from misuse
            return
        if not taken:
            raise Escape(f"generation {generation} has two keys")

    def frame(self, frame: bytes, metadata: bytes) -> str:
        """Give both a frame. Escape unless they answer the same and the receiver derives what it must, and no more."""
        expected, moves = self.model.unprotect(frame, metadata)
        answer: Answer
        with _Derivations() as derivations:
            try:
                answer = self.receiver.unprotect(frame, metadata)
            except FrameRejected as rejected:
                answer = rejected.reason.value
        if answer != expected:
            raise Escape(f"{frame.hex()}: {answer!r}, and the model: {expected!r}")
        if derivations.count != moves:
            raise Escape(f"{derivations.count} steps are derived for {answer!r}, where the receiver moves by {moves}")
        return answer if isinstance(answer, str) else f"opened, {moves} steps"

    def end(self) -> None:
        """Whatever was refused, a good frame of the next step opens, and not a second time."""
        for generation, known in self.model.generations.items():
            cipher = _cipher(self.setup, generation, known.step + 1)
            ctr = self.model.receiver.keys[cipher.kid].next_counter()
            frame = cipher.seal(encode_header(cipher.kid, ctr), ctr, b"good", b"")
            answers = [self.frame(frame, b""), self.frame(frame, b"")]
            if answers[1] != "replay":
                raise Escape(f"a good frame of generation {generation} and its repetition: {answers}")
            break


class _Derivations:
    """Counts the steps that the product derives within it."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> _Derivations:
        self.derive = ratchet.ratchet_base_key

        def counting(suite: int, base_key: SecretBytes) -> SecretBytes:
            self.count += 1
            return self.derive(suite, base_key)

        ratchet.ratchet_base_key = counting
        return self

    def __exit__(self, *_: object) -> None:
        ratchet.ratchet_base_key = self.derive


def run(data: bytes) -> object:
    """The target."""
    bench = _Bench(SETUPS[data[0] % len(SETUPS) if data else 0])
    outcome = frozenset([bench.step(step) for step in split(data)])
    bench.end()
    return outcome


def mutate(data: bytes, rng: Random) -> bytes:
    """Another input, mostly with frames of steps near those that its receiver is at."""
    if not data or rng.random() < 0.05:
        data = rng.randbytes(1) + data[1:]
    setup = SETUPS[data[0] % len(SETUPS)]
    model = _Model(setup)
    model.add(_GENERATIONS[0], 0)
    for step in split(data):
        if step.kind is Kind.FRAME:
            model.unprotect(step.payload, METADATA[step.op & 3])
        elif step.kind is Kind.ADD:
            model.add(*_generation(step.payload[0]))
    ciphers = [
        _cipher(setup, generation, step)
        for generation, known in model.generations.items()
        for step in range(known.step + setup.ahead + 2)[-setup.ahead - 5 :]
    ]
    at = below(rng, len(ciphers))
    return mutate_steps(data, rng, ciphers[at:] + ciphers[:at])


def seeds() -> Iterator[bytes]:
    """What a receiver takes after another in the vectors, sealed again under the keys of this target."""
    for case in cases("ratchet-receiver"):
        setup = Setup(case["suite"], case["step_bits"], case["ahead"])
        steps: list[Step] = []
        for request in case["steps"]:
            if request["op"] == "unprotect":
                steps.append(_frame(setup, request))
            elif int(request["generation"]) in _GENERATIONS:
                kind = Kind.ADD if request["op"] == "add_key" else Kind.REMOVE
                number = _GENERATIONS.index(int(request["generation"]))
                steps.append(special(kind, request.get("step", 0) * len(_GENERATIONS) + number))
        for start in range(0, len(steps), _PIECE):
            yield join(SETUPS.index(setup), steps[start : start + _PIECE])


def _frame(setup: Setup, request: dict[str, Any]) -> Step:
    kid, ctr = int(request["kid"]), int(request["ctr"])
    cipher = _cipher(setup, kid >> setup.step_bits, request["step"])
    frame = bytearray(cipher.seal(encode_header(kid, ctr), ctr, bytes.fromhex(request.get("plaintext", "00")), b""))
    frame[-1] ^= request["result"] == "authentication"
    return Step(0, bytes(frame))

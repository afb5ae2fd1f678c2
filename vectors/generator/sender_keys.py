"""What the receiver of a ratchet takes, in order: the next steps, steps too far ahead, forgeries, late frames."""

from __future__ import annotations

from collections.abc import Iterator

from e2ecall.audit.oracle.key_ids import ratchet, ratchet_key_id
from e2ecall.audit.oracle.refused import Refused
from e2ecall.audit.oracle.sender_keys import RatchetReceiver
from e2ecall.audit.oracle.suites import protect
from generator.cases import OURS, Case, Draw, VectorFile, outcome
from generator.refusals import flip

__all__ = ["FILES"]

_KEY = Draw("ratchet receiver").bytes(64)
_AHEAD = 4


class _Scenario:
    """Steps of one receiver, and what the oracle says to each; `expect` is the result, or the reason."""

    def __init__(self, name: str, suite: int = 5, step_bits: int = 4) -> None:
        self.case: Case = {"name": name, "suite": suite, "step_bits": step_bits, "ahead": _AHEAD, "steps": []}
        self._suite = suite
        self._step_bits = step_bits
        self._receiver = RatchetReceiver(suite, step_bits=step_bits, ahead=_AHEAD)

    def _note(self, step: Case, refused: Refused | None, clause: str, expect: str) -> _Scenario:
        if (refused.reason if refused else "ok") != expect:
            raise ValueError(f"{self.case['name']}: {refused}, not {expect}")
        step |= {"clause": clause, "result": refused.layer if refused else "ok"}
        self.case["steps"].append(step)
        return self

    def add(self, generation: int, step: int = 0, *, expect: str = "ok") -> _Scenario:
        """Give the base_key of a step: of generation g it is the ratchet of _KEY with g in front."""
        key = ratchet(self._suite, bytes([generation]) + _KEY, step)
        _, refused = outcome(lambda: self._receiver.add_key(generation, key, step=step))
        case = {"op": "add_key", "generation": str(generation), "step": step, "base_key": key.hex()}
        return self._note(case, refused, "frame.10-3", expect)

    def remove(self, generation: int) -> _Scenario:
        """Remove a generation."""
        _, refused = outcome(lambda: self._receiver.remove_generation(generation))
        return self._note({"op": "remove_generation", "generation": str(generation)}, refused, "frame.10-6", "ok")

    def put(
        self,
        generation: int,
        step: int,
        ctr: int,
        *,
        expect: str = "ok",
        clause: str = "frame.10-5",
        forged: bool = False,
    ) -> _Scenario:
        """Put a frame of a step."""
        kid = ratchet_key_id(generation, step, self._step_bits)
        key = ratchet(self._suite, bytes([generation]) + _KEY, step)
        plaintext = f"step {step}".encode()
        frame = protect(self._suite, kid, ctr, key, plaintext).ciphertext
        frame = flip(frame, -1) if forged else frame
        got, refused = outcome(lambda: self._receiver.unprotect(frame))
        case = {"op": "unprotect", "metadata": "", "ciphertext": frame.hex(), "kid": str(kid), "ctr": str(ctr)}
        case |= {"step": step} | ({"plaintext": plaintext.hex()} if got else {})
        return self._note(case, refused, clause, expect)


def _scenarios() -> Iterator[_Scenario]:
    bound, none = "frame.10-4", "unknown-key"
    for suite in (1, 5):
        s = _Scenario(f"suite {suite}: one step after another, round the low bits", suite).add(5)
        for step in range(36):
            s.put(5, step, 0)
        yield s
    s = _Scenario("four steps at once, and never five").add(5).put(5, 0, 0).put(5, 5, 0, expect=none, clause=bound)
    s.put(5, 4, 0).put(5, 9, 0, expect=none, clause=bound).put(5, 8, 0).put(5, 12, 0)
    yield s.put(5, 12, 0, expect="replay", clause="frame.6-8")
    s = _Scenario("a forged frame moves nothing").add(5).put(5, 0, 0)
    for step in (1, 2, 3, 4, 4, 4):
        s.put(5, step, 7, forged=True, expect="authentication")
    s.put(5, 5, 0, expect=none, clause=bound).put(5, 0, 1).put(5, 4, 7)
    yield s.put(5, 5, 0)
    s = _Scenario("late frames of earlier steps").add(5).put(5, 0, 0).put(5, 3, 0)
    s.put(5, 0, 1).put(5, 2, 0).put(5, 1, 0).put(5, 1, 0, expect="replay", clause="frame.6-8")
    yield s.put(5, 8, 0, expect=none, clause=bound).put(5, 7, 0).put(5, 2, 1)
    s = _Scenario("whoever joins at a step does not open what came before").add(5, 9)
    s.put(5, 8, 0, expect=none, clause="frame.10-3").put(5, 0, 0, expect=none, clause="frame.10-3")
    yield s.put(5, 9, 0).put(5, 13, 0).put(5, 8, 0, expect=none, clause="frame.10-3")
    s = _Scenario("each generation has its own steps").add(5).put(5, 3, 0).add(6).put(6, 0, 0)
    s.put(6, 5, 0, expect=none, clause=bound).put(5, 7, 0).put(6, 4, 0).put(7, 0, 0, expect=none)
    yield s.add(7).put(7, 0, 0)
    s = _Scenario("the same key again is nothing new, another one is refused").add(5).put(5, 2, 0).add(5)
    yield s.put(5, 2, 0, expect="replay", clause="frame.6-8").put(5, 6, 0).add(5, 1, expect="misuse").put(5, 7, 0)
    s = _Scenario("three bits of step: the new step has the low bits of an old one", 4, 3).add(0)
    s.put(0, 3, 0).put(0, 0, 0).put(0, 4, 0).put(0, 0, 1, expect="authentication").put(0, 8, 0)
    yield s.put(0, 5, 0).put(0, 4, 1, expect="authentication").put(0, 12, 0)
    gone = "frame.10-6"
    s = _Scenario("a generation that was removed is gone in every step").add(5).add(6).put(5, 1, 0).put(6, 0, 0)
    s.remove(5).remove(9)
    for step in range(7):
        s.put(5, step, 1, expect=none, clause=gone)
    yield s.put(6, 2, 0).add(5).put(5, 1, 0, expect="replay", clause="frame.6-12").put(5, 1, 1)


FILES = (
    VectorFile(
        "ratchet-receiver.json",
        "sframe.ratchet_receiver",
        "what one receiver of sender keys takes, in this order: steps forward, too far forward, forged, late",
        f"{OURS}, after RFC 9605 §5.1",
        tuple(scenario.case for scenario in _scenarios()),
    ),
)

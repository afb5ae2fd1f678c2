"""Steps that one receiver takes in order, written down with what the oracle said to each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from e2ecall.audit.oracle.receiver import Receiver
from e2ecall.audit.oracle.refused import Refused
from e2ecall.audit.oracle.suites import protect
from generator.cases import OURS, Case, VectorFile, outcome
from generator.refusals import flip

__all__ = ["KEY_A", "KEY_B", "Scenario", "file_of"]

KEY_A, KEY_B = bytes(range(32)), bytes(range(32, 64))


class Scenario:
    """Steps that are put to the oracle as they are written down: each gets the result that it had.

    `clause` names what a step is about where that is not what the oracle says; `expect`, where given, must be the
    result or the reason.
    """

    def __init__(self, name: str, suite: int = 5, **layout: Any) -> None:
        self.case: Case = {"name": name, "suite": suite} | layout | {"steps": []}
        self._suite = suite
        self._epoch_bits = layout.get("epoch_bits", 0)
        self._receiver = Receiver(suite, **layout)

    def _note(self, step: Case, refused: Refused | None, clause: str, expect: str | None) -> Scenario:
        reason = refused.reason if refused else "ok"
        if expect is not None and reason != expect:
            raise ValueError(f"{self.case['name']}: {reason}, not {expect}")
        step |= {"clause": clause, "result": refused.layer if refused else "ok"}
        if refused and refused.reason != refused.layer:
            step["reason"] = refused.reason
        self.case["steps"].append(step)
        return self

    def add(self, kid: int, key: bytes = KEY_A, *, clause: str = "frame.6-12", expect: str = "ok") -> Scenario:
        """Install a key."""
        _, refused = outcome(lambda: self._receiver.add_key(kid, key))
        return self._note({"op": "add_key", "kid": str(kid), "base_key": key.hex()}, refused, clause, expect)

    def remove(self, kid: int) -> Scenario:
        """Remove a key."""
        _, refused = outcome(lambda: self._receiver.remove_key(kid))
        return self._note({"op": "remove_key", "kid": str(kid)}, refused, "frame.6-13", "ok")

    def put(
        self,
        kid: int,
        ctr: int,
        key: bytes = KEY_A,
        *,
        expect: str | None = "ok",
        clause: str | None = None,
        forged: bool = False,
        streams: Iterable[int] | None = None,
        plaintext: bytes | None = None,
    ) -> Scenario:
        """Put a frame in front of the receiver."""
        plaintext = f"frame {ctr}".encode() if plaintext is None else plaintext
        frame = protect(self._suite, kid, ctr, key, plaintext).ciphertext
        return self.raw(
            flip(frame, -1) if forged else frame,
            ctr,
            expect=expect,
            clause=clause,
            streams=streams,
            plaintext=plaintext,
        )

    def raw(
        self,
        frame: bytes,
        ctr: int | None = None,
        *,
        expect: str | None,
        clause: str | None = None,
        streams: Iterable[int] | None = None,
        plaintext: bytes = b"",
    ) -> Scenario:
        """The same with any bytes."""
        step: Case = {"op": "unprotect", "metadata": "", "ciphertext": frame.hex()}
        step |= {} if ctr is None else {"ctr": str(ctr)}
        allowed = None if streams is None else sorted(streams)
        step |= {} if allowed is None else {"streams": [str(stream) for stream in allowed]}
        got, refused = outcome(lambda: self._receiver.unprotect(frame, streams=allowed))
        if refused is None:
            if got[0] != plaintext:
                raise ValueError(f"{self.case['name']}: another plaintext")
            step["plaintext"] = plaintext.hex()
        return self._note(step, refused, clause or (refused.clause if refused else "frame.6-8"), expect)


def file_of(name: str, title: str, scenarios: Iterable[Scenario]) -> VectorFile:
    """A file of such scenarios."""
    return VectorFile(name, "sframe.receiver", title, OURS, tuple(scenario.case for scenario in scenarios))

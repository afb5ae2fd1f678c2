"""Plays the cases against a mutant until one of them tells."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from e2ecall.conformance.cases import Case
from e2ecall.conformance.judge import BAD, Finding, Outcome, judge
from e2ecall.conformance.mutants.mutation import Mutant
from e2ecall.conformance.peer import Peer
from e2ecall.conformance.selection import narrowed

__all__ = ["Hunted", "hunt", "play"]


@dataclass(frozen=True, slots=True)
class Hunted:
    """What became of a mutant: the case that killed it and what it found, or neither."""

    mutant: Mutant
    case: Case | None
    finding: Finding | None

    @property
    def clause(self) -> str:
        """The clause of the step that told."""
        if self.case is None or self.finding is None:
            return ""
        return self.case.steps[self.finding.step].clause or self.case.clause


def hunt(mutant: Mutant, cases: Sequence[Case]) -> Hunted:
    """The first case that fails on `mutant`, among those with its operations; those of its clauses are tried first."""
    fitting = [fit for case in cases if (fit := narrowed(case, mutant.operations)) is not None]
    fitting.sort(key=lambda case: not {case.clause, *(step.clause for step in case.steps)} & {*mutant.clauses})
    with mutant.active():
        for case in fitting:
            finding = play(case)
            if finding.outcome in BAD:
                return Hunted(mutant, case, finding)
    return Hunted(mutant, None, None)


def play(case: Case) -> Finding:
    """The case on a peer of its own; an error that is not one of this library is a crash."""
    peer = Peer("mutant")
    for number, step in enumerate(case.steps):
        try:
            answer = peer.answer(json.dumps({"id": number, "op": step.op, **step.request}))
        except (ValueError, TypeError, LookupError, ArithmeticError, AssertionError, RuntimeError) as error:
            return Finding(Outcome.CRASH, number, actual=repr(error))
        finding = judge(step, answer, number)
        if finding.outcome is not Outcome.PASS:
            return finding
    return Finding(Outcome.PASS)

"""Drives one peer through the cases: pipelined, and on a new process wherever one was lost.

A case that hangs, crashes or floods its process is charged with it, and the cases that were under way with it are put
to the next process from their beginning. Where an operation cost `MOST_LOST` processes, what else needs it is not
tried.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from e2ecall.conformance.cases import Case
from e2ecall.conformance.child import Child, PeerFailed
from e2ecall.conformance.judge import Finding, Outcome, judge

__all__ = ["MOST_LOST", "Greeting", "Result", "drive", "greet"]

MOST_LOST: Final = 3
_STEPS_AHEAD: Final = 512
_NOTHING: Final = {"op": "none"}  # peer.1-2; behind each case, so that a line too many is charged to the right one


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a peer says of itself; the operations are empty where it says none."""

    name: str
    version: str
    operations: frozenset[str]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one case."""

    case: Case
    finding: Finding


def greet(start: Callable[[], Child]) -> Greeting:
    """peer.4, hello. PeerFailed where it has no usable answer, OSError where there is no such program."""
    child = start()
    try:
        child.ask([{"op": "hello"}])
        answer = child.answer()
    finally:
        child.stop()
    found = answer.get("ok")
    if not isinstance(found, dict):
        raise PeerFailed(Outcome.FAIL, "hello was not answered with ok")
    operations = found.get("ops")
    if not isinstance(operations, list) or not all(isinstance(each, str) for each in operations):
        raise PeerFailed(Outcome.FAIL, "hello has no list of operations")
    return Greeting(str(found.get("name", "")), str(found.get("version", "")), frozenset(operations))


def drive(start: Callable[[], Child], greeting: Greeting, cases: Sequence[Case]) -> Iterator[Result]:
    """The result of every case, in the order in which they are known."""
    run = _Run(start, greeting, deque(cases))
    try:
        yield from run.results()
    finally:
        run.stop()


@dataclass(slots=True)
class _Run:
    start: Callable[[], Child]
    greeting: Greeting
    waiting: deque[Case]
    asked: deque[Case] = field(default_factory=deque)
    steps_asked: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    child: Child | None = None

    def results(self) -> Iterator[Result]:
        while self.waiting or self.asked:
            yield from self._ask_more()
            if self.asked:
                yield self._take_one()

    def stop(self) -> None:
        if self.child is not None:
            self.child.stop()
            self.child = None

    def _ask_more(self) -> Iterator[Result]:
        """Sends what there is room for; what cannot be put to this peer is a result at once."""
        requests = []
        while self.waiting and self.steps_asked < _STEPS_AHEAD:
            case = self.waiting.popleft()
            reason = self._not_to_be_tried(case)
            if reason is not None:
                yield Result(case, reason)
                continue
            self.asked.append(case)
            self.steps_asked += len(case.steps)
            requests += [*({"op": step.op, **step.request} for step in case.steps), _NOTHING]
        if requests:
            self.child = self.child or self.start()
            self.child.ask(requests)

    def _not_to_be_tried(self, case: Case) -> Finding | None:
        for number, step in enumerate(case.steps):
            if step.op not in self.greeting.operations:
                return Finding(Outcome.NOT_IMPLEMENTED, number, actual=f"{step.op} is not in its hello")
            if self.lost[step.op] >= MOST_LOST:
                return Finding(Outcome.SKIP, number, actual=f"{step.op} cost {MOST_LOST} processes before")
        return None

    def _take_one(self) -> Result:
        """The oldest case under way; where its process is lost, the others go back to those that wait."""
        assert self.child is not None
        case = self.asked.popleft()
        self.steps_asked -= len(case.steps)
        finding = Finding(Outcome.PASS)
        number = 0
        try:
            for number, step in enumerate(case.steps):
                answer = self.child.answer()
                if finding.outcome is Outcome.PASS:
                    finding = judge(step, answer, number)
            self.child.answer()
        except PeerFailed as failed:
            self._begin_again(case.steps[number].op)
            if finding.outcome is Outcome.PASS:
                finding = Finding(failed.outcome, number, "one answer of peer.1 for each line", failed.message)
        return Result(case, finding)

    def _begin_again(self, op: str) -> None:
        self.lost[op] += 1
        self.waiting.extendleft(reversed(self.asked))
        self.asked.clear()
        self.steps_asked = 0
        self.stop()

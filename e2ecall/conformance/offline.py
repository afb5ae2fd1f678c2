"""peer.1 without a process: the requests of all cases as one file, and the answers to them as another."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from e2ecall.conformance.cases import Case, Step
from e2ecall.conformance.judge import Finding, Outcome, judge
from e2ecall.conformance.peer import LINE_LIMIT
from e2ecall.conformance.runner import Result

__all__ = ["REQUESTS", "RESPONSES", "judge_responses", "write_requests"]

REQUESTS: Final = "requests.jsonl"
RESPONSES: Final = "responses.jsonl"


def write_requests(folder: Path, cases: Sequence[Case]) -> int:
    """Writes the requests of `cases`, a line each; how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [_line(number, step) for number, step in _numbered(cases)]
    (folder / REQUESTS).write_text("".join(lines), "utf-8")
    return len(lines)


def _numbered(cases: Iterable[Case]) -> Iterator[tuple[int, Step]]:
    return enumerate(step for case in cases for step in case.steps)


def _line(number: int, step: Step) -> str:
    return json.dumps({"id": number, "op": step.op, **step.request}, separators=(",", ":")) + "\n"


def judge_responses(folder: Path, cases: Sequence[Case]) -> Iterator[Result]:
    """What the answers in `folder` say of each case; a line that is missing, or has another id, is a failure."""
    with (folder / RESPONSES).open("rb") as lines:
        number = 0
        for case in cases:
            finding = Finding(Outcome.PASS)
            for at, step in enumerate(case.steps):
                if finding.outcome is Outcome.PASS:
                    finding = _judged(step, lines.readline(LINE_LIMIT + 1), number, at)
                else:
                    lines.readline(LINE_LIMIT + 1)
                number += 1
            yield Result(case, finding)


def _judged(step: Step, line: bytes, number: int, at: int) -> Finding:
    try:
        answer: Any = json.loads(line)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict) or answer.get("id") != number:
        return Finding(Outcome.FAIL, at, f"the answer to request {number}", repr(line[:200]) if line else "no line")
    return judge(step, answer, at)

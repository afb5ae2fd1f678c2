"""What a run found: counts, what has become worse since an earlier run, and the run as JSON and as JUnit's XML."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from xml.etree import ElementTree as ET

from e2ecall.conformance.judge import BAD, Outcome
from e2ecall.conformance.runner import Greeting, Result
from e2ecall.errors import MalformedMessage

__all__ = ["SCHEMA", "Report", "known_bad"]

SCHEMA: Final = "e2ecall/conformance/1"


@dataclass(frozen=True, slots=True)
class Report:
    """One run of one peer; `known` are the ids that may fail, because they did so before."""

    peer: Greeting
    profile: str
    results: Sequence[Result]
    seconds: float
    known: frozenset[str] = frozenset()

    @property
    def counts(self) -> Mapping[Outcome, int]:
        """How often there was which outcome; those that there were."""
        found = Counter(result.finding.outcome for result in self.results)
        return {outcome: found[outcome] for outcome in Outcome if found[outcome]}

    @property
    def bad(self) -> Sequence[Result]:
        """The results with which the peer does not conform."""
        return [result for result in self.results if result.finding.outcome in BAD]

    @property
    def new(self) -> Sequence[Result]:
        """Those of them that were not known."""
        return [result for result in self.bad if result.case.id not in self.known]

    def by_file(self) -> Mapping[str, Counter[Outcome]]:
        """The counts of each file of vectors."""
        found: dict[str, Counter[Outcome]] = {}
        for result in self.results:
            found.setdefault(result.case.file, Counter())[result.finding.outcome] += 1
        return found

    def json(self) -> str:
        """The whole run; `known_bad` reads it as a baseline."""
        head: dict[str, Any] = {"schema": SCHEMA, "peer": {"name": self.peer.name, "version": self.peer.version}}
        head |= {"profile": self.profile, "seconds": round(self.seconds, 3), "conforms": not self.bad}
        counts = {str(outcome): number for outcome, number in self.counts.items()}
        cases = [_as_json(result) for result in self.results]
        return json.dumps(head | {"counts": counts, "cases": cases}, ensure_ascii=False, indent=1) + "\n"

    def junit(self) -> str:
        """As the XML that build servers read: a suite for each file, a test for each case."""
        root = ET.Element("testsuites", name=f"{self.peer.name} {self.peer.version}".strip() or "peer")
        suites: dict[str, ET.Element] = {}
        for file, counts in self.by_file().items():
            bad = sum(counts[outcome] for outcome in BAD)
            skipped = counts[Outcome.SKIP] + counts[Outcome.NOT_IMPLEMENTED]
            numbers = {"tests": str(counts.total()), "failures": str(bad), "errors": "0", "skipped": str(skipped)}
            suites[file] = ET.SubElement(root, "testsuite", {"name": file, **numbers})
        for result in self.results:
            _add_test(suites[result.case.file], result)
        return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def known_bad(text: str) -> frozenset[str]:
    """The ids that failed in the run that `text` is the JSON of. MalformedMessage when it is none."""
    try:
        data = json.loads(text)
        if data["schema"] != SCHEMA:
            raise MalformedMessage(f"the baseline is of schema {data['schema']!r}, not {SCHEMA}")
        bad = {str(outcome) for outcome in BAD}
        return frozenset(str(case["id"]) for case in data["cases"] if case["outcome"] in bad)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise MalformedMessage("the baseline is not what a run with --json wrote") from None


def _as_json(result: Result) -> dict[str, Any]:
    case, finding = result.case, result.finding
    found: dict[str, Any] = {"id": case.id, "clause": case.clause, "outcome": str(finding.outcome)}
    if finding.outcome is not Outcome.PASS:
        found |= {"step": finding.step, "op": case.steps[finding.step].op}
        found |= {"expected": finding.expected, "actual": finding.actual}
    return found


def _add_test(suite: ET.Element, result: Result) -> None:
    finding = result.finding
    test = ET.SubElement(suite, "testcase", name=result.case.id, classname=result.case.file.replace("/", "."))
    if finding.outcome in BAD:
        failure = ET.SubElement(test, "failure", message=str(finding.outcome), type=result.case.clause)
        failure.text = _plain(f"expected {finding.expected}\nactual {finding.actual}")
    elif finding.outcome is not Outcome.PASS:
        ET.SubElement(test, "skipped", message=_plain(f"{finding.outcome}: {finding.actual}"))


def _plain(text: str) -> str:
    """What XML can hold: a peer's own words may be anything."""
    return "".join(each if each in "\n\t" or (each.isprintable() and each.isascii()) else "�" for each in text)

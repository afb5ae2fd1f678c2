"""The last step of every file: ids, clause and result of stories, flags, the head, and the text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from generator.cases import Case, VectorFile
from generator.flags import FLAGS, Flagger

__all__ = ["finished", "head_of", "rendered", "slug", "with_ids"]

SCHEMA = "e2ecall/vectors/1"
LICENCE = "CC0-1.0"


def finished(files: Iterable[VectorFile]) -> tuple[VectorFile, ...]:
    """The files with an id, a clause, a result and the flags in every case; no pattern of a flag may be idle."""
    flagger = Flagger()
    done = tuple(replace(file, cases=tuple(_cases(file, flagger))) for file in files)
    flagger.check()
    return done


def _cases(file: VectorFile, flagger: Flagger) -> Iterator[Case]:
    place = f"{file.folder}/{file.name.removesuffix('.json')}"
    for case in with_ids(place, file.cases):
        flags = flagger.flags_of(place, case["name"])
        head = {name: case[name] for name in ("id", "name", "clause")} | ({"flags": flags} if flags else {})
        yield head | {name: value for name, value in case.items() if name not in (*head, "result")} | _result(case)


def with_ids(place: str, cases: Iterable[Case]) -> Iterator[Case]:
    """Each case with its id, `<clause>::<place>/<name>`, the second of the same with -2 behind it, and its clause."""
    taken: set[str] = set()
    for case in cases:
        clause = case.get("clause") or _first(case["steps"], "clause")
        identity = _unused(f"{clause}::{place}/{slug(case['name'])}", taken)
        taken.add(identity)
        yield case | {"id": identity, "clause": clause}


def _result(case: Case) -> Case:
    """The case's own, or of a story that of its first refusal."""
    if "result" in case:
        return {"result": case["result"]}
    return {"result": next((step["result"] for step in case["steps"] if step["result"] != "ok"), "ok")}


def _first(steps: Iterable[Case], name: str) -> Any:
    return next(step[name] for step in steps if step.get(name))


def slug(name: str) -> str:
    """The name in small letters, digits and single dashes."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _unused(identity: str, taken: set[str]) -> str:
    numbered = (f"{identity}-{number}" for number in range(2, len(taken) + 3))
    return identity if identity not in taken else next(each for each in numbered if each not in taken)


def head_of(file: VectorFile) -> Case:
    """What stands in front of the cases; of the flags, those that a case has, in the order of the table."""
    used = {flag for case in file.cases for flag in case.get("flags", ())}
    head = {"schema": SCHEMA, "kind": file.kind, "title": file.title, "source": file.source, "licence": LICENCE}
    head["numberOfCases"] = len(file.cases)
    return head | {"flags": {name: flag.written() for name, flag in FLAGS.items() if name in used}}


def rendered(file: VectorFile) -> str:
    """The text of a file: its head, then one case a line."""
    lines = json.dumps(head_of(file), indent=2, ensure_ascii=False).removesuffix("\n}")
    cases = ",\n".join("    " + json.dumps(case, ensure_ascii=False) for case in file.cases)
    return f'{lines},\n  "cases": [\n{cases}\n  ]\n}}\n'

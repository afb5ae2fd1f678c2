"""peer.1, peer.3: one answer, or the lack of one, held against what is right."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from e2ecall.conformance.cases import Sha256, Step

__all__ = ["BAD", "LAYERS", "Finding", "Outcome", "judge"]

LAYERS: Final = (
    *("malformed", "incompatible", "misbehaved", "verification", "unknown-key", "own-frame", "wrong-stream"),
    *("replay", "authentication", "exhausted", "misuse"),
)
"""peer.3."""
_LONGEST_SHOWN: Final = 2000


class Outcome(StrEnum):
    """What came of a case."""

    PASS = "pass"  # noqa: S105 - an outcome
    FAIL = "fail"
    WRONG_LAYER = "wrong layer"
    SKIP = "skip"
    NOT_IMPLEMENTED = "not implemented"
    HANG = "hang"
    CRASH = "crash"
    FLOOD = "flood"


BAD: Final = frozenset({Outcome.FAIL, Outcome.WRONG_LAYER, Outcome.HANG, Outcome.CRASH, Outcome.FLOOD})
"""The outcomes with which a peer does not conform."""


@dataclass(frozen=True, slots=True)
class Finding:
    """An outcome; where it is none of pass, at which step, what was right and what came instead."""

    outcome: Outcome
    step: int = 0
    expected: str = ""
    actual: str = ""


_GOOD: Final = Finding(Outcome.PASS)


def judge(step: Step, answer: Mapping[str, Any], number: int) -> Finding:
    """What `answer`, whose id is right, says about step `number`."""
    kinds = [name for name in ("ok", "error", "unsupported") if name in answer]
    if kinds == ["unsupported"] and answer["unsupported"] is True:
        return Finding(Outcome.NOT_IMPLEMENTED, number, actual=f"{step.op} is unsupported")
    if kinds == ["ok"] and isinstance(answer["ok"], dict):
        return _accepted(step, answer["ok"], number)
    if kinds == ["error"] and isinstance(answer["error"], dict):
        return _refused(step, answer["error"], number)
    return Finding(Outcome.FAIL, number, "an answer of peer.1", _shown(answer))


def _accepted(step: Step, found: Mapping[str, Any], number: int) -> Finding:
    if step.layer != "ok":
        return Finding(Outcome.FAIL, number, f"refused as {step.layer}", f"taken: {_shown(found)}")
    for name, value in step.returns.items():
        if name not in found:
            return Finding(Outcome.FAIL, number, f"{name}: {_shown(value)}", f"no {name}")
        if not _is(value, found[name]):
            return Finding(Outcome.FAIL, number, f"{name}: {_shown(value)}", f"{name}: {_shown(found[name])}")
    return _GOOD


def _refused(step: Step, error: Mapping[str, Any], number: int) -> Finding:
    layer = error.get("layer")
    actual = f"refused as {_shown(layer)}: {_shown(error.get('reason'))}"
    if layer not in LAYERS:
        return Finding(Outcome.FAIL, number, "a layer of peer.3", actual)
    if step.layer == "ok":
        return Finding(Outcome.FAIL, number, "taken", actual)
    if layer != step.layer:
        return Finding(Outcome.WRONG_LAYER, number, f"refused as {step.layer}", actual)
    return _GOOD


def _is(expected: object, found: object) -> bool:
    """Whether it is this value; peer.1-3: a number may stand as decimal digits on either side."""
    if isinstance(expected, Sha256) and isinstance(found, str):
        return hashlib.sha256(found.encode("utf-8", "replace")).hexdigest() == expected.digest
    if isinstance(expected, dict) and isinstance(found, dict):
        return expected.keys() == found.keys() and all(_is(expected[name], found[name]) for name in expected)
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(_is, expected, found))
    if isinstance(expected, int) and isinstance(found, str):
        return str(expected) == found
    if isinstance(expected, str) and isinstance(found, int):
        return expected == str(found)
    return expected == found


def _shown(value: object) -> str:
    text = value.digest if isinstance(value, Sha256) else str(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}… ({len(text)} characters)"

"""Which cases a peer is held to: profiles, patterns, and cases cut down to the operations that there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

from e2ecall.conformance.cases import Case

__all__ = ["Profile", "narrowed", "select"]


class Profile(StrEnum):
    """What a peer sets out to be."""

    FRAMES_RECEIVER = "frames-receiver"
    FRAMES = "frames"
    EXCHANGE = "exchange"
    TELEGRAM = "telegram"
    ALL = "all"


_RECEIVING: Final = (
    *("sframe.header.decode", "sframe.derive", "sframe.unprotect", "sframe.receiver.*", "sframe.key_id"),
    *("sframe.ratchet", "codec.open"),
)
_OPERATIONS: Final = {
    Profile.FRAMES_RECEIVER: _RECEIVING,
    Profile.FRAMES: ("sframe.*", "codec.*"),
    Profile.EXCHANGE: ("handshake.*", "sas.*", "link.*", "control.*", "rekey.*"),
    Profile.TELEGRAM: ("telegram.*", "sas.emoji"),
    Profile.ALL: ("*",),
}
_ONE_STORY: Final = frozenset({"peer.steps", "sframe.receiver"})


def select(cases: Iterable[Case], profile: Profile = Profile.ALL, only: Sequence[str] = ()) -> list[Case]:
    """The cases of the profile whose id, clause or file is, or matches, one of `only`; all of them without it."""
    found = []
    for case in cases:
        fitting = narrowed(case, _OPERATIONS[profile])
        if fitting is not None and (not only or any(_is_meant(case, pattern) for pattern in only)):
            found.append(fitting)
    return found


def narrowed(case: Case, operations: Iterable[str]) -> Case | None:
    """The case with the steps that `operations` allow; None where none is left, or where they belong together."""
    patterns = tuple(operations)
    steps = tuple(step for step in case.steps if any(fnmatchcase(step.op, pattern) for pattern in patterns))
    if not steps or (len(steps) < len(case.steps) and case.kind in _ONE_STORY):
        return None
    return replace(case, steps=steps)


def _is_meant(case: Case, pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in (case.id, case.clause, case.file))

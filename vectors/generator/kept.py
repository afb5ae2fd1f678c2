"""The files whose cases other programs worked out: read, stripped of what finish.py adds, and written again by it."""

from __future__ import annotations

import json
from pathlib import Path

from generator.cases import VectorFile

__all__ = ["KEPT", "kept"]

FOLDER = Path(__file__).parents[1]
KEPT = (
    "identity/device.json",
    "identity/xwing.json",
    "sas/digits.json",
    "sas/emoji.json",
    "sas/rows.json",
    "sframe/codec-more.json",
)
_ADDED = ("id", "flags")


def kept() -> tuple[VectorFile, ...]:
    """These files as they stand, with the cases that they were given."""
    return tuple(_read(name) for name in KEPT)


def _read(place: str) -> VectorFile:
    data = json.loads((FOLDER / place).read_text("utf-8"))
    cases = tuple({name: value for name, value in case.items() if name not in _ADDED} for case in data["cases"])
    folder, _, name = place.partition("/")
    return VectorFile(name, data["kind"], data["title"], data["source"], cases, folder=folder)

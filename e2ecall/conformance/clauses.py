"""The text of each clause, as the specification has it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from e2ecall.conformance.cases import spec_folder

__all__ = ["load_clauses"]

_CLAUSE: Final = re.compile(r"^- \*\*([a-z]+\.[0-9.]+-[0-9]+)\*\* (.*)$", re.MULTILINE)


def load_clauses(folder: Path | None = None) -> Mapping[str, str]:
    """{clause: its text}, of every page."""
    pages = sorted((folder or spec_folder()).glob("*.md"))
    return {clause: text for page in pages for clause, text in _CLAUSE.findall(page.read_text("utf-8"))}

"""Where a clause stands, which lines of the code name it, and which tests do."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from e2ecall.errors import ApiMisuse, OutputFailed

__all__ = ["Claim", "Place", "Trace", "read_claims", "trace_clause"]


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file of the checkout, and what it is."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}  {self.text}"


@dataclass(frozen=True, slots=True)
class Trace:
    """One clause: its text, and every line of the library and of the tests that names it."""

    clause: str
    defined: Place
    code: tuple[Place, ...]
    tests: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """What of a claim of spec/claims.toml a trace shows."""

    id: str
    says: str
    clauses: tuple[str, ...]


def read_claims(root: Path) -> tuple[Claim, ...]:
    """The claims of the checkout at `root`; none where it makes none."""
    path = root / "spec" / "claims.toml"
    if not path.exists():
        return ()
    claims = tomllib.loads(path.read_text("utf-8"))["claim"]
    return tuple(Claim(each["id"], each["says"], tuple(each["clauses"])) for each in claims)


def trace_clause(root: Path, clause: str) -> Trace:
    """The trace of `clause` in the checkout at `root`. ApiMisuse when no page of the specification has it."""
    pages = sorted((root / "spec").glob("*.md"))
    if not pages:
        raise OutputFailed(f"no specification below {root}", hint="run this in a checkout, or give --root")
    start = f"- **{clause}** "
    defined = next((place for path in pages for place in _lines(root, path, re.escape(start))), None)
    if defined is None or not defined.text.startswith(start):
        raise ApiMisuse(f"no clause {clause} in the specification")
    defined = Place(defined.path, defined.line, defined.text.removeprefix(start))
    named = rf"(?<![\w.-]){re.escape(clause)}(?![\w-]|\.\d)"
    code = [place for path in sorted((root / "e2ecall").rglob("*.py")) for place in _lines(root, path, named)]
    tests = [place for path in sorted((root / "tests").rglob("test_*.py")) for place in _tests(root, path, clause)]
    return Trace(clause, defined, tuple(code), tuple(tests))


def _lines(root: Path, path: Path, pattern: str) -> Iterator[Place]:
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if re.search(pattern, line):
            yield Place(path.relative_to(root).as_posix(), number, line.strip())


def _tests(root: Path, path: Path, clause: str) -> Iterator[Place]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and clause in _marks(node):
            yield Place(path.relative_to(root).as_posix(), node.lineno, node.name)


def _marks(test: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[object]:
    for mark in test.decorator_list:
        if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Attribute) and mark.func.attr == "clause":
            yield from (each.value for each in mark.args if isinstance(each, ast.Constant))

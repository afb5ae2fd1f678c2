"""The drift checks: byte tables in spec/*.md are generated from the declarations, and every clause has a test.

A table stands between `<!-- table NAME -->` and `<!-- end -->`. A clause is a bullet `- **kex.2-1** …`; a test says
`@pytest.mark.clause("kex.2-1")`. A paragraph with MUST in it has to be a clause.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from e2ecall.errors import OutputFailed
from e2ecall.relay.messages import DECLARATIONS as RELAY_MESSAGES
from e2ecall.wire.control import BODY, ENVELOPE, RECORD, RK1, RK2
from e2ecall.wire.declared import Declaration, describe
from e2ecall.wire.handshake import MESSAGES
from e2ecall.wire.telegram import MESSAGES as TELEGRAM_MESSAGES
from e2ecall.wire.tlv import FIELD

__all__ = ["check_clauses", "check_tables", "rewrite_tables"]

_TABLE = re.compile(r"(<!-- table ([\w.-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
_CLAUSE = re.compile(r"^- \*\*([a-z]+\.[0-9.]+-[0-9]+)\*\* ", re.MULTILINE)
_MUST = re.compile(r"\b(MUST|SHALL|REQUIRED)\b")


def _declarations() -> dict[str, Declaration]:
    handshake = {f"handshake.{kind.name.lower()}": declaration for kind, declaration in MESSAGES.items()}
    telegram = {f"telegram.{kind.name.lower()}": declaration for kind, declaration in TELEGRAM_MESSAGES.items()}
    relay = {f"relay.{kind.__name__}": declaration for kind, declaration in RELAY_MESSAGES.items()}
    control = {"control.envelope": ENVELOPE, "control.record": RECORD, "control.body": BODY}
    return {**handshake, **telegram, **relay, **control, "epoch.rk1": RK1, "epoch.rk2": RK2, "tlv": FIELD}


def _table(declaration: Declaration) -> str:
    rows = [("field", "bytes", "meaning"), ("---", "---", "---")]
    rows += [(f"`{row.name}`", row.size, row.meaning) for row in describe(declaration)]
    return "".join(f"| {name} | {size} | {meaning} |\n" for name, size, meaning in rows)


def _spec_files(root: Path) -> list[Path]:
    files = sorted((root / "spec").glob("*.md"))
    if not files:
        raise OutputFailed(f"no specification below {root}", hint="run this in a checkout, or give --root")
    return files


def _regenerated(text: str) -> str:
    declarations = _declarations()
    return _TABLE.sub(lambda m: m[1] + _table(declarations[m[2]]) + m[4] if m[2] in declarations else m[0], text)


def check_tables(root: Path) -> Iterator[str]:
    """A line for every table that differs from the code, and for every declaration without a table."""
    shown: set[str] = set()
    for path in _spec_files(root):
        text = path.read_text("utf-8")
        for match in _TABLE.finditer(text):
            shown.add(match[2])
            if match[0] != _regenerated(match[0]):
                yield f"{path.name}: table {match[2]} differs from the code (e2ecall spec tables writes it anew)"
    for name in sorted(_declarations().keys() ^ shown):
        yield f"table {name} is declared in the code or shown in the specification, not both"


def rewrite_tables(root: Path) -> None:
    """Write the tables of spec/*.md anew."""
    for path in _spec_files(root):
        text = path.read_text("utf-8")
        if (new := _regenerated(text)) != text:
            path.write_text(new, "utf-8")


def check_clauses(root: Path) -> Iterator[str]:
    """A line for every MUST without an id, id given twice, id without a test, and test of an unknown id."""
    clauses: dict[str, str] = {}
    for path in _spec_files(root):
        text = path.read_text("utf-8")
        for clause in _CLAUSE.findall(text):
            if clause in clauses:
                yield f"{path.name}: clause {clause} stands in {clauses[clause]} too"
            clauses[clause] = path.name
        for line in text.splitlines():
            if _MUST.search(line) and not _CLAUSE.match(line) and not line.startswith(("  ", ">", "|")):
                yield f"{path.name}: a MUST without a clause id: {line.strip()[:70]}"
    tested: dict[str, str] = {}
    for path in sorted((root / "tests").rglob("test_*.py")):
        tested |= dict.fromkeys(_marked(path), path.name)
    for clause in sorted(clauses.keys() - tested.keys()):
        yield f"{clauses[clause]}: clause {clause} has no test"
    for clause in sorted(tested.keys() - clauses.keys()):
        yield f"{tested[clause]}: tests clause {clause}, which the specification does not have"


def _marked(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "clause":
            yield from (a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str))

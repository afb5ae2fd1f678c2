"""The drift checks themselves: each must find what it is for, and nothing in this checkout."""

from pathlib import Path

import pytest

from e2ecall.audit.spec import check_clauses, check_tables, rewrite_tables
from e2ecall.errors import E2ECallError

HERE = Path(__file__).parents[2]


def test_this_checkout_is_clean():
    assert [*check_tables(HERE), *check_clauses(HERE)] == []


def checkout(tmp_path, spec, test="", tables=True):
    (tmp_path / "spec").mkdir()
    (tmp_path / "tests").mkdir()
    text = (HERE / "spec/protocol.md").read_text("utf-8") if tables else ""
    tables_only = "".join(
        part.partition("<!-- end -->")[0].join(["<!-- table", "<!-- end -->\n"])
        for part in text.split("<!-- table")[1:]
    )
    (tmp_path / "spec" / "one.md").write_text(tables_only + spec, "utf-8")
    (tmp_path / "tests" / "test_one.py").write_text(test, "utf-8")
    return tmp_path


def test_a_table_that_drifted(tmp_path):
    root = checkout(tmp_path, "")
    assert list(check_tables(root)) == []
    path = root / "spec" / "one.md"
    path.write_text(path.read_text().replace("| `commitment` | 32 |", "| `commitment` | 33 |"))
    assert [line.partition(" differs")[0] for line in check_tables(root)] == ["one.md: table handshake.offer"]
    rewrite_tables(root)
    assert list(check_tables(root)) == []


def test_a_declaration_without_a_table_and_a_table_without_a_declaration(tmp_path):
    root = checkout(tmp_path, "<!-- table handshake.nonsense -->\n<!-- end -->\n", tables=False)
    problems = list(check_tables(root))
    assert any("handshake.nonsense" in line for line in problems)
    assert any("handshake.offer" in line for line in problems)


CASES = {
    "no test": ("- **kex.1-1** It MUST hold.\n", "", "clause kex.1-1 has no test"),
    "an unknown clause": ("", '@pytest.mark.clause("kex.9-9")\ndef test(): pass\n', "tests clause kex.9-9"),
    "a MUST without an id": ("It MUST hold.\n", "", "a MUST without a clause id"),
    "an id twice": (
        "- **kex.1-1** It MUST hold.\n- **kex.1-1** It MUST hold too.\n",
        '@pytest.mark.clause("kex.1-1")\ndef test(): pass\n',
        "clause kex.1-1 stands in one.md too",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_clauses(tmp_path, case):
    spec, test, words = CASES[case]
    (problem,) = check_clauses(checkout(tmp_path, spec, test, tables=False))
    assert words in problem


def test_a_clause_with_its_test(tmp_path):
    root = checkout(
        tmp_path, "- **kex.1-1** It MUST hold.\n", 'pytestmark = pytest.mark.clause("kex.1-1")\n', tables=False
    )
    assert list(check_clauses(root)) == []


def test_not_a_checkout(tmp_path):
    with pytest.raises(E2ECallError, match="no specification"):
        list(check_tables(tmp_path))

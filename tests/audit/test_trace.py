"""From a clause to what holds it: on a small tree of its own, and on this one."""

import pytest

from e2ecall.audit.trace import read_claims, trace_clause
from e2ecall.cli.main import run
from e2ecall.errors import ApiMisuse, OutputFailed
from support.pages import ROOT


@pytest.fixture
def tree(tmp_path):
    for name, text in {
        "spec/a.md": "# a\n\n- **a.1-1** It MUST.\n- **a.1-11** It MUST too.\n",
        "e2ecall/x.py": '"""a.1-1: x."""\nOTHER = "a.1-11", "ba.1-1", "a.1-1.2", "a.1-1-2"\nclause = "a.1-1"\n',
        "tests/test_x.py": (
            'import pytest\n@pytest.mark.clause("a.1-11", "a.1-1")\ndef test_one():\n    pass\n'
            '@pytest.mark.clause("a.1-11")\nasync def test_two():\n    assert "a.1-1"\n'
        ),
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_clause_is_found_where_it_is_named_and_nowhere_else(tree):
    found = trace_clause(tree, "a.1-1")
    assert (found.defined.path, found.defined.line, found.defined.text) == ("spec/a.md", 3, "It MUST.")
    assert [(place.path, place.line) for place in found.code] == [("e2ecall/x.py", 1), ("e2ecall/x.py", 3)]
    assert [str(place) for place in found.tests] == ["tests/test_x.py:3  test_one"]
    assert [place.text for place in trace_clause(tree, "a.1-11").tests] == ["test_one", "test_two"]


@pytest.mark.parametrize("clause", ["a.1-2", "", "a.1-1** It", ".*", "a.1"])
def test_what_is_no_clause_is_said(tree, clause):
    with pytest.raises(ApiMisuse):
        trace_clause(tree, clause)


def test_a_tree_without_claims_has_none(tree):
    assert read_claims(tree) == ()
    assert {"emoji", "frames"} <= {claim.id for claim in read_claims(ROOT)}


def test_a_folder_without_a_specification_is_no_checkout(tmp_path):
    with pytest.raises(OutputFailed):
        trace_clause(tmp_path, "a.1-1")


def test_the_command_names_code_tests_and_vectors(capsys):
    assert run(["spec", "trace", "--root", str(ROOT), "frame.2-3"]) == 0
    shown = capsys.readouterr().out
    assert "e2ecall/sframe/header.py:" in shown
    assert "test_headers_to_be_refused" in shown
    assert "vectors/sframe/header-refused.json  149 cases" in shown
    assert "long-header-taken  a KID in a longer form" in shown
    assert "frames  A frame that opens" in shown
    assert run(["spec", "trace", "--root", str(ROOT), "frame.2-99"]) == 2
    assert "no clause frame.2-99" in capsys.readouterr().err

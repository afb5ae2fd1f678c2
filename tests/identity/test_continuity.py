"""The table of identity.3, written a second time; what the network can never do; words and diagram."""

import itertools
from pathlib import Path

import pytest

from e2ecall.errors import ApiMisuse
from e2ecall.identity.continuity import ACTS, TRANSITIONS, Happening, Trust, after, diagram

PAGE = Path(__file__).parents[2] / "docs/explanation/continuity.md"
NETWORK = frozenset(Happening) - ACTS

TABLE = """
              unknown   seen      verified  changed   revoked
met           unknown   seen      verified  changed   revoked
admitted      seen      seen      verified  changed   revoked
by-link       seen      seen      verified  changed   revoked
other-key     changed   -         -         changed   revoked
weaker-suite  -         changed   changed   changed   revoked
introduced    seen      seen      verified  changed   revoked
receipt       unknown   seen      verified  changed   revoked
allowed       seen      seen      verified  -         -
compared      verified  verified  verified  verified  -
stated        -         verified  verified  -         -
mismatched    changed   changed   changed   changed   revoked
accepted      -         -         -         seen      -
revoked       revoked   revoked   revoked   revoked   revoked
"""


def cells():
    (*states,), *rows = (line.split() for line in TABLE.strip().splitlines())
    for name, *results in rows:
        for state, result in zip(states, results, strict=True):
            yield Trust(state), Happening(name.replace("-", " ")), None if result == "-" else Trust(result)


@pytest.mark.clause("identity.3-2")
@pytest.mark.parametrize(("trust", "happening", "result"), list(cells()))
def test_each_cell_of_the_table(trust, happening, result):
    if result is None:
        with pytest.raises(ApiMisuse, match=f"a key that is {trust} cannot be {happening}") as caught:
            after(trust, happening)
        assert caught.value.clause == "identity.3-2"
    else:
        assert after(trust, happening) is result


@pytest.mark.clause("identity.3-1", "identity.3-2")
def test_the_table_speaks_of_every_state_and_happening_and_cannot_be_changed():
    assert {(trust, happening) for trust, happening, _ in cells()} == set(itertools.product(Trust, Happening))
    assert [str(each) for each in Trust] == ["unknown", "seen", "verified", "changed", "revoked"]
    with pytest.raises(TypeError):
        TRANSITIONS[Trust.CHANGED, Happening.MET] = Trust.SEEN


@pytest.mark.clause("identity.3-2", "identity.3-4", "identity.3-7", "identity.3-13")
def test_the_network_verifies_nothing_and_leaves_neither_changed_nor_revoked():
    for (before, happening), behind in TRANSITIONS.items():
        if happening in NETWORK:
            assert behind is not Trust.VERIFIED or before is Trust.VERIFIED
            assert before not in (Trust.CHANGED, Trust.REVOKED) or behind is before
        if before is Trust.REVOKED:
            assert behind is Trust.REVOKED
        if happening is Happening.RECEIPT:
            assert behind is before


@pytest.mark.clause("identity.3-9")
def test_only_a_comparison_an_acceptance_or_a_revocation_leaves_changed():
    left = {(happening, behind) for (before, happening), behind in TRANSITIONS.items() if before is Trust.CHANGED}
    assert {each for each in left if each[1] is not Trust.CHANGED} == {
        (Happening.COMPARED, Trust.VERIFIED),
        (Happening.ACCEPTED, Trust.SEEN),
        (Happening.REVOKED, Trust.REVOKED),
    }


@pytest.mark.clause("identity.3-2")
def test_the_diagram_in_the_documentation_is_the_table():
    page = PAGE.read_text("utf-8")
    shown = page.partition("<!-- the table: from here -->\n")[2].partition("<!-- the table: to here -->")[0]
    assert shown == f"\n```mermaid\n{diagram()}\n```\n\n"


def test_the_diagram_holds_every_move_and_marks_the_acts():
    lines = diagram().splitlines()
    moves = {(b, a) for (b, _), a in TRANSITIONS.items() if b is not a}
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> unknown"]
    assert lines[-1] == "    revoked --> [*]"
    assert len(lines) == len(moves) + 3
    assert "    changed --> seen: accepted!" in lines
    assert "    unknown --> changed: other key, mismatched!" in lines

"""sas.4 and sas.5: the eight rows, and the one pick."""

import itertools
import json
import math
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2ecall.crypto.kdf import hkdf_expand
from e2ecall.crypto.rng import SystemRng
from e2ecall.errors import ApiMisuse, VerificationFailed
from e2ecall.sas import PickState, RowPick, eight_rows, emoji
from e2ecall.sas.rows import _EVEN, _shifts, _shuffled
from e2ecall.secret import SecretBytes

CASES = json.loads((Path(__file__).resolve().parents[2] / "vectors/sas/rows.json").read_text(encoding="utf-8"))["cases"]
SAS = bytes.fromhex(CASES[0]["sas"])


class PeerRng:
    """The seeded draws of the peer contract; remembers what was drawn."""

    def __init__(self, seed):
        self.seed = SecretBytes(seed)
        self.drawn = {}

    def draw(self, name, length):
        assert name not in self.drawn
        self.drawn[name] = bytes(hkdf_expand(self.seed, f"e2ecall/1 test {name}".encode(), length).expose())
        return self.drawn[name]


class ScriptedRng:
    """Replays bytes by name."""

    def __init__(self, script):
        self.script = script

    def draw(self, name, length):
        assert len(self.script[name]) == length
        return self.script[name]


class ConstantRng:
    """The worst source there is."""

    def __init__(self, byte):
        self.byte = byte

    def draw(self, name, length):
        return bytes([self.byte]) * length


def sas_of(indexes):
    return b"".join(index.to_bytes(8, "big") for index in indexes)


seeds = st.binary(min_size=32, max_size=32)
# Few different emoji, so that the true row repeats some, and neighbours of one class.
strings = st.one_of(
    st.binary(min_size=32, max_size=32),
    st.lists(st.sampled_from([7, 8, 75, 76, 332]), min_size=4, max_size=4).map(sas_of),
)


@pytest.mark.clause("sas.1-1", "sas.4-7")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_vectors(case):
    sas, rng = bytes.fromhex(case["sas"]), PeerRng(bytes.fromhex(case["seed"]))
    if case["result"] == "misuse":
        with pytest.raises(ApiMisuse, match="not 32"):
            eight_rows(sas, rng)
        return
    rows = eight_rows(sas, rng, own=case.get("own", ""))
    assert [[each.char for each in row] for row in rows.rows] == case["rows"]
    assert rows.answer == case["answer"]


@pytest.mark.clause("sas.4-1")
@settings(deadline=None)
@given(strings, seeds)
def test_even_parity_and_four_rows_for_each_emoji(sas, seed):
    true, rows = emoji(sas), eight_rows(sas, PeerRng(seed))
    assert len(rows.rows) == 8
    assert rows.rows[rows.answer] == true
    for position in range(4):
        shown = Counter(row[position] for row in rows.rows)
        assert sorted(shown.values()) == [4, 4]
        assert true[position] in shown
    wrong = [tuple(each != right for each, right in zip(row, true, strict=True)) for row in rows.rows]
    assert sorted(wrong) == sorted(bits for bits in itertools.product([False, True], repeat=4) if sum(bits) % 2 == 0)


@pytest.mark.clause("sas.4-2")
@settings(deadline=None)
@given(strings, seeds)
def test_alternatives_are_of_another_class(sas, seed):
    true, rows = emoji(sas), eight_rows(sas, PeerRng(seed)).rows
    for row in rows:
        for each, right in zip(row, true, strict=True):
            assert each == right or each.look_alike != right.look_alike


@pytest.mark.clause("sas.4-2")
@pytest.mark.parametrize("direction", [0, 1])
def test_the_shortest_way_leaves_every_class(direction):
    script = {f"sas shift {i}": direction.to_bytes(16, "big") for i in range(4)}
    script |= {f"sas order {i}": bytes(16) for i in range(7)}
    for index in range(333):
        rows = eight_rows(sas_of([index] * 4), ScriptedRng(script)).rows
        (true,) = {each for each in rows[0] if each.index == index}
        assert true.look_alike not in {each.look_alike for row in rows for each in row if each != true}


@pytest.mark.clause("sas.4-3")
@settings(deadline=None)
@given(strings, seeds)
def test_every_row_is_as_likely_to_be_the_true_one(sas, seed):
    """Whichever row were the true one, as many draws would have shown the very same eight rows."""
    rng = PeerRng(seed)
    true, rows = emoji(sas), eight_rows(sas, rng)
    for row in rows.rows:
        script = dict(rng.drawn)
        for position in range(4):
            if row[position] != true[position]:
                drawn = script[f"sas shift {position}"]
                script[f"sas shift {position}"] = drawn[:-1] + bytes([drawn[-1] ^ 1])
        seen = eight_rows(sas_of([each.index for each in row]), ScriptedRng(script))
        assert set(seen.rows) == set(rows.rows)
        assert seen.rows[seen.answer] == row


@pytest.mark.clause("sas.4-4")
@settings(deadline=None)
@given(strings, seeds)
def test_no_two_rows_hold_the_same_emoji(sas, seed):
    rows = eight_rows(sas, PeerRng(seed)).rows
    assert len({tuple(sorted(each.index for each in row)) for row in rows}) == 8


@pytest.mark.clause("sas.4-4")
def test_no_two_rows_hold_the_same_emoji_in_many_draws():
    for number in range(999):
        sas = sas_of([number % 333, (number * 5) % 333, number % 333, (number * 11) % 333])
        rows = eight_rows(sas, PeerRng(number.to_bytes(32, "big"))).rows
        assert len({tuple(sorted(each.index for each in row)) for row in rows}) == 8


@pytest.mark.clause("sas.4-4")
@settings(deadline=None, max_examples=20)
@given(st.tuples(*[st.integers(0, 2**20)] * 3))
def test_no_signed_sum_of_the_distances_closes_the_ring(numbers):
    script = {f"sas shift {i}": number.to_bytes(16, "big") for i, number in enumerate(numbers)}
    fourth = set()
    for number in range(0, 240, 2):
        a, b, c, d = _shifts(ScriptedRng(script | {"sas shift 3": number.to_bytes(16, "big")}))
        assert len({abs(a), abs(b), abs(c), d}) == 4
        assert all((a + i * b + j * c + k * d) % 333 for i, j, k in itertools.product((1, -1), repeat=3))
        fourth.add(d)
    assert len(fourth) >= 110


@pytest.mark.clause("sas.4-5")
def test_every_order_comes_from_exactly_one_draw():
    orders = set()
    for numbers in itertools.product(*(range(bound) for bound in range(8, 1, -1))):
        script = {f"order {step}": number.to_bytes(16, "big") for step, number in enumerate(numbers)}
        orders.add(tuple(_shuffled(_EVEN, ScriptedRng(script), "order ")))
    assert len(orders) == math.factorial(8)


@pytest.mark.clause("sas.4-5")
def test_the_answer_is_everywhere():
    answers = Counter(eight_rows(SAS, PeerRng(number.to_bytes(32, "big"))).answer for number in range(800))
    assert set(answers) == set(range(8))
    assert max(answers.values()) < 140
    assert min(answers.values()) > 65


@pytest.mark.clause("sas.4-6")
@pytest.mark.parametrize(("own", "prefix"), [("", "sas order "), ("caller", "sas order caller ")])
def test_the_names_of_the_draws(own, prefix):
    rng = PeerRng(bytes(32))
    eight_rows(SAS, rng, own=own)
    assert list(rng.drawn) == [f"sas shift {i}" for i in range(4)] + [f"{prefix}{i}" for i in range(7)]
    assert {len(drawn) for drawn in rng.drawn.values()} == {16}


@pytest.mark.clause("sas.4-6")
@pytest.mark.parametrize("byte", [0, 1, 255])
def test_a_broken_source_gives_rows_and_no_endless_loop(byte):
    rows = eight_rows(SAS, ConstantRng(byte)).rows
    assert len({tuple(sorted(each.index for each in row)) for row in rows}) == 8


@pytest.mark.clause("sas.4-7")
def test_one_seed_one_result_and_own_turns_the_order_only():
    def drawn(own, seed=b"\5" * 32):
        return eight_rows(SAS, PeerRng(seed), own=own)

    assert drawn("") == drawn("")
    assert drawn("caller") == drawn("caller")
    assert set(drawn("caller").rows) == set(drawn("callee").rows) == set(drawn("").rows)
    assert len({drawn("caller").rows, drawn("callee").rows, drawn("").rows}) == 3
    assert set(drawn("").rows) != set(drawn("", b"\6" * 32).rows)


def test_the_real_source():
    rows = eight_rows(SAS, SystemRng())
    assert rows.rows[rows.answer] == emoji(SAS)
    assert "answer" not in repr(rows)


@pytest.fixture(params=range(3))
def rows(request):
    return eight_rows(SAS, PeerRng(bytes([request.param]) * 32))


@pytest.mark.clause("sas.5-1")
def test_the_true_row_matches(rows):
    choice = RowPick(rows)
    assert choice.rows == rows.rows
    assert choice.state is PickState.OPEN
    choice.pick(rows.answer)
    assert choice.state is PickState.MATCH
    assert repr(choice) == "<RowPick of 8 rows, match>"


@pytest.mark.clause("sas.5-1", "sas.5-2")
@pytest.mark.parametrize("step", range(1, 8))
def test_every_other_row_fails(rows, step):
    choice = RowPick(rows)
    with pytest.raises(VerificationFailed, match="not the one on this side") as failed:
        choice.pick((rows.answer + step) % 8)
    assert failed.value.clause == "sas.5-2"
    assert failed.value.hint
    assert choice.state is PickState.MISMATCH


@pytest.mark.clause("sas.5-2")
def test_none_of_these_fails(rows):
    choice = RowPick(rows)
    with pytest.raises(VerificationFailed, match="none of the rows"):
        choice.none_of_these()
    assert choice.state is PickState.MISMATCH


@pytest.mark.clause("sas.5-3")
@pytest.mark.parametrize("second", ["right", "wrong", "none"])
@pytest.mark.parametrize(
    ("first", "state"), [("right", PickState.MATCH), ("wrong", PickState.MISMATCH), ("none", PickState.MISMATCH)]
)
def test_one_pick_and_never_again(rows, first, state, second):
    choice = RowPick(rows)

    def act(which):
        if which == "none":
            choice.none_of_these()
        else:
            choice.pick(rows.answer if which == "right" else (rows.answer + 1) % 8)

    if first == "right":
        act(first)
    else:
        with pytest.raises(VerificationFailed):
            act(first)
    with pytest.raises(ApiMisuse, match="has been made") as refused:
        act(second)
    assert refused.value.clause == "sas.5-3"
    assert choice.state is state


@pytest.mark.clause("sas.5-4")
@pytest.mark.parametrize("index", [-8, -1, 8, 1000])
def test_a_row_that_is_not_there_does_not_count(rows, index):
    choice = RowPick(rows)
    with pytest.raises(ApiMisuse, match="no row") as refused:
        choice.pick(index)
    assert refused.value.clause == "sas.5-4"
    assert choice.state is PickState.OPEN
    choice.pick(rows.answer)

"""vectors/telegram: every step of every case, with what it returns or the layer and clause of its refusal."""

import pytest

from support.vector_steps import VECTORS, params, read, take


@pytest.mark.parametrize("case", params("telegram", "exchange", "values-refused"))
@pytest.mark.clause("telegram.1-4", "telegram.2-1", "telegram.2-6", "telegram.2-7", "telegram.3-1")
def test_exchanges_and_refused_values(case):
    take(case)


@pytest.mark.parametrize("case", params("telegram", "groups-refused"))
@pytest.mark.clause("telegram.1-1", "telegram.1-2")
def test_refused_groups(case):
    take(case)


@pytest.mark.parametrize("case", params("telegram", "packets", "packets-refused"))
@pytest.mark.clause("telegram.4-1", "telegram.4-2", "telegram.4-3")
def test_packets(case):
    take(case)


@pytest.mark.parametrize("case", params("telegram", "group", "group-refused"))
@pytest.mark.clause("telegram.8-1", "telegram.8-2", "telegram.8-3", "telegram.8-4")
def test_what_a_group_needs(case):
    take(case)


@pytest.mark.parametrize("case", params("telegram", "bodies", "bodies-refused"))
@pytest.mark.clause("telegram.4-7")
def test_bodies(case):
    take(case)


@pytest.mark.parametrize("case", params("telegram", "signals", "signals-refused"))
@pytest.mark.clause(*(f"telegram.5-{number}" for number in range(1, 10)))
def test_signals(case):
    take(case)


def test_no_file_is_left_out():
    assert {path.stem for path in (VECTORS / "telegram").glob("*.json")} == read["telegram"]

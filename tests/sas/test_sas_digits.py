"""sas.3: ten digits, against figures of a second implementation."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2ecall.errors import ApiMisuse
from e2ecall.sas import digits, group

CASES = json.loads((Path(__file__).resolve().parents[2] / "vectors/sas/digits.json").read_text(encoding="utf-8"))


@pytest.mark.clause("sas.1-1", "sas.3-1")
@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: case["name"])
def test_vectors(case):
    sas = bytes.fromhex(case["sas"])
    if case["result"] == "misuse":
        with pytest.raises(ApiMisuse, match=f"has {len(sas)} bytes, not 32"):
            digits(sas)
        return
    assert digits(sas) == case["digits"]


@pytest.mark.clause("sas.3-1")
@settings(deadline=None)
@given(st.integers(0, 2**128 - 1), st.binary(min_size=16, max_size=16))
def test_the_first_half_decides(number, rest):
    assert int(digits(number.to_bytes(16, "big") + rest)) == number % 10_000_000_000


@pytest.mark.clause("sas.3-2")
@settings(deadline=None)
@given(st.binary(min_size=32, max_size=32))
def test_shown_as_five_and_five(sas):
    code = digits(sas)
    assert len(code) == 10
    left, right = group(code).split(" ")
    assert (len(left), len(right), left + right) == (5, 5, code)


@pytest.mark.clause("sas.3-2")
def test_group():
    assert group("0123456789") == "01234 56789"


@pytest.mark.clause("sas.3-2")
@pytest.mark.parametrize(
    "code", ["", "123456789", "12345678901", "01234 5678", "-123456789", "123456789²", "٠١٢٣٤٥٦٧٨٩"]
)
def test_only_ten_ascii_digits_are_grouped(code):
    with pytest.raises(ApiMisuse, match="ten digits"):
        group(code)

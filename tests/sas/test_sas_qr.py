"""sas.9: the whole hash for a camera, scanned once."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2ecall.audit.oracle.refused import Refused
from e2ecall.audit.oracle.views import check_qr as oracle_check
from e2ecall.conformance.request import layer_of
from e2ecall.errors import ApiMisuse, E2ECallError, MalformedMessage, VerificationFailed
from e2ecall.sas import PickState, QrScan, check_qr, qr_text

CASES = json.loads((Path(__file__).resolve().parents[2] / "vectors/sas/qr.json").read_text("utf-8"))["cases"]
SAS = bytes(range(32))
OTHER = bytes(range(1, 33))
ROLES = ["caller", "callee"]
any_sas = st.binary(min_size=32, max_size=32)


@pytest.mark.clause("sas.9-1", "sas.9-2", "sas.9-3", "sas.9-4", "sas.1-1")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_vectors(case):
    sas, role = bytes.fromhex(case["sas"]), case["role"]
    if case["op"] == "sas.qr" and case["result"] == "ok":
        assert qr_text(sas, role) == case["text"]
    elif case["op"] == "sas.qr":
        with pytest.raises(ApiMisuse):
            qr_text(sas, role)
    elif case["result"] == "ok":
        check_qr(sas, role, case["text"])
    else:
        with pytest.raises(E2ECallError) as caught:
            check_qr(sas, role, case["text"])
        assert layer_of(caught.value) == case["result"]
        assert caught.value.clause == case["clause"]


@pytest.mark.clause("sas.9-1")
@settings(deadline=None)
@given(any_sas)
def test_each_side_shows_its_own_code_in_the_characters_of_the_small_mode(sas):
    caller, callee = (qr_text(sas, role) for role in ROLES)
    assert caller != callee
    assert {len(caller), len(callee)} == {74}
    assert set(caller + callee) <= set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")
    assert bytes.fromhex(caller[10:]) == bytes.fromhex(callee[10:]) == sas


@pytest.mark.clause("sas.9-3")
@pytest.mark.parametrize("role", ROLES)
def test_every_bit_of_the_hash_counts(role):
    other_role = ROLES[role == "caller"]
    for bit in range(256):
        turned = (int.from_bytes(SAS, "big") ^ 1 << bit).to_bytes(32, "big")
        scan = QrScan(SAS, role)
        with pytest.raises(VerificationFailed, match="not that of this call"):
            scan.scan(qr_text(turned, other_role))
        assert scan.state is PickState.MISMATCH


@pytest.mark.clause("sas.9-4")
@pytest.mark.parametrize("role", ROLES)
def test_the_own_code_is_refused(role):
    scan = QrScan(SAS, role)
    with pytest.raises(VerificationFailed, match="of this side itself") as caught:
        scan.scan(scan.own)
    assert caught.value.clause == "sas.9-4"
    assert scan.state is PickState.MISMATCH


@pytest.mark.clause("sas.9-3")
@pytest.mark.parametrize("role", ROLES)
def test_two_callers_do_not_match(role):
    """Someone in the middle who answers two callers gets the same letter from both."""
    with pytest.raises(VerificationFailed):
        check_qr(SAS, role, qr_text(OTHER, role))


@pytest.mark.clause("sas.9-2", "sas.9-5")
@settings(deadline=None)
@given(st.text() | st.text(alphabet="E2CAL1:B0F\n", max_size=80))
def test_what_is_no_code_spends_nothing(text):
    scan = QrScan(SAS, "caller")
    with pytest.raises(MalformedMessage) as caught:
        scan.scan(text)
    assert caught.value.clause == "sas.9-2"
    assert scan.state is PickState.OPEN
    scan.scan(qr_text(SAS, "callee"))
    assert scan.state is PickState.MATCH


@pytest.mark.clause("sas.9-5")
@pytest.mark.parametrize("first", [qr_text(SAS, "callee"), qr_text(OTHER, "callee"), qr_text(SAS, "caller")])
@pytest.mark.parametrize("second", [qr_text(SAS, "callee"), qr_text(OTHER, "callee"), "no code"])
def test_one_scan_and_never_a_second(first, second):
    scan = QrScan(SAS, "caller")
    with suppress(VerificationFailed):
        scan.scan(first)
    state = scan.state
    with pytest.raises(ApiMisuse) as caught:
        scan.scan(second)
    assert caught.value.clause == "sas.9-5"
    assert scan.state is state is not PickState.OPEN


@settings(deadline=None)
@given(any_sas, st.sampled_from(ROLES), any_sas, st.sampled_from(ROLES), st.booleans())
def test_the_second_writing_says_the_same(sas, role, scanned, shown_by, same):
    text = qr_text(sas if same else scanned, shown_by)
    clauses = []
    for check, kind in ((oracle_check, Refused), (check_qr, VerificationFailed)):
        try:
            check(sas, role, text)
            clauses.append(None)
        except kind as refused:
            clauses.append(refused.clause)
    assert clauses[0] == clauses[1]


@pytest.mark.clause("sas.9-1")
@pytest.mark.parametrize("role", ["", "A", "Caller", "both"])
def test_only_two_roles(role):
    for make in (qr_text, QrScan):
        with pytest.raises(ApiMisuse, match="caller or callee"):
            make(SAS, role)


def test_the_repr_tells_nothing_of_the_code():
    assert repr(QrScan(SAS, "caller")) == "<QrScan, open>"

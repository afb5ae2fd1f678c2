"""The runner against peers that hang, crash, lie and flood: each is charged with it, and the rest is still judged."""

import sys
import textwrap

import pytest

from e2ecall.conformance.cases import Case, Step
from e2ecall.conformance.child import Child, PeerFailed
from e2ecall.conformance.judge import Outcome
from e2ecall.conformance.runner import MOST_LOST, drive, greet

PEER = """
import json, os, sys, time
for line in sys.stdin:
    request = json.loads(line)
    number, op = request["id"], request["op"]
    if op == "hello":
        print(json.dumps({"id": number, "ok": {"name": "p", "version": "1", "ops": ["good", "bad"]}}), flush=True)
    elif op == "good":
        print(json.dumps({"id": number, "ok": {"value": request["value"]}}), flush=True)
    elif op != "bad":
        print(json.dumps({"id": number, "unsupported": True}), flush=True)
    else:
"""


@pytest.fixture
def peer(tmp_path):
    """A starter of a peer whose operation `bad` does this."""

    def starter(bad="pass", timeout=1.0, source=PEER):
        program = tmp_path / "peer.py"
        program.write_text(source + (textwrap.indent(bad, 8 * " ") if source is PEER else ""))
        return lambda: Child([sys.executable, str(program)], timeout=timeout)

    return starter


def case(name, *ops):
    steps = tuple(Step(op, {"value": f"{name} {at}"}, "ok", {"value": f"{name} {at}"}, "") for at, op in enumerate(ops))
    return Case(name, name, "peer.1-1", "file", "kind", steps)


def outcomes(start, *cases):
    return {each.case.id: each.finding.outcome for each in drive(start, greet(start), cases)}


GOOD = [case(f"good {number}", "good", "good") for number in range(600)]
FAULTS = {
    "hangs": ("time.sleep(60)", Outcome.HANG),
    "ends": ("os._exit(0)", Outcome.CRASH),
    "is killed": ("os.kill(os.getpid(), 9)", Outcome.CRASH),
    "raises": ("raise ValueError", Outcome.CRASH),
    "closes its output": ("os.close(1); time.sleep(60)", Outcome.CRASH),
    "gives no JSON": ("print('x', flush=True)", Outcome.FAIL),
    "gives a list": ("print('[]', flush=True)", Outcome.FAIL),
    "nests": ("print('[' * 100000, flush=True)", Outcome.FAIL),
    "gives bytes": ("os.write(1, b'\\xff\\xfe\\n')", Outcome.FAIL),
    "has another id": ('print(\'{"id": -1, "ok": {}}\', flush=True)', Outcome.FAIL),
    "gives nothing": ("print('{\"id\": %d}' % number, flush=True)", Outcome.FAIL),
    "gives two things": ('print(\'{"id": %d, "ok": {}, "unsupported": true}\' % number, flush=True)', Outcome.FAIL),
    "has its own layer": ('print(\'{"id": %d, "error": {"layer": "oops"}}\' % number, flush=True)', Outcome.FAIL),
    "does not know it": ('print(\'{"id": %d, "unsupported": true}\' % number, flush=True)', Outcome.NOT_IMPLEMENTED),
    "has a long line": ("print('x' * (17 << 20), flush=True)", Outcome.FLOOD),
    "never ends a line": ("while True: os.write(1, b'x' * 65536)", Outcome.FLOOD),
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.clause("peer.1-1")
def test_what_one_case_does_is_its_own(peer, name):
    bad, outcome = FAULTS[name]
    cases = [*GOOD[:300], case("bad", "good", "bad", "good"), *GOOD[300:]]
    found = outcomes(peer(bad), *cases)
    assert found.pop("bad") == outcome
    assert set(found.values()) == {Outcome.PASS}
    assert len(found) == len(GOOD)


@pytest.mark.parametrize("place", [0, 1])
def test_a_line_too_many_is_charged_to_the_case_that_it_followed(peer, place):
    lines = ["json.dumps({'id': number, 'ok': {'value': request['value']}})"]
    lines.insert(place, "'{}'")
    found = outcomes(peer(f"print({lines[0]}); print({lines[1]}, flush=True)"), GOOD[0], case("bad", "bad"), *GOOD[1:3])
    assert found == {"good 0": Outcome.PASS, "bad": Outcome.FAIL, "good 1": Outcome.PASS, "good 2": Outcome.PASS}


def test_an_endless_flood_of_lines_ends_with_its_process(peer):
    assert outcomes(peer("while True: os.write(1, b'{}\\n' * 9999)"), case("bad", "bad"))["bad"] == Outcome.FAIL


def test_an_operation_that_cost_too_many_processes_is_not_tried_again(peer):
    bad = [case(f"bad {number}", "bad") for number in range(MOST_LOST + 3)]
    found = outcomes(peer("os._exit(1)"), *bad, *GOOD[:3])
    assert [found[each.id] for each in bad] == [Outcome.CRASH] * MOST_LOST + [Outcome.SKIP] * 3
    assert found["good 2"] == Outcome.PASS


def test_the_first_fault_of_a_case_is_the_one_that_is_told(peer):
    wrong = Case("wrong", "wrong", "", "file", "kind", (Step("good", {"value": 1}, "ok", {"value": 2}, ""),))
    (result,) = drive(peer(), greet(peer()), [wrong])
    assert (result.finding.outcome, result.finding.step) == (Outcome.FAIL, 0)
    assert (result.finding.expected, result.finding.actual) == ("value: 2", "value: 1")


def test_an_operation_that_hello_does_not_name_is_not_asked(peer):
    assert outcomes(peer("os._exit(1)"), case("other", "other")) == {"other": Outcome.NOT_IMPLEMENTED}


NO_HELLO = ["", "import time; time.sleep(60)", "print('{}')", 'print(\'{"id": 0, "ok": {}}\')', "print('[0]')"]


@pytest.mark.parametrize("source", NO_HELLO)
def test_a_program_without_a_hello_is_no_peer(peer, source):
    with pytest.raises(PeerFailed):
        greet(peer(source=source + "\n"))


def test_what_a_peer_said_last_stands_in_the_finding(peer):
    start = peer("sys.exit('out of cheese')")
    (result,) = drive(start, greet(start), [case("bad", "bad")])
    assert "out of cheese" in result.finding.actual
    assert "status 1" in result.finding.actual


def test_nothing_is_left_behind(peer, tmp_path):
    marker = tmp_path / "alive"
    child = f"import time, pathlib; time.sleep(2); pathlib.Path({str(marker)!r}).write_text('x')"
    start = peer(f"import subprocess; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)")
    assert outcomes(start, case("bad", "bad")) == {"bad": Outcome.HANG}
    with pytest.raises(PeerFailed):
        greet(peer(source="import time; time.sleep(3)\n", timeout=2.5))
    assert not marker.exists()


def test_requests_have_ids_in_order():
    echo = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"
    child = Child([sys.executable, "-c", echo], timeout=5)
    try:
        child.ask([{"op": "a"}, {"op": "b", "value": "é"}])
        assert child.answer() == {"id": 0, "op": "a"}
        assert child.answer() == {"id": 1, "op": "b", "value": "é"}
    finally:
        child.stop()

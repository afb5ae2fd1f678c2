"""How many requests a second the conformance runner puts to a peer and judges, beside the pipe alone.

python benchmarks/conformance.py [--cases 20000] [--rounds 5] [--json FILE]

Every line is measured once in each round, in a new order; what is shown are the medians. The requests are the 289
headers of RFC 9605, decoded again and again. "The pipe alone" is the same text through `cat`, sent and read back in
this process and not looked at: what no runner of this kind can pass. The node peer is docs_src/peer.mjs, 61 lines.
"""

import argparse
import json
import platform
import random
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from e2ecall.conformance.cases import Case, load_cases
from e2ecall.conformance.child import Child
from e2ecall.conformance.judge import Outcome, judge
from e2ecall.conformance.runner import drive, greet

OPERATION = "sframe.header.decode"
NODE_PEER = Path(__file__).parents[1] / "docs_src" / "peer.mjs"
OURS = [sys.executable, "-m", "e2ecall", "conformance", "peer"]


def cases(number: int) -> list[Case]:
    """So many cases of one request each, with ids of their own."""
    headers = [case for case in load_cases() if case.file == "sframe/header"]
    decoding = [replace(case, steps=tuple(step for step in case.steps if step.op == OPERATION)) for case in headers]
    return [replace(decoding[at % len(decoding)], id=str(at)) for at in range(number)]


def pipelined(command: list[str], asked: list[Case]) -> float:
    """Requests a second of a whole run, once the peer has said hello."""
    start = partial(Child, command, timeout=30)
    greeting = greet(start)
    began = time.perf_counter()
    passed = sum(result.finding.outcome is Outcome.PASS for result in drive(start, greeting, asked))
    spent = time.perf_counter() - began
    if passed != len(asked):
        raise SystemExit(f"{command} passed {passed} of {len(asked)}")
    return len(asked) / spent


def in_lock_step(command: list[str], asked: list[Case]) -> float:
    """The same, each request sent when the one before is answered."""
    child = Child(command, timeout=30)
    try:
        child.ask([{"op": "hello"}])
        child.answer()
        began = time.perf_counter()
        for case in asked:
            child.ask([{"op": OPERATION, **case.steps[0].request}])
            if judge(case.steps[0], child.answer(), 0).outcome is not Outcome.PASS:
                raise SystemExit(f"{command}: {case.name}")
        return len(asked) / (time.perf_counter() - began)
    finally:
        child.stop()


def pipe_alone(asked: list[Case]) -> float:
    """The requests' text through `cat`."""
    text = "".join(json.dumps({"op": OPERATION, **case.steps[0].request}) + "\n" for case in asked).encode()
    began = time.perf_counter()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as cat:
        assert cat.stdin is not None
        assert cat.stdout is not None
        writer = threading.Thread(target=lambda pipe=cat.stdin: (pipe.write(text), pipe.close()))
        writer.start()
        read = sum(1 for _ in cat.stdout)
        writer.join()
    assert read == len(asked)
    return len(asked) / (time.perf_counter() - began)


def main() -> None:
    """Prints the table; writes every round where it is asked to."""
    parser = argparse.ArgumentParser(description="the conformance runner's requests a second")
    parser.add_argument("--cases", type=int, default=20000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    asked = cases(arguments.cases)
    node = shutil.which("node")
    lines: dict[str, Callable[[], float]] = {"the pipe alone": partial(pipe_alone, asked)}
    for name, command in {"node": [node, str(NODE_PEER)] if node else None, "Python": OURS}.items():
        if command is None:
            print("left out: there is no node on this machine")
            continue
        lines[f"{name}, pipelined"] = partial(pipelined, command, asked)
        lines[f"{name}, in lock step"] = partial(in_lock_step, command, asked[: len(asked) // 10])
    rounds: dict[str, list[float]] = {name: [] for name in lines}
    for _ in range(arguments.rounds):
        for name in random.sample(list(lines), len(lines)):
            rounds[name].append(lines[name]())
    first = statistics.median(next(each for name, each in rounds.items() if name.endswith("pipelined")))
    run = f"{arguments.cases} cases, medians of {arguments.rounds} rounds, Python {platform.python_version()}"
    print(f"{OPERATION}, {run}")
    for name, found in rounds.items():
        median = statistics.median(found)
        print(f"{name:24}{median:10,.0f} a second   {median / first:8.2f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(rounds, indent=1))


if __name__ == "__main__":
    main()

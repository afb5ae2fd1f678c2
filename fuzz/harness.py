"""Runs fuzz targets: replays their corpus, mutates it by a seed, or hands a target to atheris.

    python -m fuzz.harness                                  replay the corpus of every target
    python -m fuzz.harness header FILE ...                  replay these inputs
    python -m fuzz.harness header --runs 1000000 --seed 1   mutate; the same seed gives the same inputs
    python -m fuzz.harness all --atheris --seconds 60       mutation led by coverage, a minute for each target

An input that breaks an invariant is kept in fuzz/crashes/, and the status is not 0. What found something goes to
fuzz/regressions/<target>/, which the tests replay.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path
from random import Random
from time import monotonic
from typing import cast

from fuzz.target import Target

__all__ = ["CORPUS", "FOLDER", "corpus", "load", "main", "mutations", "target_names", "write_corpus"]

FOLDER = Path(__file__).parent
CORPUS = FOLDER / "corpus"
_CRASHES = FOLDER / "crashes"
_ALL = "all"
_POOL = 4096  # inputs that did something new, for further mutation
_REPORTED = 20.0  # seconds between two lines of progress
_SLOWEST = 20  # seconds that one input may take under atheris


def target_names() -> list[str]:
    """Every target, by its file."""
    return sorted(path.stem.removeprefix("target_") for path in FOLDER.glob("target_*.py"))


def load(name: str) -> Target:
    """The module of a target."""
    return cast("Target", importlib.import_module(f"fuzz.target_{name}"))


def corpus(name: str) -> list[bytes]:
    """The inputs made from the vectors, then those that once found something; the same each time."""
    found = sorted((FOLDER / "regressions" / name).glob("*"))
    return [*load(name).seeds(), *(path.read_bytes() for path in found)]


def write_corpus(name: str) -> int:
    """fuzz/corpus/<target>/: one file an input, named by its hash. The number of inputs."""
    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    inputs = corpus(name)
    for data in inputs:
        (folder / sha256(data).hexdigest()[:16]).write_bytes(data)
    return len(inputs)


def mutations(name: str, seed: int) -> Iterator[tuple[bytes, object]]:
    """Without end: an input by mutation, and what it did. Inputs that did something new are mutated further."""
    target = load(name)
    rng = Random(f"{name} {seed}")
    pool = corpus(name)
    seen: set[object] = set()
    while True:
        data = target.mutate(pool[int(rng.random() * len(pool))], rng)[: target.MAX_LENGTH]
        outcome = _run(name, target, data)
        if len(seen) < _POOL and outcome not in seen:
            seen.add(outcome)
            pool.append(data)
        yield data, outcome


def _run(name: str, target: Target, data: bytes) -> object:
    done = False
    try:
        outcome = target.run(data)
        done = True
    except KeyboardInterrupt:
        done = True
        raise
    finally:
        if not done:
            _CRASHES.mkdir(exist_ok=True)
            path = _CRASHES / f"{name}-{sha256(data).hexdigest()[:16]}"
            path.write_bytes(data)
            sys.stderr.write(f"{name}: the input is kept in {path}\n")
    return outcome


def _replay(name: str, inputs: Sequence[bytes]) -> None:
    target = load(name)
    for data in inputs:
        _run(name, target, data)
    _say(f"{name}: {len(inputs)} inputs replayed")


def _mutate(name: str, runs: int | None, seconds: float | None, seed: int) -> None:
    start = reported = monotonic()
    done = 0
    outcomes: set[object] = set()
    for done, (_, outcome) in enumerate(islice(mutations(name, seed), runs), 1):
        if len(outcomes) < _POOL:
            outcomes.add(outcome)
        if done % 256 == 0:
            now = monotonic()
            if seconds is not None and now - start >= seconds:
                break
            if now - reported >= _REPORTED:
                reported = now
                _say(_figures(name, done, now - start, len(outcomes)))
    _say(_figures(name, done, monotonic() - start, len(outcomes)) + f", seed {seed}: no escape")


def _figures(name: str, done: int, seconds: float, outcomes: int) -> str:
    return f"{name}: {done:,} runs in {seconds:.0f} s, {done / max(seconds, 1e-9):,.0f}/s, {outcomes} kinds of outcome"


def _atheris(name: str, options: argparse.Namespace) -> None:
    """Does not return: libFuzzer ends the process, with its figures on standard error."""
    import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]  # not installed for development

    if options.instrument:
        with atheris.instrument_imports(include=["e2ecall"], exclude=["e2ecall.audit"]):
            target = load(name)
    else:
        target = load(name)

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        # Half of the inputs are libFuzzer's own mutation, which knows what the code compares bytes with.
        rng = Random(seed)
        if rng.random() < 0.5:
            return cast("bytes", atheris.Mutate(data, max_size))
        return target.mutate(data, rng)[:max_size]

    def run(data: bytes) -> None:
        target.run(data)

    write_corpus(name)
    _CRASHES.mkdir(exist_ok=True)
    arguments = [name, str(CORPUS / name), f"-artifact_prefix={_CRASHES}/{name}-", f"-max_len={target.MAX_LENGTH}"]
    arguments += [f"-timeout={_SLOWEST}", "-print_final_stats=1", f"-seed={options.seed}", "-reload=0"]
    arguments += [] if options.seconds is None else [f"-max_total_time={options.seconds:.0f}"]
    arguments += [] if options.runs is None else [f"-runs={options.runs}"]
    atheris.Setup(arguments, run, custom_mutator=mutate)
    atheris.Fuzz()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz.harness", description="Run fuzz targets.")
    parser.add_argument("target", nargs="?", default=_ALL, choices=[_ALL, *target_names()])
    parser.add_argument("files", nargs="*", type=Path, help="inputs to replay")
    parser.add_argument("--runs", type=int, help="stop after so many inputs")
    parser.add_argument("--seconds", type=float, help="stop after that time, for each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--atheris", action="store_true", help="mutation led by coverage")
    parser.add_argument("--no-instrument", dest="instrument", action="store_false", help="atheris without coverage")
    options = parser.parse_args(arguments)
    if options.files and options.target == _ALL:
        parser.error("files are inputs of one target")
    return options


def main(arguments: Sequence[str]) -> int:
    """0 if every invariant held; an escape leaves as the exception that it is."""
    options = _options(arguments)
    names = target_names() if options.target == _ALL else [options.target]
    if options.atheris and len(names) > 1:
        # One process each: libFuzzer does not give its process back.
        start = [sys.executable, "-m", "fuzz.harness"]
        rest = [argument for argument in arguments if argument != _ALL]
        return max(abs(subprocess.run([*start, name, *rest], check=False).returncode) for name in names)
    for name in names:
        if options.files:
            _replay(name, [path.read_bytes() for path in options.files])
        elif options.atheris:
            _atheris(name, options)
        elif options.runs is None and options.seconds is None:
            _replay(name, corpus(name))
        else:
            _mutate(name, options.runs, options.seconds, options.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

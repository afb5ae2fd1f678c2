"""What sealing and opening a frame costs, here and elsewhere: everything in one run, round by round, in CPU time.

python benchmarks/frames.py [--rounds 61] [--json FILE] [--write docs/explanation/frame-speed.md] [--quick]

Every round measures everybody once, in a new order, and every ratio is taken within its round; what is shown are the
medians over the rounds. So other work on the machine slows a round down, and not one contestant. Peers that are not
there are named and left out: `pip install davey`; a C compiler with OpenSSL's headers; cargo; node.
"""

import argparse
import gc
import json
import os
import platform
import random
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import cryptography
from cryptography.hazmat.backends.openssl import backend
from frames_figures import PROTECT, SIZES, UNPROTECT, Figures, Target, targets
from frames_peers.contestant import Contestant, Operation, Plaintexts, Skipped
from frames_peers.davey import Davey
from frames_peers.forged import Attacker, Forgery
from frames_peers.ours import Bare, Ours
from frames_peers.processes import BUILDERS, build_folder, start
from frames_tables import costs, forged, size_name, verdicts, write_into
from plot import Group, Row, Words, digits, picture

from e2ecall import __version__
from e2ecall.sframe import CipherSuite

FRAMES = {100: 800, 1_200: 500, 10_000: 100, 100_000: 20}  # a batch: about a millisecond each
FORGED = 10_000
INSTRUCTIONS = {"aes", "vaes", "vpclmulqdq", "avx2", "avx512f", "sha_ni", "pmull", "sha2"}  # those that matter here
QUICK = 3, 40, 1_000  # rounds, what a batch is divided by, refused frames
ATTACKED = CipherSuite.AES_128_GCM_SHA256_128  # its good frames are the cheapest
SUITES = (
    CipherSuite.AES_128_GCM_SHA256_128,
    CipherSuite.AES_256_GCM_SHA512_128,
    CipherSuite.AES_128_CTR_HMAC_SHA256_80,
    CipherSuite.AES_256_CTR_HMAC_SHA512_80,
)
ORDER = ["openssl", "rust", "bare-128", "e2ecall-4", "davey", "webcrypto", "bare-256", "e2ecall-5"]
PLOTTED = {
    "openssl": "OpenSSL from C",
    "rust": "Rust crate sframe",
    "bare-128": "bare AESGCM call",
    "e2ecall-4": "e2ecall",
    "davey": "davey (DAVE)",
    "webcrypto": "WebCrypto in node",
}


class Run:
    """One run: who takes part, who does not and why, and the figures."""

    def __init__(self, rounds: int, divisor: int = 1, forged: int = FORGED) -> None:
        self.rounds, self.forged = rounds, forged
        self.counts = {size: max(2, count // divisor) for size, count in FRAMES.items()}
        self.plaintexts = Plaintexts(os.urandom)
        self.bare = Bare(128, self.plaintexts)
        self.contestants: list[Contestant] = []
        self.skipped: dict[str, str] = {}
        self.figures = Figures()
        self.kept: dict[str, int] = {}

    def enter(self, stack: ExitStack, *, foreign: bool) -> None:
        """Start everybody that this machine has."""
        self.contestants += [self.bare, Bare(256, self.plaintexts)]
        self.contestants += [Ours(suite, self.plaintexts) for suite in SUITES]
        self._try("davey", partial(Davey, self.plaintexts), stack)
        if foreign:
            folder = stack.enter_context(build_folder())
            for name in BUILDERS:
                self._try(name, partial(start, name, folder), stack)

    def _try(self, name: str, make: Callable[[], Contestant], stack: ExitStack) -> None:
        try:
            contestant = make()
        except Skipped as reason:
            self.skipped[name] = str(reason)
            print(f"skipped: {name}: {reason}", file=sys.stderr)
        else:
            self.contestants.append(stack.enter_context(closing(contestant)))

    def names(self) -> dict[str, str]:
        """Who took part, in the order of the tables."""
        titles = {contestant.name: contestant.title for contestant in self.contestants}
        return {name: titles.pop(name) for name in ORDER if name in titles} | titles

    def measure(self) -> None:
        """The rounds, after one that nobody looks at."""
        attacker = Attacker(ATTACKED, self.plaintexts)
        for kind in Forgery:
            for size in SIZES:
                attacker.check(kind, size)
        _as_after_pictures()
        gc.disable()
        for number in range(self.rounds + 1):
            figures = self.figures if number else Figures()
            self._round(random.Random(number), figures, attacker)
            gc.collect()
        gc.enable()
        self.kept = {kind: attacker.kept(kind, self.forged) for kind in Forgery}

    def _round(self, order: random.Random, figures: Figures, attacker: Attacker) -> None:
        for size, whole in self.counts.items():
            turns = [(contestant, operation) for contestant in self.contestants for operation in Operation]
            for contestant, operation in order.sample(turns, len(turns)):
                count = max(2, round(whole * contestant.share))
                figures.add((contestant.name, operation, size), contestant.batch(operation, size, count), count)
            count = min(whole, max(20, whole // 4))
            figures.add(("bare-128", "bad tag", size), self.bare.refuse(size, count), count)
            for kind in order.sample([*Forgery, None], len(Forgery) + 1):
                spent = attacker.forged(kind, size, count) if kind else attacker.good(size, count)
                figures.add(("forged", kind or "good", size), spent, count)

    def targets(self) -> list[Target]:
        return targets(self.figures, self.names(), SIZES, list(Forgery))


def _as_after_pictures() -> None:
    """Bring the C allocator to where it is after one large buffer was freed, as in any process that has seen pictures.

    Until then glibc gives memory at the end of its heap back at once, and a frame of 100 kB pays for the page faults,
    or does not, by where its buffer happens to lie.
    """
    bytes(24 << 20)


@dataclass(frozen=True, slots=True)
class Machine:
    """What the figures depend on, in general words."""

    cpu: str
    cores: int
    instructions: list[str]
    python: str = platform.python_version()
    cryptography: str = cryptography.__version__
    openssl: str = backend.openssl_version_text().split()[1]
    e2ecall: str = __version__


def machine() -> Machine:
    """This one, as far as it says."""
    about: dict[str, str] = {}
    info = Path("/proc/cpuinfo")
    for line in info.read_text("utf-8").splitlines() if info.exists() else []:
        name, _, value = line.partition(":")
        about.setdefault(name.strip(), value.strip())
    maker = about.get("vendor_id", platform.system())
    present = INSTRUCTIONS & set(about.get("flags", "").split())
    return Machine(f"{platform.machine()} ({maker})", os.cpu_count() or 1, sorted(present))


def tables(run: Run) -> str:
    """Everything that is printed and written."""
    on, names = machine(), run.names()
    said = (
        f"{run.rounds} rounds on {on.cores} cores, {on.cpu} with {', '.join(on.instructions) or 'no list'}; "
        f"Python {on.python}, cryptography {on.cryptography} with its own OpenSSL {on.openssl}, e2ecall {on.e2ecall}."
    )
    parts = [said] + [costs(run.figures, names, operation, SIZES) for operation in Operation]
    parts += [verdicts(run.targets(), SIZES), forged(run.figures, run.kept, SIZES, run.forged)]
    parts += [f"Left out: {name}: {reason}." for name, reason in run.skipped.items()]
    return "\n\n".join(parts)


def drawing(run: Run) -> str:
    """The picture: who costs what, per size."""
    there, cpu = run.names(), run.figures.median
    groups = [
        Group(
            f"a frame of {size_name(size)}",
            [
                Row(title, cpu((name, PROTECT, size)), cpu((name, UNPROTECT, size)), ours=name == "e2ecall-4")
                for name, title in PLOTTED.items()
                if name in there
            ],
        )
        for size in SIZES
    ]
    words = Words(
        title="CPU time to seal and to open one frame",
        subtitle="AES-128-GCM, medians, logarithmic axis: less is to the left",
        filled="protect",
        ring="unprotect",
        description="Microseconds of CPU time by frame size. "
        + " ".join(
            f"{group.heading}: "
            + ", ".join(f"{row.title} {digits(row.filled)} and {digits(row.ring)}" for row in group.rows)
            + "."
            for group in groups
        ),
    )
    return picture(groups, words)


def as_json(run: Run) -> dict[str, object]:
    """schema e2ecall/frames/1: medians in nanoseconds a frame, ratios, targets, and what was left out."""
    figures = run.figures
    medians = [
        {"name": name, "what": what, "size": size, "cpu_ns": figures.median(key), "wall_ns": figures.median_wall(key)}
        for key in sorted(figures.cpu)
        for name, what, size in [key]
    ]
    aims = [
        {"title": aim.title, "measured": aim.measured, "bounds": aim.bounds, "missed": aim.missed()}
        for aim in run.targets()
    ]
    return {
        "schema": "e2ecall/frames/1",
        "machine": asdict(machine()),
        "rounds": run.rounds,
        "names": run.names(),
        "skipped": run.skipped,
        "figures": medians,
        "targets": aims,
        "kept": run.kept,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=61)
    parser.add_argument("--json", type=Path, metavar="FILE", help="all figures")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="replace the tables of a page, and its picture")
    parser.add_argument(
        "--quick", action="store_true", help="that it works, not how fast: few frames, no foreign peers"
    )
    arguments = parser.parse_args()
    run = Run(*QUICK) if arguments.quick else Run(max(1, arguments.rounds))
    with ExitStack() as stack:
        run.enter(stack, foreign=not arguments.quick)
        run.measure()
    text = tables(run)
    print(text)
    if arguments.json:
        arguments.json.write_text(json.dumps(as_json(run), indent=1) + "\n", "utf-8")
    if arguments.write:
        write_into(arguments.write, text)
        (arguments.write.parent.parent / "pictures" / f"{arguments.write.stem}.svg").write_text(drawing(run), "utf-8")


if __name__ == "__main__":
    main()

"""What an exchange and a rekey cost each side in CPU time, beside suite 2, the primitives, and Telegram's exchange.

python benchmarks/exchange.py [--rounds 61] [--json FILE] [--quick]

Every round measures every line once, in a new order, and every ratio is taken within its round; what is shown are the
medians over the rounds. The bare lines are the same calls of the same libraries and nothing else: no message is built,
parsed or hashed; for Telegram's they are Python's own `pow`. A key's making counts for whoever makes it; both sides are
done in this one process.
"""

import argparse
import gc
import json
import os
import platform
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cryptography
import nacl
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from nacl.signing import SigningKey, VerifyKey

from e2ecall import __version__
from e2ecall.crypto.rng import SystemRng
from e2ecall.crypto.sign import Signer
from e2ecall.handshake import Profile, Role, Suite, make_offer, receive_offer
from e2ecall.handshake.rekey import RekeyContext, answer_rekey, start_rekey
from e2ecall.handshake.telegram import Group, accept_call, request_call
from e2ecall.secret import SecretBytes

ROUNDS, QUICK = 61, 3
BATCH, QUICK_BATCH = 10, 2
TARGET_MS = 2.0  # a side, the exchange with ML-KEM
CALLER, CALLEE = "caller", "callee"
STARTER, ANSWERER = "starter", "answerer"
PAIRS = {"exchange": (CALLER, CALLEE), "rekey": (STARTER, ANSWERER)}
SUITES = {"X25519 + ML-KEM-768": Suite.X25519_MLKEM768, "X25519": Suite.X25519}
TELEGRAM = "Telegram, 2048 bits"
_TH2 = bytes(32)
_MESSAGE = bytes(200)


@dataclass
class Clock:
    """CPU nanoseconds by side, of one batch."""

    spent: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    @contextmanager
    def on(self, side: str) -> Iterator[None]:
        """What runs inside is that side's."""
        began = time.thread_time_ns()
        yield
        self.spent[side] += time.thread_time_ns() - began


class Parties:
    """Two identities, and what each line does with them."""

    def __init__(self) -> None:
        self.rng = SystemRng()
        seeds = [self.rng.draw("identity", 32) for _ in range(2)]
        self.alice, self.bob = (Signer(SecretBytes(seed)) for seed in seeds)
        self.bare_alice, self.bare_bob = (SigningKey(seed) for seed in seeds)

    def exchange(self, suite: Suite, clock: Clock) -> None:
        """m1 to m4, with all checks, and the session keys of both."""
        call_id = self.rng.draw("call id", 16)
        with clock.on(CALLER):
            offered = make_offer(self.alice, call_id, self.rng, suites=[suite])
        with clock.on(CALLEE):
            answered = receive_offer(offered.offer, self.bob, self.rng, suites=[suite])
        with clock.on(CALLER):
            revealed = offered.receive_answer(answered.answer, Profile(name="Alice"))
        with clock.on(CALLEE):
            finish, at_bob = answered.receive_reveal(revealed.reveal).accept(Profile(name="Bob"))
        with clock.on(CALLER):
            at_alice = revealed.receive_finish(finish)
        assert at_alice.keys.chain == at_bob.keys.chain

    def rekey(self, suite: Suite, clock: Clock) -> None:
        """rk1 and rk2, signed and checked, and the keys of the new epoch for both."""
        contexts = [
            RekeyContext(role, suite, 1, _TH2, SecretBytes(bytes(range(32))), peer.public)
            for role, peer in ((Role.CALLER, self.bob), (Role.CALLEE, self.alice))
        ]
        with clock.on(STARTER):
            started = start_rekey(self.alice, self.rng, contexts[0], 1)
        with clock.on(ANSWERER):
            answered = answer_rekey(self.bob, self.rng, contexts[1], started.rk1)
        with clock.on(STARTER):
            mine = started.receive_rk2(answered.rk2)
        assert mine is not None
        assert mine.keys.chain == answered.rekeyed.keys.chain

    def bare(self, suite: Suite, clock: Clock, sides: tuple[str, str]) -> None:
        """A key agreement and a signature each way, by the libraries alone."""
        first, second = sides
        with clock.on(first):
            mine = X25519PrivateKey.generate()
            public = mine.public_key().public_bytes_raw()
            kem = MLKEM768PrivateKey.generate() if suite.post_quantum else None
            ek = kem.public_key().public_bytes_raw() if kem else b""
            signature = self.bare_alice.sign(_MESSAGE).signature
        with clock.on(second):
            VerifyKey(bytes(self.bare_alice.verify_key)).verify(_MESSAGE, signature)
            theirs = X25519PrivateKey.generate()
            answer = theirs.public_key().public_bytes_raw()
            secret = theirs.exchange(X25519PublicKey.from_public_bytes(public))
            shared, ct = MLKEM768PublicKey.from_public_bytes(ek).encapsulate() if ek else (b"", b"")
            signature = self.bare_bob.sign(_MESSAGE).signature
        with clock.on(first):
            VerifyKey(bytes(self.bare_bob.verify_key)).verify(_MESSAGE, signature)
            agreed = mine.exchange(X25519PublicKey.from_public_bytes(answer)), kem.decapsulate(ct) if kem else b""
        assert agreed == (secret, shared)

    def telegram(self, clock: Clock) -> None:
        """Its three messages, with all checks, and the key of both; the group has been checked before."""
        group = Group.known()
        with clock.on(CALLER):
            requested = request_call(group, self.rng)
        with clock.on(CALLEE):
            accepted = accept_call(requested.g_a_hash, group, self.rng)
        with clock.on(CALLER):
            confirmation = requested.receive_accept(accepted.g_b)
        with clock.on(CALLEE):
            result = accepted.receive_confirm(confirmation.g_a, confirmation.key_fingerprint)
        assert result.key == confirmation.result.key

    def bare_telegram(self, clock: Clock) -> None:
        """Two exponentiations a side, and nothing else."""
        group = Group.known()
        a, b = (int.from_bytes(self.rng.draw("secret", 256), "big") for _ in range(2))
        with clock.on(CALLER):
            g_a = pow(group.g, a, group.p)
        with clock.on(CALLEE):
            g_b = pow(group.g, b, group.p)
        with clock.on(CALLER):
            mine = pow(g_b, a, group.p)
        with clock.on(CALLEE):
            theirs = pow(g_a, b, group.p)
        assert mine == theirs


Line = tuple[str, str]  # (exchange, rekey, or "bare" and one of them; the suite's name)


class Run:
    """The rounds and their figures."""

    def __init__(self, rounds: int, batch: int) -> None:
        self.rounds, self.batch = rounds, batch
        self.parties = Parties()
        self.figures: dict[tuple[str, str, str], list[float]] = {}  # (what, suite, side): milliseconds, by round

    def lines(self) -> dict[Line, Callable[[Clock], None]]:
        """Everything that a round measures."""
        table: dict[Line, Callable[[Clock], None]] = {}
        for name, suite in SUITES.items():
            table["exchange", name] = lambda clock, suite=suite: self.parties.exchange(suite, clock)
            table["rekey", name] = lambda clock, suite=suite: self.parties.rekey(suite, clock)
            for what, sides in PAIRS.items():
                table[f"bare {what}", name] = lambda clock, suite=suite, sides=sides: self.parties.bare(
                    suite, clock, sides
                )
        table["exchange", TELEGRAM] = self.parties.telegram
        table["bare exchange", TELEGRAM] = self.parties.bare_telegram
        return table

    def measure(self) -> None:
        """The rounds, after one that nobody looks at."""
        gc.disable()
        for number in range(self.rounds + 1):
            lines = list(self.lines().items())
            for (what, suite), work in random.Random(number).sample(lines, len(lines)):
                clock = Clock()
                batch = 1 if suite == TELEGRAM else self.batch  # one takes as long as a whole batch of the others
                for _ in range(batch):
                    work(clock)
                for side, spent in clock.spent.items():
                    if number:
                        self.figures.setdefault((what, suite, side), []).append(spent / batch / 1e6)
            gc.collect()
        gc.enable()

    def median(self, what: str, suite: str, side: str) -> float:
        """Milliseconds."""
        return statistics.median(self.figures[what, suite, side])

    def ratio(self, what: str, suite: str, side: str, to: Line) -> float:
        """The median of the rounds' own ratios."""
        pairs = zip(self.figures[what, suite, side], self.figures[(*to, side)], strict=True)
        return statistics.median(mine / other for mine, other in pairs)

    def rows(self) -> list[dict[str, object]]:
        """One for each operation, suite and side."""
        x25519 = list(SUITES)[1]
        return [
            {
                "what": what,
                "suite": suite,
                "side": side,
                "ms": self.median(what, suite, side),
                "bare_ms": self.median(f"bare {what}", suite, side),
                "to_bare": self.ratio(what, suite, side, (f"bare {what}", suite)),
                "to_x25519": self.ratio(what, suite, side, (what, x25519)),
            }
            for what, sides in PAIRS.items()
            for suite in (*SUITES, TELEGRAM)
            for side in sides
            if (what, suite, side) in self.figures
        ]


def table(run: Run) -> str:
    """The figures for people."""
    lines = [
        "| what | suite | side | CPU, ms | the primitives alone, ms | ratio | to suite 2 |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in run.rows():
        lines.append(
            f"| {row['what']} | {row['suite']} | {row['side']} | {row['ms']:.3f} | {row['bare_ms']:.3f} | "
            f"{row['to_bare']:.2f} | {row['to_x25519']:.2f} |"
        )
    worst = max(run.median("exchange", next(iter(SUITES)), side) for side in PAIRS["exchange"])
    verdict = "met" if worst <= TARGET_MS else "missed"
    lines += ["", f"Target: at most {TARGET_MS:.0f} ms a side with ML-KEM; {worst:.2f} ms: {verdict}."]
    return "\n".join(lines)


def as_json(run: Run) -> dict[str, object]:
    """The same for programs."""
    return {
        "schema": "e2ecall/exchange/1",
        "rounds": run.rounds,
        "target_ms": TARGET_MS,
        "figures": run.rows(),
        "versions": {
            "e2ecall": __version__,
            "python": platform.python_version(),
            "cryptography": cryptography.__version__,
            "pynacl": nacl.__version__,
        },
        "cores": os.cpu_count(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--quick", action="store_true", help="see that it runs; the figures mean nothing")
    arguments = parser.parse_args()
    run = Run(QUICK, QUICK_BATCH) if arguments.quick else Run(arguments.rounds, BATCH)
    run.measure()
    print(table(run))
    if arguments.json:
        arguments.json.write_text(json.dumps(as_json(run), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()

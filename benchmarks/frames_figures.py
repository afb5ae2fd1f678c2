"""The figures of one run of frames.py: per round and in nanoseconds a frame; what is read from them are medians."""

from dataclasses import dataclass, field
from statistics import median

from frames_peers.contestant import Operation, Spent

Key = tuple[str, str, int]  # contestant, operation or forgery, size


@dataclass(slots=True)
class Figures:
    """CPU and wall nanoseconds of a frame, one entry a round; a ratio is the median of the rounds' own ratios."""

    cpu: dict[Key, list[float]] = field(default_factory=dict)
    wall: dict[Key, list[float]] = field(default_factory=dict)

    def add(self, key: Key, spent: Spent, count: int) -> None:
        self.cpu.setdefault(key, []).append(spent.cpu / count)
        self.wall.setdefault(key, []).append(spent.wall / count)

    def median(self, key: Key) -> float:
        return median(self.cpu[key])

    def median_wall(self, key: Key) -> float:
        return median(self.wall[key])

    def ratio(self, key: Key, to: Key) -> float:
        """How many times `to` costs `key`: noise that lasts longer than a round is in both, and cancels out."""
        return median(mine / other for mine, other in zip(self.cpu[key], self.cpu[to], strict=True))


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to reach, per size; no bound where nothing was promised."""

    title: str
    measured: dict[int, float]
    bounds: dict[int, float]

    def reached(self, size: int) -> bool:
        """As precisely as it is shown: three digits."""
        return float(f"{self.measured[size]:.3g}") <= float(f"{self.bounds[size]:.3g}")

    def missed(self) -> list[int]:
        """The sizes at which it is not reached."""
        return [size for size in self.bounds if size in self.measured and not self.reached(size)]


SIZES = (100, 1_200, 10_000, 100_000)
PROTECT, UNPROTECT = Operation.PROTECT, Operation.UNPROTECT
BARE = {"e2ecall-4": "bare-128", "e2ecall-1": "bare-128", "e2ecall-5": "bare-256", "e2ecall-6": "bare-256"}
GCM = {"e2ecall-1": "e2ecall-4", "e2ecall-6": "e2ecall-5"}


def bare_of(name: str) -> str:
    """The bare call that a contestant is measured by: the same key length; everybody else's is AES-128."""
    return name if name.startswith("bare") else BARE.get(name, "bare-128")


def targets(figures: Figures, names: dict[str, str], sizes: tuple[int, ...], forgeries: list[str]) -> list[Target]:
    """What the project set itself, beside what was measured; `names` are those that took part, with their titles."""

    def over(name: str, operation: str, other: str, by: str) -> dict[int, float]:
        return {size: figures.ratio((name, operation, size), (other, by, size)) for size in sizes}

    found = []
    for name in ("e2ecall-4", "e2ecall-5"):
        title = names[name].removeprefix("e2ecall, ")
        bounds = dict(zip(SIZES, (2.5, 2.3, 1.7, 1.1), strict=True))
        found.append(Target(f"{title}: protect / bare encrypt", over(name, PROTECT, BARE[name], PROTECT), bounds))
        bounds = dict.fromkeys(SIZES, 1.25)
        found.append(Target(f"{title}: unprotect / protect", over(name, UNPROTECT, name, PROTECT), bounds))
    if "davey" in names:
        bounds = {1_200: 1 / 3, 10_000: 1 / 13, 100_000: 1 / 25}
        found.append(Target("protect / davey's encrypt", over("e2ecall-4", PROTECT, "davey", PROTECT), bounds))
        found.append(Target("unprotect / davey's decrypt", over("e2ecall-4", UNPROTECT, "davey", UNPROTECT), {}))
    for name, gcm in GCM.items():
        title = names[name].removeprefix("e2ecall, ")
        for operation in Operation:
            bounds = {1_200: 2.5}
            found.append(Target(f"{title}: {operation} / GCM's", over(name, operation, gcm, operation), bounds))
    worst = {
        size: max(figures.ratio(("forged", kind, size), ("forged", "good", size)) for kind in forgeries)
        for size in sizes
    }
    found.append(Target("the dearest forged frame / a good one", worst, dict.fromkeys(SIZES, 1.0)))
    return found

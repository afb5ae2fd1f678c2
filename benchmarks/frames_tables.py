"""The tables of frames.py as Markdown, and their place in a page."""

from pathlib import Path

from frames_figures import SIZES, Figures, Target, bare_of
from frames_peers.contestant import Operation

BEGIN = "<!-- written by benchmarks/frames.py: from here -->"
END = "<!-- written by benchmarks/frames.py: to here -->"


def size_name(size: int) -> str:
    return f"{size} B" if size < 1000 else f"{size / 1000:g} kB"


def microseconds(nanoseconds: float) -> str:
    """Three digits, as many as the figures are worth."""
    value = nanoseconds / 1000
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def times(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.1f}" if ratio < 100 else f"{ratio:.0f}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def costs(figures: Figures, names: dict[str, str], operation: Operation, sizes: tuple[int, ...]) -> str:
    """Everybody's CPU time, and how many times the bare call's that is."""
    rows = []
    for name, title in names.items():
        cells = []
        for size in sizes:
            key = (name, operation, size)
            ratio = figures.ratio(key, (bare_of(name), operation, size))
            cells.append(f"{microseconds(figures.median(key))} ({times(ratio)})")
        rows.append([f"**{title}**" if name.startswith("e2ecall") else title, *cells])
        if name == "webcrypto":
            waited = [microseconds(figures.median_wall((name, operation, size))) for size in sizes]
            rows.append([f"{title}: until it is there", *waited])
    return _table([f"{operation}: µs a frame (ratio to the bare call)", *map(size_name, sizes)], rows)


def verdicts(found: list[Target], sizes: tuple[int, ...]) -> str:
    """Each target and what was measured: `1.50 ≤ 1.7`, and in bold what is missed."""
    rows = []
    for target in found:
        cells = []
        for size in sizes:
            measured, bound = target.measured[size], target.bounds.get(size)
            if bound is None:
                cells.append(_fraction(measured))
            elif target.reached(size):
                cells.append(f"{_fraction(measured)} ≤ {_bound(bound)}")
            else:
                cells.append(f"**{_fraction(measured)} > {_bound(bound)}**")
        rows.append([target.title, *cells])
    return _table(["measured, and the target", *map(size_name, sizes)], rows)


def _fraction(ratio: float) -> str:
    return f"1/{1 / ratio:.1f}" if ratio < 0.5 else times(ratio)


def _bound(bound: float) -> str:
    return f"1/{1 / bound:.0f}" if bound < 0.5 else f"{bound:g}"


def forged(figures: Figures, kept: dict[str, int], sizes: tuple[int, ...], count: int) -> str:
    """Per kind: its cost as a ratio to a good frame's, and what stays after many of them."""
    rows = []
    for kind, held in kept.items():
        ratios = [times(figures.ratio(("forged", kind, size), ("forged", "good", size))) for size in sizes]
        rows.append([kind, *ratios, f"{held} B"])
    bare = [figures.ratio(("bare-128", "bad tag", size), ("bare-128", Operation.UNPROTECT, size)) for size in sizes]
    rows.append(["for comparison, `AESGCM.decrypt` alone: bad tag", *map(times, bare), "–"])
    return _table(
        ["refused frame / a good one", *map(size_name, sizes), f"kept after {count:,}".replace(",", " ")], rows
    )


def write_into(page: Path, text: str) -> None:
    """Replace what stands between the two markers of a page; ValueError if it lacks them."""
    before, begin, rest = page.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page.name} has no place for the tables")
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", "utf-8")


__all__ = ["BEGIN", "END", "SIZES", "costs", "forged", "size_name", "verdicts", "write_into"]

"""An attack on the exchange from the first try to the last line: run it, judge it, write it down, say how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from e2ecall import __version__
from e2ecall.audit.attacks import CASES, FOUR
from e2ecall.demo.checks import Check
from e2ecall.demo.output import StandardOutput, caught_signals, claimed
from e2ecall.demo.processes import Happening
from e2ecall.demo.report import DesignRow, Report, Sas, write_report
from e2ecall.demo.screen import Screen, make_screen
from e2ecall.demo.settings import Settings
from e2ecall.demo.siege import Siege, design_rows, siege_checks
from e2ecall.demo.siege_html import write_html
from e2ecall.demo.siege_screen import LiveSiege, PlainSiege
from e2ecall.errors import E2ECallError, ExitStatus, OutputFailed, exit_status
from e2ecall.sas.emoji import EMOJI_COUNT

__all__ = ["run_siege"]

_UNITS = (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))


def run_siege(settings: Settings, *, as_json: bool) -> ExitStatus:
    """Attack both designs. Raises what went wrong after everything that there is has been written down."""
    output = StandardOutput()
    screen = make_screen(settings, as_json=as_json, live=LiveSiege, plain=PlainSiege)
    with claimed(settings.folder), output.shown(screen):
        report, failure, lines = asyncio.run(_perform(settings, screen, output))
    with output.guarded():
        screen.say(lines)
    if (error := failure or output.error) is not None:
        raise error
    return ExitStatus(report.exit)


async def _perform(
    settings: Settings, screen: Screen, output: StandardOutput
) -> tuple[Report, E2ECallError | None, list[str]]:
    def tell(happening: Happening) -> None:
        if output.error is None:
            with output.guarded():
                screen.tell(happening)
        if output.error is not None:
            siege.stop.set()

    siege = Siege(settings, tell)
    with caught_signals(siege.stop):
        try:
            error = await siege.run()
        finally:
            await siege.close()
    rows = design_rows(siege)
    report = _report(settings, rows, output.error or error, interrupted=siege.stop.is_set())
    try:
        write_report(settings.folder / "report.json", report)
        write_html(settings.folder / "report.html", report)
    except OutputFailed as failed:
        error = error or failed
    tell({"event": "report", "who": "real", **report.to_dict()})
    return report, error, _closing_lines(settings, report)


def _report(settings: Settings, rows: Sequence[DesignRow], error: E2ECallError | None, *, interrupted: bool) -> Report:
    checks = siege_checks(settings.attack, rows)
    status, reason = _outcome(checks, error, interrupted=interrupted and not isinstance(error, OutputFailed))
    real = next((row for row in rows if row.design == "real"), None)
    sas = Sas()
    if real is not None and len(real.alice) == len(real.bob) == FOUR:
        sas = Sas(alice=real.alice, bob=real.bob, alice_names=real.alice_names, bob_names=real.bob_names)
    return Report(
        exit=status,
        reason=reason,
        version=__version__,
        path=settings.path,
        attack=settings.attack.value,
        codec="none",
        size=None,
        duration=settings.duration,
        sas=sas,
        checks=checks,
        designs=rows,
    )


def _outcome(checks: Sequence[Check], error: E2ECallError | None, *, interrupted: bool) -> tuple[ExitStatus, str]:
    if interrupted:
        return ExitStatus.INTERRUPTED, "interrupted; what there was is kept"
    if error is not None:
        return exit_status(error), str(error)
    if failed := [check for check in checks if not check.ok]:
        return ExitStatus.SELF_CHECK, "a self-check failed: " + "; ".join(f"{c.id}: {c.detail}" for c in failed)
    return ExitStatus.OK, "the weak design fell, and the real exchange held"


def _closing_lines(settings: Settings, report: Report) -> list[str]:
    passed = sum(check.ok for check in report.checks)
    lines = [f"{passed} of {len(report.checks)} self-checks hold"] if report.checks else []
    lines += [f"  failed: {check.id}: {check.detail}" for check in report.checks if not check.ok]
    lines.append(f"{report.reason[:1].upper()}{report.reason[1:]}.")
    if report.exit == ExitStatus.OK:
        case = CASES[settings.attack]
        lines += [f"What stops it: {case.defence} ({', '.join(case.clauses)}).", *_extrapolated(report.designs)]
    lines.append(f"Results: {settings.folder / 'report.html'}")
    return lines


def _extrapolated(rows: Sequence[DesignRow]) -> list[str]:
    """What was made smaller, so that it takes seconds, and what the full size would take."""
    weak = next(row for row in rows if row.design == "weak")
    if weak.compared == FOUR:
        return []
    seconds = EMOJI_COUNT**FOUR * weak.seconds / weak.tries
    name, unit = next((name, unit) for name, unit in _UNITS if seconds >= unit)
    return [
        f"The weak design's people compared {weak.compared} emoji here, so that it takes seconds; "
        f"four take {seconds / unit:.0f} {name} on average at this rate, on one core and in this language."
    ]

"""An attack on the exchange: two processes side by side, one against a weak design, one against the real exchange.

The real one is attacked for as long as the weak one withstood, and at least for `Settings.duration`.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Sequence
from typing import Any

from e2ecall.audit.attacks import CASES, Case, Result, Target
from e2ecall.crypto.rng import SystemRng
from e2ecall.demo.checks import Check
from e2ecall.demo.child import Child
from e2ecall.demo.processes import GRACE_SECONDS, Happening, Process, Processes
from e2ecall.demo.report import DesignRow
from e2ecall.errors import E2ECallError, TransportFailed
from e2ecall.sas import Emoji, attempt
from e2ecall.sas.odds import count_in_words

__all__ = ["DESIGNS", "PATIENCE", "Siege", "besiege", "design_rows", "siege_checks"]

DESIGNS = ("weak", "real")
"""The two processes, by the design that each attacks."""
PATIENCE = 300.0
"""How long the weak design is attacked at most, in seconds. The slowest attack needs 10 on average, and its time is
distributed so that one in 10^12 takes longer than this.
"""
TOLD_EVERY = 0.1
START_SECONDS = 30.0


# -- inside a process -----------------------------------------------------------------------------------------------


async def besiege(child: Child) -> None:
    """The work of the process "weak" or "real": attack until it falls, or until told to stop."""
    case = CASES[child.settings.attack]
    began = time.monotonic()
    stopped = threading.Event()
    told = 0.0

    def progress(result: Result) -> bool:
        nonlocal told
        elapsed = time.monotonic() - began
        if elapsed - told >= TOLD_EVERY:
            told = elapsed
            child.tell("trying", elapsed=elapsed, **_plain(result))
        return not stopped.is_set() and elapsed < PATIENCE

    child.tell("attacking", pid=os.getpid())
    work = asyncio.create_task(asyncio.to_thread(case.run, Target(child.who), SystemRng(), progress))
    stop = asyncio.create_task(child.stop.wait())
    await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
    stopped.set()
    stop.cancel()
    result = await work
    child.tell("result", elapsed=time.monotonic() - began, **_plain(result))


def _plain(result: Result) -> dict[str, Any]:
    return {
        "tries": result.tries,
        "matches": result.matches,
        "compared": result.compared,
        "alice": _row(result.alice),
        "bob": _row(result.bob),
        "refused": dict(result.refused),
        "read": result.read,
    }


def _row(row: Sequence[Emoji]) -> list[list[str]]:
    return [[each.display, each.name("en")] for each in row]


# -- outside --------------------------------------------------------------------------------------------------------


class Siege(Processes):
    """Both processes from their start to their results."""

    async def run(self) -> E2ECallError | None:
        """Run both. Returns the first error of a process, None if all went well; raises nothing of its own."""
        try:
            weak, real = [await self._start(who, self.settings) for who in DESIGNS]
            await self._first(self._ended(weak), self._ended(real), seconds=PATIENCE + START_SECONDS)
            if (result := weak.find("result")) is not None:
                await self._attack_on(real, max(self.settings.duration, result["elapsed"]))
        except E2ECallError as error:
            return error
        for process in (weak, real):
            self._command(process, {"command": "stop"})
        await self._first(asyncio.gather(self._ended(weak), self._ended(real)), seconds=GRACE_SECONDS)
        return self._first_error()

    async def _attack_on(self, real: Process, seconds: float) -> None:
        """Until the real exchange has been attacked for that long."""
        attacking = real.find("attacking")
        if attacking is None:
            attacking = await self._wait(real, "attacking", seconds=START_SECONDS)
        left = attacking["at"] + seconds - time.monotonic()
        if left > 0:
            await self._first(self._ended(real), seconds=left, late=None)

    async def _first(self, *work: Any, seconds: float, late: str | None = "an attack does not come to an end") -> None:
        """Until one of these is done, or it is all to stop; TransportFailed, or silence, when it takes longer."""
        tasks = [asyncio.ensure_future(each) for each in (*work, self.stop.wait())]
        done, waiting = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        if not done and late is not None:
            raise TransportFailed(late, hint="is the machine busy, or a process stopped?")


# -- what it comes to -----------------------------------------------------------------------------------------------


def design_rows(siege: Processes) -> list[DesignRow]:
    """What the two processes said last."""
    case = CASES[siege.settings.attack]
    rows = []
    for design in DESIGNS:
        said = siege.said(design, "result", "trying")
        if said is not None:
            rows.append(_design_row(case, design, said))
    return rows


def _design_row(case: Case, design: str, said: Happening) -> DesignRow:
    weak = design == "weak"
    return DesignRow(
        design=design,
        rule=case.weakness if weak else case.defence,
        clauses=case.clauses,
        tries=said["tries"],
        matches=said["matches"],
        seconds=said["elapsed"],
        compared=said["compared"],
        alice=[char for char, _ in said["alice"]],
        bob=[char for char, _ in said["bob"]],
        alice_names=[name for _, name in said["alice"]],
        bob_names=[name for _, name in said["bob"]],
        refused=said["refused"],
        read=said["read"],
    )


def siege_checks(attack: str, rows: Sequence[DesignRow]) -> list[Check]:
    """The weak design fell as it must, and the real one held for its own reasons."""
    case, by_design = CASES[attack], {row.design: row for row in rows}
    checks = []
    if (weak := by_design.get("weak")) is not None:
        same = ", ".join(weak.alice_names) if weak.matches else "nothing equal"
        detail = f"{weak.matches} of {weak.tries:,} tries in {weak.seconds:.2f} s: {same}"
        checks.append(Check("weak.falls", weak.matches > 0 and weak.alice == weak.bob, detail))
        if case.reads:
            read = f"the middle reads: {weak.read}" if weak.read else "the middle reads nothing"
            checks.append(Check("weak.read", weak.read is not None, read))
    if (real := by_design.get("real")) is not None:
        odds = count_in_words(attempt().one_in, "en")
        detail = f"none of {real.tries:,} tries matches in {real.seconds:.2f} s; by chance 1 in {odds} would"
        if real.matches:
            detail = f"{real.matches} of {real.tries:,} tries match"
        checks.append(Check("real.holds", not real.matches and real.tries > 0, detail))
        known = set(real.refused) <= case.refusals and bool(real.refused)
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(real.refused.items()))
        checks.append(Check("real.refuses", known, f"refused: {reasons}" if reasons else "nothing was refused"))
    return checks

"""The demonstration from the first check to the last line: run it, judge it, write it down, say how it ended."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from e2ecall import __version__
from e2ecall.demo.checks import Check
from e2ecall.demo.conductor import PEOPLE, Conductor, Happening
from e2ecall.demo.output import StandardOutput, caught_signals, claimed, kept_people
from e2ecall.demo.report import Report, Sas, held_back, stream_rows, write_report
from e2ecall.demo.report_html import write_html
from e2ecall.demo.screen import Screen, make_screen
from e2ecall.demo.settings import Attack, Settings
from e2ecall.demo.siege_show import run_siege
from e2ecall.demo.verdict import Evidence, Judgement, collect, judge
from e2ecall.errors import (
    E2ECallError,
    ExitStatus,
    OutputFailed,
    PeerMisbehaved,
    VerificationFailed,
    exit_status,
)

__all__ = ["run_demo"]

WHY_EMOJI = (
    "The relay ran one exchange with each of you and read everything; what gives it away is that the two of you see "
    "different emoji. Comparing four emoji is all that stands between its clear row and the sealed one."
)
WHY_KEY = (
    "The two had verified each other in an earlier call, so there was nothing to compare and nothing to overlook: "
    "the relay's key is not the one that was verified."
)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How it ended: the status, one sentence, and the error that a command line tells, if it is one."""

    status: ExitStatus
    reason: str
    error: E2ECallError | None = None


def run_demo(settings: Settings, *, as_json: bool) -> ExitStatus:
    """Hold the call and judge it. Raises what went wrong after everything that there is has been written down."""
    if settings.attack.on_exchange:
        return run_siege(settings, as_json=as_json)
    settings.check()
    output = StandardOutput()
    screen = make_screen(settings, as_json=as_json)
    with claimed(settings.folder), kept_people(settings) as settings, output.shown(screen):
        outcome, lines = asyncio.run(_perform(settings, screen, output))
    with output.guarded():
        screen.say(lines)
    if (error := outcome.error or output.error) is not None:
        raise error
    return outcome.status


async def _perform(settings: Settings, screen: Screen, output: StandardOutput) -> tuple[_Outcome, list[str]]:
    def tell(happening: Happening) -> None:
        if output.error is None:
            with output.guarded():
                screen.tell(happening)
        if output.error is not None:
            conductor.stop.set()

    conductor = Conductor(settings, tell)
    with caught_signals(conductor.stop):
        try:
            error = await conductor.run()
            evidence = await collect(conductor)
        finally:
            await conductor.close()
        try:
            judgement = await asyncio.to_thread(_judged, evidence, conductor, error)
        except OutputFailed as failed:
            judgement, error = Judgement([], None), error or failed
        outcome = _outcome(settings, judgement, output.error or error, interrupted=conductor.stop.is_set())
        report = _report(conductor, judgement, outcome)
        try:
            _write_down(settings, report, judgement)
        except OutputFailed as failed:
            outcome = outcome if outcome.error is not None else _Outcome(exit_status(failed), str(failed), failed)
    tell({"event": "report", "who": "relay", **report.to_dict()})
    return outcome, _closing_lines(settings, judgement, outcome)


def _judged(evidence: Evidence, conductor: Conductor, error: E2ECallError | None) -> Judgement:
    """The judgement; where a recording cannot even be read, that is its one failing check."""
    try:
        return judge(evidence, conductor)
    except OutputFailed:
        raise
    except E2ECallError as trouble:
        detail = str(error or trouble)
        return Judgement([Check("recording", ok=False, detail=detail)], None)


def _outcome(settings: Settings, judgement: Judgement, error: E2ECallError | None, *, interrupted: bool) -> _Outcome:
    checks, faults = judgement.checks, judgement.faults
    if interrupted and not isinstance(error, OutputFailed):
        return _Outcome(ExitStatus.INTERRUPTED, "interrupted; what there was is kept")
    if error is not None:
        return _Outcome(exit_status(error), str(error), error)
    failed = {check.id: check.detail for check in checks if not check.ok}
    if settings.attack is not Attack.MITM and held_back(judgement.people) and not failed:
        said = "; ".join(f"{row.side.capitalize()}: {row.word}" for row in judgement.people if row.stopped)
        caught = VerificationFailed(f"no media went out: {said}", hint="see E2ECALL_HOME=FOLDER/alice e2ecall contacts")
        return _Outcome(ExitStatus.VERIFICATION, f"No media went out. {said}", caught)
    if settings.attack is Attack.MITM and failed.keys() == {"emoji"}:
        what, why = f"the emoji differ: {failed['emoji']}", WHY_EMOJI
        if held_back(judgement.people):
            what, why = "another key answered in the place of one that is known: no media went to it", WHY_KEY
        caught = VerificationFailed(what, hint=why)
        return _Outcome(ExitStatus.VERIFICATION, f"{what[:1].upper()}{what[1:]}. {why}", caught)
    if failed:
        what = "; ".join(f"{name}: {detail}" for name, detail in failed.items())
        return _Outcome(ExitStatus.SELF_CHECK, f"a self-check failed: {what}")
    if settings.attack is Attack.MITM:
        return _Outcome(ExitStatus.SELF_CHECK, "the emoji agree although somebody stood in the middle")
    if settings.attack is Attack.WRONG_KEY:
        reason = "nothing decodes: the other side seals with another key (authentication)"
        hint = "the exchange and its emoji are right; the key that Bob used was not the one agreed on"
        return _Outcome(ExitStatus.PEER, reason, PeerMisbehaved(reason, hint=hint))
    if settings.attack.on_frames:
        injected = sum(row.injected for row in faults)
        noticed = "left a gap" if settings.attack is Attack.DROP else "was rejected with its reason"
        reason = (
            f"the relay spoilt {injected} frames; every one {noticed}, nothing false was shown, and the call went on"
        )
        return _Outcome(ExitStatus.OK, reason)
    return _Outcome(ExitStatus.OK, "the call was sealed from end to end, and what arrived is what was sent")


def _report(conductor: Conductor, judgement: Judgement, outcome: _Outcome) -> Report:
    settings = conductor.settings
    established = {who: conductor.said(who, "established") or {} for who in PEOPLE}
    final = {who: conductor.said(who, "final", "stats") for who in PEOPLE}
    timing: dict[str, float | None] = {}
    cpu: dict[str, float] = {}
    for who in PEOPLE:
        first = {h["kind"]: h["ms"] for h in conductor.all_said(who, "first")}
        timing[f"{who}_first_picture"] = first.get("video")
        timing[f"{who}_first_sound"] = first.get("audio")
        timing[f"{who}_exchange_cpu"] = established[who].get("exchange_cpu_ms")
        if (stats := final[who]) is not None and stats["cpu"]:
            cpu[f"{who}_seconds"] = stats["cpu"]
            cpu[f"{who}_sealing_share"] = stats["sealing"] / stats["cpu"]
            cpu[f"{who}_opening_share"] = stats["opening"] / stats["cpu"]
    rows = [
        row for who in PEOPLE if (stats := final[who]) for row in stream_rows(who, stats["sent"], stats["received"])
    ]
    video = any(row.kind == "video" for row in rows)
    return Report(
        exit=outcome.status,
        reason=outcome.reason,
        version=__version__,
        path=settings.path,
        attack=settings.attack.value,
        codec=settings.codec if video else "opus",
        size=settings.size or ((640, 480) if settings.built_in else None),
        duration=settings.duration,
        suite=established["alice"].get("suite", ""),
        post_quantum=established["alice"].get("post_quantum", False),
        sas=Sas(
            alice=established["alice"].get("emoji", ()),
            bob=established["bob"].get("emoji", ()),
            alice_names=established["alice"].get("names", ()),
            bob_names=established["bob"].get("names", ()),
        ),
        streams=rows,
        timing_ms=timing,
        cpu=cpu,
        checks=judgement.checks,
        forwarded=(conductor.said("relay", "summary") or {}).get("forwarded", {}),
        files=_files(settings, judgement),
        faults=judgement.faults,
        people=judgement.people,
    )


def _files(settings: Settings, judgement: Judgement) -> dict[str, str]:
    files = {} if judgement.sheet is None else {"contact_sheet": judgement.sheet.name}
    for who in PEOPLE:
        for path in sorted((settings.folder / who).glob("received.*")):
            if path.stat().st_size == 0:
                continue
            files[f"{who}_received"] = f"{who}/{path.name}"
    return files


def _write_down(settings: Settings, report: Report, judgement: Judgement) -> None:
    write_report(settings.folder / "report.json", report)
    sheet = None if judgement.sheet is None else judgement.sheet.read_bytes()
    write_html(settings.folder / "report.html", report, sheet, judgement.posters)


def _closing_lines(settings: Settings, judgement: Judgement, outcome: _Outcome) -> list[str]:
    passed = sum(check.ok for check in judgement.checks)
    lines = [] if not judgement.checks else [f"{passed} of {len(judgement.checks)} self-checks hold"]
    lines += [f"  failed: {check.id}: {check.detail}" for check in judgement.checks if not check.ok]
    if outcome.error is None:
        lines.append(f"{outcome.reason[:1].upper()}{outcome.reason[1:]}.")
    if outcome.status is ExitStatus.OK:
        lines.append("This program played both people; in a real call two people read and listen, once.")
    lines.append(f"Results: {settings.folder / 'report.html'}")
    return lines

"""The processes of a demonstration, seen from outside: start them, listen to them, tell them things, end them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from e2ecall import errors
from e2ecall.demo.settings import Settings
from e2ecall.errors import E2ECallError, TransportFailed

__all__ = ["Happening", "Process", "Processes"]

GRACE_SECONDS = 10.0
_LINE_LIMIT = 1 << 20

Happening = dict[str, Any]
"""One event of one process, see `demo.child`."""


@dataclass(slots=True)
class Process:
    """One child and what it said."""

    who: str
    process: asyncio.subprocess.Process
    happenings: list[Happening] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False
    reader: asyncio.Task[None] | None = None

    def find(self, *events: str) -> Happening | None:
        """The last happening of one of these names."""
        return next((h for h in reversed(self.happenings) if h["event"] in events), None)


class Processes:
    """All children of one demonstration. `tell` gets every happening as it comes; `stop` is set to end it all."""

    def __init__(self, settings: Settings, tell: Callable[[Happening], None]) -> None:
        self.settings = settings
        self.stop = asyncio.Event()
        self._tell = tell
        self._processes: dict[str, Process] = {}

    async def close(self) -> None:
        """End every process, in good order where it listens and by force where not."""
        for process in self._processes.values():
            self._command(process, {"command": "stop"})
        for process in self._processes.values():
            try:
                async with asyncio.timeout(GRACE_SECONDS):
                    await process.process.wait()
            except TimeoutError:
                process.process.kill()
                await process.process.wait()
            if process.reader is not None:
                await process.reader

    def said(self, who: str, *events: str) -> Happening | None:
        """The last thing of these names that a process said."""
        process = self._processes.get(who)
        return None if process is None else process.find(*events)

    def all_said(self, who: str, event: str) -> list[Happening]:
        """Everything of this name that a process said."""
        process = self._processes.get(who)
        return [] if process is None else [h for h in process.happenings if h["event"] == event]

    # -- for those who say what the processes are about -----------------------------------------------------------

    async def _start(self, who: str, settings: Settings) -> Process:
        environment = os.environ | {"PYTHONUTF8": "1", "OPENBLAS_NUM_THREADS": "1"}
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # the folder that the user stands in is no place to import from
            "-m",
            "e2ecall.demo",
            who,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=None if os.environ.get("E2ECALL_DEBUG") else asyncio.subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
            limit=_LINE_LIMIT,
        )
        process = self._processes[who] = Process(who, child)
        assert child.stdin is not None
        with suppress(ConnectionError):
            child.stdin.write(settings.to_json().encode() + b"\n")
        process.reader = asyncio.create_task(self._read(process))
        return process

    async def _read(self, process: Process) -> None:
        assert process.process.stdout is not None
        async for line in process.process.stdout:
            if not line.endswith(b"\n"):
                break  # the half line of a process that was killed
            happening = json.loads(line)
            process.happenings.append(happening)
            process.changed.set()
            self._tell(happening)
        status = await process.process.wait()
        process.ended = True
        if process.find("done", "error") is None:
            what = f"{process.who} ended without a word (status {status})"
            happening = {"event": "error", "who": process.who, "kind": "TransportFailed", "message": what, "hint": None}
            process.happenings.append(happening)
            self._tell(happening)
        process.changed.set()

    async def _wait(self, process: Process, event: str, *, seconds: float) -> Happening:
        """The first happening of that name; the process's error if it fails instead."""
        async with self._patience(process.who, event, seconds):
            while True:
                if (found := process.find(event)) is not None:
                    return found
                if (error := process.find("error")) is not None:
                    raise _error(error)
                process.changed.clear()
                await process.changed.wait()

    @asynccontextmanager
    async def _patience(self, who: str, event: str, seconds: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            raise TransportFailed(f"{who} is not {event} after {seconds:g} s", hint="is the machine busy?") from None

    async def _ended(self, process: Process) -> None:
        while not process.ended:
            process.changed.clear()
            await process.changed.wait()

    def _first_error(self) -> E2ECallError | None:
        """The error that came first; that a process vanished counts before what the others made of it."""
        found = [h for p in self._processes.values() for h in p.happenings if h["event"] == "error"]
        found.sort(key=lambda h: h.get("at", 0.0))
        return _error(found[0]) if found else None

    def _command(self, process: Process, command: dict[str, object]) -> None:
        stdin = process.process.stdin
        if stdin is not None and not stdin.is_closing():
            with suppress(ConnectionError):
                stdin.write(json.dumps(command).encode() + b"\n")


def _error(happening: Happening) -> E2ECallError:
    kind = getattr(errors, happening["kind"], TransportFailed)
    return kind(f"{happening['who']}: {happening['message']}", hint=happening["hint"])

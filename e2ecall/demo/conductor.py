"""Starts the three processes of a call, and ends them; it holds no key and sees no media.

The order: the relay first; Bob, who waits in the room; Alice, who calls. Whatever goes wrong, all three are ended and
what they left behind is kept.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from e2ecall.call.shown import Shown
from e2ecall.demo.processes import GRACE_SECONDS, Happening, Processes
from e2ecall.demo.settings import Settings
from e2ecall.errors import E2ECallError, TransportFailed

__all__ = ["OTHER", "PEOPLE", "Conductor", "Happening"]

PEOPLE = ("alice", "bob")
OTHER = {"alice": "bob", "bob": "alice"}
START_SECONDS = 30.0
LOOK_SECONDS = 60.0
CALL_SECONDS = 60.0
"""More than the exchange, the connection and the end of a call may take together."""


class Conductor(Processes):
    """One call from the first process to the last word; and the voices of the two, which no relay can change."""

    def __init__(self, settings: Settings, tell: Callable[[Happening], None]) -> None:
        super().__init__(settings, self._witness)
        self._show = tell

    async def run(self) -> E2ECallError | None:
        """Hold the call. Returns the first error of a process, None if all went well; raises nothing of its own."""
        try:
            relay = await self._start("relay", self.settings)
            listening = await self._wait(relay, "listening", seconds=START_SECONDS)
            settings = replace(self.settings, relay=listening["url"], room=secrets.token_hex(16))
            bob = await self._start("bob", settings)
            await self._wait(bob, "waiting", seconds=START_SECONDS)
            await self._start("alice", settings)
            await self._until_over()
        except E2ECallError as error:
            return error
        return self._first_error()

    async def look(self, digests: list[str]) -> Happening | None:
        """Ask the relay what it gets when it decodes Alice's stream; None if it is gone."""
        relay = self._processes["relay"]
        self._command(relay, {"command": "look", "of": "alice", "digests": digests})
        with suppress(E2ECallError):
            return await self._wait(relay, "looked", seconds=LOOK_SECONDS)
        return None

    def _witness(self, happening: Happening) -> None:
        """What one reads aloud, the other hears."""
        self._show(happening)
        if happening["event"] == "met":
            self._ask_again()
        if happening["event"] == "reads":
            listener = self._processes.get(OTHER[happening["who"]])
            if listener is not None:
                self._command(listener, {"command": "hear", "row": happening["row"]})

    def _ask_again(self) -> None:
        """One remembers the other and not the other way round, after a lost phone or call: then both compare again."""
        shown = {who: (self.said(who, "met") or {"shown": None})["shown"] for who in PEOPLE}
        known = [who for who, each in shown.items() if each == Shown.VERIFIED_BEFORE]
        if len(known) == 1 and None not in shown.values():
            self._command(self._processes[known[0]], {"command": "compare"})

    async def _until_over(self) -> None:
        """Until both people are done, or one process failed and the others had time to notice; or until told to."""
        people = [self._processes[who] for who in PEOPLE]
        over = asyncio.gather(*(self._ended(process) for process in people))
        stop = asyncio.create_task(self.stop.wait())
        relay = asyncio.create_task(self._ended(self._processes["relay"]))
        waiting: set[asyncio.Future[Any]] = {over, stop, relay}
        patience = self.settings.duration + CALL_SECONDS
        done, _ = await asyncio.wait(waiting, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        if not over.done():
            for process in people:
                self._command(process, {"command": "stop"})
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(over), GRACE_SECONDS)
        for task in (over, stop, relay):
            task.cancel()
        await asyncio.gather(over, stop, relay, return_exceptions=True)
        if not done:
            silent = next((process.who for process in people if not process.ended), "the relay")
            raise TransportFailed(
                f"{silent} does not come to an end", hint="is the machine busy, or a process stopped?"
            )

"""What every process of the demonstration shares: settings and commands come in as JSON lines, events go out.

An event is {"event": name, "who": process, "at": monotonic seconds, …}. The last one is "done" or "error"; a process
that ends without either was killed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from e2ecall import errors
from e2ecall.demo.settings import Settings
from e2ecall.errors import E2ECallError

__all__ = ["Child", "run_child"]


class Child:
    """This process, seen from inside."""

    def __init__(self, who: str, settings: Settings) -> None:
        self.who = who
        self.settings = settings
        self.stop = asyncio.Event()
        self.commands: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def tell(self, event: str, **fields: object) -> None:
        """One event to the conductor; where it is gone, this process ends as if it had been told to."""
        line = json.dumps({"event": event, "who": self.who, "at": time.monotonic(), **fields})
        try:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            self.stop.set()


def run_child(who: str, work: Callable[[Child], Awaitable[None]]) -> int:
    """Run `work` with the settings of standard input; its errors become an "error" event and exit status 1."""
    logging.basicConfig(level=logging.CRITICAL)
    settings = Settings.from_json(sys.stdin.readline())
    return asyncio.run(_supervise(who, settings, work))


async def _supervise(who: str, settings: Settings, work: Callable[[Child], Awaitable[None]]) -> int:
    child = Child(who, settings)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, child.stop.set)
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    listening = asyncio.create_task(_listen(child, reader))
    try:
        await work(child)
    except E2ECallError as error:
        child.tell("error", kind=_kind(error), message=str(error), hint=error.hint)
        return 1
    else:
        child.tell("done")
        return 0
    finally:
        listening.cancel()
        transport.close()


def _kind(error: E2ECallError) -> str:
    """The nearest class that the conductor finds in `e2ecall.errors`: it decides the exit status."""
    return str(next(each.__name__ for each in type(error).__mro__ if getattr(errors, each.__name__, None) is each))


async def _listen(child: Child, reader: asyncio.StreamReader) -> None:
    while line := await reader.readline():
        command = json.loads(line)
        if command["command"] == "stop":
            child.stop.set()
        else:
            child.commands.put_nowait(command)
    child.stop.set()  # the conductor is gone

"""peer.1: a peer as a child process, which may hang, crash, lie or flood without taking the runner along."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any, Final

from e2ecall.conformance.judge import Outcome
from e2ecall.conformance.peer import LINE_LIMIT
from e2ecall.errors import E2ECallError

__all__ = ["Child", "PeerFailed"]

_CHUNK: Final = 1 << 16
_LINES_AHEAD: Final = 4096  # answers that nobody has taken yet, before the reader lets the peer wait
_STDERR_KEPT: Final = 2000
_END: Final = None


class PeerFailed(E2ECallError):
    """The process gave no answer that can be judged; `outcome` says how."""

    def __init__(self, outcome: Outcome, message: str) -> None:
        """`outcome` is one of hang, crash, flood and fail."""
        super().__init__(message)
        self.outcome = outcome


class Child:
    """One process, from its start to `stop`. Requests are numbered by this class and answered in order.

    `command` is run without a shell; `timeout` is how long, in seconds, one answer may take. OSError when there is no
    such program.
    """

    def __init__(self, command: Sequence[str], *, timeout: float) -> None:
        self._timeout = timeout
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._answers: queue.Queue[bytes | None] = queue.Queue(_LINES_AHEAD)
        self._requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._stderr = b""
        self._sent = self._taken = 0
        self._stopped = threading.Event()
        pipes: tuple[tuple[Any, IO[bytes] | None], ...] = (
            (self._read, self._process.stdout),
            (self._write, self._process.stdin),
            (self._read_stderr, self._process.stderr),
        )
        self._threads = [threading.Thread(target=run, args=(pipe,), daemon=True) for run, pipe in pipes]
        for thread in self._threads:
            thread.start()

    def ask(self, requests: Iterable[Mapping[str, Any]]) -> None:
        """Sends requests; does not wait."""
        lines = []
        for request in requests:
            lines.append(json.dumps({"id": self._sent, **request}, separators=(",", ":")))
            self._sent += 1
        if lines:
            self._requests.put(("\n".join(lines) + "\n").encode())

    def answer(self) -> Mapping[str, Any]:
        """The answer to the oldest request that has none. PeerFailed when there is none, or none with its id."""
        try:
            line = self._answers.get(timeout=self._timeout)
        except queue.Empty:
            raise PeerFailed(Outcome.HANG, f"no answer within {self._timeout:g} s") from None
        if line is _END:
            raise PeerFailed(Outcome.CRASH, self._how_it_ended())
        if len(line) > LINE_LIMIT:
            raise PeerFailed(Outcome.FLOOD, "a line longer than 16 MiB")
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            raise PeerFailed(Outcome.FAIL, f"an answer that is not JSON: {line[:200]!r}") from None
        if not isinstance(found, dict) or found.get("id") != self._taken:
            raise PeerFailed(Outcome.FAIL, f"an answer without the id {self._taken}: {line[:200]!r}")
        self._taken += 1
        return found

    def stop(self) -> None:
        """Ends the process and everything that it started."""
        self._stopped.set()
        self._requests.put(None)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, 9)
        self._process.wait()
        for thread in self._threads:
            thread.join()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _how_it_ended(self) -> str:
        try:
            status = self._process.wait(timeout=self._timeout)
        except subprocess.TimeoutExpired:
            return "it closed its output and went on"
        said = self._stderr.decode("utf-8", "replace").strip()
        return f"it ended with status {status}" + (f": {said}" if said else "")

    def _read(self, pipe: IO[bytes]) -> None:
        line = bytearray()
        while chunk := os.read(pipe.fileno(), _CHUNK):
            *whole, rest = chunk.split(b"\n")
            for part in whole:
                line += part
                if not self._keep(bytes(line)):
                    return
                line.clear()
            line += rest
            if len(line) > LINE_LIMIT:
                break
        if line:
            self._keep(bytes(line))
        self._keep(_END)

    def _keep(self, line: bytes | None) -> bool:
        """Once there is room for it; false when nobody is going to take it any more."""
        while not self._stopped.is_set():
            with contextlib.suppress(queue.Full):
                self._answers.put(line, timeout=0.1)
                return True
        return False

    def _write(self, pipe: IO[bytes]) -> None:
        with contextlib.suppress(BrokenPipeError), pipe:
            while (lines := self._requests.get()) is not None:
                pipe.write(lines)
                pipe.flush()

    def _read_stderr(self, pipe: IO[bytes]) -> None:
        while chunk := os.read(pipe.fileno(), _CHUNK):
            self._stderr = (self._stderr + chunk)[-_STDERR_KEPT:]

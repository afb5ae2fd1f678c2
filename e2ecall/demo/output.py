"""Results are written whole or not at all, by one demonstration at a time to a folder; standard output may fail."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from e2ecall.demo.settings import Settings
from e2ecall.errors import OutputFailed

__all__ = ["StandardOutput", "caught_signals", "claimed", "kept_people", "write_whole"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOCK = ".e2ecall-demo.lock"
_EARLIER = (
    "contact-sheet.png",
    "report.json",
    "report.html",
    "*/frames.json",
    "*/received.*",
    "relay/*.png",
    "relay/*.f32",
)


def write_whole(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that a reader finds all of it or nothing. Raises OutputFailed."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        hint = "choose another output folder, or free some space"
        raise OutputFailed(f"cannot write {path.name}: {error.strerror or error}", hint=hint) from None


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Make `folder`, keep other demonstrations out of it, and clear away what an earlier one left there.

    Only files of the names that a demonstration writes are removed. Raises OutputFailed.
    """
    lock = folder / _LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise OutputFailed(f"cannot write to {folder}: {error.strerror}", hint="choose another --out") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise OutputFailed(f"another demo is writing to {folder}", hint="choose another --out") from None
        _clear(folder)
        yield
        with suppress(OSError):
            lock.unlink()
    finally:
        os.close(handle)


@contextmanager
def kept_people(settings: Settings) -> Iterator[Settings]:
    """The folder with what the two people keep: the one that was named, or one for new people that goes away again."""
    if settings.people:
        yield settings
        return
    try:
        folder = tempfile.TemporaryDirectory(prefix="e2ecall-people-")
    except OSError as error:
        raise OutputFailed(f"cannot make a folder for the two people: {error.strerror}", hint="--people") from None
    with folder as name:
        yield replace(settings, people=name)


def _clear(folder: Path) -> None:
    try:
        for pattern in _EARLIER:
            for path in folder.glob(pattern):
                path.unlink()
    except OSError as error:
        hint = "choose another --out"
        raise OutputFailed(f"cannot clear {folder} of an earlier demo: {error.strerror}", hint=hint) from None


class StandardOutput:
    """Standard output, which may fail: the pipe's reader leaves, the disk behind it is full. Then it is all to end."""

    def __init__(self) -> None:
        self.error: OutputFailed | None = None

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Remember the first failure instead of raising it."""
        try:
            yield
        except OSError as error:
            if self.error is None:
                hint = "what was received is kept; see --out"
                self.error = OutputFailed(f"cannot write to standard output: {error.strerror}", hint=hint)

    @contextmanager
    def shown(self, screen: AbstractContextManager[object]) -> Iterator[None]:
        """The screen while the work lasts; only what the screen itself does is guarded."""
        with self.guarded():
            screen.__enter__()
        try:
            yield
        finally:
            with self.guarded():
                screen.__exit__(None, None, None)


@contextmanager
def caught_signals(stop: asyncio.Event) -> Iterator[None]:
    """Set `stop` when this process is interrupted, terminated, or loses its terminal."""
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)

"""What the commands have in common when they speak: lines and errors in any locale, never as commands to a terminal."""

from __future__ import annotations

import os
import re
import shutil
import sys
import traceback
import unicodedata
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import click

from e2ecall.errors import E2ECallError
from e2ecall.handshake.link import redact

__all__ = ["Misused", "date", "groups", "on_terminal", "say", "tell", "tell_line"]

_LINE: Final = 16  # bytes


class Misused(click.UsageError):
    """A wrong use that `--help` does not help with. `hint` says what does."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def say(text: str, *, err: bool = False) -> None:
    """Write lines to standard output or error: what a terminal would act on, or cannot show, is spelled out.

    On a terminal long lines are broken between words, and go on under their beginning.
    """
    stream = sys.stderr if err else sys.stdout
    encoding = stream.encoding or "ascii"
    lines = _spelled(text).encode(encoding, "backslashreplace").decode(encoding).split("\n")
    if stream.isatty():
        width = shutil.get_terminal_size().columns
        lines = [part for line in lines for part in _broken(line, width)]
    click.echo("\n".join(lines), err=err)


def tell(error: E2ECallError) -> None:
    """Write `error:` and, where there is one, `hint:`. With E2ECALL_DEBUG set the traceback follows."""
    tell_line(str(error), error.hint)
    if os.environ.get("E2ECALL_DEBUG"):
        with suppress(OSError):
            say(redact("".join(traceback.format_exception(error))), err=True)


def tell_line(message: str, hint: str | None) -> None:
    """Write `error:` and `hint:`; where nobody can hear it, the exit status says it still."""
    with suppress(OSError):
        say(redact(f"error: {message}" + (f"\nhint: {hint}" if hint else "")), err=True)


def groups(data: bytes) -> tuple[str, ...]:
    """Bytes for comparing: groups of four digits, eight a line, which fit in 40 columns."""
    return tuple(data[at : at + _LINE].hex(" ", 2) for at in range(0, len(data), _LINE))


def date(seconds: float) -> str:
    """A time (Unix seconds), to the minute; a number that no calendar has as it is."""
    with suppress(OverflowError, OSError, ValueError):
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{seconds:.0f} s after 1970"


def on_terminal() -> bool:
    """Whether there is a person to ask: without one, no command asks."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def _broken(line: str, width: int) -> list[str]:
    """`line` in pieces of at most `width` columns, if its words are no longer; emoji take two columns each."""
    indent = line[: len(line) - len(line.lstrip())]
    pieces = [""]
    for word in re.findall(r"\s*\S+", line):
        if pieces[-1] and _columns(pieces[-1] + word) > width:
            pieces.append(indent + word.lstrip())
        else:
            pieces[-1] += word
    return pieces


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(each) in ("W", "F") else 1 for each in text)


def _spelled(text: str) -> str:
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode() for each in text
    )

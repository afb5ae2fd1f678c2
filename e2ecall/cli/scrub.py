"""kex.8-8, kex.8-9: keeps link secrets out of logs, tracebacks and this process's line in the process list.

A link given as an argument stands in the process list until `scrub_process_arguments` has run, and in the shell's
history after that: nothing here reaches either. A link that is typed at a prompt or read from a file was never there.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Final

from e2ecall.handshake.link import redact
from e2ecall.handshake.redact import secret_spans

__all__ = ["Arguments", "ScrubFilter", "scrub_logging", "scrub_process_arguments", "scrub_tracebacks"]

_ARG_START: Final = 48 - 3  # proc(5) counts the fields of stat from 1; the first one behind the name is the third
_MASK: Final = b"*"


class Arguments(StrEnum):
    """What became of link secrets among this process's arguments."""

    CLEAN = "clean"
    SCRUBBED = "scrubbed"
    STILL_THERE = "still-there"


class ScrubFilter(logging.Filter):
    """kex.8-8: takes link secrets out of every record that passes: text, arguments, traceback, stack, extra fields.

    Belongs on handlers: the filters of a logger do not see what its children log.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Always lets the record pass, after having rewritten it."""
        try:
            text = record.getMessage()
        except (TypeError, ValueError, KeyError, IndexError):  # a message that does not fit its arguments
            text = f"{record.msg} {record.args!r}"
        record.msg, record.args = text, None
        if record.exc_info and record.exc_text is None:
            record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        record.exc_info = None  # or a handler that formats by itself would have the exception again
        for name, value in vars(record).items():
            if isinstance(value, str):
                setattr(record, name, redact(value))
        return True


def scrub_logging(logger: logging.Logger | None = None) -> None:
    """kex.8-8: `ScrubFilter` on every handler that `logger` (the root logger) has now, and on logging's last resort.

    Call it after handlers were added. A second call adds nothing.
    """
    handlers = list((logger or logging.getLogger()).handlers)
    if logging.lastResort is not None:
        handlers.append(logging.lastResort)
    for handler in handlers:
        if not any(isinstance(each, ScrubFilter) for each in handler.filters):
            handler.addFilter(ScrubFilter())


def scrub_tracebacks() -> None:
    """kex.8-8: from now on, what ends this process or one of its threads is written without link secrets."""

    def write(kind: type[BaseException], error: BaseException | None, where: TracebackType | None) -> None:
        if sys.stderr is not None:
            sys.stderr.write(redact("".join(traceback.format_exception(kind, error, where))))

    def write_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is not SystemExit:
            write(args.exc_type, args.exc_value, args.exc_traceback)

    sys.excepthook = write
    threading.excepthook = write_thread


def scrub_process_arguments() -> Arguments:
    """kex.8-9: overwrite link secrets in this process's own argument memory, so that `ps` shows stars instead.

    Linux only; STILL_THERE where the memory is not as expected and a secret was among the arguments. `sys.argv` keeps
    its strings. Call it first: until then everyone on this machine could read them.
    """
    shown = os.fsencode("\0".join(sys.orig_argv))
    try:
        start, memory = _argument_memory()
        shown = memory
        holes = _holes(memory)
        _overwrite(start, memory, holes)
    except (OSError, ValueError, IndexError):
        return Arguments.STILL_THERE if _holes(shown) else Arguments.CLEAN
    return Arguments.SCRUBBED if holes else Arguments.CLEAN


def _argument_memory() -> tuple[int, bytes]:
    """proc(5): where the arguments begin, and what stands there; OSError or ValueError where that cannot be told."""
    stat = Path("/proc/self/stat").read_bytes()
    fields = stat[stat.rindex(b")") + 1 :].split()
    start, end = int(fields[_ARG_START]), int(fields[_ARG_START + 1])
    memory = Path("/proc/self/cmdline").read_bytes()
    if start == 0 or end - start != len(memory):
        raise ValueError("the arguments are not where the kernel says they are")
    return start, memory


def _holes(memory: bytes) -> list[tuple[int, bytes]]:
    """(offset, what belongs there instead) of every secret; the `#` and the ends of the arguments stay."""
    text = memory.decode("utf-8", "surrogateescape")
    holes = []
    for start, end in secret_spans(text):
        first = len(text[:start].encode("utf-8", "surrogateescape"))
        secret = text[start:end].encode("utf-8", "surrogateescape")
        starred = b"".join(byte if byte in (b"\0", b"#") else _MASK for byte in _bytes_of(secret))
        if starred != secret:
            holes.append((first, starred))
    return holes


def _bytes_of(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def _overwrite(start: int, memory: bytes, holes: list[tuple[int, bytes]]) -> None:
    """Through /proc/self/mem, where a wrong address is an OSError and not a crash; nothing is written unread."""
    if not holes:
        return
    descriptor = os.open("/proc/self/mem", os.O_RDWR | os.O_CLOEXEC)
    try:
        if os.pread(descriptor, len(memory), start) != memory:
            raise ValueError("the arguments are not where the kernel says they are")
        for offset, starred in holes:
            if os.pwrite(descriptor, starred, start + offset) != len(starred):
                raise ValueError("the arguments could not be overwritten whole")
    finally:
        os.close(descriptor)

"""peer.1: this project's own conformance peer: one JSON object a line in, one a line out, in order; it never exits on
bad input. The operations stand in the modules beside this one, named after what they drive.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from e2ecall.conformance import (
    ledger_operations,
    link_operations,
    tde2e_operations,
    telegram_operations,
    view_operations,
)
from e2ecall.conformance.control_operations import ControlOperations
from e2ecall.conformance.handshake_operations import HandshakeOperations
from e2ecall.conformance.operations import FrameOperations, sas_operations
from e2ecall.conformance.rekey_operations import RekeyOperations
from e2ecall.conformance.request import Request, Unsupported, layer_of
from e2ecall.errors import E2ECallError, FrameRejected

__all__ = ["LINE_LIMIT", "Operation", "Peer"]

LINE_LIMIT = 16 * 1024 * 1024

Operation = Callable[[Request], dict[str, Any]]


class Peer:
    """Answers requests; sessions and receivers live as long as the peer does."""

    def __init__(self, version: str) -> None:
        self._version = version
        self._operations: dict[str, Operation] = {
            "hello": self._hello,
            **FrameOperations().table(),
            **sas_operations(),
            **view_operations.table(),
            **link_operations.table(),
            **HandshakeOperations().table(),
            **ControlOperations().table(),
            **RekeyOperations().table(),
            **ledger_operations.table(),
            **telegram_operations.table(),
            **tde2e_operations.table(),
        }

    def answer(self, line: str | bytes) -> dict[str, Any]:
        """The answer to one line, whatever stands in it."""
        if len(line) > LINE_LIMIT:
            return _error(None, "malformed", "the line is longer than 16 MiB")
        try:
            fields = json.loads(line, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return _error(None, "malformed", "the line is not JSON")
        if not isinstance(fields, dict):
            return _error(None, "malformed", "the line is not a JSON object")
        number = fields.get("id")
        if isinstance(number, float) and not math.isfinite(number):
            return _error(None, "malformed", "the id is not a JSON number")
        name = fields.get("op")
        operation = self._operations.get(name) if isinstance(name, str) else None
        if operation is None:
            return {"id": number, "unsupported": True}
        try:
            return {"id": number, "ok": operation(Request(fields))}
        except Unsupported:
            return {"id": number, "unsupported": True}
        except E2ECallError as error:
            reason = error.reason.value if isinstance(error, FrameRejected) else error.message
            return _error(number, layer_of(error), reason, error.clause)

    def run(self, lines: Iterable[str | bytes]) -> Iterator[str]:
        """The answers to `lines`, one JSON text each; empty lines are passed over."""
        for line in lines:
            if line.strip():
                yield json.dumps(self.answer(line), separators=(",", ":"))

    def _hello(self, request: Request) -> dict[str, Any]:
        del request
        return {"name": "e2ecall", "version": self._version, "ops": sorted(self._operations)}


def _refuse(name: str) -> object:
    raise ValueError(name)  # NaN and Infinity are no JSON


def _error(number: object, layer: str, reason: str, clause: str | None = None) -> dict[str, Any]:
    error = {"layer": layer, "reason": reason} | ({} if clause is None else {"clause": clause})
    return {"id": number, "error": error}

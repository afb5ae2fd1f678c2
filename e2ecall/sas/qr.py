"""sas.9: the whole hash as the text of a QR code, for two screens side by side. One scan, then never again.

    "E2ECALL1:" || "A" of the caller, "B" of the callee || the 32 bytes in upper-case hexadecimal

Only characters of a QR code's alphanumeric mode, so the code stays small (version 4 at level M). The letter says whose
screen shows it: a camera that sees its own screen, or a picture of it held up by someone else, is refused. Drawing a
code is left to who has a screen.
"""

from __future__ import annotations

import re
from typing import Final

from e2ecall.errors import ApiMisuse, MalformedMessage
from e2ecall.sas.emoji import check_sas
from e2ecall.sas.once import OneAnswer, equals_any

__all__ = ["QrScan", "check_qr", "qr_text"]

_PREFIX: Final = "E2ECALL1:"
_LETTERS: Final = {"caller": "A", "callee": "B"}
_OTHER: Final = {"caller": "callee", "callee": "caller"}
_FORM: Final = re.compile(_PREFIX + "[AB][0-9A-F]{64}")


def qr_text(sas: bytes, role: str) -> str:
    """sas.9: what the screen of `role`, "caller" or "callee", shows; 74 characters. ApiMisuse for anything else."""
    check_sas(sas)
    if role not in _LETTERS:
        raise ApiMisuse("a side is caller or callee", clause="sas.9-1")
    return f"{_PREFIX}{_LETTERS[role]}{sas.hex().upper()}"


def check_qr(sas: bytes, role: str, text: str) -> None:
    """sas.9: `text` was scanned by the side `role`. Returns when it is the other side's code of the same hash.

    VerificationFailed when it is not; MalformedMessage for what is no such code. Use `QrScan` for a person.
    """
    QrScan(sas, role).scan(text)


class QrScan(OneAnswer):
    """sas.9: one scan of the other side's code. `own` is the text to show. A second scan raises ApiMisuse."""

    __slots__ = ("_other", "own")

    def __init__(self, sas: bytes, role: str) -> None:
        super().__init__()
        self.own = qr_text(sas, role)
        self._other = qr_text(sas, _OTHER[role])

    def scan(self, text: str) -> None:
        """sas.9: the camera read `text`. Returns when it is the other side's code of the same hash.

        VerificationFailed when it is not, and for the own code. MalformedMessage for what is no code of this form:
        that spends nothing.
        """
        self._require_open("sas.9-5")
        if not _FORM.fullmatch(text):
            raise MalformedMessage(
                "this is no code of a call", clause="sas.9-2", hint="scan the code on the other person's screen"
            )
        own, same = equals_any(text, [self.own]), equals_any(text, [self._other])
        if own:
            self._settle("the code that was scanned is the one of this side itself", "sas.9-4")
        self._settle(None if same else "the code that was scanned is not that of this call", "sas.9-3")

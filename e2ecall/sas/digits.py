"""sas.3: 32 bytes to ten decimal digits, for a voice line without pictures."""

from __future__ import annotations

from typing import Final

from e2ecall.errors import ApiMisuse
from e2ecall.sas.emoji import check_sas

__all__ = ["DIGITS", "digits", "group"]

DIGITS: Final = 10
_HALF: Final = DIGITS // 2
_INTEGER: Final = 16


def digits(sas: bytes) -> str:
    """sas.3: the ten digits of `sas` (32 bytes), leading zeros kept: its first 16 bytes, big-endian, modulo 10^10.

    Without a space, as programs compare and send them; `group` makes the form that people read.
    Raises ApiMisuse for another length.
    """
    check_sas(sas)
    return f"{int.from_bytes(sas[:_INTEGER], 'big') % 10**DIGITS:0{DIGITS}d}"


def group(code: str) -> str:
    """sas.3: ten digits as people read them, five and five: "01234 56789". ApiMisuse for anything else."""
    if len(code) != DIGITS or not (code.isascii() and code.isdigit()):
        raise ApiMisuse("only a code of ten digits can be grouped", clause="sas.3-2")
    return f"{code[:_HALF]} {code[_HALF:]}"

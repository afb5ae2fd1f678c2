"""All mutants, in the order of the layers."""

from __future__ import annotations

from typing import Final

from e2ecall.conformance.mutants.exchange import EXCHANGE
from e2ecall.conformance.mutants.frames import FRAMES
from e2ecall.conformance.mutants.mutation import Mutant
from e2ecall.conformance.mutants.telegram import TELEGRAM

__all__ = ["MUTANTS"]

MUTANTS: Final[tuple[Mutant, ...]] = (*FRAMES, *EXCHANGE, *TELEGRAM)

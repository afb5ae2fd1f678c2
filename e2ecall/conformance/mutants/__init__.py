"""Deliberately broken versions of this implementation, which a conformance suite must tell from a good one."""

from __future__ import annotations

from e2ecall.conformance.mutants.hunt import Hunted, hunt
from e2ecall.conformance.mutants.mutation import Mutant
from e2ecall.conformance.mutants.table import MUTANTS

__all__ = ["MUTANTS", "Hunted", "Mutant", "hunt"]

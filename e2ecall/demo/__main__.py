"""One process of a demonstration: `python -m e2ecall.demo alice|bob|relay|weak|real`, settings on standard input."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable

from e2ecall.demo.child import Child, run_child


def _work(role: str) -> Callable[[Child], Awaitable[None]]:
    """What the process does; each imports no more than it needs."""
    if role in {"weak", "real"}:
        from e2ecall.demo.siege import besiege

        return besiege
    if role == "relay":
        from e2ecall.demo.relay import run_relay

        return run_relay
    from e2ecall.demo.person import hold_call

    return hold_call


if __name__ == "__main__":
    role = sys.argv[1]
    sys.exit(run_child(role, _work(role)))

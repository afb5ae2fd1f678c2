"""The processes of the demonstration: `python -m e2ecall.demo alice|bob|relay`, settings on standard input."""

from __future__ import annotations

import sys

from e2ecall.demo.child import run_child
from e2ecall.demo.person import hold_call
from e2ecall.demo.relay import run_relay

if __name__ == "__main__":
    role = sys.argv[1]
    sys.exit(run_child(role, run_relay if role == "relay" else hold_call))

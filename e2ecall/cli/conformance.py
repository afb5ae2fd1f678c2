"""`e2ecall conformance …`: being a conformance peer; driving others grows here."""

from __future__ import annotations

import sys

import click

from e2ecall import __version__
from e2ecall.conformance.peer import Peer

__all__ = ["conformance"]


@click.group()
def conformance() -> None:
    """Hold implementations, in any language, against the specification."""


@conformance.command(
    epilog="""\b
Security considerations:
  A peer reveals keys and takes its randomness from the request. It is for tests
  and must never be put in front of a network.
\b
Standards: RFC 9605 (SFrame); spec/peer.md for the contract.
\b
Example:
  echo '{"id": 1, "op": "hello"}' | e2ecall conformance peer
"""
)
def peer() -> None:
    """Answer requests, one JSON object a line, on standard input and output."""
    for answer in Peer(__version__).run(sys.stdin.buffer):
        sys.stdout.buffer.write(answer.encode() + b"\n")
        sys.stdout.buffer.flush()

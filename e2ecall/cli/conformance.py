"""`e2ecall conformance …`: being a conformance peer, and holding others to the vectors."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import BinaryIO

import click

from e2ecall import __version__
from e2ecall.cli.conformance_mutants import mutants
from e2ecall.cli.conformance_run import run
from e2ecall.conformance.peer import LINE_LIMIT, Peer

__all__ = ["conformance"]


@click.group()
def conformance() -> None:
    """Hold implementations, in any language, against the specification."""


conformance.add_command(run)
conformance.add_command(mutants)


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
    for answer in Peer(__version__).run(_lines(sys.stdin.buffer)):
        sys.stdout.buffer.write(answer.encode() + b"\n")
        sys.stdout.buffer.flush()


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Lines, none held in memory beyond the limit: of a longer one just enough is kept to be refused."""
    while line := stream.readline(LINE_LIMIT + 1):
        yield line
        while len(line) > LINE_LIMIT and not line.endswith(b"\n"):
            line = stream.readline(LINE_LIMIT + 1)

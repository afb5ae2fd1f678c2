"""Which folder a command works in: the option --home, the same for all of them, and the ledger that is kept there."""

from __future__ import annotations

import os
from pathlib import Path

import click

from e2ecall.store.database import Database
from e2ecall.store.home import VARIABLE, Home, find_home
from e2ecall.store.ledger import LedgerStore

__all__ = ["HOME", "home_of", "open_ledger"]

HOME = click.option(
    "--home",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help=f"Where this device keeps its state  [default: {VARIABLE}, or the platform's folder]",
)


def home_of(folder: Path | None) -> Home:
    """The folder that the option names; without it, the one that `find_home` finds. Raises what that does."""
    return find_home() if folder is None else find_home({VARIABLE: str(folder)})


def open_ledger(home: Home) -> LedgerStore:
    """The ledger in that folder, for reading; nothing is made."""
    database = Database(home.contacts, create=False) if os.path.lexists(home.contacts) else None
    return LedgerStore(database, home.ledger_head)

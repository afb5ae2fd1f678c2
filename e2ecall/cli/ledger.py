"""`e2ecall ledger …`: what this device noted of keys, and whether the notes are whole."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import click

from e2ecall.audit.ledger import HEADINGS, LedgerReport, as_object, examine, row
from e2ecall.cli.help_page import epilog
from e2ecall.cli.home_option import HOME, home_of, open_ledger
from e2ecall.cli.telling import say
from e2ecall.errors import ExitStatus, MalformedMessage, StoreCorrupt
from e2ecall.identity.ledger import SignedEntry, read_entry
from e2ecall.store.database import Database
from e2ecall.store.home import Home
from e2ecall.store.keyfile import KeyStore
from e2ecall.store.ledger import LedgerStore

__all__ = ["ledger"]

_WIDEST = 10_000  # columns: wider than any entry
_STANDARDS = "RFC 8785 (canonical JSON), RFC 8032 (Ed25519), FIPS 180-4 (SHA-256)."


@click.group()
def ledger() -> None:
    """What this device noted of keys, and whether it is whole."""


@ledger.command(
    epilog=epilog(
        """
  Shows what is stored, and checks none of it: e2ecall ledger check does.
  It tells whom you called and when; think before you send it to anyone.
  Names are those of your own contacts, without control characters.
""",
        _STANDARDS,
        """
  e2ecall ledger show --limit 5
  e2ecall ledger show --json
""",
    )
)
@HOME
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="The newest so many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def show(home: Path | None, limit: int, *, as_json: bool) -> None:
    """Show the entries, the newest last."""
    entries, _ = open_ledger(_home(home)).signed()
    first = max(0, len(entries) - limit)
    if as_json:
        for place, signed in enumerate(entries[first:], first):
            click.echo(json.dumps(_object(place, signed)))
        return
    if first:
        say(f"({first} earlier; --limit {len(entries)} shows all)")
    rows = [_row(place, signed) for place, signed in enumerate(entries[first:], first)]
    _list(rows)
    if not entries:
        say("The ledger has no entries.")


@ledger.command(
    epilog=epilog(
        """
  A check cannot find everything. Entries and head restored together from a
  backup look whole. Whoever has this identity's key can write another ledger
  that holds. Nothing shows what was never noted, and times are those of this
  device's clock. The check needs no passphrase: it reads public keys only.
""",
        _STANDARDS,
        """
  e2ecall ledger check
  e2ecall ledger check --json
""",
        status="""
  0  nothing was found
  1  it cannot be read: no identity, a damaged file, no access
  2  usage
  4  it was changed, cut, reordered, or is another identity's
""",
    )
)
@HOME
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def check(home: Path | None, *, as_json: bool) -> int:
    """Check every entry, its place, its signature, and the head; say what no check can find."""
    where = _home(home)
    identity = KeyStore(where.identity).read().record.identity
    report: LedgerReport = examine(open_ledger(where), identity, time.time())
    if as_json:
        click.echo(json.dumps(report.as_json()))
    else:
        for line in report.lines():
            say(line)
    return ExitStatus.OK if report.broken is None else ExitStatus.VERIFICATION


@ledger.command(
    "set-aside",
    epilog=epilog(
        """
  For an identity that was replaced, and for a ledger in which something was
  found. The file keeps entries and head as they are, as evidence. From then on
  the history of this device is in that file and nowhere else.
""",
        _STANDARDS,
        """
  e2ecall ledger set-aside ledger-of-my-old-phone.jsonl
""",
    ),
)
@HOME
@click.argument("file", type=click.Path(path_type=Path))
def set_aside(home: Path | None, file: Path) -> None:
    """Move all entries and the head into a new FILE; the next entry begins a new ledger."""
    where = _home(home)
    if not where.has_contacts():
        raise _no_ledger(where)
    count = LedgerStore(Database(where.contacts), where.ledger_head).set_aside(file)
    say(f"{count} entries are kept in {file}; the ledger is empty.")


def _home(folder: Path | None) -> Home:
    home = home_of(folder)
    if not home.has_contacts() and not home.folder.is_dir():
        raise _no_ledger(home)
    return home


def _no_ledger(home: Home) -> StoreCorrupt:
    return StoreCorrupt(f"there is no ledger yet in {home.folder}", hint="e2ecall identity new begins one")


def _object(place: int, signed: SignedEntry) -> dict[str, object]:
    """JSON escapes all but ASCII, so that no text of an entry reaches a terminal as it is."""
    try:
        return as_object(signed)
    except MalformedMessage as error:
        return {"number": place, "error": str(error)}


def _row(place: int, signed: SignedEntry) -> tuple[str, ...]:
    try:
        return row(read_entry(signed.text))
    except MalformedMessage:
        return str(place), "", "cannot be read: see e2ecall ledger check", "", "", "", ""


def _list(rows: list[tuple[str, ...]]) -> None:
    """A line each; on a terminal a table where that fits, and else what was shown on a line of its own."""
    if not sys.stdout.isatty():
        for each in rows:
            say("  ".join(cell for cell in each if cell))
    elif not _table(rows):
        for *before, shown, state in rows:
            say("  ".join(cell for cell in (*before, state) if cell))
            if shown:
                say(f"   {shown}")


def _table(rows: list[tuple[str, ...]]) -> bool:
    """Draw a table, unless the terminal is too narrow for it. Cells are texts, never markup."""
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table
    from rich.text import Text

    console, table = Console(), Table(*HEADINGS)
    for each in rows:
        table.add_row(*(Text(cell) for cell in each))
    wanted = Measurement.get(console, console.options.update(width=_WIDEST), table).maximum
    if wanted > console.width:
        return False
    console.print(table)
    return True

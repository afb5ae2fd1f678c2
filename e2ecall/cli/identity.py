"""`e2ecall identity …`: the keys of this device: made, shown, handed on, kept in a backup."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from e2ecall.cli.help_page import epilog
from e2ecall.cli.home_option import HOME, home_of, open_ledger
from e2ecall.cli.telling import date, groups, on_terminal, say
from e2ecall.crypto.password import passphrase_bytes
from e2ecall.crypto.rng import SystemRng
from e2ecall.errors import ApiMisuse, E2ECallError, OutputFailed
from e2ecall.identity.device import Device, DeviceSeeds, check_name, fresh_seeds
from e2ecall.identity.keyfile import AtRest, KeyFile, encode_key_file, encode_record
from e2ecall.secret import SecretBytes
from e2ecall.store.database import Database
from e2ecall.store.home import Home
from e2ecall.store.keyfile import KeyStore, read_passphrase_file, write_new
from e2ecall.store.keyring import Keyring, fresh_passphrase
from e2ecall.store.ledger import LedgerStore

__all__ = ["identity", "own_device"]

PASSPHRASE_VARIABLE = "E2ECALL_PASSPHRASE_FILE"  # noqa: S105 - names a file, holds no passphrase
_STANDARDS = (
    "RFC 8032 (Ed25519), X-Wing (draft-connolly-cfrg-xwing-kem), RFC 9106 (Argon2id), NIST SP 800-38D (AES-GCM), "
    "RFC 8785 (canonical JSON)."
)
_GRID_WIDTH = 66  # columns: the longest label, and eight groups
_AT_REST = {
    AtRest.NONE: "not encrypted at rest",
    AtRest.PASSPHRASE: "encrypted under a passphrase",
    AtRest.KEYRING: "encrypted, its passphrase in the keyring",
}


def _epilog(considerations: str, examples: str) -> str:
    return epilog(considerations, _STANDARDS, examples)


@click.group()
def identity() -> None:
    """The keys that others know this device by."""


def _named(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    try:
        check_name(value)
    except ApiMisuse as error:
        raise click.BadParameter(error.message, ctx, param) from None
    return value


@identity.command(
    epilog=_epilog(
        """
  Whoever can read the file and open it is this device. Without a passphrase
  the file is not encrypted at rest. A new identity is a stranger to everybody
  who verified the old one. A restored backup and the original are the same
  device: use one of them. The passphrase is asked for on a terminal, or read
  from the file that E2ECALL_PASSPHRASE_FILE names; never from an argument.
""",
        """
  e2ecall identity new --name "Ada, laptop"
  E2ECALL_PASSPHRASE_FILE=/run/secrets/call e2ecall identity new
  e2ecall identity new --keyring
""",
    ),
)
@click.option("--name", callback=_named, help="What others are shown, as a claim; at most 64 bytes of UTF-8.")
@click.option("--no-passphrase", is_flag=True, help="Do not ask for one: the file is not encrypted at rest.")
@click.option("--keyring", "in_keyring", is_flag=True, help="Encrypt under a random passphrase kept in the OS keyring.")
@click.option("--replace", is_flag=True, help="Put it in the place of the identity there is, and keep the old file.")
@HOME
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def new(
    name: str | None, home: Path | None, *, no_passphrase: bool, in_keyring: bool, replace: bool, as_json: bool
) -> None:
    """Make a device's keys and keep them in a file."""
    if no_passphrase and in_keyring:
        raise click.UsageError("--no-passphrase and --keyring exclude each other")
    where = home_of(home)
    where.prepare()
    store = KeyStore(where.identity)
    if replace:
        store.read().wipe()
    elif store.exists():
        raise OutputFailed(
            f"there is an identity already: {store.path}",
            clause="identity.2-9",
            hint="e2ecall identity show; or e2ecall identity new --replace, which keeps the old file",
        )
    former = _former_ledger(where, replace=replace)
    with fresh_seeds(SystemRng()) as seeds:
        kept = _kept_in_keyring(seeds) if in_keyring else None
        passphrase = kept or (None if no_passphrase else _new_passphrase())
        try:
            backup = _write(store, seeds, passphrase, name=name, in_keyring=in_keyring, replace=replace)
        except (E2ECallError, KeyboardInterrupt):
            if kept:
                Keyring().forget(seeds.device().identity)
            raise
        if backup is not None:
            say(f"The old identity is kept in {backup}", err=True)
        aside = backup.with_suffix(".ledger.jsonl") if former and backup is not None else None
        ledger = LedgerStore(Database(where.contacts), where.ledger_head)
        if aside is not None:
            ledger.set_aside(aside)
        ledger.begin(seeds.device().signer, time.time())
    _show(store.path, store.read(), as_json=as_json, backup=backup)
    if backup is not None:
        if aside is not None:
            say(f"The ledger that the old identity signed is kept in {aside}", err=True)
        say("Whoever verified the old one is warned at your next call, and has to compare again.", err=True)


def _former_ledger(home: Home, *, replace: bool) -> bool:
    """identity.6-12: whether a former identity's ledger is there. What cannot be used is found before keys are made."""
    entries, head = open_ledger(home).signed()
    former = bool(entries) or head is not None
    if former and not replace:
        raise OutputFailed(
            f"the ledger of a former identity is in {home.folder}",
            clause="identity.6-12",
            hint="keep it with `e2ecall ledger set-aside FILE`, or put the identity back that signed it",
        )
    return former


@identity.command(
    "show",
    epilog=_epilog(
        """
  What is shown is public, and read without the passphrase: signature and
  check of the file are verified, not whether its seeds can be opened. Compare
  identities by calling and comparing emoji.
""",
        """
  e2ecall identity show --json
""",
    ),
)
@HOME
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def show_identity(home: Path | None, *, as_json: bool) -> None:
    """Show this device's identity, and whether its keys are encrypted at rest."""
    store = KeyStore(home_of(home).identity)
    _show(store.path, store.read(), as_json=as_json, backup=None)


@identity.command(
    "export",
    epilog=_epilog(
        """
  Without --secret only public keys leave: identity, encryption key, the
  statement that binds them, and the name. With --secret the file is this
  device: it opens with its passphrase only, so none is written without one.
  To restore it, put it at identity.json in E2ECALL_HOME, mode 0600.
""",
        """
  e2ecall identity export > me.json
  e2ecall identity export --secret --out backup.json
""",
    ),
)
@click.option("--secret", is_flag=True, help="A backup with the secret keys, encrypted under a passphrase.")
@click.option("--out", metavar="FILE", help="A new file, mode 0600  [default: standard output]")
@HOME
def export_identity(home: Path | None, *, secret: bool, out: str | None) -> None:
    """Write the public record of this device, or an encrypted backup."""
    found = KeyStore(home_of(home).identity).read()
    data = _backup(found) if secret else encode_record(found.record)
    if out is None:
        click.echo(data, nl=False)
        return
    try:
        write_new(Path(out), data)
    except FileExistsError:
        raise OutputFailed(f"{out} exists, and is not overwritten", hint="choose another --out") from None


def own_device(home: Home) -> Device:
    """This device, unlocked: with the keyring, E2ECALL_PASSPHRASE_FILE, or a passphrase asked for on a terminal.

    Raises what `KeyStore.read` and `KeyFile.open` do, and OutputFailed where no passphrase is to be had.
    """
    found = KeyStore(home.identity).read()
    passphrase = _old_passphrase(found)
    try:
        with _unlocked(found, passphrase) as seeds:
            return seeds.device()
    finally:
        if passphrase is not None:
            passphrase.wipe()


def _kept_in_keyring(seeds: DeviceSeeds) -> SecretBytes:
    passphrase = fresh_passphrase(SystemRng())
    Keyring().put(seeds.device().identity, passphrase)
    return passphrase


def _write(
    store: KeyStore,
    seeds: DeviceSeeds,
    passphrase: SecretBytes | None,
    *,
    name: str | None,
    in_keyring: bool,
    replace: bool,
) -> Path | None:
    now = time.time()
    at_rest = AtRest.KEYRING if in_keyring else AtRest.PASSPHRASE
    contents = encode_key_file(seeds, SystemRng(), name=name, created_at=now, passphrase=passphrase, at_rest=at_rest)
    if passphrase is not None:
        passphrase.wipe()
    if replace:
        return store.replace(contents, now)
    store.create(contents)
    return None


def _backup(found: KeyFile) -> bytes:
    """identity.2-11: the same device under a fresh salt. It is opened first: a backup nobody can open is none."""
    old = _old_passphrase(found, backup=True)
    new = old if found.at_rest is AtRest.PASSPHRASE else _new_passphrase(what="Passphrase of the backup")
    if new is None:
        raise OutputFailed(
            "a backup of the secret keys needs a passphrase",
            clause="identity.2-11",
            hint=f"set {PASSPHRASE_VARIABLE}, or run this on a terminal",
        )
    with _unlocked(found, old) as seeds:
        name, created_at = found.record.name, found.created_at
        data = encode_key_file(seeds, SystemRng(), name=name, created_at=created_at, passphrase=new)
    for passphrase in (old, new):
        if passphrase is not None:
            passphrase.wipe()
    return data


def _unlocked(found: KeyFile, passphrase: SecretBytes | None) -> DeviceSeeds:
    try:
        return found.open(passphrase)
    finally:
        found.wipe()


def _old_passphrase(found: KeyFile, *, backup: bool = False) -> SecretBytes | None:
    """The passphrase of a file; one that is at hand for a file without is passed on, and refused there.

    For a `backup` of such a file it is the one to seal with.
    """
    if found.at_rest is AtRest.KEYRING:
        return Keyring().get(found.record.identity)
    if found.at_rest is AtRest.NONE:
        return None if backup else _from_file(os.environ)
    given = _from_file(os.environ)
    if given is None and on_terminal():
        text = click.prompt("Passphrase", hide_input=True, err=True)
        given = _typed(str(text))
    if given is None:
        raise OutputFailed(
            f"{found.what} is encrypted, and no passphrase is at hand",
            clause="identity.2-12",
            hint=f"set {PASSPHRASE_VARIABLE}, or run this on a terminal",
        )
    return given


def _new_passphrase(what: str = "Passphrase (empty for none)") -> SecretBytes | None:
    given = _from_file(os.environ)
    if given is not None or not on_terminal():
        return given
    text = str(click.prompt(what, default="", show_default=False, hide_input=True, confirmation_prompt=True, err=True))
    return _typed(text) if text else None


def _typed(text: str) -> SecretBytes:
    try:
        return passphrase_bytes(text)
    except ApiMisuse as error:
        raise click.UsageError(error.message) from None


def _from_file(environment: Mapping[str, str]) -> SecretBytes | None:
    path = environment.get(PASSPHRASE_VARIABLE)
    if not path:
        return None
    passphrase = read_passphrase_file(Path(path))
    if Path(path).stat().st_mode & 0o044:
        say(f"warning: others can read the passphrase in {path}", err=True)
    return passphrase


@dataclass(frozen=True, slots=True)
class _Line:
    label: str
    parts: tuple[str, ...]  # two for what is compared in groups

    @property
    def text(self) -> str:
        return " ".join(self.parts)


def _show(path: Path, found: KeyFile, *, as_json: bool, backup: Path | None) -> None:
    found.wipe()
    if as_json:
        click.echo(json.dumps(_as_json(path, found, backup), ensure_ascii=True))
        return
    lines = _lines(path, found)
    if sys.stdout.isatty() and shutil.get_terminal_size().columns >= _GRID_WIDTH:
        _draw(lines)
    elif sys.stdout.isatty():
        for line in lines:
            say("\n ".join((f"{line.label}:", *line.parts)) if len(line.parts) > 1 else f"{line.label}: {line.text}")
    else:
        for line in lines:
            say(f"{line.label}: {line.text}")


def _as_json(path: Path, found: KeyFile, backup: Path | None) -> dict[str, object]:
    return {
        "identity": found.record.identity.hex(),
        "encryption_key_sha256": found.record.encryption_key_hash.hex(),
        "name": found.record.name,
        "created_at": found.created_at,
        "at_rest": found.at_rest.value,
        "file": str(path),
        **({} if backup is None else {"backup": str(backup)}),
    }


def _lines(path: Path, found: KeyFile) -> list[_Line]:
    return [
        _Line("identity", groups(found.record.identity)),
        _Line("name", (found.record.shown_name or "(none)",)),
        _Line("created", (date(found.created_at),)),
        _Line("at rest", (_AT_REST[found.at_rest],)),
        _Line("encryption key, SHA-256", groups(found.record.encryption_key_hash)),
        _Line("file", (str(path),)),
    ]


def _draw(lines: list[_Line]) -> None:
    """The same for a person: a grid, the groups eight to a line."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for line in lines:
        weak = line.label == "at rest" and line.text == _AT_REST[AtRest.NONE]
        grid.add_row(Text(line.label), Text("\n".join(line.parts), style="yellow" if weak else ""))
    Console(highlight=False, soft_wrap=False).print(grid)

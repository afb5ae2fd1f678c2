"""`e2ecall contacts …`: who this device knows, by which keys, and the acts of its person that need no call."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from e2ecall.call.shown import CHANGES, SIGNS, Shown
from e2ecall.cli.help_page import epilog
from e2ecall.cli.home_option import HOME, home_of
from e2ecall.cli.identity import own_device
from e2ecall.cli.telling import Misused, date, groups, on_terminal, say
from e2ecall.errors import ApiMisuse, VerificationFailed
from e2ecall.identity.contacts import Contact, Contacts, KeyRecord
from e2ecall.identity.continuity import Method, Trust
from e2ecall.store.contacts import ContactStore
from e2ecall.store.database import Database
from e2ecall.store.home import Home
from e2ecall.store.ledger import LedgerStore
from e2ecall.store.trust import LedgerRecorder

__all__ = ["contacts", "open_contacts"]

_KEY_DIGITS = 8
_QUESTIONS = {
    Method.STATEMENT: "Did you compare this key with {name}, and was it the same?",
    Method.LINK: "Did the link of {name} reach you over a channel that nobody else could read?",
}
_EXIT = """
0    done
1    environment: the store cannot be used
2    usage: no such contact or key, or --yes is missing without a terminal
4    refused: the key is changed, revoked, or another contact's
130  you said no; nothing was changed"""
_STANDARDS = "RFC 8032 (Ed25519). The rules are chapter identity of the specification."
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object.")
_YES = click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
_KEY = click.option("--key", metavar="HEX", help=f"Which key, by its first {_KEY_DIGITS} digits or more.")


def _epilog(considerations: str, examples: str) -> str:
    return epilog(considerations, _STANDARDS, examples, status=_EXIT)


def open_contacts(home: Home) -> ContactStore:
    """identity.7-2: the contacts that are kept there; what is done with them goes into this device's ledger.

    Each entry is signed, so this raises what `own_device` does, and StoreCorrupt where there are no contacts.
    """
    database = Database(home.contacts, create=False)
    return ContactStore(database, LedgerRecorder(LedgerStore(database, home.ledger_head), own_device(home).signer))


@click.group()
def contacts() -> None:
    """Whom this device knows, and by which keys."""


@contacts.command(
    "list",
    epilog=_epilog(
        """
  Names are yours; what others call themselves is not shown here. The list tells
  whom you call; think before you send it to anyone.
""",
        """
  e2ecall contacts list
  e2ecall contacts list --json
""",
    ),
)
@HOME
@_JSON
def list_contacts(home: Path | None, *, as_json: bool) -> None:
    """List the contacts, one line each."""
    found = list(_read(home).all.values())
    if as_json:
        say(json.dumps({"contacts": [_as_json(each) for each in found]}, ensure_ascii=True))
        return
    for contact in found:
        failed = f", {_times(len(contact.mismatches))} compared and different" if contact.mismatches else ""
        say(f"{contact.name}  ({contact.id[:_KEY_DIGITS]}): {_summary(contact)}{failed}")
    if not found:
        say("no contacts yet")


@contacts.command(
    epilog=_epilog(
        """
  A key proves a device, not a person: whoever holds the device holds the key.
  Comparing keys read from two screens is as good as the channel between them.
""",
        """
  e2ecall contacts show Bob
""",
    )
)
@click.argument("contact")
@HOME
@_JSON
def show(contact: str, home: Path | None, *, as_json: bool) -> None:
    """Show a contact's keys, and what happened to each. CONTACT is a name or an id."""
    found = _find(_read(home), contact)
    if as_json:
        say(json.dumps(_as_json(found), ensure_ascii=True))
        return
    say(f"{found.name}  ({found.id})")
    say(f"added {date(found.added_at)}; {'' if found.post_quantum else 'not '}met with post-quantum protection")
    if found.mismatches:
        say(f"{_times(len(found.mismatches))} compared and different, last on {date(found.mismatches[-1].at)}")
    for record in found.keys:
        say("")
        _show_key(found, record)
    if not found.keys:
        say("no key yet: the first call asks you")


@contacts.command(
    epilog=_epilog(
        """
  This is your word that you compared, in another way than in a call. A key that
  you did not compare with the person is verified for whoever holds it. Compare
  all of it. "link" says that the link, by which this key came in, went over a
  channel that nobody else could read. Emoji, digits, words and QR codes are
  those of a call, and are compared there.
  A changed key is not verified here: see accept-key, then compare in a call.
""",
        """
  e2ecall contacts verify Bob
  e2ecall contacts verify Bob --key 1f2e3d4c --yes
  e2ecall contacts verify Bob --method link
""",
    )
)
@click.argument("contact")
@click.option(
    "--method",
    type=click.Choice([str(each) for each in _QUESTIONS]),
    default=str(Method.STATEMENT),
    show_default=True,
    help="What you say: that you compared the key, or that its link was private.",
)
@_KEY
@_YES
@HOME
@_JSON
def verify(contact: str, method: str, key: str | None, home: Path | None, *, yes: bool, as_json: bool) -> None:
    """State that you compared a contact's key, or that its link was private."""
    store, found = _open(home, contact)
    record = _choose(found, key, (Trust.SEEN,), "a key that was seen and not compared")
    if record.trust in (Trust.CHANGED, Trust.REVOKED):
        _refuse(found, record)
    how = Method(method)
    if how is Method.LINK and not record.by_link:
        raise click.UsageError("this key did not come in by a link")
    _tell(f"{found.name}'s key:\n{_groups(record.key)}")
    _confirm(_QUESTIONS[how].format(name=found.name), yes=yes)
    with store.transaction() as book:
        _same(book, found, record)
        book.stated(book.slot(found.id), record.key, method=how, now=time.time())
    _done(store, found, record.key, as_json=as_json)


@contacts.command(
    "accept-key",
    epilog=_epilog(
        """
  A changed key is a new device, or somebody in the middle: the program cannot
  tell. Ask the person over a channel that you trust, not in the call that
  warned you. An accepted key is not verified; compare in the next call. The
  old key stays good: if that device is lost, revoke it or use --revoke-old.
""",
        """
  e2ecall contacts accept-key Bob
  e2ecall contacts accept-key Bob --key 1f2e3d4c --revoke-old
""",
    ),
)
@click.argument("contact")
@_KEY
@click.option("--revoke-old", is_flag=True, help="Revoke every other key of the contact: the old device is gone.")
@_YES
@HOME
@_JSON
def accept_key(contact: str, key: str | None, home: Path | None, *, revoke_old: bool, yes: bool, as_json: bool) -> None:
    """Take a contact's changed key, after seeing what changed."""
    store, found = _open(home, contact)
    record = _choose(found, key, (Trust.CHANGED,), "a changed key")
    if record.trust is Trust.REVOKED:
        _refuse(found, record)
    if record.trust is not Trust.CHANGED:
        raise click.UsageError(f"this key of {found.name} is {record.trust}, not changed")
    old = [each for each in found.keys if each.held and each.key != record.key and each.trust is not Trust.REVOKED]
    for each in old:
        _tell(f"old key, {_state(each)}:\n{_groups(each.key)}")
    _tell(f"{'new key' if old else 'key'}, first met {date(record.first_at)}:\n{_groups(record.key)}")
    _tell(f"What happened: {_words(record)}")
    if old:
        _tell("The old keys are revoked with it." if revoke_old else "The old keys stay good.")
    _confirm(f"Is this {found.name}'s key, and do you take it?", yes=yes)
    with store.transaction() as book:
        _same(book, found, record)
        book.accept_key(book.slot(found.id), record.key, now=time.time())
        for each in old if revoke_old else ():
            book.revoke(book.slot(found.id), each.key, now=time.time())
    _done(store, found, record.key, as_json=as_json)


@contacts.command(
    epilog=_epilog(
        """
  A revoked key is blocked on this device from now on, and nothing undoes it.
  Other devices of yours, and other people, are not told. Calls that are going
  on are not ended.
""",
        """
  e2ecall contacts revoke Bob --key 1f2e3d4c
""",
    )
)
@click.argument("contact")
@_KEY
@_YES
@HOME
@_JSON
def revoke(contact: str, key: str | None, home: Path | None, *, yes: bool, as_json: bool) -> None:
    """Block a contact's key for good: a lost or stolen device."""
    store, found = _open(home, contact)
    good = tuple(each for each in Trust if each is not Trust.REVOKED)
    record = _choose(found, key, good, "a key that is not revoked")
    _tell(f"{found.name}'s key, {_state(record)}:\n{_groups(record.key)}")
    _confirm("Revoke it? Nothing undoes that.", yes=yes)
    with store.transaction() as book:
        book.revoke(book.slot(found.id), record.key, now=time.time())
    _done(store, found, record.key, as_json=as_json)


def _open(home: Path | None, text: str) -> tuple[ContactStore, Contact]:
    found = _find(_read(home), text)  # before anybody is asked for a passphrase
    return open_contacts(home_of(home)), found


def _read(home: Path | None) -> Contacts:
    place = home_of(home)
    if not place.has_contacts():
        return Contacts()
    return ContactStore(Database(place.contacts, create=False)).read()


def _find(book: Contacts, text: str) -> Contact:
    if not book.all:
        raise Misused("there are no contacts yet", "calls add them; --home names the folder of another device")
    try:
        return book.find(text)
    except ApiMisuse as error:
        raise Misused(error.message, "e2ecall contacts list") from None


def _choose(contact: Contact, digits: str | None, wanted: Sequence[Trust], what: str) -> KeyRecord:
    """The key that begins with these digits; without them, the only one in a wanted state, or the only one at all."""
    if digits is not None:
        digits = digits.replace(" ", "").lower()
        if len(digits) < _KEY_DIGITS:
            raise click.UsageError(f"name a key by {_KEY_DIGITS} digits or more")
        found = [each for each in contact.keys if each.key.hex().startswith(digits)]
        if len(found) != 1:
            raise click.UsageError(f"{contact.name} has {'no' if not found else 'more than one'} key {digits}")
        return found[0]
    found = [each for each in contact.keys if each.trust in wanted] or list(contact.keys)
    if len(found) != 1:
        listed = "".join(f"\n  {each.key.hex()[:_KEY_DIGITS]}  {each.trust}" for each in found)
        raise click.UsageError(f"{contact.name} has not one but {len(found)} keys; name {what} with --key:{listed}")
    return found[0]


def _refuse(contact: Contact, record: KeyRecord) -> NoReturn:
    hint = "a new device has a new key: call again, and compare"
    if record.trust is Trust.CHANGED:
        hint = f"e2ecall contacts accept-key {contact.id[:_KEY_DIGITS]} --key {record.key.hex()[:_KEY_DIGITS]}"
    raise VerificationFailed(_words(record), who=contact.name, clause="identity.3-9", hint=hint)


def _same(book: Contacts, contact: Contact, record: KeyRecord) -> None:
    """What the person said yes to is what is there now: a call may have come in between."""
    now = book.all[contact.id].record(record.key)
    if now is None or (now.trust, now.why) != (record.trust, record.why):
        what = "the key changed its state while you were asked; nothing was done"
        raise VerificationFailed(what, who=contact.name, hint=f"e2ecall contacts show {contact.id[:_KEY_DIGITS]}")


def _confirm(question: str, *, yes: bool) -> None:
    if yes:
        return
    if not on_terminal():
        raise click.UsageError("without a terminal this needs --yes")
    click.confirm(question, abort=True, err=True)


def _done(store: ContactStore, contact: Contact, key: bytes, *, as_json: bool) -> None:
    after = store.read().all[contact.id]
    if as_json:
        say(json.dumps(_as_json(after), ensure_ascii=True))
        return
    record = after.record(key)
    if record is not None:
        say(f"{after.name}'s key {key.hex()[:_KEY_DIGITS]} is now {_state(record)}")


def _as_json(contact: Contact) -> dict[str, object]:
    return {
        "id": contact.id,
        "name": contact.name,
        "added_at": contact.added_at,
        "post_quantum": contact.post_quantum,
        "mismatches": len(contact.mismatches),
        "keys": [
            {
                "key": each.key.hex(),
                "trust": each.trust,
                "why": each.why,
                "by_link": each.by_link,
                "method": each.method,
                "first_at": each.first_at,
                "last_at": each.last_at,
                "verified_at": each.verified_at,
                "introduced_by": None if each.introduced_by is None else each.introduced_by.hex(),
            }
            for each in contact.keys
        ],
    }


def _summary(contact: Contact) -> str:
    """The states of its keys; the loud ones first."""
    order = (Trust.CHANGED, Trust.VERIFIED, Trust.SEEN, Trust.REVOKED)
    counted = [(sum(each.trust is trust for each in contact.keys), trust) for trust in order]
    texts = [f"{count} {trust.upper() if trust is Trust.CHANGED else trust}" for count, trust in counted if count]
    return ", ".join(texts) or "no key yet"


def _show_key(contact: Contact, record: KeyRecord) -> None:
    say(f"key {_state(record)}")
    say(_groups(record.key))
    say(f"  first {date(record.first_at)}, last {date(record.last_at)}")
    if record.introduced_by is not None:
        say(f"  introduced by {record.introduced_by.hex()[:_KEY_DIGITS]}")
    if record.trust in (Trust.CHANGED, Trust.REVOKED):
        say(f"  {_words(record)}")


def _state(record: KeyRecord) -> str:
    if record.trust is Trust.VERIFIED and record.verified_at is not None:
        return f"verified by {record.method} on {date(record.verified_at)}"
    if record.trust is Trust.SEEN:
        return "seen by link, never compared" if record.by_link else "seen, never compared"
    return record.trust.upper()


def _words(record: KeyRecord) -> str:
    """identity.3-10: the words that a call has for it, too."""
    sign = SIGNS[Shown.REVOKED if record.trust is Trust.REVOKED else Shown.CHANGED]
    sentence = sign.sentence if record.why is None else CHANGES.get(record.why, sign.sentence)
    return ": ".join(each.say("en") for each in (sign.word, sentence))


def _groups(key: bytes) -> str:
    return "\n".join(f" {line}" for line in groups(key))


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _tell(text: str) -> None:
    """To the person, beside what a program reads."""
    say(text, err=True)

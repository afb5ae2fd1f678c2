"""What a check of the ledger says, in words and as JSON, and how an entry is shown."""

import json

import pytest

from e2ecall.audit.ledger import CANNOT_FIND, HEADINGS, LOOKED_AT, as_object, examine, plain, row
from e2ecall.crypto.sign import Signer
from e2ecall.errors import MalformedMessage, StoreCorrupt
from e2ecall.identity.continuity import Method, Trust
from e2ecall.identity.ledger import EMPTY, SignedEntry, next_entry, read_entry
from e2ecall.identity.ledger_fact import Act, Fact
from e2ecall.secret import SecretBytes
from e2ecall.store.database import Database
from e2ecall.store.ledger import LedgerStore

OWNER = Signer(SecretBytes(b"\x01" * 32))
NOW = 1_800_000_000.0
FACT = Fact(Act.VERIFIED, b"\x11" * 32, Trust.VERIFIED, contact="ab", name="Zoë", method=Method.EMOJI, shown="🐶 🚀")


@pytest.fixture
def store(tmp_path):
    return LedgerStore(Database(tmp_path / "contacts.db"), tmp_path / "ledger.head")


@pytest.mark.clause("identity.6-11")
def test_a_report_says_what_was_looked_at_and_what_no_check_can_find(store):
    store.append(FACT, OWNER, NOW)
    report = examine(store, OWNER.public, NOW)
    lines = report.lines()
    assert lines[0] == "ledger: nothing found"
    assert [each.strip() for each in lines[-len(CANNOT_FIND) :]] == list(CANNOT_FIND)
    assert all(f"  {each}" in lines for each in LOOKED_AT)
    for word in ("backup", "stolen key", "never written", "clock"):
        assert any(word in each for each in CANNOT_FIND), word
    said = json.loads(json.dumps(report.as_json()))
    assert said["schema"] == "e2ecall/ledger-check/1"
    assert (said["ok"], said["length"], said["not_yet_in_the_head"], said["fault"]) == (True, 1, 0, None)
    assert said["hash"] == report.checked.tip.hash.hex()
    assert said["cannot_find"] == list(CANNOT_FIND)
    assert said["notes"] == []


@pytest.mark.clause("identity.6-11")
def test_a_report_names_the_first_bad_entry(store, tmp_path):
    for number in range(3):
        store.append(FACT, OWNER, NOW + number)
    database = Database(tmp_path / "contacts.db")
    with database.transaction() as connection:
        connection.execute("DELETE FROM ledger WHERE number = 1")
    report = examine(store, OWNER.public, NOW)
    assert report.lines()[:2] == ["ledger: TAMPERED", "  first bad entry: 1"]
    said = report.as_json()
    assert (said["ok"], said["fault"], said["entry"], said["length"]) == (False, "number", 1, None)
    assert "entry 1" in said["detail"]
    assert [each.strip() for each in report.lines()[-len(CANNOT_FIND) :]] == list(CANNOT_FIND)


@pytest.mark.clause("identity.6-11")
def test_notes_are_no_faults(store, tmp_path):
    assert "cannot tell which" in examine(store, OWNER.public, NOW).notes[0]
    store.append(FACT, OWNER, NOW)
    head = (tmp_path / "ledger.head").read_bytes()
    store.append(FACT, OWNER, NOW - 60)
    (tmp_path / "ledger.head").write_bytes(head)
    report = examine(store, OWNER.public, NOW - 30)
    assert report.broken is None
    assert [note.split(":")[0] for note in report.notes] == [
        "entry 1 is not yet in the head",
        "the clock went back before entry 1",
        "entry 0 is from the future",
    ]


def test_a_damaged_file_is_no_report(store, tmp_path):
    (tmp_path / "contacts.db").write_bytes(b"")
    with pytest.raises(StoreCorrupt):
        examine(store, OWNER.public, NOW)


@pytest.mark.clause("identity.6-6")
def test_texts_are_shown_without_what_rewrites_their_surroundings():
    assert plain(" a\x1b[31mb\u202ec\n\u200b\x7f ") == "a[31mbc"
    assert plain("Zoë 🐈") == "Zoë 🐈"
    fact = Fact(Act.MISMATCH, b"\x11" * 32, Trust.CHANGED, contact="ab", name="\x1b]0;Bob\x07", method=Method.DIGITS,
                th2=b"\0" * 32, suite=1, shown="[red]1\r2[/red]")  # fmt: skip
    signed, _ = next_entry(fact, EMPTY, OWNER, NOW)
    cells = row(read_entry(signed.text))
    assert cells == ("0", "2027-01-15 08:00:00", "MISMATCH", "]0;Bob", "digits", "[red]12[/red]", "changed")
    assert len(cells) == len(HEADINGS)


@pytest.mark.parametrize("name", [None, "", "\u202e"])
def test_a_key_without_a_name_is_shown_as_one(name):
    fact = Fact(Act.CALL, b"\x11" * 32, Trust.UNKNOWN, contact="ab", name=name, th2=b"\0" * 32, suite=1)
    signed, _ = next_entry(fact, EMPTY, OWNER, NOW)
    assert row(read_entry(signed.text))[3] == f"key {'11' * 8}"


def test_a_time_that_no_calendar_has(store):
    signed, _ = next_entry(FACT, EMPTY, OWNER, 2.0**43 - 1)
    assert row(read_entry(signed.text))[1] == f"{(2**43 - 1) * 1000} ms"


def test_every_act_has_words():
    outcomes = {
        Act.VERIFIED: Trust.VERIFIED,
        Act.REVOKED: Trust.REVOKED,
        Act.SEEN: Trust.SEEN,
        Act.ACCEPTED: Trust.SEEN,
    }
    shown = set()
    for act in Act:
        outcome = outcomes.get(act, Trust.CHANGED)
        fact = Fact(act, b"\x11" * 32, outcome, method=Method.EMOJI, th2=b"\0" * 32, suite=1)
        shown.add(row(read_entry(next_entry(fact, EMPTY, OWNER, NOW)[0].text))[2])
    assert len(shown) == len(Act)


def test_an_entry_as_an_object():
    signed, tip = next_entry(FACT, EMPTY, OWNER, NOW)
    said = as_object(signed)
    assert (said["act"], said["name"], said["hash"]) == ("verified", "Zoë", tip.hash.hex())
    assert said["signature"] == signed.signature.hex()
    with pytest.raises(MalformedMessage):
        as_object(SignedEntry(b"{}", b""))

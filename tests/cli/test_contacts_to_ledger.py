"""`e2ecall contacts` and `e2ecall ledger` on one home: what a person does with contacts is in the signed ledger."""

import json
import subprocess
import sys

import pytest

from e2ecall.cli.identity import own_device
from e2ecall.crypto.rng import SystemRng
from e2ecall.errors import OutputFailed
from e2ecall.identity.continuity import Method, Mode
from e2ecall.store.contacts import ContactStore
from e2ecall.store.database import Database
from e2ecall.store.ledger import LedgerStore
from e2ecall.store.trust import LedgerRecorder

BOBS, CAROLS, DAVES, OTHER = (bytes([each]) * 32 for each in (0x11, 0x22, 0x33, 0x44))
RNG = SystemRng()


@pytest.fixture
def met(home, told):
    """Bob, seen by link; Carol, verified; Dave, whose key changed: five entries."""
    assert told("identity", "new", "--no-passphrase")[0] == 0
    return meet(home)


def meet(home):
    database = Database(home.contacts)
    recorder = LedgerRecorder(LedgerStore(database, home.ledger_head), own_device(home).signer)
    calls = {"post_quantum": True, "mode": Mode.ACCEPT_NEW, "now": 5, "rng": RNG}
    with ContactStore(database, recorder).transaction() as book:
        bob, carol, dave = (book.slot(book.add(name, now=1, rng=RNG).id) for name in ("Bob", "Carol", "Dave"))
        book.met(bob, BOBS, by_link=True, **calls)
        book.met(carol, CAROLS, **calls)
        book.verified(carol, CAROLS, method=Method.EMOJI, call=b"c" * 16, post_quantum=True, now=6)
        book.met(dave, DAVES, **calls)
        book.met(dave, OTHER, **calls)


def entries(told):
    status, out, _ = told("ledger", "show", "--json")
    assert status == 0
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.clause("identity.7-2")
def test_every_act_on_contacts_is_an_entry_that_holds(met, told):
    assert told("contacts", "verify", "Bob", "--method", "statement", "--yes")[0] == 0
    assert told("contacts", "accept-key", "Dave", "--revoke-old", "--yes")[0] == 0
    assert told("contacts", "revoke", "Carol", "--yes", "--json")[0] == 0
    found = [(each["act"], each["name"], each["peer"], each["outcome"], each["method"]) for each in entries(told)]
    assert found[5:] == [
        ("verified", "Bob", BOBS.hex(), "verified", "statement"),
        ("accepted", "Dave", OTHER.hex(), "seen", None),
        ("revoked", "Dave", DAVES.hex(), "revoked", None),
        ("revoked", "Carol", CAROLS.hex(), "revoked", None),
    ]
    status, out, _ = told("ledger", "show", "--limit", "1")
    assert (status, out.splitlines()[-1].split("  ")[2:]) == (0, ["revoked", "Carol", "revoked"])
    status, out, _ = told("ledger", "check")
    assert (status, out.splitlines()[:2]) == (0, ["ledger: nothing found", "  entries: 9"])


@pytest.mark.clause("identity.7-2")
def test_the_commands_of_contacts_alone_write_the_ledger_too(met, told):
    code = "from e2ecall.cli.contacts import contacts; contacts(['verify', 'Bob', '--yes'])"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)
    assert [each["act"] for each in entries(told)][5:] == ["verified"]
    assert told("ledger", "check")[0] == 0


@pytest.mark.clause("identity.7-2")
def test_what_the_ledger_cannot_take_does_not_happen(met, told, monkeypatch):
    def full(*_):
        raise OutputFailed("no space", hint="make some")

    monkeypatch.setattr(LedgerRecorder, "record", full)
    status, out, err = told("contacts", "revoke", "Bob", "--yes")
    assert (status, out) == (1, "")
    assert err.endswith("error: no space\nhint: make some\n")
    assert json.loads(told("contacts", "show", "Bob", "--json")[1])["keys"][0]["trust"] == "seen"


@pytest.mark.clause("identity.7-2")
@pytest.mark.parametrize(
    ("act", "status"),
    [
        (("verify", "Dave", "--key", "44444444", "--yes"), 4),
        (("verify", "Carol", "--method", "link", "--yes"), 2),
        (("accept-key", "Bob", "--yes"), 2),
        (("accept-key", "Dave", "--key", "99999999", "--yes"), 2),
        (("revoke", "Bob"), 2),
        (("revoke", "Nobody", "--yes"), 2),
    ],
)
def test_what_is_refused_leaves_no_entry_and_nothing_that_is_not_json(met, told, act, status):
    said = told("contacts", *act, "--json")
    assert said[:2] == (status, "")
    assert said[2].splitlines()[-2].startswith("error: ")
    assert len(entries(told)) == 5


@pytest.mark.clause("identity.6-10")
@pytest.mark.clause("identity.7-2")
def test_a_ledger_that_was_cut_holds_the_acts_back(met, home, told):
    with Database(home.contacts).transaction() as connection:
        connection.execute("DELETE FROM ledger WHERE number = 4")
    status, out, err = told("contacts", "verify", "Bob", "--method", "statement", "--yes", "--json")
    assert (status, out) == (4, "")
    assert "it is gone, and the head counts 5 entries" in err
    bob = json.loads(told("contacts", "show", "Bob", "--json")[1])
    assert bob["keys"][0]["trust"] == "seen"
    status, out, _ = told("ledger", "check", "--json")
    assert (status, json.loads(out)["fault"]) == (4, "truncated")


@pytest.mark.clause("identity.2-12")
def test_an_encrypted_identity_signs_with_its_passphrase_only(home, told, tmp_path, monkeypatch):
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("a long one\n")
    passphrase.chmod(0o600)
    monkeypatch.setenv("E2ECALL_PASSPHRASE_FILE", str(passphrase))
    assert told("identity", "new")[0] == 0
    meet(home)
    act = "contacts", "revoke", "Bob", "--yes"
    monkeypatch.delenv("E2ECALL_PASSPHRASE_FILE")
    status, out, err = told(*act)
    assert (status, out) == (1, "")
    assert "is encrypted, and no passphrase is at hand" in err
    assert told("contacts", "revoke", "Nobody", "--yes")[0] == 2, "no passphrase is asked for before that is known"
    assert len(entries(told)) == 5
    monkeypatch.setenv("E2ECALL_PASSPHRASE_FILE", str(passphrase))
    assert told(*act)[0] == 0
    assert [each["act"] for each in entries(told)][5:] == ["revoked"]
    assert told("ledger", "check")[0] == 0

"""`e2ecall contacts`: what is shown, what is asked, what is refused, and the exit statuses."""

import json
import sys

import pytest

from e2ecall.call.shown import CHANGES, SIGNS, Shown
from e2ecall.cli import contacts as module
from e2ecall.cli.contacts import contacts
from e2ecall.cli.main import cli, run
from e2ecall.cli.telling import date
from e2ecall.crypto.rng import SystemRng
from e2ecall.identity.continuity import Method, Mode, Trust
from e2ecall.store.contacts import ContactStore
from e2ecall.store.database import Database
from e2ecall.store.home import Home

K1, K2, K3, K4 = (bytes([each]) * 32 for each in (0x11, 0x22, 0x33, 0x44))
RNG = SystemRng()


@pytest.fixture(autouse=True)
def world(tmp_path, monkeypatch):
    monkeypatch.setenv("E2ECALL_HOME", str(tmp_path / "home"))
    monkeypatch.setitem(cli.commands, "contacts", contacts)
    monkeypatch.setattr(module, "on_terminal", lambda: False)
    monkeypatch.delenv("E2ECALL_PASSPHRASE_FILE", raising=False)


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home")
    home.prepare()
    return home


@pytest.fixture
def store(home):
    """The contacts of a device that has an identity: what is done with them is signed."""
    assert run(["identity", "new", "--no-passphrase"]) == 0
    return ContactStore(Database(home.contacts))


@pytest.fixture
def bob(store):
    """Bob with a key that was seen by link."""
    with store.transaction() as book:
        contact = book.add("Bob", now=0, rng=RNG)
        call(book, K1, by_link=True)
    return contact.id


@pytest.fixture
def told(capfd):
    def told(*arguments):
        capfd.readouterr()  # of the fixtures
        status = run(["contacts", *arguments])
        output = capfd.readouterr()
        return status, output.out, output.err

    return told


@pytest.fixture
def answer(monkeypatch):
    """A person on a terminal who answers every question so; what was asked."""
    asked = []

    def answer(said):
        def confirm(question, *, abort, err):
            asked.append(question)
            assert err
            if not said:
                raise module.click.Abort
            return True

        monkeypatch.setattr(module, "on_terminal", lambda: True)
        monkeypatch.setattr(module.click, "confirm", confirm)
        return asked

    return answer


def call(book, key, name="Bob", *, by_link=False, post_quantum=True):
    slot = book.slot(book.find(name).id)
    return book.met(slot, key, post_quantum=post_quantum, mode=Mode.ASK, now=86400, rng=RNG, by_link=by_link)


def met(store, key, name="Bob", **more):
    with store.transaction() as book:
        return call(book, key, name, **more)


def trust(store, key, name="Bob"):
    return store.read().find(name).record(key).trust


# -- list and show ----------------------------------------------------------------------------------------------------


def test_no_contacts_make_no_file(home, told):
    assert told("list") == (0, "no contacts yet\n", "")
    assert told("list", "--json") == (0, '{"contacts": []}\n', "")
    for command in (["show"], ["verify"], ["accept-key", "--yes"], ["revoke", "--yes"]):
        assert told(*command, "Bob") == (
            2,
            "",
            "error: there are no contacts yet\nhint: calls add them; --home names the folder of another device\n",
        )
    assert list(home.folder.iterdir()) == []


def test_the_list_says_the_loud_things_first(store, bob, told):
    met(store, K2)
    with store.transaction() as book:
        book.mismatch(book.slot(bob), K2, method=Method.EMOJI, call=b"c" * 16, now=1)
        book.add("Zoë", now=2, rng=RNG)
    status, out, err = told("list")
    assert (status, err) == (0, "")
    assert out.splitlines()[0] == f"Bob  ({bob[:8]}): 1 CHANGED, 1 seen, once compared and different"
    assert out.splitlines()[1].endswith(": no key yet")
    status, out, _ = told("list", "--json")
    names = [each["name"] for each in json.loads(out)["contacts"]]
    assert names == ["Bob", "Zoë"]


@pytest.mark.clause("identity.3-10")
def test_show_says_what_happened_to_each_key(store, bob, told):
    met(store, K2)
    with store.transaction() as book:
        book.verified(book.slot(bob), K3, method=Method.QR, call=b"c" * 16, post_quantum=True, now=172800)
        book.revoke(book.slot(bob), K4, now=3)
    status, out, err = told("show", "Bob")
    assert (status, err) == (0, "")
    assert f"Bob  ({bob})\nadded 1970-01-01 00:00 UTC; met with post-quantum protection\n" in out
    assert "key seen by link, never compared\n 1111 1111 " in out
    assert "key CHANGED\n 2222 2222 " in out
    assert "  WARNING, another key: This is not the device of your contact. It may be a new phone" in out
    assert "key verified by qr on 1970-01-03 00:00 UTC\n 3333" in out
    assert "key REVOKED\n" in out
    assert "  REVOKED, refused: You took your trust away from this device" in out
    told_json = json.loads(told("show", bob[:8], "--json")[1])
    assert {each["key"]: each["trust"] for each in told_json["keys"]} == {
        K1.hex(): "seen",
        K2.hex(): "changed",
        K3.hex(): "verified",
        K4.hex(): "revoked",
    }
    assert [each["key"] for each in told_json["keys"] if each["by_link"]] == [K1.hex()]
    assert (told_json["id"], told_json["post_quantum"], told_json["mismatches"]) == (bob, True, 0)


@pytest.mark.clause("identity.3-10")
@pytest.mark.parametrize("lang", ["en", "fr"])
def test_only_what_changed_warns_and_no_words_stand_for_two_states(lang):
    signs = {each: SIGNS[each].say(lang) for each in Shown}
    changes = {why: CHANGES[why].say(lang) for why in CHANGES}
    parts = [SIGNS[each].word.say(lang) for each in Shown] + [SIGNS[each].sentence.say(lang) for each in Shown]
    assert len(set(parts) | set(changes.values())) == 2 * len(Shown) + len(CHANGES)
    warning = {"en": "WARNING", "fr": "ATTENTION"}[lang]
    assert [each for each, text in signs.items() if warning in text] == [Shown.CHANGED]


def test_home_is_an_option_too(store, bob, told, tmp_path, monkeypatch):
    monkeypatch.setenv("E2ECALL_HOME", str(tmp_path / "nobody"))
    assert told("list")[1] == "no contacts yet\n"
    assert "1 seen" in told("list", "--home", str(tmp_path / "home"))[1]


def test_names_come_out_in_any_locale(store, told, monkeypatch):
    with store.transaction() as book:
        book.add("Zoë", now=2, rng=RNG)
    monkeypatch.setattr(sys.stdout, "reconfigure", None, raising=False)
    monkeypatch.setattr(type(sys.stdout), "encoding", "ascii", raising=False)
    status, out, _ = told("list")
    assert status == 0
    assert out.startswith("Zo\\xeb")


# -- verify -----------------------------------------------------------------------------------------------------------


@pytest.mark.clause("identity.3-7", "identity.3-11")
@pytest.mark.parametrize("method", ["statement", "link"])
def test_verify_is_the_persons_word(store, bob, told, method):
    status, out, err = told("verify", "Bob", "--method", method, "--yes")
    assert status == 0
    assert out.startswith(f"Bob's key 11111111 is now verified by {method} on ")
    assert err == "Bob's key:\n" + (" 1111" * 8 + "\n") * 2
    assert trust(store, K1) is Trust.VERIFIED
    status, out, _ = told("verify", "Bob", "--method", method, "--yes", "--json")
    assert (status, json.loads(out)["keys"][0]["method"]) == (0, method)


@pytest.mark.clause("identity.3-11")
def test_verify_asks_and_takes_no_for_an_answer(store, bob, told, answer):
    asked = answer(False)
    status, out, _ = told("verify", "Bob")
    assert (status, out) == (130, "")
    assert asked == ["Did you compare this key with Bob, and was it the same?"]
    assert trust(store, K1) is Trust.SEEN
    answer(True)
    assert told("verify", "Bob")[0] == 0
    assert trust(store, K1) is Trust.VERIFIED
    assert store.read().find("Bob").record(K1).method is Method.STATEMENT


@pytest.mark.clause("identity.3-7")
def test_for_a_link_the_question_is_another(store, bob, told, answer):
    asked = answer(False)
    assert told("verify", "Bob", "--method", "link")[0] == 130
    assert asked == ["Did the link of Bob reach you over a channel that nobody else could read?"]


@pytest.mark.clause("identity.3-7")
@pytest.mark.parametrize("method", ["emoji", "digits", "words", "qr"])
def test_what_a_call_compares_is_not_stated(store, bob, told, method):
    status, out, err = told("verify", "Bob", "--method", method, "--yes")
    assert (status, out) == (2, "")
    assert f"'{method}' is not one of 'statement', 'link'" in err
    assert trust(store, K1) is Trust.SEEN


@pytest.mark.parametrize(
    "arguments",
    [
        ["verify", "Bob", "--method", "picture", "--yes"],
        ["verify", "Bob"],  # no terminal
        ["verify", "Carol", "--yes"],
        ["verify", "Bob", "--key", "1111111", "--yes"],
        ["verify", "Bob", "--key", "22222222", "--yes"],
        ["accept-key", "Bob", "--yes"],
        ["revoke", "Bob"],
        ["revoke"],
    ],
)
def test_usage(store, bob, told, arguments):
    status, out, err = told(*arguments)
    assert (status, out) == (2, "")
    assert err.splitlines()[-1].startswith("hint: ")
    assert trust(store, K1) is Trust.SEEN


def test_who_is_not_a_contact_is_looked_for_in_the_list(store, bob, told):
    for command in ("show", "verify", "accept-key", "revoke"):
        status, out, err = told(command, "Carol")
        assert (status, out) == (2, "")
        assert err == "error: no contact has the name or id 'Carol'\nhint: e2ecall contacts list\n"


def test_a_time_that_no_calendar_has_is_a_number():
    assert date(1e20) == "100000000000000000000 s after 1970"
    assert date(86399.9) == "1970-01-01 23:59 UTC"


@pytest.mark.clause("identity.3-7")
def test_a_link_vouches_only_for_a_key_that_it_brought(store, told):
    with store.transaction() as book:
        slot = book.slot(book.add("Bob", now=0, rng=RNG).id)
        book.seen(slot, K1, post_quantum=True, now=1)
    status, _, err = told("verify", "Bob", "--method", "link", "--yes")
    assert status == 2
    assert "did not come in by a link" in err
    assert trust(store, K1) is Trust.SEEN


@pytest.mark.clause("identity.3-9", "identity.3-4")
@pytest.mark.parametrize("end", ["changed", "revoked"])
def test_a_changed_or_revoked_key_is_not_verified(store, bob, told, end):
    with store.transaction() as book:
        if end == "changed":
            call(book, K1, post_quantum=False)
        else:
            book.revoke(book.slot(bob), K1, now=1)
    status, out, err = told("verify", "Bob", "--yes")
    assert (status, out) == (4, "")
    assert ("WARNING, another key: The encryption is weaker than in earlier calls" in err) is (end == "changed")
    assert ("REVOKED, refused" in err) is (end == "revoked")
    assert ("hint: e2ecall contacts accept-key " in err) is (end == "changed")
    assert trust(store, K1) is Trust(end)


# -- accept-key -------------------------------------------------------------------------------------------------------


@pytest.mark.clause("identity.3-9")
def test_accept_key_shows_old_and_new_and_what_happened(store, bob, told):
    met(store, K2)
    status, out, err = told("accept-key", "Bob", "--yes")
    assert (status, out) == (0, "Bob's key 22222222 is now seen, never compared\n")
    old, new, happened, stay = err.index("old key, "), err.index("new key, "), err.index("What "), err.index("The old")
    assert old < err.index("1111 1111") < new < err.index("2222 2222") < happened < stay
    assert "It may be a new phone, or someone in between." in err
    assert (trust(store, K1), trust(store, K2)) == (Trust.SEEN, Trust.SEEN)


@pytest.mark.clause("identity.3-9")
def test_accept_key_can_revoke_the_old_ones(store, bob, told):
    met(store, K2)
    status, _, err = told("accept-key", "Bob", "--revoke-old", "--yes")
    assert status == 0
    assert "The old keys are revoked with it." in err
    assert (trust(store, K1), trust(store, K2)) == (Trust.REVOKED, Trust.SEEN)


@pytest.mark.clause("identity.3-9")
def test_accept_key_takes_no_for_an_answer(store, bob, told, answer):
    met(store, K2)
    asked = answer(False)
    assert told("accept-key", "Bob")[0] == 130
    assert asked == ["Is this Bob's key, and do you take it?"]
    assert trust(store, K2) is Trust.CHANGED


def test_of_several_changed_keys_one_must_be_named(store, bob, told):
    met(store, K2)
    met(store, K3)
    status, _, err = told("accept-key", "Bob", "--yes")
    assert status == 2
    assert "22222222  changed\n  33333333  changed" in err
    assert told("accept-key", "Bob", "--key", "3333 3333", "--yes")[0] == 0
    assert (trust(store, K2), trust(store, K3)) == (Trust.CHANGED, Trust.SEEN)


@pytest.mark.clause("identity.3-3", "identity.3-4")
def test_neither_a_revoked_key_nor_another_contacts_is_accepted(store, bob, told):
    with store.transaction() as book:
        slot = book.slot(book.add("Carol", now=0, rng=RNG).id)
        book.seen(slot, K2, post_quantum=True, now=1)
        book.revoke(book.slot(bob), K3, now=1)
    met(store, K2)
    status, _, err = told("accept-key", "Bob", "--yes")
    assert status == 4
    assert "this key is the contact Carol's" in err
    assert told("accept-key", "Bob", "--key", "33333333", "--yes")[0] == 4
    assert (trust(store, K2), trust(store, K3)) == (Trust.CHANGED, Trust.REVOKED)


@pytest.mark.clause("identity.3-9")
def test_what_changes_while_the_person_is_asked_is_not_accepted(store, bob, told, monkeypatch):
    met(store, K2)

    def meanwhile(question, *, yes):
        with store.transaction() as book:
            book.mismatch(book.slot(bob), K2, method=Method.QR, call=b"c" * 16, now=5)

    monkeypatch.setattr(module, "_confirm", meanwhile)
    status, _, err = told("accept-key", "Bob")
    assert status == 4
    assert "changed its state while you were asked" in err
    assert trust(store, K2) is Trust.CHANGED


# -- revoke -----------------------------------------------------------------------------------------------------------


@pytest.mark.clause("identity.3-4")
def test_revoke_blocks_for_good(store, bob, told, answer):
    asked = answer(False)
    assert told("revoke", "Bob")[0] == 130
    assert asked == ["Revoke it? Nothing undoes that."]
    assert trust(store, K1) is Trust.SEEN
    status, out, _ = told("revoke", "Bob", "--yes")
    assert (status, out) == (0, "Bob's key 11111111 is now REVOKED\n")
    assert met(store, K1).blocks


# -- errors, help ------------------------------------------------------------------------------------------------------


@pytest.mark.clause("identity.5-4")
def test_a_damaged_store_is_told_and_left(home, told):
    home.contacts.write_bytes(b"not a store")
    for arguments in (["list"], ["show", "Bob"], ["revoke", "Bob", "--yes"]):
        status, _, err = told(*arguments)
        assert status == 1
        assert "is not a store of contacts" in err
        assert "hint: it was left as it is" in err
    assert home.contacts.read_bytes() == b"not a store"


@pytest.mark.parametrize("command", ["list", "show", "verify", "accept-key", "revoke"])
def test_help_ends_with_exit_statuses_security_and_examples(told, command):
    status, out, _ = told(command, "--help")
    assert status == 0
    places = [
        out.index(f"\n  {word}") for word in ("Exit status:", "Security considerations:", "Standards:", "Examples:")
    ]
    assert places == sorted(places)
    assert f"e2ecall contacts {command}" in out[places[-1] :]

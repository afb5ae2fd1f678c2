"""The self-checks about who was there, on what processes could have said."""

import pytest

from e2ecall.call.shown import SIGNS, Shown
from e2ecall.demo.report import held_back
from e2ecall.demo.report_people import people_section
from e2ecall.demo.trust_checks import (
    caught,
    ledgers_whole,
    moved_to_the_data_channel,
    nothing_compared,
    nothing_went_out,
    person_row,
    rekeyed,
    verified,
)

ROWS = [f"row {n}" for n in range(8)]
STOPPED = {Shown.MISMATCH, Shown.CHANGED, Shown.REVOKED}


class Said:
    """A conductor, after the call."""

    def __init__(self, **people):
        self.people = people

    def all_said(self, who, event):
        return [each for each in self.people.get(who, ()) if each["event"] == event]

    def said(self, who, *events):
        return next((each for each in reversed(self.people.get(who, ())) if each["event"] in events), None)


def sign(event, shown, **fields):
    each = SIGNS[shown]
    stopped = shown.value if shown in STOPPED else None
    words = {"symbol": each.symbol, "ascii": each.ascii, "word": each.word.say("en"), "sentence": "…"}
    return {"event": event, "shown": shown.value, "stopped": stopped, **words, **fields}


def life(met, shown=None, *, picked=3, entries=2, rekeys=1, heard="row 3"):
    """What one side tells in a call."""
    told = [sign("met", met, let_in=met is Shown.UNVERIFIED)]
    if shown is not None:
        told += [{"event": "reads", "row": "row 3"}, {"event": "picks", "rows": ROWS, "heard": heard, "picked": picked}]
        told += [sign("compared", shown, odds=["One in many."]), {"event": "receipt", "matched": True}]
    told += [{"event": "rekeyed", "epoch": n + 1} for n in range(rekeys)]
    return [*told, {"event": "kept", "entries": entries, "contacts": 1}]


def people(alice, bob):
    return [person_row(Said(alice=alice, bob=bob), who) for who in ("alice", "bob")]


FIRST = life(Shown.UNVERIFIED, Shown.VERIFIED_NOW)
AGAIN = life(Shown.VERIFIED_BEFORE)
UNHEARD = life(Shown.UNVERIFIED)
WRONG = life(Shown.UNVERIFIED, Shown.MISMATCH, picked=None)
HELD = life(Shown.CHANGED)


def test_a_row_says_what_was_told():
    row = person_row(Said(alice=FIRST), "alice")
    assert (row.met, row.shown, row.stopped, row.compared, row.let_in) == (
        "unverified",
        "verified-now",
        None,
        True,
        True,
    )
    assert (row.read, row.heard, row.picked, row.rows) == ("row 3", "row 3", 3, ROWS)
    assert (row.receipt, row.odds, row.ledger_entries, row.contacts, row.epochs) == (True, ["One in many."], 2, 1, 2)
    assert person_row(Said(alice=FIRST), "bob") is None


def test_who_was_killed_in_the_middle_has_a_row_all_the_same():
    row = person_row(Said(bob=UNHEARD[:1]), "bob")
    assert (row.ledger_entries, row.receipt, row.compared, row.epochs) == (None, None, False, 1)


@pytest.mark.parametrize(
    ("alice", "bob", "good"),
    [
        (FIRST, FIRST, True),
        (AGAIN, AGAIN, True),
        (FIRST, AGAIN, True),  # one of the two has lost its memory
        (FIRST, UNHEARD, False),
        (WRONG, FIRST, False),
        (HELD, FIRST, False),
    ],
)
def test_verified_takes_both(alice, bob, good):
    assert verified(people(alice, bob)).ok is good
    assert not verified(people(alice, bob)[:1]).ok
    assert not verified([]).ok


@pytest.mark.parametrize(
    ("alice", "bob", "good"),
    [
        (WRONG, WRONG, True),
        (HELD, UNHEARD, True),
        (HELD, HELD, True),
        (WRONG, UNHEARD, False),
        (FIRST, FIRST, False),
        (UNHEARD, UNHEARD, False),
        (FIRST, WRONG, False),
    ],
)
def test_somebody_in_the_middle_is_caught(alice, bob, good):
    assert caught(people(alice, bob)).ok is good
    assert not caught([]).ok


def test_held_back_is_only_what_nobody_had_to_compare():
    assert held_back(people(HELD, UNHEARD))
    assert not held_back(people(WRONG, WRONG))
    assert not held_back(people(FIRST, FIRST))


def test_where_nothing_is_heard_nothing_is_compared():
    assert nothing_compared(people(UNHEARD, UNHEARD)).ok
    assert not nothing_compared(people(FIRST, UNHEARD)).ok
    assert not nothing_compared(people(UNHEARD, AGAIN)).ok
    assert not nothing_compared(people(WRONG, WRONG)).ok
    assert not nothing_compared([]).ok


def test_a_held_key_gets_nothing():
    assert nothing_went_out({"bob audio": 9}, 0).ok
    assert not nothing_went_out({"bob audio": 9, "alice video": 1}, 0).ok
    assert not nothing_went_out({}, 1).ok


def test_both_ledgers_have_something_and_are_whole():
    assert ledgers_whole(people(FIRST, FIRST)).ok
    assert not ledgers_whole(people(FIRST, life(Shown.UNVERIFIED, entries=0))).ok
    assert not ledgers_whole(people(FIRST, FIRST[:-1])).ok  # it did not come to the check
    assert not ledgers_whole(people(FIRST, FIRST)[:1]).ok


def test_rekeyed_takes_both_sides_and_every_stream():
    new = {"alice": [17, 49], "bob": [1, 33]}
    assert rekeyed(people(FIRST, FIRST), new).ok
    assert not rekeyed(people(FIRST, FIRST), new | {"bob": [1, 32]}).ok
    assert not rekeyed(people(FIRST, FIRST), new | {"bob": []}).ok
    assert not rekeyed(people(FIRST, FIRST), {"alice": [16, 48], "bob": [0, 32]}).ok
    never = life(Shown.UNVERIFIED, rekeys=0)
    assert not rekeyed(people(FIRST, never), new).ok
    assert not rekeyed(people(never, never), {"alice": [16, 48], "bob": [0, 32]}).ok
    assert not rekeyed([], {}).ok


def test_the_data_channel_takes_both():
    way = {"event": "moved", "to": "data channel"}
    assert moved_to_the_data_channel(Said(alice=[way], bob=[way, {"event": "moved", "to": "relay"}])).ok
    assert not moved_to_the_data_channel(Said(alice=[way], bob=[])).ok
    assert not moved_to_the_data_channel(Said(alice=[way], bob=[{"event": "moved", "to": "relay"}])).ok


def test_the_page_shows_the_eight_rows_and_marks_the_one_that_was_picked():
    text = people_section(people(FIRST, WRONG))
    assert text.count("<li class=picked>") == 1
    assert "<li class=picked>row 3</li>" in text
    assert '<li class="picked">none of these</li>' in text
    assert "picks number 4 of the 8 rows" in text
    assert "bad-note" in text
    assert "good-note" in text
    assert people_section([]) == ""


def test_the_page_of_two_who_know_each_other_and_of_one_who_is_held():
    again, held = people_section(people(AGAIN, AGAIN)), people_section(people(HELD, UNHEARD))
    assert "Nothing is asked" in again
    assert '<ol class="rows">' not in again
    assert "media are held before one frame is sealed" in held
    unheard = people_section(people(WRONG, life(Shown.UNVERIFIED, Shown.MISMATCH, picked=None, heard=None)))
    assert "Hears that the other side sees something else" in unheard


def test_the_page_escapes_what_was_heard():
    heard = people_section(people(life(Shown.UNVERIFIED, Shown.MISMATCH, picked=None, heard="<script>"), FIRST))
    assert "<script>" not in heard
    assert "&lt;script&gt;" in heard

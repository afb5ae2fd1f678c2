"""What the screens make of the happenings about who is there."""

import io

import pytest
from rich.console import Console

from e2ecall.call.shown import SIGNS, Shown
from e2ecall.demo.screen import LiveScreen
from e2ecall.demo.settings import Settings
from e2ecall.demo.state import CallState, describe


def sign(event, shown, stopped=None):
    each = SIGNS[shown]
    told = {"symbol": each.symbol, "ascii": each.ascii, "word": each.word.say("en"), "sentence": "A sentence."}
    return {"event": event, "who": "bob", "stopped": stopped, **told}


READS = {"event": "reads", "who": "bob", "row": "🐶 dog · 🍎 apple", "names": ["dog", "apple"]}
PICKS = {"event": "picks", "who": "bob", "rows": ["a"] * 8, "heard": "a", "picked": 2}
UNREADABLE = {
    "event": "unreadable",
    "who": "bob",
    "kind": "video",
    "cause": "the call was stopped",
    "reason": "stopped",
}
HALTED = {"event": "halted", "who": "bob", "reason": "they differ"}
REKEYED = {"event": "rekeyed", "who": "bob", "epoch": 1}


@pytest.mark.parametrize(
    ("happening", "line"),
    [
        (sign("met", Shown.UNVERIFIED), "Bob: not checked yet. A sentence."),
        (sign("compared", Shown.MISMATCH, "mismatch"), "Bob: DIFFERENT, stopped. A sentence."),
        (READS, "Bob reads aloud: dog, apple"),
        (READS | {"row": None}, None),
        (PICKS, "Bob hears it and picks number 3 of 8 rows"),
        (PICKS | {"picked": None}, "Bob hears it and picks none of 8 rows"),
        (REKEYED, "Bob: new keys, epoch 1"),
        (HALTED, "Bob: stopped the call: they differ"),
        ({"event": "moved", "who": "bob", "to": "data channel"}, "Bob: the call's own messages go by data channel now"),
        ({"event": "kept", "who": "bob"}, None),
    ],
)
def test_a_line(happening, line):
    assert describe(happening) == line


def bob_after(*happenings):
    state = CallState(Settings(out=""))
    for happening in happenings:
        state.take(happening)
    return state.people["bob"]


def test_who_reads_is_seen_reading_until_it_is_compared():
    assert bob_after(READS).state == "reads its emoji aloud"
    bob = bob_after(READS, PICKS, REKEYED, sign("compared", Shown.VERIFIED_NOW))
    assert (bob.state, bob.word, bob.stopped, bob.epoch) == ("in the call", "verified just now", False, 1)
    assert bob_after(sign("met", Shown.UNVERIFIED)).state == "not started"


def test_why_a_call_was_stopped_is_not_written_over():
    bob = bob_after(READS | {"row": None}, sign("compared", Shown.MISMATCH, "mismatch"), HALTED, UNREADABLE)
    assert (bob.state, bob.trouble, bob.stopped) == ("stopped the call", "they differ", True)
    assert bob_after(UNREADABLE).trouble == "video: the call was stopped"


@pytest.mark.parametrize(("locale", "shows"), [("C.UTF-8", "✖ DIFFERENT"), ("C", "[XX] DIFFERENT")])
def test_the_sign_is_shown_in_what_the_terminal_can(monkeypatch, locale, shows):
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.setenv(name, locale)
    file = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    screen = LiveScreen(Settings(out=""), Console(file=file, width=120))
    screen.tell(sign("compared", Shown.MISMATCH, "mismatch"))
    with screen._console.capture() as drawn:
        screen._console.print(screen.draw())
    assert shows in drawn.get()

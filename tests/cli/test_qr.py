"""The drawing of QR codes, read back module by module; segno says what the symbol is."""

import re
import sys

import pytest
import segno

from e2ecall.cli.qr import QUIET_ZONE, svg_qr, terminal_qr
from e2ecall.errors import ApiMisuse, ExitStatus, MediaUnavailable, exit_status
from e2ecall.sas import qr_text

CODE = qr_text(bytes(range(32)), "caller")
TEXTS = [CODE, "e2ecall://relay.example/abc#0123", "é", "A" * 300]


def symbol(text):
    matrix = segno.make_qr(text, error="m", boost_error=False).matrix
    size = len(matrix) + 2 * QUIET_ZONE
    whole = [[0] * size for _ in range(size)]
    for row, line in enumerate(matrix):
        for column, module in enumerate(line):
            whole[row + QUIET_ZONE][column + QUIET_ZONE] = module
    return whole


def from_blocks(lines, size, *, inverted=False):
    pairs = {"█": (0, 0), "▀": (0, 1), "▄": (1, 0), " ": (1, 1)}
    rows = []
    for line in lines:
        rows.append([pairs[each][0] ^ inverted for each in line])
        rows.append([pairs[each][1] ^ inverted for each in line])
    return rows[:size]


def test_the_code_of_a_hash_is_small_and_alphanumeric():
    made = segno.make_qr(CODE, error="m", boost_error=False)
    assert (made.version, made.mode, made.error) == (4, "alphanumeric", "M")


@pytest.mark.parametrize("text", TEXTS)
def test_blocks_are_the_symbol(text):
    whole = symbol(text)
    lines = terminal_qr(text, colour=False)
    assert len({len(line) for line in lines}) == 1
    assert from_blocks(lines, len(whole)) == whole
    assert len(whole) >= 21 + 8
    assert all(not any(row) for row in whole[:QUIET_ZONE])


@pytest.mark.parametrize("text", TEXTS)
def test_a_light_terminal_has_it_the_other_way_round(text):
    whole = symbol(text)
    lines = terminal_qr(text, colour=False, light_terminal=True)
    assert from_blocks(lines, len(whole), inverted=True) == whole
    assert lines != terminal_qr(text, colour=False)


@pytest.mark.parametrize("light", [True, False])
def test_colour_is_explicit_and_the_same_on_every_terminal(light):
    plain = terminal_qr(CODE, colour=False)
    coloured = terminal_qr(CODE, light_terminal=light)
    assert [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in coloured] == list(plain)
    assert all(line.startswith("\x1b[38;5;231;48;5;16m") and line.endswith("\x1b[0m") for line in coloured)


@pytest.mark.parametrize("text", TEXTS)
def test_ascii_is_the_symbol(text):
    lines = terminal_qr(text, colour=False, ascii_only=True)
    assert all(line.isascii() for line in lines)
    modules = {"##": 0, "  ": 1}
    assert [[modules[line[i : i + 2]] for i in range(0, len(line), 2)] for line in lines] == symbol(text)


@pytest.mark.parametrize("text", TEXTS)
def test_svg_is_the_symbol(text):
    whole, drawn = symbol(text), svg_qr(text)
    size = len(whole)
    assert f'viewBox="0 0 {size} {size}"' in drawn
    found = [[0] * size for _ in range(size)]
    for column, row in re.findall(r"M(\d+) (\d+)h1v1h-1z", drawn):
        found[int(row)][int(column)] = 1
    assert found == whole
    assert "id=" not in drawn
    assert "script" not in drawn


def test_the_same_text_is_the_same_drawing():
    assert svg_qr(CODE) == svg_qr(CODE)
    assert svg_qr(CODE) != svg_qr(qr_text(bytes(range(32)), "callee"))


@pytest.mark.parametrize("draw", [svg_qr, terminal_qr])
def test_without_segno_the_error_says_what_to_install(monkeypatch, draw):
    monkeypatch.setitem(sys.modules, "segno", None)
    with pytest.raises(MediaUnavailable, match="segno") as caught:
        draw(CODE)
    assert "e2ecall[cli]" in caught.value.hint
    assert exit_status(caught.value) is ExitStatus.ENVIRONMENT


@pytest.mark.parametrize("draw", [svg_qr, terminal_qr])
def test_what_no_code_holds_is_misuse(draw):
    with pytest.raises(ApiMisuse, match="5000 characters"):
        draw("x" * 5000)

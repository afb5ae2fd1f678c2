"""sas.10: the key picture, against a second writing, and what its drawing must and must not be."""

import hashlib
import itertools
import json
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2ecall.audit.oracle.views import svg as oracle_svg
from e2ecall.errors import ApiMisuse
from e2ecall.sas.picture import COLUMNS, ROWS, Picture, picture, svg, terminal_art

CASES = json.loads((Path(__file__).resolve().parents[2] / "vectors/sas/picture.json").read_text("utf-8"))["cases"]
SAS = bytes(range(32))
module = sys.modules[svg.__module__]  # the package gives the name to the function
any_sas = st.binary(min_size=32, max_size=32)


def all_of(drawn: Picture) -> bytes:
    return bytes(c.tone << 6 | c.shape << 3 | c.filled << 2 | c.size for c in drawn.cells)


def lightness(colour):
    """CIE L* of an sRGB colour."""
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in _rgb(colour)]
    return 116 * (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]) ** (1 / 3) - 16


def _rgb(colour):
    return [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def bits_of_art(lines, *, ascii_only):
    """Reads a drawing back: the 32 bytes of its left half."""
    shades, marks = (
        (module._ASCII_SHADES, module._ASCII_MARKS) if ascii_only else (module._UNICODE_SHADES, module._UNICODE_MARKS)
    )
    tones = {char: (tone, bit) for tone, pair in enumerate(shades) for bit, char in enumerate(pair)}
    shapes = {char: (shape, bit) for shape, pair in enumerate(marks) for bit, char in enumerate(pair)}
    found = bytearray()
    for line in lines[1:-1]:
        for column in range(4):
            outer, mark, inner = line[1 + 3 * column : 4 + 3 * column]
            (tone, high), (tone_again, low), (shape, filled) = tones[outer], tones[inner], shapes[mark]
            assert tone == tone_again
            found.append(tone << 6 | shape << 3 | filled << 2 | high << 1 | low)
    return bytes(found)


@pytest.mark.clause("sas.10-1", "sas.1-1")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_vectors(case):
    sas = bytes.fromhex(case["sas"])
    if case["result"] == "misuse":
        for view in (svg, picture, terminal_art):
            with pytest.raises(ApiMisuse, match=f"has {len(sas)} bytes, not 32"):
                view(sas)
        return
    drawn = svg(sas)
    assert hashlib.sha256(drawn.encode()).hexdigest() == case["svg_sha256"]
    assert drawn == case.get("svg", drawn)


def test_one_vector_is_in_full():
    assert [case["svg"].startswith("<svg ") for case in CASES if "svg" in case] == [True]


@pytest.mark.clause("sas.10-1")
@settings(deadline=None)
@given(any_sas)
def test_the_second_writing_draws_the_same(sas):
    assert svg(sas) == oracle_svg(sas)


@pytest.mark.clause("sas.10-2")
@settings(deadline=None)
@given(any_sas)
def test_every_bit_can_be_read_back(sas):
    assert all_of(picture(sas)) == sas
    for ascii_only in (False, True):
        assert bits_of_art(terminal_art(sas, ascii_only=ascii_only), ascii_only=ascii_only) == sas


@pytest.mark.clause("sas.10-2")
def test_one_bit_changes_picture_art_and_frame():
    whole = int.from_bytes(SAS, "big")
    drawn = {svg(SAS)}
    for bit in range(256):
        turned = (whole ^ 1 << bit).to_bytes(32, "big")
        assert picture(turned).scheme != picture(SAS).scheme
        assert terminal_art(turned) != terminal_art(SAS)
        assert terminal_art(turned)[0] != terminal_art(SAS)[0]
        assert terminal_art(turned, ascii_only=True)[0] != terminal_art(SAS, ascii_only=True)[0]
        drawn.add(svg(turned))
    assert len(drawn) == 257


@pytest.mark.clause("sas.10-2")
def test_each_of_256_cells_is_drawn_in_its_own_way():
    """In black and white: shape and tone of a cell, without the scheme."""
    seen = set()
    for value in range(256):
        sas = bytes([value, value]) + bytes(30)  # twice, so that the scheme stays
        assert picture(sas).scheme == 0
        seen.add(svg(sas))
    assert len(seen) == 256


@pytest.mark.clause("sas.10-3")
@settings(deadline=None, max_examples=50)
@given(any_sas)
def test_it_is_mirrored(sas):
    drawn = picture(sas)
    for row, column in itertools.product(range(ROWS), range(COLUMNS)):
        assert drawn.at(row, column) == drawn.at(row, COLUMNS - 1 - column)
    mirror = str.maketrans("◁◀▷▶", "▷▶◁◀")
    ascii_mirror = str.maketrans("<{>}", ">}<{")
    for line in terminal_art(sas)[1:-1]:
        assert line == line[::-1].translate(mirror)
    for line in terminal_art(sas, ascii_only=True)[1:-1]:
        assert line == line[::-1].translate(ascii_mirror)


def corners(path):
    """The absolute corners of every part of a path without curves."""
    parts = []
    for part in path.split("z")[:-1]:
        x, y, found = 0, 0, []
        for command, rest in re.findall(r"([Mhvl])([-\d ]+)", part):
            numbers = [int(n) for n in rest.split()]
            if command == "M":
                x, y = numbers
            elif command == "l":
                x, y = x + numbers[0], y + numbers[1]
            else:
                x, y = (x + numbers[0], y) if command == "h" else (x, y + numbers[0])
            found.append((x, y))
        parts.append(frozenset(found))
    return set(parts)


@pytest.mark.clause("sas.10-3")
@settings(deadline=None, max_examples=50)
@given(any_sas)
def test_the_paths_are_mirrored_around_the_middle(sas):
    drawn = picture(sas)
    framed = drawn.scheme == 3  # the double frame is a path of two parts
    shaded = sum(drawn.at(row, column).tone > 0 for row in range(ROWS) for column in range(COLUMNS))
    paths = re.findall(r' d="([^"]*)"', svg(sas))
    assert len(paths) == framed + 3 + 2 * 4  # the ground of three tones, and on each tone the filled and the outlined
    assert sum(path.count("z") for path in paths) == 2 * framed + shaded + ROWS * COLUMNS
    for path in paths:
        circles = set(re.findall(r"M(\d+) (\d+)a(\d+)", path))
        middles = {(int(x) + int(r), int(y), r) for x, y, r in circles}
        assert middles == {(304 - x, y, r) for x, y, r in middles}
        straight = corners("".join(part + "z" for part in path.split("z")[:-1] if "a" not in part))
        assert straight == {frozenset((304 - x, y) for x, y in part) for part in straight}


@pytest.mark.clause("sas.10-4")
@settings(deadline=None, max_examples=50)
@given(any_sas)
def test_it_is_plain_svg_that_may_stand_anywhere(sas):
    drawn = svg(sas)
    assert drawn.isascii()
    assert drawn.endswith("</svg>\n")
    root = ET.fromstring(drawn)
    tags = {each.tag.removeprefix("{http://www.w3.org/2000/svg}") for each in root.iter()}
    assert tags <= {"svg", "rect", "g", "path"}
    names = {name for each in root.iter() for name in each.attrib}
    assert names <= {
        *("viewBox", "role", "width", "height", "fill", "stroke", "stroke-width", "stroke-dasharray", "d", "x", "y")
    }
    assert root.get("viewBox") == "0 0 304 304"
    assert len(drawn) < 8192


@pytest.mark.clause("sas.10-4")
@pytest.mark.parametrize("ascii_only", [True, False])
@settings(deadline=None, max_examples=50)
@given(any_sas)
def test_the_art_is_ten_lines_of_26(ascii_only, sas):
    lines = terminal_art(sas, ascii_only=ascii_only)
    assert [len(line) for line in lines] == [26] * 10
    text = "".join(lines)
    assert text.isprintable()
    assert text.isascii() is ascii_only


@pytest.mark.clause("sas.10-5")
def test_nothing_rests_on_colour():
    for colours in module._COLOURS:
        found = [lightness(colour) for colour in colours]
        assert found == sorted(found, reverse=True)
        assert all(lighter - darker >= 11 for lighter, darker in itertools.pairwise(found))
        for tone, mark in enumerate(module._MARK_TONE):
            assert abs(found[tone] - found[mark]) >= 11
    for scheme in zip(*module._COLOURS, strict=True):  # in grey, the schemes are one
        found = [lightness(colour) for colour in scheme]
        assert max(found) - min(found) < 5
    for frames in (module._FRAMES, module._UNICODE_FRAMES, module._ASCII_FRAMES):
        assert len(set(frames)) == 4


@pytest.mark.clause("sas.10-5")
def test_the_signs_of_the_art_are_all_different():
    for shades, marks in (
        (module._UNICODE_SHADES, module._UNICODE_MARKS),
        (module._ASCII_SHADES, module._ASCII_MARKS),
    ):
        used = "".join(shades) + "".join(marks)
        assert len(used) == 8 + 16
        assert len(set(used)) == len(used)


@pytest.mark.clause("sas.10-6")
def test_it_only_draws():
    """There is nothing here that could hold or fail."""
    assert set(module.__all__) == {"COLUMNS", "ROWS", "Cell", "Picture", "picture", "svg", "terminal_art"}
    assert not {"Method", "VerificationFailed", "PickState"} & vars(module).keys()

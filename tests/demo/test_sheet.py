"""The contact sheet: what is drawn where, for pictures, sound, failures and a machine that is not there."""

import numpy as np
import pytest

from e2ecall.demo.sheet import COLUMNS, WIDTH, Mood, Row, Tile, contact_sheet, pick
from e2ecall.errors import ApiMisuse

RED = np.full((30, 40, 3), (200, 10, 20), np.uint8)
HEAD, ROW_HEAD = 84, 44


def sheet(*rows, **options):
    return contact_sheet("e2ecall", "a test", rows, **options)


def tile_of(image, row, column, rows, columns=6):
    """The inside of one tile."""
    width = (WIDTH - 48 - 12 * (columns - 1)) // columns
    row_height = (image.shape[0] - HEAD - 12) // rows
    height = row_height - ROW_HEAD - 24 - 14
    top, left = HEAD + row * row_height + ROW_HEAD - 4, 24 + column * (width + 12)
    return image[top + 1 : top + height - 1, left + 1 : left + width - 1]


def test_three_rows_of_six():
    rows = [Row(title, "", [Tile(f"#{n}", RED) for n in range(6)]) for title in ("SENT", "RELAY", "RECEIVED")]
    image = sheet(*rows)
    assert image.shape == (HEAD + 3 * (136 + 82) + 12, WIDTH, 3)
    for row in range(3):
        for column in range(6):
            assert (tile_of(image, row, column, 3)[5:-5, 5:-5] == (200, 10, 20)).all()


def test_the_row_shows_its_mood():
    for mood in Mood:
        image = sheet(Row("SENT", "", [Tile()], mood))
        assert tuple(image[HEAD + 5, 26]) == mood.value


def test_titles_and_captions_are_written():
    with_words = sheet(Row("SENT", "about", [Tile("#1", RED)]))
    without = sheet(Row("", "", [Tile("", RED)]))
    changed = (with_words != without).any(axis=2)
    assert changed[HEAD : HEAD + 30].any()
    assert changed[-40:].any()
    assert not changed[:HEAD].any()


def test_a_long_title_stays_on_the_sheet():
    image = sheet(Row("WHAT THE RELAY GETS", "x" * 500, [Tile("y" * 500, RED)]))
    assert (image[HEAD : HEAD + 40, WIDTH - 20 :] == image[0, 0]).all()


def test_pictures_keep_their_shape():
    tall = np.full((80, 20, 3), 250, np.uint8)
    tile = tile_of(sheet(Row("SENT", "", [Tile("", tall)] * 6)), 0, 0, 1)
    bright = (tile > 200).all(axis=2)
    assert bright.any(axis=1).all()
    assert 0.16 < bright.any(axis=0).mean() < 0.22


def test_a_tiny_picture_keeps_its_pixels():
    dots = np.zeros((16, 16, 3), np.uint8)
    dots[::2] = 255
    tile = tile_of(sheet(Row("RELAY", "", [Tile("", dots)] * 6)), 0, 0, 1)
    middle = tile[:, tile.shape[1] // 2, 0]
    assert set(np.unique(middle)) == {0, 255}


def test_a_failure_says_so_over_the_bytes():
    plain = tile_of(sheet(Row("RELAY", "", [Tile("", reason="authentication")] * 6)), 0, 0, 1)
    noisy = tile_of(sheet(Row("RELAY", "", [Tile("", reason="authentication", data=bytes(range(256)))] * 6)), 0, 0, 1)
    assert (plain > 200).all(axis=2).any()  # the words
    assert len(np.unique(plain.reshape(-1, 3), axis=0)) < 8
    assert len(np.unique(noisy.reshape(-1, 3), axis=0)) > 30
    assert np.array_equal((plain > 200).all(axis=2), (noisy > 200).all(axis=2))  # and readable over anything


@pytest.mark.parametrize("reason", ["x", "word " * 60, "x" * 300], ids=["short", "long", "one word"])
def test_reasons_of_every_length_fit(reason):
    sheet(Row("RELAY", "", [Tile("", reason=reason, data=b"\x01")] * 6))


def test_sound_is_drawn_as_wave_and_spectrum():
    t = np.arange(4800, dtype=np.float32) / 48000
    tile = tile_of(sheet(Row("SENT", "", [Tile("", sound=np.sin(2 * np.pi * 440 * t) * 0.5)] * 6)), 0, 0, 1)
    height = tile.shape[0]
    wave = (tile[: height // 2] == (120, 196, 255)).all(axis=2)
    bars = (tile[height // 2 :] == (154, 134, 255)).all(axis=2)
    assert wave.any(axis=0).mean() > 0.95
    assert bars.any()
    assert np.flatnonzero(bars.any(axis=0)).max() < tile.shape[1] * 0.3  # 440 of 4000 Hz
    noise = np.random.default_rng(1).normal(0, 0.2, 4800).astype(np.float32)
    other = tile_of(sheet(Row("RELAY", "", [Tile("", sound=noise)] * 6)), 0, 0, 1)
    assert (other[height // 2 :] == (154, 134, 255)).all(axis=2).any(axis=0).mean() > 0.5


@pytest.mark.parametrize("samples", [0, 1, 20, 500])
def test_short_sound(samples):
    sheet(Row("SENT", "", [Tile("", sound=np.zeros(samples, np.float32))] * 6))


def test_a_machine_that_is_not_on_the_path():
    image = sheet(Row("WHAT THE RELAY GETS", "", [], absent="NOT ON THE PATH"))
    panel = image[HEAD + ROW_HEAD : -60, 24 : WIDTH - 24]
    assert (panel > 200).all(axis=2).any()
    assert (panel == (52, 57, 68)).all(axis=2).mean() > 0.05


def test_wide_and_tall_pictures_change_the_height():
    row = Row("SENT", "", [Tile("", RED)] * 6)
    assert sheet(row, aspect=16 / 9).shape[0] < sheet(row).shape[0] < sheet(row, aspect=9 / 16).shape[0]
    assert sheet(row, aspect=0.01).shape[0] == sheet(row, aspect=0.75).shape[0]


def test_too_many_tiles():
    with pytest.raises(ApiMisuse):
        sheet(Row("SENT", "", [Tile()] * (COLUMNS + 1)))


def test_pick():
    assert pick(list(range(100))) == [0, 20, 40, 59, 79, 99]
    assert pick([5, 6, 7]) == [5, 6, 7]
    assert pick([]) == []
    assert pick(list(range(100)), 2) == [0, 99]

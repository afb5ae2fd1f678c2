"""Pictures: PNG round trip, the font, scaling, PSNR, and frames made to fit."""

import struct
import zlib
from pathlib import Path

import av
import numpy as np
import pytest

from e2ecall.errors import ApiMisuse, MediaUnavailable, OutputFailed
from e2ecall.media import pictures

RNG = np.random.default_rng(5)
NOISE = RNG.integers(0, 256, (37, 53, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "image",
    [NOISE, np.zeros((1, 1, 3), np.uint8), np.tile(np.arange(200, dtype=np.uint8)[:, None, None], (1, 64, 3))],
    ids=["noise", "one pixel", "gradient"],
)
def test_png_round_trip(tmp_path, image):
    path = tmp_path / "picture.png"
    pictures.write_png(path, image)
    assert np.array_equal(pictures.read_png(path), image)


def test_grey_png_round_trip(tmp_path):
    path = tmp_path / "grey.png"
    pictures.write_png(path, NOISE[:, :, 0])
    assert np.array_equal(pictures.read_png(path)[:, :, 1], NOISE[:, :, 0])


def test_png_chunks_are_well_formed():
    data = pictures.png_bytes(NOISE)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, kinds = 8, []
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        assert struct.unpack_from(">I", data, at + 8 + length)[0] == zlib.crc32(data[at + 4 : at + 8 + length])
        kinds.append(kind)
        at += 12 + length
    assert kinds == [b"IHDR", b"IDAT", b"IEND"]


def test_png_filters_shrink_a_gradient():
    smooth = np.tile(np.linspace(0, 255, 256).astype(np.uint8)[:, None, None], (1, 256, 3))
    assert len(pictures.png_bytes(smooth)) < 2000


@pytest.mark.parametrize("shape", [(4, 4, 4), (4,), (0, 4, 3)])
def test_png_refuses_other_shapes(shape):
    with pytest.raises(ApiMisuse):
        pictures.png_bytes(np.zeros(shape, np.uint8))


def test_png_that_cannot_be_written(tmp_path):
    with pytest.raises(OutputFailed, match=r"cannot write x\.png") as caught:
        pictures.write_png(tmp_path / "missing" / "x.png", NOISE)
    assert caught.value.hint


def test_png_that_is_none(tmp_path):
    path = tmp_path / "no.png"
    path.write_bytes(b"not a picture")
    with pytest.raises(MediaUnavailable, match=r"no\.png"):
        pictures.read_png(path)
    with pytest.raises(MediaUnavailable, match=r"gone\.png"):
        pictures.read_png(tmp_path / "gone.png")


def test_every_printable_character_has_its_own_glyph():
    shapes = {chr(c): pictures.text_mask(chr(c)).tobytes() for c in range(33, 127)}
    assert len(set(shapes.values())) == 94
    assert not pictures.text_mask(" ").any()
    assert all(any(shape) for shape in shapes.values())


def test_glyph_of_capital_l():
    assert pictures.text_mask("L").astype(int).tolist() == [[1, 0, 0, 0, 0, 0]] * 6 + [[1, 1, 1, 1, 1, 0]]


def test_unknown_character_is_a_box():
    assert np.array_equal(pictures.text_mask("\u4e2d"), pictures.text_mask("\u00e9"))
    assert pictures.text_mask("\u4e2d")[0].tolist() == [True] * 5 + [False]


def test_text_scales_and_is_cut_at_the_edges():
    assert pictures.text_mask("AB", 3).shape == (21, 36)
    assert pictures.text_width("AB", 3) == 33
    assert pictures.text_mask("").shape == (7, 0)
    assert pictures.text_width("") == 0
    image = np.zeros((10, 10, 3), np.uint8)
    pictures.draw_text(image, 7, -3, "HH", (1, 2, 3))
    assert image[0, 7].tolist() == [1, 2, 3]
    assert not image[:, :7].any()
    before = image.copy()
    pictures.draw_text(image, 50, 50, "H", (9, 9, 9))
    pictures.draw_text(image, -50, 0, "H", (9, 9, 9))
    assert np.array_equal(image, before)


def test_psnr_by_hand():
    flat = np.full((4, 4), 100, np.uint8)
    other = flat.copy()
    other[0, 0] = 104  # one of 16 pixels off by 4: mean square error 1
    assert pictures.psnr(flat, other) == pytest.approx(48.1308, abs=1e-4)
    assert pictures.psnr(flat, flat) == float("inf")
    assert pictures.psnr(np.zeros((2, 2), np.uint8), np.full((2, 2), 255, np.uint8)) == pytest.approx(0.0)
    with pytest.raises(ApiMisuse):
        pictures.psnr(flat, flat[:2])


def test_scale_and_fit():
    image = np.zeros((10, 20, 3), np.uint8)
    image[:, 10:] = 200
    large = pictures.scale(image, 40, 20, "POINT")
    assert large.shape == (20, 40, 3)
    assert set(np.unique(large)) == {0, 200}
    assert pictures.scale(image, 20, 10) is image
    framed = pictures.fit(image, 40, 40, (7, 7, 7), hard=True)
    assert (framed[:10] == 7).all()
    assert (framed[30:] == 7).all()
    assert (framed[10:30, 20:] == 200).all()


def planes(width, height, value):
    frame = av.VideoFrame.from_ndarray(np.full((height * 3 // 2, width), value, np.uint8), format="yuv420p")
    assert frame.width == width
    return frame


def test_fit_frame_puts_black_bars_beside_the_picture():
    array = pictures.fit_frame(planes(64, 48, 200), (160, 60))
    assert array.shape == (90, 160)
    assert (array[:60, 40:120] == 200).all()
    assert (array[:60, :40] == 16).all()
    assert (array[:60, 120:] == 16).all()
    chroma = array[60:].reshape(2, 30, 80)
    assert (chroma[:, :, :20] == 128).all()
    assert (chroma[:, :, 20:60] == 200).all()


def test_fit_frame_honours_the_shape_of_samples():
    array = pictures.fit_frame(planes(64, 64, 200), (128, 64), aspect=2.0)
    assert (array[:64] == 200).all()


def test_luma_is_the_coded_plane():
    values = RNG.integers(16, 236, (48 * 3 // 2, 60), dtype=np.uint8)
    frame = av.VideoFrame.from_ndarray(values, format="yuv420p")
    assert np.array_equal(pictures.luma(frame), values[:48])
    red = av.VideoFrame.from_ndarray(np.full((16, 16, 3), (255, 0, 0), np.uint8), format="rgb24")
    assert abs(int(pictures.luma(red)[8, 8]) - 81) <= 1  # ITU-R BT.601


def test_read_png_of_a_path_with_an_odd_name(tmp_path):
    path = Path(tmp_path, "odd: name %d.png")
    pictures.write_png(path, NOISE)
    assert np.array_equal(pictures.read_png(path), NOISE)

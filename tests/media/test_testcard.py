"""The built-in clip: deterministic, readable after a real codec, and recognised by its tone."""

import binascii
from fractions import Fraction

import numpy as np
import pytest
from aiortc.codecs.vpx import Vp8Decoder, Vp8Encoder, vp8_depayload
from aiortc.jitterbuffer import JitterFrame

from e2ecall.errors import MediaUnavailable
from e2ecall.media.pictures import luma, psnr, scale
from e2ecall.media.testcard import ALICE, BOB, COUNTER_LIMIT, TestCard, Tone, dominant_frequency, read_counter

SIZES = [(160, 120), (162, 122), (320, 180), (640, 480), (1280, 720), (1920, 1080)]


def coded(card, numbers, bit_rate):
    """Each picture after aiortc's own VP8 encoder and decoder at a fixed bit rate."""
    encoder, decoder = Vp8Encoder(), Vp8Decoder()
    encoder.target_bitrate = bit_rate
    for n in numbers:
        payloads, timestamp = encoder.encode(card.picture(n), force_keyframe=n == numbers[0])
        data = b"".join(vp8_depayload(payload) for payload in payloads)
        (frame,) = decoder.decode(JitterFrame(data, timestamp))
        yield n, frame


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_counter_reads_back_at_every_size(size):
    card = TestCard(ALICE, *size)
    for n in (0, 1, 0x5555, 0xAAAAAA, COUNTER_LIMIT - 1):
        frame = card.picture(n)
        assert (frame.width, frame.height, frame.format.name) == (*size, "yuv420p")
        assert read_counter(frame) == n


def test_counter_wraps_after_24_bits():
    card = TestCard(BOB, 160, 120)
    assert read_counter(card.picture(COUNTER_LIMIT + 7)) == 7


def test_cells_are_the_number_and_its_checksum():
    card, n = TestCard(ALICE, 320, 240), 0xC0FFEE
    grey = luma(card.picture(n))
    rows = [grey[int(240 * (12 + row + 0.5) / 15)] for row in (0, 1)]
    bits = "".join("1" if row[16 * i + 8] > 128 else "0" for row in rows for i in range(20))
    assert int(bits, 2) == n << 16 | binascii.crc_hqx(n.to_bytes(3, "big"), 0xFFFF)


@pytest.mark.parametrize("look", [ALICE, BOB], ids=lambda look: look.label)
@pytest.mark.parametrize(("size", "least"), [((160, 120), 36), ((320, 240), 40)], ids=["160x120", "320x240"])
def test_counter_survives_vp8_at_250_kbit(look, size, least):
    numbers = range(1000, 1040)
    read = [(n, read_counter(frame)) for n, frame in coded(TestCard(look, *size), numbers, 250_000)]
    assert sum(n == value for n, value in read) >= least
    assert all(value in (n, None) for n, value in read)


def test_counter_survives_scaling_after_vp8():
    for n, frame in coded(TestCard(BOB, 640, 480), range(8), 250_000):
        assert read_counter(scale(luma(frame), 320, 180)) == n
        assert read_counter(scale(luma(frame), 1000, 700, "BICUBIC")) == n


def test_coded_card_stays_close_to_the_sent_one():
    card = TestCard(ALICE, 320, 240)
    values = [psnr(luma(card.picture(n)), luma(frame)) for n, frame in coded(card, range(12), 500_000)]
    assert min(values) > 35


@pytest.mark.parametrize(
    "grey",
    [
        np.zeros((240, 320), np.uint8),
        np.full((240, 320), 128, np.uint8),
        np.random.default_rng(1).integers(0, 256, (240, 320), dtype=np.uint8),
        np.tile(np.linspace(0, 255, 320).astype(np.uint8), (240, 1)),
        np.zeros((16, 16), np.uint8),
    ],
    ids=["black", "grey", "noise", "ramp", "tiny"],
)
def test_no_card_gives_none(grey):
    assert read_counter(grey) is None


def test_random_cells_give_none():
    rng = np.random.default_rng(3)
    for _ in range(200):
        cells = rng.integers(0, 2, (2, 20), dtype=np.uint8) * 200 + 20
        grey = np.zeros((120, 160), np.uint8)
        grey[96:112] = np.repeat(np.repeat(cells, 8, axis=0), 8, axis=1)
        assert read_counter(grey) is None


def test_every_single_wrong_cell_is_noticed():
    grey = luma(TestCard(ALICE, 160, 120).picture(4711)).copy()
    for row in range(2):
        for column in range(20):
            broken = grey.copy()
            broken[96 + 8 * row : 104 + 8 * row, 8 * column : 8 * column + 8] ^= 0xF8
            assert read_counter(broken) is None


def test_a_cell_neither_dark_nor_bright_is_noticed():
    grey = luma(TestCard(ALICE, 160, 120).picture(4711)).copy()
    grey[96:104, 0:8] = 120
    assert read_counter(grey) is None


def test_pictures_depend_on_the_number_alone():
    one, other = TestCard(ALICE, 160, 120), TestCard(ALICE, 160, 120)
    other.picture(3)
    assert np.array_equal(one.picture(77).to_ndarray(), other.picture(77).to_ndarray())
    assert not np.array_equal(one.picture(77).to_ndarray(), one.picture(78).to_ndarray())
    assert not np.array_equal(one.picture(77).to_ndarray(), TestCard(BOB, 160, 120).picture(77).to_ndarray())
    assert one.picture(5) is not one.picture(5)


def test_pts_and_label():
    card = TestCard(ALICE, 160, 120, fps=30)
    assert (card.picture(123).pts, card.picture(123).time_base) == (369000, Fraction(1, 90000))
    assert card.label(123) == "ALICE 000123 00:04.1"
    assert TestCard(BOB, 160, 120, fps=15).label(15 * 61) == "BOB 000915 01:01.0"


def test_the_card_moves_everywhere_it_should():
    card = TestCard(ALICE, 320, 240)
    changed = luma(card.picture(0)) != luma(card.picture(45))
    thirds = [changed[:80].any(), changed[80:160].any(), changed[160:].any()]
    assert thirds == [True, True, True]


@pytest.mark.parametrize("size", [(161, 120), (160, 119), (64, 48), (3840, 2160)])
def test_other_sizes_are_refused(size):
    with pytest.raises(MediaUnavailable) as caught:
        TestCard(ALICE, *size)
    assert caught.value.hint


@pytest.mark.parametrize(("look", "hertz"), [(ALICE, 440), (BOB, 660)], ids=["alice", "bob"])
def test_tone_is_recognised(look, hertz):
    tone = Tone(look)
    samples = np.concatenate([tone.frame(n).to_ndarray()[0] for n in range(150)]).reshape(-1, 2)
    assert np.array_equal(samples[:, 0], samples[:, 1])
    found, share = dominant_frequency(samples, 48000)
    assert abs(found - hertz) < 0.5
    assert share > 0.99


def test_tone_has_no_click():
    tone = Tone(BOB)
    samples = np.concatenate([tone.frame(n).to_ndarray()[0, ::2] for n in range(250)]).astype(np.int32)
    steepest = 9000 * 2 * np.pi * 660 / 48000
    assert np.abs(np.diff(samples)).max() <= steepest + 2
    assert np.abs(samples[:48]).max() < 300  # the first millisecond is quiet
    assert 4000 < np.abs(samples).max() <= 9000


def test_tone_frames():
    frame = Tone(ALICE).frame(3)
    assert (frame.samples, frame.sample_rate, frame.pts, frame.format.name) == (960, 48000, 2880, "s16")
    assert frame.layout.name == "stereo"


def test_dominant_frequency_of_other_things():
    t = np.arange(48000) / 48000
    assert dominant_frequency(np.zeros(48000), 48000) == (0.0, 0.0)
    assert dominant_frequency(np.zeros(0), 48000) == (0.0, 0.0)
    noise = np.random.default_rng(2).normal(0, 3000, 48000)
    assert dominant_frequency(noise, 48000)[1] < 0.05
    both = np.sin(2 * np.pi * 440 * t) + 0.5 * np.sin(2 * np.pi * 1000 * t)
    found, share = dominant_frequency(both, 48000)
    assert found == pytest.approx(440, abs=0.1)
    assert share == pytest.approx(0.8, abs=0.01)
    short, _ = dominant_frequency(np.sin(2 * np.pi * 443.7 * t[:4800]), 48000)
    assert short == pytest.approx(443.7, abs=0.5)

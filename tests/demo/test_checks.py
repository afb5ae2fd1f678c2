"""The self-checks: each holds for a good call and fails for the fault that it is there for."""

import functools
import json
from itertools import count

import av
import numpy as np
import pytest
from aiortc.codecs.h264 import H264Encoder, h264_depayload
from aiortc.codecs.vpx import Vp8Encoder, vp8_depayload

from e2ecall.demo import checks
from e2ecall.demo.checks import Compared, ReceivedFrame, SentFrame
from e2ecall.demo.medialog import digest_of
from e2ecall.errors import MediaUnavailable
from e2ecall.media.pictures import rgb
from e2ecall.media.recorder import Recorder
from e2ecall.media.testcard import ALICE, BOB, TestCard, Tone

CARD = TestCard(ALICE, 160, 120)


def sent_rows(digests, kind="video"):
    return [SentFrame(kind, at if kind == "video" else None, digest, f"s{digest}") for at, digest in enumerate(digests)]


def received_rows(digests, kind="video"):
    return [ReceivedFrame(kind, digest, 3000 * at, at) for at, digest in enumerate(digests)]


# Frames


@pytest.mark.parametrize(
    ("received", "ok"),
    [
        ("abcdef", True),
        ("cdef", True),
        ("acf", True),
        ("", False),
        ("abx", False),
        ("abb", False),
        ("acb", False),
        ("fedcba", False),
    ],
)
def test_identical(received, ok):
    check = checks.frames_identical("bob", "video", sent_rows("abcdef"), received_rows(received))
    assert (check.id, check.ok) == ("bob.video.identical", ok)


def test_identical_frames_may_be_sent_twice():
    silence = sent_rows("aaab", "audio")
    assert checks.frames_identical("bob", "audio", silence, received_rows("aab", "audio")).ok
    assert not checks.frames_identical("bob", "audio", silence, received_rows("aaaab", "audio")).ok
    assert not checks.frames_identical("bob", "audio", silence, received_rows("ba", "audio")).ok


def test_kinds_are_not_mixed():
    sent = sent_rows("abc") + sent_rows("xyz", "audio")
    assert not checks.frames_identical("bob", "audio", sent, received_rows("abc", "audio")).ok
    assert checks.frames_identical("bob", "audio", sent, received_rows("xyz", "audio") + received_rows("q")).ok


def test_identical_says_how_many():
    check = checks.frames_identical("bob", "video", sent_rows("abcdef"), received_rows("abbx"))
    assert check.detail == "3 of 4 opened frames are bit for bit sent ones, 1 repeated or out of order"


@pytest.mark.parametrize(
    ("received", "least", "ok"),
    [("abcdefghij", 1.0, True), ("bcdefghi", 1.0, True), ("acdefghij", 0.95, False), ("acdefghij", 0.9, True)],
)
def test_delivered(received, least, ok):
    check = checks.frames_delivered("bob", "video", sent_rows("abcdefghij"), received_rows(received), least=least)
    assert check.ok is ok
    assert check.id == "bob.video.delivered"


def test_nothing_delivered():
    assert not checks.frames_delivered("bob", "video", sent_rows("abc"), []).ok
    assert not checks.frames_delivered("bob", "video", [], received_rows("abc")).ok


# Pictures


@functools.cache
def encoded(codec, pictures=24):
    encoder, depayload = (Vp8Encoder(), vp8_depayload) if codec == "vp8" else (H264Encoder(), h264_depayload)
    out = []
    for n in range(pictures):
        payloads, timestamp = encoder.encode(CARD.picture(n), force_keyframe=n == 0)
        out.append((b"".join(depayload(payload) for payload in payloads), timestamp))
    return out


def record(path, codec, frames):
    """The two logs and the recording of a call that carried these frames."""
    recorder = Recorder(path, codec)
    received = [
        ReceivedFrame("video", digest_of(data), stamp, recorder.add("video", data, stamp)) for data, stamp in frames
    ]
    recorder.close()
    sent = [SentFrame("video", at, digest_of(data), "") for at, (data, _) in enumerate(encoded(codec))]
    return sent, received


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_recording_is_held_against_the_source(tmp_path, codec):
    sent, received = record(tmp_path / "received", codec, encoded(codec))
    source = (CARD.picture(n) for n in count())
    compared, kept = checks.compare_pictures(tmp_path / "received", sent, received, source, keep=[3, 20])
    assert [each.index for each in compared] == list(range(24))
    assert sum(each.counter == each.index for each in compared) >= 22
    assert min(each.psnr for each in compared) > 30
    assert sorted(kept) == [3, 20]
    assert np.array_equal(kept[20][0], rgb(CARD.picture(20)))
    assert kept[20][1].shape == (120, 160, 3)
    assert checks.counters_read_back("bob", compared).ok
    assert checks.pictures_look_sent("bob", compared).ok


def test_only_some_distances_are_measured(tmp_path):
    sent, received = record(tmp_path / "received", "vp8", encoded("vp8"))
    source = (CARD.picture(n) for n in count())
    compared, kept = checks.compare_pictures(tmp_path / "received", sent, received, source, keep=[5], at_most=6)
    assert [each.index for each in compared if each.psnr is not None] == [0, 4, 5, 8, 12, 16, 20]
    assert all(each.psnr > 30 for each in compared if each.psnr is not None)
    assert list(kept) == [5]


def test_a_wrong_source_is_noticed(tmp_path):
    sent, received = record(tmp_path / "received", "vp8", encoded("vp8"))
    other = TestCard(BOB, 160, 120)
    compared, _ = checks.compare_pictures(tmp_path / "received", sent, received, (other.picture(n) for n in count()))
    assert not checks.pictures_look_sent("bob", compared).ok


def test_a_shifted_log_is_noticed(tmp_path):
    sent, received = record(tmp_path / "received", "vp8", encoded("vp8"))
    shifted = [SentFrame("video", row.index + 1, row.digest, "") for row in sent]
    compared, _ = checks.compare_pictures(tmp_path / "received", shifted, received, (CARD.picture(n) for n in count()))
    assert not checks.counters_read_back("bob", compared).ok


def test_a_call_joined_late_is_compared_too(tmp_path):
    frames = encoded("vp8")
    sent, received = record(tmp_path / "received", "vp8", [frames[0], *frames[1:]])
    compared, _ = checks.compare_pictures(
        tmp_path / "received", sent, received[:10], (CARD.picture(n) for n in count())
    )
    assert [each.index for each in compared] == list(range(10))


def test_a_source_that_ends_early(tmp_path):
    sent, received = record(tmp_path / "received", "vp8", encoded("vp8"))
    compared, _ = checks.compare_pictures(
        tmp_path / "received", sent, received, (CARD.picture(n) for n in range(5)), keep=[10]
    )
    assert [each.psnr is not None for each in compared[:7]] == [True] * 5 + [False] * 2


def test_a_recording_that_is_gone(tmp_path):
    with pytest.raises(MediaUnavailable):
        checks.compare_pictures(tmp_path / "gone.webm", [], [], iter(()))


COMPARED = [Compared(n, n, 35.0) for n in range(20)]


@pytest.mark.parametrize(
    ("compared", "ok"),
    [
        (COMPARED, True),
        ([], False),
        ([Compared(n, None, 35.0) for n in range(20)], False),
        ([*COMPARED[:-1], Compared(19, None, 30.0)], True),
        ([Compared(n, n if n % 3 else None, 35.0) for n in range(20)], False),
        ([*COMPARED[:-1], Compared(19, 18, 30.0)], False),
        ([COMPARED[1], COMPARED[0]], False),
    ],
    ids=["good", "none", "unreadable", "one blurred", "a third blurred", "one wrong", "swapped"],
)
def test_counters(compared, ok):
    assert checks.counters_read_back("bob", compared).ok is ok


@pytest.mark.parametrize(
    ("distances", "ok"),
    [([35.0] * 9, True), ([35.0] * 8 + [17.0], False), ([24.0] * 9, False), ([26.0] * 8 + [19.0], True), ([], False)],
)
def test_distances(distances, ok):
    check = checks.pictures_look_sent("bob", [Compared(n, n, value) for n, value in enumerate(distances)])
    assert check.ok is ok
    assert check.id == "bob.video.pictures"


def test_distances_not_measured_do_not_count():
    assert not checks.pictures_look_sent("bob", [Compared(0, 0, None)]).ok


# Sound


def tone(look, frames=50):
    return np.concatenate([Tone(look).frame(n).to_ndarray()[0] for n in range(frames)]).reshape(-1, 2) / 32768


def test_tone():
    assert checks.tone_recognised("bob", tone(ALICE), 48000, 440).ok
    assert not checks.tone_recognised("bob", tone(BOB), 48000, 440).ok
    assert not checks.tone_recognised("bob", np.zeros((48000, 2), np.float32), 48000, 440).ok
    assert not checks.tone_recognised("bob", np.zeros((0, 2), np.float32), 48000, 440).ok
    noise = np.random.default_rng(1).normal(0, 0.4, (48000, 2))
    assert not checks.tone_recognised("bob", tone(ALICE) + noise, 48000, 440).ok
    assert "440.0 Hz" in checks.tone_recognised("bob", tone(ALICE), 48000, 440).detail


def test_recorded_sound(tmp_path):
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 48000, "stereo", "s16"
    recorder = Recorder(tmp_path / "received.webm", "opus")
    for n in range(60):
        for packet in encoder.encode(Tone(BOB).frame(n)):
            recorder.add("audio", bytes(packet), 960 * n)
    recorder.close()
    samples = checks.recorded_sound(tmp_path / "received.webm")
    assert samples.shape[1] == 2
    assert checks.tone_recognised("alice", samples, 48000, 660).ok


def sweep(seconds):
    t = np.arange(round(48000 * seconds)) / 48000
    return (0.3 * np.sin(2 * np.pi * (300 + 150 * t) * t)).astype(np.float32)


def test_sound_of_a_file():
    source = sweep(3)
    noise = np.random.default_rng(4).normal(0, 0.05, len(source)).astype(np.float32)
    late = np.concatenate([np.zeros(4800, np.float32), source[:96000]]) + noise[:100800]
    stereo = np.stack([late, late], axis=1)
    assert checks.sound_looks_sent("bob", stereo, source).ok
    assert checks.sound_looks_sent("bob", source[30000:90000] * 0.5, source[:, None]).ok
    for other in (source[::-1].copy(), noise, np.zeros_like(source), np.zeros((0, 2), np.float32)):
        assert not checks.sound_looks_sent("bob", other, source).ok
        assert checks.relay_sound_of_file(other, source, clear=False).ok
        assert not checks.relay_sound_of_file(other, source, clear=True).ok
    assert checks.relay_sound_of_file(late, source, clear=True).ok
    assert not checks.relay_sound_of_file(late, source, clear=False).ok


def test_silence_is_not_recognised():
    silence = np.zeros(48000, np.float32)
    assert "silence" in checks.sound_looks_sent("bob", silence, silence).detail
    assert checks.relay_sound_of_file(silence, silence, clear=False).ok


# The rest


FOUR = ["🐶", "🎺", "🚀", "🍎"]


@pytest.mark.parametrize(
    ("bob", "ok"), [(FOUR, True), (FOUR[::-1], False), (FOUR[:3], False), ([], False), ([*FOUR[:3], "🍏"], False)]
)
def test_emoji(bob, ok):
    check = checks.emoji_agree(FOUR, bob)
    assert (check.id, check.ok) == ("emoji", ok)
    assert not checks.emoji_agree([], []).ok


def test_rejected():
    assert checks.nothing_rejected("bob", {}).ok
    assert checks.nothing_rejected("bob", {"authentication": 0}).ok
    check = checks.nothing_rejected("bob", {"authentication": 1, "replay": 7})
    assert not check.ok
    assert check.detail == "7 replay, 1 authentication"


def test_nothing_opened():
    assert checks.nothing_opened("bob", [], {"authentication": 3}).ok
    assert not checks.nothing_opened("bob", [], {}).ok
    assert not checks.nothing_opened("bob", received_rows("a"), {"authentication": 3}).ok


SENT = [rgb(CARD.picture(n)) for n in (0, 30, 60)]
GARBAGE = [
    np.full((16, 16, 3), (0, 135, 0), np.uint8),
    np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8),
    np.full((120, 160, 3), 90, np.uint8),
    np.zeros((120, 160, 3), np.uint8),
]


def test_relay_saw_nothing():
    assert checks.relay_pictures([None, None], SENT, clear=False).ok
    for picture in GARBAGE:
        check = checks.relay_pictures([None, picture], SENT, clear=False)
        assert check.ok, check.detail
    assert not checks.relay_pictures([None, SENT[1]], SENT, clear=False).ok
    assert not checks.relay_pictures([], SENT, clear=False).ok


def test_a_dark_film_is_not_taken_for_what_the_relay_decodes():
    dark = [(picture // 6).astype(np.uint8) for picture in SENT]
    black = np.zeros((120, 160, 3), np.uint8)
    assert checks.relay_pictures([black, GARBAGE[1] // 4], dark, clear=False).ok
    assert not checks.relay_pictures([dark[1]], dark, clear=False).ok
    assert checks.relay_pictures(dark, dark, clear=True).ok
    check = checks.relay_pictures([black], [black], clear=False)
    assert check.ok
    assert "nothing to recognise" in check.detail


def test_relay_that_sees_a_card_it_was_not_asked_about():
    elsewhere = rgb(TestCard(BOB, 160, 120).picture(7777))
    assert not checks.relay_pictures([elsewhere], [255 - SENT[0]], clear=False).ok


def test_relay_that_cheats_sees_everything():
    received = [np.clip(picture.astype(np.int16) + 6, 0, 255).astype(np.uint8) for picture in SENT]
    assert checks.relay_pictures(received, SENT, clear=True).ok
    assert not checks.relay_pictures([*received, None], SENT, clear=True).ok
    assert not checks.relay_pictures(GARBAGE, SENT, clear=True).ok
    assert not checks.relay_pictures([], SENT, clear=True).ok


def test_relay_sound():
    noise = np.random.default_rng(1).normal(0, 0.4, (48000, 1)).astype(np.float32)
    assert checks.relay_sound(noise, 48000, 440, clear=False).ok
    assert checks.relay_sound(np.zeros((0, 1), np.float32), 48000, 440, clear=False).ok
    assert not checks.relay_sound(tone(ALICE), 48000, 440, clear=False).ok
    assert checks.relay_sound(tone(ALICE), 48000, 440, clear=True).ok
    assert not checks.relay_sound(noise, 48000, 440, clear=True).ok


def test_frames_of_a_person(tmp_path):
    rows = {
        "sent": [{"kind": "video", "index": 3, "digest": "a", "sealed": "b"}],
        "received": [{"kind": "audio", "digest": "c", "timestamp": 5, "position": None}],
    }
    (tmp_path / "frames.json").write_text(json.dumps(rows))
    sent, received = checks.load_frames(tmp_path / "frames.json")
    assert sent == [SentFrame("video", 3, "a", "b")]
    assert received == [ReceivedFrame("audio", "c", 5, None)]


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"sent": [], "received": [{}]}'])
def test_frames_of_a_person_who_died(tmp_path, text):
    if text is not None:
        (tmp_path / "frames.json").write_text(text)
    assert checks.load_frames(tmp_path / "frames.json") == ([], [])

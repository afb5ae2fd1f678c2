"""Media files: many containers, one shape of frames, looping, and a typed error for everything that is wrong."""

import itertools
import struct
import wave
from fractions import Fraction

import av
import numpy as np
import pytest

from e2ecall.errors import ApiMisuse, MediaUnavailable
from e2ecall.media import files
from e2ecall.media.files import open_clip, require_codec
from e2ecall.media.pictures import luma
from e2ecall.media.testcard import ALICE, BOB, TestCard, Tone, dominant_frequency, read_counter

SIZE = (160, 120)


def write_film(path, video="libx264", audio=None, *, pictures=20, fps=30, sounds=None, size=SIZE, start=0):
    """A film of the test card, each picture readable, and the tone if an audio codec is named."""
    card, tone = TestCard(ALICE, *size), Tone(ALICE)
    with av.open(str(path), "w") as out:
        stream = out.add_stream(video, rate=fps, width=size[0], height=size[1], bit_rate=1_500_000)
        stream.pix_fmt = "yuv420p"
        sound = out.add_stream(audio, rate=48000, layout="stereo") if audio else None
        for n in range(pictures):
            frame = card.picture(start + n)
            frame.pts, frame.time_base = n, Fraction(1, fps)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if sound:
            for n in range(pictures * 50 // fps if sounds is None else sounds):
                out.mux(sound.encode(tone.frame(n)))
            out.mux(sound.encode(None))
    return path


def write_wav(path, seconds=0.5, *, rate=48000, channels=1, hertz=440):
    t = np.arange(round(rate * seconds)) / rate
    samples = np.round(9000 * np.sin(2 * np.pi * hertz * t)).astype("<i2")
    with wave.open(str(path), "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(np.repeat(samples, channels).tobytes())
    return path


def write_y4m(path, pictures=5, size=SIZE):
    card = TestCard(BOB, *size)
    with path.open("wb") as out:
        out.write(f"YUV4MPEG2 W{size[0]} H{size[1]} F30:1 Ip A1:1 C420jpeg\n".encode())
        for n in range(pictures):
            out.write(b"FRAME\n" + card.picture(n).to_ndarray().tobytes())
    return path


def take(frames, count):
    return list(itertools.islice(frames, count))


def counters(clip, count):
    return [read_counter(frame) for frame in take(clip.video_frames(), count)]


def sound_of(clip, count):
    return np.concatenate([frame.to_ndarray()[0] for frame in take(clip.audio_frames(), count)]).reshape(-1, 2)


@pytest.mark.parametrize(
    ("name", "video", "audio"),
    [
        ("a.mp4", "libx264", "aac"),
        ("a.webm", "libvpx", "libopus"),
        ("a.mkv", "libx264", "flac"),
        ("a.mov", "mpeg4", "pcm_s16le"),
        ("a.avi", "mpeg4", "mp2"),
    ],
)
def test_films_play_with_their_own_sound(tmp_path, name, video, audio):
    clip = open_clip(write_film(tmp_path / name, video, audio), None)
    assert (clip.has_video, clip.has_audio, clip.size) == (True, True, SIZE)
    assert clip.seconds == pytest.approx(20 / 30, abs=0.1)
    assert counters(clip, 20) == list(range(20))
    hertz, share = dominant_frequency(sound_of(clip, 25), 48000)
    assert abs(hertz - 440) < 2
    assert share > 0.9


def test_y4m_plays_without_sound(tmp_path):
    clip = open_clip(write_y4m(tmp_path / "a.y4m"), None)
    assert (clip.has_video, clip.has_audio) == (True, False)
    assert counters(clip, 5) == list(range(5))
    with pytest.raises(ApiMisuse):
        next(clip.audio_frames())


def test_pictures_are_fresh_and_counted(tmp_path):
    clip = open_clip(write_y4m(tmp_path / "a.y4m", 3), None, fps=15)
    frames = take(clip.video_frames(), 8)
    assert [frame.pts for frame in frames] == [n * 6000 for n in range(8)]
    assert {frame.time_base for frame in frames} == {Fraction(1, 90000)}
    assert {frame.format.name for frame in frames} == {"yuv420p"}
    assert len({id(frame) for frame in frames}) == 8


def test_short_film_is_opened_again(tmp_path):
    clip = open_clip(write_y4m(tmp_path / "a.y4m", 4), None)
    assert counters(clip, 11) == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2]


def test_a_still_picture_lasts(tmp_path, monkeypatch):
    opened = []
    original = files.opened_media
    monkeypatch.setattr(files, "opened_media", lambda path: opened.append(path) or original(path))
    clip = open_clip(write_y4m(tmp_path / "a.y4m", 1), None)
    assert counters(clip, 50) == [0] * 50
    assert len(opened) == 2


@pytest.mark.parametrize(
    ("source", "wanted", "expected"),
    [
        (30, 30, [0, 1, 2, 3, 4, 5]),
        (30, 15, [0, 2, 4, 6, 8, 10]),
        (15, 30, [0, 0, 1, 1, 2, 2]),
        (25, 30, [0, 0, 1, 2, 3, 4]),
    ],
)
def test_picture_rate_is_normalised(tmp_path, source, wanted, expected):
    clip = open_clip(write_film(tmp_path / "a.mkv", fps=source), None, fps=wanted)
    assert counters(clip, 6) == expected
    assert len(take(clip.video_frames(), 40)) == 40


def test_webm_times_rounded_to_milliseconds_lose_nothing(tmp_path):
    clip = open_clip(write_film(tmp_path / "a.webm", "libvpx", pictures=20), None)
    assert counters(clip, 20) == list(range(20))


def test_scaled_with_bars(tmp_path):
    clip = open_clip(write_film(tmp_path / "a.mp4", size=(320, 240)), None, size=(320, 120))
    frame = next(clip.video_frames())
    grey = luma(frame)
    assert (frame.width, frame.height) == (320, 120)
    assert (grey[:, :78] == 16).all()
    assert (grey[:, 242:] == 16).all()
    assert read_counter(np.ascontiguousarray(grey[:, 80:240])) == 0


def test_turned_film_stands_upright(tmp_path):
    path = write_film(tmp_path / "a.mp4", size=(320, 240))
    data = path.read_bytes()
    upright = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    quarter = struct.pack(">9i", 0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000)
    at = data.index(upright, data.index(b"tkhd"))
    path.write_bytes(data[:at] + quarter + data[at + 36 :])
    clip = open_clip(path, None)
    assert clip.size == (240, 320)
    grey = luma(next(clip.video_frames()))
    assert grey.shape == (320, 240)
    assert read_counter(np.ascontiguousarray(np.rot90(grey))) == 0  # turned back, the card is as it was


def test_sound_alone_is_a_voice_call(tmp_path):
    clip = open_clip(None, write_wav(tmp_path / "a.wav", rate=22050, channels=2))
    assert (clip.has_video, clip.has_audio, clip.size) == (False, True, None)
    assert abs(dominant_frequency(sound_of(clip, 20), 48000)[0] - 440) < 2
    with pytest.raises(ApiMisuse):
        next(clip.video_frames())


def test_sound_file_wins_over_the_films_own(tmp_path):
    film = write_film(tmp_path / "a.mp4", "libx264", "aac")
    clip = open_clip(film, write_wav(tmp_path / "a.wav", hertz=1000))
    assert abs(dominant_frequency(sound_of(clip, 20), 48000)[0] - 1000) < 2


def test_sound_frames_are_whole_and_without_a_seam(tmp_path):
    clip = open_clip(None, write_wav(tmp_path / "a.wav", 2.345))  # no multiple of 20 ms, longer than what is kept
    frames = take(clip.audio_frames(), 300)
    assert {(frame.samples, frame.sample_rate, frame.format.name, frame.layout.name) for frame in frames} == {
        (960, 48000, "s16", "stereo")
    }
    assert [frame.pts for frame in frames] == [960 * n for n in range(300)]
    samples = np.concatenate([frame.to_ndarray()[0, ::2] for frame in frames])
    length = round(2.345 * 48000)
    assert np.array_equal(samples[:length], samples[length : 2 * length])


def test_sound_that_changes_its_rate_in_the_middle():
    def pieces():
        for rate, layout in ((48000, "stereo"), (44100, "mono"), (48000, "stereo"), (8000, "mono")):
            for _ in range(10):
                width = rate // 50 * (2 if layout == "stereo" else 1)
                frame = av.AudioFrame.from_ndarray(np.full((1, width), 100, np.int16), format="s16", layout=layout)
                frame.sample_rate = rate
                yield frame

    samples = np.concatenate([frame.to_ndarray()[0] for frame in files._resampled(pieces())])
    assert abs(len(samples) // 2 - 40 * 960) < 200
    assert np.median(samples) == pytest.approx(100, abs=30)


def test_very_short_sound_is_kept(tmp_path, monkeypatch):
    opened = []
    original = files.opened_media
    monkeypatch.setattr(files, "opened_media", lambda path: opened.append(path) or original(path))
    clip = open_clip(None, write_wav(tmp_path / "a.wav", 0.005))
    samples = sound_of(clip, 50)[:, 0]
    assert len(opened) == 2
    assert np.array_equal(samples[:240], samples[240:480])


def test_film_with_shorter_sound_stays_in_step(tmp_path):
    clip = open_clip(write_film(tmp_path / "a.mkv", "libx264", "pcm_s16le", pictures=30, sounds=10), None)
    samples = sound_of(clip, 100)[:, 0].astype(np.int32)
    loud = [np.abs(samples[48000 * n // 10 : 48000 * (n + 1) // 10]).max() > 500 for n in range(20)]
    assert loud == ([True] * 2 + [False] * 8) * 2
    assert [n for n, value in enumerate(counters(clip, 61)) if value == 0] == [0, 30, 60]


def test_nothing_is_held_in_memory(tmp_path):
    clip = open_clip(write_y4m(tmp_path / "a.y4m", 40), None)
    frames = clip.video_frames()
    first = next(frames)
    (tmp_path / "a.y4m").write_bytes(b"")  # what was decoded lives on, what was not is gone
    assert read_counter(first) == 0
    with pytest.raises(MediaUnavailable):
        take(frames, 100)


# What is wrong with files


def refused(match, video=None, audio=None, **options):
    with pytest.raises(MediaUnavailable, match=match) as caught:
        open_clip(video, audio, **options)
    assert caught.value.hint
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path):
    refused("no such file", tmp_path / "gone.mp4")
    refused("no such file", None, tmp_path / "gone.wav")


def test_directory(tmp_path):
    refused("directory", tmp_path)
    refused("directory", None, tmp_path)


def test_device_is_not_opened(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.mp4")
    refused("no regular file", tmp_path / "pipe.mp4")


def test_empty_file(tmp_path):
    (tmp_path / "a.mp4").touch()
    refused("empty", tmp_path / "a.mp4")


def test_noise_is_no_media(tmp_path):
    (tmp_path / "a.mp4").write_bytes(np.random.default_rng(1).bytes(5000))
    refused("cannot read a.mp4", tmp_path / "a.mp4")


@pytest.mark.parametrize("name", ["a.txt", "a.m3u8", "a.ffconcat", "a.sdp"])
def test_text_and_playlists_are_no_media(tmp_path, name):
    film = write_film(tmp_path / "real.mp4")
    (tmp_path / name).write_text(
        {
            "a.txt": "hello\n" * 100,
            "a.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{film}\n#EXT-X-ENDLIST\n",
            "a.ffconcat": f"ffconcat version 1.0\nfile {film.name}\n",
            "a.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
        }[name]
    )
    refused("a\\.", tmp_path / name)


def test_subtitles_have_neither_picture_nor_sound(tmp_path):
    (tmp_path / "a.srt").write_text("1\n00:00:00,000 --> 00:00:02,000\nhello\n")
    refused("neither picture nor sound", tmp_path / "a.srt")
    refused("neither picture nor sound", None, tmp_path / "a.srt")


def test_picture_asked_of_a_sound_file(tmp_path):
    refused("has no picture", write_wav(tmp_path / "a.wav"))


def test_sound_asked_of_a_silent_film(tmp_path):
    refused("has no sound", None, write_y4m(tmp_path / "a.y4m"))


def test_film_cut_before_its_index(tmp_path):
    path = write_film(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[:3000])
    refused("cannot read a.mp4", path)


def test_header_without_pictures(tmp_path):
    path = write_y4m(tmp_path / "a.y4m", 0)
    refused("can be decoded|cannot read", path)


@pytest.mark.parametrize("size", [(161, 120), (0, 0), (8, 8), (-2, 120)])
def test_impossible_size(tmp_path, size):
    refused("cannot be made", write_y4m(tmp_path / "a.y4m"), size=size)


def test_no_file_at_all():
    with pytest.raises(ApiMisuse):
        open_clip(None, None)


def test_fault_in_the_middle_plays_until_then(tmp_path):
    path = write_film(tmp_path / "a.avi", "mpeg4", pictures=30)
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for position, size in packets[12:]:
        data[position + 8 : position + 8 + size] = b"\xff" * size
    path.write_bytes(data)
    shown = []
    with pytest.raises(MediaUnavailable, match=r"cannot read a\.avi") as caught:
        shown.extend(read_counter(frame) for frame in itertools.islice(open_clip(path, None).video_frames(), 100))
    assert shown[:10] == list(range(10))
    assert caught.value.hint


def test_fault_in_sound_plays_until_then(tmp_path):
    path = tmp_path / "a.flac"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("flac", rate=48000, layout="stereo")
        for n in range(100):
            out.mux(stream.encode(Tone(ALICE).frame(n)))
        out.mux(stream.encode(None))
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = b"\x55" * (len(data) - len(data) // 2)
    path.write_bytes(data)
    heard = []
    with pytest.raises(MediaUnavailable):
        heard.extend(frame.pts for frame in itertools.islice(open_clip(None, path).audio_frames(), 500))
    assert len(heard) > 20


def test_closing_the_iterator_closes_the_file(tmp_path):
    frames = open_clip(write_y4m(tmp_path / "a.y4m", 10), None).video_frames()
    next(frames)
    frames.close()
    assert list(frames) == []


# Codecs


@pytest.mark.parametrize("name", ["vp8", "h264", "opus", "VP8"])
def test_codecs_of_this_build(name):
    require_codec(name)


def test_unknown_codec():
    with pytest.raises(MediaUnavailable, match="unknown codec 'av2'") as caught:
        require_codec("av2")
    assert caught.value.hint


def test_codec_that_the_build_lacks(monkeypatch):
    monkeypatch.setitem(files._ENCODERS, "h264", ("libx264_from_elsewhere", "h264"))
    with pytest.raises(MediaUnavailable, match="no codec for h264") as caught:
        require_codec("h264")
    assert "PyAV" in caught.value.hint

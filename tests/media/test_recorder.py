"""Recordings: muxed without transcoding, playable also when cut off, and a typed error for a full disk."""

import errno
import functools
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from aiortc.codecs.h264 import H264Encoder, h264_depayload
from aiortc.codecs.vpx import Vp8Encoder, vp8_depayload

from e2ecall.errors import ApiMisuse, MediaUnavailable, OutputFailed
from e2ecall.media import recorder as recorder_module
from e2ecall.media.recorder import FrameDecoder, Recorder, decode_recording, recorded_pictures, samples_of
from e2ecall.media.testcard import ALICE, TestCard, Tone, dominant_frequency, read_counter

CODECS = ["vp8", "h264"]


@functools.cache
def encoded(codec, count=45):
    """(frame, RTP timestamp) of the test card; a second key frame at number 20."""
    encoder, depayload = (Vp8Encoder(), vp8_depayload) if codec == "vp8" else (H264Encoder(), h264_depayload)
    card = TestCard(ALICE, 160, 120)
    frames = []
    for n in range(count):
        payloads, timestamp = encoder.encode(card.picture(n), force_keyframe=n in (0, 20))
        frames.append((b"".join(depayload(payload) for payload in payloads), timestamp))
    return frames


@functools.cache
def spoken(count=75):
    """(frame, RTP timestamp) of the tone in Opus."""
    encoder, tone, frames = av.CodecContext.create("libopus", "w"), Tone(ALICE), []
    encoder.sample_rate, encoder.layout, encoder.format = 48000, "stereo", "s16"
    for n in range(count):
        frames += [bytes(packet) for packet in encoder.encode(tone.frame(n))]
    return [(frame, 960 * n) for n, frame in enumerate(frames)]


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def record(path, codec, *, video=(), audio=(), offset=0, close=True):
    """Frames of both kinds in the order of their time, as a call would deliver them."""
    clock = Clock()
    recorder = Recorder(path, codec, clock=clock)
    events = [(timestamp / 90000, "video", data, timestamp) for data, timestamp in video]
    events += [(timestamp / 48000, "audio", data, timestamp) for data, timestamp in audio]
    positions = []
    for when, kind, data, timestamp in sorted(events, key=lambda event: event[0]):
        clock.now = 1000.0 + when
        positions.append((kind, recorder.add(kind, data, (timestamp + offset) % (1 << 32))))
    if close:
        recorder.close()
    return recorder, positions


def played(path):
    pictures, sound = [], []
    for when, frame in decode_recording(path):
        if isinstance(frame, av.VideoFrame):
            pictures.append((when, read_counter(frame)))
        else:
            sound.append(frame.to_ndarray()[0])
    return pictures, np.concatenate(sound) if sound else np.zeros(0)


@pytest.mark.parametrize("codec", CODECS)
def test_every_frame_comes_back(tmp_path, codec):
    path = tmp_path / f"received{Recorder.suffix(codec)}"
    recorder, positions = record(path, codec, video=encoded(codec), audio=spoken())
    pictures, sound = played(path)
    assert [number for _, number in pictures] == list(range(45))
    assert [when for when, _ in pictures] == pytest.approx([n / 30 for n in range(45)], abs=0.0011)
    assert dominant_frequency(sound, 48000)[0] == pytest.approx(440, abs=1)
    assert len(sound) / 48000 == pytest.approx(1.5, abs=0.01)
    assert [position for kind, position in positions if kind == "video"] == list(range(45))
    assert (recorder.frames, recorder.left_out) == ({"video": 45, "audio": 75}, {})


@pytest.mark.parametrize("codec", CODECS)
def test_nothing_is_transcoded(tmp_path, codec):
    path = tmp_path / "received"
    record(path, codec, video=encoded(codec), audio=spoken())
    with av.open(str(path)) as container:
        kept = [bytes(packet) for packet in container.demux(video=0) if packet.size]
        name = container.streams.video[0].codec_context.name
    assert name == codec
    if codec == "vp8":
        assert kept == [data for data, _ in encoded(codec)]
    with av.open(str(path)) as container:
        assert container.format.name.startswith("matroska" if codec == "vp8" else "mov")
        assert [bytes(packet) for packet in container.demux(audio=0) if packet.size] == [data for data, _ in spoken()]


@pytest.mark.parametrize("codec", CODECS)
def test_pictures_know_their_position(tmp_path, codec):
    path = tmp_path / "received"
    frames = list(encoded(codec))
    half = len(frames[30][0]) // 2
    frames[30] = (frames[30][0][:half] + bytes(half), frames[30][1])  # one broken frame shifts no other
    record(path, codec, video=frames, audio=spoken())
    read = [(position, read_counter(frame)) for position, frame in recorded_pictures(path)]
    assert [position for position, _ in read] == sorted({position for position, _ in read})
    assert {position for position, _ in read} >= set(range(45)) - {30}
    assert [number for position, number in read if position < 30] == list(range(30))
    assert all(number in (position, None) for position, number in read if position != 30)


def test_no_pictures_in_sound(tmp_path):
    path = tmp_path / "received.webm"
    record(path, "opus", audio=spoken())
    assert list(recorded_pictures(path)) == []


@pytest.mark.parametrize("codec", CODECS)
def test_timestamps_that_wrap_and_start_anywhere(tmp_path, codec):
    path = tmp_path / "received"
    record(path, codec, video=encoded(codec), audio=spoken(), offset=(1 << 32) - 40_000)
    pictures, _ = played(path)
    assert [when for when, _ in pictures] == pytest.approx([n / 30 for n in range(45)], abs=0.0011)


def test_video_starts_at_its_first_key_frame(tmp_path):
    path = tmp_path / "received.webm"
    recorder, positions = record(path, "vp8", video=encoded("vp8")[5:], audio=spoken())
    pictures, sound = played(path)
    assert [number for _, number in pictures] == list(range(20, 45))
    assert pictures[0][0] == pytest.approx(20 / 30, abs=0.02)
    assert recorder.left_out == {"video": 15}
    assert [position for kind, position in positions if kind == "video"] == [None] * 15 + list(range(25))
    assert len(sound) / 48000 > 1.4


def test_sound_that_starts_late_stays_in_step(tmp_path):
    path = tmp_path / "received.webm"
    record(path, "vp8", video=encoded("vp8"), audio=spoken()[50:])
    first = next(when for when, frame in decode_recording(path) if isinstance(frame, av.AudioFrame))
    assert first == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("codec", [*CODECS, "opus"])
def test_sound_alone(tmp_path, codec):
    path = tmp_path / "received"
    record(path, codec, audio=spoken())
    pictures, sound = played(path)
    assert pictures == []
    assert dominant_frequency(sound, 48000)[0] == pytest.approx(440, abs=1)
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["audio"]


@pytest.mark.parametrize("codec", CODECS)
def test_pictures_alone(tmp_path, codec):
    path = tmp_path / "received"
    record(path, codec, video=encoded(codec))
    assert [number for _, number in played(path)[0]] == list(range(45))


def test_nothing_received_leaves_an_empty_file(tmp_path):
    path = tmp_path / "received.webm"
    recorder, _ = record(path, "vp8", video=encoded("vp8")[1:20])
    assert path.read_bytes() == b""
    assert recorder.left_out == {"video": 19}


def test_pictures_in_a_voice_call_are_left_out(tmp_path):
    path = tmp_path / "received.webm"
    recorder, _ = record(path, "opus", video=encoded("vp8"), audio=spoken())
    assert recorder.left_out == {"video": 45}
    assert played(path)[0] == []


def test_frames_that_are_none_do_no_harm(tmp_path):
    path = tmp_path / "received.webm"
    recorder = Recorder(path, "vp8")
    for data in (b"", b"\x00", b"\x10\x02\x00", bytes(30), b"\xff" * 50):
        assert recorder.add("video", data, 0) is None
    for data, timestamp in encoded("vp8"):
        recorder.add("video", data, timestamp)
    recorder.close()
    assert [number for _, number in played(path)[0]] == list(range(45))
    odd = Recorder(tmp_path / "odd.mp4", "h264")
    for data in (b"", b"\x00\x00\x01\x65", b"\x00\x00\x01\x65" + bytes(40), b"\xff" * 50):
        assert odd.add("video", data, 0) is None
    odd.close()


@pytest.mark.parametrize("codec", CODECS)
def test_timestamps_that_stand_still_or_go_back(tmp_path, codec):
    path, clock = tmp_path / "received", Clock()
    recorder = Recorder(path, codec, clock=clock)
    for n, (data, timestamp) in enumerate(encoded(codec)):
        recorder.add("video", data, timestamp if n % 3 else max(0, timestamp - 6000))
    recorder.close()
    with av.open(str(path)) as container:
        times = [packet.pts for packet in container.demux(video=0) if packet.size]
    assert len(times) == 45
    assert times == sorted(times)
    assert played(path)[0][-1][1] == 44


def test_a_jump_of_hours_starts_anew_from_the_arrival(tmp_path):
    path, clock = tmp_path / "received.webm", Clock()
    recorder = Recorder(path, "vp8", clock=clock)
    for n, (data, timestamp) in enumerate(encoded("vp8")):
        clock.now = 1000 + n / 30
        recorder.add("video", data, timestamp + (1 << 30 if n >= 20 else 0))
    recorder.close()
    assert played(path)[0][-1][0] == pytest.approx(44 / 30, abs=0.01)


# Cut off, full, unwritable

DYING = """
import os, pathlib, sys
sys.path[:0] = [{here!r}]
import test_recorder as t
t.record(pathlib.Path({path!r}), {codec!r}, video=t.encoded({codec!r}, 100), audio=t.spoken(166), close=False)
os.kill(os.getpid(), {signal})
"""


@pytest.mark.parametrize("codec", CODECS)
def test_a_killed_process_leaves_what_can_be_played(tmp_path, codec):
    path = tmp_path / "received"
    script = DYING.format(here=str(Path(__file__).parent), path=str(path), codec=codec, signal=int(signal.SIGKILL))
    died = subprocess.run([sys.executable, "-c", script], timeout=60)
    assert died.returncode == -signal.SIGKILL
    pictures, sound = played(path)
    assert len(pictures) >= 60
    assert [number for _, number in pictures] == list(range(len(pictures)))
    assert len(sound) > 1.5 * 48000


@pytest.mark.parametrize("share", [0.4, 0.7])
def test_a_cut_webm_plays_up_to_the_cut(tmp_path, share):
    path = tmp_path / "received.webm"
    record(path, "vp8", video=encoded("vp8"), audio=spoken())
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    pictures, _ = played(path)
    assert len(pictures) >= 10
    assert [number for _, number in pictures] == list(range(len(pictures)))


class FullDisk:
    """A file that takes `room` bytes."""

    def __init__(self, path, room):
        self.file, self.room = path.open("wb", buffering=0), room

    def write(self, data):
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = self.file.write(data[: self.room])
        self.room -= taken
        return taken

    def seek(self, offset, whence=0):
        return self.file.seek(offset, whence)

    def tell(self):
        return self.file.tell()

    def close(self):
        self.file.close()


@pytest.mark.parametrize("codec", CODECS)
def test_a_full_disk_is_said_and_what_was_written_plays(tmp_path, codec):
    path, frames = tmp_path / "received", encoded(codec, 100)
    room = sum(len(data) for data, _ in frames[:70])
    recorder = Recorder(path, codec)
    recorder._sink._file.close()
    recorder._sink._file = FullDisk(path, room)
    failed = None
    for n, (data, timestamp) in enumerate(frames):
        try:
            recorder.add("video", data, timestamp)
        except OutputFailed as error:
            failed = failed or (n, error)
    recorder.close()
    assert failed is not None
    assert 60 < failed[0] < 100
    assert "No space left on device" in str(failed[1])
    assert failed[1].hint
    pictures = []
    try:
        pictures.extend(read_counter(f) for _, f in decode_recording(path))
    except MediaUnavailable:
        assert codec == "h264"  # the last fragment of an MP4 is incomplete, and FFmpeg says so after the others
    assert len(pictures) >= 30 or codec == "h264"
    assert pictures == list(range(len(pictures)))


def test_a_full_disk_goes_on_failing_and_closes_quietly(tmp_path):
    recorder = Recorder(tmp_path / "received.webm", "opus")
    recorder._sink._file.close()
    recorder._sink._file = FullDisk(tmp_path / "received.webm", 0)
    for data, timestamp in spoken()[:2]:
        with pytest.raises(OutputFailed):
            recorder.add("audio", data, timestamp)
    recorder.close()
    recorder.close()


def test_a_disk_that_fills_up_at_the_end_is_said_by_close(tmp_path):
    recorder = Recorder(tmp_path / "received.webm", "opus")
    for data, timestamp in spoken()[:20]:
        recorder.add("audio", data, timestamp)
    recorder._sink._file.close()
    recorder._sink._file = FullDisk(tmp_path / "other", 0)
    with pytest.raises(OutputFailed, match="any further"):
        recorder.close()
    recorder.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_device_without_space():
    recorder = Recorder(Path("/dev/full"), "opus")
    with pytest.raises(OutputFailed, match="No space left"):
        recorder.add("audio", *spoken()[0])
    recorder.close()


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(OutputFailed) as caught:
        Recorder(tmp_path / "missing" / "received.webm", "vp8")
    assert caught.value.hint


def test_use_after_close(tmp_path):
    recorder = Recorder(tmp_path / "received.webm", "opus")
    recorder.close()
    with pytest.raises(ApiMisuse):
        recorder.add("audio", b"\xfc\xff\xfe", 0)


@pytest.mark.parametrize("codec", ["vp9", "", "h265"])
def test_other_codecs(tmp_path, codec):
    with pytest.raises(MediaUnavailable) as caught:
        Recorder(tmp_path / "received", codec)
    assert caught.value.hint
    assert not (tmp_path / "received").exists()


def test_suffixes():
    assert [Recorder.suffix(codec) for codec in ("vp8", "H264", "opus")] == [".webm", ".mp4", ".webm"]


# Single frames


@pytest.mark.parametrize("codec", CODECS)
def test_single_frames_decode(codec):
    decoder = FrameDecoder(codec)
    pictures = [frame for data, _ in encoded(codec) for frame in decoder.decode(data)]
    assert [read_counter(frame) for frame in pictures] == list(range(45))


def test_single_sounds_decode():
    decoder = FrameDecoder("opus")
    sound = np.concatenate([samples_of(frame) for data, _ in spoken() for frame in decoder.decode(data)])
    assert sound.shape == (75 * 960, 2)
    assert 0.2 < np.abs(sound).max() < 0.35
    assert dominant_frequency(sound, 48000)[0] == pytest.approx(440, abs=1)


def test_a_frame_that_is_none_says_why():
    with pytest.raises(MediaUnavailable, match="libvpx"):
        FrameDecoder("vp8").decode(b"\x10\x02\x00" + bytes(20))
    with pytest.raises(MediaUnavailable):
        FrameDecoder("h264").decode(b"\xff" * 100)


def test_vp8_size_comes_from_the_key_frame(tmp_path):
    path = tmp_path / "received.webm"
    record(path, "vp8", video=encoded("vp8"))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.width, stream.codec_context.height) == (160, 120)
    assert struct.unpack_from("<HH", encoded("vp8")[0][0], 6) == (160, 120)


def test_module_knows_its_pieces():
    assert set(recorder_module._SUFFIXES.values()) == set(recorder_module._PIECES)

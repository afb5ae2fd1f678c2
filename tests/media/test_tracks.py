"""Tracks: real time, one thread, late pictures skipped, sound complete, a reason when they end."""

import asyncio
import itertools
import threading
import time
from fractions import Fraction

import av
import numpy as np
import pytest
from aiortc.codecs.vpx import Vp8Encoder
from aiortc.mediastreams import MediaStreamError

from e2ecall.errors import MediaUnavailable
from e2ecall.media.testcard import ALICE, BOB, TestCard, read_counter
from e2ecall.media.tracks import AudioTrack, BuiltInClip, VideoTrack, tracks_of

CARD = TestCard(ALICE, 160, 120)


def pictures(delay=0.0):
    for n in itertools.count():
        if delay:
            time.sleep(delay)
        yield CARD.picture(n)


def test_pictures_come_in_real_time():
    async def scene():
        track = VideoTrack(pictures())
        began = time.monotonic()
        frames = [await track.recv() for _ in range(10)]
        took = time.monotonic() - began
        track.stop()
        return frames, took

    frames, took = asyncio.run(scene())
    assert [read_counter(frame) for frame in frames] == list(range(10))
    assert [frame.pts for frame in frames] == [3000 * n for n in range(10)]
    assert 0.28 <= took < 0.6
    assert len({id(frame) for frame in frames}) == 10


def test_the_clock_starts_with_the_first_frame():
    async def scene():
        track = VideoTrack(pictures())
        await asyncio.sleep(0.2)
        frames = [await track.recv() for _ in range(3)]
        track.stop()
        return frames, track.skipped

    frames, skipped = asyncio.run(scene())
    assert [read_counter(frame) for frame in frames] == [0, 1, 2]
    assert skipped == 0


def test_late_pictures_are_skipped_and_sound_is_not():
    async def scene():
        sent = []
        video = VideoTrack(pictures(), on_sent=lambda index, frame: sent.append((index, read_counter(frame))))
        audio = AudioTrack(BuiltInClip(BOB, None).audio_frames())
        await video.recv()
        await audio.recv()
        await asyncio.sleep(0.5)
        await video.recv()
        sound = [(await audio.recv()).pts for _ in range(25)]
        skipped = video.skipped, audio.skipped
        video.stop()
        audio.stop()
        return sent, sound, skipped

    sent, sound, skipped = asyncio.run(scene())
    assert [index for index, _ in sent] == [number for _, number in sent]
    assert 13 <= sent[1][0] <= 17
    assert skipped == (sent[1][0] - 1, 0)
    assert sound == [960 * n for n in range(1, 26)]


def test_a_slow_source_does_not_block_the_event_loop():
    async def scene():
        track = VideoTrack(pictures(delay=0.1))
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                await asyncio.sleep(0.005)
                ticks += 1

        task = asyncio.create_task(tick())
        frames = [await asyncio.wait_for(track.recv(), 2) for _ in range(4)]
        task.cancel()
        track.stop()
        return ticks, frames, track.skipped

    ticks, frames, skipped = asyncio.run(scene())
    assert ticks > 40
    assert skipped <= 4  # it is no use to skip here, and not all are skipped
    assert read_counter(frames[3]) == 3 + skipped


def test_frames_are_made_in_one_thread_of_their_own():
    async def scene():
        threads = set()

        def source():
            for n in itertools.count():
                threads.add(threading.current_thread().name)
                yield CARD.picture(n)

        track = VideoTrack(source())
        for _ in range(3):
            await track.recv()
        track.stop()
        return threads

    (name,) = asyncio.run(scene())
    assert name.startswith("e2ecall-video-source")


def test_the_end_of_the_iterator_ends_the_track():
    async def scene():
        track = VideoTrack(itertools.islice(pictures(), 2))
        await track.recv()
        await track.recv()
        with pytest.raises(MediaStreamError):
            await track.recv()
        return track

    track = asyncio.run(scene())
    assert (track.readyState, track.error) == ("ended", None)


def test_a_failing_source_ends_the_track_with_its_reason():
    def source():
        yield CARD.picture(0)
        raise MediaUnavailable("cannot read film.avi: Invalid data", hint="is it complete?")

    async def scene():
        track = VideoTrack(source())
        await track.recv()
        with pytest.raises(MediaStreamError):
            await track.recv()
        with pytest.raises(MediaStreamError):
            await track.recv()
        return track

    track = asyncio.run(scene())
    assert track.readyState == "ended"
    assert isinstance(track.error, MediaUnavailable)
    assert "film.avi" in str(track.error)


def test_stop_closes_the_source_and_may_be_repeated():
    async def scene():
        closed = threading.Event()

        def source():
            try:
                yield from pictures()
            finally:
                closed.set()

        track = VideoTrack(source())
        await track.recv()
        track.stop()
        track.stop()
        with pytest.raises(MediaStreamError):
            await track.recv()
        return await asyncio.to_thread(closed.wait, 2)

    assert asyncio.run(scene())


def test_stop_while_a_frame_is_awaited():
    async def scene():
        track = VideoTrack(pictures())
        await track.recv()
        waiting = asyncio.create_task(track.recv())
        await asyncio.sleep(0.005)
        track.stop()
        with pytest.raises(MediaStreamError):
            await waiting

    asyncio.run(scene())


def test_frames_survive_an_encoder_that_rewrites_them():
    async def scene():
        track, encoder = VideoTrack(BuiltInClip(ALICE, (160, 120)).video_frames()), Vp8Encoder()
        stamps = []
        for _ in range(4):
            stamps.append(encoder.encode(await track.recv())[1])
        track.stop()
        return stamps

    assert asyncio.run(scene()) == pytest.approx([0, 3000, 6000, 9000], abs=1)  # aiortc rounds


def test_tracks_of_a_clip():
    audio, video = tracks_of(BuiltInClip(ALICE, (160, 120)))
    assert (audio.kind, video.kind) == ("audio", "video")
    audio.stop()
    video.stop()
    audio, video = tracks_of(BuiltInClip(ALICE, None))
    assert (audio.kind, video) == ("audio", None)
    audio.stop()


def test_sound_track_frames():
    async def scene():
        track = AudioTrack(BuiltInClip(BOB, None).audio_frames())
        began = time.monotonic()
        frames = [await track.recv() for _ in range(11)]
        track.stop()
        return frames, time.monotonic() - began

    frames, took = asyncio.run(scene())
    assert all(isinstance(frame, av.AudioFrame) and frame.samples == 960 for frame in frames)
    assert frames[3].time_base == Fraction(1, 48000)
    assert np.abs(frames[5].to_ndarray()).max() > 3000
    assert 0.19 <= took < 0.5

"""A whole call of Telegram's profile with ntgcalls 3.0.5: the exchange, four emoji, signalling, media both ways.

ntgcalls is in this process, this library in another: both bring native media code, and do not live together in one.
Each sends a tone and, where asked, a picture of its own, and each recognises the other's. `pytest -s` shows the log.
"""

import asyncio
import functools
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.support.telegram import GROUP
from tests.support.tones import RATE, pitch, tone

if "E2ECALL_INTEROP" not in os.environ:
    pytest.skip("ntgcalls needs a process of its own: make interop", allow_module_level=True)
ntgcalls = pytest.importorskip("ntgcalls", reason="ntgcalls is not installed: make interop")

ROOT = Path(__file__).parents[2]
PEER = 7
SECONDS = 40.0
PART = RATE // 100  # ntgcalls takes and gives 10 ms at a time
OUR_TONE, THEIR_TONE = 660, 440
WIDTH, HEIGHT = 320, 240
BRIGHT, DARK = 180, 60  # luma, left and right, of the picture that ntgcalls sends
RED, BLUE = (72, 95, 225), (38, 225, 112)  # luma and both colours (BT.601) of the halves of the one it gets


def live(test):
    @functools.wraps(test)
    def run(**arguments):
        asyncio.run(asyncio.wait_for(test(**arguments), SECONDS))

    return run


class Call:
    """ntgcalls here, this library in the process `person`; everything between them goes through `say` and `take`."""

    def __init__(self, role, media, version):
        self.role, self.media, self.video, self.version = role, media, media == "video", version
        self.loop, self.began = asyncio.get_running_loop(), time.monotonic()
        self.nt, self.packets, self.tasks = ntgcalls.NTgCalls(), Counter(), []
        self.emoji, self.heard_there, self.seen_there, self.lines, self.told = {}, [], [], [], []
        self.sound, self.frames, self.picture = bytearray(), Counter(), None
        self.person, self.sent, self.connected, self.failed = None, 0, asyncio.Event(), []

    def log(self, text):
        print(f"{time.monotonic() - self.began:7.3f} s  {text}")

    def say(self, word, data=b""):
        self.person.stdin.write(f"{word} {data.hex()}\n".encode())

    async def start(self):
        command = ("-m", "tests.interop.aiortc_person", self.role, self.media)
        pipe = asyncio.subprocess.PIPE
        self.person = await asyncio.create_subprocess_exec(
            sys.executable, *command, cwd=ROOT, stdin=pipe, stdout=pipe, limit=1 << 20
        )
        await self.nt.create_p2p_call(PEER)
        external = ntgcalls.MediaSource.EXTERNAL
        audio = ntgcalls.AudioDescription(external, RATE, 1, "", False)
        video = ntgcalls.VideoDescription(external, WIDTH, HEIGHT, 15, "", False) if self.video else None
        for mode in (ntgcalls.StreamMode.CAPTURE, ntgcalls.StreamMode.PLAYBACK):
            await self.nt.set_stream_sources(PEER, mode, ntgcalls.MediaDescription(audio, None, video, None))
        self.nt.on_frames(lambda *said: self.loop.call_soon_threadsafe(self.got_frames, *said))
        self.nt.on_connection_change(lambda _, info: self.loop.call_soon_threadsafe(self.changed, info.state))
        self.nt.on_remote_source_change(lambda _, source: self.loop.call_soon_threadsafe(self.said, source))
        self.nt.on_signaling_data(lambda _, data: self.loop.call_soon_threadsafe(self.packet, bytes(data)))
        if self.role == "callee":
            self.say("g_a_hash", bytes(await self.nt.init_exchange(PEER, self.dh(), None)))
        self.spawn(self.listen())

    @staticmethod
    def dh():
        return ntgcalls.DhConfig(GROUP.g, GROUP.p.to_bytes(256, "big"), os.urandom(256))

    def spawn(self, work):
        self.tasks.append(asyncio.ensure_future(work))

    async def listen(self):
        while line := await self.person.stdout.readline():
            word, _, data = line.decode().partition(" ")
            await self.take(word, bytes.fromhex(data))

    async def take(self, word, data):
        """telegram.2: the three messages of the exchange, then packets and what the other process reports."""
        if word == "g_a_hash":
            self.say("g_b", bytes(await self.nt.init_exchange(PEER, self.dh(), data)))
        elif word == "g_b":
            auth = await self.nt.exchange_keys(PEER, data, 0)
            self.say("g_a", auth.key_fingerprint.to_bytes(8, "big", signed=True) + bytes(auth.g_a_or_b))
            await self.established()
        elif word == "g_a":
            await self.nt.exchange_keys(PEER, data[8:], int.from_bytes(data[:8], "big", signed=True))
            await self.established()
        elif word == "packet":
            self.packets["from aiortc"] += 1
            await self.nt.send_signaling_data(PEER, data)
        elif word == "heard":
            self.heard_there.append(json.loads(data))
        elif word == "seen":
            self.seen_there.append(json.loads(data))
        elif word == "failed":
            self.failed.append(data.decode())
        elif word == "emoji":
            self.emoji["aiortc"] = data.decode()
        else:
            self.lines.append(data.decode())
            self.log(f"aiortc    {data.decode()[:300]}")

    async def established(self):
        self.emoji["ntgcalls"] = "".join(await self.nt.get_emojis_fingerprint(PEER))
        self.spawn(self.nt.connect_p2p(PEER, [], [self.version], True, None))
        self.spawn(self.play())
        if self.video:
            self.spawn(self.film())

    def packet(self, data):
        self.packets["from ntgcalls"] += 1
        self.say("packet", data)

    def changed(self, state):
        self.log(f"ntgcalls  {state.name.lower()}")
        if state == ntgcalls.ConnectionState.CONNECTED:
            self.connected.set()

    def said(self, source):
        self.log(f"ntgcalls  is told: {source.device.name.lower()} {source.state.name.lower()}")
        self.told.append((source.device.name.lower(), source.state.name.lower()))

    def got_frames(self, _, mode, device, frames):
        if mode != ntgcalls.StreamMode.PLAYBACK:
            return
        self.frames[device.name.lower()] += len(frames)
        for frame in frames:
            if device == ntgcalls.StreamDevice.MICROPHONE:
                self.sound += frame.data
            else:
                self.picture = (frame.frame_data.width, frame.frame_data.height, bytes(frame.data))

    async def play(self):
        """The tone of ntgcalls, from when it is connected."""
        await self.connected.wait()
        began, sideways = time.monotonic(), ntgcalls.VideoRotation.VIDEO_ROTATION_0
        while True:
            data = tone(THEIR_TONE, self.sent * PART, PART).tobytes()
            now = ntgcalls.FrameData(int(time.time() * 1000), sideways, 0, 0)
            await self.nt.send_external_frame(PEER, ntgcalls.StreamDevice.MICROPHONE, data, now)
            self.sent += 1
            await asyncio.sleep(max(0.0, began + self.sent / 100 - time.monotonic()))

    async def film(self):
        await self.connected.wait()
        luma = np.full((HEIGHT, WIDTH), DARK, np.uint8)
        luma[:, : WIDTH // 2] = BRIGHT
        data, upright = luma.tobytes() + bytes([128]) * (WIDTH * HEIGHT // 2), ntgcalls.VideoRotation.VIDEO_ROTATION_0
        while True:
            now = ntgcalls.FrameData(int(time.time() * 1000), upright, WIDTH, HEIGHT)
            await self.nt.send_external_frame(PEER, ntgcalls.StreamDevice.CAMERA, data, now)
            await asyncio.sleep(1 / 15)

    def heard_here(self):
        """What ntgcalls plays: the last second of it."""
        return pitch(np.frombuffer(bytes(self.sound[-2 * RATE :]), np.int16).astype(float))

    def complete(self):
        seen = not self.video or (len(self.seen_there) > 1 and self.frames["camera"] > 15)
        return len(self.heard_there) > 2 and len(self.sound) > 6 * RATE and seen

    async def close(self):
        self.say("stop")
        self.person.stdin.close()
        try:
            await self.person.wait()
        finally:
            for task in self.tasks:
                task.cancel()
            results = await asyncio.gather(*self.tasks, return_exceptions=True)
            await self.nt.stop(PEER)
        self.failed += [repr(each) for each in results if isinstance(each, Exception)]


@pytest.mark.clause(
    "telegram.2-6", "telegram.3-1", "telegram.7-1", "telegram.7-3", "telegram.7-6", "telegram.7-7", "telegram.7-11"
)
@pytest.mark.parametrize("media", ["audio", "video"])
@pytest.mark.parametrize("role", ["caller", "callee"])
@live
async def test_a_whole_call(role, media):
    call = Call(role, media, "9.0.0")
    await call.start()
    try:
        while not call.complete() and not call.failed:
            await asyncio.sleep(0.05)
        hertz, share = call.heard_here()
    finally:
        await call.close()
    call.log(f"emoji     aiortc {call.emoji['aiortc']}  ntgcalls {call.emoji['ntgcalls']}")
    call.log(f"packets   {dict(call.packets)}")
    call.log(f"frames    aiortc heard {call.heard_there[-1]}, ntgcalls sent {call.sent} of audio")
    call.log(f"frames    ntgcalls played {dict(call.frames)}, heard {hertz:.1f} Hz, share {share:.4f}")
    assert call.failed == []
    assert call.emoji["aiortc"] == call.emoji["ntgcalls"]
    assert min(call.packets.values()) >= 3
    assert sorted(call.told) == [*([("camera", "active")] if call.video else []), ("microphone", "active")]
    assert any("<- MediaState" in line and '"muted": false' in line for line in call.lines)
    last = call.heard_there[-1]  # the first second has the beginning in it
    assert last["hertz"] == THEIR_TONE
    assert last["share"] > 0.99
    assert abs(hertz - OUR_TONE) <= 1
    assert share > 0.95
    if media == "video":
        check_pictures(call)


@pytest.mark.clause("telegram.7-2")
@pytest.mark.parametrize("wrong", ["said", "heard"])
@pytest.mark.parametrize("role", ["caller", "callee"])
@live
async def test_another_certificate_is_refused_by_both(role, wrong):
    """`said`: ntgcalls gets a fingerprint that this side's certificate has not; `heard`: this side gets such a one."""
    call = Call(role, f"{wrong}-wrong", "9.0.0")
    await call.start()
    try:
        while not call.failed:
            await asyncio.sleep(0.05)
    finally:
        await call.close()
    (failure,) = call.failed
    call.log(f"aiortc     {failure}")
    assert failure.startswith("TransportFailed: the DTLS handshake" if wrong == "said" else "VerificationFailed")
    assert call.heard_there == []
    assert not any(call.sound)  # until it is connected, ntgcalls plays silence
    assert not call.connected.is_set() or wrong == "heard"


def check_pictures(call):
    """What left here bright and dark arrives there so, in grey; what left there red and blue arrives here so."""
    seen = call.seen_there[-1]
    call.log(f"pictures  aiortc saw {seen}")
    assert seen["size"] == [WIDTH, HEIGHT]
    bright, dark = ((luma - 16) * 255 / 219 for luma in (BRIGHT, DARK))
    assert np.abs(np.array([seen["left"], seen["right"]]) - [[bright] * 3, [dark] * 3]).max() < 8
    width, height, data = call.picture
    assert (width, height) == (WIDTH, HEIGHT)
    planes = np.frombuffer(data, np.uint8)
    luma = planes[: width * height].reshape(height, width)
    blue, red = planes[width * height :].reshape(2, height // 2, width // 2)
    halves = [
        [int(plane[:, : plane.shape[1] // 2 - 8].mean()) for plane in (luma, blue, red)],
        [int(plane[:, plane.shape[1] // 2 + 8 :].mean()) for plane in (luma, blue, red)],
    ]
    call.log(f"pictures  ntgcalls saw, as luma, blue and red: left {halves[0]}, right {halves[1]}")
    assert np.abs(np.array(halves) - [RED, BLUE]).max() < 8

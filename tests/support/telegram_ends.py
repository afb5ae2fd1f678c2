"""Two ends of a call of Telegram's profile on loopback, and what carries signals between them."""

import asyncio
import fractions
import functools
import os
import threading

import numpy as np
from aiortc import MediaStreamTrack
from av import AudioFrame

from e2ecall.handshake import Role
from e2ecall.handshake.telegram.signalling import (
    DtlsFingerprint,
    InitialSetup,
    MediaContent,
    MediaKind,
    NegotiateChannels,
    PayloadType,
)
from e2ecall.media.telegram_connection import TelegramConnection
from support.tones import RATE, pitch, tone

SECONDS = 20.0
PART = 960
OPUS = PayloadType(109, "opus", 48000, 2)
MICROPHONE = MediaContent(MediaKind.AUDIO, 1234, (), (OPUS,))
PRINT = DtlsFingerprint("sha-256", "actpass", ":".join(["AB"] * 32))
SETUP = InitialSetup("abcd", "a" * 22, (PRINT,))
OPEN = []


def live(test):
    """On an event loop of its own; once its ends are closed, nothing may run or be open that was not before."""

    @functools.wraps(test)
    def run(**arguments):
        threads, open_files = set(threading.enumerate()), []

        async def watched():
            open_files.append(len(os.listdir("/proc/self/fd")))
            try:
                await asyncio.wait_for(test(**arguments), SECONDS)
            finally:
                while OPEN:
                    await OPEN.pop().connection.close()
            await asyncio.sleep(0.01)
            assert asyncio.all_tasks() == {asyncio.current_task()}
            open_files.append(len(os.listdir("/proc/self/fd")))

        asyncio.run(watched())
        assert open_files[0] == open_files[1]
        left = [each.name for each in set(threading.enumerate()) - threads if not each.name.startswith("asyncio")]
        assert left == []

    return run


class Tone(MediaStreamTrack):
    """A sine, as fast as it is asked for: 20 ms a frame, 10 ms apart."""

    kind = "audio"

    def __init__(self, hertz):
        super().__init__()
        self.hertz, self.sent = hertz, 0

    async def recv(self):
        await asyncio.sleep(0.01)
        first, self.sent = self.sent * PART, self.sent + 1
        frame = AudioFrame.from_ndarray(tone(self.hertz, first, PART).reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, first, fractions.Fraction(1, RATE)
        return frame


class End:
    """A connection, and what it told."""

    def __init__(self, role, *tracks, **options):
        OPEN.append(self)
        self.tracks, self.states, self.media_states = [], [], []
        options = {"addresses": ["127.0.0.1"], **options}
        self.connection = TelegramConnection(
            role,
            tracks,
            on_track=self.tracks.append,
            on_state=self.states.append,
            on_media_state=self.media_states.append,
            **options,
        )

    async def take(self, *signals):
        for signal in signals:
            await self.connection.receive(signal)
        return self.connection.signals()

    async def begin(self):
        await self.connection.start()
        return self.connection.signals()


def of(kind, signals):
    """The one message of that class."""
    (found,) = [each for each in signals if isinstance(each, kind)]
    return found


async def exchange(one, other, signals, change=lambda signal: signal):
    """Hand `signals` of `one` to `other`, what it answers back, and so on until nobody has anything to say."""
    while signals:
        signals, one, other = await other.take(*[change(each) for each in signals]), other, one


async def connect(caller, callee, change=lambda signal: signal):
    assert await callee.begin() == []
    await exchange(caller, callee, await caller.begin(), change)
    await asyncio.gather(caller.connection.connected(), callee.connection.connected())


async def close(*ends):
    for end in ends:
        await end.connection.close()


async def heard(track):
    """(frequency, its share) of a quarter of a second from `track`, after its first half."""
    samples = np.zeros(0)
    while len(samples) < RATE * 3 // 4:
        frame = await track.recv()
        samples = np.concatenate([samples, frame.to_ndarray().reshape(-1, len(frame.layout.channels))[:, 0]])
    return pitch(samples[RATE // 2 : RATE * 3 // 4])


async def until(condition):
    while not condition():
        await asyncio.sleep(0.01)


async def to_the_end(track):
    while True:
        await track.recv()


async def caller_waiting(*tracks):
    """(a caller that has said everything it says unasked, its offer)."""
    caller = End(Role.CALLER, *(tracks or [Tone(440)]))
    return caller, of(NegotiateChannels, await caller.begin())

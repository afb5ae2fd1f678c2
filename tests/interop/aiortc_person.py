"""This library's side of a call of Telegram's profile, as a program: `test_ntgcalls_media` talks to it over its pipes.

    python -m tests.interop.aiortc_person <caller|callee> <audio|video|said-wrong|heard-wrong>     (above tests)

One line a message, `word` or `word hex`. In: g_a_hash, g_b, g_a, packet, stop. Out: g_a_hash, g_b, g_a, packet, and, as
UTF-8 in hex, emoji, log, heard, seen, failed. It sends a tone of 660 Hz, and a picture whose left half is red.
Wrong are the fingerprints of the certificates: the one that it says, or the one that it hears.
"""

import asyncio
import fractions
import json
import sys
import time
from dataclasses import replace

import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, VideoFrame

from e2ecall.crypto.rng import SystemRng
from e2ecall.errors import E2ECallError
from e2ecall.handshake import Role
from e2ecall.handshake.telegram import Group, Kind, accept_call, request_call
from e2ecall.handshake.telegram.channel import PacketChannel
from e2ecall.handshake.telegram.signalling import InitialSetup, build_signal, parse_signal
from e2ecall.media.telegram_connection import TelegramConnection
from e2ecall.sas import emoji
from tests.support.tones import RATE, pitch, tone

PART = 960
OUR_TONE = 660
WIDTH, HEIGHT = 320, 240
WINDOW = RATE  # what is recognised at once: a second


class Tone(MediaStreamTrack):
    """660 Hz, in parts of 20 ms, in real time."""

    kind = "audio"

    def __init__(self):
        super().__init__()
        self.sent = 0
        self.began = time.monotonic()

    async def recv(self):
        first = self.sent * PART
        await asyncio.sleep(max(0.0, self.began + first / RATE - time.monotonic()))
        frame = AudioFrame.from_ndarray(tone(OUR_TONE, first, PART).reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, first, fractions.Fraction(1, RATE)
        self.sent += 1
        return frame


class Card(MediaStreamTrack):
    """Red on the left, blue on the right, 15 a second."""

    kind = "video"

    def __init__(self):
        super().__init__()
        self.sent = 0
        self.began = time.monotonic()

    async def recv(self):
        await asyncio.sleep(max(0.0, self.began + self.sent / 15 - time.monotonic()))
        picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        picture[:, : WIDTH // 2, 0] = 220
        picture[:, WIDTH // 2 :, 2] = 220
        frame = VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = self.sent * 6000, fractions.Fraction(1, 90_000)
        self.sent += 1
        return frame


class Person:
    """One call, from the first message of the exchange to `stop`."""

    def __init__(self, role, media):
        self.role, self.began = role, time.monotonic()
        self.tracks = [Tone(), *([Card()] if media == "video" else [])]
        self.wrong = media.partition("-")[0] if media.endswith("-wrong") else None
        self.state = self.channel = self.media = None
        self.tasks = set()

    def say(self, word, data=b""):
        data = data.encode() if isinstance(data, str) else data
        sys.stdout.write(f"{word} {data.hex()}\n")
        sys.stdout.flush()

    def log(self, text):
        self.say("log", f"{time.monotonic() - self.began:6.3f} s  {text}")

    def start(self, work):
        task = asyncio.ensure_future(work)
        self.tasks.add(task)

    async def take(self, word, data):
        rng, group = SystemRng(), Group.known()
        if word == "call":
            self.state = request_call(group, rng)
            self.say("g_a_hash", self.state.g_a_hash)
        elif word == "g_a_hash":
            self.state = accept_call(data, group, rng)
            self.say("g_b", self.state.g_b)
        elif word == "g_b":
            confirmation = self.state.receive_accept(data)
            self.say("g_a", confirmation.key_fingerprint.to_bytes(8, "big", signed=True) + confirmation.g_a)
            await self.established(confirmation.result)
        elif word == "g_a":
            fingerprint = int.from_bytes(data[:8], "big", signed=True)
            await self.established(self.state.receive_confirm(data[8:], fingerprint))
        elif word == "packet":
            for each in self.channel.receive(data, time.monotonic()):
                signal = self.changed("heard", parse_signal(each))
                self.log(f"<- {describe(signal)}")
                await self.media.receive(signal)
            self.send()

    async def established(self, result):
        self.say("emoji", "".join(each.char for each in emoji(result.sas)))
        self.channel = PacketChannel(result.packet_keys(Kind.SIGNALLING), Kind.SIGNALLING)
        self.media = TelegramConnection(
            self.role,
            self.tracks,
            on_track=self.got_track,
            on_state=lambda state: self.log(f"connection {state}"),
            on_media_state=lambda state: self.log(f"<- {describe(state)}"),
        )
        await self.media.start()
        self.began = time.monotonic()
        self.start(self.timers())
        self.start(self.watch())
        self.send()

    def send(self):
        for signal in self.media.signals():
            self.log(f"-> {describe(signal)}")
            self.channel.send(build_signal(self.changed("said", signal)), time.monotonic())
        for packet in self.channel.packets_to_send(time.monotonic()):
            self.say("packet", packet)

    def changed(self, way, signal):
        """Another fingerprint, if this way is the wrong one."""
        if way != self.wrong or not isinstance(signal, InitialSetup):
            return signal
        other = replace(signal.fingerprints[0], fingerprint=":".join(["AB"] * 32))
        return replace(signal, fingerprints=(other,))

    async def timers(self):
        while True:
            await asyncio.sleep(0.1)
            self.send()

    async def watch(self):
        try:
            await self.media.connected()
        except E2ECallError as error:
            self.say("failed", f"{type(error).__name__}: {error}")

    def got_track(self, track):
        self.log(f"track of {track.kind}")
        self.start(self.listen(track) if track.kind == "audio" else self.look(track))

    async def listen(self, track):
        """What was heard, second by second: the frames so far, the frequency, its share."""
        frames, window = 0, np.zeros(0)
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            frames += 1
            samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels))[:, 0]
            window = np.concatenate([window, samples])
            if len(window) >= WINDOW:
                hertz, share = pitch(window[:WINDOW])
                self.say("heard", json.dumps({"frames": frames, "hertz": hertz, "share": share}))
                window = window[WINDOW:]

    async def look(self, track):
        """What was seen, every tenth picture: its number, size, and the mean colour of its left and right half."""
        frames = 0
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            frames += 1
            if frames % 10 == 1:
                picture = frame.to_ndarray(format="rgb24")
                half = picture.shape[1] // 2
                left, right = (
                    part.mean(axis=(0, 1)).round().tolist() for part in (picture[:, :half], picture[:, half:])
                )
                said = {"frames": frames, "size": [frame.width, frame.height], "left": left, "right": right}
                self.say("seen", json.dumps(said))

    async def close(self):
        if self.media is not None:
            await self.media.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.log(f"sent {', '.join(f'{track.sent} of {track.kind}' for track in self.tracks)}; closed")


def describe(signal):
    """One line about a signal, without its credentials."""
    fields = signal.members()
    if signal.kind == "InitialSetup":
        return f"InitialSetup {fields['fingerprints'][0]['hash']} {fields['fingerprints'][0]['setup']}"
    if signal.kind == "Candidates":
        return "Candidates " + ", ".join(" ".join(each.sdp_string.split()[4:8]) for each in signal.candidates)
    if signal.kind == "NegotiateChannels":
        listed = [
            f"{each.type} {each.ssrc} [{' '.join(f'{one.name}/{one.id}' for one in each.payload_types)}]"
            for each in signal.contents
        ]
        return f"NegotiateChannels {signal.exchange_id}: {'; '.join(listed) or 'nothing'}"
    return f"{signal.kind} {json.dumps(fields)}"


async def main(role, media):
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    person = Person(Role(role), media)
    try:
        if person.role is Role.CALLER:
            await person.take("call", b"")
        while (line := await reader.readline()) and (words := line.decode().split()) != ["stop"]:
            await person.take(words[0], bytes.fromhex(words[1]))
    finally:
        await person.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

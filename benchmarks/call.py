"""What encryption costs a call: the exchange, the first picture, the CPU. Prints a table.

python benchmarks/call.py [--runs 20] [--seconds 10]

The first picture is timed between two connections in one process over loopback, sealed and plain in turn; a plain call
exists nowhere but here. The CPU shares are those of `e2ecall demo`, one process a person, for the whole call.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from e2ecall.call.epochs import FrameKeys
from e2ecall.crypto.rng import SystemRng
from e2ecall.handshake import Profile, Role, make_offer, receive_offer
from e2ecall.identity import fresh_identity
from e2ecall.media.aiortc_plugin import protect
from e2ecall.media.rtc import connect, connection, loopback_only
from e2ecall.media.testcard import ALICE
from e2ecall.media.tracks import BuiltInClip, VideoTrack
from e2ecall.secret import SecretBytes


def exchange(runs=200):
    """CPU milliseconds of the caller and of the callee for one whole exchange, medians."""
    rng = SystemRng()
    alice, bob = fresh_identity(rng), fresh_identity(rng)
    spent = {"caller": [], "callee": []}
    for _ in range(runs):
        clock = {"caller": 0, "callee": 0}

        def on(side, work, clock=clock):
            began = time.process_time_ns()
            result = work()
            clock[side] += time.process_time_ns() - began
            return result

        a1 = on("caller", lambda: make_offer(alice, rng.draw("id", 16), rng))
        b1 = on("callee", lambda a1=a1: receive_offer(a1.offer, bob, rng))
        a2 = on("caller", lambda a1=a1, b1=b1: a1.receive_answer(b1.answer, Profile(name="Alice")))
        b2 = on("callee", lambda b1=b1, a2=a2: b1.receive_reveal(a2.reveal))
        finish, _ = on("callee", lambda b2=b2: b2.accept(Profile(name="Bob")))
        on("caller", lambda a2=a2, finish=finish: a2.receive_finish(finish))
        for side, value in clock.items():
            spent[side].append(value / 1e6)
    return {side: statistics.median(values) for side, values in spent.items()}


async def first_picture(*, sealed):
    """Milliseconds from the offer to the first decoded picture, 640x480 VP8."""
    key = os.urandom(32)
    sender, receiver = connection(), connection()
    if sealed:
        protect(sender, FrameKeys(SecretBytes(key), Role.CALLER))
        protect(receiver, FrameKeys(SecretBytes(key), Role.CALLEE))
    arrived = asyncio.get_running_loop().create_future()

    @receiver.on("track")
    def on_track(track):
        async def watch():
            await track.recv()
            arrived.set_result(time.perf_counter())

        on_track.task = asyncio.ensure_future(watch())

    track = VideoTrack(BuiltInClip(ALICE, (640, 480)).video_frames())
    sender.addTrack(track)
    began = time.perf_counter()
    await connect(sender, receiver)
    ended = await asyncio.wait_for(arrived, 20)
    track.stop()
    await sender.close()
    await receiver.close()
    return (ended - began) * 1000


async def first_pictures(runs):
    with loopback_only():
        await first_picture(sealed=True)
        await first_picture(sealed=False)
        pairs = [(await first_picture(sealed=True), await first_picture(sealed=False)) for _ in range(runs)]
    sealed, plain = zip(*pairs, strict=True)
    return statistics.median(sealed), statistics.median(plain), statistics.median(a - b for a, b in pairs)


def shares(codec, size, seconds):
    """(sealing share, opening share, frames sealed, frames rejected) of one person's process in a demo call."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "e2ecall", "demo", "--codec", codec, "--size", size]
        command += ["--duration", str(seconds), "--out", folder, "--json"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        report = json.loads((Path(folder) / "report.json").read_text())
    sealing = statistics.mean(report["cpu"][f"{who}_sealing_share"] for who in ("alice", "bob"))
    opening = statistics.mean(report["cpu"][f"{who}_opening_share"] for who in ("alice", "bob"))
    sealed = sum(row["sealed"] for row in report["streams"])
    rejected = sum(sum(row["rejected"].values()) for row in report["streams"])
    return sealing, opening, sealed, rejected


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=10)
    arguments = parser.parse_args()
    lines = ["| what | figure |", "|---|---|"]
    cpu = exchange()
    lines.append(f"| exchange, CPU of the caller / of the callee | {cpu['caller']:.2f} / {cpu['callee']:.2f} ms |")
    sealed, plain, difference = asyncio.run(first_pictures(arguments.runs))
    lines.append(
        f"| first picture after the offer, sealed / plain (median of {arguments.runs}) | "
        f"{sealed:.0f} / {plain:.0f} ms, pairwise {difference:+.1f} ms |"
    )
    for codec in ("vp8", "h264"):
        for size in ("640x480", "1280x720"):
            sealing, opening, count, rejected = shares(codec, size, arguments.seconds)
            lines.append(
                f"| {codec} {size}: sealing / opening, share of the process's CPU | {sealing:.2%} / {opening:.2%} "
                f"({count} frames sealed, {rejected} rejected) |"
            )
    table = "\n".join(lines)
    print(table)
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}")


if __name__ == "__main__":
    main()

"""The relay's process: the mailbox, the forwarder, and the curiosity of whoever runs it.

It keeps what it forwards (up to a limit) and, when asked, tries to decode it, as anyone on a server could.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import av
import numpy as np

from e2ecall.demo.child import Child
from e2ecall.demo.faults import Faults
from e2ecall.demo.mallory import Mallory, SplicingMailbox
from e2ecall.demo.medialog import digest_of
from e2ecall.demo.settings import Attack
from e2ecall.errors import E2ECallError, MediaUnavailable
from e2ecall.media.hop import Hop
from e2ecall.media.pictures import rgb, write_png
from e2ecall.media.recorder import FrameDecoder, samples_of
from e2ecall.media.rtc import loopback_only
from e2ecall.media.testcard import read_counter
from e2ecall.relay.server import create_app, serve

__all__ = ["run_relay"]

KEPT_BYTES = 64 * 1024 * 1024
SHOWN_BYTES = 3000
SEATS = {"bob": 0, "alice": 1}
"""Bob waits in the room, Alice comes second and calls."""


@dataclass(slots=True)
class _Kept:
    """One stream as the relay saw it: (digest of the sealed frame, the bytes it has of it)."""

    codec: str
    frames: list[tuple[str, bytes]] = field(default_factory=list)
    bytes: int = 0
    forwarded: int = 0


class Curious:
    """What the relay's operator keeps of the media that passes through."""

    def __init__(self) -> None:
        self.streams: dict[tuple[int, str], _Kept] = {}

    def keep(self, member: int, kind: str, codec: str, sealed: bytes, seen: bytes) -> None:
        """`sealed` as it came, `seen` what the relay has of it: the same bytes, or in an attack the clear frame."""
        kept = self.streams.setdefault((member, kind), _Kept(codec))
        kept.forwarded += 1
        if kept.bytes + len(seen) <= KEPT_BYTES:
            kept.frames.append((digest_of(sealed), seen))
            kept.bytes += len(seen)

    def tap(self, member: int, kind: str, codec: str, data: bytes, timestamp: int) -> None:
        """The forwarder's tap."""
        del timestamp
        self.keep(member, kind, codec, data, data)


async def run_relay(child: Child) -> None:
    """Serve until told to stop; in between, look at what passed."""
    curious, mallory = Curious(), Mallory()
    attack = child.settings.attack
    attacked = attack is Attack.MITM
    faults = Faults(attack) if attack.on_frames else None

    def rewrite(member: int, kind: str, codec: str, data: bytes) -> bytes | None:
        opened = mallory.rewrite(member, kind, codec, data)
        if opened is None:
            return None
        clear, sealed = opened
        curious.keep(member, kind, codec, data, clear)
        return sealed

    def hop(room: str) -> Hop:
        del room
        if faults is not None:
            spoiling = Hop(tap=curious.tap, rewrite=faults.rewrite)
            faults.slip = spoiling.slip
            return spoiling
        return Hop(rewrite=rewrite) if attacked else Hop(tap=curious.tap)

    mailbox = SplicingMailbox(mallory) if attacked else None
    with loopback_only():
        async with await serve(create_app(hop_factory=hop, mailbox=mailbox), port=child.settings.port) as server:
            holds = "holds a key for each of the two" if attacked else "holds no keys"
            child.tell("listening", url=server.url, port=server.port, pid=os.getpid(), holds=holds)
            report = asyncio.create_task(_report(child, curious, faults))
            try:
                await _obey(child, curious)
            finally:
                report.cancel()
    child.tell(
        "summary",
        emoji={seat: [each.char for each in four] for seat, four in mallory.emoji.items()} if attacked else {},
        forwarded=_forwarded(curious),
        injected=_injected(faults),
        taken=[] if faults is None else faults.taken,
    )


async def _obey(child: Child, curious: Curious) -> None:
    stop = asyncio.create_task(child.stop.wait())
    while not child.stop.is_set():
        command = asyncio.create_task(child.commands.get())
        await asyncio.wait({command, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not command.done():
            command.cancel()
            break
        await asyncio.to_thread(_look, child, curious, command.result())
    stop.cancel()


async def _report(child: Child, curious: Curious, faults: Faults | None) -> None:
    while True:
        await asyncio.sleep(0.5)
        child.tell("forwarding", frames=_forwarded(curious), injected=_injected(faults), cpu=sum(os.times()[:2]))


def _forwarded(curious: Curious) -> dict[str, int]:
    names = {seat: who for who, seat in SEATS.items()}
    return {f"{names[seat]} {kind}": kept.forwarded for (seat, kind), kept in curious.streams.items()}


def _injected(faults: Faults | None) -> list[dict[str, object]]:
    names = {seat: who for who, seat in SEATS.items()}
    return [
        {"side": names[to], "kind": kind, "fault": fault, "count": count}
        for (to, kind, fault), count in sorted(faults.injected.items() if faults is not None else ())
    ]


def _look(child: Child, curious: Curious, command: dict[str, object]) -> None:
    """Try to decode the stream of `command["of"]`, and keep the pictures of the frames whose digests are asked for."""
    folder = child.settings.folder / "relay"
    wanted = command["digests"]
    assert isinstance(wanted, list)
    video = curious.streams.get((SEATS[str(command["of"])], "video"))
    audio = curious.streams.get((SEATS[str(command["of"])], "audio"))
    looked: dict[str, object] = {"pictures": {}, "sound": None}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if video is not None:
            looked["pictures"] = _decode_pictures(video, set(map(str, wanted)), folder)
        if audio is not None:
            looked["sound"] = _decode_sound(audio, folder)
    except (OSError, E2ECallError) as error:
        child.tell("looked", failed=str(error), **looked)
        return
    child.tell("looked", failed=None, **looked)


def _decode_pictures(kept: _Kept, wanted: set[str], folder: Path) -> dict[str, dict[str, object]]:
    """{digest: {"path" or "reason", "counter"}} for the wanted frames; every frame before them is decoded too."""
    decoder = FrameDecoder(_codec(kept.codec))
    found: dict[str, dict[str, object]] = {}
    for digest, data in kept.frames:
        try:
            pictures = [frame for frame in decoder.decode(data) if isinstance(frame, av.VideoFrame)]
        except MediaUnavailable as error:
            if digest in wanted:
                found[digest] = {"reason": error.message, "bytes": data[:SHOWN_BYTES].hex()}
            continue
        if digest not in wanted:
            continue
        if not pictures:
            found[digest] = {"reason": "no picture comes out", "bytes": data[:SHOWN_BYTES].hex()}
            continue
        path = folder / f"{digest}.png"
        write_png(path, rgb(pictures[-1]))
        found[digest] = {"path": str(path), "counter": read_counter(pictures[-1])}
    return found


def _decode_sound(kept: _Kept, folder: Path) -> dict[str, object]:
    """What Opus makes of the frames: {"path": 48 kHz mono float32, "undecodable": how many failed}."""
    decoder = FrameDecoder("opus")
    undecodable = 0
    chunks = []
    for _, data in kept.frames[:500]:
        try:
            chunks += [samples_of(frame)[:, 0] for frame in decoder.decode(data) if isinstance(frame, av.AudioFrame)]
        except MediaUnavailable:
            undecodable += 1
    path = folder / "sound.f32"
    path.write_bytes(np.concatenate(chunks).astype("<f4").tobytes() if chunks else b"")
    return {"path": str(path), "undecodable": undecodable}


def _codec(name: str) -> Literal["vp8", "h264"]:
    return "h264" if name.lower() == "h264" else "vp8"

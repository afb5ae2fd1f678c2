"""What one person's media hooks write down: every sealed and opened frame by its digest, and the recording.

The digests tie a received picture to the picture that was sent, whatever lies between: the conductor compares them.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import av

from e2ecall.codecs import layout_for
from e2ecall.demo.output import write_whole
from e2ecall.demo.settings import Settings
from e2ecall.errors import E2ECallError, OutputFailed
from e2ecall.media.recorder import Recorder

__all__ = ["MediaLog", "digest_of"]


def digest_of(frame: bytes) -> str:
    """The first 16 hex digits of an encoded frame's SHA-256."""
    return hashlib.sha256(frame).hexdigest()[:16]


class MediaLog:
    """The taps of one person. `fail` is called on the event loop with the first error of the recording."""

    def __init__(self, settings: Settings, who: str, fail: Callable[[E2ECallError], None]) -> None:
        self._folder = settings.folder / who
        codec = settings.codec if settings.source(who).has_video else "opus"
        _make_folder(self._folder)
        self._recorder = Recorder(self._folder / f"received{Recorder.suffix(codec)}", codec)
        self._is_key = layout_for(codec).is_key
        self._fail = fail
        self._loop = asyncio.get_running_loop()
        self._failed = False
        self._picture = -1
        self._sent: list[dict[str, object]] = []
        self._received: list[dict[str, object]] = []

    def on_picture(self, index: int, frame: av.VideoFrame) -> None:
        """Which source picture the encoder is given next."""
        del frame
        self._picture = index

    def on_sealed(self, kind: str, frame: bytes, sealed: bytes) -> None:
        """An encoded frame of ours and what went out for it; in the encoder's thread."""
        index = self._picture if kind == "video" else None
        key = kind == "video" and self._is_key(frame)
        self._sent.append(
            {"kind": kind, "index": index, "digest": digest_of(frame), "sealed": digest_of(sealed), "key": key}
        )

    def on_opened(self, kind: str, frame: bytes, timestamp: int) -> None:
        """An encoded frame of the other side, opened; in the decoder's thread. A full disk ends the call."""
        if self._failed:
            return
        try:
            position = self._recorder.add("video" if kind == "video" else "audio", frame, timestamp)
        except OutputFailed as error:
            self._failed = True
            self._loop.call_soon_threadsafe(self._fail, error)
            return
        row = {"kind": kind, "digest": digest_of(frame), "timestamp": timestamp, "position": position}
        self._received.append(row)

    def save(self) -> None:
        """Close the recording and write `frames.json`. Raises OutputFailed; what was written so far stays."""
        self._recorder.close()
        text = json.dumps({"sent": self._sent, "received": self._received})
        write_whole(self._folder / "frames.json", text.encode())


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputFailed(f"cannot make {folder}: {error.strerror}", hint="choose another --out") from None

"""What a demonstration is asked to do; travels to its processes as one JSON line, so that no argument list shows it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from e2ecall.audit.attacks import CASES
from e2ecall.errors import MediaUnavailable
from e2ecall.media.files import open_clip, require_codec
from e2ecall.media.testcard import ALICE, BOB, TestCard
from e2ecall.media.tracks import BuiltInClip, Source

__all__ = ["CALL_SECONDS", "EXCHANGE_SECONDS", "FPS", "Attack", "Settings"]

FPS = 30
CALL_SECONDS = 10.0
"""How long a call lasts, if nobody says how long."""
EXCHANGE_SECONDS = 3.0
"""How long at least the real exchange is attacked, if nobody says how long."""


class Attack(StrEnum):
    """What the relay does to the call, or what is broken on purpose."""

    NONE = "none"
    MITM = "mitm"
    WRONG_KEY = "wrong-key"
    # The relay does this to some of the sealed frames that it forwards.
    TAMPER = "tamper"
    REPLAY = "replay"
    DROP = "drop"
    SWAP_STREAMS = "swap-streams"
    # Attacks on the exchange alone, with a weak design beside it: the names of `e2ecall.audit.attacks`.
    NO_COMMIT = "no-commit"
    COPIED_COMMITMENT = "copied-commitment"
    LATE_CIPHERTEXT = "late-ciphertext"
    REFLECTED_IDENTITY = "reflected-identity"
    TWO_OPENINGS = "two-openings"
    HALF_OPEN = "half-open"

    @property
    def on_frames(self) -> bool:
        """Whether the relay spoils sealed frames on their way."""
        return self in {Attack.TAMPER, Attack.REPLAY, Attack.DROP, Attack.SWAP_STREAMS}

    @property
    def on_exchange(self) -> bool:
        """Whether the exchange is attacked, without any media."""
        return self in CASES


@dataclass(frozen=True, slots=True)
class Settings:
    """One demonstration. `size` None: the file's own; `duration` in seconds; paths as given by the user.

    `people` is the folder with what Alice and Bob keep between calls; none: new people, whom nothing is kept of.
    """

    out: str
    duration: float = CALL_SECONDS
    size: tuple[int, int] | None = None
    codec: str = "vp8"
    path: str = "relayed"
    attack: Attack = Attack.NONE
    video: str | None = None
    audio: str | None = None
    port: int = 0
    room: str = ""
    relay: str = ""
    people: str = ""

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """What `to_json` wrote."""
        values = json.loads(text)
        values["size"] = None if values["size"] is None else tuple(values["size"])
        values["attack"] = Attack(values["attack"])
        return cls(**values)

    @property
    def folder(self) -> Path:
        """Where the results go."""
        return Path(self.out)

    @property
    def built_in(self) -> bool:
        """Whether the built-in clip is played, whose frames a program can recognise."""
        return self.video is None and self.audio is None

    def source(self, who: str) -> Source:
        """What `who` plays into the call. Raises MediaUnavailable for a file or size that cannot be played."""
        if self.built_in:
            return BuiltInClip({"alice": ALICE, "bob": BOB}[who], self.size or (640, 480), fps=FPS)
        video = None if self.video is None else Path(self.video)
        audio = None if self.audio is None else Path(self.audio)
        return open_clip(video, audio, size=self.size, fps=FPS)

    def check(self) -> Source:
        """Everything about the media that can be found wrong before a process is started: MediaUnavailable."""
        require_codec("opus")
        source = self.source("alice")
        if source.has_video:
            require_codec(self.codec)
        if self.built_in and self.size is not None:
            TestCard(ALICE, *self.size)
        elif not source.has_video and self.size is not None and self.video is not None:
            raise MediaUnavailable("there is no picture to give a size to")
        return source

"""`e2ecall demo`: a real call on this machine, held, attacked, checked and shown."""

from __future__ import annotations

import math
import time
from pathlib import Path

import click

from e2ecall.errors import OutputFailed

__all__ = ["demo"]

ATTACKS = ("none", "mitm", "wrong-key", "tamper", "replay", "drop", "swap-streams", "no-commit", "copied-commitment",
           "late-ciphertext", "reflected-identity", "two-openings", "half-open")  # fmt: skip
ON_FRAMES = frozenset({"tamper", "replay", "drop", "swap-streams"})
ON_EXCHANGE = frozenset(ATTACKS[ATTACKS.index("no-commit") :])
EPILOG = """\b
Attacks:
  mitm                the relay runs an exchange with each side, and reads
  wrong-key           one side seals with another key
  tamper              the relay flips a bit in some sealed frames
  replay              the relay sends some sealed frames twice
  drop                the relay keeps some sealed frames back
  swap-streams        the relay puts frames on another track, or back

\b
Attacks on the exchange, without a call: a weak design, where they succeed,
beside the real one, where they do not.
  no-commit           nobody commits to a nonce; the same four emoji are found
  copied-commitment   the commitment says neither whose it is nor what for
  late-ciphertext     the KEM ciphertext comes after the opening
  reflected-identity  a device finishes with itself
  two-openings        a caller answers two answers
  half-open           a callee answers everybody, again and again

\b
Exit status:
  0    the call was sealed, and every self-check holds; another attack than the
       two below: every fault was caught, or the weak design fell and the real
       exchange held
  1    environment: files, ports, codecs, disk
  2    usage
  3    a process or the relay is gone; or --attack wrong-key: nothing decodes
  4    --attack mitm: the emoji differ; or a key changed or was revoked, and
       no media went out
  5    a self-check failed
  130  interrupted; what there was is kept

\b
Security considerations:
  The three processes share this machine and its user: it demonstrates the
  protocol, it does not protect you from yourself. The emoji are compared by the
  program; in a real call two people do that. Not externally audited.

\b
Standards: RFC 9605 (SFrame), FIPS 203 (ML-KEM-768), RFC 7748 (X25519),
  RFC 8825 (WebRTC) through aiortc.

\b
Examples:
  e2ecall demo
  e2ecall demo --attack mitm
  e2ecall demo --attack tamper
  e2ecall demo --attack no-commit
  e2ecall demo --video holiday.mp4 --codec h264 --path direct
  e2ecall demo --audio speech.wav --json
"""


class _Size(click.ParamType[tuple[int, int]]):
    name = "WIDTHxHEIGHT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        width, _, height = str(value).lower().partition("x")
        if not all(side.isascii() and side.isdigit() and len(side) <= 4 for side in (width, height)):
            self.fail("write it as 640x480", param, ctx)
        size = int(width), int(height)
        if not all(16 <= side <= 4096 and side % 2 == 0 for side in size):
            self.fail("both sides are even and from 16 to 4096", param, ctx)
        return size


def _finite(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise click.BadParameter("a number of seconds", ctx, param)
    return value


def _absolute(path: str) -> str:
    """The path from the root; a folder that is gone has none."""
    try:
        return str(Path(path).absolute())
    except OSError as error:
        raise OutputFailed(f"the current folder cannot be used: {error.strerror}", hint="go to another") from None


@click.command(epilog=EPILOG)
@click.option("--video", metavar="FILE", help="Play the pictures of this file, and its sound unless --audio is given.")
@click.option("--audio", metavar="FILE", help="Play the sound of this file; alone, it makes a voice call.")
@click.option(
    "--duration", type=click.FloatRange(1, 3600), callback=_finite,
    help="Seconds; for an attack on the exchange, at least.  [default: 10, or 3]",
)  # fmt: skip
@click.option("--size", type=_Size(), help="Size of the pictures  [default: 640x480, or the file's own]")
@click.option("--codec", type=click.Choice(["vp8", "h264"]), default="vp8", show_default=True, help="Of the pictures.")
@click.option("--path", type=click.Choice(["relayed", "direct"]), default="relayed", show_default=True,
              help="Media through the relay, or peer to peer with bound fingerprints.")  # fmt: skip
@click.option("--attack", type=click.Choice(ATTACKS), default="none", show_default=True, metavar="ATTACK",
              help="What goes wrong on purpose; see below.")  # fmt: skip
@click.option("--people", metavar="FOLDER",
              help="What Alice and Bob keep from call to call  [default: new people, nothing kept]")  # fmt: skip
@click.option("--out", metavar="FOLDER", help="Folder for the results  [default: e2ecall-demo/<date and time>]")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the relay  [default: any free one]")
@click.option("--json", "as_json", is_flag=True, help="Every event as a JSON line, the report last.")
def demo(
    video: str | None,
    audio: str | None,
    duration: float | None,
    size: tuple[int, int] | None,
    codec: str,
    path: str,
    attack: str,
    people: str | None,
    out: str | None,
    port: int,
    *,
    as_json: bool,
) -> int:
    """Hold a real end-to-end encrypted call on this machine, attack it if asked, and check it.

    Three processes: Alice, Bob, and a relay that carries their exchange over a WebSocket and forwards the media. The
    relay ends DTLS like any such server, holds no keys, and is not trusted.
    """
    from e2ecall.demo.settings import CALL_SECONDS, EXCHANGE_SECONDS, Attack, Settings
    from e2ecall.demo.show import run_demo

    if path == "direct" and attack == "mitm":
        raise click.UsageError(
            "a relay that splices the exchange ends the media connection itself: --attack mitm goes with --path relayed"
        )
    if path == "direct" and attack in ON_FRAMES:
        raise click.UsageError(f"no frame passes the relay there: --attack {attack} goes with --path relayed")
    settings = Settings(
        out=_absolute(out or f"e2ecall-demo/{time.strftime('%Y%m%d-%H%M%S')}"),
        duration=duration or (EXCHANGE_SECONDS if attack in ON_EXCHANGE else CALL_SECONDS),
        size=size,
        codec=codec,
        path=path,
        attack=Attack(attack),
        video=None if video is None else _absolute(video),
        audio=None if audio is None else _absolute(audio),
        port=port,
        people="" if people is None else _absolute(people),
    )
    return run_demo(settings, as_json=as_json)

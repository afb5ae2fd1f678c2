"""control.4: a call's control messages over a data channel, while that is open, and over the relay otherwise.

    channel = control_channel(pc)                              before the offer or answer, on both sides
    carry(channel, receive=driver.receive, move_to=driver.move_to, fallback=relay_post)

The data channel ends where DTLS ends, perhaps at a server: what it carries is sealed like everything else. Messages
that are under way when the transport changes are sent again, and taken once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Final

from aiortc import InvalidStateError, RTCDataChannel, RTCPeerConnection

__all__ = ["CHANNEL_ID", "LABEL", "carry", "control_channel"]

LABEL: Final = "e2ecall"
CHANNEL_ID: Final = 0  # both sides open it by themselves: nobody has to wait for the other's announcement

Post = Callable[[bytes], Awaitable[None]]


def control_channel(pc: RTCPeerConnection) -> RTCDataChannel:
    """RFC 8832 §1 (negotiated outside): the reliable, ordered channel of a connection that is not yet negotiated."""
    return pc.createDataChannel(LABEL, negotiated=True, id=CHANNEL_ID)


def carry(
    channel: RTCDataChannel,
    *,
    receive: Post,
    move_to: Callable[[Post], Awaitable[None]],
    fallback: Post,
) -> set[asyncio.Task[None]]:
    """Move the call to `channel` when it opens and back to `fallback` when it closes; hand on what it brings.

    Call it on the event loop. The set has the tasks under way: cancel them when the call is over, and look at their
    exceptions, which are those of `receive` and `move_to`.
    """
    running: set[asyncio.Task[None]] = set()
    messages: asyncio.Queue[bytes] = asyncio.Queue()

    def start(work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        running.add(task)
        task.add_done_callback(lambda done: None if _failed(done) else running.discard(done))

    async def post(message: bytes) -> None:
        with suppress(InvalidStateError):  # it has just closed: the call moves, and what was lost is sent again
            channel.send(message)

    async def hand_on() -> None:
        while True:
            await receive(await messages.get())

    async def move(way: Post) -> None:
        await move_to(way)

    def arrived(message: bytes | str) -> None:
        if isinstance(message, bytes):  # text is none of ours
            messages.put_nowait(message)

    channel.on("message", arrived)
    channel.on("open", lambda: start(move(post)))
    channel.on("close", lambda: start(move(fallback)))
    start(hand_on())
    if channel.readyState == "open":
        start(move(post))
    return running


def _failed(task: asyncio.Task[None]) -> bool:
    return not task.cancelled() and task.exception() is not None

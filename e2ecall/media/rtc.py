"""aiortc connections that speak to nobody unasked, and the loopback interface for demonstrations and tests.

aiortc's default configuration names a public STUN server: whoever runs it learns that this address is about to
make a call. `connection()` names none. aioice leaves 127.0.0.1 out of its candidates; `loopback_only()` makes it
the only one, for as long as its block lasts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import aioice.ice
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription
from aiortc.exceptions import InternalError, InvalidAccessError, InvalidStateError, OperationError

from e2ecall.errors import PeerMisbehaved
from e2ecall.media import aiortc_names as names

__all__ = [
    "BAD_DESCRIPTION",
    "E2ECallWarning",
    "apply_description",
    "asks_public_stun",
    "close",
    "connect",
    "connection",
    "loopback_only",
]


BAD_DESCRIPTION = (
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    AssertionError,
    StopIteration,
    RuntimeError,  # what a StopIteration becomes inside a coroutine
    InternalError,
    InvalidAccessError,
    InvalidStateError,
    OperationError,
)
"""What aiortc raises at a description that is text, and nothing it can use."""


class E2ECallWarning(UserWarning):
    """Something that works and tells an outsider more than a private call should."""


def connection(*, ice_servers: Sequence[RTCIceServer] = ()) -> RTCPeerConnection:
    """RFC 8445 §5.1.1: a connection that gathers from exactly `ice_servers`, by default from none.

    Without servers only addresses of this host are offered; across NATs pass your own STUN or TURN server.
    """
    return RTCPeerConnection(RTCConfiguration(iceServers=list(ice_servers)))


def asks_public_stun(pc: RTCPeerConnection) -> bool:
    """Whether `pc` was made without a list of ICE servers, so that aiortc fills in a public STUN server."""
    return getattr(pc, names.CONFIGURATION).iceServers is None


@contextmanager
def loopback_only(address: str = "127.0.0.1") -> Iterator[None]:
    """Gather ICE candidates on `address` alone while the block runs; for demonstrations and tests only.

    It changes aioice for the whole process and puts it back. A library must never do that to its caller.
    """
    before = getattr(aioice.ice, names.HOST_ADDRESSES)

    def addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:  # noqa: FBT001 - aioice's own signature
        wanted = use_ipv6 if ":" in address else use_ipv4
        return [address] if wanted else []

    setattr(aioice.ice, names.HOST_ADDRESSES, addresses)
    try:
        yield
    finally:
        setattr(aioice.ice, names.HOST_ADDRESSES, before)


async def connect(offerer: RTCPeerConnection, answerer: RTCPeerConnection) -> None:
    """RFC 9429 §5: one offer and one answer between two connections of this process, for tests and examples."""
    await offerer.setLocalDescription(await offerer.createOffer())
    offer = offerer.localDescription
    await answerer.setRemoteDescription(RTCSessionDescription(sdp=offer.sdp, type=offer.type))
    await answerer.setLocalDescription(await answerer.createAnswer())
    answer = answerer.localDescription
    await offerer.setRemoteDescription(RTCSessionDescription(sdp=answer.sdp, type=answer.type))


async def apply_description(pc: RTCPeerConnection, sdp: str, kind: str) -> None:
    """RFC 9429 §4.1.10: take the other side's description of `kind` "offer" or "answer"; an offer is answered.

    What aiortc cannot use raises PeerMisbehaved.
    """
    try:
        await pc.setRemoteDescription(RTCSessionDescription(sdp, kind))
        if kind == "offer":
            await pc.setLocalDescription(await pc.createAnswer())
    except BAD_DESCRIPTION as error:
        raise PeerMisbehaved(f"the {kind} of the other side cannot be used") from error


async def close(pc: RTCPeerConnection) -> None:
    """RFC 7675 §5: close a connection, with the consent checks of one that was closed while it was connecting.

    aioice starts those when its checks succeed, even if that was just after the close, and then never ends them.
    """
    ice = {transceiver.receiver.transport.transport._connection for transceiver in pc.getTransceivers()}
    await pc.close()
    await asyncio.sleep(0)
    for checks in ice:
        task = getattr(checks, names.CONSENT_TASK)
        if task is not None:
            task.cancel()

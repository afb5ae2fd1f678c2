"""telegram.7-11: what each side says of its microphone and camera, over a data channel inside DTLS.

One channel, named `data`, stream 0, opened by the caller (RFC 8832). Only MediaState is read from it: everything that a
connection is built from comes in packets. aiortc has the SCTP association; ports 5000, as everywhere in this profile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aiortc import RTCDataChannel, RTCDataChannelParameters, RTCSctpCapabilities, RTCSctpTransport
from aiortc.rtcdtlstransport import RTCDtlsTransport

from e2ecall.errors import MalformedMessage
from e2ecall.handshake import Role
from e2ecall.handshake.telegram.signalling import MediaState, build_signal, parse_signal

__all__ = ["StateChannel"]

LABEL: Final = "data"
PORT: Final = 5000
STREAM: Final = 0
_MESSAGE_SIZE: Final = 65536


class StateChannel:
    """telegram.7-11: made before DTLS is up, `start`ed when it is, `stop`ped before it ends."""

    def __init__(
        self,
        dtls: RTCDtlsTransport,
        role: Role,
        *,
        on_state: Callable[[MediaState], object],
        on_failure: Callable[[MalformedMessage], object],
    ) -> None:
        self._role, self._on_state, self._on_failure = role, on_state, on_failure
        self._sctp = RTCSctpTransport(dtls, PORT)
        self._sctp.on("datachannel", self._opened)
        self._channel: RTCDataChannel | None = None
        self._state: MediaState | None = None

    async def start(self) -> None:
        """RFC 8841: begin the association; the caller also asks for the channel."""
        if self._role is Role.CALLER:
            channel = RTCDataChannel(self._sctp, RTCDataChannelParameters(label=LABEL, id=STREAM))
            channel.on("open", lambda: self._opened(channel))
        await self._sctp.start(RTCSctpCapabilities(maxMessageSize=_MESSAGE_SIZE), PORT)

    def say(self, state: MediaState) -> None:
        """Tell the other side: now, or when the channel opens. Of several before that, the last counts."""
        self._state = state
        if self._channel is not None and self._channel.readyState == "open":
            self._channel.send(build_signal(state))

    async def stop(self) -> None:
        """End the association."""
        await self._sctp.stop()

    def _opened(self, channel: RTCDataChannel) -> None:
        if self._channel is not None or channel.id != STREAM:
            return
        self._channel = channel
        channel.on("message", self._received)
        if self._state is not None:
            self.say(self._state)

    def _received(self, message: bytes | str) -> None:
        try:
            signal = parse_signal(message if isinstance(message, bytes) else message.encode())
        except MalformedMessage as error:
            self._on_failure(error)
            return
        if isinstance(signal, MediaState):
            self._on_state(signal)

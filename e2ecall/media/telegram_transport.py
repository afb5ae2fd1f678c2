"""telegram.7: ICE and DTLS of one call of Telegram's WebRTC profile, from one InitialSetup to the other.

aiortc's own objects, with three differences: the roles follow this profile, ICE can be told its local addresses for
one connection alone, and RTP reaches a receiver by its source only, never because its codec number fits.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any, Final

from aioice import Candidate
from aiortc import (
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCIceGatherer,
    RTCIceParameters,
    RTCIceServer,
    RTCIceTransport,
)
from aiortc.rtcdtlstransport import RTCDtlsTransport, RtpReceiver, RtpRouter
from aiortc.rtp import RtpPacket

from e2ecall.errors import (
    AddressUnavailable,
    MalformedMessage,
    PeerMisbehaved,
    TransportFailed,
    VerificationFailed,
)
from e2ecall.handshake import Role
from e2ecall.handshake.telegram.signalling import Candidates, DtlsFingerprint, IceCandidate, InitialSetup
from e2ecall.media import aiortc_names as names
from e2ecall.media.telegram_contents import own_candidate, usable_candidate

__all__ = ["MAX_CANDIDATES", "TelegramTransport", "checked_setup"]

MAX_CANDIDATES: Final = 64
"""Each is tried from each local address: without a limit the other side could have any number of hosts tried."""
_HASHES: Final = ("sha-256", "sha-384", "sha-512")
_HASH: Final = "sha-256"
_UFRAG: Final = re.compile(r"[A-Za-z0-9+/]{4,256}")
_PWD: Final = re.compile(r"[A-Za-z0-9+/]{22,256}")
_SETUPS: Final = ("active", "passive", "actpass")

# names of aiortc and aioice that are not public, or not meant to be replaced
ROUTER: Final = "_rtp_router"
COMPONENT_CANDIDATES: Final = "get_component_candidates"
names.check(
    uses=(
        ("RTCDtlsTransport()", RTCDtlsTransport.__init__, (ROUTER, "RtpRouter")),
        ("RTCDtlsTransport._handle_rtp_data", RTCDtlsTransport._handle_rtp_data, (ROUTER, "route_rtp")),
        ("RTCDtlsTransport._register_rtp_receiver", RTCDtlsTransport._register_rtp_receiver, (ROUTER, "ssrc")),
        ("RTCDtlsTransport.start", RTCDtlsTransport.start, ("_set_role", "_role", "_validate_peer_identity")),
        ("RtpRouter.route_rtp", RtpRouter.route_rtp, ("ssrc_table",)),
        ("RTCIceGatherer()", RTCIceGatherer.__init__, ("_connection",)),
    )
)


class _StrictRouter(RtpRouter):
    """telegram.7-9: a source that was not negotiated is nobody's."""

    def route_rtp(self, packet: RtpPacket) -> RtpReceiver | None:
        return self.ssrc_table.get(packet.ssrc)


class _Dtls(RTCDtlsTransport):
    """aiortc's transport, with the strict router; it remembers when the certificate was the reason to fail."""

    def __init__(self, ice: RTCIceTransport, certificates: list[RTCCertificate]) -> None:
        super().__init__(ice, certificates)
        setattr(self, ROUTER, _StrictRouter())
        self.other_certificate = False

    def _validate_peer_identity(self, remoteParameters: RTCDtlsParameters) -> None:  # noqa: N803 - aiortc's own name
        super()._validate_peer_identity(remoteParameters)
        self.other_certificate = self.state == "failed"


def checked_setup(setup: InitialSetup) -> InitialSetup:
    """telegram.7-1, telegram.7-2: `setup`, if ICE and DTLS can be started with it; else MalformedMessage.

    PeerMisbehaved for a fingerprint of a hash that is too weak to vouch for a certificate.
    """
    for value, pattern, name in ((setup.ufrag, _UFRAG, "ufrag"), (setup.pwd, _PWD, "pwd")):
        if not pattern.fullmatch(value):
            raise MalformedMessage("is no ICE credential", path=f"InitialSetup.{name}", clause="telegram.7-4")
    for each in setup.fingerprints:
        each.digest()
        if each.hash.lower() not in _HASHES:
            raise PeerMisbehaved(f"a certificate vouched for by {each.hash.lower()}", clause="telegram.7-2")
        if each.setup not in _SETUPS:
            raise MalformedMessage("is no DTLS role", path="DtlsFingerprint.setup", clause="telegram.7-3")
    if not setup.fingerprints or len({each.setup for each in setup.fingerprints}) != 1:
        raise MalformedMessage("needs one DTLS role", path="InitialSetup.fingerprints", clause="telegram.7-3")
    return setup


class TelegramTransport:
    """telegram.7-1 to telegram.7-5: one side's ICE and DTLS. `gather`, then `connect` with the other side's setup."""

    def __init__(
        self, role: Role, *, addresses: Sequence[str] | None, ice_servers: Sequence[RTCIceServer], timeout: float
    ) -> None:
        self._role, self._timeout = role, timeout
        self._gatherer = RTCIceGatherer(iceServers=list(ice_servers))
        self._connection = self._gatherer._connection
        self._connection.ice_controlling = role is Role.CALLER
        if addresses is not None:
            self._use(list(addresses))
        self._ice = RTCIceTransport(self._gatherer)
        self.dtls = _Dtls(self._ice, [RTCCertificate.generateCertificate()])
        self._seen = 0

    async def gather(self) -> None:
        """telegram.7-5: find this side's candidates. AddressUnavailable when there is none."""
        await self._gatherer.gather()
        if not self._gatherer.getLocalCandidates():
            raise AddressUnavailable("no local address to be reached at", clause="telegram.7-5")

    def setup(self, remote: InitialSetup | None) -> InitialSetup:
        """telegram.7-1, telegram.7-3: what the other side needs; the callee's fits what the caller said before."""
        ice = self._gatherer.getLocalParameters()
        (value,) = [each.value for each in self.dtls.getLocalParameters().fingerprints if each.algorithm == _HASH]
        setup = "actpass" if remote is None else "passive" if self._is_server(remote) else "active"
        return InitialSetup(
            str(ice.usernameFragment), str(ice.password), (DtlsFingerprint(_HASH, setup, value.upper()),)
        )

    def candidates(self) -> Candidates:
        """telegram.7-5: this side's candidates, all in one message."""
        return Candidates(tuple(own_candidate(each) for each in self._gatherer.getLocalCandidates()))

    async def add(self, candidates: Sequence[IceCandidate]) -> None:
        """telegram.7-5: take the other side's candidates; PeerMisbehaved for more than 64 before ICE is complete.

        Later ones are passed over: the libraries go on finding them as networks change, and aioice has chosen.
        """
        if self._ice.state == "completed":
            return
        self._seen += len(candidates)
        if self._seen > MAX_CANDIDATES:
            raise PeerMisbehaved(f"more than {MAX_CANDIDATES} candidates", clause="telegram.7-5")
        for each in candidates:
            if (usable := usable_candidate(each)) is not None:
                await self._ice.addRemoteCandidate(usable)

    async def connect(self, remote: InitialSetup) -> None:
        """telegram.7-2: until both are up. TransportFailed; VerificationFailed for another certificate."""
        try:
            async with asyncio.timeout(self._timeout):
                await self._ice.start(RTCIceParameters(remote.ufrag, remote.pwd))
                if self._ice.state != "completed":
                    raise TransportFailed("the other side was not reached by ICE", clause="telegram.7-5")
                self.dtls._set_role("server" if self._is_server(remote) else "client")
                prints = [
                    RTCDtlsFingerprint(each.hash.lower(), each.fingerprint.upper()) for each in remote.fingerprints
                ]
                await self.dtls.start(RTCDtlsParameters(fingerprints=prints))
        except TimeoutError:
            raise TransportFailed(f"no connection within {self._timeout:g} s", clause="telegram.7-5") from None
        if self.dtls.state != "connected":
            if self.dtls.other_certificate:
                raise VerificationFailed("the certificate is not the one of the InitialSetup", clause="telegram.7-2")
            raise TransportFailed("the DTLS handshake failed", clause="telegram.7-3")

    async def close(self) -> None:
        """Leave no task and no socket behind. A second call does nothing."""
        await self.dtls.stop()
        await self._ice.stop()
        await asyncio.sleep(0)
        consent = getattr(self._connection, names.CONSENT_TASK)
        if consent is not None:
            consent.cancel()

    def _is_server(self, remote: InitialSetup) -> bool:
        """telegram.7-3: whoever was called is DTLS's server, unless the other side's setup decides otherwise."""
        setup = remote.fingerprints[0].setup
        return setup == "active" if setup != "actpass" else self._role is Role.CALLEE

    def _use(self, wanted: list[str]) -> None:
        gathered: Any = getattr(self._connection, COMPONENT_CANDIDATES)

        async def gather(component: int, addresses: list[str], **limits: Any) -> list[Candidate]:
            return list(await gathered(component=component, addresses=wanted, **limits))

        setattr(self._connection, COMPONENT_CANDIDATES, gather)

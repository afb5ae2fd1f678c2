"""What a person's process makes of a hostile other side, without the processes."""

import asyncio
import contextlib

import pytest

from e2ecall.demo.media_side import _candidate
from e2ecall.errors import MalformedMessage, PeerMisbehaved
from e2ecall.media.rtc import apply_description, close, connection, loopback_only

GOOD = "candidate:1 1 udp 2130706431 127.0.0.1 5000 typ host"


def test_a_candidate():
    candidate = _candidate(GOOD, "0")
    assert (candidate.ip, candidate.port, candidate.sdpMid) == ("127.0.0.1", 5000, "0")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "x",
        "candidate:",
        GOOD.replace("127.0.0.1", "evil.local"),
        GOOD.replace("5000", "0"),
        GOOD.replace("5000", "65536"),
        GOOD.replace("5000", "-5"),
        GOOD.replace("5000", "many"),
    ],
)
def test_candidates_that_are_none(line):
    with pytest.raises(MalformedMessage, match="candidate cannot be used"):
        _candidate(line, "0")


def spoilt(sdp):
    """Answers and offers that a hostile side could send."""
    yield "v=0\r\n"
    yield "x"
    yield "".join(line for line in sdp.splitlines(keepends=True) if not line.startswith("a=rtpmap"))
    yield "".join(line for line in sdp.splitlines(keepends=True) if not line.startswith("a=mid"))
    yield "".join(line for line in sdp.splitlines(keepends=True) if not line.startswith("a=ice-"))
    yield sdp.replace("m=audio", "m=smell")
    yield sdp[: len(sdp) // 2]


@pytest.mark.parametrize("kind", ["answer", "offer"])
def test_descriptions_that_cannot_be_used_are_the_other_sides_fault(kind):
    async def main():
        other = connection()
        other.addTransceiver("audio")
        await other.setLocalDescription(await other.createOffer())
        for text in spoilt(other.localDescription.sdp):
            pc = connection()
            pc.addTransceiver("audio")
            if kind == "answer":
                await pc.setLocalDescription(await pc.createOffer())
            with contextlib.suppress(PeerMisbehaved):  # anything else would end the process without a word
                await apply_description(pc, text, kind)
            await close(pc)
        await close(other)

    with loopback_only():
        asyncio.run(main())


def test_an_answer_without_codecs_is_refused_by_name():
    async def main():
        pc = connection()
        pc.addTransceiver("audio")
        await pc.setLocalDescription(await pc.createOffer())
        with pytest.raises(PeerMisbehaved, match="the answer of the other side cannot be used"):
            await apply_description(pc, "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 96\r\n", "answer")
        await close(pc)

    with loopback_only():
        asyncio.run(main())

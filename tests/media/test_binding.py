"""SDP and the exchange: candidates out, fingerprints bound (kex.7-6)."""

import pytest

from e2ecall.errors import MalformedMessage, VerificationFailed
from e2ecall.handshake import Profile, TransportMode
from e2ecall.media.binding import bind, fingerprints, without_candidates

ONE, OTHER = bytes(range(32)), bytes(range(32, 64))


def line(digest, name="sha-256"):
    return f"a=fingerprint:{name} {':'.join(f'{byte:02X}' for byte in digest)}"


def sdp(*lines):
    return "".join(f"{text}\r\n" for text in ("v=0", "o=- 1 1 IN IP4 0.0.0.0", *lines))


def profile(*lines, named=(ONE,)):
    return Profile(TransportMode.DIRECT, named, sdp(*lines))


def test_candidates_leave_the_sdp():
    first, second = "candidate:1 1 udp 1 192.0.2.1 1 typ host", "candidate:2 1 udp 1 192.0.2.1 2 typ host"
    text = sdp("m=audio 9", f"a={first}", "a=end-of-candidates", "m=video 9", f"a={second}", "a=mid:1")
    kept, candidates = without_candidates(text)
    assert "candidate" not in kept
    assert kept == sdp("m=audio 9", "m=video 9", "a=mid:1")
    assert candidates == (first,)
    assert without_candidates(sdp()) == (sdp(), ())


def test_fingerprints_are_read():
    assert fingerprints(sdp(line(ONE), "m=audio 9", line(OTHER), line(ONE))) == (ONE, OTHER)
    assert fingerprints(sdp(line(bytes(64), "sha-512"))) == ()
    assert fingerprints(sdp(line(ONE, "SHA-256"))) == (ONE,)


@pytest.mark.clause("kex.7-6")
def test_an_sdp_with_vouched_fingerprints_alone():
    other_hash = line(bytes(64), "sha-512")
    assert bind(profile("m=audio 9", other_hash, line(ONE))) == sdp("m=audio 9", line(ONE))
    both = profile("m=audio 9", line(OTHER), named=(ONE, OTHER))
    assert bind(both) == both.sdp


@pytest.mark.clause("kex.7-6")
@pytest.mark.parametrize(
    "lines",
    [
        ("m=audio 9", line(OTHER)),
        ("m=audio 9", line(ONE), "m=video 9", line(OTHER)),
        (line(OTHER), "m=audio 9", line(ONE)),
        ("m=audio 9",),
        ("m=audio 9", line(bytes(64), "sha-512")),
    ],
)
def test_any_other_fingerprint_or_none_ends_it(lines):
    with pytest.raises(VerificationFailed) as caught:
        bind(profile(*lines))
    assert caught.value.clause == "kex.7-6"


@pytest.mark.parametrize("text", ["a=fingerprint:sha-256 zz", "a=fingerprint:sha-256 ", "a=fingerprint:sha-256 00:11"])
def test_a_fingerprint_that_is_none(text):
    with pytest.raises(MalformedMessage):
        bind(profile("m=audio 9", text))


def test_an_sdp_without_media():
    with pytest.raises(MalformedMessage, match="no media section"):
        bind(Profile(TransportMode.DIRECT, (ONE,), sdp(line(ONE))))


def test_direct_without_an_sdp():
    with pytest.raises(MalformedMessage):
        bind(Profile(TransportMode.DIRECT, (ONE,)))

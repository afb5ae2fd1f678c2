"""What Telegram's signalling says of codecs, sources and candidates: what is taken of it, and what is refused."""

from dataclasses import replace

import pytest

from e2ecall.errors import MalformedMessage, PeerMisbehaved
from e2ecall.handshake.telegram.signalling import (
    DtlsFingerprint,
    FeedbackType,
    IceCandidate,
    InitialSetup,
    MediaContent,
    MediaKind,
    PayloadType,
    RtpExtension,
    SsrcGroup,
)
from e2ecall.media import telegram_contents as contents
from e2ecall.media.telegram_transport import checked_setup

AUDIO, VIDEO = MediaKind.AUDIO, MediaKind.VIDEO
OPUS = PayloadType(109, "opus", 48000, 2, (FeedbackType("transport-cc", ""),), {"minptime": "10"})
H264 = PayloadType(102, "H264", 90000, 0, (FeedbackType("nack", ""),), {"packetization-mode": "1"})
VP8 = PayloadType(96, "VP8", 90000, 0, (FeedbackType("nack", "pli"), FeedbackType("transport-cc", "")))
VP8_RTX = PayloadType(97, "rtx", 90000, 0, (), {"apt": "96"})
H264_RTX = PayloadType(103, "rtx", 90000, 0, (), {"apt": "102"})
SEND_TIME = RtpExtension(3, contents.ABS_SEND_TIME)
FID = (SsrcGroup("FID", (20, 21)),)
PRINT = DtlsFingerprint("sha-256", "actpass", ":".join(["AB"] * 32))
SETUP = InitialSetup("abcd", "a" * 22, (PRINT,))


def names(content):
    return [(each.name, each.id) for each in content.payload_types]


@pytest.mark.clause("telegram.7-7")
def test_of_an_audio_offer_opus_is_taken_with_what_aiortc_does():
    red = PayloadType(63, "red", 48000, 2)
    taken = contents.accepted(MediaContent(AUDIO, 9, (), (red, OPUS), (RtpExtension(5, "urn:x"), SEND_TIME)))
    assert names(taken) == [("opus", 109)]
    assert taken.ssrc == 9
    assert taken.payload_types[0].feedback_types == ()
    assert taken.rtp_extensions == (SEND_TIME,)


@pytest.mark.clause("telegram.7-7")
def test_of_a_video_offer_one_codec_is_taken_with_its_own_repair():
    offer = MediaContent(VIDEO, 20, FID, (H264, H264_RTX, VP8_RTX, VP8))
    taken = contents.accepted(offer)
    assert names(taken) == [("VP8", 96), ("rtx", 97)]
    assert taken.payload_types[0].feedback_types == (FeedbackType("nack", "pli"),)
    parameters = contents.receive_parameters(taken)
    assert [(each.ssrc, each.payloadType) for each in parameters.encodings] == [(20, 96), (21, 97)]
    assert parameters.codecs[1].parameters == {"apt": 96}
    assert names(contents.accepted(replace(offer, payload_types=(H264, H264_RTX)))) == [("H264", 102), ("rtx", 103)]
    assert names(contents.accepted(replace(offer, ssrc_groups=()))) == [("VP8", 96)]


@pytest.mark.clause("telegram.7-7")
@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (AUDIO, replace(OPUS, clockrate=16000)),
        (AUDIO, replace(OPUS, channels=1)),
        (AUDIO, PayloadType(0, "PCMU", 8000, 1)),
        (AUDIO, VP8),
        (VIDEO, OPUS),
        (VIDEO, PayloadType(98, "VP9", 90000)),
        (VIDEO, replace(H264, parameters={"packetization-mode": "0"})),
        (VIDEO, VP8_RTX),
    ],
)
def test_an_offer_without_a_usable_codec_is_not_taken(kind, payload):
    assert contents.accepted(MediaContent(kind, 9, (), (payload,))) is None


@pytest.mark.clause("telegram.7-6", "telegram.7-7")
def test_an_answer_chooses_among_what_was_offered():
    offer = contents.offered(VIDEO, 20, 21)
    h264, rtx = offer.payload_types[2:]
    assert (h264.name, rtx.parameters["apt"]) == ("H264", str(h264.id))
    sent = contents.agreed(offer, MediaContent(VIDEO, 20, FID, (h264, rtx)))
    assert names(sent) == [("H264", h264.id), ("rtx", rtx.id)]
    assert sent.rtp_extensions == ()
    assert contents.send_parameters(sent, "x").codecs[0].mimeType == "video/H264"
    assert contents.agreed(offer, MediaContent(VIDEO, 20)) is None
    assert contents.agreed(offer, MediaContent(VIDEO, 20, (), (rtx,))) is None


@pytest.mark.clause("telegram.7-7")
@pytest.mark.parametrize(
    "change",
    [
        {"type": VIDEO},
        {"payload_types": (replace(OPUS, id=112),)},
        {"payload_types": (PayloadType(111, "PCMU", 48000, 2),)},
        {"payload_types": (PayloadType(111, "opus", 8000, 2),)},
        {"rtp_extensions": (RtpExtension(3, contents.ABS_SEND_TIME),)},
        {"rtp_extensions": (RtpExtension(2, "urn:x"),)},
    ],
)
def test_an_answer_that_takes_more_than_was_offered_is_refused(change):
    offer = contents.offered(AUDIO, 20, 21)
    assert contents.agreed(offer, offer) == offer
    with pytest.raises(PeerMisbehaved, match="not offered") as refused:
        contents.agreed(offer, replace(offer, **change))
    assert refused.value.clause == "telegram.7-7"


@pytest.mark.clause("telegram.7-8")
@pytest.mark.parametrize(
    "listed",
    [
        [MediaContent(AUDIO, number) for number in range(1, contents.MAX_CONTENTS + 2)],
        [MediaContent(AUDIO, 5), MediaContent(VIDEO, 5)],
        [MediaContent(AUDIO, 21), MediaContent(VIDEO, 20, FID)],
        [MediaContent(VIDEO, 20, (SsrcGroup("FID", (20, 20)),))],
        [MediaContent(AUDIO, 77)],
        [MediaContent(VIDEO, 20, (SsrcGroup("FID", (20, 77)),))],
    ],
)
def test_sources_are_few_and_each_has_a_number_of_its_own(listed):
    with pytest.raises(PeerMisbehaved) as refused:
        contents.checked_contents(listed, own={77})
    assert refused.value.clause == "telegram.7-8"


@pytest.mark.clause("telegram.7-8")
def test_as_many_sources_as_allowed():
    listed = [MediaContent(AUDIO, number) for number in range(1, contents.MAX_CONTENTS + 1)]
    assert contents.checked_contents(listed, own={77}) == tuple(listed)


@pytest.mark.clause("telegram.7-5")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "candidate:",
        "candidate:1 1 udp 1",
        "candidate:1 1 udp x 192.0.2.1 9 typ host",
        "candidate:1 1 udp 1 printer.local 9 typ host",
        "candidate:1 1 udp 1 example.org 9 typ host",
        "candidate:1 1 udp 1 reflector-1-2.reflector 9 typ relay",
        "candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active",
        "candidate:1 2 udp 1 192.0.2.1 9 typ host",
        "candidate:1 1 udp 1 192.0.2.1 0 typ host",
        "candidate:1 1 udp 1 192.0.2.1 65536 typ host",
        "candidate:1 1 udp -1 192.0.2.1 9 typ host",
        "candidate:1 1 udp 4294967296 192.0.2.1 9 typ host",
        "candidate:1 1 udp 1 192.0.2.1 9 typ other",
        "candidate:1 1 udp 1 192.0.2.1 9 typ srflx raddr 0.0.0.0 rport x",
        "candidate:1 1 udp " + "9" * 5000 + " 192.0.2.1 9 typ host",
        "candidate:1 1 udp 1 ff02::1 9 typ host",
        "candidate:1 1 udp 1 224.0.0.1 9 typ host",
        "candidate:1 1 udp 1 0.0.0.0 9 typ host",
        "candidate:1 1 udp 1 255.255.255.255 9 typ host",
    ],
)
def test_a_candidate_that_is_no_address_for_udp_is_passed_over(text):
    assert contents.usable_candidate(IceCandidate(text)) is None


@pytest.mark.clause("telegram.7-5")
@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_a_candidate_is_read_and_written(address):
    text = f"candidate:1 1 udp 2122 {address} 9 typ srflx raddr 10.0.0.1 rport 8"
    read = contents.usable_candidate(IceCandidate(text + " generation 0 ufrag abcd network-cost 50"))
    assert (read.ip, read.port, read.type, read.priority) == (address, 9, "srflx", 2122)
    assert contents.own_candidate(read) == IceCandidate(text)


@pytest.mark.clause("telegram.7-2", "telegram.7-3", "telegram.7-4")
@pytest.mark.parametrize(
    ("change", "error", "clause"),
    [
        ({"ufrag": "abc"}, MalformedMessage, "7-4"),
        ({"ufrag": "ab d"}, MalformedMessage, "7-4"),
        ({"ufrag": "a" * 257}, MalformedMessage, "7-4"),
        ({"pwd": "a" * 21}, MalformedMessage, "7-4"),
        ({"pwd": "a" * 22 + "\n"}, MalformedMessage, "7-4"),
        ({"fingerprints": ()}, MalformedMessage, "7-3"),
        ({"fingerprints": (replace(PRINT, setup="holdconn"),)}, MalformedMessage, "7-3"),
        ({"fingerprints": (PRINT, replace(PRINT, setup="active"))}, MalformedMessage, "7-3"),
        ({"fingerprints": (replace(PRINT, fingerprint="AB"),)}, MalformedMessage, "5-9"),
        ({"fingerprints": (replace(PRINT, hash="sha-1", fingerprint=":".join(["AB"] * 20)),)}, PeerMisbehaved, "7-2"),
        (
            {"fingerprints": (PRINT, replace(PRINT, hash="sha-224", fingerprint=":".join(["AB"] * 28)))},
            PeerMisbehaved,
            "7-2",
        ),
    ],
)
def test_a_setup_that_cannot_protect_a_call_is_refused(change, error, clause):
    assert checked_setup(SETUP) is SETUP
    with pytest.raises(error) as refused:
        checked_setup(replace(SETUP, **change))
    assert refused.value.clause == f"telegram.{clause}"


@pytest.mark.clause("telegram.7-2")
@pytest.mark.parametrize(("name", "length"), [("sha-256", 32), ("SHA-384", 48), ("sha-512", 64)])
def test_the_hashes_that_vouch_for_a_certificate(name, length):
    good = replace(SETUP, fingerprints=(replace(PRINT, hash=name, fingerprint=":".join(["ab"] * length)),))
    assert checked_setup(good) is good

"""Signalling messages of Telegram's calls: what is in them, what may be absent, and what is refused."""

import gzip
import json
import tracemalloc
import zlib

import pytest

from e2ecall.errors import ApiMisuse, MalformedMessage
from e2ecall.handshake.telegram.signalling import (
    Candidates,
    DtlsFingerprint,
    FeedbackType,
    IceCandidate,
    InitialSetup,
    MediaContent,
    MediaKind,
    MediaState,
    NegotiateChannels,
    PayloadType,
    RtpExtension,
    SsrcGroup,
    UnknownSignal,
    VideoRotation,
    VideoState,
    build_signal,
    parse_signal,
)
from tests.support.telegram_signals import (
    CANDIDATES,
    CHANNELS,
    EVERY,
    KNOWN,
    SETUP,
    SHA256,
    STATE,
    at,
    changed,
    packed,
    places,
    shown,
)


def refused(data, clause, path=None):
    with pytest.raises(MalformedMessage) as caught:
        parse_signal(data)
    assert caught.value.clause == f"telegram.{clause}"
    if path is not None:
        assert caught.value.path == path
    return caught.value


@pytest.mark.clause("telegram.5-6")
def test_the_messages_have_these_values():
    assert parse_signal(packed(SETUP)) == InitialSetup(
        "abcd", "p" * 24, (DtlsFingerprint("sha-256", "actpass", SHA256),), True
    )
    assert parse_signal(packed(CANDIDATES)) == Candidates(
        (IceCandidate("candidate:1 1 udp 1 192.0.2.1 5000 typ host"),)
    )
    assert parse_signal(packed(STATE)) == MediaState(
        True, True, VideoState.SUSPENDED, VideoRotation.THREE_QUARTERS, VideoState.ACTIVE
    )
    codec = PayloadType(127, "VP8", 90000, 2, (FeedbackType("nack", ""),), {"apt": "96", "": "111/111"})
    content = MediaContent(
        MediaKind.VIDEO, 2**32 - 1, (SsrcGroup("FID", (1, 2)),), (codec,), (RtpExtension(3, "urn:x"),)
    )
    assert parse_signal(packed(CHANNELS)) == NegotiateChannels(2**32 - 1, (content,))


@pytest.mark.clause("telegram.5-10")
@pytest.mark.parametrize("message", KNOWN, ids=lambda m: m["@type"])
def test_the_bytes_come_back(message):
    assert build_signal(parse_signal(packed(message))) == packed(message)
    assert build_signal(parse_signal(gzip.compress(packed(message)))) == packed(message)


@pytest.mark.clause("telegram.5-6")
def test_what_may_be_absent():
    setup = parse_signal(packed(changed(SETUP, ["renomination"], ...)))
    assert setup.renomination is False
    assert parse_signal(b'{"@type":"MediaState"}') == MediaState()
    slim = {"@type": "NegotiateChannels", "exchangeId": 0, "contents": [{"type": "audio", "ssrc": 7}]}
    assert parse_signal(packed(slim)) == NegotiateChannels(0, (MediaContent(MediaKind.AUDIO, 7),))
    assert build_signal(parse_signal(packed(slim))) == (
        b'{"@type":"NegotiateChannels","exchangeId":"0","contents":[{"type":"audio","ssrc":"7","rtpExtensions":[]}]}'
    )


OPTIONAL = {"renomination", "ssrcGroups", "payloadTypes", "rtpExtensions", "channels", "feedbackTypes", "parameters"}


@pytest.mark.clause("telegram.5-6")
@pytest.mark.parametrize(("message", "path"), EVERY, ids=[shown(*each) for each in EVERY])
def test_each_member_needs_its_type_and_to_be_there(message, path):
    for wrong in (None, {"a": 1} if path[-1] != "parameters" else [], 1.5):
        refused(packed(changed(message, path, wrong)), "5-6", shown(message, path))
    if isinstance(at(message, path), (str, list, dict)):
        refused(packed(changed(message, path, True)), "5-6", shown(message, path))
    if path[-1] in OPTIONAL or message is STATE:
        parse_signal(packed(changed(message, path, ...)))
    else:
        refused(packed(changed(message, path, ...)), "5-6", shown(message, path))


@pytest.mark.clause("telegram.5-6")
def test_words_and_entries_of_the_wrong_kind():
    content = ["contents", 0]
    refused(packed(changed(CHANNELS, [*content, "type"], "text")), "5-6", "NegotiateChannels.contents[0].type")
    refused(packed(changed(STATE, ["videoState"], "on")), "5-6", "MediaState.videoState")
    refused(packed(changed(SETUP, ["fingerprints", 0], "x")), "5-6", "InitialSetup.fingerprints[0]")
    path = [*content, "payloadTypes", 0, "parameters", "apt"]
    refused(packed(changed(CHANNELS, path, 96)), "5-6", "NegotiateChannels.contents[0].payloadTypes[0].parameters")


CONTENT = ("contents", 0)
CODEC = (*CONTENT, "payloadTypes", 0)
RANGES = [
    (CHANNELS, ("exchangeId",), 0, 2**32 - 1),
    (CHANNELS, (*CONTENT, "ssrc"), 1, 2**32 - 1),
    (CHANNELS, (*CONTENT, "ssrcGroups", 0, "ssrcs", 0), 1, 2**32 - 1),
    (CHANNELS, (*CODEC, "id"), 0, 127),
    (CHANNELS, (*CODEC, "clockrate"), 1, 2**31 - 1),
    (CHANNELS, (*CODEC, "channels"), 0, 255),
    (CHANNELS, (*CONTENT, "rtpExtensions", 0, "id"), 1, 255),
    (STATE, ("videoRotation",), 0, 270),
]


@pytest.mark.clause("telegram.5-8")
@pytest.mark.parametrize(("message", "path", "low", "high"), RANGES, ids=[shown(*each[:2]) for each in RANGES])
def test_numbers_keep_their_range(message, path, low, high):
    for good in (low, high):
        parse_signal(packed(changed(message, path, good)))
    for bad in (low - 1, high + 1):
        refused(packed(changed(message, path, bad)), "5-8", shown(message, path))


@pytest.mark.clause("telegram.5-8")
@pytest.mark.parametrize(
    "digits", ["", "01", "-1", "+1", " 1", "1 ", "0x1", "1.0", "1e1", "١", "4294967296", "9" * 4000]
)
@pytest.mark.parametrize(("message", "path", "low", "high"), RANGES[:3])
def test_digits_are_plain_decimals(message, path, low, high, digits):
    refused(packed(changed(message, path, digits)), "5-8", shown(message, path))
    assert parse_signal(packed(changed(message, path, "17"))) == parse_signal(packed(changed(message, path, 17)))


@pytest.mark.clause("telegram.5-8")
def test_a_rotation_is_a_quarter_turn():
    refused(packed(changed(STATE, ["videoRotation"], 45)), "5-8", "MediaState.videoRotation")


TEXTS = [(message, path) for message, path in EVERY if isinstance(at(message, path), str)]
FREE = [each for each in TEXTS if each[1][-1] not in {"type", "ssrc", "exchangeId", "videoState", "screencastState"}]
FREE.append((CHANNELS, (*CODEC, "feedbackTypes", 0, "type")))


@pytest.mark.clause("telegram.5-7")
@pytest.mark.parametrize(("message", "path"), FREE, ids=[shown(*each) for each in FREE])
def test_texts_are_bounded_and_of_one_line(message, path):
    parse_signal(packed(changed(message, path, "é" * 2048)))
    for bad in ("é" * 2048 + "a", "a\r\nb", "\0", "a\x7f"):
        refused(packed(changed(message, path, bad)), "5-7", shown(message, path))
    if path[-1] != "subtype":
        refused(packed(changed(message, path, "")), "5-7", shown(message, path))


LISTS = [(message, path) for message, path in EVERY if isinstance(at(message, path), list)]


@pytest.mark.clause("telegram.5-7")
@pytest.mark.parametrize(("message", "path"), LISTS, ids=[shown(*each) for each in LISTS])
def test_lists_are_bounded(message, path):
    entry = at(message, path)[0]
    parse_signal(packed(changed(message, path, [entry] * 64)))
    refused(packed(changed(message, path, [entry] * 65)), "5-7", shown(message, path))
    if path == ("fingerprints",):
        refused(packed(changed(message, path, [])), "5-7", shown(message, path))


@pytest.mark.clause("telegram.5-7")
def test_parameters_are_bounded():
    path = (*CODEC, "parameters")
    parse_signal(packed(changed(CHANNELS, path, {str(n): "" for n in range(64)})))
    refused(packed(changed(CHANNELS, path, {str(n): "" for n in range(65)})), "5-7", shown(CHANNELS, path))
    refused(packed(changed(CHANNELS, path, {"a\nb": ""})), "5-7", shown(CHANNELS, path))
    refused(packed(changed(CHANNELS, path, {"a": "\n"})), "5-7", shown(CHANNELS, path))


@pytest.mark.clause("telegram.5-5")
@pytest.mark.parametrize("message", KNOWN, ids=lambda m: m["@type"])
def test_unknown_members_come_back_from_every_object(message):
    for path in places(message):
        more = changed(message, [*path, "later"], {"deep": [1, -1.5, None, True, "é\n" * 3000], "@type": "x"})
        assert json.loads(build_signal(parse_signal(packed(more)))) == more


@pytest.mark.clause("telegram.5-5")
def test_extra_members_cannot_take_a_known_name():
    for make in (
        lambda extra: MediaState(extra=extra),
        lambda extra: UnknownSignal("x", extra=extra),
        lambda extra: InitialSetup("a", "b", (), extra=extra),
    ):
        with pytest.raises(ApiMisuse):
            make({"@type": "x"})
    for name in ("ssrc", "ssrcGroups", "payloadTypes", "rtpExtensions", "type"):
        with pytest.raises(ApiMisuse):
            MediaContent(MediaKind.AUDIO, 1, extra={name: []})
    assert MediaContent(MediaKind.AUDIO, 1, extra={"ssrc_groups": 1}).extra == {"ssrc_groups": 1}
    assert IceCandidate("x", extra={"@type": 1}).extra == {"@type": 1}


@pytest.mark.clause("telegram.5-4")
def test_unknown_types_are_kept_whole():
    data = b'{"@type":"RemoteState","muted":"odd","list":[{}]}'
    assert parse_signal(data) == UnknownSignal("RemoteState", extra={"muted": "odd", "list": [{}]})
    assert build_signal(parse_signal(data)) == data
    with pytest.raises(ApiMisuse):
        UnknownSignal("Candidates")


@pytest.mark.clause("telegram.5-4")
def test_a_type_is_needed():
    refused(b"{}", "5-6", "signal.@type")
    refused(b'{"@type":1}', "5-6", "signal.@type")
    refused(b'{"@type":""}', "5-7", "signal.@type")


@pytest.mark.clause("telegram.5-1")
@pytest.mark.parametrize(
    "data", [b"", b"[]", b"1", b"null", b'"x"', b"{", b'{"@type":"a"}x', b"\xff", b"\xef\xbb\xbf{}"]
)
def test_what_is_no_object_of_json(data):
    refused(data, "5-1")


@pytest.mark.clause("telegram.5-1")
def test_where_the_json_breaks_is_told_in_bytes():
    assert refused('{"é":x'.encode(), "5-1").offset == 6
    assert refused(b'{"a":"\xff"}', "5-1").offset == 6


@pytest.mark.clause("telegram.5-1")
def test_the_longest_message():
    fill = (1 << 20) - len(b'{"@type":"x","a":""}')
    assert parse_signal(b'{"@type":"x","a":"%b"}' % (b"a" * fill)).kind == "x"
    refused(b'{"@type":"x","a":"%b"}' % (b"a" * (fill + 1)), "5-1", "signal")


@pytest.mark.clause("telegram.5-2")
def test_gzip_to_its_end_and_no_further():
    data = gzip.compress(packed(STATE))
    assert parse_signal(data) == parse_signal(packed(STATE))
    for bad in (data[:-1], data[:5], data + b"\0", data + data, data[:-8] + bytes(8), b"\x1f\x8b", data[:3] + b"\xff"):
        refused(bad, "5-2", "signal")
    refused(gzip.compress(data), "5-1")  # unpacked once
    refused(zlib.compress(packed(STATE)), "5-1")


@pytest.mark.clause("telegram.5-2")
def test_gzip_unpacks_to_two_mebibytes_at_most():
    fill = (2 << 20) - len(b'{"@type":"x","a":""}')
    assert parse_signal(gzip.compress(b'{"@type":"x","a":"%b"}' % (b"a" * fill))).kind == "x"
    refused(gzip.compress(b'{"@type":"x","a":"%b"}' % (b"a" * (fill + 1))), "5-2", "signal")
    bomb = gzip.compress(bytes(64 << 20))
    tracemalloc.start()
    try:
        refused(bomb, "5-2", "signal")
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.clause("telegram.5-3")
@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"@type":"x","@type":"x"}', "x.@type"),
        ('{"@type":"MediaState","muted":true,"muted":true}', "MediaState.muted"),
        ('{"@type":"x","a":[{"b":1,"b":1}]}', "x.a[0].b"),
        ('{"@type":"x","\\n\\n":1,"\\n\\n":1}', "x.?"),
        ('{"@type":"x","a":NaN}', "signal"),
        ('{"@type":"x","a":Infinity}', "signal"),
        ('{"@type":"x","a":-Infinity}', "signal"),
        ('{"@type":"x","a":1e999}', "signal"),
        ('{"@type":"x","a":18446744073709551616}', "signal"),
        ('{"@type":"x","a":-9223372036854775809}', "signal"),
        ('{"@type":"x","a":' + "9" * 5000 + "}", "signal"),
        ('{"@type":"x","a":"\\ud800"}', "x.a"),
        ('{"@type":"x","\\udfff":1}', "x"),
        ('{"@type":"\\ud800"}', "signal.@type"),
        ('{"@type":"x","a":' + "[" * 16 + "]" * 16 + "}", "x.a" + "[0]" * 15),
        ('{"@type":"x","a":' + "[" * 9000 + "]" * 9000 + "}", "signal"),
        ('{"@type":"x","a":[' + "1," * 16400 + "1]}", "signal"),
    ],
)
def test_what_json_readers_disagree_about(text, path):
    refused(text.encode(), "5-3", path)


@pytest.mark.clause("telegram.5-3")
def test_the_last_values_that_are_read():
    text = '{"@type":"x","a":[18446744073709551615,-9223372036854775808,1e308],"b":%s1%s,"c":"\\ud83d\\ude00"}'
    signal = parse_signal((text % ("[" * 15, "]" * 15)).encode())
    assert signal.extra["a"] == [2**64 - 1, -(2**63), 1e308]
    assert signal.extra["c"] == "😀"


@pytest.mark.clause("telegram.5-9")
@pytest.mark.parametrize(
    ("name", "length"), [("sha-1", 20), ("sha-224", 28), ("SHA-256", 32), ("sha-384", 48), ("sha-512", 64)]
)
def test_digests(name, length):
    digest = bytes(range(100, 100 + length))
    assert DtlsFingerprint(name, "active", digest.hex(":")).digest() == digest
    assert DtlsFingerprint(name, "active", digest.hex(":").upper()).digest() == digest
    wrong = [digest[:-1].hex(":"), (digest + b"a").hex(":"), digest.hex(), digest.hex(":") + ":", digest.hex("-")]
    for bad in (*wrong, "", "x" + digest.hex(":")[1:], digest.hex(":") + "\n", "٠" + digest.hex(":")[1:]):
        with pytest.raises(MalformedMessage) as caught:
            DtlsFingerprint(name, "active", bad).digest()
        assert (caught.value.path, caught.value.clause) == ("DtlsFingerprint.fingerprint", "telegram.5-9")
    for unknown in ("md5", "sha256", ""):
        with pytest.raises(MalformedMessage) as caught:
            DtlsFingerprint(unknown, "active", digest.hex(":")).digest()
        assert (caught.value.path, caught.value.clause) == ("DtlsFingerprint.hash", "telegram.5-9")


@pytest.mark.clause("telegram.5-10")
@pytest.mark.parametrize(
    "signal",
    [
        InitialSetup("a", "b", ()),
        InitialSetup("a\r\n", "b", (DtlsFingerprint("sha-256", "active", SHA256),)),
        NegotiateChannels(2**32, ()),
        NegotiateChannels(True, ()),
        NegotiateChannels("5", ()),
        NegotiateChannels(1, (MediaContent(MediaKind.AUDIO, 0),)),
        NegotiateChannels(1, []),
        MediaState(muted=1),
        MediaState(video_rotation=45),
        UnknownSignal("x", extra={"a": float("nan")}),
        UnknownSignal("x", extra={"a": b""}),
        UnknownSignal("x", extra={"a": (1,)}),
        UnknownSignal("x", extra={"a": "\ud800"}),
        UnknownSignal("x", extra={"a": 2**64}),
        UnknownSignal("x", extra={"a": 10**5000}),
        UnknownSignal("x", extra={1: 2}),
        UnknownSignal("", extra={}),
        UnknownSignal("x", extra={"a": "a" * (1 << 20)}),
    ],
    ids=range(18),
)
def test_nothing_is_written_that_would_not_be_read(signal):
    with pytest.raises(ApiMisuse) as caught:
        build_signal(signal)
    assert caught.value.clause == "telegram.5-10"


def test_a_value_too_deep_is_not_written():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ApiMisuse):
        build_signal(UnknownSignal("x", extra={"a": deep}))


def test_neither_the_password_nor_other_members_show():
    setup = parse_signal(packed({**SETUP, "pwd": "hunter2", "other": "hunter3"}))
    assert "hunter" not in repr(setup)
    error = refused(packed({**SETUP, "pwd": "hunter2\n"}), "5-7")
    assert "hunter" not in f"{error} {error!r}"


def test_equal_messages_hash_alike():
    assert len({parse_signal(packed(message)) for message in KNOWN * 2}) == 4

"""The announced streams of the other side, what does not fit a frame of another one, and video under 32-bit tags."""

from itertools import count

import pytest

from e2ecall.call.epochs import CAMERA, MICROPHONE, FrameKeys
from e2ecall.call.streams import RemoteStream, Source, StreamTable
from e2ecall.call.track import Track
from e2ecall.errors import ApiMisuse, FrameReason, FrameRejected, PeerIncompatible, PeerMisbehaved, StreamMismatch
from e2ecall.handshake import Role
from e2ecall.secret import SecretBytes
from e2ecall.sframe import ONE_TO_ONE, CipherSuite, KeyIdLayout

fresh = count()  # each call has a base key of its own
SHORT = [suite for suite in CipherSuite if suite.has_short_tag]
LONG = [suite for suite in CipherSuite if not suite.has_short_tag]


def pair(suite=CipherSuite.AES_256_GCM_SHA512_128, here=frozenset(), there=frozenset()):
    """Caller and callee; the streams whose video may have short tags, as either side has named them."""
    base_key = next(fresh).to_bytes(32)
    caller = FrameKeys(SecretBytes(base_key), Role.CALLER, suite, who="bob", short_tags=frozenset(here))
    callee = FrameKeys(SecretBytes(base_key), Role.CALLEE, suite, who="alice", short_tags=frozenset(there))
    return caller, callee


def refused(track, sealed):
    with pytest.raises(FrameRejected) as caught:
        track.unprotect(sealed, b"")
    return caught.value.reason, caught.value.mismatch


# ------------------------------------------------------------------------------------------------ the table

GROUP = KeyIdLayout(epoch_bits=4, sender_bits=3)


def number(context, sender=5):
    return GROUP.stream_of(context=context, sender=sender)


def table():
    streams = StreamTable()
    for stream in (
        RemoteStream(0, "audio", Source.MICROPHONE),
        RemoteStream(1, "video", Source.CAMERA, "vp8", layer=0),
        RemoteStream(2, "video", Source.CAMERA, "vp8", layer=1),
        RemoteStream(3, "video", Source.SCREEN, "vp8"),
        RemoteStream(4, "audio", Source.SCREEN_SOUND),
        RemoteStream(5, "video", Source.CAMERA, "vp8", layer=0),
    ):
        streams.add(number(stream.context), stream)
    return streams


@pytest.mark.clause("frame.4-4")
def test_a_number_is_context_and_sender_whatever_the_epoch():
    numbers = {GROUP.stream(GROUP.encode(context=3, sender=5, epoch=epoch)) for epoch in range(40)}
    assert numbers == {number(3)} == {3 << 3 | 5}
    assert ONE_TO_ONE.stream_of(context=3, sender=1) == 7


@pytest.mark.clause("frame.7-8")
@pytest.mark.parametrize(
    ("expected", "found", "mismatch"),  # `expected` is never empty here, and of one kind
    [
        ({number(1)}, number(0), StreamMismatch.KIND),
        ({number(0)}, number(1), StreamMismatch.KIND),
        ({number(1)}, number(3), StreamMismatch.SOURCE),
        ({number(3)}, number(1), StreamMismatch.SOURCE),
        ({number(0)}, number(4), StreamMismatch.SOURCE),
        ({number(1)}, number(2), StreamMismatch.LAYER),
        ({number(2)}, number(1), StreamMismatch.LAYER),
        ({number(1)}, number(5), StreamMismatch.STREAM),
        ({number(1)}, number(1, sender=4), StreamMismatch.SENDER),
        ({number(1)}, number(0, sender=6), StreamMismatch.SENDER),
        ({number(1)}, number(9), StreamMismatch.SENDER),
        ({number(1), number(2), number(3), number(5)}, number(4), StreamMismatch.KIND),
        ({number(1), number(3)}, number(2), StreamMismatch.LAYER),
        ({number(0), number(4)}, number(2), StreamMismatch.KIND),
    ],
)
def test_what_does_not_fit_is_told_from_the_coarsest_on(expected, found, mismatch):
    streams = table()
    (kind,) = {streams.get(number).kind for number in expected}
    assert streams.mismatch(kind, frozenset(expected), found) is mismatch


@pytest.mark.clause("frame.7-8")
def test_where_nothing_may_arrive_the_kind_still_tells():
    assert table().mismatch("video", frozenset(), number(0)) is StreamMismatch.KIND
    assert table().mismatch("video", frozenset(), number(3)) is StreamMismatch.STREAM


@pytest.mark.clause("frame.7-5", "frame.7-9")
def test_a_table_knows_its_streams_by_kind_until_they_end():
    streams = table()
    assert streams.of_kind("audio") == {number(0), number(4)}
    assert streams.of_kind("video") == {number(n) for n in (1, 2, 3, 5)}
    assert streams.get(number(3)) == RemoteStream(3, "video", Source.SCREEN, "vp8")
    streams.end(number(3))
    streams.end(number(3))
    streams.end(number(77))
    assert streams.get(number(3)) is None
    assert streams.of_kind("video") == {number(n) for n in (1, 2, 5)}
    assert streams.mismatch("video", frozenset({number(1)}), number(3)) is StreamMismatch.SENDER


# ------------------------------------------------------------------------------------------------ announced and ended


@pytest.mark.clause("frame.7-2", "frame.7-3")
def test_an_announcement_says_source_and_layer_and_may_not_say_another_one_later():
    caller, _ = pair()
    for n in (0, 1):
        said = caller.remote.get(caller.remote_number(n))
        assert said == RemoteStream(
            n, ("audio", "video")[n], (Source.MICROPHONE, Source.CAMERA)[n], codec=None, layer=None
        )
    for _ in range(2):
        caller.announce_remote(2, "video", "VP8", source=Source.SCREEN, layer=1)
    assert caller.remote.get(caller.remote_number(2)) == RemoteStream(2, "video", Source.SCREEN, "vp8", 1)
    for changed in ({"source": Source.CAMERA, "layer": 1}, {"source": Source.SCREEN}, {"layer": 1}):
        with pytest.raises(PeerMisbehaved) as caught:
            caller.announce_remote(2, "video", "vp8", **changed)
        assert (caught.value.clause, caught.value.who) == ("frame.7-3", "bob")
    assert caller.remote.get(caller.remote_number(2)) == RemoteStream(2, "video", Source.SCREEN, "vp8", 1)


@pytest.mark.clause("frame.7-3", "frame.7-9")
def test_an_ended_stream_is_refused_and_its_number_is_spent():
    caller, callee = pair()
    callee.open_stream("video", "vp8")
    share = callee.open_stream("video", "vp8").sender
    announcement = (2, "video", "vp8")
    caller.announce_remote(*announcement)
    track = Track("video", caller)
    assert track.unprotect(share.protect(b"1"), b"") == b"1"
    caller.end_remote(2)
    caller.end_remote(2)
    assert refused(track, share.protect(b"2")) == (FrameReason.UNKNOWN_KEY, None)
    assert caller.streams("video") == {caller.remote_number(1)}
    with pytest.raises(PeerMisbehaved) as caught:
        caller.announce_remote(*announcement)
    assert caught.value.clause == "frame.7-3"
    assert refused(Track("video", caller), share.protect(b"3")) == (FrameReason.UNKNOWN_KEY, None)
    caller.announce_remote(3, "video", "vp8")
    assert caller.streams("video") == {caller.remote_number(1), caller.remote_number(3)}


@pytest.mark.clause("frame.7-9")
@pytest.mark.parametrize("context", [MICROPHONE, CAMERA])
def test_microphone_and_camera_end_too(context):
    caller, callee = pair()
    kind, codec = (("audio", "opus"), ("video", "vp8"))[context]
    sender = callee.open_stream(kind, codec).sender
    caller.end_remote(context)
    assert caller.streams(kind) == frozenset()
    assert refused(Track(kind, caller), sender.protect(b"x")) == (FrameReason.UNKNOWN_KEY, None)


@pytest.mark.clause("frame.7-9")
@pytest.mark.parametrize("context", [-1, 2, 1024, 2**59, 2**70])
def test_the_end_of_a_stream_that_nobody_announced_is_ignored(context):
    """The number comes from the other side: it must not raise what this program's own mistakes raise."""
    caller, _ = pair()
    caller.end_remote(context)
    caller.announce_remote(2, "video", "vp8")
    assert len(caller.streams("video")) == 2


# ------------------------------------------------------------------------------------------------ 32-bit tags


@pytest.mark.clause("frame.7-7")
def test_the_suites_with_short_tags_are_3_and_8():
    assert SHORT == [3, 8]
    assert {suite.parameters.tag_length for suite in SHORT} == {4}
    assert min(suite.parameters.tag_length for suite in LONG) == 8


@pytest.mark.clause("frame.7-7")
@pytest.mark.parametrize("suite", SHORT)
def test_short_tags_seal_no_video_that_was_not_named(suite):
    for named in ((), {2}):
        caller, _ = pair(suite, here=named)
        with pytest.raises(ApiMisuse) as caught:
            caller.open_stream("video", "vp8")
        assert (caught.value.clause, caught.value.hint) == (
            "frame.7-7",
            "take another suite, or name context 1 in short_tags",
        )
        assert caller.open_stream("audio", "opus").context == MICROPHONE
    assert caller.open_stream("video", "vp8").context == 2  # named; the refused one's number is spent
    caller, callee = pair(suite, here={CAMERA}, there={CAMERA})
    stream = caller.open_stream("video", "vp8")
    assert stream.context == CAMERA
    assert Track("video", callee).unprotect(stream.sender.protect(b"x"), b"") == b"x"


@pytest.mark.clause("frame.7-7")
@pytest.mark.parametrize("suite", SHORT)
def test_short_tags_open_no_video_that_was_not_named_here(suite):
    """That the sender named it changes nothing on this side."""
    caller, callee = pair(suite, here={CAMERA})
    sealed = caller.open_stream("video", "vp8").sender.protect(b"x")
    assert callee.streams("video") == frozenset()
    assert refused(Track("video", callee), sealed) == (FrameReason.UNKNOWN_KEY, None)
    assert refused(Track("audio", callee), sealed) == (FrameReason.UNKNOWN_KEY, None)
    sound = caller.open_stream("audio", "opus").sender
    assert Track("audio", callee).unprotect(sound.protect(b"s"), b"") == b"s"
    assert refused(Track("video", callee), sound.protect(b"s")) == (FrameReason.WRONG_STREAM, StreamMismatch.KIND)


@pytest.mark.clause("frame.7-7")
@pytest.mark.parametrize("suite", SHORT)
def test_an_announcement_of_video_with_short_tags_is_incompatible_unless_it_was_named(suite):
    caller, _ = pair(suite, here={3})
    with pytest.raises(PeerIncompatible) as caught:
        caller.announce_remote(2, "video", "vp8")
    assert (caught.value.clause, caught.value.who) == ("frame.7-7", "bob")
    assert caller.streams("video") == frozenset()
    caller.announce_remote(2, "audio", "opus")  # the refused announcement changed nothing
    caller.announce_remote(3, "video", "vp8")
    assert caller.streams("video") == {caller.remote_number(3)}
    assert caller.streams("audio") == {caller.remote_number(0), caller.remote_number(2)}


@pytest.mark.clause("frame.7-7")
@pytest.mark.parametrize("suite", LONG)
def test_longer_tags_take_video_without_being_named(suite):
    caller, callee = pair(suite)
    sealed = caller.open_stream("video", "vp8").sender.protect(b"x")
    assert Track("video", callee).unprotect(sealed, b"") == b"x"
    callee.announce_remote(2, "video", "vp8")


@pytest.mark.clause("frame.7-7")
@pytest.mark.parametrize("suite", SHORT)
def test_named_and_unnamed_video_in_one_call(suite):
    caller, callee = pair(suite, here={CAMERA}, there={CAMERA})
    camera = caller.open_stream("video", "vp8").sender
    with pytest.raises(ApiMisuse):
        caller.open_stream("video", "vp8")
    with pytest.raises(PeerIncompatible):
        callee.announce_remote(2, "video", "vp8")
    track = Track("video", callee)
    assert track.unprotect(camera.protect(b"x"), b"") == b"x"
    assert track.stream == RemoteStream(CAMERA, "video", Source.CAMERA)

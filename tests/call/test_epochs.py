import copy
import pickle

import pytest

from e2ecall.call.epochs import CAMERA, MAX_CONTEXT, MICROPHONE, FrameKeys, LocalStream
from e2ecall.call.streams import RemoteStream, Source
from e2ecall.errors import ApiMisuse, FrameReason, FrameRejected, MediaUnavailable, PeerIncompatible, PeerMisbehaved
from e2ecall.handshake import Role
from e2ecall.secret import SecretBytes
from e2ecall.sframe import DEFAULT_SUITE, ONE_TO_ONE, CipherSuite, Sender


def base(role, suite=CipherSuite.AES_256_GCM_SHA512_128, **kw):
    """Frame keys of the base key that all tests share; FrameKeys takes it, so each gets its own copy."""
    return FrameKeys(SecretBytes(bytes(range(32))), role, suite, **kw)


OPUS = ("audio", "opus")
VP8 = ("video", "vp8")


def pair(suite=DEFAULT_SUITE, **kw):
    return base(Role.CALLER, suite, who="bob", **kw), base(Role.CALLEE, suite, who="alice", **kw)


def of_callee(*contexts):
    """The numbers of the callee's streams of these contexts: context and sender index, without the epoch."""
    return {context << 1 | 1 for context in contexts}


def of_caller(*contexts):
    return {context << 1 for context in contexts}


def misbehaved(act):
    with pytest.raises(PeerMisbehaved) as caught:
        act()
    assert (caught.value.clause, caught.value.who) == ("frame.7-3", "bob")


@pytest.mark.clause("frame.4-1", "frame.7-1")
@pytest.mark.parametrize(("role", "sender"), [(Role.CALLER, 0), (Role.CALLEE, 1)])
def test_the_microphone_is_context_0_the_camera_1_and_each_further_stream_the_next(role, sender):
    keys = base(role)
    streams = [keys.open_stream(*what) for what in (VP8, VP8, OPUS, OPUS, VP8, OPUS)]
    assert [stream.context for stream in streams] == [CAMERA, 2, MICROPHONE, 3, 4, 5] == [1, 2, 0, 3, 4, 5]
    for stream in streams:
        assert ONE_TO_ONE.decode(stream.sender.kid) == (stream.context, sender, 0)
    assert len({stream.sender.kid for stream in streams}) == 6


def test_a_local_stream_says_what_it_is_and_shows_no_key():
    stream = base("caller").open_stream("video", "H264")
    assert (stream.context, stream.kind, stream.codec) == (1, "video", "h264")
    assert isinstance(stream, LocalStream)
    assert isinstance(stream.sender, Sender)
    assert repr(stream) == "<LocalStream 1, video, h264>"


def test_the_roles_are_each_other_s():
    assert [(role, role.sender_index, role.other) for role in Role] == [
        ("caller", 0, Role.CALLEE),
        ("callee", 1, Role.CALLER),
    ]


@pytest.mark.clause("frame.7-1", "frame.8-11")
def test_a_stream_is_audio_or_video_and_has_a_layout():
    keys = base(Role.CALLER)
    for kind in ("screen", "", "AUDIO"):
        with pytest.raises(ApiMisuse):
            keys.open_stream(kind, "vp8")
        with pytest.raises(ApiMisuse):
            keys.streams(kind)
    with pytest.raises(MediaUnavailable):
        keys.open_stream("audio", "pcmu")
    assert keys.open_stream(*OPUS).context == 0


@pytest.mark.clause("frame.7-2")
@pytest.mark.parametrize("suite", list(CipherSuite))
def test_microphone_and_camera_of_either_side_open_at_once(suite):
    caller, callee = pair(suite, short_tags=frozenset({CAMERA}))
    assert [keys.streams(kind) for keys in (caller, callee) for kind in ("audio", "video")] == [
        of_callee(0),
        of_callee(1),
        of_caller(0),
        of_caller(1),
    ]
    for here, there in ((caller, callee), (callee, caller)):
        for kind, codec in (OPUS, VP8):
            stream = here.open_stream(kind, codec)
            sealed = stream.sender.protect(b"frame")
            assert stream.sender.suite is suite
            assert there.receiver.unprotect(sealed, streams=there.streams(kind)) == (b"frame", stream.sender.kid, 0)


@pytest.mark.clause("frame.7-2")
def test_a_further_stream_opens_once_it_was_announced():
    caller, callee = pair()
    callee.open_stream(*VP8)
    share = callee.open_stream("video", "h264")
    first, second = share.sender.protect(b"1"), share.sender.protect(b"2")
    assert caller.remote.get(caller.remote_number(2)) is None
    with pytest.raises(FrameRejected) as caught:
        caller.receiver.unprotect(first, streams=caller.streams("video"))
    assert caught.value.reason is FrameReason.UNKNOWN_KEY
    caller.announce_remote(share.context, share.kind, share.codec)
    assert caller.receiver.unprotect(second, streams=caller.streams("video"))[0] == b"2"
    assert caller.streams("video") == of_callee(1, 2)
    assert caller.streams("audio") == of_callee(0)
    assert caller.remote.get(caller.remote_number(2)) == RemoteStream(2, "video", Source.OTHER, "h264")


@pytest.mark.clause("frame.7-3")
def test_an_announcement_may_come_twice_but_not_change():
    caller, _ = pair()
    caller.announce_remote(2, "video", "h264")
    caller.announce_remote(2, "video", "H264")
    for kind, codec in (("audio", "h264"), ("video", "vp8")):
        misbehaved(lambda kind=kind, codec=codec: caller.announce_remote(2, kind, codec))
    assert caller.streams("video") == of_callee(1, 2)
    assert caller.streams("audio") == of_callee(0)


@pytest.mark.clause("frame.7-3", "frame.7-4")
@pytest.mark.parametrize("context", [-1, 0, 1, MAX_CONTEXT + 1, 2**60])
def test_only_contexts_from_2_to_1023_are_announced(context):
    caller, _ = pair()
    misbehaved(lambda: caller.announce_remote(context, "video", "vp8"))
    caller.announce_remote(MAX_CONTEXT, "video", "vp8")
    assert caller.streams("video") == of_callee(1, 1023)


@pytest.mark.clause("frame.7-3")
def test_an_announcement_of_something_else_is_refused():
    caller, _ = pair()
    misbehaved(lambda: caller.announce_remote(2, "smell", "vp8"))
    with pytest.raises(PeerIncompatible) as caught:
        caller.announce_remote(2, "video", "h265")
    assert caught.value.who == "bob"
    assert caller.streams("video") == of_callee(1)


@pytest.mark.clause("frame.7-4")
def test_a_call_runs_out_of_contexts_and_says_so():
    keys = base(Role.CALLER)
    assert [keys.open_stream(*OPUS).context for _ in range(MAX_CONTEXT)] == [0, *range(2, MAX_CONTEXT + 1)]
    for _ in range(2):
        with pytest.raises(ApiMisuse) as caught:
            keys.open_stream(*OPUS)
        assert caught.value.clause == "frame.7-4"
    assert keys.open_stream(*VP8).context == 1


@pytest.mark.clause("frame.7-5")
def test_sound_is_not_opened_as_picture_nor_picture_as_sound():
    caller, callee = pair()
    sound, picture = callee.open_stream(*OPUS).sender.protect(b"s"), callee.open_stream(*VP8).sender.protect(b"p")
    for sealed, kind in ((sound, "video"), (picture, "audio")):
        with pytest.raises(FrameRejected) as caught:
            caller.receiver.unprotect(sealed, streams=caller.streams(kind))
        assert caught.value.reason is FrameReason.WRONG_STREAM


@pytest.mark.clause("frame.6-3", "frame.7-5")
def test_our_own_frames_are_refused_on_every_context():
    caller, _ = pair()
    for what in (OPUS, VP8, VP8):
        stream = caller.open_stream(*what)
        with pytest.raises(FrameRejected) as caught:
            caller.receiver.unprotect(stream.sender.protect(b"x"), streams=caller.streams(stream.kind))
        assert caught.value.reason is FrameReason.OWN_FRAME


@pytest.mark.clause("frame.5-3")
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_frame_keys_are_neither_copied_nor_pickled(duplicate):
    keys = base(Role.CALLER)
    for owned in (keys, keys.open_stream(*OPUS)):
        if owned is keys or duplicate is not copy.copy:
            with pytest.raises(ApiMisuse):
                duplicate(owned)


@pytest.mark.clause("frame.7-6")
def test_the_base_key_is_taken_so_that_no_second_one_repeats_its_counters():
    secret = SecretBytes(bytes(range(32)))
    FrameKeys(secret, Role.CALLER)
    assert secret.wiped
    with pytest.raises(ApiMisuse, match="wiped"):
        FrameKeys(secret, Role.CALLER)


def test_wiped_keys_open_no_further_stream_and_running_ones_go_on():
    keys = FrameKeys(SecretBytes(bytes(32)), Role.CALLER)
    stream = keys.open_stream(*OPUS)
    keys.wipe()
    for act in (lambda: keys.open_stream(*VP8), lambda: keys.announce_remote(2, "video", "vp8")):
        with pytest.raises(ApiMisuse):
            act()
    assert stream.sender.protect(b"x")


def test_the_repr_shows_role_and_suite():
    assert repr(base(Role.CALLEE)) == "<FrameKeys of the callee, AES_256_GCM_SHA512_128>"

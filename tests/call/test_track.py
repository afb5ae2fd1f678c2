"""A track belongs to the stream of its first opened frame; frames of others are refused, with what does not fit."""

import pytest

from e2ecall.call.epochs import FrameKeys
from e2ecall.call.streams import RemoteStream, Source
from e2ecall.call.track import Track
from e2ecall.errors import ApiMisuse, FrameReason, FrameRejected, PeerIncompatible, StreamMismatch
from e2ecall.handshake import Role
from e2ecall.media.transform import OpenStream, SealStream
from e2ecall.secret import SecretBytes
from support.frames import sealed as sealed_under

BASE = bytes(range(32))
MICROPHONE, CAMERA, SCREEN, LOW, HIGH, SECOND_CAMERA, SCREEN_SOUND = range(7)
STREAMS = {
    MICROPHONE: RemoteStream(0, "audio", Source.MICROPHONE),
    CAMERA: RemoteStream(1, "video", Source.CAMERA),
    SCREEN: RemoteStream(2, "video", Source.SCREEN, "vp8"),
    LOW: RemoteStream(3, "video", Source.CAMERA, "vp8", layer=1),
    HIGH: RemoteStream(4, "video", Source.CAMERA, "vp8", layer=2),
    SECOND_CAMERA: RemoteStream(5, "video", Source.CAMERA, "vp8"),
    SCREEN_SOUND: RemoteStream(6, "audio", Source.SCREEN_SOUND, "opus"),
}


class Call:
    """Bob's side of a call in which Alice has all those streams; her frames under counters of their own."""

    def __init__(self, announced=(SCREEN, LOW, HIGH, SECOND_CAMERA, SCREEN_SOUND)):
        self.keys = FrameKeys(SecretBytes(BASE), Role.CALLEE, who="alice")
        for context in announced:
            self.announce(context)
        self.counters = dict.fromkeys(STREAMS, 0)

    def announce(self, context):
        stream = STREAMS[context]
        self.keys.announce_remote(context, stream.kind, stream.codec, source=stream.source, layer=stream.layer)

    def frame(self, context, *, base=BASE, sender=0):
        self.counters[context] += 1
        return sealed_under(5, context << 5 | sender << 4, base, self.counters[context], b"of %d" % context, b"m")


def refused(track, sealed):
    with pytest.raises(FrameRejected) as caught:
        track.unprotect(sealed, b"m")
    return caught.value.reason, caught.value.mismatch, caught.value.key_id


def opened(track, call, context):
    return track.unprotect(call.frame(context), b"m") == b"of %d" % context


@pytest.mark.clause("frame.7-5")
@pytest.mark.parametrize("context", STREAMS)
def test_a_new_track_takes_any_stream_of_its_kind_and_none_of_the_other(context):
    call = Call()
    kind = STREAMS[context].kind
    other = Track("audio" if kind == "video" else "video", call.keys)
    assert refused(other, call.frame(context)) == (FrameReason.WRONG_STREAM, StreamMismatch.KIND, context << 5)
    assert other.stream is None
    track = Track(kind, call.keys)
    assert (track.stream, track.kid, track.name) == (None, None, kind)
    assert opened(track, call, context)
    assert (track.stream, track.kid) == (STREAMS[context], context << 5)
    assert track.name == (kind if context < 2 else f"{kind} {context}")


@pytest.mark.clause("frame.7-8", "frame.6-4")
@pytest.mark.parametrize(
    ("bound", "found", "mismatch"),
    [
        (CAMERA, MICROPHONE, StreamMismatch.KIND),
        (MICROPHONE, CAMERA, StreamMismatch.KIND),
        (SCREEN_SOUND, SCREEN, StreamMismatch.KIND),
        (SCREEN, CAMERA, StreamMismatch.SOURCE),
        (CAMERA, SCREEN, StreamMismatch.SOURCE),
        (MICROPHONE, SCREEN_SOUND, StreamMismatch.SOURCE),
        (LOW, HIGH, StreamMismatch.LAYER),
        (HIGH, LOW, StreamMismatch.LAYER),
        (CAMERA, LOW, StreamMismatch.LAYER),
        (CAMERA, SECOND_CAMERA, StreamMismatch.STREAM),
        (SECOND_CAMERA, CAMERA, StreamMismatch.STREAM),
    ],
)
def test_the_first_frame_binds_and_others_are_refused_without_a_trace(bound, found, mismatch):
    call = Call()
    track = Track(STREAMS[bound].kind, call.keys)
    assert opened(track, call, bound)
    strange = call.frame(found)
    for _ in range(2):
        assert refused(track, strange) == (FrameReason.WRONG_STREAM, mismatch, found << 5)
    assert opened(track, call, bound)
    assert track.stream == STREAMS[bound]
    own_track = Track(STREAMS[found].kind, call.keys)
    assert own_track.unprotect(strange, b"m") == b"of %d" % found  # and it still opens where it belongs


@pytest.mark.clause("frame.6-3", "frame.7-8")
def test_our_own_frames_are_not_the_other_side_s():
    call = Call()
    track = Track("video", call.keys)
    for _ in range(2):
        assert refused(track, call.frame(CAMERA, sender=1)) == (FrameReason.OWN_FRAME, None, 48)
    assert opened(track, call, CAMERA)
    assert refused(track, call.frame(CAMERA, sender=1)) == (FrameReason.OWN_FRAME, None, 48)


@pytest.mark.clause("frame.7-8", "frame.6-1")
@pytest.mark.parametrize(
    "forge", [lambda call: call.frame(SCREEN, base=bytes(32)), lambda call: call.frame(SCREEN)[:-1]]
)
def test_a_frame_that_does_not_open_binds_nothing(forge):
    call = Call()
    track = Track("video", call.keys)
    assert refused(track, forge(call))[0] is FrameReason.AUTHENTICATION
    assert (track.stream, track.kid) == (None, None)
    assert opened(track, call, CAMERA)
    assert track.stream == STREAMS[CAMERA]


@pytest.mark.clause("frame.7-8")
def test_a_replayed_frame_binds_nothing():
    call = Call()
    screen = call.frame(SCREEN)
    Track("video", call.keys).unprotect(screen, b"m")
    track = Track("video", call.keys)
    assert refused(track, screen) == (FrameReason.REPLAY, None, SCREEN << 5)
    assert track.stream is None
    assert opened(track, call, CAMERA)


@pytest.mark.clause("frame.7-8")
def test_an_unbound_track_takes_a_stream_that_is_announced_later():
    call = Call(announced=())
    track = Track("video", call.keys)
    assert refused(track, call.frame(SCREEN)) == (FrameReason.UNKNOWN_KEY, None, SCREEN << 5)
    call.announce(SCREEN)
    assert opened(track, call, SCREEN)
    assert refused(track, call.frame(CAMERA))[1] is StreamMismatch.SOURCE


@pytest.mark.clause("frame.7-8")
@pytest.mark.parametrize("context", [CAMERA, SCREEN])
def test_a_track_may_be_bound_from_the_start(context):
    call = Call()
    track = Track("video", call.keys, context=context)
    assert (track.stream, track.kid) == (STREAMS[context], None)
    other = CAMERA + SCREEN - context
    assert refused(track, call.frame(other)) == (FrameReason.WRONG_STREAM, StreamMismatch.SOURCE, other << 5)
    assert opened(track, call, context)
    assert track.kid == context << 5


@pytest.mark.clause("frame.7-8")
@pytest.mark.parametrize(("kind", "context"), [("video", MICROPHONE), ("audio", CAMERA), ("video", 7), ("video", -1)])
def test_a_track_is_bound_to_a_stream_of_its_kind_that_there_is(kind, context):
    with pytest.raises(ApiMisuse):
        Track(kind, Call().keys, context=context)


@pytest.mark.clause("frame.7-9")
@pytest.mark.parametrize("following", [SCREEN, SECOND_CAMERA])
def test_an_ended_stream_frees_its_track_for_the_next_one(following):
    call = Call()
    track = Track("video", call.keys)
    assert opened(track, call, CAMERA)
    assert refused(track, call.frame(following))[0] is FrameReason.WRONG_STREAM
    call.keys.end_remote(CAMERA)
    assert track.stream is None
    assert refused(track, call.frame(CAMERA)) == (FrameReason.UNKNOWN_KEY, None, CAMERA << 5)
    assert opened(track, call, following)
    assert (track.stream, track.kid) == (STREAMS[following], following << 5)
    assert refused(track, call.frame(LOW))[0] is FrameReason.WRONG_STREAM


@pytest.mark.clause("frame.7-9", "frame.7-5")
def test_a_freed_track_still_has_its_kind():
    call = Call()
    track = Track("video", call.keys)
    assert opened(track, call, CAMERA)
    call.keys.end_remote(CAMERA)
    assert refused(track, call.frame(MICROPHONE)) == (FrameReason.WRONG_STREAM, StreamMismatch.KIND, 0)
    for context in (SCREEN, LOW, HIGH, SECOND_CAMERA):
        call.keys.end_remote(context)
    assert refused(track, call.frame(MICROPHONE)) == (FrameReason.WRONG_STREAM, StreamMismatch.KIND, 0)


@pytest.mark.clause("frame.7-9")
def test_a_forged_frame_does_not_take_over_a_freed_track():
    call = Call()
    track = Track("video", call.keys)
    assert opened(track, call, CAMERA)
    call.keys.end_remote(CAMERA)
    assert refused(track, call.frame(SCREEN, base=bytes(32)))[0] is FrameReason.AUTHENTICATION
    assert track.stream is None
    assert opened(track, call, LOW)
    assert track.stream == STREAMS[LOW]


@pytest.mark.clause("frame.8-12")
def test_a_key_id_could_be_one_of_the_call_if_its_context_is_or_was_in_it():
    """Whoever its sender is, and in whatever epoch: the frame may be ours, or of a key that is not there yet."""
    call = Call(announced=(SCREEN, LOW))
    call.keys.end_remote(LOW)
    call.keys.end_remote(CAMERA)
    track = Track("video", call.keys)
    for context in (MICROPHONE, CAMERA, SCREEN, LOW):
        assert all(track.could_be(context << 5 | low) for low in range(32))
    for context in (HIGH, SECOND_CAMERA, 1023, 2**59 - 1):
        assert not any(track.could_be(context << 5 | low) for low in range(32))


@pytest.mark.clause("frame.7-8", "frame.8-2")
def test_an_empty_frame_binds_no_track():
    data = bytes(range(32))
    alice, bob = FrameKeys(SecretBytes(data), Role.CALLER), FrameKeys(SecretBytes(data), Role.CALLEE)
    bob.announce_remote(2, "video", "vp8", source=Source.SCREEN)
    camera, screen = alice.open_stream("video", "vp8"), alice.open_stream("video", "vp8")
    track = Track("video", bob)
    stream = OpenStream("vp8", track, who=None)
    with pytest.raises(FrameRejected) as refused:
        stream.open(b"\x11" + screen.sender.protect(b"", b"\x11"))
    assert refused.value.reason is FrameReason.MALFORMED
    assert track.stream is None, "frame.7-8: a frame that was not opened binds nothing"
    stream.open(SealStream("vp8", camera, who=None).seal(b"\x11frame"))


@pytest.mark.clause("frame.7-7")
def test_video_codecs_are_no_sound_under_short_tags():
    data = bytes(range(32))
    alice, bob = FrameKeys(SecretBytes(data), Role.CALLER, 3), FrameKeys(SecretBytes(data), Role.CALLEE, 3)
    with pytest.raises((ApiMisuse, PeerIncompatible)):
        alice.open_stream("audio", "h264")
    with pytest.raises((ApiMisuse, PeerIncompatible)):
        bob.announce_remote(2, "audio", "h264")


# ------------------------------------------------------------------------------------------------ what never came


def numbered(ctr, *, context=CAMERA, epoch=0, base=BASE, plaintext=b"a picture"):
    return sealed_under(5, context << 5 | epoch, base, ctr, plaintext, b"m")


def missed(track, frames):
    """What is missing after each of the frames."""
    counts = []
    for frame in frames:
        track.unprotect(frame, b"m")
        counts.append(track.missed)
    return counts


@pytest.mark.clause("media.4-7")
def test_counters_that_are_passed_over_count_and_the_first_frame_may_have_any():
    track = Track("video", Call().keys)
    assert track.missed == 0
    counters = {500: 0, 501: 0, 504: 2, 502: 2, 503: 2, 505: 2, 507: 3, 506: 3, 508: 3, 100508: 100002}
    assert missed(track, [numbered(ctr) for ctr in counters]) == list(counters.values())


@pytest.mark.clause("media.4-7")
def test_frames_that_are_refused_count_as_not_come_and_move_nothing():
    track = Track("video", Call().keys)
    track.unprotect(numbered(0), b"m")
    for frame in (numbered(9, base=bytes(32)), numbered(0), numbered(9, context=SCREEN), numbered(9, epoch=3)):
        with pytest.raises(FrameRejected):
            track.unprotect(frame, b"m")
    assert missed(track, [numbered(1), numbered(3)]) == [0, 1]


@pytest.mark.clause("media.4-7")
def test_another_epoch_begins_anew_whichever_frames_of_the_old_one_come_late():
    call = Call()
    call.keys.install_epoch(1, SecretBytes(bytes(32)))
    track = Track("video", call.keys)
    order = [(0, 7), (1, 30), (1, 31), (0, 9), (0, 8), (1, 32), (0, 90), (1, 33)]
    frames = [numbered(ctr, epoch=epoch, base=bytes(32) if epoch else BASE) for epoch, ctr in order]
    assert missed(track, frames) == [0] * 8
    assert missed(track, [numbered(35, epoch=1, base=bytes(32))]) == [1]


@pytest.mark.clause("media.4-7", "frame.7-9")
def test_another_stream_on_the_track_begins_anew():
    call = Call()
    track = Track("video", call.keys)
    assert missed(track, [numbered(3), numbered(5)]) == [0, 1]
    call.keys.end_remote(CAMERA)
    later = [numbered(ctr, context=SCREEN) for ctr in (90, 91, 93)]
    assert missed(track, later) == [1, 1, 2]


@pytest.mark.clause("media.4-7", "frame.8-2")
def test_an_empty_frame_of_another_key_moves_nothing():
    call = Call()
    call.keys.install_epoch(1, SecretBytes(bytes(32)))
    track = Track("video", call.keys)
    empty = numbered(50, epoch=1, base=bytes(32), plaintext=b"")
    assert missed(track, [numbered(1), empty, numbered(2), numbered(4)]) == [0, 0, 0, 1]
    assert track.kid == CAMERA << 5

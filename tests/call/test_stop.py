"""frame.7-10: a call that must not go on: nothing is sealed or opened any more, and the keys are gone."""

import pytest

from e2ecall.call.events import EndReason
from e2ecall.call.track import Track
from e2ecall.errors import ApiMisuse, FrameReason, FrameRejected, VerificationFailed
from e2ecall.media.transform import SealStream
from sim import established


@pytest.mark.clause("frame.7-10")
def test_a_failed_comparison_stops_every_stream_at_once():
    alice, bob, world = established()
    keys, theirs = alice.session.frame_keys("bob"), bob.session.frame_keys("alice")
    stream, sound = keys.open_stream("video", "vp8"), theirs.open_stream("audio", "opus")
    track = Track("audio", keys)
    seal = SealStream("vp8", stream, who="bob")
    seal.seal(b"\x10" + bytes(50))
    under_way = sound.protect(b"sound")
    (ended,) = alice.call.stop("the rows differ")
    assert (ended.reason, ended.message) == (EndReason.STOPPED, "the rows differ")
    with pytest.raises(VerificationFailed, match="the rows differ"):
        seal.seal(b"\x10" + bytes(50))
    for frame in (under_way, b"", under_way[:3]):
        with pytest.raises(FrameRejected, match="the rows differ") as caught:
            track.unprotect(frame, b"")
        assert caught.value.reason is FrameReason.STOPPED
        assert caught.value.clause == "frame.7-10"
    with pytest.raises(ApiMisuse):
        keys.open_stream("audio", "opus")
    assert alice.call.ended
    assert alice.call.stop("again") == []
    world.run()
    assert [end.reason for end in bob.ended] == [EndReason.HUNG_UP]


@pytest.mark.clause("frame.7-10")
def test_frames_that_were_never_asked_for_are_not_given_out_after_a_stop():
    alice, _, _ = established()
    session = alice.session
    alice.call.stop("a key must not be used")
    with pytest.raises(ApiMisuse):
        session.frame_keys("bob")
    assert alice.result.keys.base_key.wiped
    assert alice.result.keys.chain.wiped

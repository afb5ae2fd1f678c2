"""The example of the page of events, on frames of a real call."""

import os
import runpy

from e2ecall import FrameKeys, Role, SecretBytes
from e2ecall.call.streams import Source
from e2ecall.errors import FrameReason
from e2ecall.media.events import FirstFrame, FrameDropped, StreamReadable, StreamStopped, StreamUnreadable
from e2ecall.media.transform import SealStream
from support.pages import EXAMPLES


def test_an_app_of_its_own_gets_the_same_events():
    base_key = os.urandom(32)
    alice = FrameKeys(SecretBytes(base_key), Role.CALLER, who="Bob")
    bob = FrameKeys(SecretBytes(base_key), Role.CALLEE, who="Alice")
    seal = SealStream("vp8", alice.open_stream("video", "vp8"), who="Bob")
    told, asked = [], []
    incoming = runpy.run_path(str(EXAMPLES / "stream_health.py"))["IncomingVideo"]
    video = incoming(bob, told.append, lambda: asked.append(1))
    sealed = [seal.seal(b"\x11 frame %d" % number) for number in range(11)]
    assert video.frame_for_decoder(sealed[0]) == b"\x11 frame 0"
    assert asked == []
    assert [video.frame_for_decoder(each[:-1] + bytes([each[-1] ^ 1])) for each in sealed[1:10]] == [None] * 9
    assert asked == [1]
    assert video.frame_for_decoder(sealed[10]) == b"\x11 frame 10"
    assert asked == [1, 1]
    video.close()
    kinds = [FirstFrame, FrameDropped, StreamUnreadable, FrameDropped, StreamReadable, StreamStopped]
    assert [type(event) for event in told] == kinds
    assert {(event.who, event.kind, event.key_id, event.epoch) for event in told} == {("Alice", "video", 32, 0)}
    assert {event.stream.source for event in told} == {Source.CAMERA}
    assert [(event.reason, event.count) for event in told if isinstance(event, FrameDropped)] == [
        (FrameReason.AUTHENTICATION, 1),
        (FrameReason.AUTHENTICATION, 8),
    ]

"""The examples of the frame layer run as their page says."""

import os
import runpy

import pytest

from e2ecall import SecretBytes
from e2ecall.errors import FrameReason, FrameRejected
from support.pages import EXAMPLES

VP8_KEY, VP8_DELTA = bytes.fromhex("10 02 00 9d 01 2a 40 00 40 00") + b"picture", b"\x11 more of it"


def example(name):
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))


def test_own_stack_opens_what_it_seals_and_says_why_it_plays_nothing(capsys):
    names = example("own_stack")
    base_key = os.urandom(32)
    alice, bob = names["SendingSide"](SecretBytes(base_key)), names["ReceivingSide"](SecretBytes(base_key))
    play = names["play"]
    for frame in (VP8_KEY, VP8_DELTA):
        sealed = alice.camera.seal(frame)
        assert play(bob.camera, sealed) == frame
        assert play(bob.camera, sealed) is None
    assert play(bob.microphone, alice.microphone.seal(b"x" * 60)) == b"x" * 60
    assert play(bob.microphone, alice.camera.seal(VP8_DELTA)[1:]) is None
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == ["Alice: video: replay"] * 2 + ["Alice: audio: wrong-stream"]


def test_group_epochs_change_without_a_lost_frame():
    names = example("group_epochs")
    members = [names["Member"](index) for index in (0, 1, 2)]
    keys = [os.urandom(32), os.urandom(32)]
    for member in members:
        member.enter_epoch(254, SecretBytes(keys[0]), [0, 1, 2])
    late = members[1].camera.protect(b"late")
    for member in members:
        member.enter_epoch(255, SecretBytes(keys[1]), [0, 1, 2])
    assert members[0].open_camera_of(1, members[1].camera.protect(b"new")) == b"new"
    with pytest.raises(FrameRejected) as caught:
        members[0].open_camera_of(2, late)
    assert caught.value.reason is FrameReason.WRONG_STREAM
    members[0].every_half_second(10.0)
    assert members[0].open_camera_of(1, late) == b"late"
    members[0].every_half_second(12.5)
    with pytest.raises(FrameRejected) as caught:
        members[0].open_camera_of(1, late)
    assert caught.value.reason is FrameReason.UNKNOWN_KEY


def test_sender_keys_let_bob_and_carol_read(capsys):
    runpy.run_path(str(EXAMPLES / "sender_keys.py"))
    assert capsys.readouterr().out.splitlines() == ["b'hello Bob'", "b'hello both' b'hello both'"]

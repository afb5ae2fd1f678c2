"""os.fork() for real: what a child finds of its parent's send state."""

import json
import os
import warnings

import pytest

from e2ecall.call.epochs import FrameKeys, Role
from e2ecall.errors import ApiMisuse, FrameRejected
from e2ecall.secret import SecretBytes
from e2ecall.sframe import Owned, Receiver, Sender, decode_header, owned

BASE = SecretBytes(bytes(range(32)))

pytestmark = pytest.mark.clause("frame.5-4")


def outcome(act):
    try:
        act()
    except (ApiMisuse, FrameRejected) as error:
        return f"{type(error).__name__} {error.clause}"
    return "done"


def in_a_child(acts):
    """The outcomes of `acts` in a forked child of this very process."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 and later: this process may have threads
        pid = os.fork()
    if pid == 0:
        try:
            os.write(write, json.dumps([outcome(act) for act in acts]).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(answer)


def test_a_forked_child_seals_nothing_and_the_parent_goes_on():
    sender = Sender(5, 0, BASE)
    receiver = Receiver(5)
    receiver.add_key(0, BASE)
    first, second = sender.protect(b"0"), sender.protect(b"1")
    assert (
        in_a_child(
            [
                lambda: sender.protect(b"x"),
                lambda: sender.protect(b"x"),
                lambda: receiver.unprotect(first),
                lambda: receiver.add_key(0, BASE),
            ]
        )
        == ["ApiMisuse frame.5-4"] * 4
    )
    assert decode_header(sender.protect(b"2"))[1] == 2
    assert receiver.unprotect(first)[0] == b"0"
    assert receiver.unprotect(second)[0] == b"1"


def test_a_forked_child_opens_no_stream_of_its_parent_s_call():
    keys = FrameKeys(SecretBytes(bytes(range(32))), Role.CALLER)
    stream = keys.open_stream("audio", "opus")
    assert (
        in_a_child(
            [
                lambda: keys.open_stream("audio", "opus"),
                lambda: keys.open_stream("video", "vp8"),
                lambda: stream.sender.protect(b"x"),
            ]
        )
        == ["ApiMisuse frame.5-4"] * 3
    )
    assert keys.open_stream("video", "vp8").context == 1


def test_a_child_may_make_state_of_its_own():
    assert in_a_child([lambda: Sender(5, 0, BASE).protect(b"x")]) == ["done"]


def test_the_same_hook_seen_from_one_process(monkeypatch):
    sender, receiver, keys = Sender(5, 0, BASE), Receiver(5), FrameKeys(SecretBytes(bytes(range(32))), Role.CALLEE)
    assert {sender, receiver, keys, keys.receiver} <= set(owned._live)
    monkeypatch.setattr(owned, "_live", {sender, receiver, keys})
    owned._disable_all()
    for act in (
        lambda: sender.protect(b""),
        lambda: receiver.unprotect(b"\0" * 17),
        lambda: receiver.add_key(0, BASE),
        lambda: keys.open_stream("video", "vp8"),
    ):
        assert outcome(act) == "ApiMisuse frame.5-4"


def test_what_is_owned_must_say_how_it_is_disabled():
    with pytest.raises(NotImplementedError):
        Owned.disable_after_fork(Sender(5, 0, BASE))

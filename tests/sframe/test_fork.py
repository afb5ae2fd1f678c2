"""os.fork() for real: what a child finds of its parent's send state."""

import contextlib
import json
import os
import signal
import threading
import warnings

import pytest

from e2ecall.call.epochs import FrameKeys
from e2ecall.errors import ApiMisuse, FrameRejected
from e2ecall.handshake import Role
from e2ecall.secret import SecretBytes
from e2ecall.sframe import Owned, RatchetReceiver, RatchetSender, Receiver, Sender, decode_header, owned
from e2ecall.sframe import send_keys as send_keys_module
from e2ecall.sframe import sender as sender_module
from support.frames import Leases, fresh_base, sealed

BASE = SecretBytes(bytes(range(32)))

pytestmark = pytest.mark.clause("frame.5-4")


def outcome(act):
    try:
        act()
    except (ApiMisuse, FrameRejected) as error:
        return f"{type(error).__name__} {error.clause}"
    return "done"


def in_a_child(acts):
    """The outcomes of `acts` in a forked child of this very process, which has 20 s for them."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 and later: this process may have threads
        pid = os.fork()
    if pid == 0:
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(20)
            os.write(write, json.dumps([outcome(act) for act in acts]).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        answer = pipe.read()
    assert os.waitpid(pid, 0)[1] == 0, "the child did not come to an end"
    return json.loads(answer)


@contextlib.contextmanager
def held_elsewhere(lock):
    """Another thread has the lock, and will not be there in a child to give it back."""
    has_it, may_go = threading.Event(), threading.Event()

    def hold():
        with lock:
            has_it.set()
            may_go.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    has_it.wait()
    try:
        yield
    finally:
        may_go.set()
        thread.join()


@pytest.fixture
def process_send_keys(monkeypatch):
    """The send keys of this very process instead of the test's own, as outside of tests."""
    monkeypatch.setattr(sender_module, "send_keys", send_keys_module.send_keys)
    return send_keys_module.send_keys


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
                lambda: receiver.unprotect(b"\x08\x09" + bytes(40)),
                lambda: receiver.add_key(0, BASE),
            ]
        )
        == ["ApiMisuse frame.5-4"] * 5
    )
    assert decode_header(sender.protect(b"2"))[1] == 2
    assert receiver.unprotect(first)[0] == b"0"
    assert receiver.unprotect(second)[0] == b"1"


def test_a_forked_child_asks_for_no_lease_and_uses_up_none():
    asked = []

    class Store:
        def lease(self, key_name, size):
            asked.append(size)
            if os.getpid() != parent:
                raise AssertionError("a child leases counters")
            return 65_536 * len(asked)

    parent = os.getpid()
    leased, untouched = Sender(5, 0, BASE, counters=Store()), Sender(5, 1, BASE, counters=Store())
    leased.protect(b"x")
    assert (
        in_a_child([lambda: leased.protect(b"x")] * 2 + [lambda: untouched.protect(b"x")])
        == ["ApiMisuse frame.5-4"] * 3
    )
    assert decode_header(leased.protect(b"x"))[1] == 65_537
    assert len(asked) == 1


@pytest.mark.clause("frame.5-6")
def test_a_forked_child_makes_no_sender_of_its_parent_s_keys(process_send_keys):
    live, gone, leased, own = (fresh_base() for _ in range(4))
    senders = [Sender(5, 0, live), Sender(5, 0, leased, counters=Leases(0, 65_536))]
    Sender(5, 0, gone)
    assert in_a_child(
        [
            lambda: Sender(5, 0, live),
            lambda: Sender(4, 0, live),
            lambda: Sender(5, 0, gone),
            lambda: Sender(5, 0, leased, counters=Leases(65_536)),
            lambda: Sender(5, 1, live).protect(b""),
            lambda: Sender(5, 0, own).protect(b""),
            lambda: Sender(5, 0, own),
        ]
    ) == ["ApiMisuse frame.5-6"] * 4 + ["done"] * 2 + ["ApiMisuse frame.5-6"]
    assert [sender.protect(b"")[0] for sender in senders] == [0, 0]


@pytest.mark.clause("frame.5-6")
def test_a_child_is_not_held_up_by_a_lock_that_another_thread_had(process_send_keys):
    used, own = fresh_base(), fresh_base()
    sender = Sender(5, 0, used)
    with held_elsewhere(process_send_keys._lock), held_elsewhere(sender._lock):
        assert in_a_child(
            [lambda: Sender(5, 0, own).protect(b""), lambda: Sender(5, 0, used), lambda: sender.protect(b"")]
        ) == ["done", "ApiMisuse frame.5-6", "ApiMisuse frame.5-4"]
    assert sender.protect(b"")[0] == 0


def test_a_child_of_a_receiver_whose_lock_another_thread_had_is_refused_at_once():
    receiver = Receiver(5)
    receiver.add_key(0, BASE)
    with held_elsewhere(receiver._keys._lock):
        assert (
            in_a_child(
                [
                    lambda: receiver.add_key(0, BASE),
                    lambda: receiver.unprotect(sealed(5, 0, BASE, 0, b"")),
                    lambda: receiver.remove_key(0),
                    lambda: receiver.leave(0),
                    lambda: receiver.expire(0.0),
                ]
            )
            == ["ApiMisuse frame.5-4"] * 2 + ["done"] * 3
        )


def test_a_forked_child_has_no_step_of_a_ratchet():
    base_key = fresh_base()
    receiver = RatchetReceiver(5, step_bits=4)
    receiver.add_key(1, base_key)
    sender = RatchetSender(5, 1, base_key, step_bits=4)
    first = sender.protect(b"0")
    protect = sender.protect
    assert (
        in_a_child(
            [
                lambda: sender.protect(b"x"),
                lambda: protect(b"x"),
                sender.advance,
                sender.advance,
                lambda: sender.protect(b"x"),
                lambda: receiver.unprotect(first),
                lambda: receiver.add_key(2, fresh_base()),
            ]
        )
        == ["ApiMisuse frame.5-4"] * 7
    )
    assert receiver.unprotect(first)[0] == b"0"
    sender.advance()
    assert receiver.unprotect(sender.protect(b"1"))[0] == b"1"


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
    def whole_call():
        base_key = fresh_base()
        receiver = Receiver(5)
        receiver.add_key(0, base_key)
        assert receiver.unprotect(Sender(5, 0, base_key).protect(b"x")) == (b"x", 0, 0)

    assert in_a_child([lambda: Sender(5, 0, BASE).protect(b"x"), whole_call]) == ["done"] * 2


def test_the_same_hook_seen_from_one_process(monkeypatch):
    sender, receiver, keys = Sender(5, 0, BASE), Receiver(5), FrameKeys(SecretBytes(bytes(range(32))), Role.CALLEE)
    steps, opener = RatchetSender(5, 1, fresh_base(), step_bits=4), RatchetReceiver(5, step_bits=4)
    owners = {sender, receiver, keys, keys.receiver, steps, steps._sender, opener, opener._receiver}
    assert owners <= set(owned._live.values())
    monkeypatch.setattr(owned, "_live", dict(enumerate(owners)))
    owned._disable_all()
    for act in (
        lambda: sender.protect(b""),
        lambda: receiver.unprotect(b"\0" * 17),
        lambda: receiver.add_key(0, BASE),
        lambda: keys.open_stream("video", "vp8"),
        lambda: steps.protect(b""),
        steps.advance,
        lambda: opener.unprotect(b"\0" * 17),
        lambda: opener.add_key(0, BASE),
    ):
        assert outcome(act) == "ApiMisuse frame.5-4"
    opener.remove_generation(0)
    opener.expire(0.0)


def test_what_is_owned_must_say_how_it_is_disabled():
    with pytest.raises(NotImplementedError):
        Owned.disable_after_fork(Sender(5, 0, BASE))


@pytest.mark.clause("frame.5-4")
def test_a_child_of_a_ratchet_whose_lock_another_thread_had_is_refused_at_once():
    sender, receiver = RatchetSender(5, 0, fresh_base(), step_bits=4), RatchetReceiver(5, step_bits=4)
    with held_elsewhere(sender._lock), held_elsewhere(receiver._lock):
        acts = [sender.advance, lambda: receiver.add_key(1, fresh_base()), lambda: receiver.unprotect(bytes(40))]
        assert in_a_child(acts) == ["ApiMisuse frame.5-4"] * 3

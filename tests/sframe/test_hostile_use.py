"""Forks, interrupts, second constructions and strange arguments: nothing is sealed or opened twice by them."""

from __future__ import annotations

import gc
import math
import os
import sys
from collections.abc import Callable
from types import FrameType, FunctionType
from typing import Any

import pytest

from e2ecall.errors import ApiMisuse, FrameRejected
from e2ecall.secret import SecretBytes
from e2ecall.sframe import (
    KeyIdLayout,
    Owned,
    RatchetReceiver,
    RatchetSender,
    Receiver,
    Sender,
    encode_header,
    ratchet,
    receive_key,
    replay,
    send_keys,
)
from e2ecall.sframe.cipher import FrameCipher

SMALL = KeyIdLayout(epoch_bits=4, sender_bits=1)


def secret(data: bytes | None = None) -> SecretBytes:
    return SecretBytes(os.urandom(32) if data is None else data)


def in_child(work: Callable[[], bytes]) -> bytes:
    """What `work` returns in a forked child, or the name of the error."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            out = b"sealed " + work()
        except BaseException as error:
            out = type(error).__name__.encode()
        os.write(write, out)
        os._exit(0)
    os.close(write)
    out = os.read(read, 1 << 16)
    os.close(read)
    os.waitpid(pid, 0)
    return out


class interrupted_before:
    """KeyboardInterrupt just before a line runs: where CPython looks for signals, after the call of the line above."""

    def __init__(self, function: FunctionType, line: int) -> None:
        self.line, self.code = line, function.__code__

    def __enter__(self) -> None:
        def local(frame: FrameType, event: str, arg: Any) -> Any:
            if event == "line" and frame.f_lineno == self.line:
                sys.settrace(None)
                raise KeyboardInterrupt
            return local

        sys.settrace(lambda frame, event, arg: local if frame.f_code is self.code else None)

    def __exit__(self, kind: type | None, *rest: object) -> bool:
        sys.settrace(None)
        return kind is KeyboardInterrupt


def lines(function: FunctionType) -> list[int]:
    """Where to interrupt it: every line of its code."""
    return sorted({line for _, _, line in function.__code__.co_lines() if line} - {function.__code__.co_firstlineno})


class Memory:
    def __init__(self) -> None:
        self.end = 0

    def lease(self, key_name: bytes, size: int) -> int:
        self.end += size
        return self.end - size


def test_the_key_that_went_last_is_the_last_to_be_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send_keys, "REMEMBERED", 8)
    monkeypatch.setattr("e2ecall.sframe.sender.send_keys", send_keys.SendKeys())
    data = os.urandom(32)
    long_lived = Sender(5, 1, secret(data))
    long_lived.protect(b"a frame")
    for _ in range(20):
        Sender(5, 1, secret())
    del long_lived
    Sender(5, 1, secret())
    with pytest.raises(ApiMisuse):
        Sender(5, 1, secret(data))


def test_init_again_changes_no_cipher() -> None:
    one, two = os.urandom(32), os.urandom(32)
    sender = Sender(5, 1, secret(one))
    first = sender.protect(b"A" * 20)
    for data in (two, one):
        with pytest.raises(ApiMisuse):
            sender.__init__(5, 1, secret(data))
    second = sender.protect(b"B" * 20)
    assert bytes(x ^ y for x, y in zip(first[1:21], second[1:21], strict=False)) != b"\x03" * 20, (
        "one nonce, two frames"
    )


class Failing(Owned):
    """An owned object of the application whose hook fails (NotImplementedError, as that of the base does)."""


@pytest.mark.filterwarnings("ignore")
def test_one_failing_hook_leaves_no_sender_enabled() -> None:
    kept: list[object] = []
    for _ in range(20):
        kept.append(Failing())
        kept.append(sender := Sender(5, 1, secret()))
        assert in_child(lambda: sender.protect(b"x")) == b"ApiMisuse"


class ByKid(Sender):
    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByKid) and self.kid == other.kid

    def __hash__(self) -> int:
        return hash(self.kid)


def test_equal_senders_are_both_disabled_in_a_child() -> None:
    both = ByKid(5, 1, secret()), ByKid(5, 1, secret())
    for sender in both:
        assert in_child(lambda sender=sender: sender.protect(b"x")) == b"ApiMisuse"


def test_a_fork_inside_a_lease_leaves_the_child_without_counters() -> None:
    class Forks:
        pid = -1

        def lease(self, key_name: bytes, size: int) -> int:
            self.pid = os.fork()
            return 0

    read, write = os.pipe()
    leases, parent = Forks(), os.getpid()
    sender = Sender(5, 1, secret(), counters=leases)
    out = b"ApiMisuse"
    try:
        sender.protect(b"one")
        sealed = sender.protect(b"two")
        out = b"sealed"
    except ApiMisuse:
        pass
    if os.getpid() != parent:
        os.write(write, out)
        os._exit(0)
    os.waitpid(leases.pid, 0)
    assert sealed
    assert os.read(read, 100) == b"ApiMisuse"


@pytest.mark.parametrize("line", lines(replay.ReplayWindow._fill))
def test_an_interrupt_while_the_window_is_filled_opens_nothing_twice(line: int) -> None:
    data = os.urandom(32)
    cipher, receiver = FrameCipher(5, 1, secret(data)), Receiver(5)
    receiver.add_key(1, secret(data))

    def seal(ctr):
        return cipher.seal(encode_header(1, ctr), ctr, b"x", b"")

    with interrupted_before(replay.ReplayWindow._fill, line):
        receiver.unprotect(seal(3000))
    taken = 0
    for _ in range(3):
        try:
            receiver.unprotect(seal(2990))
            taken += 1
        except FrameRejected:
            pass
    assert taken <= 1


@pytest.mark.parametrize("line", lines(send_keys.SendKeys.claim))
def test_an_interrupt_in_claim_does_not_forget_a_leased_key(line: int) -> None:
    data, leases = os.urandom(32), Memory()
    Sender(5, 1, secret(data), counters=leases).protect(b"x")
    with interrupted_before(send_keys.SendKeys.claim, line):
        Sender(5, 1, secret(data), counters=leases)
    with pytest.raises(ApiMisuse):
        Sender(5, 1, secret(data))


def test_a_dropped_key_is_freed_without_the_collector() -> None:
    def keys() -> int:
        return sum(isinstance(thing, receive_key.ReceiveKey) for thing in gc.get_objects())

    gc.collect()
    before = keys()
    gc.disable()
    try:
        receiver = Receiver(5, layout=SMALL, own_sender=1)
        for epoch in range(100):
            receiver.add_key(epoch % 16, secret())
        assert keys() - before <= 16
    finally:
        gc.enable()


@pytest.mark.parametrize("line", lines(receive_key.InstalledKeys._opened))
def test_an_interrupt_at_the_start_of_leaving_keeps_no_old_epoch(line: int) -> None:
    receiver, old, new = Receiver(5, layout=SMALL, own_sender=1), os.urandom(32), os.urandom(32)
    receiver.add_key(0, secret(old))
    receiver.add_key(1, secret(new))
    late, sender = Sender(5, 0, secret(old)), Sender(5, 1, secret(new))
    with interrupted_before(receive_key.InstalledKeys._opened, line):
        receiver.unprotect(sender.protect(b"x"))
    receiver.unprotect(sender.protect(b"y"))
    receiver.expire(0.0)
    receiver.expire(3.0)
    with pytest.raises(FrameRejected):
        receiver.unprotect(late.protect(b"old"))


@pytest.mark.parametrize("line", lines(receive_key.InstalledKeys._begin_leaving))
def test_an_interrupted_leave_can_be_repeated(line: int) -> None:
    receiver = Receiver(5)
    receiver.add_key(1, secret())
    with interrupted_before(receive_key.InstalledKeys._begin_leaving, line):
        receiver.leave(1)
    receiver.leave(1)
    receiver.remove_key(1)  # ValueError: list.remove(x): x not in list


@pytest.mark.parametrize("line", lines(ratchet.RatchetSender.advance))
def test_an_interrupted_step_can_be_repeated(line: int) -> None:
    sender = RatchetSender(5, 0, secret(), step_bits=8)
    with interrupted_before(ratchet.RatchetSender.advance, line):
        sender.advance()
    sender.advance()


@pytest.mark.parametrize("line", lines(ratchet.RatchetReceiver._prepare))
def test_an_interrupt_while_steps_are_prepared_wipes_no_key_in_use(line: int) -> None:
    data = os.urandom(32)
    sender, receiver = RatchetSender(5, 0, secret(data), step_bits=8), RatchetReceiver(5, step_bits=8)
    receiver.add_key(0, secret(data))
    sender.advance()
    with interrupted_before(ratchet.RatchetReceiver._prepare, line):
        receiver.unprotect(sender.protect(b"x"))
    sender.advance()
    receiver.unprotect(sender.protect(b"y"))  # ApiMisuse: this secret has been wiped


def test_a_frame_of_a_removed_generation_moves_no_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = os.urandom(32), os.urandom(32)
    old, new = RatchetSender(5, 0, secret(one), step_bits=8), RatchetSender(5, 0, secret(two), step_bits=8)
    receiver = RatchetReceiver(5, step_bits=8)
    receiver.add_key(0, secret(one))
    for _ in range(4):
        old.advance()
    real = Receiver.unprotect

    def while_another_thread_replaces_the_key(self: Receiver, *args: Any, **more: Any) -> Any:
        opened = real(self, *args, **more)
        monkeypatch.setattr(Receiver, "unprotect", real)
        receiver.remove_generation(0)
        receiver.add_key(0, secret(two))
        return opened

    monkeypatch.setattr(Receiver, "unprotect", while_another_thread_replaces_the_key)
    receiver.unprotect(old.protect(b"step 4 of the old key"))
    receiver.expire(0.0)
    receiver.expire(3.0)
    receiver.unprotect(new.protect(b"step 0 of the new key"))


def test_removing_a_generation_takes_no_time_in_its_step() -> None:
    receiver, calls = RatchetReceiver(5, step_bits=32), 0
    receiver.add_key(0, secret(), step=100_000)

    def count(frame: FrameType, event: str, arg: Any) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        receiver.remove_generation(0)
    finally:
        sys.setprofile(None)
    assert calls < 1000  # step=2**31 does not come back at all


@pytest.mark.parametrize("now", [math.nan, math.inf])
def test_a_clock_without_a_time_keeps_no_old_epoch(now: float) -> None:
    receiver, data = Receiver(5), os.urandom(32)
    receiver.add_key(1, secret(data))
    receiver.leave(1)
    with pytest.raises(ApiMisuse):
        receiver.expire(now)
    for second in range(100):
        receiver.expire(float(second))
    with pytest.raises(FrameRejected):
        receiver.unprotect(Sender(5, 1, secret(data)).protect(b"x"))


def test_a_number_is_no_secret() -> None:
    with pytest.raises((ApiMisuse, TypeError)):
        SecretBytes(32)  # type: ignore[arg-type]  # 32 zero bytes, and a Sender takes them

"""No send key has two Senders in one process, together or in turn."""

import gc
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from e2ecall.errors import ApiMisuse
from e2ecall.secret import SecretBytes
from e2ecall.sframe import Sender, send_keys
from e2ecall.sframe.suites import derive_key_name
from support.frames import Leases, fresh_base

BASE = SecretBytes(bytes(range(32)))
OTHER = SecretBytes(bytes(range(1, 33)))

pytestmark = pytest.mark.clause("frame.5-6")


def misuse(kid=0, base_key=BASE, suite=5, **counters):
    """The message with which a Sender is refused."""
    with pytest.raises(ApiMisuse) as caught:
        Sender(suite, kid, base_key, **counters)
    assert (caught.value.clause, caught.value.key_id) == ("frame.5-6", kid)
    return caught.value.message


IN_USE = "this send key is in use: there is one Sender for a base_key and KID"
USED = "this send key was used before, and its counters would begin again"


def test_a_live_sender_s_key_is_refused_in_whatever_suite_and_object():
    first = Sender(5, 0, BASE)
    assert misuse() == IN_USE
    assert misuse(base_key=SecretBytes(bytes(range(32)))) == IN_USE
    assert {misuse(suite=suite) for suite in range(1, 9)} == {IN_USE}
    assert misuse(counters=Leases(1000)) == IN_USE
    assert first.protect(b"")[0] == 0


def test_a_refused_sender_leaves_the_first_one_alone():
    first = Sender(5, 0, BASE)
    for _ in range(3):
        misuse()
    gc.collect()
    assert [first.protect(b"")[0] for _ in range(3)] == [0, 1, 2]
    assert misuse() == IN_USE


def test_a_used_key_is_refused_when_its_sender_is_gone():
    sender = Sender(5, 0, BASE)
    sender.protect(b"x")
    del sender
    gc.collect()
    assert misuse() == USED
    Sender(5, 1, BASE)  # gone at once
    gc.collect()
    assert misuse(kid=1) == USED


def test_another_kid_or_base_key_is_another_send_key():
    senders = [Sender(5, kid, key) for kid in (0, 1, 2**64 - 1) for key in (BASE, OTHER)]
    assert len({sender.protect(b"") for sender in senders}) == 6


def test_what_was_not_made_has_used_nothing():
    for make in (lambda: Sender(9, 0, BASE), lambda: Sender(5, -1, BASE), lambda: Sender(5, 0, SecretBytes(b"short"))):
        with pytest.raises(ApiMisuse):
            make()
    Sender(5, 0, BASE)


@pytest.mark.clause("frame.5-7")
def test_leased_counters_go_on_after_leased_ones():
    store = Leases(0, 1 << 16, 1 << 17)
    for first in (0, 1 << 16, 1 << 17):
        sender = Sender(5, 0, BASE, counters=store)
        assert int.from_bytes(sender.protect(b"")[1:-16]) == first
        assert misuse(counters=store) == IN_USE
        del sender
        gc.collect()


@pytest.mark.clause("frame.5-7")
def test_leased_and_unleased_counters_never_follow_each_other():
    for before, after in (({}, {"counters": Leases(0)}), ({"counters": Leases(0)}, {})):
        base_key = fresh_base()
        Sender(5, 0, base_key, **before)
        gc.collect()
        assert misuse(base_key=base_key, **after) == USED
        assert misuse(base_key=base_key, **after) == USED


def test_the_last_keys_are_remembered_and_the_oldest_is_forgotten(monkeypatch):
    assert send_keys.REMEMBERED == 131_072
    monkeypatch.setattr(send_keys, "REMEMBERED", 4)
    for kid in range(4):
        Sender(5, kid, BASE)
    gc.collect()
    assert {misuse(kid=kid) for kid in range(4)} == {USED}
    Sender(5, 4, BASE)
    assert {misuse(kid=kid) for kid in (1, 2, 3, 4)} == {USED}
    Sender(5, 0, BASE)  # forgotten; it takes the place of 1
    assert {misuse(kid=kid) for kid in (2, 3, 4, 0)} == {USED}


def test_what_was_used_again_is_not_the_oldest(monkeypatch):
    monkeypatch.setattr(send_keys, "REMEMBERED", 3)
    store = Leases(*(n << 16 for n in range(9)))
    for kid in (0, 1, 2, 0, 3):
        Sender(5, kid, BASE, counters=store)
    assert misuse(kid=0) == misuse(kid=2) == misuse(kid=3) == USED
    Sender(5, 1, BASE)


def test_a_live_sender_s_key_is_known_beyond_the_bound(monkeypatch):
    monkeypatch.setattr(send_keys, "REMEMBERED", 2)
    live = [Sender(5, kid, BASE) for kid in range(6)]
    assert {misuse(kid=kid) for kid in range(6)} == {IN_USE}
    assert len(live) == 6


@pytest.mark.parametrize("attempt", range(8))
def test_of_16_threads_one_gets_the_key(attempt):
    start, base_key = Barrier(16), fresh_base()

    def work(number):
        start.wait()
        try:
            return Sender(5, 0, base_key)
        except ApiMisuse as misuse:
            return misuse.message

    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(work, range(16)))
    assert sum(isinstance(result, Sender) for result in results) == 1
    assert results.count(IN_USE) == 15


def test_looking_for_a_key_and_entering_it_are_one_step():
    class Slow(weakref.WeakValueDictionary):
        def __contains__(self, name):
            found = super().__contains__(name)
            time.sleep(0.02)  # now the other threads look, too
            return found

    keys, owners = send_keys.SendKeys(), [type("Owner", (), {})() for _ in range(4)]
    keys._live = Slow()

    def work(owner):
        try:
            keys.claim(b"name", owner, kid=0, leased=True)
        except ApiMisuse:
            return "refused"
        return "has it"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(work, owners)) == ["has it"] + ["refused"] * 3


def test_names_are_kept_and_never_keys():
    keys = send_keys.SendKeys()
    owner = type("Owner", (), {})()
    name = derive_key_name(0, BASE)
    keys.claim(name, owner, kid=0, leased=False)
    assert list(keys._used) == [name] == list(keys._live)
    assert bytes(BASE.expose()) not in name + b"".join(keys._used)


@pytest.mark.clause("frame.5-6")
def test_a_long_lived_sender_s_key_is_remembered_when_it_goes(monkeypatch):
    monkeypatch.setattr(send_keys, "REMEMBERED", 4)
    first = Sender(5, 0, BASE)
    for kid in range(1, 9):
        Sender(5, kid, BASE)
    assert first.protect(b"")[0] == 0
    del first
    gc.collect()
    with pytest.raises(ApiMisuse):
        Sender(5, 0, BASE)


@pytest.mark.clause("frame.5-6", "frame.5-7")
def test_a_second_sender_sees_that_its_store_repeats_the_first_one_s_lease():
    first = Sender(5, 0, BASE, counters=Leases(0))
    assert first.protect(b"")[0] == 0
    del first
    gc.collect()
    with pytest.raises(ApiMisuse):
        Sender(5, 0, BASE, counters=Leases(0)).protect(b"")

"""Where counters come from: every boundary of their length, blocks, threads, leases."""

import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2ecall.errors import ApiMisuse, CounterExhausted
from e2ecall.secret import SecretBytes
from e2ecall.sframe import Receiver, Sender, decode_header, encode_header
from e2ecall.sframe import counters as counters_module
from e2ecall.sframe import sender as sender_module
from e2ecall.sframe.counters import LEASE, Counters
from e2ecall.sframe.send_keys import SendKeys
from e2ecall.sframe.suites import derive_key_name
from support.frames import Leases, fresh_base

BASE = SecretBytes(bytes(range(32)))
KIDS = [0, 7, 8, 255, 256, 300, 2**64 - 1]
BOUNDARIES = sorted({0, 7, 8, *(2**bits + d for bits in range(3, 64) for d in (-1, 0, 1)), 2**64 - 2, 2**64 - 1})


def counter(frame):
    return decode_header(frame)[1]


class Store:
    """Leases that go on where they ended, with a gap for whoever crashed in between."""

    def __init__(self, first=0, gap=0):
        self.next, self.gap, self.asked = first, gap, 0

    def lease(self, key_name, size):
        self.asked += 1
        first, self.next = self.next, self.next + size + self.gap
        return first


@pytest.mark.clause("frame.2-1", "frame.5-1")
@pytest.mark.parametrize("kid", KIDS)
def test_the_header_is_the_encoded_one_at_every_length_of_kid_and_ctr(kid):
    for first in BOUNDARIES:
        sender = Sender(5, kid, fresh_base(), counters=Leases(first))
        for ctr in range(first, min(first + 3, 2**64)):
            header = encode_header(kid, ctr)
            frame = sender.protect(b"")
            assert (frame[: len(header)], len(frame)) == (header, len(header) + 16)


@pytest.mark.clause("frame.2-1", "frame.5-1")
def test_the_header_s_bytes_around_the_boundaries():
    def headers(first, number):
        sender = Sender(5, 0, fresh_base(), counters=Leases(first))
        return [sender.protect(b"")[:-16].hex() for _ in range(number)]

    assert headers(0, 10) == ["00", "01", "02", "03", "04", "05", "06", "07", "0808", "0809"]
    assert headers(254, 4) == ["08fe", "08ff", "090100", "090101"]
    assert headers(65_534, 4) == ["09fffe", "09ffff", "0a010000", "0a010001"]
    assert headers(2**56 - 1, 2) == ["0e" + "ff" * 7, "0f01" + "00" * 7]
    assert headers(2**64 - 1, 1) == ["0f" + "ff" * 8]


@pytest.mark.clause("frame.5-1")
def test_counters_start_at_0_and_go_up_by_one_over_the_first_boundaries():
    sender, receiver = Sender(4, 16, BASE), Receiver(4)
    receiver.add_key(16, BASE)
    for ctr in range(66_000):
        frame = sender.protect(b"")
        assert counter(frame) == ctr
        if ctr < 300 or ctr > 65_500:
            assert receiver.unprotect(frame) == (b"", 16, ctr)


def blocks_of(counters):
    """All of them, each as (first, last), and then CounterExhausted."""
    blocks = []
    try:
        for _ in range(10_000):
            blocks.append(counters.next_block())
    except CounterExhausted:
        ends = [(block.take(), block.last) for block in blocks]
        for (first, last), block in zip(ends, blocks, strict=True):
            for ctr in (first, last):
                assert block.front + (ctr.to_bytes(block.length) if block.length else b"") == encode_header(9, ctr)
        return ends
    raise AssertionError("it never ends")


@pytest.mark.clause("frame.5-1")
@given(st.sampled_from([1, 2, 7, 300]), st.lists(st.integers(0, 300), min_size=1, max_size=8), st.data())
def test_leases_with_gaps_give_ascending_counters_and_only_leased_ones(lease, gaps, data):
    first, leases, expected = data.draw(st.sampled_from([0, 3, 250, 65_500])), [], []
    for gap in gaps:
        first += gap
        leases.append(first)
        expected += range(first, first + lease)
        first += lease
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counters_module, "LEASE", lease)
        ends = blocks_of(Counters(9, b"", Leases(*leases)))
    assert [ctr for first, last in ends for ctr in range(first, last + 1)] == expected


@pytest.mark.clause("frame.5-1", "frame.5-2")
def test_without_leases_the_blocks_are_all_counters_of_64_bits():
    ends = blocks_of(Counters(9, b"", None))
    assert ends[:8] == [(n, n) for n in range(8)]
    assert ends[8:] == [(8 if n == 0 else 2 ** (8 * n), 2 ** (8 * n + 8) - 1) for n in range(8)]


def exhausted(sender):
    with pytest.raises(CounterExhausted) as caught:
        sender.protect(b"one more")
    return caught.value.key_id, caught.value.clause


@pytest.mark.clause("frame.5-2")
@pytest.mark.parametrize("left", [1, 2, 7, 300])
def test_after_the_last_counter_nothing_is_sealed_any_more(left):
    sender = Sender(5, 16, fresh_base(), counters=Leases(2**64 - left, 0, 5))
    assert [counter(sender.protect(b"")) for _ in range(left)] == list(range(2**64 - left, 2**64))
    assert [misused(sender, b"") for _ in range(2)] == ["frame.5-7"] * 2  # 0 and 5 were had
    assert [exhausted(sender) for _ in range(5)] == [(16, "frame.5-2")] * 5


@pytest.mark.clause("frame.5-2")
@pytest.mark.parametrize("last", [0, 6, 7, 8, 255, 256, 257, 2**32, 2**63 - 1, 2**63])
def test_a_store_without_counters_is_the_end(monkeypatch, last):
    monkeypatch.setattr(counters_module, "LEASE", 1)
    leases = Leases(last)
    sender = Sender(5, 16, fresh_base(), counters=leases)
    assert counter(sender.protect(b"last")) == last
    assert [exhausted(sender) for _ in range(3)] == [(16, "frame.5-2")] * 3


@pytest.mark.clause("frame.5-2")
def test_the_last_counters_go_to_one_thread_each_and_then_to_none():
    sender, start = Sender(5, 16, fresh_base(), counters=Leases(2**64 - 100)), Barrier(8)

    def work(_):
        frames, refusals = [], 0
        start.wait()
        for _ in range(50):
            try:
                frames.append(counter(sender.protect(b"")))
            except CounterExhausted:
                refusals += 1
        return frames, refusals

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(8)))
    assert sorted(ctr for frames, _ in results for ctr in frames) == list(range(2**64 - 100, 2**64))
    assert sum(refusals for _, refusals in results) == 300
    assert exhausted(sender) == (16, "frame.5-2")


@pytest.mark.clause("frame.5-1", "frame.5-7")
@pytest.mark.parametrize(("lease", "gap"), [(1, 0), (3, 0), (7, 250), (100, 1), (64, 65_000)])
def test_no_counter_comes_twice_over_eight_threads_blocks_and_leases(monkeypatch, lease, gap):
    monkeypatch.setattr(counters_module, "LEASE", lease)
    store, start = Store(gap=gap), Barrier(8)
    sender = Sender(3, 300, fresh_base(), counters=store)

    def work(_):
        start.wait()
        return [counter(sender.protect(b"")) for _ in range(250)]

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            batches = list(pool.map(work, range(8)))
    finally:
        sys.setswitchinterval(interval)
    taken = Counter(ctr for batch in batches for ctr in batch)
    assert all(batch == sorted(batch) for batch in batches)
    assert set(taken.values()) == {1}
    leased = [n * (lease + gap) + ctr for n in range(store.asked) for ctr in range(lease)]
    assert set(taken) == set(leased[:2000])  # nothing is left out either


@pytest.mark.clause("frame.5-7")
def test_a_lease_is_asked_for_when_a_counter_is_needed_and_has_65536():
    leases = Leases(100, 1_000_000)
    sender = Sender(5, 9, BASE, counters=leases)
    assert leases.asked == []
    assert counter(sender.protect(b"")) == 100
    assert [size for _, size in leases.asked] == [65_536] == [LEASE]
    for ctr in range(101, 100 + LEASE):
        assert counter(sender.protect(b"")) == ctr
    assert len(leases.asked) == 1
    assert counter(sender.protect(b"")) == 1_000_000
    assert leases.asked == [leases.asked[0]] * 2


@pytest.mark.clause("frame.5-7")
def test_the_store_knows_a_key_by_16_bytes_of_kid_and_base_key_whatever_the_suite():
    def asked(suite, kid, base_key):
        leases = Leases(0)
        send_keys = SendKeys()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sender_module, "send_keys", send_keys)
            Sender(suite, kid, base_key, counters=leases).protect(b"")
        return leases.asked[0][0]

    other = SecretBytes(bytes(range(1, 33)))
    names = {asked(5, kid, key) for kid in (0, 1, 2**64 - 1) for key in (BASE, other)}
    assert len(names) == 6
    assert {(type(name), len(name)) for name in names} == {(bytes, 16)}
    assert {asked(suite, 0, BASE) for suite in range(1, 9)} == {asked(5, 0, BASE)}
    assert asked(5, 0, BASE) == derive_key_name(0, BASE)


def misused(sender, plaintext):
    with pytest.raises(ApiMisuse) as caught:
        sender.protect(plaintext)
    return caught.value.clause


@pytest.mark.clause("frame.5-7")
@pytest.mark.parametrize("again", [-1, 0, 50, 99, 100, 100 + LEASE - 1])
def test_a_store_that_repeats_itself_is_refused_and_nothing_is_sealed(again):
    sender = Sender(5, 9, BASE, counters=Leases(100, again, again, 100 + LEASE))
    for _ in range(LEASE):
        sender.protect(b"")
    sealing = spied(sender)
    assert [misused(sender, b"x") for _ in range(2)] == ["frame.5-7"] * 2
    assert sealing == []
    assert counter(sender.protect(b"")) == 100 + LEASE
    assert sealing == [100 + LEASE]


@pytest.mark.clause("frame.5-7")
def test_a_first_lease_below_0_is_refused():
    sender = Sender(5, 9, BASE, counters=Leases(-1, 3))
    assert misused(sender, b"x") == "frame.5-7"
    assert counter(sender.protect(b"")) == 3


@pytest.mark.clause("frame.5-7")
def test_what_a_store_raises_goes_out_and_the_next_frame_asks_again():
    class Broken(Leases):
        def lease(self, key_name, size):
            first = super().lease(key_name, size)
            if first is None:
                raise OSError("the disk is full")
            return first

    leases = Broken(None, None, 7, None, 7 + LEASE)
    sender = Sender(5, 9, BASE, counters=leases)
    sealing = spied(sender)
    for _ in range(2):
        with pytest.raises(OSError, match="the disk is full"):
            sender.protect(b"x")
    assert (sealing, len(leases.asked)) == ([], 2)
    assert [counter(sender.protect(b"")) for _ in range(LEASE)] == list(range(7, 7 + LEASE))
    with pytest.raises(OSError, match="the disk is full"):
        sender.protect(b"x")
    assert len(sealing) == LEASE
    assert counter(sender.protect(b"")) == 7 + LEASE
    assert len(leases.asked) == 5


def spied(sender):
    """The counters that reach the cipher from now on."""
    seal, seen = sender._seal, []

    def spy(header, ctr, plaintext, metadata):
        seen.append(ctr)
        return seal(header, ctr, plaintext, metadata)

    sender._seal = spy
    return seen

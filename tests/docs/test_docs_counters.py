"""The example of the page about kept counters runs as the page says."""

import runpy

import pytest

from e2ecall import SecretBytes
from e2ecall.errors import ApiMisuse, StoreCorrupt
from e2ecall.sframe import Sender, decode_header
from e2ecall.sframe.counters import LEASE
from support.pages import EXAMPLES, ROOT


def base_key():
    return SecretBytes(bytes(range(32)))


def test_a_restart_begins_behind_the_lease_and_a_lost_file_is_an_error(tmp_path):
    start = runpy.run_path(str(EXAMPLES / "keep_counters.py"))["start"]
    with pytest.raises(StoreCorrupt):
        start(tmp_path, base_key(), key_is_new=False)
    counters = []
    for number in range(3):
        sender = start(tmp_path, base_key(), key_is_new=number == 0)
        counters += [decode_header(sender.protect(b"x"))[:2] for _ in range(2)]
        del sender
    assert counters == [(1, block * LEASE + n) for block in range(3) for n in range(2)]
    with pytest.raises(ApiMisuse):
        Sender(5, 1, base_key())  # the same key without its file
    (tmp_path / "counters.db").unlink()
    with pytest.raises(StoreCorrupt):
        start(tmp_path, base_key(), key_is_new=False)


def test_the_page_counts_as_the_code_does():
    page = (ROOT / "docs/how-to/keep-counters.md").read_text("utf-8")
    assert f"takes {LEASE:,} counters at a time" in page
    assert f"2^64 counters are 2^{64 - LEASE.bit_length() + 1} leases" in page

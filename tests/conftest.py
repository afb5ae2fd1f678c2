"""What all tests share: Hypothesis without deadlines (two cores, many neighbours), and more examples when asked.

`make test-all` sets E2ECALL_SLOW: ten times the examples, and the suites that take minutes.
"""

import os

import pytest
from hypothesis import settings

from e2ecall.sframe import sender
from e2ecall.sframe.send_keys import SendKeys

settings.register_profile("e2ecall", deadline=None, print_blob=True)
settings.register_profile("slow", settings.get_profile("e2ecall"), max_examples=1000)
settings.load_profile("slow" if os.environ.get("E2ECALL_SLOW") else "e2ecall")


@pytest.fixture(autouse=True)
def fresh_send_keys(monkeypatch):
    """Each test is a process of its own as far as used send keys go; the tests share a base_key."""
    monkeypatch.setattr(sender, "send_keys", SendKeys())

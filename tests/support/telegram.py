"""What the tests of Telegram's exchange share: the published values, and sides that use fixed secrets."""

import json
import os
from functools import cache
from pathlib import Path

from e2ecall.crypto.rng import SystemRng
from e2ecall.handshake.telegram import Group, accept_call, request_call

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("E2ECALL_SHARED", ROOT.parent / "shared")) / "vectors/telegram"
GROUP = Group.known()


class Secrets:
    """Draws these secrets, one after the other, and everything else from the system."""

    def __init__(self, *secrets):
        self.secrets = list(secrets)

    def draw(self, name, length):
        if name.startswith("telegram secret"):
            return self.secrets.pop(0)
        return SystemRng().draw(name, length)


@cache
def published():
    return json.loads((SHARED / "one_to_one.json").read_text(encoding="utf-8"))


def agreed(group=GROUP, rng=None):
    """(the caller's result, the callee's)."""
    rng = rng or SystemRng()
    caller = request_call(group, rng)
    callee = accept_call(caller.g_a_hash, group, rng)
    confirmation = caller.receive_accept(callee.g_b)
    return confirmation.result, callee.receive_confirm(confirmation.g_a, confirmation.key_fingerprint)

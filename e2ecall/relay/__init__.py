"""Signalling: a mailbox for two, spoken over WebSocket, that reads nothing of what it carries.

    messages   the eight binary messages, declared once (pure)
    mailbox    rooms, queues, limits: who gets what, without IO
    server     the mailbox behind Starlette; `serve` runs it in the current event loop (needs `e2ecall[server]`)
    client     one member of a room over a websockets connection (needs `e2ecall[server]` or `e2ecall[cli]`)

The relay is not trusted: it can drop, delay, replay and swap messages, and the exchange above is made for that.
"""

from __future__ import annotations

from e2ecall.relay.mailbox import Delivery, Limits, Mailbox, Member
from e2ecall.relay.messages import RefusedReason

__all__ = ["Delivery", "Limits", "Mailbox", "Member", "RefusedReason"]

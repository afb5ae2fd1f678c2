"""Telegram's 1:1 exchange and packets, bit for bit: spec chapter telegram.

    Caller: `request_call` -> CallRequested.receive_accept -> Confirmation, with its result
    Callee: `accept_call` -> CallAccepted.receive_confirm -> TelegramEstablished

The group is checked once, by `Group.check` or `Group.known`. Each exponentiation takes some 20 ms of one processor.
"""

from e2ecall.handshake.telegram.callee import CallAccepted, accept_call
from e2ecall.handshake.telegram.caller import CallRequested, Confirmation, request_call
from e2ecall.handshake.telegram.packets import Kind, PacketKeys
from e2ecall.handshake.telegram.params import Group
from e2ecall.handshake.telegram.result import TelegramEstablished

__all__ = [
    "CallAccepted",
    "CallRequested",
    "Confirmation",
    "Group",
    "Kind",
    "PacketKeys",
    "TelegramEstablished",
    "accept_call",
    "request_call",
]

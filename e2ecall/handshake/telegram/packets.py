"""telegram.4: one packet, sealed and opened. Which numbers are in it and whether it came before: `channel`.

The packet is msg_key || AES-256-CTR(body), and msg_key is a hash of the key and of the body: what has been decrypted is
compared before anything of it counts. Nothing is padded, so its length shows.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from e2ecall.crypto.aes_ctr import aes_ctr
from e2ecall.crypto.kdf import constant_time_equal, sha256
from e2ecall.errors import ApiMisuse, MalformedMessage, VerificationFailed
from e2ecall.handshake.keys import Role
from e2ecall.secret import SecretBytes

__all__ = ["MAX_PACKET", "MIN_PACKET", "MSG_KEY_LENGTH", "Kind", "PacketKeys"]

MSG_KEY_LENGTH: Final = 16
MIN_PACKET: Final = MSG_KEY_LENGTH + 5
"""A packet has at least one sequence number and the type of one message."""
MAX_PACKET: Final = 128 * 1024
"""Longer ones are not even decrypted."""
_KEY_LENGTH: Final = 256


class Kind(StrEnum):
    """telegram.4-2: what the packets of one channel carry. They never open under the other kind's keys."""

    SIGNALLING = "signalling"
    TRANSPORT = "transport"


class PacketKeys:
    """telegram.4-1, telegram.4-2: both directions of one kind of packets, for one side of a call."""

    __slots__ = ("_key", "_receive_at", "_send_at")

    def __init__(self, key: SecretBytes, role: Role, kind: Kind) -> None:
        """Of the call's `key`, 256 bytes, which stays the caller's to wipe."""
        if len(key) != _KEY_LENGTH:
            raise ApiMisuse(f"the key of a call has 256 bytes, not {len(key)}", clause="telegram.4-1")
        self._key = key
        base = 128 if kind is Kind.SIGNALLING else 0
        self._send_at = base + (0 if role is Role.CALLER else 8)
        self._receive_at = base + (8 if role is Role.CALLER else 0)

    def seal(self, body: bytes) -> bytes:
        """telegram.4-1: the packet of `body`, which begins with its sequence number and fits 131 072 bytes in all."""
        packet_length = MSG_KEY_LENGTH + len(body)
        if not MIN_PACKET <= packet_length <= MAX_PACKET:
            raise ApiMisuse(f"a packet of {packet_length} bytes", clause="telegram.4-3")
        msg_key = self._msg_key(self._send_at, body)
        return msg_key + self._stream(self._send_at, msg_key, body)

    def open(self, packet: bytes) -> bytes:
        """telegram.4-3: the body of a packet of the other side.

        MalformedMessage for one shorter than 21 or longer than 131 072 bytes. VerificationFailed for any other that
        the other side did not seal with this key as this kind: changed, reflected, of another call.
        """
        if not MIN_PACKET <= len(packet) <= MAX_PACKET:
            raise MalformedMessage(f"a packet of {len(packet)} bytes", offset=0, path="packet", clause="telegram.4-3")
        msg_key = packet[:MSG_KEY_LENGTH]
        body = self._stream(self._receive_at, msg_key, packet[MSG_KEY_LENGTH:])
        if not constant_time_equal(self._msg_key(self._receive_at, body), msg_key):
            raise VerificationFailed("the packet does not authenticate", clause="telegram.4-3")
        return body

    def _msg_key(self, x: int, body: bytes) -> bytes:
        return sha256(bytes(self._key.expose()[88 + x : 120 + x]) + body)[8:24]

    def _stream(self, x: int, msg_key: bytes, data: bytes) -> bytes:
        key = self._key.expose()
        a = sha256(msg_key + bytes(key[x : x + 36]))
        b = sha256(bytes(key[40 + x : 76 + x]) + msg_key)
        aes_key = SecretBytes(a[:8] + b[8:24] + a[24:])
        iv = SecretBytes(b[:4] + a[8:16] + b[24:28])
        try:
            return aes_ctr(aes_key, iv, data)
        finally:
            aes_key.wipe()
            iv.wipe()

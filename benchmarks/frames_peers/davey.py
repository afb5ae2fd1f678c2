"""PyPI `davey`: Discord's DAVE protocol, a full frame sealed and opened by two sessions of one MLS group.

A session has no key of its own. It takes part in a group whose members an "external sender" proposes: Discord's server.
This file plays that server (RFC 9420 §12.1.8, DAVE protocol version 1): it signs one Add proposal, hands the commit to
the member who made it and the welcome to the one it adds.
"""

import importlib.metadata
from types import ModuleType
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from frames_peers.contestant import Operation, Plaintexts, Skipped, Spent, for_each, timed

PROTOCOL, CHANNEL, SENDER, RECEIVER = 1, 7, 1, 2
MLS10_PUBLIC_MESSAGE = b"\x00\x01\x00\x01"  # RFC 9420 §6: version, wire format
BASIC_CREDENTIAL = b"\x00\x01"
EXTERNAL_SENDER_0 = b"\x02" + bytes(4)
PROPOSAL_ADD = b"\x02\x00\x01"  # content type, proposal type


def vector(data: bytes) -> bytes:
    """RFC 9420 §2.1.2: a variable-size vector with its length in front."""
    if len(data) < 1 << 6:
        return bytes([len(data)]) + data
    return (len(data) | 0x4000).to_bytes(2) + data


class Davey:
    """`encrypt_opus` and `decrypt`: Opus is the codec whose frames davey seals whole, without a look into them."""

    name, share = "davey", 0.25

    def __init__(self, plaintexts: Plaintexts) -> None:
        try:
            import davey
        except ImportError:
            raise Skipped("not installed: pip install davey") from None
        self.title = f"davey {importlib.metadata.version('davey')}"
        self._plaintexts = plaintexts
        sender, receiver = _one_group(davey)
        self._encrypt = sender.encrypt_opus
        self._decrypt = lambda frame, audio=davey.MediaType.audio: receiver.decrypt(SENDER, audio, frame)
        if self._decrypt(self._encrypt(b"a frame")) != b"a frame":
            raise AssertionError("davey does not open what davey sealed")

    def batch(self, operation: Operation, size: int, count: int) -> Spent:
        frames = self._plaintexts.take(size, count)
        if operation is Operation.PROTECT:
            return timed(for_each(self._encrypt, frames))
        return timed(for_each(self._decrypt, [self._encrypt(frame) for frame in frames]))

    def close(self) -> None:
        pass


def _one_group(davey: ModuleType) -> tuple[Any, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    sender = davey.DaveSession(PROTOCOL, SENDER, CHANNEL)
    receiver = davey.DaveSession(PROTOCOL, RECEIVER, CHANNEL)
    for session in (sender, receiver):
        session.set_external_sender(vector(public) + BASIC_CREDENTIAL + vector(bytes(8)))
    key_package = receiver.get_serialized_key_package()
    group, epoch, no_data = vector(CHANNEL.to_bytes(8)), bytes(8), vector(b"")
    to_sign = MLS10_PUBLIC_MESSAGE + group + epoch + EXTERNAL_SENDER_0 + no_data + PROPOSAL_ADD + key_package
    labelled = vector(b"MLS 1.0 FramedContentTBS") + vector(to_sign)
    message = to_sign + vector(key.sign(labelled, ec.ECDSA(hashes.SHA256())))
    made = sender.process_proposals(davey.ProposalsOperationType.append, vector(message))
    sender.process_commit(made.commit)
    receiver.process_welcome(made.welcome)
    return sender, receiver

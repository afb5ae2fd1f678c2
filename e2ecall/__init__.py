"""End-to-end encryption for calls: a specified key exchange, four emoji to compare, and SFrame for every frame.

Where is …?
    a whole call of two, without IO       OneToOne; its events IncomingCall, CallEstablished, PeerSaid,
                                          MessageRefused, CallEnded, and more in e2ecall.call.events
    the same on an event loop             e2ecall.relay.driver.CallDriver
    what people compare                   emoji, digits, eight_rows, RowPick; odds in e2ecall.sas
    key material                          SecretBytes
    keys for frames                       FrameKeys, from CallEstablished.frame_keys()
    encrypt an aiortc connection          e2ecall.media.aiortc_plugin.protect (extra "media")
    SFrame alone (RFC 9605)               Sender, Receiver; the rest in e2ecall.sframe
    the exchange's single steps           e2ecall.handshake
    the relay, its server and client      e2ecall.relay (extra "server")
    what can go wrong                     E2ECallError and the tree in e2ecall.errors
    the protocol                          spec/protocol.md, in the repository and in the package's data

Nothing here has been audited by outsiders. There are no groups yet.
"""

from e2ecall.call.epochs import FrameKeys
from e2ecall.call.events import CallEnded, IncomingCall, MessageRefused, PeerSaid
from e2ecall.call.one_to_one import CallEstablished, OneToOne
from e2ecall.crypto.rng import SystemRng
from e2ecall.errors import (
    ApiMisuse,
    CounterExhausted,
    E2ECallError,
    FrameReason,
    FrameRejected,
    MediaUnavailable,
    VerificationFailed,
)
from e2ecall.handshake import AbortReason, LinkSecret, Profile, Role, Suite, TransportMode
from e2ecall.identity import fresh_identity
from e2ecall.sas import RowPick, digits, eight_rows, emoji
from e2ecall.secret import SecretBytes
from e2ecall.sframe import CipherSuite, Receiver, Sender

__version__ = "0.1.0"

__all__ = [
    "AbortReason",
    "ApiMisuse",
    "CallEnded",
    "CallEstablished",
    "CipherSuite",
    "CounterExhausted",
    "E2ECallError",
    "FrameKeys",
    "FrameReason",
    "FrameRejected",
    "IncomingCall",
    "LinkSecret",
    "MediaUnavailable",
    "MessageRefused",
    "OneToOne",
    "PeerSaid",
    "Profile",
    "Receiver",
    "Role",
    "RowPick",
    "SecretBytes",
    "Sender",
    "Suite",
    "SystemRng",
    "TransportMode",
    "VerificationFailed",
    "digits",
    "eight_rows",
    "emoji",
    "fresh_identity",
]

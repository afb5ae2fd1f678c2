"""The 1:1 exchange of spec chapter kex: four messages, commit to a nonce, one class per state.

    Caller: `make_offer` -> OfferSent.receive_answer -> RevealSent.receive_finish -> Established
    Callee: `receive_offer` -> AnswerSent.receive_reveal -> Ringing.accept -> Established

Every state is spent by its method; a second use raises ApiMisuse. Nothing here does IO or reads a clock.
"""

from e2ecall.handshake.callee import AnswerSent, Ringing, receive_offer
from e2ecall.handshake.caller import OfferSent, RevealSent, make_offer
from e2ecall.handshake.keys import ControlKeys, Role
from e2ecall.handshake.link import LinkSecret
from e2ecall.handshake.messages import Abort, AbortReason, Suite
from e2ecall.handshake.payload import Profile, TransportMode, check_fingerprint
from e2ecall.handshake.state import Established

__all__ = [
    "Abort",
    "AbortReason",
    "AnswerSent",
    "ControlKeys",
    "Established",
    "LinkSecret",
    "OfferSent",
    "Profile",
    "RevealSent",
    "Ringing",
    "Role",
    "Suite",
    "TransportMode",
    "check_fingerprint",
    "make_offer",
    "receive_offer",
]

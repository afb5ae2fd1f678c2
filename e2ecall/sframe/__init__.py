"""SFrame (RFC 9605): one sealed frame in, one sealed frame out; nothing here knows of codecs, streams or sockets.

header     the 1 to 17 bytes in front of every frame: KID and CTR
suites     cipher suites, key and salt from a base_key
key_id     KID = context, sender index, epoch
cipher     one KID's cipher, with explicit counters
counters   blocks of counters, leased or not
send_keys  what this process remembers of send keys
owned      objects that belong to one process: not copied, not pickled, not used after fork
sender     seals, and never uses a counter twice
replay     the window of 1024 counters
receive_key  installed keys, and how those of old epochs leave
receiver   opens, or says why not
ratchet    sender keys that step forward
"""

from e2ecall.sframe.counters import CounterLeases
from e2ecall.sframe.header import MAX_CTR, MAX_KID, decode_header, encode_header
from e2ecall.sframe.key_id import ONE_TO_ONE, KeyId, KeyIdLayout
from e2ecall.sframe.owned import Owned
from e2ecall.sframe.ratchet import RatchetReceiver, RatchetSender, ratchet_base_key
from e2ecall.sframe.receiver import Receiver
from e2ecall.sframe.replay import WINDOW, ReplayWindow
from e2ecall.sframe.sender import Sender
from e2ecall.sframe.suites import DEFAULT_SUITE, CipherSuite, SuiteParameters, derive

__all__ = [
    "CipherSuite",
    "CounterLeases",
    "DEFAULT_SUITE",
    "KeyId",
    "KeyIdLayout",
    "MAX_CTR",
    "MAX_KID",
    "ONE_TO_ONE",
    "Owned",
    "RatchetReceiver",
    "RatchetSender",
    "Receiver",
    "ReplayWindow",
    "Sender",
    "SuiteParameters",
    "WINDOW",
    "decode_header",
    "derive",
    "encode_header",
    "ratchet_base_key",
]

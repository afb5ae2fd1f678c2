"""The protocol written a second time: slow, obvious, from the texts alone, and for checking only.

    refused     the one exception, with the layer at which something fails
    hashes      HMAC and HKDF over hashlib (RFC 2104, RFC 5869)
    aead        AES-CTR, GHASH and GCM, AES-CTR with HMAC, a block at a time
    header      the SFrame header (RFC 9605 §4.3)
    suites      suites 1 to 8: derivation, protect and unprotect with every value in between (§4.4, §4.5)
    key_ids     KIDs and base keys of sender keys and of MLS (§5.1, §5.2)
    receiver    keys, streams and the replay window (frame.6)
    sender_keys the receiver of a ratchet (§5.1, frame.10)
    layouts     Opus, VP8 and H.264 (frame.8)
    x25519      RFC 7748
    ed25519     RFC 8032, with the keys that kex.7-3 asks for
    mlkem       ML-KEM-768 (FIPS 203)
    messages    m1 to m4 and TLV lists, written and read (kex.2, kex.4)
    payload     what m3 and m4 seal (kex.4)
    key_schedule the commitment, the transcripts and every key (kex.3, kex.8)
    exchange    the caller and the callee (kex.5 to kex.8)
    control     records, messages and one side's channel (control.2, control.3)
    rekey       both halves of a rekey (epoch.1)
    views       the picture, the QR code and typed digits of the visual hash (sas)
    links       links, and secrets as words (kex.8)
    ledger      entries and heads of the ledger (identity)
    telegram    Telegram's exchange and packets (telegram.1 to telegram.4)
    signals     its signalling messages (telegram.5)
    tde2e       the encryption of its group calls (telegram.8)

Nothing here is taken from the rest of e2ecall, and nothing there may use it: tests hold the two against each other,
and the vectors of this project are computed with it. It is not made for secrets: it is slow, keeps keys in plain
`bytes`, and takes as long as its input tells it to.
"""

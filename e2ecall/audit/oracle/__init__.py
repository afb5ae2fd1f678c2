"""The frame layer written a second time: slow, obvious, from the texts alone, and for checking only.

    refused     the one exception, with the layer at which a frame fails
    hashes      HMAC and HKDF over hashlib (RFC 2104, RFC 5869)
    aead        AES-CTR, GHASH and GCM, AES-CTR with HMAC, a block at a time
    header      the SFrame header (RFC 9605 §4.3)
    suites      suites 1 to 8: derivation, protect and unprotect with every value in between (§4.4, §4.5)
    key_ids     KIDs and base keys of sender keys and of MLS (§5.1, §5.2)
    receiver    keys, streams and the replay window (frame.6)
    sender_keys the receiver of a ratchet (§5.1, frame.10)
    layouts     Opus, VP8 and H.264 (frame.8)

Nothing here is taken from the rest of e2ecall, and nothing there may use it: tests hold the two against each other,
and the vectors of this project are computed with it. It is not made for secrets: it is slow, keeps keys in plain
`bytes`, and takes as long as its input tells it to.
"""

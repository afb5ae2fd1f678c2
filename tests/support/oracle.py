"""The key schedule of kex.3 a second time, with hashlib and hmac alone: slow, obvious, and sharing no code."""

import hashlib
import hmac


def h(data):
    return hashlib.sha256(data).digest()


def lv(data):
    return len(data).to_bytes(4, "big") + data


def extract(salt, ikm):
    return hmac.new(salt, ikm, hashlib.sha256).digest()


def expand(prk, info, length):
    out, block, counter = b"", b"", 1
    while len(out) < length:
        block = hmac.new(prk, block + info + bytes([counter]), hashlib.sha256).digest()
        out, counter = out + block, counter + 1
    return out[:length]


def commitment(m1, nonce_a):
    return h(lv(b"e2ecall/1 commit caller") + lv(m1[:-32]) + lv(nonce_a))


def th(m1, m2, nonce_a):
    return h(lv(b"e2ecall/1 th") + lv(m1) + lv(m2) + lv(nonce_a))


def th2(th_, m3, m4):
    return h(lv(b"e2ecall/1 th2") + th_ + lv(m3) + lv(m4))


def link(secret, call_id):
    prk = extract(b"e2ecall/1 link", secret)
    return {
        "psk": expand(prk, b"e2ecall/1 psk", 32),
        "psk_id": expand(prk, b"e2ecall/1 psk id" + call_id, 16),
        "room": expand(prk, b"e2ecall/1 room", 16),
    }


def schedule(psk, ss_x25519, ss_mlkem, th_, th2_):
    hs = extract(psk, ss_x25519 + ss_mlkem)

    def k(label, transcript, length):
        return expand(hs, b"e2ecall/1 " + label.encode() + transcript, length)

    return {
        "m3 key": k("m3 key", th_, 32),
        "m3 iv": k("m3 iv", th_, 12),
        "m4 key": k("m4 key", th_, 32),
        "m4 iv": k("m4 iv", th_, 12),
        "sas": k("sas", th_, 32),
        "frames": k("frames", th2_, 32),
        "control caller key": k("control caller key", th2_, 32),
        "control caller iv": k("control caller iv", th2_, 12),
        "control callee key": k("control callee key", th2_, 32),
        "control callee iv": k("control callee iv", th2_, 12),
        "chain": k("chain", th2_, 32),
    }

"""The four emoji of an exported exchange, from the specification alone. Nothing of e2ecall is imported."""

import hashlib
import hmac
import json
import sys
from pathlib import Path


def lv(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def hkdf_extract(salt: bytes, secret: bytes) -> bytes:  # RFC 5869
    return hmac.digest(salt, secret, "sha256")


def hkdf_expand(secret: bytes, info: bytes) -> bytes:  # 32 bytes are one block
    return hmac.digest(secret, info + b"\x01", "sha256")


def recompute(sent: dict[str, bytes], table: list[str]) -> list[str]:
    m1, m2, m3, m4 = (sent[name] for name in ("m1", "m2", "m3", "m4"))
    nonce = m3[18:50]  # kex.2.3: version 1, type 1, call_id 16, nonce 32
    commitment = sha256(lv(b"e2ecall/1 commit caller"), lv(m1[:-32]), lv(nonce))  # kex.3-1
    if m1[-32:] != commitment:
        sys.exit("the commitment does not hold: whoever opened it chose the emoji")
    hs = hkdf_extract(sent["psk"], sent["ss_x25519"] + sent["ss_mlkem"])  # kex.3-3
    th = sha256(lv(b"e2ecall/1 th"), lv(m1), lv(m2), lv(nonce))  # kex.3-2
    th2 = sha256(lv(b"e2ecall/1 th2"), th, lv(m3), lv(m4))
    sas = hkdf_expand(hs, b"e2ecall/1 sas" + th)  # kex.3-4
    print("transcript", th2.hex())
    words = (int.from_bytes(sas[8 * i : 8 * i + 8], "big") & 0x7FFFFFFFFFFFFFFF for i in range(4))  # sas.2-1
    assert sha256("".join(table).encode()).hex().startswith("deec5cfb8d4b977a"), "another table"  # sas.2-2
    return [table[word % 333] for word in words]


def main(exported: str, emoji: str, number: str) -> None:
    case = json.loads(Path(exported).read_text("utf-8"))["cases"][int(number)]
    returned = {name: value for step in case["steps"] for name, value in step.get("returns", {}).items()}
    sent = {f"m{at}": returned[name] for at, name in enumerate(("offer", "answer", "reveal", "finish"), 1)}
    sent |= {name: case["values"][name] for name in ("psk", "ss_x25519", "ss_mlkem")}
    table = [row[0] for row in json.loads(Path(emoji).read_text("utf-8"))["emoji"]]
    print("emoji     ", *recompute({name: bytes.fromhex(value) for name, value in sent.items()}, table))


if __name__ == "__main__":
    main(*sys.argv[1:])

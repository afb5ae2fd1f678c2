"""The key picture, the text of a QR code, and ten digits as people type them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from e2ecall.audit.oracle.views import check_qr, check_typed, qr_text, svg
from generator.cases import OURS, Case, Draw, VectorFile, outcome

__all__ = ["FILES"]

_SAS = bytes(range(32))
_EDGES = {"all zero": bytes(32), "all one": b"\xff" * 32, "ascending": _SAS, "descending": _SAS[::-1]}


def _picture(name: str, clause: str, sas: bytes, *, whole: bool = False) -> Case:
    drawn = svg(sas)
    digest = {"svg_sha256": hashlib.sha256(drawn.encode()).hexdigest()}
    return {"name": name, "clause": clause, "sas": sas.hex()} | ({"svg": drawn} if whole else {}) | digest | _OK


_OK: Case = {"result": "ok"}


def _pictures() -> Iterator[Case]:
    draw = Draw("picture")
    yield _picture("drawn 0, in full", "sas.10-1", draw.bytes(32), whole=True)
    for number in range(1, 9):
        yield _picture(f"drawn {number}", "sas.10-1", draw.bytes(32))
    for name, sas in _EDGES.items():
        yield _picture(name, "sas.10-1", sas)
    yield _picture("every tone with four marks", "sas.10-1", bytes(range(0, 256, 8)))
    yield _picture("every mark, filled, on one tone", "sas.10-1", bytes(0x80 + mark % 64 for mark in range(4, 260, 8)))
    for bit in (0, 1, 7, 8, 100, 254, 255):
        flipped = (int.from_bytes(_SAS, "big") ^ 1 << bit).to_bytes(32, "big")
        yield _picture(f"ascending, bit {bit} turned over", "sas.10-2", flipped)
    for length in (0, 31, 33):
        sas = bytes(length).hex()
        yield {"name": f"{length} bytes instead of 32", "clause": "sas.1-1", "sas": sas, "result": "misuse"}


def _qr(name: str, sas: bytes, role: str, text: str) -> Case:
    _, refused = outcome(lambda: check_qr(sas, role, text))
    case = {"name": name, "clause": refused.clause if refused else "sas.9-1", "op": "sas.qr.check"}
    case |= {"sas": sas.hex(), "role": role, "text": text}
    return case | {"result": refused.layer if refused else "ok"}


def _qrs() -> Iterator[Case]:
    draw = Draw("qr")
    hashes = {**_EDGES, "drawn": draw.bytes(32)}
    for name, sas in hashes.items():
        for role in ("caller", "callee"):
            case = {"name": f"{name}, shown by the {role}", "clause": "sas.9-1", "op": "sas.qr"}
            yield case | {"sas": sas.hex(), "role": role, "text": qr_text(sas, role), "result": "ok"}
    sas, other = hashes["drawn"], draw.bytes(32)
    for role, peer in (("caller", "callee"), ("callee", "caller")):
        good = qr_text(sas, peer)
        yield _qr(f"the {role} scans the other side's code", sas, role, good)
        yield _qr(f"the {role} scans its own code", sas, role, qr_text(sas, role))
        yield _qr(f"the {role} scans a code of another call", sas, role, qr_text(other, peer))
        yield _qr(f"the {role} scans a code of another call and its own role", sas, role, qr_text(other, role))
        for place in (0, 1, 127, 128, 254, 255):
            turned = (int.from_bytes(sas, "big") ^ 1 << place).to_bytes(32, "big")
            yield _qr(f"the {role} scans a code with bit {place} turned over", sas, role, qr_text(turned, peer))
        for name, text in {
            "lower case": good.lower(),
            "lower-case digits": good[:10] + good[10:].lower(),
            "cut by one character": good[:-1],
            "cut by one byte": good[:-2],
            "with one character more": good + "0",
            "with a line feed": good + "\n",
            "with a space before": " " + good,
            "of another version": good.replace("E2ECALL1", "E2ECALL2"),
            "of no role": good[:9] + "C" + good[10:],
            "without a role": good[:9] + good[10:],
            "with other digits": good[:-1] + "G",
            "with full-width digits": good[:-1] + "\uff10",
            "empty": "",
            "a link": "e2ecall://relay.example/room#" + "0" * 32,
        }.items():
            yield _qr(f"the {role} scans a code {name}", sas, role, text)
    yield {"name": "no such role", "clause": "sas.9-1", "op": "sas.qr", "sas": sas.hex(), "role": "both"} | _MISUSE
    yield {
        "name": "31 bytes instead of 32",
        "clause": "sas.1-1",
        "op": "sas.qr",
        "sas": "00" * 31,
        "role": "caller",
    } | _MISUSE


_MISUSE: Case = {"result": "misuse"}


def _typed(name: str, sas: bytes, text: str) -> Case:
    digits, refused = outcome(lambda: check_typed(sas, text))
    case = {"name": name, "clause": refused.clause if refused else "sas.8-1", "sas": sas.hex(), "text": text}
    return case | ({"result": refused.layer} if refused else {"digits": digits, "result": "ok"})


def _typings() -> Iterator[Case]:
    code = "5731361295"  # of the ascending bytes
    texts = {
        "as it is": code,
        "five and five": "57313 61295",
        "in pairs": "57 31 36 12 95",
        "one by one": " ".join(code),
        "with a dash": "57313-61295",
        "with an en dash": "57313\u201361295",
        "with a no-break space": "57313\u00a061295",
        "with both": "57313 - 61295",
        "with spaces around": "  57313 61295 \n",
        "the last digit other": "5731361294",
        "the first digit other": "4731361295",
        "two digits swapped": "7531361295",
        "the halves swapped": "61295 57313",
        "backwards": code[::-1],
        "all zero": "0000000000",
        "nine digits": code[:9],
        "eleven digits": code + "0",
        "with a zero before": "0" + code,
        "five digits": "57313",
        "nothing": "",
        "spaces alone": "     ",
        "a letter for a digit": "573136129S",
        "with a dot": "57313.61295",
        "with a plus": "+5731361295",
        "with a dash before": "-5731361295",
        "with a dash behind": "5731361295-",
        "with a tab": "57313\t61295",
        "with an underscore": "57313_61295",
        "in Arabic-Indic digits": "٥٧٣١٣٦١٢٩٥",
        "in full-width digits": "５７３１３６１２９５",
        "with a superscript": "573136129\u2075",
        "in 256 characters": "57313" + 246 * " " + "61295",
        "in 257 characters": "57313" + 247 * " " + "61295",
        "in 257 characters, most of them around": "57313 61295" + 246 * " ",
        "with 300 spaces": "57313" + 300 * " " + "61295",
    }
    for name, text in texts.items():
        yield _typed(name, _SAS, text)
    yield _typed("leading zeros, typed", bytes(32), "00000 00000")
    yield _typed("leading zeros, left out", bytes(32), "0")
    yield _typed("the code of the other half", _SAS[16:] + _SAS[:16], code)


FILES = (
    VectorFile(
        "picture.json",
        "sas.svg",
        "32 bytes to a picture: the first case in full, the others by the SHA-256 of their UTF-8",
        OURS,
        tuple(_pictures()),
        folder="sas",
    ),
    VectorFile(
        "qr.json",
        "sas.qr",
        "32 bytes to the text of a QR code, and what is refused",
        OURS,
        tuple(_qrs()),
        folder="sas",
    ),
    VectorFile(
        "typed.json",
        "sas.typed",
        "ten digits as people type them, and what is refused",
        OURS,
        tuple(_typings()),
        folder="sas",
    ),
)

"""vectors/sframe/codec.json and codec-more.json, strictly."""

import json
from pathlib import Path

import pytest

from e2ecall.codecs import Profile, layout_for
from e2ecall.errors import FrameRejected
from e2ecall.secret import SecretBytes
from e2ecall.sframe import Receiver, encode_header
from e2ecall.sframe.cipher import FrameCipher

VECTORS = Path(__file__).parents[2] / "vectors" / "sframe"
CASES = [
    case
    for name in ("codec.json", "codec-more.json")
    for case in json.loads((VECTORS / name).read_text(encoding="utf-8"))["cases"]
]


def base_key(case):
    return SecretBytes(bytes.fromhex(case["base_key"]))


def opener(case):
    receiver = Receiver(case["suite"])
    receiver.add_key(int(case["kid"]), base_key(case))
    return lambda ciphertext, metadata: receiver.unprotect(ciphertext, metadata)[0]


def sealer(case):
    kid, ctr = int(case["kid"]), int(case["ctr"])
    cipher, header = FrameCipher(case["suite"], kid, base_key(case)), encode_header(kid, ctr)
    return lambda frame, metadata: cipher.seal(header, ctr, frame, metadata)


@pytest.mark.clause(*(f"frame.8-{n}" for n in (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 19, 20, 21)))
@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_codec_vectors(case):
    layout = layout_for(case["codec"], profile=Profile(case.get("profile", "whole")))
    sealed = bytes.fromhex(case["sealed"])
    if case["op"] == "codec.seal":
        assert layout.seal(bytes.fromhex(case["frame"]), sealer(case)) == sealed
    if case["result"] == "ok":
        assert layout.open(sealed, opener(case)).hex() == case["frame"]
    else:
        with pytest.raises(FrameRejected) as caught:
            layout.open(sealed, opener(case))
        assert caught.value.reason.value == case["result"]
        if case["result"] == "malformed":
            assert case["clause"] in (caught.value.clause, "frame.8-12")


def test_every_layout_has_cases_that_open_and_cases_that_do_not():
    results = {(case["codec"], case.get("profile", "whole"), case["result"] == "ok") for case in CASES}
    layouts = [("opus", "whole"), ("vp8", "whole"), ("vp9", "whole"), ("h264", "whole"), ("av1", "whole")]
    assert results == {(*layout, ok) for layout in [*layouts, ("vp8", "clear-header")] for ok in (True, False)}

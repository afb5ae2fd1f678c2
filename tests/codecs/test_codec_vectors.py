"""vectors/sframe/codec.json, strictly."""

import json
from pathlib import Path

import pytest

from e2ecall.codecs import layout_for
from e2ecall.errors import FrameRejected
from e2ecall.secret import SecretBytes
from e2ecall.sframe import Receiver, Sender

CASES = json.loads((Path(__file__).parents[2] / "vectors/sframe/codec.json").read_text(encoding="utf-8"))["cases"]


def opener(case):
    receiver = Receiver(case["suite"])
    receiver.add_key(int(case["kid"]), SecretBytes(bytes.fromhex(case["base_key"])))
    return lambda ciphertext, metadata: receiver.unprotect(ciphertext, metadata)[0]


@pytest.mark.clause(*(f"frame.8-{n}" for n in (2, 3, 4, 5, 6, 7, 8, 9, 10, 12)))
@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_codec_vectors(case):
    layout = layout_for(case["codec"])
    sealed = bytes.fromhex(case["sealed"])
    if case["op"] == "codec.seal":
        sender = Sender(
            case["suite"], int(case["kid"]), SecretBytes(bytes.fromhex(case["base_key"])), first_ctr=int(case["ctr"])
        )
        assert layout.seal(bytes.fromhex(case["frame"]), sender.protect) == sealed
    if case["result"] == "ok":
        assert layout.open(sealed, opener(case)).hex() == case["frame"]
    else:
        with pytest.raises(FrameRejected) as caught:
            layout.open(sealed, opener(case))
        assert caught.value.reason.value == case["result"]

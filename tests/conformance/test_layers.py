"""peer.3: under which layer an error is reported."""

import pytest

from e2ecall.conformance.request import Unsupported, layer_of
from e2ecall.errors import (
    ApiMisuse,
    CounterExhausted,
    FrameReason,
    FrameRejected,
    MalformedMessage,
    PeerIncompatible,
    PeerMisbehaved,
    StoreCorrupt,
    VerificationFailed,
)
from e2ecall.identity.ledger_check import Fault, LedgerBroken

LAYERS = {
    MalformedMessage: "malformed",
    PeerIncompatible: "incompatible",
    PeerMisbehaved: "misbehaved",
    VerificationFailed: "verification",
    CounterExhausted: "exhausted",
    ApiMisuse: "misuse",
    StoreCorrupt: "misuse",
    Unsupported: "misuse",
}


@pytest.mark.parametrize("kind", LAYERS)
def test_an_error_and_all_below_it_have_one_layer(kind):
    below = type("Below", (kind,), {})
    assert [layer_of(each("why")) for each in (kind, below, type("Deeper", (below,), {}))] == [LAYERS[kind]] * 3


def test_of_two_classes_above_an_error_the_nearer_one_decides():
    both = type("Both", (PeerMisbehaved, VerificationFailed), {})
    assert layer_of(both("why")) == "misbehaved"
    assert layer_of(type("Unclassified", (StoreCorrupt, VerificationFailed), {})("why")) == "verification"


def test_a_broken_ledger_is_a_verification_that_failed():
    assert layer_of(LedgerBroken(Fault.HEAD_SIGNATURE, 3, "why")) == "verification"


@pytest.mark.parametrize("reason", FrameReason)
def test_a_refused_frame_is_reported_by_its_reason(reason):
    layer = "replay" if reason is FrameReason.TOO_OLD else reason.value
    assert layer_of(FrameRejected(reason)) == layer
    assert layer_of(type("Below", (FrameRejected,), {})(reason)) == layer

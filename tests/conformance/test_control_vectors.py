"""vectors/control and vectors/rekey: every step of every case, with what it returns or how it is refused."""

import pytest

from e2ecall.call.records import Body, EpochRecords
from e2ecall.call.session import Session
from e2ecall.conformance.seeded import SeededRng
from e2ecall.crypto.sign import Signer
from e2ecall.errors import VerificationFailed
from e2ecall.handshake import Established, Profile, Role, Suite
from e2ecall.handshake.keys import session_keys
from e2ecall.identity import fresh_identity
from e2ecall.secret import SecretBytes
from support.vector_steps import VECTORS, clauses_of, load, marked, params, take

RECORDS = ("record", "record-refused")
CHANNELS = ("channel", "channel-sending", "message-refused")
REKEYS = ("rekey", "rk1-refused", "rk2-refused")


@pytest.mark.parametrize("case", params("control", *RECORDS))
@pytest.mark.clause("control.2-1", "control.2-2", "control.3-2")
def test_records(case):
    take(case)


@pytest.mark.parametrize("case", params("control", *CHANNELS))
@pytest.mark.clause("control.2-1", "control.2-2", "control.2-3", "control.2-4", "control.2-5", "control.2-6")
@pytest.mark.clause("control.2-7", "control.2-8", "control.3-2", "control.3-6", "kex.2-2", "kex.4-1", "kex.4-2")
def test_channels(case):
    take(case)


@pytest.mark.parametrize("case", params("rekey", *REKEYS))
@pytest.mark.clause("epoch.1-1", "epoch.1-2", "epoch.1-3", "epoch.1-4", "epoch.1-5", "epoch.1-6")
def test_rekeys(case):
    take(case)


@pytest.mark.parametrize("case", load("control", "signed", "control.signed"), ids=lambda case: case["name"])
@pytest.mark.clause("control.3-3", "control.3-4")
def test_signed_messages(case):
    """A session takes the heartbeat or receipt out of a record of epoch 0, whose th2 is the case's, or refuses it."""
    signer = (Role.CALLER, Role.CALLEE)[case["role"]]
    session = established(case, signer.other)
    record = EpochRecords(0, keys().control, signer).seal(
        Body({"heartbeat": 8, "receipt": 10}[case["label"]], 0, bytes.fromhex(case["fields"]))
    )
    if case["result"] == "ok":
        session.receive(record, 1.0)
        return
    with pytest.raises(VerificationFailed) as caught:
        session.receive(record, 1.0)
    assert (case["result"], case["clause"]) == ("verification", caught.value.clause)


@pytest.mark.parametrize(
    "case", [case for case in load("control", "signed", "control.signed") if "seed" in case], ids=lambda c: c["name"]
)
@pytest.mark.clause("control.3-3")
def test_signatures_are_made(case):
    signer = Signer(SecretBytes(bytes.fromhex(case["seed"])))
    assert signer.public.hex() == case["identity"]
    assert signer.sign(bytes.fromhex(case["signed"])).hex() == case["signature"]


def keys():
    """Some keys of an epoch."""
    return session_keys(SecretBytes(b"k" * 32), b"t" * 32)


def established(case, role):
    """The session of one side, whose other side has the identity of the case."""
    rng = SeededRng(bytes(32))
    result = Established(
        call_id=bytes(16),
        suite=Suite.X25519,
        sas=bytes(32),
        th2=bytes.fromhex(case["th2"]),
        keys=keys(),
        peer_identity=bytes.fromhex(case["identity"]),
        own_profile=Profile(),
        peer_profile=Profile(),
    )
    return Session(fresh_identity(rng), rng, role, result, 0.0)


@pytest.mark.parametrize(
    ("test", "folder", "names"),
    [(test_records, "control", RECORDS), (test_channels, "control", CHANNELS), (test_rekeys, "rekey", REKEYS)],
)
def test_the_marks_are_the_clauses_of_the_files(test, folder, names):
    assert marked(test) == clauses_of(folder, *names)


def test_every_file_is_run():
    assert {path.stem for path in (VECTORS / "control").iterdir()} == {*RECORDS, *CHANNELS, "signed"}
    assert {path.stem for path in (VECTORS / "rekey").iterdir()} == set(REKEYS)
    assert clauses_of("control", "signed", kind="control.signed") == {"control.3-3", "control.3-4"}


def test_the_files_are_small_enough_to_read():
    for folder in ("exchange", "control", "rekey"):
        sizes = {path.name: path.stat().st_size for path in (VECTORS / folder).iterdir()}
        assert max(sizes.values()) <= 200_000, sizes
        assert sum(sizes.values()) <= 1_000_000, folder

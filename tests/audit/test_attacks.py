"""Every attack succeeds on the design that leaves a rule out, and fails on the real exchange for that rule's reason."""

import pytest

from e2ecall.audit.attacks import CASES, FOUR, Target
from e2ecall.audit.attacks.copied_commitment import ROUNDS
from e2ecall.audit.attacks.result import Numbered, Watch
from e2ecall.audit.attacks.splice import Splice
from e2ecall.audit.attacks.weak import LINE, Leg, code_of, fresh_key
from e2ecall.call import attempt
from e2ecall.crypto.rng import SystemRng
from e2ecall.errors import PeerMisbehaved, VerificationFailed
from e2ecall.handshake import callee
from e2ecall.handshake.payload import SignedPayload
from e2ecall.handshake.state import SingleUse
from e2ecall.sas import emoji
from support.parties import SeededRng

pytestmark = pytest.mark.clause(
    "kex.2-6", "kex.3-1", "kex.3-2", "kex.5-1", "kex.6-1", "kex.6-3", "kex.6-5", "kex.7-4", "kex.9-1"
)

SMALL = {"late-ciphertext": 1}
"""Emoji compared, where the tests cannot wait: every ciphertext is an encapsulation."""
TRIES = 24
REFUSED = {
    "no-commit": {"VerificationFailed kex.6-3": 12},
    "copied-commitment": {"VerificationFailed kex.6-3": 12, "PeerMisbehaved kex.2-6": 12},
    "late-ciphertext": {"PeerMisbehaved kex.2-6": 12},
    "reflected-identity": {"PeerMisbehaved kex.7-4": 24},
    "two-openings": {"ApiMisuse kex.6-1": 12},
    "half-open": {"VerificationFailed kex.6-3": 3, "PeerMisbehaved kex.9-1": 12},
}
names = pytest.mark.parametrize("name", CASES)


def on(result):
    return True


def run(name, target, seed="a", tries=1 << 40, **kw):
    return CASES[name].run(target, SeededRng(seed), on, tries=tries, **kw)


@names
def test_the_weak_design_falls(name):
    result = run(name, Target.WEAK, compared=SMALL.get(name))
    assert result.fell
    assert result.alice == result.bob
    assert len(result.alice) == result.compared == SMALL.get(name, CASES[name].compared)
    assert result.refused == {}
    assert result.read == (None if name == "reflected-identity" else LINE)
    assert result.matches == (ROUNDS if name in {"copied-commitment", "reflected-identity"} else 1)


def test_four_emoji_collide_in_seconds_without_a_commitment():
    """Two lists of sqrt(333^4) = 110,889 on average; four times as many fail with a probability below 10^-6."""
    result = CASES["no-commit"].run(Target.WEAK, SystemRng(), on, tries=8 * 333**2)
    assert result.compared == FOUR
    assert result.fell
    assert result.alice == result.bob
    assert len(result.alice) == 4
    assert result.read == LINE


@names
def test_the_real_exchange_holds(name):
    result = run(name, Target.REAL, tries=TRIES)
    assert not result.fell
    assert result.tries == TRIES
    assert result.compared == FOUR
    assert result.read is None
    refused = dict(result.refused)
    if name == "half-open":  # how often a ring that is over is asked depends on nothing but the count
        assert refused["VerificationFailed kex.6-3"] == 3
        assert set(refused) <= CASES[name].refusals
        assert sum(refused.values()) == TRIES - 3 * 4 + 3
    else:
        assert refused == REFUSED[name]
    assert set(refused) <= CASES[name].refusals
    if result.bob:
        assert len(result.alice) == len(result.bob) == FOUR
        assert result.alice != result.bob


@pytest.mark.parametrize("name", ["no-commit", "copied-commitment"])
def test_without_the_comparison_of_the_opening_it_falls(name, monkeypatch):
    monkeypatch.setattr(callee, "constant_time_equal", lambda a, b: True)
    result = run(name, Target.REAL, tries=TRIES)
    assert result.matches == 1
    assert result.tries <= 2


def test_without_the_check_of_ones_own_identity_it_falls(monkeypatch):
    verify = SignedPayload.verify
    monkeypatch.setattr(SignedPayload, "verify", lambda data, own, label, th: verify(data, b"", label, th))
    result = run("reflected-identity", Target.REAL, tries=TRIES)
    assert (result.matches, result.tries) == (1, 1)
    assert result.alice == result.bob


def test_a_state_that_is_not_spent_is_what_two_openings_need(monkeypatch):
    monkeypatch.setattr(SingleUse, "_check_unspent", lambda self: None)
    result = run("two-openings", Target.REAL, tries=TRIES)
    assert "ApiMisuse kex.6-1" not in result.refused


def test_without_the_limit_each_new_offer_is_answered(monkeypatch):
    monkeypatch.setattr(attempt, "OFFERS_PER_RING", 1 << 30)
    result = run("half-open", Target.REAL, tries=TRIES)
    assert set(result.refused) == {"VerificationFailed kex.6-3"}
    assert result.refused["VerificationFailed kex.6-3"] == TRIES // 4


def test_the_middle_holds_the_keys_of_both_legs():
    """Without luck it knows what each of the two will show; it just cannot choose."""
    middle = Numbered(SeededRng("m"), "middle")
    call = Splice(Numbered(SeededRng("m"), "alice"), Numbered(SeededRng("m"), "bob"), middle)
    expected = call.to_alice.emoji(call.opened.reveal), call.to_bob.emoji(call.to_bob.nonce)
    assert call.shown() == expected
    assert expected[0] != expected[1]


def test_the_middles_own_seals_hold_but_for_the_commitment():
    """A reveal to another nonce fails at the opening and nowhere before, and the honest one is taken."""
    parties = [Numbered(SeededRng("s"), who) for who in ("alice", "bob", "middle")]
    call = Splice(*parties)
    with pytest.raises(VerificationFailed, match="the opening is not what was committed to"):
        call.bob.receive_reveal(call.to_bob.reveal(bytes(32)))
    call = Splice(*parties)
    assert call.bob.receive_reveal(call.to_bob.reveal(call.to_bob.nonce)).peer_profile.name == "Alice"


@names
@pytest.mark.parametrize("target", Target)
def test_it_stops_when_it_is_told_to(name, target):
    told = []

    def stop(result):
        told.append(result)
        return False

    case = CASES[name]
    result = case.run(target, SeededRng("stop"), stop, compared=FOUR)
    assert len(told) <= 1
    if told:
        assert told[0].tries <= result.tries <= 4200
    assert target is Target.WEAK or not result.fell


@names
def test_no_more_tries_than_allowed(name):
    for target in Target:
        assert run(name, target, tries=6, compared=FOUR).tries == 6


@pytest.mark.parametrize("name", sorted(set(CASES) - {"late-ciphertext"}))
def test_the_same_randomness_gives_the_same_attack(name):
    assert run(name, Target.WEAK, "x") == run(name, Target.WEAK, "x")


def test_the_watch():
    """A match is four equal emoji in the same order, and one unequal one is none."""
    row, other = emoji(bytes(32)), emoji(b"\0" * 31 + b"\1")
    watch = Watch(Target.REAL, on, most=10)
    assert not watch.judge(row, other)
    assert not watch.result().fell
    assert watch.judge(row, row)
    assert watch.result().matches == 1
    watch.refusal(PeerMisbehaved("no", clause="kex.2-6"))
    watch.refusal(PeerMisbehaved("no", clause="kex.2-6"))
    assert watch.result().refused == {"PeerMisbehaved kex.2-6": 2}
    short = Watch(Target.WEAK, on, most=10, compared=3)
    assert short.judge(row, other)
    assert short.result().alice == row[:3]


def test_the_fast_hash_is_what_the_devices_compute():
    one, other = fresh_key(Numbered(SeededRng("f"), "one")), fresh_key(Numbered(SeededRng("f"), "other"))
    leg = Leg(one, other.public)
    grind = leg.grinder(b"before", b"after", FOUR)
    nonce = bytes(range(32))
    covered = b"before" + len(nonce).to_bytes(4, "big") + nonce + b"after"
    code = 0
    for each in leg.emoji(covered):
        code = code * 333 + each.index
    assert grind(nonce) == code == code_of(leg.sas(covered), FOUR)
    assert leg.open(Leg(other, one.public).seal("hello")) == "hello"
    with pytest.raises(VerificationFailed):
        Leg(one, one.public).open(leg.seal("hello"))


def test_every_case_names_what_stops_it():
    for name, case in CASES.items():
        assert case.name == name
        assert case.clauses
        assert case.weakness != case.defence
        assert {refusal.split()[1] for refusal in case.refusals} & set(case.clauses)

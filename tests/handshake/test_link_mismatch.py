"""kex.8.5: what does not match fails alike, loudly, without a fallback, and tells the other side nothing."""

import pytest

from e2ecall.call.events import CallEnded, EndReason, IncomingCall, MessageRefused
from e2ecall.call.one_to_one import CallEstablished
from e2ecall.errors import VerificationFailed
from e2ecall.handshake import LinkSecret
from e2ecall.secret import SecretBytes
from sim import Person, World
from support.parties import SeededRng, link_secret

MISMATCHES = {
    "missing": (None, link_secret()),
    "unexpected": (link_secret(), None),
    "another": (link_secret(7), link_secret(8)),
    "one bit": (link_secret(7), link_secret(6)),
}


def attempt(theirs, ours, seed=None):
    alice, bob = Person("alice", seed, secret=theirs), Person("bob", secret=ours)
    alice.dial()
    world = World(alice, bob)
    world.run()
    return alice, bob, world


@pytest.mark.clause("kex.8-1", "kex.8-10")
@pytest.mark.parametrize("case", MISMATCHES)
def test_every_mismatch_is_told_to_the_callee_in_the_same_words(case):
    _, bob, _ = attempt(*MISMATCHES[case])
    (refused,) = bob.refusals
    assert type(refused) is VerificationFailed
    assert str(refused) == "the link secrets do not match (clause kex.8-1)"
    assert vars(refused) == {"message": "the link secrets do not match", "clause": "kex.8-1"}
    assert [type(event) for event in bob.events] == [MessageRefused]


@pytest.mark.clause("kex.8-1", "kex.8-10")
@pytest.mark.parametrize("case", MISMATCHES)
def test_the_callee_answers_nothing_and_the_caller_only_waits_in_vain(case):
    alice, bob, world = attempt(*MISMATCHES[case])
    assert len(world.transcript) == 1  # m1, and no word back
    assert alice.events == []
    sent_by_bob = []
    world.tamper = lambda sender, data: sent_by_bob.extend([data] if sender is bob else []) or [data]
    world.pass_time(300, step=5.0)
    assert sent_by_bob == []
    assert [(type(event), event.reason) for event in alice.events] == [(CallEnded, EndReason.NO_ANSWER)]
    assert not bob.all(IncomingCall) + bob.all(CallEstablished) + alice.all(CallEstablished)
    assert {str(error) for error in bob.refusals} == {"the link secrets do not match (clause kex.8-1)"}


class Copied(LinkSecret):
    """Another secret under a psk_id that was overheard."""

    __slots__ = ("overheard",)

    def psk_id(self, call_id):
        return self.overheard


@pytest.mark.clause("kex.8-1", "kex.8-10", "kex.7-5")
def test_a_copied_psk_id_gets_an_answer_and_fails_at_m3():
    call_id = SeededRng("alice rng").draw("call id", 16)  # the same call, or the psk_id would be another
    thief = Copied(SecretBytes(b"\x55" * 16))
    thief.overheard = link_secret().psk_id(call_id)
    mallory, bob, world = attempt(thief, link_secret(), seed="alice rng")
    assert thief.overheard in world.transcript[0]
    assert len(world.transcript) == 3  # m1, m2, m3, and no m4
    (refused,) = bob.refusals
    assert type(refused) is VerificationFailed
    assert refused.message == "the caller's proof does not authenticate"
    assert not bob.all(IncomingCall) + bob.all(CallEstablished)
    assert mallory.events == []
    world.pass_time(300, step=5.0)
    (ended,) = mallory.ended
    assert (ended.reason, ended.message) == (EndReason.NO_PROOF, "no proof from the other side")
    assert not bob.all(IncomingCall) + bob.all(CallEstablished)


@pytest.mark.clause("kex.8-1")
def test_a_psk_id_of_another_call_is_another_one():
    thief = Copied(SecretBytes(b"\x55" * 16))
    thief.overheard = link_secret().psk_id(bytes(16))
    _, bob, world = attempt(thief, link_secret())
    assert [str(error) for error in bob.refusals] == ["the link secrets do not match (clause kex.8-1)"]
    assert len(world.transcript) == 1

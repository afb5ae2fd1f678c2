"""The call of two without IO: honest, repeated, reordered, crossed, limited, ended; and the control channel."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2ecall.call.events import EndReason
from e2ecall.call.messages import Candidate, Chat
from e2ecall.call.one_to_one import CallEstablished, IncomingCall, MessageRefused
from e2ecall.errors import ApiMisuse, PeerMisbehaved, VerificationFailed
from e2ecall.handshake import AbortReason, Profile, Role
from sim import Person, World, established
from support.parties import DIRECT_ALICE, link_secret


def test_a_call():
    alice, bob, world = established()
    assert alice.result.sas == bob.result.sas
    assert alice.all(CallEstablished)[0].role is Role.CALLER
    assert bob.all(CallEstablished)[0].role is Role.CALLEE
    assert bob.all(IncomingCall)[0].profile.name == "alice"
    assert not alice.refusals + bob.refusals
    assert len(world.transcript) == 4


def test_a_call_with_a_link():
    alice, bob = (Person(name, secret=link_secret()) for name in ("alice", "bob"))
    alice.dial()
    World(alice, bob).run()
    assert alice.result.sas == bob.result.sas


@pytest.mark.clause("kex.8-1")
def test_another_link_is_told_on_the_callee_side():
    alice, bob = Person("alice", secret=link_secret(1)), Person("bob", secret=link_secret(2))
    alice.dial()
    World(alice, bob).run()
    assert alice.result is bob.result is None
    assert [type(error) for error in bob.refusals] == [VerificationFailed]


@pytest.mark.clause("kex.6-5", "kex.5-1", "kex.9-1")
@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2**32),
    st.floats(0, 0.5),
    st.floats(0, 0.9),
    st.floats(0, 1),
)
def test_loss_repetition_and_reordering_never_give_two_results(seed, loss, repeat, reorder):
    alice, bob = Person("alice"), Person("bob")
    alice.dial()
    World(alice, bob, loss=loss, repeat=repeat, reorder=reorder, seed=seed).run()
    assert len(alice.all(CallEstablished)) <= 1
    assert len(bob.all(CallEstablished)) <= 1
    if alice.result:
        assert alice.result.sas == bob.result.sas
    if not loss:
        assert alice.result


@pytest.mark.clause("kex.6-5")
def test_the_same_offer_again_gets_the_same_answer():
    alice, bob = Person("alice"), Person("bob")
    alice.dial()
    (offer,) = alice.send()
    bob.take(offer)
    bob.take(offer)
    first, second = bob.send()
    assert first == second
    alice.take(offer)  # its own m1, reflected
    assert not alice.events
    assert not alice.send()


@pytest.mark.clause("kex.9-1")
def test_one_answer_is_outstanding_and_three_offers_a_ring():
    bob = Person("bob")
    offers = []
    for n in range(5):
        caller = Person("alice", seed=f"call {n}")
        caller.dial()
        offers.append((caller, *caller.send()))
    bob.take(offers[0][1])
    bob.take(offers[1][1])
    assert [error.message for error in bob.refusals] == ["an offer while another attempt is under way"]
    for n, (caller, offer) in enumerate(offers):
        bob.take(offer)
        for answer in bob.send():
            caller.take(answer)
        for reveal in caller.send():
            bob.take(reveal[:-1] + bytes([reveal[-1] ^ 1]))  # ends this attempt, not the ring
        assert (bob.refusals[-1].message == "more offers than one ring answers") == (n >= 3)
    assert bob.result is None
    assert bob.call.refused == len(bob.refusals)


@pytest.mark.clause("kex.6-5", "kex.9-1")
def test_an_offer_whose_attempt_failed_gets_no_second_answer():
    """A middle that knows nonce_A could otherwise draw m2 after m2 until the emoji suit it."""
    bob, alice = Person("bob"), Person("alice")
    alice.dial()
    (offer,) = alice.send()
    bob.take(offer)
    (answer,) = bob.send()
    alice.take(answer)
    (reveal,) = alice.send()
    bob.take(reveal[:-1] + bytes([reveal[-1] ^ 1]))
    bob.take(offer)
    assert not bob.send()
    assert bob.refusals[-1].clause == "kex.6-5"


@pytest.mark.clause("kex.9-2")
def test_one_offer_per_act():
    alice = Person("alice")
    alice.dial()
    with pytest.raises(ApiMisuse):
        alice.dial()
    over = Person("alice")
    over.call.end()
    with pytest.raises(ApiMisuse):
        over.dial()
    assert not over.send()


def test_an_own_profile_that_does_not_fit_shows_at_once():
    with pytest.raises(ApiMisuse, match="fingerprint"):
        Person("alice", profile=Profile(DIRECT_ALICE.mode))


def test_the_keys_are_wiped_when_the_call_is_over():
    alice, bob, _ = established()
    bob.call.end()
    World(alice, bob).run()
    for person in (alice, bob):
        keys = person.result.keys
        assert all(secret.wiped for secret in (keys.base_key, keys.chain, keys.control.caller_key))


@pytest.mark.clause("kex.9-3")
@pytest.mark.parametrize("seed", range(6))
def test_crossed_offers(seed):
    alice, bob = Person("alice", seed=f"a{seed}"), Person("bob", seed=f"b{seed}")
    alice.dial()
    bob.dial()
    World(alice, bob).run()
    assert alice.result.sas == bob.result.sas
    assert {alice.all(CallEstablished)[0].role, bob.all(CallEstablished)[0].role} == {Role.CALLER, Role.CALLEE}


def test_crossed_offers_fall_both_ways():
    callers = set()
    for seed in range(6):
        alice, bob = Person("alice", seed=f"a{seed}"), Person("bob", seed=f"b{seed}")
        alice.dial()
        bob.dial()
        World(alice, bob).run()
        callers.add(alice.all(CallEstablished)[0].role)
    assert callers == {Role.CALLER, Role.CALLEE}


@pytest.mark.clause("kex.6-6")
def test_nothing_is_accepted_without_the_person():
    alice, bob = Person("alice"), Person("bob", answers=False)
    alice.dial()
    World(alice, bob).run()
    assert bob.all(IncomingCall)
    assert alice.result is bob.result is None
    with pytest.raises(ApiMisuse, match="nobody is calling"):
        alice.call.accept(0.0)
    bob.handle(bob.call.accept(0.0))
    World(alice, bob).run()
    assert alice.result.sas == bob.result.sas


@pytest.mark.clause("kex.2-7")
def test_declining_is_a_hint_and_ends_the_attempt():
    alice, bob = Person("alice"), Person("bob", answers=False)
    alice.dial()
    World(alice, bob).run()
    bob.call.end(AbortReason.DECLINED)
    bob.call.end()
    World(alice, bob).run()
    assert [(end.reason, end.authenticated) for end in alice.ended] == [(EndReason.ABORTED, False)]
    with pytest.raises(ApiMisuse):
        bob.call.accept(0.0)


@pytest.mark.clause("kex.2-7", "control.3-1")
def test_an_abort_does_not_end_an_established_call_and_a_bye_does():
    alice, bob, _ = established()
    abort = b"\1\1\5" + alice.result.call_id + b"\1"
    alice.take(abort)
    assert not alice.ended
    bob.call.end()
    World(alice, bob).run()
    assert [(end.reason, end.authenticated) for end in alice.ended] == [(EndReason.HUNG_UP, True)]
    with pytest.raises(ApiMisuse):
        alice.call.send(Candidate("0", ""))
    alice.take(abort)
    assert len(alice.ended) == 1


@pytest.mark.clause("kex.2-7")
def test_an_abort_of_another_call_is_nothing():
    alice, bob = Person("alice"), Person("bob", answers=False)
    alice.dial()
    World(alice, bob).run()
    alice.take(b"\1\1\5" + bytes(16) + b"\1")
    assert not alice.ended
    alice.call.end()
    assert not alice.ended
    fresh = Person("carol")
    fresh.call.end()
    assert not fresh.send()


@pytest.mark.clause("kex.7-5")
def test_a_forged_finish_ends_the_callers_attempt_with_its_reason():
    def tamper(sender, data):
        return [data[:-1] + bytes([data[-1] ^ 1])] if data[2] == 4 else [data]

    alice, _, _ = established(tamper=tamper)
    assert alice.result is None
    assert alice.all(MessageRefused)[0].fatal
    assert [(end.reason, end.message) for end in alice.ended] == [
        (EndReason.REFUSED, "the callee's proof does not authenticate")
    ]


@pytest.mark.clause("kex.7-6")
def test_both_sides_name_the_same_mode():
    alice, bob = Person("alice", profile=DIRECT_ALICE), Person("bob", answers=False)
    alice.dial()
    World(alice, bob).run()
    with pytest.raises(VerificationFailed, match="one side says direct"):
        bob.call.accept(0.0)
    assert not bob.send()
    bob.handle(bob.call.accept(0.0, Profile(DIRECT_ALICE.mode, DIRECT_ALICE.fingerprints)))
    World(alice, bob).run()
    assert alice.result

    alice, bob = Person("alice"), Person("bob", answers=False)
    alice.dial()
    World(alice, bob).run()
    ringing = bob.call._attempt._state
    finish, _ = ringing.accept(DIRECT_ALICE)  # a callee that does not look
    alice.take(b"\1" + finish)
    assert alice.result is None
    assert [type(error) for error in alice.refusals] == [VerificationFailed]


@pytest.mark.clause("control.1-1", "kex.2-6")
def test_messages_that_nothing_waits_for():
    alice, _, world = established()
    for data in (b"", b"\7x", b"\1", world.transcript[1][:-1] + b"\1"):
        before = len(alice.refusals)
        alice.take(data)
        assert len(alice.refusals) == before + 1
    before = len(alice.refusals)
    for data in world.transcript[:2] + world.transcript[3:]:  # repeated byte for byte: nothing happens
        alice.take(data)
    assert len(alice.refusals) == before
    alice.take(world.transcript[2])  # its own m3, reflected
    assert len(alice.refusals) == before + 1
    assert not alice.ended
    early = Person("alice")
    early.take(b"\2" + bytes(40))
    assert [type(error) for error in early.refusals] == [PeerMisbehaved]


def test_control_messages_both_ways():
    alice, bob, world = established()
    alice.call.send(Candidate("0", "candidate"))
    bob.call.send(Chat("hello"))
    world.run()
    assert bob.said == [Candidate("0", "candidate")]
    assert alice.said == [Chat("hello")]

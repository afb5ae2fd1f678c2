"""identity.3 and 4: what a key means in a slot, in each direction, under each suite, by a link, in each mode."""

import pytest

from e2ecall.errors import ApiMisuse, VerificationFailed
from e2ecall.identity.contacts import Slot
from e2ecall.identity.continuity import Method, Mode, Trust, Why
from support.contact_books import (
    CALL,
    CHANGED,
    K1,
    K2,
    K3,
    K4,
    KNOWN,
    MODES,
    OTHER_ROOM,
    ROOM,
    brief,
    met,
    seen,
    trust,
    verified,
)

# -- calls to a slot --------------------------------------------------------------------------------------------------


@pytest.mark.clause("identity.3-1", "identity.4-1")
def test_a_first_call_asks_and_is_kept_only_after_a_yes(book, bob):
    judged = met(book, bob, K1)
    assert brief(judged) == (Trust.UNKNOWN, Why.FIRST_CALL, True)
    assert judged.asks
    assert trust(book, bob, K1) is None
    assert not book.changes
    seen(book, bob, K1)
    judged = met(book, bob, K1)
    assert brief(judged) == KNOWN
    assert not judged.asks


@pytest.mark.clause("identity.3-3", "identity.4-4")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("by_link", [False, True])
def test_any_other_key_of_a_slot_with_keys_is_changed(book, bob, mode, by_link):
    seen(book, bob, K1)
    judged = met(book, bob, K2, mode=mode, by_link=by_link)
    assert brief(judged) == CHANGED
    assert not judged.asks
    assert trust(book, bob, K2) is Trust.CHANGED
    assert brief(met(book, bob, K2, mode=mode, by_link=by_link)) == CHANGED  # and again
    assert brief(met(book, bob, K1)) == KNOWN  # the old key is what it was


@pytest.mark.clause("identity.3-3")
@pytest.mark.parametrize("mode", MODES)
def test_another_contacts_verified_key_is_changed_also_in_an_empty_slot(book, bob, carol, mode):
    verified(book, carol, K2)
    judged = met(book, bob, K2, mode=mode)
    assert brief(judged) == (Trust.CHANGED, Why.OTHER_CONTACT, True)
    assert (judged.name, judged.other) == ("Bob", "Carol")
    assert brief(met(book, carol, K2)) == (Trust.VERIFIED, Why.KNOWN, False)  # Carol is not less for it
    assert brief(met(book, None, K2)) == (Trust.VERIFIED, Why.KNOWN, False)
    for act in (
        lambda: book.accept_key(bob, K2, now=6),
        lambda: book.verified(bob, K2, method=Method.QR, call=CALL, post_quantum=True, now=6),
        lambda: book.revoke(bob, K2, now=6),
    ):
        with pytest.raises(VerificationFailed, match="Carol's"):
            act()
    with pytest.raises(ApiMisuse):
        book.seen(bob, K2, post_quantum=True, now=6)
    assert trust(book, carol, K2) is Trust.VERIFIED
    assert trust(book, bob, K2) is Trust.CHANGED


@pytest.mark.clause("identity.3-3")
@pytest.mark.parametrize("end", ["revoked", "mismatched"])
def test_a_slot_that_lost_all_its_keys_still_takes_no_other(book, bob, end):
    seen(book, bob, K1)
    if end == "revoked":
        book.revoke(bob, K1, now=4)
    else:
        book.mismatch(bob, K1, method=Method.EMOJI, call=CALL, now=4)
    assert brief(met(book, bob, K2)) == CHANGED


@pytest.mark.clause("identity.3-9")
def test_an_accepted_key_is_seen_beside_the_old_one(book, bob):
    verified(book, bob, K1)
    met(book, bob, K2)
    assert book.accept_key(bob, K2, now=7) is Trust.SEEN
    assert brief(met(book, bob, K2)) == KNOWN
    assert brief(met(book, bob, K1)) == (Trust.VERIFIED, Why.KNOWN, False)
    with pytest.raises(ApiMisuse):
        book.accept_key(bob, K2, now=8)
    with pytest.raises(ApiMisuse):
        book.accept_key(bob, K3, now=8)


@pytest.mark.clause("identity.3-9", "identity.3-11")
def test_a_comparison_settles_a_changed_key(book, bob):
    verified(book, bob, K1)
    met(book, bob, K2)
    with pytest.raises(ApiMisuse):
        book.seen(bob, K2, post_quantum=True, now=6)
    with pytest.raises(ApiMisuse):
        book.stated(bob, K2, method=Method.STATEMENT, now=6)
    verified(book, bob, K2, method=Method.DIGITS)
    judged = met(book, bob, K2)
    assert brief(judged) == (Trust.VERIFIED, Why.KNOWN, False)
    assert (judged.method, judged.verified_at) == (Method.DIGITS, 3)


@pytest.mark.clause("identity.3-4")
@pytest.mark.parametrize("mode", MODES)
def test_revoked_blocks_everywhere_and_for_good(book, bob, carol, mode):
    verified(book, bob, K1)
    assert book.revoke(bob, K1, now=4) is Trust.REVOKED
    for slot in (bob, carol, None):
        assert brief(met(book, slot, K1, mode=mode, by_link=True)) == (Trust.REVOKED, Why.REVOKED, True)
    for act in (
        lambda: book.seen(bob, K1, post_quantum=True, now=5),
        lambda: book.verified(bob, K1, method=Method.QR, call=CALL, post_quantum=True, now=5),
        lambda: book.stated(bob, K1, method=Method.STATEMENT, now=5),
        lambda: book.accept_key(bob, K1, now=5),
        lambda: book.seen(carol, K1, post_quantum=True, now=5),
    ):
        with pytest.raises(ApiMisuse):
            act()
    with pytest.raises(VerificationFailed):
        book.verified(carol, K1, method=Method.QR, call=CALL, post_quantum=True, now=5)
    assert book.revoke(bob, K1, now=6) is Trust.REVOKED
    assert book.mismatch(bob, K1, method=Method.QR, call=CALL, now=6) is Trust.REVOKED
    record = book.all[bob.contact].record(K1)
    assert (record.trust, record.why) == (Trust.REVOKED, Why.REVOKED)
    assert met(book, None, K1).name == "Bob"
    assert book.revoke(carol, K4, now=7) is Trust.REVOKED  # one that was never met


# -- the suite --------------------------------------------------------------------------------------------------------


@pytest.mark.clause("identity.3-5")
@pytest.mark.parametrize("how", ["seen", "verified", "met"])
@pytest.mark.parametrize("incoming", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_who_was_post_quantum_and_comes_back_without_is_changed(book, bob, how, incoming, mode):
    if how == "verified":
        verified(book, bob, K1)
    elif how == "seen":
        seen(book, bob, K1)
    else:
        met(book, bob, K1, mode=Mode.ACCEPT_NEW)
    slot = None if incoming else bob
    changed = (Trust.CHANGED, Why.NOT_POST_QUANTUM_ANY_MORE, True)
    assert brief(met(book, slot, K1, post_quantum=False, mode=mode)) == changed
    assert brief(met(book, slot, K1, post_quantum=True, mode=mode)) == changed  # until a person acts
    book.accept_key(bob, K1, now=6)
    assert brief(met(book, slot, K1, post_quantum=False)) == KNOWN
    met(book, slot, K1, post_quantum=True)
    assert brief(met(book, slot, K1, post_quantum=False)) == changed


@pytest.mark.clause("identity.3-5")
def test_it_is_the_contact_that_was_post_quantum_not_the_key(book, bob):
    seen(book, bob, K1)
    met(book, bob, K2)
    book.accept_key(bob, K2, now=6)
    assert met(book, bob, K2, post_quantum=False).why is Why.NOT_POST_QUANTUM_ANY_MORE


@pytest.mark.clause("identity.3-5")
def test_who_never_was_post_quantum_is_not_changed(book, bob):
    seen(book, bob, K1, post_quantum=False)
    assert brief(met(book, bob, K1, post_quantum=False)) == KNOWN
    met(book, bob, K2, post_quantum=True)  # a refused key says nothing of the contact
    assert brief(met(book, bob, K1, post_quantum=False)) == KNOWN


@pytest.mark.clause("identity.3-5")
def test_a_comparison_in_the_weaker_call_settles_it_too(book, bob):
    verified(book, bob, K1)
    met(book, bob, K1, post_quantum=False)
    verified(book, bob, K1, post_quantum=False)
    assert brief(met(book, bob, K1, post_quantum=False)) == (Trust.VERIFIED, Why.KNOWN, False)


# -- incoming ---------------------------------------------------------------------------------------------------------


@pytest.mark.clause("identity.3-6")
def test_an_incoming_call_is_the_contact_whose_key_it_is(book, bob, carol):
    verified(book, bob, K1)
    seen(book, carol, K2)
    assert [met(book, None, key).name for key in (K1, K2, K3)] == ["Bob", "Carol", None]
    judged = met(book, None, K3)
    assert brief(judged) == (Trust.UNKNOWN, Why.UNKNOWN_CALLER, True)
    assert judged.asks
    assert len(book.all) == 2


@pytest.mark.clause("identity.3-6")
def test_a_key_that_was_refused_for_a_contact_is_refused_when_it_calls(book, bob):
    seen(book, bob, K1)
    met(book, bob, K2)
    judged = met(book, None, K2)
    assert brief(judged) == CHANGED
    assert judged.name == "Bob"


@pytest.mark.clause("identity.3-3")
def test_an_incoming_call_on_a_standing_link_takes_that_contacts_keys_only(book, bob, carol):
    seen(book, bob, K1)
    seen(book, carol, K2)
    slot = book.keep_link(ROOM, bob.contact)
    assert brief(met(book, slot, K1, by_link=True)) == KNOWN
    assert met(book, slot, K2, by_link=True).why is Why.OTHER_CONTACT
    assert brief(met(book, slot, K3, by_link=True)) == CHANGED


# -- links ------------------------------------------------------------------------------------------------------------


@pytest.mark.clause("identity.3-7")
def test_a_link_makes_a_first_key_seen_by_link_and_no_more(book, bob):
    judged = met(book, bob, K1, by_link=True)
    assert (*brief(judged), judged.by_link, judged.method) == (Trust.SEEN, Why.BY_LINK, False, True, Method.LINK)
    judged = met(book, bob, K1)
    assert (*brief(judged), judged.by_link) == (*KNOWN, True)
    assert book.stated(bob, K1, method=Method.LINK, now=8) is Trust.VERIFIED
    judged = met(book, bob, K1)
    assert (judged.trust, judged.method, judged.verified_at) == (Trust.VERIFIED, Method.LINK, 8)


@pytest.mark.clause("identity.3-7")
def test_a_private_link_is_no_reason_for_a_key_that_came_by_none(book, bob):
    seen(book, bob, K1)
    met(book, bob, K1, by_link=True)  # known before: the link adds nothing
    met(book, bob, K2, by_link=True)
    for key in (K1, K2, K3):
        with pytest.raises(ApiMisuse, match="by a link"):
            book.stated(bob, key, method=Method.LINK, now=8)
    book.accept_key(bob, K2, now=9)
    with pytest.raises(ApiMisuse, match="by a link"):
        book.stated(bob, K2, method=Method.LINK, now=10)


@pytest.mark.clause("identity.3-7", "identity.3-9")
def test_what_a_link_brought_and_a_person_accepted_anew_is_not_by_link_any_more(book, bob):
    met(book, bob, K1, by_link=True)
    book.mismatch(bob, K1, method=Method.EMOJI, call=CALL, now=6)
    book.accept_key(bob, K1, now=7)
    assert not met(book, bob, K1).by_link
    with pytest.raises(ApiMisuse, match="by a link"):
        book.stated(bob, K1, method=Method.LINK, now=8)


@pytest.mark.clause("identity.3-7", "identity.3-6")
def test_a_link_call_without_a_contact_makes_one_that_claims_no_name(book):
    judged = met(book, None, K1, by_link=True)
    assert brief(judged) == (Trust.SEEN, Why.BY_LINK, False)
    assert judged.name == "unnamed 01010101"
    assert brief(met(book, None, K1)) == KNOWN


@pytest.mark.clause("identity.3-8")
def test_a_link_serves_one_call_unless_it_is_kept(book, bob, carol):
    assert book.use_link(ROOM, now=5) is None
    with pytest.raises(VerificationFailed, match="served its one call"):
        book.use_link(ROOM, now=6)
    kept = book.keep_link(OTHER_ROOM, bob.contact)
    assert kept == Slot(bob.contact, OTHER_ROOM) == book.slot_of_link(OTHER_ROOM)
    assert [book.use_link(OTHER_ROOM, now=each) for each in (7, 8)] == [kept, kept]
    assert book.link(OTHER_ROOM).used_at == 8
    with pytest.raises(ApiMisuse):
        book.keep_link(OTHER_ROOM, carol.contact)
    assert book.slot_of_link(ROOM) is None
    assert book.keep_link(ROOM, bob.contact) == book.use_link(ROOM, now=9)
    with pytest.raises(ApiMisuse):
        book.use_link(b"short", now=1)


# -- modes ------------------------------------------------------------------------------------------------------------


@pytest.mark.clause("identity.4-2")
def test_accept_new_lets_a_first_key_in_without_asking(book, bob):
    judged = met(book, bob, K1, mode=Mode.ACCEPT_NEW)
    assert (*brief(judged), judged.asks) == (Trust.SEEN, Why.FIRST_CALL, False, False)
    assert trust(book, bob, K1) is Trust.SEEN
    judged = met(book, None, K2, mode=Mode.ACCEPT_NEW)
    assert (*brief(judged), judged.name) == (Trust.SEEN, Why.UNKNOWN_CALLER, False, "unnamed 02020202")
    assert brief(met(book, bob, K2, mode=Mode.ACCEPT_NEW)) == (Trust.CHANGED, Why.OTHER_CONTACT, True)


@pytest.mark.clause("identity.4-3")
def test_strict_lets_verified_keys_in_and_no_others(book, bob, carol):
    strict = {"mode": Mode.STRICT}
    for slot in (bob, None):
        judged = met(book, slot, K1, **strict)
        assert (*brief(judged), judged.asks) == (Trust.UNKNOWN, Why.STRICT, True, False)
    assert trust(book, bob, K1) is None
    seen(book, bob, K1)
    assert brief(met(book, bob, K1, **strict)) == (Trust.SEEN, Why.STRICT, True)
    assert brief(met(book, carol, K2, by_link=True, **strict)) == (Trust.SEEN, Why.STRICT, True)
    verified(book, bob, K1)
    assert brief(met(book, bob, K1, **strict)) == (Trust.VERIFIED, Why.KNOWN, False)

"""identity.3: comparisons, mismatches and receipts of a contact; its bounds, names, and what is noted of it."""

import pytest

from e2ecall.errors import ApiMisuse, VerificationFailed
from e2ecall.identity.contacts import CHANGED_KEYS_KEPT, Contacts, Slot, judge_outgoing
from e2ecall.identity.continuity import COMPARISONS, Happening, Method, Mode, Trust, Why
from support.contact_books import (
    CALL,
    CHANGED,
    K1,
    K2,
    K3,
    K4,
    NEXT_CALL,
    RNG,
    brief,
    met,
    seen,
    verified,
)

# -- comparisons ------------------------------------------------------------------------------------------------------


@pytest.mark.clause("identity.3-11")
def test_a_comparison_in_the_first_call_verifies(book, bob):
    met(book, bob, K1)
    verified(book, bob, K1)
    judged = met(book, bob, K1)
    assert (judged.trust, judged.method, judged.verified_at) == (Trust.VERIFIED, Method.EMOJI, 3)
    assert met(book, bob, K1, post_quantum=False).why is Why.NOT_POST_QUANTUM_ANY_MORE  # this call was remembered


@pytest.mark.clause("identity.3-11")
@pytest.mark.parametrize("method", [Method.LINK, Method.STATEMENT])
def test_what_compares_nothing_verifies_nothing_in_a_call(book, bob, method):
    seen(book, bob, K1)
    with pytest.raises(ApiMisuse, match="compares nothing"):
        book.verified(bob, K1, method=method, call=CALL, post_quantum=True, now=3)
    with pytest.raises(ApiMisuse, match="id of a call"):
        book.verified(bob, K1, method=Method.QR, call=b"", post_quantum=True, now=3)


@pytest.mark.clause("identity.3-11")
def test_a_statement_outside_a_call_needs_a_key_that_was_met(book, bob):
    with pytest.raises(ApiMisuse):
        book.stated(bob, K1, method=Method.STATEMENT, now=3)
    seen(book, bob, K1)
    assert book.stated(bob, K1, method=Method.STATEMENT, now=4) is Trust.VERIFIED


@pytest.mark.clause("identity.3-12")
@pytest.mark.parametrize("before", ["unknown", "seen", "verified"])
def test_a_mismatch_is_counted_and_its_key_is_not_verified_in_that_call(book, bob, before):
    if before != "unknown":
        seen(book, bob, K1)
    if before == "verified":
        verified(book, bob, K1, call=NEXT_CALL)
    for _ in range(2):  # told twice, counted once
        assert book.mismatch(bob, K1, method=Method.EMOJI, call=CALL, now=5) is Trust.CHANGED
        assert met(book, bob, K1).mismatches == 1
    assert brief(met(book, bob, K1)) == (Trust.CHANGED, Why.MISMATCH, True)
    for accepted in (False, True):
        if accepted:
            assert book.accept_key(bob, K1, now=6) is Trust.SEEN
        with pytest.raises(VerificationFailed, match="failed in this call") as caught:
            book.verified(bob, K1, method=Method.QR, call=CALL, post_quantum=True, now=7)
        assert caught.value.clause == "identity.3-12"
    verified(book, bob, K1, call=NEXT_CALL)
    assert met(book, bob, K1).mismatches == 1  # it stays counted


@pytest.mark.clause("identity.3-12")
def test_mismatches_are_counted_per_contact_through_its_keys(book, bob, carol):
    seen(book, bob, K1)
    book.mismatch(bob, K1, method=Method.EMOJI, call=CALL, now=5)
    book.mismatch(bob, K2, method=Method.DIGITS, call=CALL, now=6)
    book.mismatch(bob, K2, method=Method.DIGITS, call=NEXT_CALL, now=7)
    assert met(book, bob, K3).mismatches == 3
    assert met(book, carol, K4).mismatches == 0
    with pytest.raises(VerificationFailed):
        book.verified(bob, K1, method=Method.QR, call=CALL, post_quantum=True, now=8)
    verified(book, bob, K1, call=NEXT_CALL)


@pytest.mark.clause("identity.3-12")
def test_after_a_mismatch_in_a_first_call_that_was_not_let_in_the_true_key_is_a_first_call(book, bob):
    book.mismatch(bob, K1, method=Method.EMOJI, call=CALL, now=5)
    assert brief(met(book, bob, K1)) == (Trust.CHANGED, Why.MISMATCH, True)
    assert brief(met(book, bob, K2)) == (Trust.UNKNOWN, Why.FIRST_CALL, True)


@pytest.mark.clause("identity.3-13")
def test_a_receipt_changes_nothing(book, bob):
    met(book, bob, K1, mode=Mode.ACCEPT_NEW)
    verified(book, bob, K2)
    met(book, bob, K3)
    book.revoke(bob, K4, now=4)
    before, changes = dict(book.all), len(book.changes)
    trusts = [book.receipt(bob, key) for key in (K1, K2, K3, K4, b"5" * 32)]
    assert trusts == [Trust.SEEN, Trust.VERIFIED, Trust.CHANGED, Trust.REVOKED, Trust.UNKNOWN]
    assert dict(book.all) == before
    assert len(book.changes) == changes


# -- bounds, names, changes -------------------------------------------------------------------------------------------


@pytest.mark.clause("identity.3-15")
def test_refused_keys_are_kept_in_a_bounded_number_and_stay_refused(book, bob):
    verified(book, bob, K1)
    book.mismatch(bob, K2, method=Method.EMOJI, call=CALL, now=5)
    others = [bytes([each]) * 32 for each in range(50, 100)]
    for now, key in enumerate(others, 100):
        assert brief(met(book, bob, key, now=now)) == CHANGED
    kept = [each.key for each in book.all[bob.contact].keys]
    assert kept == [K1, K2, *others[-CHANGED_KEYS_KEPT:]]
    assert brief(judge_outgoing(book.all, bob, others[0], post_quantum=True, mode=Mode.ACCEPT_NEW)) == CHANGED


@pytest.mark.clause("identity.3-6")
def test_names_are_local_and_different(book, bob):
    for bad in ("", "  ", "Bob", "x" * 65, "a\u202eb", "a\nb", "\ud800"):
        with pytest.raises(ApiMisuse):
            book.add(bad, now=1, rng=RNG)
    assert book.rename(bob.contact, "Bob").name == "Bob"
    assert book.rename(bob.contact, "Robert").name == "Robert"
    with pytest.raises(ApiMisuse):
        book.rename(bob.contact, "Carol")
    assert book.add("Bob", now=1, rng=RNG).name == "Bob"
    assert met(book, bob, K1).name == "Robert"


def test_contacts_are_found_by_name_id_and_the_beginning_of_an_id(book, bob):
    found = book.find("Bob")
    assert book.find(bob.contact) == found
    first = Contacts([found])
    assert first.find(bob.contact[:4]) == found
    for text in ("bob", "", bob.contact[:3], "ffff", bob.contact[:8]):  # the last: Carol's begins so too
        with pytest.raises(ApiMisuse):
            book.find(text)
    with pytest.raises(ApiMisuse):
        book.slot("00" * 16)
    with pytest.raises(ApiMisuse):
        judge_outgoing(book.all, Slot("00" * 16), K1, post_quantum=True, mode=Mode.ASK)
    with pytest.raises(ApiMisuse):
        met(book, bob, b"short")


def test_every_act_and_every_change_is_noted_in_order(book, bob):
    book.met(bob, K1, post_quantum=True, mode=Mode.ACCEPT_NEW, now=2, rng=RNG)
    book.met(bob, K1, post_quantum=True, mode=Mode.ACCEPT_NEW, now=3, rng=RNG)
    book.met(bob, K2, post_quantum=True, mode=Mode.ASK, now=4, rng=RNG)
    book.mismatch(bob, K2, method=Method.WORDS, call=CALL, now=5)
    book.accept_key(bob, K2, now=6)
    book.verified(bob, K2, method=Method.QR, call=NEXT_CALL, post_quantum=True, now=7)
    book.revoke(bob, K1, now=8)
    noted = [(c.happening, c.key, c.before, c.trust, c.at, c.why, c.method, c.call) for c in book.changes]
    new, old = Trust.UNKNOWN, Trust.CHANGED
    assert noted == [
        (Happening.ADMITTED, K1, new, Trust.SEEN, 2, None, None, None),
        (Happening.OTHER_KEY, K2, new, Trust.CHANGED, 4, Why.OTHER_KEY, None, None),
        (Happening.MISMATCHED, K2, old, Trust.CHANGED, 5, Why.MISMATCH, Method.WORDS, CALL),
        (Happening.ACCEPTED, K2, old, Trust.SEEN, 6, None, None, None),
        (Happening.COMPARED, K2, Trust.SEEN, Trust.VERIFIED, 7, None, Method.QR, NEXT_CALL),
        (Happening.REVOKED, K1, Trust.SEEN, Trust.REVOKED, 8, Why.REVOKED, None, None),
    ]
    assert {(change.contact, change.name) for change in book.changes} == {(bob.contact, "Bob")}


@pytest.mark.clause("identity.3-16")
def test_a_name_that_is_the_beginning_of_anothers_id_names_neither(book, bob, carol):
    """Who follows a hint that names Carol by her id does not come out at somebody who is called so."""
    beginning = carol.contact[:8]
    book.rename(bob.contact, beginning)
    with pytest.raises(ApiMisuse, match="several contacts"):
        book.find(beginning)
    assert book.find("Carol").id == carol.contact
    book.rename(bob.contact, carol.contact)
    with pytest.raises(ApiMisuse, match="several contacts"):
        book.find(carol.contact)


@pytest.mark.clause("identity.3-7")
@pytest.mark.parametrize("method", sorted(COMPARISONS))
def test_what_only_a_call_has_is_not_stated_outside_of_one(book, bob, method):
    seen(book, bob, K1)
    before = dict(book.all)
    with pytest.raises(ApiMisuse, match="is compared in a call"):
        book.stated(bob, K1, method=method, now=3)
    assert dict(book.all) == before
    assert book.stated(bob, K1, method=Method.STATEMENT, now=4) is Trust.VERIFIED

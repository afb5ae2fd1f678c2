"""identity.3 and 4: what a key means in a slot, what each act does, and a machine that looks for a way around them."""

import pytest

from e2ecall.errors import ApiMisuse, VerificationFailed
from e2ecall.identity.contacts import CHANGED_KEYS_KEPT, Contacts, Slot, judge_incoming, judge_outgoing
from e2ecall.identity.continuity import Happening, Method, Mode, Trust, Why, say

K1, K2, K3, K4 = (bytes([each]) * 32 for each in range(1, 5))
CALL, NEXT_CALL = b"a" * 16, b"b" * 16
ROOM, OTHER_ROOM = b"r" * 16, b"s" * 16
MODES = list(Mode)


class Draws:
    """Ids that differ."""

    def __init__(self):
        self.count = 0

    def draw(self, name, length):
        self.count += 1
        return self.count.to_bytes(length)


RNG = Draws()


@pytest.fixture
def book():
    contacts = Contacts()
    for name in ("Bob", "Carol"):
        contacts.add(name, now=1, rng=RNG)
    return contacts


@pytest.fixture
def bob(book):
    return book.slot(book.find("Bob").id)


@pytest.fixture
def carol(book):
    return book.slot(book.find("Carol").id)


def met(book, slot, key, *, post_quantum=True, mode=Mode.ASK, by_link=False, now=5):
    """The judgement of a call; it is the same before it is kept, and again afterwards where that changed nothing."""
    options = {"post_quantum": post_quantum, "mode": mode, "by_link": by_link}
    if slot is None:
        before = judge_incoming(book.all, key, **options)
    else:
        before = judge_outgoing(book.all, slot, key, **options)
        assert before == judge_incoming(book.all, key, slot=slot, **options)
    kept = book.met(slot, key, now=now, rng=RNG, **options)
    if before.contact is not None:
        assert kept == before
    assert (kept.trust, kept.blocks, kept.why, kept.asks) == (before.trust, before.blocks, before.why, before.asks)
    return kept


def brief(judgement):
    return judgement.trust, judgement.why, judgement.blocks


def trust(book, slot, key):
    record = book.all[slot.contact].record(key)
    return record and record.trust


def seen(book, slot, key, *, post_quantum=True):
    assert book.seen(slot, key, post_quantum=post_quantum, now=2) is Trust.SEEN


def verified(book, slot, key, *, call=CALL, post_quantum=True, method=Method.EMOJI):
    assert book.verified(slot, key, method=method, call=call, post_quantum=post_quantum, now=3) is Trust.VERIFIED


CHANGED = (Trust.CHANGED, Why.OTHER_KEY, True)
KNOWN = (Trust.SEEN, Why.KNOWN, False)

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


@pytest.mark.clause("identity.3-10")
def test_a_first_call_and_a_change_do_not_sound_alike(book, bob):
    first = say(met(book, bob, K1))
    seen(book, bob, K1)
    changed = say(met(book, bob, K2))
    assert first.startswith("Never verified")
    assert changed.startswith("WARNING: THE KEY HAS CHANGED")

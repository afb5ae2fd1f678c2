"""The ledger without a disk: what an entry says, how it is chained and signed, and every way to spoil it."""

import hashlib
import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2ecall.crypto.sign import Signer, verify
from e2ecall.errors import ApiMisuse, MalformedMessage, VerificationFailed
from e2ecall.identity.continuity import ACTS, TRANSITIONS, Method, Trust
from e2ecall.identity.ledger import (
    EMPTY,
    ENTRY_LIMIT,
    HEAD_LIMIT,
    SignedEntry,
    Tip,
    next_entry,
    read_entry,
    read_head,
    signed_head,
)
from e2ecall.identity.ledger_check import Fault, LedgerBroken, check, check_end
from e2ecall.identity.ledger_fact import ACT_OF, OUTCOMES, Act, Fact
from e2ecall.secret import SecretBytes

OWNER, OTHER = (Signer(SecretBytes(bytes([number]) * 32)) for number in (1, 2))
NOW = 1_800_000_000.25
CALL = {"peer": b"\x11" * 32, "th2": b"\x22" * 32, "suite": 1}
FULL = Fact(Act.VERIFIED, outcome=Trust.VERIFIED, contact="ab", name="Zoë", method=Method.QR, shown="🐶", **CALL)


def grown(count, signer=OWNER, fact=FULL):
    """(entries, tips) of a ledger of so many entries."""
    entries, tips = [], [EMPTY]
    for number in range(count):
        signed, tip = next_entry(fact, tips[-1], signer, NOW + number)
        entries.append(signed)
        tips.append(tip)
    return entries, tips


ENTRIES, TIPS = grown(5)
HEAD = signed_head(TIPS[5], OWNER, NOW)


def fault(entries, head=HEAD, identity=OWNER.public):
    with pytest.raises(LedgerBroken) as broken:
        check(entries, head, identity)
    error = broken.value
    assert f"entry {error.entry} " in error.message
    assert isinstance(error, VerificationFailed)
    return error.fault, error.entry


@pytest.mark.clause("identity.6-2", "identity.6-4", "identity.6-5")
def test_an_entry_byte_for_byte():
    signed, tip = next_entry(FULL, Tip(7, b"\x07" * 32), OWNER, NOW)
    expected = {
        "version": 1,
        "number": 7,
        "previous": "07" * 32,
        "time": 1_800_000_000_250,
        "identity": OWNER.public.hex(),
        "act": "verified",
        "peer": "11" * 32,
        "contact": "ab",
        "name": "Zoë",
        "th2": "22" * 32,
        "suite": 1,
        "method": "qr",
        "shown": "🐶",
        "outcome": "verified",
    }
    text = json.dumps(expected, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert signed.text == text
    label = b"\0\0\0\x10e2ecall/1 ledger"
    digest = hashlib.sha256(label + len(text).to_bytes(4, "big") + text).digest()
    assert tip == Tip(8, digest)
    verify(OWNER.public, label + digest, signed.signature, what="it", clause="x")
    entry = read_entry(text)
    assert (entry.number, entry.previous, entry.time, entry.identity) == (
        7,
        b"\x07" * 32,
        1_800_000_000_250,
        OWNER.public,
    )
    assert entry.fact == FULL


@pytest.mark.clause("identity.6-7")
def test_a_head_byte_for_byte():
    data = signed_head(Tip(3, b"\x03" * 32), OWNER, NOW)
    said = json.loads(data)
    signature = bytes.fromhex(said.pop("signature"))
    expected = {"version": 1, "length": 3, "hash": "03" * 32, "identity": OWNER.public.hex(), "time": 1_800_000_000_250}
    assert said == expected
    text = json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
    label = b"\0\0\0\x15e2ecall/1 ledger head"
    verify(OWNER.public, label + len(text).to_bytes(4, "big") + text, signature, what="it", clause="x")
    assert read_head(data).tip == Tip(3, b"\x03" * 32)


@pytest.mark.clause("identity.6-3")
@pytest.mark.parametrize(("act", "outcome"), list(itertools.product(Act, Trust)))
def test_an_act_leaves_a_key_in_its_states_only(act, outcome):
    if outcome in OUTCOMES[act]:
        fact = Fact(act, outcome=outcome, method=Method.EMOJI, **CALL)
        assert read_entry(next_entry(fact, EMPTY, OWNER, NOW)[0].text).fact == fact
    else:
        with pytest.raises(ApiMisuse, match="does not leave"):
            Fact(act, outcome=outcome, method=Method.EMOJI, **CALL)


@pytest.mark.clause("identity.6-3")
@pytest.mark.parametrize(
    "spoilt",
    [
        {"peer": b""},
        {"th2": None},
        {"suite": None},
        {"suite": 0},
        {"suite": 65536},
        {"th2": b"\0" * 31},
        {"method": None},
        {"contact": None},
        {"contact": ""},
        {"contact": "A0"},
        {"contact": "a"},
        {"contact": "0" * 66},
        {"name": "x" * 1025},
        {"shown": "x" * 1025},
        {"shown": "\ud800"},
    ],
)
def test_no_such_fact(spoilt):
    fields = {name: getattr(FULL, name) for name in Fact.__slots__}
    Fact(**fields)
    with pytest.raises(ApiMisuse) as refused:
        Fact(**fields | spoilt)
    assert refused.value.clause == "identity.6-3"


@pytest.mark.clause("identity.6-3")
@pytest.mark.parametrize("act", [Act.RECEIPT_MATCH, Act.RECEIPT_MISMATCH, Act.CALL])
def test_what_happens_in_a_call_names_it(act):
    with pytest.raises(ApiMisuse, match="names no call"):
        Fact(act, b"\0" * 32, Trust.CHANGED, method=Method.EMOJI)


@pytest.mark.clause("identity.6-2")
def test_the_longest_texts_fit():
    fact = Fact(
        Act.VERIFIED, outcome=Trust.VERIFIED, contact="ab" * 32, name="\1" * 1024, method=Method.STATEMENT,
        shown="\1" * 1024, **CALL | {"suite": 65535},
    )  # fmt: skip
    signed, _ = next_entry(fact, Tip(2**53 - 1, bytes(32)), OWNER, NOW)
    assert len(signed.text) <= ENTRY_LIMIT
    assert read_entry(signed.text).fact == fact
    with pytest.raises(MalformedMessage, match="too long"):
        read_entry(b"x" * (ENTRY_LIMIT + 1))
    with pytest.raises(MalformedMessage, match="too long"):
        read_head(b"x" * (HEAD_LIMIT + 1))


@pytest.mark.clause("identity.7-2")
def test_whatever_changes_a_key_is_an_act():
    assert {each for before, each in TRANSITIONS if TRANSITIONS[before, each] is not before} | ACTS == set(ACT_OF)


@pytest.mark.clause("identity.6-3")
@pytest.mark.parametrize("happening", list(ACT_OF))
def test_no_act_of_a_person_and_no_change_of_state_is_without_an_entry(happening):
    """An entry that cannot be made would undo what it is about: a mismatch, say."""
    for (before, each), trust in TRANSITIONS.items():
        if each is happening and (happening in ACTS or trust is not before):
            assert Fact(ACT_OF[happening], b"\0" * 32, trust, method=Method.EMOJI).outcome is trust


@pytest.mark.parametrize("now", [-1, float("nan"), float("inf"), 2.0**43])
def test_times_that_are_none(now):
    for act in (lambda: next_entry(FULL, EMPTY, OWNER, now), lambda: signed_head(EMPTY, OWNER, now)):
        with pytest.raises(ApiMisuse):
            act()


@pytest.mark.clause("identity.6-8", "identity.6-9")
def test_whole_ledgers():
    assert check([], None, OWNER.public).tip == EMPTY
    assert check([], None, OWNER.public).head is None
    for count in range(6):
        head = signed_head(TIPS[count], OWNER, NOW)
        checked = check(ENTRIES[:count], head, OWNER.public)
        assert (checked.tip, checked.pending, len(checked.entries)) == (TIPS[count], 0, count)
        assert check_end(count, ENTRIES[count - 1] if count else None, head, OWNER.public) == (TIPS[count], True)


@pytest.mark.clause("identity.6-9")
def test_one_entry_may_be_beyond_the_head():
    for count in range(1, 6):
        head = signed_head(TIPS[count - 1], OWNER, NOW)
        checked = check(ENTRIES[:count], head, OWNER.public)
        assert (checked.tip, checked.pending) == (TIPS[count], 1)
        assert check_end(count, ENTRIES[count - 1], head, OWNER.public) == (TIPS[count], False)


@pytest.mark.clause("identity.6-9")
@pytest.mark.parametrize("counted", [0, 1, 2, 3])
def test_more_entries_beyond_the_head_are_an_old_head(counted):
    head = signed_head(TIPS[counted], OWNER, NOW)
    assert fault(ENTRIES, head) == (Fault.HEAD_OLD, counted)
    with pytest.raises(LedgerBroken) as broken:
        check_end(5, ENTRIES[-1], head, OWNER.public)
    assert broken.value.fault is Fault.HEAD_OLD


@pytest.mark.clause("identity.6-8")
@pytest.mark.parametrize("place", range(5))
def test_an_edited_entry(place):
    text = ENTRIES[place].text.replace("Zoë".encode(), b"Zoe")
    edited = [*ENTRIES[:place], SignedEntry(text, ENTRIES[place].signature), *ENTRIES[place + 1 :]]
    assert fault(edited) == (Fault.SIGNATURE, place)


@pytest.mark.clause("identity.6-8")
@pytest.mark.parametrize("place", range(4))
def test_a_deleted_entry(place):
    assert fault(ENTRIES[:place] + ENTRIES[place + 1 :]) == (Fault.NUMBER, place)


@pytest.mark.clause("identity.6-8")
def test_reordered_inserted_and_repeated_entries():
    other, _ = grown(5, OTHER)
    twin, _ = next_entry(Fact(Act.CALL, outcome=Trust.SEEN, **CALL), TIPS[2], OWNER, NOW)
    a, b, c, d, e = ENTRIES
    assert fault([a, c, b, d, e]) == (Fault.NUMBER, 1)
    assert fault([a, b, b, c, d, e]) == (Fault.NUMBER, 2)
    assert fault([a, b, c, twin, d, e]) == (Fault.NUMBER, 3)
    assert fault([a, b, twin, d, e]) == (Fault.CHAIN, 3)
    assert fault([a, b, other[2], d, e]) == (Fault.IDENTITY, 2)
    assert fault(other) == (Fault.IDENTITY, 0)
    assert fault([a, SignedEntry(b.text, c.signature), c, d, e]) == (Fault.SIGNATURE, 1)
    assert fault([a, SignedEntry(b.text, b""), c, d, e]) == (Fault.SIGNATURE, 1)
    assert fault([a, SignedEntry(b"", b.signature), c, d, e]) == (Fault.MALFORMED, 1)


@pytest.mark.clause("identity.6-8")
def test_entries_of_another_ledger_of_the_same_owner():
    again, tips = grown(5, fact=Fact(Act.CALL, outcome=Trust.SEEN, **CALL))
    assert fault(ENTRIES[:3] + again[3:]) == (Fault.CHAIN, 3)
    assert fault(again) == (Fault.REWRITTEN, 4)
    assert fault(ENTRIES, signed_head(tips[4], OWNER, NOW)) == (Fault.REWRITTEN, 3)
    with pytest.raises(LedgerBroken) as broken:
        check_end(5, again[4], HEAD, OWNER.public)
    assert broken.value.fault is Fault.REWRITTEN


@pytest.mark.clause("identity.6-9", "identity.6-10")
@pytest.mark.parametrize("left", range(5))
def test_a_cut_is_found_and_nothing_is_added_behind_it(left):
    assert fault(ENTRIES[:left]) == (Fault.TRUNCATED, left)
    with pytest.raises(LedgerBroken) as broken:
        check_end(left, ENTRIES[left - 1] if left else None, HEAD, OWNER.public)
    assert (broken.value.fault, broken.value.entry) == (Fault.TRUNCATED, left)


@pytest.mark.clause("identity.6-9")
def test_heads_that_are_not_the_owners():
    members = json.loads(HEAD)
    assert fault(ENTRIES, None) == (Fault.HEAD_MISSING, 0)
    assert fault(ENTRIES, b"") == (Fault.HEAD_MALFORMED, 0)
    assert fault(ENTRIES, HEAD + b"\n") == (Fault.HEAD_MALFORMED, 0)
    assert fault(ENTRIES, signed_head(TIPS[5], OTHER, NOW)) == (Fault.HEAD_IDENTITY, 0)
    edited = json.dumps(members | {"time": 1}, sort_keys=True, separators=(",", ":")).encode()
    assert fault(ENTRIES, edited) == (Fault.HEAD_SIGNATURE, 0)
    cut = json.dumps(
        members | {"length": 4, "hash": TIPS[4].hash.hex()}, sort_keys=True, separators=(",", ":")
    ).encode()
    assert fault(ENTRIES[:4], cut) == (Fault.HEAD_SIGNATURE, 0)
    stolen = json.dumps(members | {"identity": OTHER.public.hex()}, sort_keys=True, separators=(",", ":")).encode()
    assert fault(ENTRIES, stolen, OTHER.public)[0] is Fault.IDENTITY
    assert fault([], stolen) == (Fault.HEAD_SIGNATURE, 0)
    assert fault([], signed_head(Tip(0, b"\1" * 32), OWNER, NOW)) == (Fault.HEAD_MALFORMED, 0)
    assert fault([], signed_head(EMPTY, OTHER, NOW)) == (Fault.HEAD_IDENTITY, 0)


def test_only_a_change_of_identity_has_the_hint_for_it():
    for entries, head, aside in ((ENTRIES[:2], HEAD, False), (ENTRIES, signed_head(TIPS[5], OTHER, NOW), True)):
        with pytest.raises(LedgerBroken) as broken:
            check(entries, head, OWNER.public)
        assert ("set-aside" in broken.value.hint) is aside


@pytest.mark.clause("identity.6-10")
def test_the_end_of_a_ledger_that_was_spoilt():
    behind = signed_head(TIPS[4], OWNER, NOW)
    for last, found in (
        (None, Fault.NUMBER),
        (ENTRIES[3], Fault.NUMBER),
        (SignedEntry(ENTRIES[4].text, b"\0" * 64), Fault.SIGNATURE),
        (grown(5, OTHER)[0][4], Fault.IDENTITY),
    ):
        with pytest.raises(LedgerBroken) as broken:
            check_end(5, last, behind, OWNER.public)
        assert (broken.value.fault, broken.value.entry) == (found, 4)
    for head, found in ((None, Fault.HEAD_MISSING), (b"", Fault.HEAD_MALFORMED)):
        with pytest.raises(LedgerBroken) as broken:
            check_end(5, ENTRIES[4], head, OWNER.public)
        assert broken.value.fault is found
    assert check_end(0, None, None, OWNER.public) == (EMPTY, False)


def test_a_clock_that_went_back_is_said_and_is_no_fault():
    first, tip = next_entry(FULL, EMPTY, OWNER, NOW)
    second, after = next_entry(FULL, tip, OWNER, NOW - 60)
    third, last = next_entry(FULL, after, OWNER, NOW - 60)
    assert check([first, second, third], signed_head(last, OWNER, NOW), OWNER.public).clock_back == (1,)


@pytest.mark.clause("identity.6-8", "identity.6-9")
@settings(max_examples=150)
@given(st.lists(st.sampled_from([*ENTRIES, *grown(3, OTHER)[0]]), max_size=7))
def test_no_other_sequence_of_entries_holds(entries):
    if entries == ENTRIES:
        check(entries, HEAD, OWNER.public)
    else:
        fault(entries)


@pytest.mark.clause("identity.6-8", "identity.6-9")
@settings(max_examples=150)
@given(st.integers(0, 5), st.integers(0), st.integers(1, 255))
def test_no_other_byte_holds(which, place, change):
    whole = [each.text for each in ENTRIES] + [HEAD]
    spoilt = bytearray(whole[which])
    spoilt[place % len(spoilt)] ^= change
    if which == 5:
        fault(ENTRIES, bytes(spoilt))
    else:
        signed = SignedEntry(bytes(spoilt), ENTRIES[which].signature)
        assert fault([*ENTRIES[:which], signed, *ENTRIES[which + 1 :]])[1] == which

"""A relay that spoils frames: what it does to them, and that the checks tell whether it was noticed."""

import asyncio
from types import SimpleNamespace

import pytest

from e2ecall.codecs import layout_for
from e2ecall.demo import fault_checks
from e2ecall.demo.checks import ReceivedFrame, SentFrame
from e2ecall.demo.faults import EVERY, REASONS, WARM_UP, Fault, Faults, flipped, wrapped
from e2ecall.demo.medialog import digest_of
from e2ecall.demo.report import FaultRow
from e2ecall.demo.settings import Attack
from e2ecall.errors import FrameReason, FrameRejected
from e2ecall.media.hop import SLIPPED, Hop, _ForwardTrack
from e2ecall.sframe import Receiver, encode_header
from e2ecall.sframe.cipher import FrameCipher
from support.codec_frames import BASE, KID, SC

FRAMES = {
    "opus": b"\x78sound",
    "vp8": b"\x11\0\0picture",
    "h264": SC + b"\x61\x9a picture \0\0\1 with \0\0\0 zeros",
}


def sealed(codec, ctr, frame=None):
    cipher, header = FrameCipher(5, KID, BASE), encode_header(KID, ctr)
    return layout_for(codec).seal(frame or FRAMES[codec], lambda f, md: cipher.seal(header, ctr, f, md))


def opened(codec, data):
    receiver = Receiver(5)
    receiver.add_key(KID, BASE)
    return layout_for(codec).open(data, lambda f, md: receiver.unprotect(f, md)[0])


# One frame


@pytest.mark.clause("frame.6-5")
@pytest.mark.parametrize("codec", FRAMES)
def test_a_flipped_bit_passes_the_layout_and_fails_at_the_tag(codec):
    """Whatever the tag's bytes are: never malformed, never opened."""
    for ctr in range(300):
        data = sealed(codec, ctr)
        assert opened(codec, data) == FRAMES[codec]
        spoilt = flipped(data)
        assert len(spoilt) == len(data)
        assert sum((a ^ b).bit_count() for a, b in zip(data, spoilt, strict=True)) == 1
        with pytest.raises(FrameRejected) as caught:
            opened(codec, spoilt)
        assert caught.value.reason is FrameReason.AUTHENTICATION


def test_a_flipped_bit_makes_no_start_code():
    assert flipped(b"\xaa\xbb\0\0\3\1\x80") == b"\xaa\xb3\0\0\3\1\x80"
    assert flipped(b"\x10\x08\0\x80") == b"\x18\x08\0\x80"


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_a_wrapped_sound_frame_keeps_its_key_id(codec):
    """So that it is refused as another stream's and not as noise."""
    seen = []

    def unseal(ciphertext, metadata):
        seen.append(ciphertext)
        return b"x"

    data = sealed("opus", 7)
    layout_for(codec).open(wrapped(codec, data), unseal)
    assert seen == [data]


# Many frames


class Slips:
    def __init__(self, room=True):
        self.sent, self.room = [], room

    def __call__(self, to, kind, data):
        self.sent.append((to, kind, data))
        return self.room


def forward(attack, count, kind="audio", member=0, slips=None, faults=None):
    faults = faults or Faults(attack)
    faults.slip = slips
    frames = [b"%s frame %d of %d" % (kind.encode(), n, member) for n in range(count)]
    codec = {"audio": "opus", "video": "vp8"}[kind]
    return faults, frames, [faults.rewrite(member, kind, codec, frame) for frame in frames]


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("attack", [Attack.TAMPER, Attack.DROP])
def test_frames_are_taken_one_in_so_many(attack, kind):
    faults, frames, left = forward(attack, 400, kind)
    changed = [n for n, (frame, leaves) in enumerate(zip(frames, left, strict=True)) if frame != leaves]
    assert changed == [n for n in range(400) if n + 1 > WARM_UP and (n + 1) % EVERY[kind] == 0]
    assert 0.04 < len(changed) / 400 < 0.1
    assert all(left[n] == (None if attack is Attack.DROP else flipped(frames[n])) for n in changed)
    fault = Fault.DROPPED if attack is Attack.DROP else Fault.TAMPERED
    assert faults.injected == {(1, kind, fault): len(changed)}
    assert faults.taken == [digest_of(frames[n]) for n in changed]


def test_replayed_frames_come_beside_the_others():
    slips = Slips()
    faults, frames, left = forward(Attack.REPLAY, 400, slips=slips)
    assert left == frames
    assert faults.taken == []
    assert faults.injected == {(1, "audio", Fault.REPLAYED): len(slips.sent)}
    assert {(to, kind) for to, kind, _ in slips.sent} == {(1, "audio")}
    numbers = [frames.index(data) for _, _, data in slips.sent]
    assert numbers.count(0) >= len(numbers) // 4
    assert len(set(numbers)) > len(numbers) // 2


def test_what_could_not_be_sent_is_not_counted():
    faults, frames, left = forward(Attack.REPLAY, 400, slips=Slips(room=False))
    assert left == frames
    assert faults.injected == {}
    faults, frames, left = forward(Attack.SWAP_STREAMS, 400)
    assert left == frames
    assert faults.injected == {}


def test_swapped_streams():
    slips = Slips()
    faults = Faults(Attack.SWAP_STREAMS)
    forward(None, 100, "video", member=1, slips=slips, faults=faults)
    assert faults.injected == {(1, "video", Fault.RETURNED): 4}
    assert {(to, kind) for to, kind, _ in slips.sent} == {(1, "video")}
    slips.sent.clear()
    _, frames, left = forward(None, 100, "audio", member=0, slips=slips, faults=faults)
    assert left == frames
    assert faults.injected[1, "video", Fault.MISPLACED] == 2
    assert faults.injected[0, "audio", Fault.RETURNED] == 2
    for to, kind, data in slips.sent:
        assert data in ([wrapped("vp8", frame) for frame in frames] if kind == "video" else frames)
        assert to == (1 if kind == "video" else 0)


def test_a_voice_call_has_no_other_track():
    faults, _, _ = forward(Attack.SWAP_STREAMS, 200, slips=Slips())
    assert set(faults.injected) == {(0, "audio", Fault.RETURNED)}


def test_every_reason_of_a_frame_has_its_attack_or_none():
    assert set(REASONS) == set(Fault)
    together = [reason for reasons in REASONS.values() for reason in reasons]
    assert len(together) == len(set(together))


# The hop


@pytest.mark.parametrize(("kind", "rate", "apart"), [("audio", 48_000, 960), ("video", 90_000, 1500)])
def test_a_slipped_frame_lies_between_two_others(kind, rate, apart):
    async def main():
        track = _ForwardTrack(kind)
        assert not track.slip(b"too early")
        source = object()
        assert track.push(source, b"one", 0)
        assert [track.slip(b"x") for _ in range(SLIPPED + 1)] == [True] * SLIPPED + [False]
        assert track.push(source, b"two", apart)
        assert track.slip(b"y")
        packets = [await track.recv() for _ in range(SLIPPED + 3)]
        times = [packet.pts for packet in packets]
        assert times == sorted(set(times))
        assert [bytes(packet) for packet in packets] == [b"one", *[b"x"] * SLIPPED, b"two", b"y"]
        assert {packet.time_base for packet in packets} == {packets[0].time_base}
        assert packets[0].time_base.denominator == rate
        assert times[SLIPPED + 1] == apart

    asyncio.run(main())


def test_a_hop_slips_to_nobody_who_is_not_there():
    async def main():
        hop = Hop()
        assert not hop.slip(0, "audio", b"x")
        member = SimpleNamespace(connected=False, tracks={("audio", 0): SimpleNamespace(slip=lambda data: True)})
        hop._members[0] = member
        assert not hop.slip(0, "audio", b"x")
        member.connected = True
        assert hop.slip(0, "audio", b"x")
        assert not hop.slip(0, "video", b"x")
        assert not hop.slip(1, "audio", b"x")

    asyncio.run(main())


# The checks


def sent(digests, kind="video", keys="a"):
    return [
        SentFrame(kind, at if kind == "video" else None, each, f"s{at}", kind == "video" and each in keys)
        for at, each in enumerate(digests)
    ]


def received(digests, kind="video", step=3000, of=None):
    of = of or digests
    return [ReceivedFrame(kind, each, step * of.index(each), at) for at, each in enumerate(digests)]


def said(fault, count, side="bob", kind="video"):
    return [{"side": side, "kind": kind, "fault": fault, "count": count}]


def rows(injected, rejected, out="abcdef", got="abcdef", taken=()):
    people = {"bob": sent(out)}, {"bob": received(got, of=out)}
    return fault_checks.rows_of(injected, {("bob", "video"): rejected}, *people, frozenset(taken))


@pytest.mark.parametrize(
    ("rejected", "ok"),
    [
        ({"authentication": 3}, True),
        ({"authentication": 2}, False),
        ({"authentication": 4}, False),
        ({"replay": 3}, False),
        ({}, False),
    ],
)
def test_tampered_frames_are_caught_one_by_one(rejected, ok):
    (row,) = rows(said("tampered", 3), rejected)
    (check,) = fault_checks.faults_caught([row])
    assert (check.id, check.ok) == ("bob.video.tampered", ok)
    assert (row.injected, row.caught) == (3, sum(row.reasons.values()))


def test_replayed_frames_have_two_reasons():
    (row,) = rows(said("replayed", 5), {"replay": 3, "too-old": 2, "authentication": 1})
    assert fault_checks.faults_caught([row])[0].ok
    assert row.reasons == {"replay": 3, "too-old": 2}


@pytest.mark.parametrize(
    ("got", "count", "taken", "found", "ok"),
    [
        ("acef", 2, ("s1", "s3"), (2, 2), True),
        ("abcef", 2, ("s1", "s3"), (2, 1), False),  # one that was dropped came after all
        ("abcd", 1, ("s5",), (0, 0), False),  # at the very end there is no gap to see, and nothing else was injected
        ("acd", 2, ("s1", "s5"), (1, 1), True),
        ("", 1, ("s1",), (1, 0), False),
    ],
)
def test_dropped_frames_leave_gaps(got, count, taken, found, ok):
    (row,) = rows(said("dropped", count), {}, got=got, taken=taken)
    assert (row.injected, row.caught) == found
    assert [check.ok for check in fault_checks.faults_caught([row])] == [ok]


def test_nothing_injected_is_no_success():
    assert [check.ok for check in fault_checks.faults_caught([])] == [False]
    assert [check.ok for check in fault_checks.faults_caught(rows(said("tampered", 0), {}))] == [False]


@pytest.mark.parametrize(
    ("rejected", "ok"), [({"authentication": 2}, True), ({"authentication": 2, "malformed": 1}, False), ({}, True)]
)
def test_nothing_else_is_rejected(rejected, ok):
    row = FaultRow(side="bob", kind="video", fault="tampered", injected=2, caught=2, reasons={})
    both = {("bob", "video"): rejected, ("alice", "audio"): {"replay": 9}}
    assert fault_checks.nothing_else_rejected("bob", [row], both).ok == ok
    assert not fault_checks.nothing_else_rejected("alice", [row], both).ok


@pytest.mark.parametrize(
    ("got", "taken", "ok"),
    [
        ("abcdefghij", (), True),
        ("abdefghij", ("s2",), True),
        ("abdefghij", (), False),  # lost by nobody
        ("abcdefghij", ("s2",), False),  # taken, and opened all the same
        ("", (), False),
    ],
)
def test_gaps_are_explained(got, taken, ok):
    out = "abcdefghij"
    check = fault_checks.gaps_explained("bob", "video", sent(out), received(got, of=out), frozenset(taken))
    assert (check.id, check.ok) == ("bob.video.gaps", ok)


@pytest.mark.parametrize(("taken", "ok"), [({"s2"}, True), (set(), False), ({"s2", "s3"}, False)])
def test_of_equal_sound_frames_time_tells_which_is_missing(taken, ok):
    out = sent("a" * 12, "audio")
    got = [ReceivedFrame("audio", "a", 960 * at, at) for at in range(12) if at != 2]
    assert fault_checks.gaps_explained("bob", "audio", out, got, taken).ok == ok


@pytest.mark.parametrize(
    ("got", "whole", "longest"),
    [
        ("abcdef", [0, 1, 2, 3, 4, 5], 0),
        ("acdef", [0, 3, 4, 5], 1),
        ("bcdef", [3, 4, 5], 2),
        ("abce", [0, 1, 2], 1),
        ("", [], 0),
    ],
)
def test_whole_pictures_have_all_that_they_rest_on(got, whole, longest):
    """Key frames at a and d."""
    out = sent("abcdef", keys="ad")
    assert fault_checks.whole(out, received(got, of="abcdef")) == (whole, longest)
    assert fault_checks.tears("bob", out, received(got, of="abcdef")).ok == bool(whole)


def test_a_picture_that_never_becomes_whole_again():
    count = fault_checks.LONGEST_TEAR + 10
    out = [SentFrame("video", n, f"d{n}", f"s{n}", n == 0) for n in range(count)]
    got = [ReceivedFrame("video", f"d{n}", n, n) for n in range(count) if n != 3]
    assert not fault_checks.tears("bob", out, got).ok
    assert fault_checks.tears("bob", out[: fault_checks.LONGEST_TEAR], got[: fault_checks.LONGEST_TEAR - 1]).ok

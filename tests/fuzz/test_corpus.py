"""The fuzz targets without a fuzzer: their corpus, a few hundred mutations each, and faults that they must find.

`make fuzz` runs the same targets under atheris.
"""

from dataclasses import replace
from functools import partial
from itertools import islice
from types import SimpleNamespace

import pytest

from e2ecall.codecs import av1, h264, opaque, vp8, vp8_clear_header
from e2ecall.crypto import ctr_hmac
from e2ecall.errors import FrameReason, FrameRejected
from e2ecall.handshake.telegram import channel, packets, signalling_json
from e2ecall.handshake.telegram.channel import LIMITS
from e2ecall.secret import SecretBytes
from e2ecall.sframe import header, ratchet, receive_key, receiver, replay
from fuzz import harness, target_telegram_signals

NAMES = [
    "av1",
    "h264",
    "header",
    "opus",
    "ratchet",
    "telegram_packets",
    "telegram_signals",
    "unprotect",
    "vp8",
    "vp8_clear_header",
    "vp9",
]
MUTATIONS = 300
REASONS = {
    "opened",
    "malformed",
    "unknown-key",
    "own-frame",
    "wrong-stream",
    "replay",
    "too-old",
    "authentication",
}

every_target = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(autouse=True)
def crashes(tmp_path, monkeypatch):
    """Inputs of planted faults are not kept."""
    monkeypatch.setattr(harness, "_CRASHES", tmp_path)
    return tmp_path


def test_the_targets_are_all_here():
    assert harness.target_names() == NAMES


@every_target
def test_line_1_states_the_invariant(name):
    line = (harness.FOLDER / f"target_{name}.py").read_text(encoding="utf-8").splitlines()[0]
    assert line.startswith('"""')
    assert line.removesuffix('"""').endswith(".")
    assert len(line.split()) >= 10


@every_target
def test_the_corpus_holds(name):
    target = harness.load(name)
    inputs = harness.corpus(name)
    assert len(inputs) >= 5
    assert inputs == harness.corpus(name)
    assert max(map(len, inputs)) <= target.MAX_LENGTH
    for data in inputs:
        target.run(data)


@every_target
def test_mutations_hold(name):
    outcomes = {outcome for _, outcome in islice(harness.mutations(name, 1), MUTATIONS)}
    assert len(outcomes) >= 4


@every_target
def test_a_seed_gives_the_same_inputs(name):
    first, again, other = ([data for data, _ in islice(harness.mutations(name, seed), 40)] for seed in (7, 7, 8))
    assert first == again
    assert first != other


@pytest.mark.parametrize("data", [b"", b"\0", b"\xff", b"\0\0", b"\0\xff", b"\xff" * 600])
@every_target
def test_inputs_that_no_mutation_makes(name, data):
    harness.load(name).run(data)


@pytest.mark.clause("frame.6-1", "frame.6-14")
def test_mutation_gets_behind_the_tag():
    outcomes = [outcome for _, outcome in islice(harness.mutations("unprotect", 2), 2 * MUTATIONS)]
    assert set().union(*outcomes) >= REASONS
    assert sum("opened" in outcome for outcome in outcomes) > MUTATIONS / 2
    moved = set().union(*(outcome for _, outcome in islice(harness.mutations("ratchet", 2), MUTATIONS)))
    assert moved >= {f"opened, {steps} steps" for steps in range(5)}


def accept_any_header(patch):
    patch.setattr(header, "_FLOOR", (0,) * 8)


def write_long_headers(patch):
    patch.setattr(header, "_INLINE", 7)


def never_too_old(patch):
    patch.setattr(replay.ReplayWindow, "refusal", lambda *_: None)


def take_a_counter_twice(patch):
    never_too_old(patch)
    patch.setattr(replay.ReplayWindow, "take", lambda *_: None)


def believe_any_tag(patch):
    patch.setattr(ctr_hmac, "hmac", SimpleNamespace(compare_digest=lambda *_: True))


def around_unprotect(patch, around):
    """`around(unprotect, ciphertext, metadata, streams)` in the place of what a receiver does."""
    unprotect = receiver.Receiver.unprotect

    def instead(self, ciphertext, metadata=b"", *, streams=None):
        return around(partial(unprotect, self), ciphertext, metadata, streams)

    patch.setattr(receiver.Receiver, "unprotect", instead)


def take_every_stream(patch):
    around_unprotect(patch, lambda unprotect, ciphertext, metadata, _: unprotect(ciphertext, metadata))


def take_other_metadata(patch):
    around_unprotect(patch, lambda unprotect, ciphertext, _, streams: unprotect(ciphertext, b"", streams=streams))


def let_another_error_out(patch):
    def around(unprotect, ciphertext, metadata, streams):
        try:
            return unprotect(ciphertext, metadata, streams=streams)
        except FrameRejected:
            raise IndexError from None

    around_unprotect(patch, around)


def name_another_key(patch):
    def around(unprotect, ciphertext, metadata, streams):
        try:
            return unprotect(ciphertext, metadata, streams=streams)
        except FrameRejected as rejected:
            rejected.key_id = 0
            raise

    around_unprotect(patch, around)


def take_our_own_for_strangers(patch):
    def around(unprotect, ciphertext, metadata, streams):
        try:
            return unprotect(ciphertext, metadata, streams=streams)
        except FrameRejected as rejected:
            if rejected.reason is FrameReason.OWN_FRAME:
                raise FrameRejected(FrameReason.UNKNOWN_KEY, key_id=rejected.key_id) from None
            raise

    around_unprotect(patch, around)


def refuse_all_after_ten_failures(patch):
    failures = []

    def around(unprotect, ciphertext, metadata, streams):
        if len(failures) > 10:
            raise FrameRejected(FrameReason.AUTHENTICATION)
        try:
            return unprotect(ciphertext, metadata, streams=streams)
        except FrameRejected as rejected:
            failures.append(rejected)
            raise

    around_unprotect(patch, around)


def keep_old_epochs(patch):
    patch.setattr(receive_key.InstalledKeys, "_begin_leaving", lambda *_: None)


def refuse_after_ten_failures(patch):
    refusal, failures = receiver.Receiver._refusal, []

    def refuse(self, ciphertext, error):
        failures.append(error)
        return refusal(self, ciphertext, error)

    find = receiver.SHAPES

    class Shapes:
        def __getitem__(self, number):
            if len(failures) > 10:
                raise FrameRejected(FrameReason.AUTHENTICATION)
            return find[number]

    patch.setattr(receiver.Receiver, "_refusal", refuse)
    patch.setattr(receiver, "SHAPES", Shapes())


def derive_for_any_frame(patch):
    def around(unprotect, ciphertext, metadata, streams):
        ratchet.ratchet_base_key(5, SecretBytes(bytes(32)))
        return unprotect(ciphertext, metadata, streams=streams)

    around_unprotect(patch, around)


def stay_at_a_step(patch):
    patch.setattr(ratchet.RatchetReceiver, "_follow", lambda *_: None)


def hold_too_many_steps(patch):
    prepare = ratchet.RatchetReceiver._prepare

    def prepared(self, generation):
        self._ahead += 1
        prepare(self, generation)
        self._ahead -= 1

    patch.setattr(ratchet.RatchetReceiver, "_prepare", prepared)


def show_a_byte(patch):
    def seal(self, frame, protect):
        return frame[:1] + protect(frame[1:], b"") if frame else protect(frame, b"")

    patch.setattr(opaque.OpaqueLayout, "seal", seal)


def show_the_first_byte(patch):
    whole = vp8.Vp8Layout.seal
    patch.setattr(vp8.Vp8Layout, "seal", lambda self, frame, protect: frame[:1] + whole(self, frame, protect)[1:])


def look_at_the_prefix(patch):
    whole = vp8.Vp8Layout.open

    def opening(self, sealed, unprotect):
        if not self.has_prefix(sealed):
            raise FrameRejected(FrameReason.MALFORMED)
        return whole(self, sealed, unprotect)

    patch.setattr(vp8.Vp8Layout, "open", opening)


def escape_nothing(patch):
    patch.setattr(h264, "escape", lambda data: data + h264.STOP)


def take_any_escape(patch):
    patch.setattr(h264, "_FORBIDDEN", h264.re.compile(rb"\x00\x00(?=\x00?\x01)"))


def count_bytes_of_the_sps(patch):
    patch.setattr(h264, "_SLICE", h264.re.compile(rb"\x00\x00\x01([\x65\x61])"))


def believe_no_size(patch):
    find = av1._find_payload

    def finding(sealed, start):
        try:
            return find(sealed, start)
        except FrameRejected:
            return min(start + 2, len(sealed))

    patch.setattr(av1, "_find_payload", finding)


def refuse_a_longer_size(patch):
    patch.setattr(av1, "_LEB128", av1.re.compile(rb"[\x80-\xff]{0,1}[\x00-\x7f]"))


def take_clear_bytes_as_they_come(patch):
    patch.setattr(vp8_clear_header, "_most_clear", lambda frame: vp8_clear_header.KEY_CLEAR)


def do_not_authenticate_the_number(patch):
    def opening(self, sealed, unprotect):
        length = sealed[-1] if sealed else 0
        if not 1 <= length <= 10 or len(sealed) < length + 2:
            raise FrameRejected(FrameReason.MALFORMED)
        return sealed[:length] + unprotect(sealed[length:-1], sealed[:length] + sealed[-1:])

    patch.setattr(vp8_clear_header.Vp8ClearHeaderLayout, "open", opening)


def take_a_packet_twice(patch):
    patch.setattr(channel.PacketChannel, "_register", lambda self, counter: self._note(counter))


def take_a_message_twice(patch):
    patch.setattr(channel.PacketChannel, "_take", lambda self, counter, *, first: True)


def never_say_anything_again(patch):
    patch.setattr(channel, "LIMITS", {kind: replace(LIMITS[kind], resend_max=1e9) for kind in LIMITS})


def believe_any_packet(patch):
    patch.setattr(packets, "constant_time_equal", lambda *_: True)


def read_any_body(patch):
    patch.setattr(
        channel, "read_messages", lambda body: [channel.Message(int.from_bytes(body[:4], "big"), 0x7F, body[9:])]
    )


def forget_members(patch):
    written = target_telegram_signals.build_signal
    patch.setattr(target_telegram_signals, "build_signal", lambda signal: written(replace(signal, extra={})))


def leave_a_bad_number_to_python(patch):
    patch.setattr(signalling_json, "_whole", lambda digits: [][int(digits) >> 64] if int(digits) >> 64 else int(digits))


FAULTS = {
    "header": [accept_any_header, write_long_headers],
    "unprotect": [
        accept_any_header,
        never_too_old,
        take_a_counter_twice,
        believe_any_tag,
        take_every_stream,
        take_other_metadata,
        let_another_error_out,
        name_another_key,
        take_our_own_for_strangers,
        keep_old_epochs,
        refuse_all_after_ten_failures,
    ],
    "ratchet": [take_a_counter_twice, derive_for_any_frame, stay_at_a_step, hold_too_many_steps],
    "opus": [show_a_byte],
    "vp9": [show_a_byte],
    "vp8": [show_the_first_byte, look_at_the_prefix],
    "h264": [escape_nothing, take_any_escape, count_bytes_of_the_sps],
    "av1": [believe_no_size, refuse_a_longer_size],
    "vp8_clear_header": [take_clear_bytes_as_they_come, do_not_authenticate_the_number],
    "telegram_packets": [
        take_a_packet_twice,
        take_a_message_twice,
        never_say_anything_again,
        believe_any_packet,
        read_any_body,
    ],
    "telegram_signals": [forget_members, leave_a_bad_number_to_python],
}


@pytest.mark.parametrize(("name", "fault"), [(name, fault) for name, faults in FAULTS.items() for fault in faults])
def test_a_planted_fault_is_found(name, fault, monkeypatch, crashes):
    """In what the vectors give, or in some thousand mutations; and the input is kept."""
    target = harness.load(name)
    inputs = harness.mutations(name, 3)
    next(inputs)
    fault(monkeypatch)
    with pytest.raises((AssertionError, FrameRejected, LookupError)):
        for _ in islice(inputs, 20 * MUTATIONS):
            pass
    (kept,) = crashes.iterdir()
    monkeypatch.undo()
    target.run(kept.read_bytes())

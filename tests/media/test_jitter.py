"""The low-latency jitter buffers: nothing held that is complete, nothing given out that is not."""

import random
import time
from itertools import pairwise
from statistics import median

import pytest
from aiortc.codecs import depayload
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import RtpPacket
from hypothesis import given, settings
from hypothesis import strategies as st

from e2ecall.media import aiortc_names, rtc
from e2ecall.media.aiortc_plugin import protect
from e2ecall.media.events import FrameDropped
from e2ecall.media.jitter import AudioBuffer, Burst, VideoBuffer, begins_frame, low_latency, unfold

VP8 = RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90000)
H264 = RTCRtpCodecParameters(mimeType="video/H264", clockRate=90000)

pytestmark = pytest.mark.clause("media.6-1")


def packet(number, timestamp, payload, *, marker=True, codec=None):
    packet = RtpPacket(
        sequence_number=number & 0xFFFF, timestamp=timestamp & 0xFFFFFFFF, payload=payload, marker=int(marker)
    )
    packet._data = depayload(codec, payload) if codec else payload
    return packet


def vp8(number, frame, *, first=False, last=False, marked=True, step=3000, origin=0):
    """One packet of a VP8 frame; its content names the packet."""
    payload = (b"\x10" if first else b"\x00") + b"[%d]" % number
    return packet(number, origin + frame * step, payload, marker=last and marked, codec=VP8)


def stream(shape, first_number=0, marked=True):
    """Packets of frames with `shape` packets each, and the frames' contents."""
    packets, frames, number = [], [], first_number
    for frame, size in enumerate(shape):
        parts = [vp8(number + i, frame, first=i == 0, last=i == size - 1, marked=marked) for i in range(size)]
        packets += parts
        frames.append(b"".join(part._data for part in parts))
        number += size
    return packets, frames


def video(**options):
    return VideoBuffer(lambda _: "VP8", **options)


def fed(buffer, packets):
    """(frames given out, whether a key frame was asked for) for each packet."""
    results = []
    for each in packets:
        ask, frame = buffer.add(each)
        results.append(([part.data for part in unfold(frame)] if frame else [], ask))
    return results


def out(results):
    return [frame for frames, _ in results for frame in frames]


# ------------------------------------------------------------------------------------------------ audio


def audio(*numbers):
    return [packet(number, number * 960, b"%d" % (number & 0xFFFF)) for number in numbers]


def test_audio_in_order_leaves_at_once():
    assert [frames for frames, _ in fed(AudioBuffer(), audio(7, 8, 9))] == [[b"7"], [b"8"], [b"9"]]


def test_audio_out_of_order_is_put_in_order():
    assert [frames for frames, _ in fed(AudioBuffer(), audio(7, 9, 8, 10))] == [[b"7"], [], [b"8", b"9"], [b"10"]]


@pytest.mark.clause("media.6-2")
def test_a_lost_audio_packet_is_given_up_after_three_newer_ones_and_leaves_no_lag():
    buffer = AudioBuffer()
    results = fed(buffer, audio(7, 9, 10, 11, 12, 8))
    assert [frames for frames, _ in results] == [[b"7"], [], [], [b"9", b"10", b"11"], [b"12"], []]
    assert buffer.skipped == 1
    assert not any(ask for _, ask in results)


def test_audio_duplicates_leave_once():
    assert out(fed(AudioBuffer(), audio(7, 7, 9, 9, 8, 8, 9))) == [b"7", b"8", b"9"]


def test_audio_sequence_numbers_wrap():
    assert out(fed(AudioBuffer(), audio(65534, 65535, 65537, 65536))) == [b"65534", b"65535", b"0", b"1"]


@pytest.mark.clause("media.6-2")
def test_audio_that_starts_again_elsewhere_is_followed():
    assert out(fed(AudioBuffer(), audio(5000, 5001, 100, 101))) == [b"5000", b"5001", b"100", b"101"]
    assert out(fed(AudioBuffer(), audio(100, 9000, 9001, 9002, 9003))) == [b"100", b"9000", b"9001", b"9002", b"9003"]


def test_a_far_packet_among_others_does_not_hold_them_up():
    assert out(fed(AudioBuffer(), audio(100, 30000, 101, 102))) == [b"100", b"101", b"102"]


@given(st.randoms(use_true_random=False), st.integers(0, 65535))
def test_audio_that_is_only_reordered_arrives_whole_and_in_order(rng, start):
    numbers = [start + i for i in range(40)]
    for i in range(0, 39, 3):  # neighbours change places, no further than the buffer waits
        if i and rng.random() < 0.5:
            numbers[i], numbers[i + 1] = numbers[i + 1], numbers[i]
    assert out(fed(AudioBuffer(), audio(*numbers))) == [b"%d" % (n & 0xFFFF) for n in sorted(numbers)]


# ------------------------------------------------------------------------------------------------ video


def test_a_video_frame_leaves_with_its_marker():
    packets, frames = stream([1, 3, 2])
    results = fed(video(), packets)
    assert [done for done, _ in results] == [[frames[0]], [], [], [frames[1]], [], [frames[2]]]
    assert not any(ask for _, ask in results)


def test_without_markers_the_next_frame_closes_the_one_before():
    packets, frames = stream([1, 3, 2], marked=False)
    assert [done for done, _ in fed(video(), packets)] == [[], [frames[0]], [], [], [frames[1]], []]


def test_packets_of_a_frame_in_any_order():
    packets, frames = stream([1, 4])
    first, a, b, c, d = packets
    assert out(fed(video(), [first, d, b, a, c])) == frames


def test_the_first_packets_may_overtake_each_other():
    packets, frames = stream([3, 2], first_number=65535)
    a, b, c, d, e = packets
    results = fed(video(), [b, a, c, e, d])
    assert out(results) == frames
    assert not any(ask for _, ask in results)


def test_a_stream_joined_in_the_middle_of_a_frame_begins_with_the_next_one():
    packets, frames = stream([4, 2, 1])
    buffer = video()
    results = fed(buffer, packets[1:])
    assert out(results) == frames[1:]
    assert [ask for _, ask in results] == [False, False, True, False, False, False]
    assert buffer.incomplete == 1


def test_a_frame_of_one_packet_may_come_first():
    packets, frames = stream([1, 1])
    assert [done for done, _ in fed(video(), [packets[1], packets[0]])] == [[frames[1]], []]


def test_h264_fragments_without_their_beginning_are_not_a_frame():
    fragments = [packet(n, 0, bytes([0x7C, 0x05]) + b"%d" % n, marker=n == 2, codec=H264) for n in (1, 2)]
    whole = packet(3, 3000, b"\x61 whole", codec=H264)
    buffer = VideoBuffer(lambda _: "H264")
    results = fed(buffer, [*fragments, whole])
    assert out(results) == [b"\0\0\0\1\x61 whole"]
    assert [ask for _, ask in results] == [False, True, False]
    assert buffer.incomplete == 1


def test_a_retransmission_releases_everything_behind_it_at_once():
    packets, frames = stream([1, 2, 1, 3, 1])
    late = packets[2]
    buffer = video()
    results = fed(buffer, [*packets[:2], *packets[3:], late])
    assert [done for done, _ in results[:-1]] == [[frames[0]], [], [], [], [], [], []]
    assert results[-1] == (frames[1:], False)
    assert buffer.overflows == 0


def test_a_burst_keeps_its_time_line():
    packets, _ = stream([1, 2, 1, 1])
    buffer = video()
    for each in [packets[0], packets[1], packets[3], packets[4]]:
        buffer.add(each)
    _, burst = buffer.add(packets[2])
    assert isinstance(burst, Burst)
    burst.timestamp = 500_000  # aiortc's receiver maps the first frame on its own time line
    assert [frame.timestamp for frame in unfold(burst)] == [500_000, 503_000, 506_000]


def test_a_burst_across_the_wrap_of_rtp_time():
    burst = Burst([JitterFrame(b"a", (1 << 32) - 1000), JitterFrame(b"b", 2000)])
    burst.timestamp = 90_000
    assert [(frame.data, frame.timestamp) for frame in unfold(burst)] == [(b"a", 90_000), (b"b", 93_000)]


@pytest.mark.clause("media.6-2")
def test_a_packet_that_never_comes_is_given_up_after_half_a_second():
    shape = [1, 3] + [1] * 30
    packets, frames = stream(shape)
    lost = packets[2]
    buffer = video()
    results = fed(buffer, [each for each in packets if each is not lost])
    asked = [i for i, (_, ask) in enumerate(results) if ask]
    assert asked == [3 + 15]  # 15 frames of 33 ms behind the torn one; `lost` itself is not in the list
    assert results[asked[0]][0] == frames[2 : 2 + 16]
    assert out(results) == [frames[0], *frames[2:]]
    assert (buffer.overflows, buffer.incomplete) == (1, 0)


def test_a_frame_that_lost_its_first_packet_is_not_taken_for_a_whole_one():
    packets, frames = stream([1, 1] + [3] * 30)
    # The last packet of frame 1 is its only one; with frame 2's first packet it leaves a hole of two.
    results = fed(video(), [each for number, each in enumerate(packets) if number not in (1, 2)])
    assert out(results) == [frames[0], *frames[3:]]
    assert sum(ask for _, ask in results) == 1


@pytest.mark.clause("media.6-2")
def test_slow_video_is_not_given_up_before_others_have_come():
    """At one frame a second half a second is one frame: the retransmission must get its chance."""
    packets = [vp8(n, n, first=True, last=True, step=90_000) for n in range(6)]
    results = fed(video(), [packets[0], *packets[2:], packets[1]])
    assert not any(ask for _, ask in results)
    assert out(results) == [each._data for each in packets]


@pytest.mark.clause("media.6-2")
def test_more_packets_than_there_is_room_for_go_on_at_the_next_frame():
    packets, frames = stream([1] + [8] * 8)
    buffer = video(capacity=32, patience=1 << 30)
    results = fed(buffer, [packets[0], *packets[2:]])
    asked = [i for i, (_, ask) in enumerate(results) if ask]
    assert asked == [32]
    assert results[32][0] == frames[2:5]
    assert out(results) == [frames[0], *frames[2:]]
    assert buffer.overflows == 1


@pytest.mark.clause("media.6-2")
def test_the_end_of_a_frame_too_long_for_the_buffer_is_not_a_frame():
    packets, frames = stream([1, 40, 2])
    buffer = video(capacity=32, patience=1 << 30)
    results = fed(buffer, [packets[0], *packets[2:]])
    assert out(results) == [frames[0], frames[2]]
    assert (buffer.overflows, buffer.incomplete) == (1, 1)
    assert sum(ask for _, ask in results) == 2


@pytest.mark.clause("media.6-2")
def test_after_a_gap_an_h264_frame_is_begun_at_its_first_packet():
    """Where the packet before is there, it says better than the payload where a frame begins."""
    torn = [
        packet(2, 3000, b"\x7c\x05 fragment", marker=False, codec=H264),
        packet(3, 3000, b"\x61 slice", codec=H264),
    ]
    whole = [packet(number, number * 3000, b"\x61 frame %d" % number, codec=H264) for number in range(4, 30)]
    buffer = VideoBuffer(lambda _: "H264")
    results = fed(buffer, [packet(0, 0, b"\x65 first", codec=H264), *torn, *whole])
    assert out(results) == [b"\0\0\0\1\x65 first", *(each._data for each in whole)]


@pytest.mark.clause("media.6-2")
def test_a_jump_far_ahead_goes_on_there():
    packets, frames = stream([2, 2])
    ahead, later = stream([3, 1], first_number=20_000)
    results = fed(video(), packets + ahead)
    assert out(results) == frames + later
    assert sum(ask for _, ask in results) == 1


@pytest.mark.clause("media.6-2")
def test_a_jump_far_back_starts_again_with_a_key_frame_request():
    packets, frames = stream([2, 2], first_number=20_000)
    again, later = stream([3, 1], first_number=100)
    results = fed(video(), packets + again)
    assert out(results) == frames + later
    assert [ask for _, ask in results] == [False] * 4 + [True] + [False] * 3


def test_video_sequence_numbers_wrap():
    packets, frames = stream([2, 3, 2], first_number=65533)
    assert out(fed(video(), packets)) == frames


def test_video_duplicates_leave_once():
    packets, frames = stream([2, 1, 3])
    assert out(fed(video(), [each for each in packets for _ in range(2)])) == frames


@settings(max_examples=300)
@given(
    shape=st.lists(st.integers(1, 6), min_size=2, max_size=40),
    seed=st.integers(0, 2**32),
    loss=st.sampled_from([0.0, 0.02, 0.1, 0.4]),
    spread=st.integers(0, 8),
    start=st.integers(0, 65535),
    capacity=st.sampled_from([16, 64, 512]),
)
def test_what_leaves_was_sent_whole_in_order_and_once(shape, seed, loss, spread, start, capacity):
    """Any loss, reordering and duplication: no frame that is not one of those sent, none twice, none out of order."""
    rng = random.Random(seed)
    packets, frames = stream(shape, first_number=start)
    arriving = [
        (i + rng.randint(0, spread), rng.random(), each)
        for i, each in enumerate(packets)
        for _ in range(1 + (rng.random() < 0.1))
        if rng.random() >= loss
    ]
    results = fed(video(capacity=capacity), [each for _, _, each in sorted(arriving, key=lambda item: item[:2])])
    order = [frames.index(frame) for frame in out(results)]
    assert all(earlier < later for earlier, later in pairwise(order))
    if not loss and not spread:
        assert len(order) == len(frames)


# ------------------------------------------------------------------------------------------------ small things


def test_what_can_begin_a_frame():
    assert begins_frame("VP8", b"\x10x")
    assert begins_frame("VP8", b"\x90\x80\x00x")
    assert not begins_frame("VP8", b"\x00x")
    assert not begins_frame("VP8", b"\x11x")  # a later partition
    assert not begins_frame("VP8", b"")
    assert begins_frame("H264", b"\x7c\x85x")
    assert not begins_frame("H264", b"\x7c\x05x")
    assert begins_frame("H264", b"\x67x")
    assert begins_frame("opus", b"x")
    assert begins_frame(None, b"")


def test_the_buffer_for_a_kind():
    assert isinstance(low_latency("video", lambda _: None), VideoBuffer)
    assert isinstance(low_latency("audio", lambda _: None), AudioBuffer)


def test_unfolding_a_single_frame_gives_it_back():
    frame = JitterFrame(b"x", 1)
    assert list(unfold(frame)) == [frame]


# ------------------------------------------------------------------------------------------------ a real connection


@pytest.mark.clause("media.3-6", "media.6-3")
def test_low_latency_on_a_real_connection_with_loss(lab):
    """aiortc's own buffers hold four audio packets (80 ms) and one video frame (67 ms at this rate)."""
    sealed_at, opened_at = {}, {}
    lost = random.Random(1)
    lab.wire.loses = lambda data: lost.random() < 0.04

    async def main():
        a, b = lab.side(), lab.side()
        protect(
            a.pc,
            lab.keys("caller"),
            on_sealed=lambda kind, frame, _: sealed_at.setdefault((kind, frame), time.monotonic()),
        )
        protect(
            b.pc,
            lab.keys("callee"),
            jitter="low-latency",
            on_event=b.events.append,
            on_opened=lambda kind, frame, _: opened_at.setdefault((kind, frame), time.monotonic()),
        )
        for track in (lab.Tone(), lab.Picture()):
            a.pc.addTrack(track)
        await rtc.connect(a.pc, b.pc)
        assert isinstance(getattr(b.pc.getReceivers()[0], aiortc_names.JITTER_BUFFER), AudioBuffer)
        await lab.until(lambda: b.decoded["audio"] >= 100 and b.decoded["video"] >= 25)
        assert b.decoded["audio"] >= 100
        assert b.decoded["video"] >= 25
        assert b.of(FrameDropped) == []
        sender = next(sender for sender in a.pc.getSenders() if sender.kind == "video")
        packets = [RtpPacket.parse(data) for data in lab.wire.raw_rtp(a.pc)]
        first = {packet.payload for packet in packets if packet.ssrc == sender._ssrc}
        again = [packet.payload[2:] for packet in packets if packet.ssrc == sender._rtx_ssrc]
        assert again
        assert set(again) <= first

    lab.run(main())
    for kind in ("audio", "video"):
        delays = [opened_at[frame] - sealed_at[frame] for frame in opened_at if frame[0] == kind]
        assert median(delays) < 0.03

"""The whole demonstration, as a person starts it: both paths, both codecs, files, attacks, and what goes wrong."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from support.demos import LONG, SMALL, Running, demo, failed


def make_video(path, *, seconds=1, size=(128, 96), sound=False):
    """A film of moving stripes, with a tone if asked."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264" if path.suffix == ".mp4" else "libvpx", rate=25)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        audio = container.add_stream("libopus", rate=48000) if sound else None
        for n in range(25 * seconds):
            row = (np.arange(size[0]) * 2 + n * 5) % 200 + 20
            picture = np.repeat(np.tile(row, (size[1], 1))[..., None], 3, axis=2).astype(np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        if audio is not None:
            for n in range(50 * seconds):
                t = (np.arange(960) + 960 * n) / 48000
                samples = (np.sin(2 * np.pi * 500 * t) * 9000).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(np.repeat(samples, 2)[None, :], format="s16", layout="stereo")
                frame.sample_rate, frame.pts = 48000, 960 * n
                container.mux(audio.encode(frame))
            container.mux(audio.encode(None))
        container.mux(video.encode(None))
    return path


def make_sound(path):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(22050)
        t = np.arange(22050) / 22050
        file.writeframes((np.sin(2 * np.pi * 300 * t) * 9000).astype("<i2").tobytes())
    return path


@pytest.mark.parametrize(
    ("path", "codec"), [("relayed", "vp8"), ("relayed", "h264"), ("direct", "vp8"), ("direct", "h264")]
)
def test_a_call(tmp_path, path, codec):
    status, report, out, err = demo(tmp_path, *SMALL, "--path", path, "--codec", codec)
    assert (status, failed(report)) == (0, {}), (out, err)
    assert err == ""
    assert report["schema"] == "e2ecall/report/1"
    assert report["exit"] == 0
    assert report["sas"]["equal"]
    assert report["sas"]["alice"] == report["sas"]["bob"]
    assert report["suite"] == "X25519_MLKEM768"
    assert {(row["side"], row["kind"], row["codec"]) for row in report["streams"]} == {
        ("alice", "audio", "opus"),
        ("alice", "video", codec),
        ("bob", "audio", "opus"),
        ("bob", "video", codec),
    }
    for row in report["streams"]:
        assert row["sealed"] > 20
        assert row["opened"] > 20
        assert row["rejected"] == {}
    # contexts 0 and 1, sender 0 for the caller, epoch 1 since the middle of the call
    kids = {(row["side"], row["kind"]): row["kid"] for row in report["streams"]}
    assert kids == {("alice", "audio"): 1, ("alice", "video"): 33, ("bob", "audio"): 17, ("bob", "video"): 49}
    ids = {check["id"] for check in report["checks"]}
    assert {"emoji", "bob.video.counters", "bob.audio.tone", "alice.video.identical", "bob.rejected"} <= ids
    assert {"verified", "rekeyed", "ledgers"} <= ids
    assert ("relay.video" in ids) == (path == "relayed")
    assert ("control" in ids) == (path == "direct")
    assert (sum(report["forwarded"].values()) > 100) == (path == "relayed")
    for name in ("contact-sheet.png", "report.html", *report["files"].values()):
        assert (tmp_path / "out" / name).stat().st_size > 1000
    with av.open(str(tmp_path / "out" / report["files"]["bob_received"])) as container:
        assert sum(1 for _ in container.decode(video=0)) > 20
    assert report["verified"] is False  # no people did
    for who, other in (("alice", "bob"), ("bob", "alice")):
        person = report["people"][who]
        assert (person["met"], person["shown"], person["let_in"]) == ("unverified", "verified-now", True)
        assert person["compared"]
        assert person["read"] == report["people"][other]["heard"] == person["rows"][person["picked"]]
        assert len(person["rows"]) == 8
        assert person["receipt"] is True
        assert (person["contacts"], person["ledger_entries"], person["epochs"]) == (1, 3, 2)
    assert "Alice reads aloud: " in out
    assert "a program played both" in (tmp_path / "out" / "report.html").read_text()
    for name in report["sas"]["names"]["alice"]:
        assert name in out


@pytest.mark.skipif(not os.environ.get("E2ECALL_SLOW"), reason="a minute; make test-all runs it")
@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_a_minute_without_a_frame_lost_to_encryption(tmp_path, codec):
    status, report, out, err = demo(tmp_path, "--duration", "60", "--codec", codec, "--size", "320x240")
    assert (status, failed(report)) == (0, {}), (out, err)
    assert sum(row["sealed"] for row in report["streams"]) > 2 * 60 * 75
    assert all(row["rejected"] == {} for row in report["streams"])


def test_mitm_is_seen_by_the_emoji_alone(tmp_path):
    status, report, out, err = demo(tmp_path, *SMALL, "--attack", "mitm")
    assert status == 4, (out, err)
    assert set(failed(report)) == {"emoji"}
    assert not report["sas"]["equal"]
    assert report["verified"] is False
    assert next(check for check in report["checks"] if check["id"] == "relay.video")["ok"]
    assert err.startswith("error: the emoji differ: Alice has ")
    assert "hint: " in err
    assert "four emoji" in err
    page = (tmp_path / "out" / "report.html").read_text().lower()
    for text in (out.lower(), err.lower(), page):
        assert "verified" not in text.replace("not verified", "")
    for person in report["people"].values():
        assert (person["shown"], person["stopped"], person["picked"]) == ("mismatch", "mismatch", None)
    assert sum(row["opened"] for row in report["streams"]) > 100  # it was a call, until somebody compared


SPOILT = {
    "tamper": {"tampered": {"authentication"}},
    "replay": {"replayed": {"replay"}},
    "drop": {"dropped": set()},
    "swap-streams": {"misplaced": {"wrong-stream"}, "returned": {"own-frame"}},
}


@pytest.mark.clause("frame.6-3", "frame.6-4", "frame.6-5", "frame.6-8", "frame.7-8", "frame.9-2")
@pytest.mark.parametrize(
    ("attack", "codec"), [("tamper", "vp8"), ("tamper", "h264"), ("replay", "vp8"), ("drop", "vp8"),
                          ("swap-streams", "h264")]
)  # fmt: skip
def test_every_fault_of_the_relay_is_caught_and_counted(tmp_path, attack, codec):
    status, report, out, err = demo(
        tmp_path, "--size", "160x120", "--duration", "3", "--codec", codec, "--attack", attack
    )
    assert (status, failed(report), err) == (0, {}, ""), out
    assert report["attack"] == attack
    assert report["exit"] == 0
    assert report["sas"]["equal"]
    assert {row["fault"] for row in report["faults"]} == set(SPOILT[attack])
    assert {row["side"] for row in report["faults"]} == {"alice", "bob"}
    for row in report["faults"]:
        assert row["injected"] == row["caught"] > 0
        assert set(row["reasons"]) == SPOILT[attack][row["fault"]]
        assert f"{row['side']}.{row['kind']}.{row['fault']}" in {check["id"] for check in report["checks"]}
    for stream in report["streams"]:
        mine = [row for row in report["faults"] if (row["side"], row["kind"]) == (stream["side"], stream["kind"])]
        expected = {}
        for row in mine:
            expected |= row["reasons"]
        assert stream["rejected"] == expected
        assert stream["opened"] > 40
    assert "the relay: " in out
    assert "and the call went on" in out
    page = (tmp_path / "out" / "report.html").read_text()
    assert "All of it was noticed." in page
    assert "Faults" in page


def test_a_call_too_short_for_an_attack_is_no_success(tmp_path):
    status, report, out, _ = demo(tmp_path, "--duration", "1", "--audio", str(make_sound(tmp_path / "a.wav")),
                                  "--attack", "swap-streams")  # fmt: skip
    if failed(report):  # after 34 frames of sound one is due
        assert (status, set(failed(report))) == (5, {"faults"}), out
    else:
        assert status == 0


def test_wrong_key_plays_nothing_and_says_why(tmp_path):
    status, report, out, err = demo(tmp_path, *SMALL, "--attack", "wrong-key")
    assert status == 3, (out, err)
    assert failed(report) == {}
    assert report["sas"]["equal"]
    for row in report["streams"]:
        assert row["opened"] == 0
        assert set(row["rejected"]) == {"authentication"}
    assert err.startswith("error: nothing decodes: the other side seals with another key (authentication)")


def test_a_film_both_ways(tmp_path):
    film = make_video(tmp_path / "film.mp4", sound=True)
    status, report, out, err = demo(tmp_path, "--video", str(film), "--duration", "2")
    assert (status, failed(report)) == (0, {}), (out, err)
    assert {row["kind"] for row in report["streams"]} == {"audio", "video"}
    assert {"bob.video.pictures", "bob.audio.identical"} <= {check["id"] for check in report["checks"]}


def test_pictures_without_sound(tmp_path):
    film = make_video(tmp_path / "film.webm")
    status, report, out, err = demo(
        tmp_path, "--video", str(film), "--size", "160x120", "--duration", "2", "--path", "direct"
    )
    assert (status, failed(report)) == (0, {}), (out, err)
    assert {row["kind"] for row in report["streams"]} == {"video"}


def test_sound_alone_is_a_voice_call(tmp_path):
    sound = make_sound(tmp_path / "speech.wav")
    status, report, out, err = demo(tmp_path, "--audio", str(sound), "--duration", "2")
    assert (status, failed(report)) == (0, {}), (out, err)
    assert {row["kind"] for row in report["streams"]} == {"audio"}
    assert report["files"]["bob_received"].startswith("bob/received.")
    assert (tmp_path / "out" / "contact-sheet.png").stat().st_size > 1000


def test_json_for_programs(tmp_path):
    status, report, out, err = demo(tmp_path, *SMALL, "--json")
    assert (status, err) == (0, "")
    events = [json.loads(line) for line in out.splitlines()]
    assert {"listening", "waiting", "calling", "ringing", "established", "first", "stats", "done"} <= {
        event["event"] for event in events
    }
    last = events[-1]
    assert last["event"] == "report"
    assert {name: last[name] for name in report} == report


BAD = {
    "no such file": (["--video", "missing.mp4"], 1, "no such file"),
    "an empty file": (["--video", "empty.mp4"], 1, "is empty"),
    "a directory": (["--audio", "."], 1, "is a directory"),
    "not media": (["--video", "text.mp4"], 1, "cannot read text.mp4"),
    "no pictures": (["--video", "sound.wav"], 1, ""),
    "no sound": (["--audio", "silent.webm"], 1, ""),
    "no duration": (["--duration", "0"], 2, "--duration"),
    "no number of seconds": (["--duration", "nan"], 2, "--duration"),
    "endless": (["--duration", "inf"], 2, "--duration"),
    "a size of many digits": (["--size", "9" * 5000 + "x16"], 2, "--size"),
    "a negative duration": (["--duration", "-3"], 2, "--duration"),
    "no such codec": (["--codec", "av1"], 2, "--codec"),
    "an odd size": (["--size", "161x120"], 2, "--size"),
    "no size": (["--size", "large"], 2, "--size"),
    "an unknown attack": (["--attack", "luck"], 2, "--attack"),
    "direct tamper": (["--attack", "tamper", "--path", "direct"], 2, "relayed"),
    "direct mitm": (["--attack", "mitm", "--path", "direct"], 2, "relayed"),
    "a folder that cannot be": (["--out", "text.mp4/x"], 1, "cannot write"),
    "a stray word": (["now"], 2, ""),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(tmp_path, case):
    arguments, status, words = BAD[case]
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("this is no film")
    make_sound(tmp_path / "sound.wav")
    make_video(tmp_path / "silent.webm")
    got, report, out, err = demo(tmp_path, *arguments)
    assert got == status, (out, err)
    assert words in err
    assert "error" in err.lower()
    if status == 1:
        assert err.startswith("error: ")
        assert "\nhint: " in err
    assert report is None


def test_a_port_in_use_and_an_earlier_call_is_not_taken_for_this_one(tmp_path):
    assert demo(tmp_path, *SMALL)[0] == 0
    own = tmp_path / "out" / "notes.txt"
    own.write_text("mine")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        status, report, _, err = demo(tmp_path, *SMALL, "--port", str(taken.getsockname()[1]))
    assert status == 1
    assert err.startswith("error: relay: the relay cannot listen on ")
    assert "\nhint: " in err
    assert [check["id"] for check in report["checks"] if check["ok"]] == []
    assert not list((tmp_path / "out").glob("*/received.*"))
    assert own.read_text() == "mine"


def test_two_at_once_into_one_folder(tmp_path):
    running = Running(tmp_path, *LONG)
    running.until_connected()
    status, _, _, err = demo(tmp_path, *SMALL)
    assert status == 1
    assert err.startswith("error: another demo is writing to ")
    running.process.send_signal(signal.SIGTERM)
    assert running.end()[0] == 130


def test_nothing_is_imported_from_where_the_user_stands(tmp_path):
    (tmp_path / "json.py").write_text("open('executed', 'w').close()\nraise SystemExit\n")
    command = [str(Path(sys.executable).parent / "e2ecall"), "demo", *SMALL, "--out", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "executed").exists()


def test_the_relay_cannot_keep_what_it_decodes(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "relay").write_text("a file where a folder should be")
    status, report, _, err = demo(tmp_path, *SMALL)
    assert status == 1
    assert err.startswith("error: the relay cannot keep what it decoded: ")
    assert report["exit"] == 1


@pytest.mark.parametrize("victim", ["relay", "alice", "bob"])
@pytest.mark.parametrize("path", ["relayed", "direct"])
def test_a_process_is_killed_in_the_middle(tmp_path, victim, path):
    running = Running(tmp_path, *LONG, "--path", path)
    running.until_connected()
    os.kill(running.pids[victim], signal.SIGKILL)
    status, report, err = running.end()
    assert status == 3, err
    assert err.startswith(f"error: {victim}: {victim} ended without a word")
    assert report["exit"] == 3
    running.nobody_left()
    survivor = "bob" if victim == "alice" else "alice"
    recording = next((tmp_path / "out" / survivor).glob("received.*"))
    with av.open(str(recording)) as container:
        assert sum(1 for _ in container.decode(audio=0)) > 5


@pytest.mark.skipif(not os.environ.get("E2ECALL_SLOW"), reason="a minute and a half; make test-all runs it")
def test_a_process_that_is_stopped_does_not_hold_the_others_for_ever(tmp_path):
    running = Running(tmp_path, "--size", "160x120", "--duration", "3")
    running.until_connected()
    os.kill(running.pids["alice"], signal.SIGSTOP)
    out, err = running.process.communicate(timeout=150)
    del out
    assert running.process.returncode == 3, err
    assert err.startswith("error: alice does not come to an end")
    running.nobody_left()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted(tmp_path, number):
    running = Running(tmp_path, *LONG)
    running.until_connected()
    running.process.send_signal(number)
    status, report, err = running.end()
    assert status == 130, err
    assert report["exit"] == 130
    running.nobody_left()
    with av.open(str(next((tmp_path / "out" / "bob").glob("received.*")))) as container:
        assert sum(1 for _ in container.decode(audio=0)) > 5


def test_the_conductor_is_killed(tmp_path):
    running = Running(tmp_path, *LONG)
    running.until_connected()
    running.process.kill()
    running.process.communicate(timeout=30)
    running.nobody_left()


@pytest.mark.parametrize("mode", ["| head -n 1", "> /dev/full", ">&-"])
def test_standard_output_fails(tmp_path, mode):
    duration = 2 if mode == ">&-" else 20
    command = f"{sys.executable} -m e2ecall demo --size 160x120 --duration {duration} --out out {mode}"
    began = time.monotonic()
    command += "; exit ${PIPESTATUS[0]}" if "head" in mode else ""
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    if mode == ">&-":
        assert done.returncode == 0
        return
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot write to standard output: ")
    assert time.monotonic() - began < 18  # it does not hold the whole call for nobody


def limit_files():
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def test_no_room_for_the_recording(tmp_path):
    running = Running(tmp_path, *LONG, preexec_fn=limit_files)
    out, err = running.process.communicate(timeout=90)
    del out
    assert "Traceback" not in err
    assert running.process.returncode == 1, err
    assert err.startswith("error: ")
    assert "\nhint: " in err


@pytest.mark.parametrize(
    "locale", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
def test_no_utf_8_locale(tmp_path, locale):
    status, report, out, err = demo(tmp_path, *SMALL, env=locale)
    assert (status, err) == (0, "")
    assert out.isascii()
    for name in report["sas"]["names"]["bob"]:
        assert name.encode("ascii", "ignore").decode() in out

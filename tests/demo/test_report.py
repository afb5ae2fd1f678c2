"""report.json keeps its schema, report.html says the same to people and fetches nothing."""

import base64
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from e2ecall.demo import report_html
from e2ecall.demo.checks import Check
from e2ecall.demo.report import SCHEMA, Report, Sas, StreamRow, stream_rows, write_report
from e2ecall.errors import OutputFailed
from e2ecall.media.pictures import png_bytes

FOUR, NAMES = ("🐶", "🎺", "🚀", "🍎"), ("dog", "trumpet", "rocket", "red apple")
OTHERS, OTHER_NAMES = ("☎", "🌵", "🏁", "❤"), ("telephone", "cactus", "chequered flag", "heart")
STREAMS = [
    StreamRow(side="alice", kind="video", codec="vp8", kid=32, sealed=300, opened=298, bytes=623000, rejected={}),
    StreamRow(side="bob", kind="video", codec="vp8", kid=48, sealed=301, opened=0, bytes=5, rejected={"replay": 7}),
]
SHEET = png_bytes(np.full((8, 12, 3), 40, np.uint8))


def make(**changes):
    values = {
        "exit": 0,
        "reason": "every self-check holds",
        "version": "0.1.0",
        "path": "relayed",
        "attack": "none",
        "codec": "vp8",
        "size": (640, 480),
        "duration": 10.0,
        "suite": "X25519 + ML-KEM-768",
        "post_quantum": True,
        "sas": Sas(alice=FOUR, bob=FOUR, alice_names=NAMES, bob_names=NAMES),
        "streams": STREAMS,
        "timing_ms": {"exchange": 8.41234, "first_picture_bob": None},
        "cpu": {"alice": 4.31, "sealing_share": 0.0071},
        "checks": [Check("emoji", ok=True, detail="both show them")],
        "forwarded": {"alice video": 300},
        "files": {"What Bob received": "bob/received.webm", "sheet": "contact-sheet.png"},
    }
    return Report(**(values | changes))


MITM = {
    "attack": "mitm",
    "exit": 4,
    "reason": "the emoji differ",
    "sas": Sas(alice=FOUR, bob=OTHERS, alice_names=NAMES, bob_names=OTHER_NAMES),
    "checks": [Check("emoji", ok=False, detail="they differ")],
}
DEAD = {"exit": 3, "reason": "Bob is gone", "sas": Sas(), "streams": [], "checks": [], "forwarded": {}, "suite": ""}
VARIANTS = [{}, MITM, {"attack": "wrong-key", "exit": 3}, {"path": "direct"}, {"codec": "opus", "size": None}, DEAD]


# report.json

NUMBER, TEXT, NATURAL = (int, float), str, int


def check_shape(document):
    """Schema e2ecall/report/1, written a second time."""
    assert document["schema"] == "e2ecall/report/1"
    assert type(document["exit"]) is int
    assert set(document["sas"]) >= {"alice", "bob", "equal"}
    assert type(document["sas"]["equal"]) is bool
    for side in ("alice", "bob"):
        assert len(document["sas"][side]) in (0, 4)
        assert all(type(char) is str for char in document["sas"][side])
    for stream in document["streams"]:
        assert set(stream) >= {"side", "kind", "codec", "kid", "sealed", "opened", "bytes", "rejected"}
        assert stream["side"] in ("alice", "bob")
        assert stream["kind"] in ("audio", "video")
        assert stream["codec"] in ("opus", "vp8", "h264")
        assert stream["kid"] is None or type(stream["kid"]) is int
        assert all(type(stream[name]) is int and stream[name] >= 0 for name in ("sealed", "opened", "bytes"))
        assert all(type(k) is str and type(v) is int for k, v in stream["rejected"].items())
    assert all(v is None or isinstance(v, NUMBER) for v in document["timing_ms"].values())
    assert all(isinstance(v, NUMBER) for v in document["cpu"].values())
    for check in document["checks"]:
        assert {name: type(check[name]) for name in ("id", "ok", "detail")} == {"id": str, "ok": bool, "detail": str}


@pytest.mark.parametrize("changes", VARIANTS)
def test_json_keeps_its_schema(tmp_path, changes):
    write_report(tmp_path / "report.json", make(**changes))
    text = (tmp_path / "report.json").read_text("utf-8")
    assert text.endswith("}\n")
    check_shape(json.loads(text))


def test_json_says_what_was_given(tmp_path):
    write_report(tmp_path / "report.json", make())
    document = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert (document["schema"], document["exit"], document["attack"]) == (SCHEMA, 0, "none")
    assert document["sas"] == {
        "alice": list(FOUR),
        "bob": list(FOUR),
        "equal": True,
        "names": {"alice": list(NAMES), "bob": list(NAMES)},
    }
    assert document["streams"][1]["rejected"] == {"replay": 7}
    assert document["timing_ms"] == {"exchange": 8.412, "first_picture_bob": None}
    assert document["size"] == [640, 480]
    assert document["checks"] == [{"id": "emoji", "ok": True, "detail": "both show them"}]
    assert document["verified"] is False


def test_equal_needs_emoji():
    assert not Sas().equal
    assert not Sas(alice=FOUR, bob=OTHERS).equal
    assert Sas(alice=FOUR, bob=FOUR).equal


def test_infinity_is_no_json(tmp_path):
    with pytest.raises(ValueError, match="Out of range"):
        write_report(tmp_path / "report.json", make(cpu={"alice": float("inf")}))


def test_reports_that_cannot_be_written(tmp_path):
    for write in (write_report, report_html.write_html):
        with pytest.raises(OutputFailed) as caught:
            write(tmp_path / "missing" / "report", make())
        assert caught.value.hint


def stats(kind, frames, rejected=None, kid=1, codec="VP8"):
    return {
        "kind": kind,
        "codec": codec,
        "kid": kid,
        "frames": frames,
        "bytes": frames * 10,
        "seconds": frames / 1000,
        "rejected": rejected or {},
    }


def test_stream_rows_join_both_directions():
    rows = stream_rows(
        "bob",
        [stats("video", 300, kid=48), stats("audio", 500, kid=16, codec="opus")],
        [stats("audio", 490, codec="opus"), stats("video", 280, {"replay": 2}), stats("video", 5, {"replay": 1})],
    )
    assert [row.kind for row in rows] == ["audio", "video"]
    video = rows[1]
    assert (video.side, video.codec, video.kid, video.sealed, video.opened) == ("bob", "vp8", 48, 300, 285)
    assert (video.rejected, video.rejected_total, video.bytes, video.bytes_opened) == ({"replay": 3}, 3, 3000, 2850)
    assert (video.sealing_seconds, video.opening_seconds) == (0.3, pytest.approx(0.285))


def test_stream_rows_of_a_side_that_only_receives():
    (row,) = stream_rows("bob", [], [stats("audio", 7, codec="opus")])
    assert (row.kid, row.sealed, row.opened, row.codec) == (None, 0, 7, "opus")
    assert stream_rows("bob", [], []) == []


def test_passed():
    assert make().passed
    assert not make(checks=[]).passed
    assert not make(checks=[Check("a", ok=True, detail=""), Check("b", ok=False, detail="")]).passed


# report.html


class Page(HTMLParser):
    """Tags that are closed in order, addresses, and the text."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self, text):
        super().__init__()
        self.open, self.addresses, self.text, self.tags = [], [], "", []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in {"src", "href", "poster", "action", "data"}]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text += data


@pytest.mark.parametrize("changes", VARIANTS)
def test_page_is_whole_and_fetches_nothing(changes):
    text = report_html.render(make(**changes), SHEET, {"What Bob received": SHEET})
    page = Page(text)
    assert not set(page.tags) & {"script", "link", "iframe", "object", "embed"}
    assert all(re.fullmatch(r"data:image/png;base64,[A-Za-z0-9+/=]+|bob/received\.webm", a) for a in page.addresses)
    assert "http" not in text
    assert "url(" not in text
    assert "@import" not in text
    assert 'name="viewport"' in text


def test_page_carries_the_sheet():
    page = Page(report_html.render(make(), SHEET))
    assert f"data:image/png;base64,{base64.b64encode(SHEET).decode()}" in page.addresses
    assert not [a for a in Page(report_html.render(make())).addresses if a.startswith("data:")]


def test_page_says_what_the_json_says():
    text = Page(report_html.render(make())).text
    for word in (*FOUR, *NAMES, "VP8", "623", "298", "both show them", "✓", "8.4 ms", "0.71%", "exit status 0"):
        assert word.replace("623", "0.62") in text
    assert "✗" not in text
    assert "a frame that was taken before" in text


def test_good_and_bad_news():
    good, words = report_html.headline(make())
    assert good
    assert "could read nothing" in words
    assert "saw and heard" in words
    assert report_html.headline(make(path="direct"))[0]
    assert report_html.headline(make(codec="opus", size=None))[1].startswith("Alice and Bob heard each other")
    for changes in (MITM, {"attack": "wrong-key", "exit": 3}, DEAD, {"checks": [Check("x", ok=False, detail="")]}):
        assert not report_html.headline(make(**changes))[0]
    assert not report_html.headline(make(exit=5))[0]
    assert not report_html.headline(make(sas=Sas(alice=FOUR, bob=OTHERS)))[0]
    assert "Bob is gone" in report_html.headline(make(**DEAD))[1]


def test_an_attack_is_explained_and_nothing_is_called_verified():
    text = Page(report_html.render(make(**MITM), SHEET)).text
    assert report_html.MITM_SENTENCE in text
    assert "≠" in text
    assert "✗" in text
    assert "verified" not in text.replace("not verified", "")
    assert "agreed on keys in four messages" not in text
    assert "verified" not in text.replace("nothing is called verified", "")
    assert report_html.MITM_SENTENCE not in Page(report_html.render(make())).text


def test_the_story_follows_the_path():
    relayed = " ".join(report_html.story(make()))
    assert "It forwarded 300 frames" in relayed
    assert "Alice sealed 300 frames of picture, one by one; Bob opened 0 and rejected 7." in relayed
    sound = StreamRow(side="alice", kind="audio", codec="opus", kid=0, sealed=5, opened=0, bytes=9, rejected={})
    assert "305 frames of picture and sound" in " ".join(report_html.story(make(streams=[*STREAMS, sound])))
    assert "5 frames of sound," in " ".join(report_html.story(make(streams=[sound])))
    assert "directly" in " ".join(report_html.story(make(path="direct")))
    assert "another key on purpose" in " ".join(report_html.story(make(attack="wrong-key")))


def test_everything_is_escaped():
    nasty = '<script>"&'
    report = make(
        reason=nasty,
        version=nasty,
        suite=nasty,
        checks=[Check(nasty, ok=True, detail=nasty)],
        sas=Sas(alice=(nasty,) * 4, bob=(nasty,) * 4, alice_names=(nasty,) * 4),
        files={nasty: f"{nasty}.webm"},
        timing_ms={nasty: 1.0},
    )
    text = report_html.render(report)
    assert "<script>" not in text
    assert Page(text).text.count(nasty) >= 8

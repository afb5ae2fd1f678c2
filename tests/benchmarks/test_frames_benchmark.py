"""The frame benchmark runs, compares like with like and says what it measured. How fast anything is, no test says."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from e2ecall.sframe import CipherSuite, decode_header
from support.pages import ROOT, tables

SIZES = [100, 1_200, 10_000, 100_000]
IN_PROCESS = {"bare-128", "bare-256", "e2ecall-1", "e2ecall-4", "e2ecall-5", "e2ecall-6"}
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def benchmarks_are_found(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """One tiny run: (its output, its JSON, the page that it wrote, the picture)."""
    folder = tmp_path_factory.mktemp("frames")
    page = folder / "explanation" / "speed.md"
    page.parent.mkdir()
    (folder / "pictures").mkdir()
    begin, end = (
        "<!-- written by benchmarks/frames.py: from here -->",
        "<!-- written by benchmarks/frames.py: to here -->",
    )
    page.write_text(f"# Before\n\n{begin}\nold\n{end}\n\nafter\n", "utf-8")
    command = [sys.executable, "-W", "error", "benchmarks/frames.py", "--quick"]
    command += ["--json", str(folder / "out.json"), "--write", str(page)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads((folder / "out.json").read_text()), page, folder / "pictures" / "speed.svg"


# ------------------------------------------------------------------------------------------------------- one tiny run


def test_every_table_has_a_figure_in_every_cell(quick):
    output, _, _, _ = quick
    found = tables(output)
    assert len(found) == 4
    for rows in found:
        assert rows
        columns = len(rows[0])
        for row in rows:
            assert len(row) == columns
            assert all(row), row
    protect, unprotect, verdicts, forged = found
    assert [row[0] for row in protect] == [row[0] for row in unprotect]
    for row in (*protect, *unprotect):
        assert all(re.fullmatch(r"[\d.]+ \([\d.]+\)", cell) for cell in row[1:]), row
    for row in verdicts:
        assert all(re.fullmatch(r"(\*\*)?(1/)?[\d.]+( [≤>] (1/)?[\d.]+)?(\*\*)?", cell) for cell in row[1:]), row
    assert len(forged) == 8 + 1


def test_everybody_is_measured_both_ways_at_every_size(quick):
    _, result, _, _ = quick
    assert result["schema"] == "e2ecall/frames/1"
    assert set(result["names"]) >= IN_PROCESS
    assert set(result["names"]) <= IN_PROCESS | {"davey"}
    assert ("davey" in result["names"]) != ("davey" in result["skipped"])
    measured = {(figure["name"], figure["what"], figure["size"]) for figure in result["figures"]}
    for name in result["names"]:
        assert {(name, what, size) for what in ("protect", "unprotect") for size in SIZES} <= measured
    assert all(figure["cpu_ns"] > 0 and figure["wall_ns"] > 0 for figure in result["figures"])


def test_a_refused_frame_of_every_kind_leaves_nothing_behind(quick):
    output, result, _, _ = quick
    assert len(result["kept"]) == 8
    assert set(result["kept"].values()) == {0}
    assert [row[-1] for row in tables(output)[-1]] == ["0 B"] * 8 + ["–"]


def test_the_targets_are_those_that_the_project_set(quick):
    _, result, _, _ = quick
    bounds = {target["title"]: list(target["bounds"].values()) for target in result["targets"]}
    assert bounds["AES_128_GCM_SHA256_128: protect / bare encrypt"] == [2.5, 2.3, 1.7, 1.1]
    assert bounds["AES_256_GCM_SHA512_128: protect / bare encrypt"] == [2.5, 2.3, 1.7, 1.1]
    assert bounds["AES_128_GCM_SHA256_128: unprotect / protect"] == [1.25] * 4
    assert bounds["AES_128_CTR_HMAC_SHA256_80: protect / GCM's"] == [2.5]
    assert bounds["the dearest forged frame / a good one"] == [1.0] * 4
    assert all(list(map(int, target["measured"])) == SIZES for target in result["targets"])


def test_the_page_keeps_what_is_around_the_tables(quick):
    output, _, page, _ = quick
    text = page.read_text("utf-8")
    assert text.startswith("# Before\n\n<!-- written")
    assert text.endswith("to here -->\n\nafter\n")
    assert "\nold\n" not in text
    assert output.strip() in text


def test_nothing_in_the_output_names_this_machine(quick):
    output, result, _, picture = quick
    everything = output + json.dumps(result) + picture.read_text("utf-8")
    for secret in {str(ROOT), str(Path.home()), os.uname().nodename, sys.prefix} - {"/"}:
        assert secret not in everything


# -------------------------------------------------------------------------------------------------------- the picture


def boxes(root):
    """(left, top, right, bottom) of every text, at an estimate of 0.62 em a letter."""
    for element in root.iter(f"{SVG}text"):
        size = float(element.get("font-size", root.get("font-size")))
        width = 0.62 * size * len(element.text)
        left = float(element.get("x")) - {"start": 0, "middle": width / 2, "end": width}[element.get("text-anchor")]
        yield left, float(element.get("y")) - size, left + width, float(element.get("y")) + 0.2 * size


def committed():
    return ROOT / "docs" / "pictures" / "frame-speed.svg"


def test_no_two_labels_of_the_picture_overlap_and_none_leaves_it(quick):
    for path in (quick[3], committed()):
        root = ElementTree.parse(path).getroot()
        _, _, width, height = map(float, root.get("viewBox").split())
        found = list(boxes(root))
        assert len(found) > 20
        for number, (left, top, right, bottom) in enumerate(found):
            assert left >= 0
            assert right <= width
            assert bottom <= height
            for other in found[number + 1 :]:
                assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top


def test_dots_are_where_their_figures_are():
    from plot import Axis, Group, Row, Words, picture

    words = Words("t & t", "s", "protect", "unprotect", "d")
    svg = picture([Group("g", [Row("a", 1_000, 10_000), Row("b", 100_000, 1_000_000, ours=True)])], words)
    root = ElementTree.fromstring(svg)
    _, _, ring_a, filled_a, ring_b, filled_b = (float(circle.get("cx")) for circle in root.iter(f"{SVG}circle"))
    assert filled_a < ring_a < filled_b < ring_b
    assert ring_a - filled_a == pytest.approx(ring_b - filled_b, abs=0.2)  # a decade each
    assert Axis([1_000, 1_000_000]).ticks() == [1_000, 10_000, 100_000, 1_000_000]
    with pytest.raises(ValueError, match="math domain error"):
        picture([Group("g", [Row("a", 0, 1)])], words)


# ------------------------------------------------------------------------------------------------- what is behind it


def test_a_ratio_is_the_median_of_the_rounds_own_ratios():
    from frames_figures import Figures, Target
    from frames_peers.contestant import Spent

    figures = Figures()
    for mine, other in ((20, 10), (3_000, 1_000), (40, 10)):  # in the second round the machine was busy
        figures.add(("a", "x", 1), Spent(mine, 7), 1)
        figures.add(("b", "x", 1), Spent(2 * other, 7), 2)
    assert figures.ratio(("a", "x", 1), ("b", "x", 1)) == 3.0
    assert figures.median(("a", "x", 1)) == 40
    assert Target("t", {100: 2.51, 1_200: 2.304}, {100: 2.5, 1_200: 2.3, 10_000: 1.0}).missed() == [100]


def test_a_page_without_markers_is_left_alone(tmp_path):
    from frames_tables import BEGIN, write_into

    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN} and no end", "utf-8")
    with pytest.raises(ValueError, match="no place"):
        write_into(page, "tables")
    assert page.read_text("utf-8") == f"{BEGIN} and no end"


@pytest.fixture
def attacker():
    from frames_peers.contestant import Plaintexts
    from frames_peers.forged import Attacker

    return Attacker(CipherSuite.AES_128_GCM_SHA256_128, Plaintexts(os.urandom))


def test_a_forgery_that_is_opened_or_refused_for_another_reason_is_noticed(attacker, monkeypatch):
    from frames_peers.forged import Forgery

    for kind in Forgery:
        attacker.check(kind, 100)
    unknown = attacker.frames(Forgery.UNKNOWN_KEY, 100, 2)
    good = [attacker.ours.sender.protect(b"good") for _ in range(2)]
    monkeypatch.setattr(type(attacker), "frames", lambda *_: unknown)
    with pytest.raises(AssertionError, match="bad tag: refused as unknown-key"):
        attacker.check(Forgery.BAD_TAG, 100)
    monkeypatch.setattr(type(attacker), "frames", lambda *_: good)
    with pytest.raises(AssertionError, match="bad tag: opened"):
        attacker.check(Forgery.BAD_TAG, 100)


def test_what_a_receiver_keeps_of_a_refused_frame_is_counted(attacker):
    from frames_peers.forged import Forgery

    class Hoarder:
        """Notes the KID of every frame, which the library's own function has made."""

        def __init__(self):
            self.noted = []

        def unprotect(self, frame, *, streams):
            self.noted.append(decode_header(frame))

    frames = attacker.frames(Forgery.UNKNOWN_KEY, 100, 500)
    attacker.frames = lambda *_: frames
    assert attacker.kept(Forgery.UNKNOWN_KEY, 1_000) == 0
    attacker.ours.receiver = Hoarder()
    assert attacker.kept(Forgery.UNKNOWN_KEY, 1_000) >= 1_000 * 64  # a tuple of three and two numbers each


def test_frames_of_one_batch_are_distinct_and_come_back():
    from frames_peers.contestant import Plaintexts

    plaintexts = Plaintexts(os.urandom)
    first = plaintexts.take(100, 3)
    assert len(set(first)) == 3
    assert {len(frame) for frame in first} == {100}
    assert plaintexts.take(100, 5)[:3] == first
    assert plaintexts.take(100, 2) == first[:2]


PEER = """
import sys
from e2ecall.secret import SecretBytes
from e2ecall.sframe import CipherSuite, encode_header
from e2ecall.sframe.cipher import FrameCipher
_, _, base_key, kid = sys.argv[1:]
cipher = FrameCipher(CipherSuite.AES_128_GCM_SHA256_128, int(kid), SecretBytes(bytes.fromhex(base_key)))
for line in sys.stdin:
    what, first, second = line.split()
    if what == "frame":
        ctr = int(first) + {ahead}
        print(cipher.seal(encode_header(int(kid), ctr), ctr, bytes.fromhex(second), b"{metadata}").hex(), flush=True)
    else:
        print(len(what) * int(first), int(second), flush=True)
"""


def started(metadata="", ahead=0):
    from frames_peers.processes import ForeignPeer

    return ForeignPeer("fake", "Fake", [sys.executable, "-c", PEER.format(metadata=metadata, ahead=ahead)], 1.0)


def test_a_foreign_peer_is_asked_for_batches_and_tells_its_own_time():
    from frames_peers.contestant import Operation, Spent

    peer = started()
    peer.check()
    assert peer.batch(Operation.PROTECT, 100, 7) == Spent(400, 7)
    peer.close()


@pytest.mark.parametrize("otherwise", [{"metadata": "other"}, {"ahead": 1}])
def test_a_foreign_peer_that_seals_something_else_does_not_take_part(otherwise):
    peer = started(**otherwise)
    with pytest.raises(AssertionError, match="Fake seals something else"):
        peer.check()
    peer.close()


def test_a_build_that_fails_says_why_and_not_where(tmp_path):
    from frames_peers.contestant import Skipped
    from frames_peers.processes import run

    assert run([sys.executable, "-c", "print('built')"], "cc") == "built"
    complaint = f"print('{tmp_path}/peer.c:1: fatal error: no evp.h', file=sys.stderr)"
    with pytest.raises(Skipped) as skipped:
        run([sys.executable, "-c", f"import sys; {complaint}; sys.exit(1)"], "cc")
    assert str(skipped.value) == "cc failed: error: no evp.h"


@pytest.mark.parametrize(("name", "program"), [("openssl", "cc"), ("rust", "cargo"), ("webcrypto", "node")])
def test_a_peer_that_this_machine_lacks_is_skipped_by_name(name, program, tmp_path, monkeypatch):
    from frames_peers.contestant import Skipped
    from frames_peers.processes import start

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(Skipped, match=f"no `{program}` here"):
        start(name, tmp_path)


def test_the_committed_page_has_all_tables():
    text = (ROOT / "docs" / "explanation" / "frame-speed.md").read_text("utf-8")
    from frames_tables import BEGIN, END

    generated = text.partition(BEGIN)[2].partition(END)[0]
    protect, unprotect, _, forged = tables(generated)
    assert len(protect) == len(unprotect) >= len(IN_PROCESS)
    assert len(forged) == 8 + 1
    assert {row[-1] for row in forged[:8]} == {"0 B"}

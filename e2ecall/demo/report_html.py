"""`report.html`: the same as `report.json` for a person to read; one file, no script, nothing fetched from outside."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from e2ecall.demo.checks import Check
from e2ecall.demo.output import write_whole
from e2ecall.demo.page import checks_section, columns, emoji_card, items, page, section, table
from e2ecall.demo.report import FaultRow, Report, StreamRow, held_back
from e2ecall.demo.report_people import people_section

__all__ = ["headline", "render", "story", "write_html"]

MITM_SENTENCE = (
    "In the media nothing shows that somebody stands in the middle: comparing four emoji is what stands between a row "
    "of noise and a row of clear pictures."
)
HELD_BACK_SENTENCE = (
    "Whoever was verified once is known by the key: another one in its place is held before the first frame, and "
    "nobody has to look at any emoji."
)
_CODECS = {"vp8": "VP8", "h264": "H.264", "opus": "Opus"}
_CHECKS = {
    "emoji": "The emoji agree",
    "verified": "Each knows who the other is",
    "caught": "The one in the middle was caught",
    "not-compared": "Nothing could be compared",
    "held-back": "Nothing was sent to another key",
    "rekeyed": "The keys were changed in the call",
    "control": "The call's own messages went directly",
    "ledgers": "What happened is in both ledgers",
    "identical": "The frames are the sent ones",
    "delivered": "The frames arrived",
    "counters": "The numbers on the pictures are right",
    "pictures": "The pictures look like the sent ones",
    "tone": "The tone is the tone",
    "rejected": "Nothing was rejected",
    "gaps": "What is missing, the relay took",
    "heals": "The picture becomes whole again",
    "tampered": "Every changed frame was rejected",
    "replayed": "Every repeated frame was rejected",
    "dropped": "Every frame kept back left a gap",
    "misplaced": "Every frame on another track was rejected",
    "returned": "Every frame sent back was rejected",
    "faults": "There was something to catch",
    "nothing-opened": "Nothing was opened",
    "relay.video": "The relay's pictures",
    "relay.audio": "The relay's sound",
}
_REASONS = {
    "malformed": "no frame of ours: the header cannot be read",
    "unknown-key": "sealed under a key that this side does not have",
    "own-frame": "a frame of this side's own, sent back",
    "wrong-stream": "a frame of another stream",
    "replay": "a frame that was taken before",
    "too-old": "a frame too old to tell whether it was taken before",
    "authentication": "the seal does not fit: changed on the way, or another key",
    "exhausted": "the key has no counter left",
    "stopped": "this side had stopped the call: nothing is opened any more",
}
_SPOILT = {
    "tamper": "changed a bit in some of the sealed frames",
    "replay": "sent some of the sealed frames once more",
    "drop": "kept some of the sealed frames back",
    "swap-streams": "put some sealed frames on another track, and sent some back to where they came from",
}
_FIGURES = {
    "exchange": "Key exchange, from joining to agreed keys",
    "exchange_cpu_alice": "Key exchange, Alice's CPU time",
    "exchange_cpu_bob": "Key exchange, Bob's CPU time",
    "first_picture_alice": "From agreed keys to Alice's first picture",
    "first_picture_bob": "From agreed keys to Bob's first picture",
    "first_sound_alice": "From agreed keys to Alice's first sound",
    "first_sound_bob": "From agreed keys to Bob's first sound",
    "alice": "Alice's process",
    "bob": "Bob's process",
    "relay": "The relay's process",
    "sealing_share": "Sealing, share of the process that seals",
    "opening_share": "Opening, share of the process that opens",
}


def headline(report: Report) -> tuple[bool, str]:
    """Whether the news is good, and the news in one sentence."""
    if report.attack == "mitm":
        if held_back(report.people):
            return False, "Somebody stood in the middle. The key was not the known one, and nothing was sent to it."
        return False, "Somebody stood in the middle, and the emoji show it."
    if report.attack == "wrong-key":
        return False, "Nothing was shown: the two did not hold the same key."
    if report.attack in _SPOILT and report.exit == 0:
        return True, f"The relay {_SPOILT[report.attack]}. All of it was noticed."
    if report.exit == 0 and report.passed and report.sas.equal:
        between = (
            "the relay between them could read nothing" if report.path == "relayed" else "no relay was between them"
        )
        met = "saw and heard" if report.size else "heard"
        return True, f"Alice and Bob {met} each other, and {between}."
    return False, f"The demonstration did not go as it should: {report.reason}"


def story(report: Report) -> list[str]:
    """What happened, in plain words, one step a sentence or two."""
    steps = []
    strong = "; recorded today, it withstands a quantum computer tomorrow" if report.post_quantum else ""
    if report.attack == "mitm":
        steps.append(
            "Alice and Bob met in a room of the relay. It did not pass their messages on: it ran one exchange with "
            "Alice and another with Bob, and sat in between with a key for each."
        )
    elif report.suite:
        steps.append(
            f"Alice and Bob met in a room of the relay and agreed on keys in four messages ({report.suite}{strong})."
        )
    if report.sas.alice and report.sas.bob:
        same = "the same four emoji" if report.sas.equal else "different emoji"
        steps.append(f"Out of the exchange each side computed its emoji. They show {same}.")
    steps += [_sealed_sentence(report, side) for side in ("alice", "bob") if _rows(report, side)]
    if held_back(report.people):
        steps.append(HELD_BACK_SENTENCE)
        return steps
    steps.append(_relay_sentence(report))
    steps += [_fault_sentence(report)] if report.faults else []
    if report.attack == "mitm":
        steps.append(MITM_SENTENCE)
    if report.attack == "wrong-key":
        steps.append(
            "Bob was given another key on purpose. His side played nothing and counted every frame with its reason."
        )
    return steps


def _rows(report: Report, side: str) -> list[StreamRow]:
    return [row for row in report.streams if row.side == side]


def _sealed_sentence(report: Report, side: str) -> str:
    name, other = side.capitalize(), "Bob" if side == "alice" else "Alice"
    back = _rows(report, other.lower())
    sealed = sum(row.sealed for row in _rows(report, side))
    opened, rejected = sum(row.opened for row in back), sum(row.rejected_total for row in back)
    refused = f" and rejected {rejected:,}" if rejected else ""
    kinds = {row.kind for row in _rows(report, side)}
    what = "picture and sound" if len(kinds) == 2 else "picture" if "video" in kinds else "sound"
    return f"{name} sealed {sealed:,} frames of {what}, one by one; {other} opened {opened:,}{refused}."


def _fault_sentence(report: Report) -> str:
    injected, caught = sum(row.injected for row in report.faults), sum(row.caught for row in report.faults)
    did = _SPOILT.get(report.attack, "spoilt some of the sealed frames")
    how = "noticed as gaps" if report.attack == "drop" else "rejected with their reasons"
    return f"It {did}. That makes {injected:,} frames spoilt, and {caught:,} {how}."


def _relay_sentence(report: Report) -> str:
    if report.path == "direct":
        return (
            "The media went from one to the other directly, over a connection whose certificate was part of "
            "the exchange; the relay carried the exchange and nothing else."
        )
    total = sum(report.forwarded.values())
    forwarded = f"It forwarded {total:,} frames" if total else "It forwarded frames"
    ended = "The relay ended the transport encryption, as every such server does."
    if report.attack == "mitm":
        return f"{ended} {forwarded}, opened them all and sealed them anew."
    return f"{ended} {forwarded} and tried to decode them: the middle row of the picture is what it got."


def render(report: Report, sheet_png: bytes | None = None, posters: Mapping[str, bytes] | None = None) -> str:
    """The page. `sheet_png` is put into it; `posters` are PNGs shown before a file of `report.files` is played."""
    good, news = headline(report)
    size = f"{report.size[0]}x{report.size[1]} " if report.size else ""
    kind = (
        f"{size}{_CODECS.get(report.codec, report.codec)} and Opus" if report.codec != "opus" else "a voice call, Opus"
    )
    about = f"{kind} · {report.duration:g} s · path: {report.path}" + (
        "" if report.attack == "none" else f" · attack: {report.attack}"
    )
    parts = [
        f'<header class="state{"" if good else " bad"}"><p>e2ecall demonstration · {escape(about)}</p>'
        f"<h1>{escape(news)}</h1><p>{escape(report.reason)} · exit status {report.exit}</p></header>",
        _emoji_section(report),
        people_section(report.people),
        section("What happened", f'<ol class="story">{items(story(report))}</ol>'),
        _sheet_section(sheet_png),
        _players(report.files, posters or {}),
        checks_section(report.checks, _check_name),
        _streams_section(report.streams),
        _rejected_section(report.streams),
        _faults_section(report.faults),
        columns(_figures("Times", report.timing_ms, " ms") + _figures("Processor", report.cpu, " s")),
        columns(_meaning(report)),
        f"<footer>e2ecall {escape(report.version)}. Not externally audited. The same for programs: "
        f"<code>report.json</code>, schema <code>e2ecall/report/1</code>.</footer>",
    ]
    return page(news, parts)


def _emoji_section(report: Report) -> str:
    sas = report.sas
    if not sas.alice and not sas.bob:
        return ""

    sign = (
        '<div class="sign good" title="the same">=</div>'
        if sas.equal
        else '<div class="sign bad" title="different">≠</div>'
    )
    words = (
        "The two read them to each other over the call. Equal emoji mean that nobody stands between them."
        if sas.equal
        else "These do not match, and nobody had to look: the key was not the one that is known."
        if held_back(report.people)
        else "Read aloud over the call, these do not match: hang up. Nothing that was said so far was private."
    )
    claim = "Compared by people in this call." if report.verified else "In this demonstration a program played both."
    body = emoji_card("Alice", sas.alice, sas.alice_names) + sign + emoji_card("Bob", sas.bob, sas.bob_names)
    return section("Four emoji", f'<div class="emoji">{body}</div><p class="after">{words} {claim}</p>')


def _sheet_section(png: bytes | None) -> str:
    if png is None:
        return ""
    data = base64.b64encode(png).decode("ascii")
    image = f'<img alt="Contact sheet: sent, what the relay gets, received" src="data:image/png;base64,{data}">'
    caption = "Each column is one moment: as it was sent, as far as the relay can decode it, and as it was received."
    return section(
        "Three views of one call",
        f'<figure class="sheet"><div>{image}</div><figcaption>{caption}</figcaption></figure>',
    )


_FILES = {"alice_received": "What Alice received", "bob_received": "What Bob received"}


def _players(paths: Mapping[str, str], posters: Mapping[str, bytes]) -> str:
    cells = []
    for what, path in paths.items():
        if Path(path).suffix in {".webm", ".mp4"}:
            poster = base64.b64encode(posters.get(what, b"")).decode("ascii")
            image = f' poster="data:image/png;base64,{poster}"' if poster else ""
            player = f'<video controls preload="none"{image} src="{escape(path)}"></video>'
            link = f'<a href="{escape(path)}">{escape(path)}</a>'
            name = escape(_FILES.get(what, what))
            cells.append(f"<figure>{player}<figcaption>{name}: {link}</figcaption></figure>")
    return section("Recorded", f'<div class="players">{"".join(cells)}</div>') if cells else ""


def _check_name(check: Check) -> str:
    who, _, what = check.id.partition(".")
    name = _CHECKS.get(check.id) or _CHECKS.get(check.id.rpartition(".")[2]) or check.id
    kind = {"video": ", picture", "audio": ", sound"}.get(what.partition(".")[0], "")
    return f"{who.capitalize()}{kind}: {name[0].lower()}{name[1:]}" if who in {"alice", "bob"} else name


def _streams_section(streams: Sequence[StreamRow]) -> str:
    names = ("Side", "Kind", "Codec", "Key id", "Sealed", "MB sealed", "Opened", "Rejected")
    rows = []
    for row in streams:
        codec, kid = _CODECS.get(row.codec, row.codec), "–" if row.kid is None else str(row.kid)
        counts = [f"{row.sealed:,}", f"{row.bytes / 1e6:.2f}", f"{row.opened:,}", f"{row.rejected_total:,}"]
        cells = [row.side.capitalize(), row.kind, codec, kid, *counts]
        rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    return section("Streams", table(rows, "".join(f"<th>{name}</th>" for name in names))) if rows else ""


def _rejected_section(streams: Sequence[StreamRow]) -> str:
    rows = [
        f'<tr><td>{escape(row.side.capitalize())}, {escape(row.kind)}</td><td class="left">{escape(reason)}</td>'
        f'<td>{count:,}</td><td class="left">{escape(_REASONS.get(reason, ""))}</td></tr>'
        for row in streams
        for reason, count in row.rejected.items()
        if count
    ]
    head = '<th>At</th><th class="left">Reason</th><th>Frames</th><th class="left">Which means</th>'
    return section("Rejected frames", table(rows, head)) if rows else ""


def _faults_section(faults: Sequence[FaultRow]) -> str:
    rows = [
        f'<tr><td>{escape(row.side.capitalize())}, {escape(row.kind)}</td><td class="left">{escape(row.fault)}</td>'
        f"<td>{row.injected:,}</td><td>{row.caught:,}</td></tr>"
        for row in faults
    ]
    head = '<th>On the way to</th><th class="left">What the relay did</th><th>Frames</th><th>Noticed</th>'
    return section("Faults", table(rows, head)) if rows else ""


def _figures(title: str, figures: Mapping[str, float | None], unit: str) -> str:
    rows = [
        f"<tr><td>{escape(_FIGURES.get(name, name.replace('_', ' ')))}</td><td>{_figure(name, value, unit)}</td></tr>"
        for name, value in figures.items()
    ]
    return section(title, table(rows)) if rows else ""


def _figure(name: str, value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    if name.endswith("_share"):
        return f"{value:.2%}"
    return f"{value:.1f}{unit}" if value < 100 else f"{value:,.0f}{unit}"


def _meaning(report: Report) -> str:
    proves, open_ = [], []
    if report.attack == "none":
        proves = [
            "Both sides computed the same keys: otherwise not one frame would open.",
            "What was received is bit for bit what was sent: the digests of all frames were compared.",
        ]
        if report.path == "relayed":
            proves.append("The relay held every frame and could not decode one into what was sent.")
        else:
            proves.append(
                "The certificate of the media connection was part of the exchange, so nobody could end it in between."
            )
    elif report.attack == "mitm":
        proves = [
            "Without comparing, a relay in the middle sees and hears everything, and the call works all the same.",
            "It cannot make the emoji equal: it would have to guess before it may look, 1 in 12 billion an attempt.",
        ]
    elif report.attack in _SPOILT:
        proves = [
            "Whoever forwards sealed frames can lose them, but not change, repeat or exchange them unnoticed.",
            "A refused frame costs a moment of picture or sound, not the call, and its reason is counted.",
        ]
    else:
        proves = ["A side with another key shows nothing, plays nothing, and says why for every frame."]
    open_ = [
        "The emoji were compared by a program. In a real call two people do it, and what they skip is not checked.",
        "Who hears the right emoji in a cloned voice is deceived all the same.",
        "A relay still sees who talks to whom, when, how much, and which frames are key frames.",
        "This is one call on one machine, not an audit. e2ecall has not been audited by anybody outside.",
    ]
    return section("What this shows", f"<ul>{items(proves)}</ul>", css="plain") + section(
        "What it does not show", f"<ul>{items(open_)}</ul>", css="plain"
    )


def write_html(
    path: Path, report: Report, sheet_png: bytes | None = None, posters: Mapping[str, bytes] | None = None
) -> None:
    """Write `report.html`. Raises OutputFailed where it cannot be written."""
    write_whole(path, render(report, sheet_png, posters).encode())

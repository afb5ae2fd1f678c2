"""What the HTML reports are made of: sections, tables, checks, emoji; one file, no script, nothing from outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from importlib.resources import files

from e2ecall.demo.checks import Check

__all__ = ["checks_section", "columns", "emoji_card", "items", "page", "section", "table"]


def page(title: str, parts: Sequence[str]) -> str:
    """The whole document, of the parts that are not empty."""
    style = files("e2ecall.demo").joinpath("report.css").read_text("utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>e2ecall: {escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main>\n</body>\n</html>\n"
    )


def section(title: str, body: str, *, css: str = "") -> str:
    """A section with its heading."""
    return f"<section{f' class={chr(34)}{css}{chr(34)}' if css else ''}><h2>{escape(title)}</h2>{body}</section>"


def columns(sections: str) -> str:
    """Sections beside each other, where there is room."""
    return f'<div class="columns">{sections}</div>' if sections else ""


def table(rows: Sequence[str], head: str = "") -> str:
    """A table that scrolls sideways where it is too wide."""
    top = f"<thead><tr>{head}</tr></thead>" if head else ""
    return f'<div class="wide"><table>{top}<tbody>{"".join(rows)}</tbody></table></div>'


def items(sentences: Sequence[str]) -> str:
    """List items."""
    return "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)


def emoji_card(name: str, chars: Sequence[str], names: Sequence[str]) -> str:
    """What one side sees."""
    words = [*names, *[""] * (len(chars) - len(names))]
    cells = "".join(f"<li><span>{escape(c)}</span>{escape(w)}</li>" for c, w in zip(chars, words, strict=False))
    return f"<div><h3>{name} sees</h3><ol>{cells}</ol></div>"


def _all_hold(count: int) -> str:
    return f"All {count} self-checks hold" if count > 1 else "The self-check holds"


def checks_section(checks: Sequence[Check], name: Callable[[Check], str]) -> str:
    """All self-checks, with a mark each."""
    if not checks:
        return ""
    rows = "".join(
        f'<li><span class="{"ok" if check.ok else "no"}" title="{"holds" if check.ok else "does not hold"}">'
        f"{'✓' if check.ok else '✗'}</span><span>{escape(name(check))}</span>"
        f'<span class="detail">{escape(check.detail)}</span></li>'
        for check in checks
    )
    failed = sum(not check.ok for check in checks)
    fail = "does" if failed == 1 else "do"
    note = f"{failed} of {len(checks)} self-checks {fail} not hold" if failed else _all_hold(len(checks))
    return section(
        "Self-checks", f'<p class="{"bad" if failed else "good"}-note">{note}.</p><ul class="checks">{rows}</ul>'
    )

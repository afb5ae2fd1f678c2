"""Reading Markdown as far as the tests of the documentation need it: fences, tables, links, headings."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
EXAMPLES = ROOT / "docs_src"
PAGES = [
    path
    for pattern in ("*.md", "docs/**/*.md", "spec/**/*.md", "vectors/**/*.md")
    for path in sorted(ROOT.glob(pattern))
]

_FENCE = re.compile(r"(?:<!-- ([^\n]+) -->\n)?^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CELL = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True)
class Fence:
    """A fenced block and the comment directly above it."""

    comment: str
    language: str
    text: str


def fences(text):
    for match in _FENCE.finditer(text):
        yield Fence(match[1] or "", match[2], match[3])


def without_fences(text):
    return _FENCE.sub("", text)


def tables(text):
    """The body rows of every table, as lists of cells."""
    found = []
    lines = without_fences(text).splitlines()
    for number, line in enumerate(lines):
        if re.fullmatch(r"\|(?:-+\|)+", line):
            rows = []
            for row in lines[number + 1 :]:
                if not row.startswith("|"):
                    break
                rows.append([cell.strip().replace("\\|", "|") for cell in _CELL.split(row.strip("|"))])
            found.append(rows)
    return found


def links(text):
    """The relative targets of links and pictures."""
    prose = re.sub(r"`[^`\n]*`", "", without_fences(text))
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if not re.match(r"[a-z]+:", target):
            yield target


def anchors(text):
    """The anchors of a page's headings, as GitHub and MyST make them."""
    found = set()
    for heading in re.findall(r"^#+ (.+)$", without_fences(text), re.MULTILINE):
        kept = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(kept.replace(" ", "-"))
    return found


def section(text, heading):
    """A page from a heading of the second level to the next."""
    _, found, rest = text.partition(f"\n## {heading}\n")
    assert found, heading
    return rest.partition("\n## ")[0]

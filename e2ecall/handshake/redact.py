"""kex.8-8: takes link secrets out of a text: the fragments of our links, and runs of the words that spell them.

What goes rather too far is wanted: a fragment that looks like a secret goes wherever it stands. Six words in a row are
enough, so that twelve words with one mistyped leave at most five of them. What it cannot know stays: a bare secret
without its `#`, a link broken over two lines behind its `#`, words spelled out of order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

from e2ecall.sas.words import WORDLISTS, fold, numbers

__all__ = ["MASK", "redact", "secret_spans"]

MASK: Final = "#…"
RUN: Final = 6
"""How many words of the lists in a row count as a secret."""

_PIECE: Final = re.compile(r"[^\s\0\"'<>,;`|{}]+")
_HASH: Final = r"(?:#|%(?:25)*23|\\{1,4}(?:u0023|x23))"  # as it is, in a URL within a URL, in JSON, in repr()
_MARK: Final = re.compile(_HASH)
_LOOKS_SECRET: Final = re.compile(_HASH + r"[A-Za-z0-9_+/=-]{16,}")
_OURS: Final = re.compile(r"e2ecall(?::|%(?:25)*3a)|/c/|%(?:25)*2fc%(?:25)*2f", re.IGNORECASE)
_AFTER: Final = ")].:!?*"
_BYTES: Final = r"(?:%|\\{1,4}x)[c-fC-F][0-9a-fA-F](?:(?:%|\\{1,4}x)[89abAB][0-9a-fA-F])+"  # of one letter in UTF-8
_LETTER: Final = rf"(?:[^\W\d_]|\\{{1,4}}u[0-9a-fA-F]{{4}}|{_BYTES})"
_WORD: Final = re.compile(rf"\\[abfnrtv0]|({_LETTER}+(?:[\u0300-\u036f\u200b-\u200d\ufeff\u00ad]+{_LETTER}*)*)")
_ESCAPED: Final = re.compile(rf"\\{{1,4}}u([0-9a-fA-F]{{4}})|{_BYTES}")

Span = tuple[int, int]


def redact(text: str) -> str:
    """kex.8-8: `text` with "#…" in place of every link secret."""
    parts, at = [], 0
    for start, end in secret_spans(text):
        parts += [text[at:start], MASK]
        at = end
    return "".join([*parts, text[at:]])


def secret_spans(text: str) -> list[Span]:
    """(start, end) of every secret in characters, in order and apart; that of a link begins at its `#`."""
    merged: list[Span] = []
    for start, end in sorted([*_fragments(text), *_runs(text)]):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _fragments(text: str) -> Iterator[Span]:
    for piece in _PIECE.finditer(text):
        mark = _MARK.search(piece[0])
        if mark is None:
            continue
        if _OURS.search(piece[0][: mark.start()].replace("\\", "")):
            whole = len(piece[0].rstrip(_AFTER))
            yield piece.start() + mark.start(), piece.start() + max(whole, mark.end())
        else:
            for each in _LOOKS_SECRET.finditer(piece[0]):
                yield piece.start() + each.start(), piece.start() + each.end()


def _runs(text: str) -> Iterator[Span]:
    run: list[Span] = []
    for found in _WORD.finditer(text):
        if found[1] is None:
            continue  # a line end or a tab, as repr() writes it
        if fold(_ESCAPED.sub(_letter, found[1])) in _known():
            run.append(found.span())
            continue
        yield from _as_one(run)
        run = []
    yield from _as_one(run)


def _letter(escaped: re.Match[str]) -> str:
    """A letter as JSON, repr() of bytes or a URL writes it; what is none matches no word."""
    if escaped[1] is not None:
        return chr(int(escaped[1], 16))
    return bytes.fromhex(re.sub(r"%|\\{1,4}x", "", escaped[0])).decode("utf-8", "replace")


def _as_one(run: list[Span]) -> Iterator[Span]:
    if len(run) >= RUN:
        yield run[0][0], run[-1][1]


@cache
def _known() -> frozenset[str]:
    return frozenset(word for lang in WORDLISTS for word in numbers(lang))

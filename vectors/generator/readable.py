"""The worked example as a page: every value with its name, its clause and what it is."""

from __future__ import annotations

from collections.abc import Iterator

from generator.cases import Case, VectorFile

__all__ = ["page"]

_WIDTH = 64
_INTRO = """\
# {title}

The values of [worked-example.json](worked-example.json), to be read beside chapter kex of
[the specification](../../spec/protocol.md): the same names, the same order, each with its clause. It is written by
`vectors/generate.py`. Bytes are hexadecimal, 32 a line; `||` joins bytes, `lv(x)` is the length of x in four bytes and
then x, `H` is SHA-256, and HKDF is that of RFC 5869 with SHA-256. The same exchange stands as steps for a program in
[exchange.json](exchange.json), under the name “{name}”.
"""


def page(file: VectorFile) -> str:
    """The text of the page."""
    (case,) = file.cases
    parts = [_INTRO.format(title="A whole exchange, value by value", name=case["name"])]
    for number, section in enumerate(case["sections"], 1):
        parts.append(f"## {number}. {section['title']}\n")
        parts.extend(_entry(value) for value in section["values"])
    return "\n".join(parts)


def _entry(value: Case) -> str:
    formula = f"`= {value['formula']}`\n\n" if "formula" in value else ""
    shown = "\n".join(_lines(value["bytes"])) if "bytes" in value else value["text"]
    size = f", {len(value['bytes']) // 2} bytes" if "bytes" in value else ""
    return f"**`{value['name']}`** ({value['clause']}{size}): {value['label']}.\n\n{formula}```text\n{shown}\n```\n"


def _lines(digits: str) -> Iterator[str]:
    yield from (digits[at : at + _WIDTH] for at in range(0, len(digits), _WIDTH))

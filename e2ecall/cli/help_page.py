"""The end of a help page: exit statuses and examples as they stand, everything else as wide as the terminal is."""

from __future__ import annotations

__all__ = ["epilog"]

_AS_IT_STANDS = "\b"  # click's mark at the head of a paragraph that it does not wrap


def epilog(considerations: str, standards: str, examples: str, *, status: str = "") -> str:
    """The paragraphs of an epilog. `examples` are commands and `status` the exit statuses, one a line."""
    paragraphs = [
        _lines("Exit status:", status) if status else "",
        f"Security considerations: {' '.join(considerations.split())}",
        f"Standards: {standards}",
        _lines("Examples:", examples),
    ]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _lines(heading: str, lines: str) -> str:
    return "\n".join([_AS_IT_STANDS, heading, *(f"  {line.strip()}" for line in lines.strip().splitlines())])

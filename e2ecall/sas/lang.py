"""A short text in every language of the ceremony: English and French."""

from __future__ import annotations

from typing import NamedTuple

from e2ecall.errors import ApiMisuse

__all__ = ["LANGUAGES", "Text"]

LANGUAGES = ("en", "fr")


class Text(NamedTuple):
    """The same words in each language; the field names are the language codes."""

    en: str
    fr: str

    def say(self, lang: str) -> str:
        """The words in `lang`, "en" or "fr"; ApiMisuse for any other."""
        if lang not in LANGUAGES:
            raise ApiMisuse(f"no language {lang!r} here", hint=f"use one of {', '.join(LANGUAGES)}")
        return self.fr if lang == "fr" else self.en

"""Writes the files of vectors/ anew, from a fixed seed and with e2ecall.audit.oracle.

    python vectors/generate.py               write the files
    python vectors/generate.py --check       compare them, and say which differ (status 1)
    python vectors/generate.py --zip FILE    pack what is there, the same bytes from the same files

The output depends on nothing but this folder and the oracle. The cases of generator/kept.py's files were worked out by
other programs: of those, only ids, flags and heads are written here.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

from generator.cases import VectorFile
from generator.finish import finished, rendered
from generator.kept import kept
from generator.schemas import schemas

FOLDER = Path(__file__).parent
_EARLIEST = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o100644


def files() -> tuple[VectorFile, ...]:
    """All files, with their cases."""
    from generator import (  # here the cases are worked out, which takes ten seconds
        codecs,
        control,
        control_channel,
        exchange,
        exchange_refused,
        frames,
        headers,
        key_ids,
        ledger,
        links,
        payload_refused,
        receivers,
        refusals,
        rekey,
        sender_keys,
        streams,
        tde2e,
        telegram,
        telegram_signals,
        views,
        worked,
    )

    parts = (
        headers,
        frames,
        refusals,
        key_ids,
        receivers,
        streams,
        sender_keys,
        codecs,
        exchange,
        exchange_refused,
        payload_refused,
        control,
        control_channel,
        rekey,
        views,
        ledger,
        links,
        telegram,
        telegram_signals,
        tde2e,
        worked,
    )
    made = tuple(file for part in parts for file in part.FILES)
    return finished((*made, *kept()))


def texts() -> dict[str, str]:
    """The text of everything that is written, by its place in this folder."""
    from generator.readable import page
    from generator.worked import FILES

    found = {f"{file.folder}/{file.name}": rendered(file) for file in files()}
    found |= {f"{file.folder}/{Path(file.name).stem}.md": page(file) for file in FILES}
    return found | schemas()


def main(arguments: list[str]) -> int:
    """0, or 1 where --check finds a difference, or 2 for other arguments."""
    match arguments:
        case []:
            return _write(texts())
        case ["--check"]:
            return _compare(texts())
        case ["--zip", target]:
            return _pack(Path(target))
        case _:
            sys.stderr.write("usage: generate.py [--check | --zip FILE]\n")
            return 2


def _write(wanted: dict[str, str]) -> int:
    for place, text in wanted.items():
        path = FOLDER / place
        if not _is_written(path, text):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")
            sys.stdout.write(f"wrote {place}\n")
    return 0


def _compare(wanted: dict[str, str]) -> int:
    different = [place for place, text in wanted.items() if not _is_written(FOLDER / place, text)]
    there = {str(path.relative_to(FOLDER)) for path in FOLDER.glob("*/*.json")}
    strangers = sorted(there - wanted.keys())
    sys.stderr.writelines(f"{place} differs from what generate.py writes\n" for place in different)
    sys.stderr.writelines(f"{place} is not written by generate.py\n" for place in strangers)
    return 1 if different or strangers else 0


def _is_written(path: Path, text: str) -> bool:
    return path.exists() and path.read_text("utf-8") == text


def _pack(target: Path) -> int:
    """Everything but the generator, with the same bytes from the same files."""
    given = [FOLDER / name for name in ("LICENSE", "README.md", "CHANGELOG.md")]
    given += [path for ending in ("json", "md") for path in FOLDER.glob(f"*/*.{ending}")]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(given):
            entry = zipfile.ZipInfo(f"vectors/{path.relative_to(FOLDER).as_posix()}", _EARLIEST)
            entry.external_attr = _READABLE << 16
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    sys.stdout.write(f"wrote {target}: {len(given)} files\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Documents that are not marked: our own prose in every form, and what is on this machine.

In: tests/cases/ordinary_prose.yaml, LibreOffice, folders. Out: paths.
Must never: hold a document that is marked, on purpose at least: a guide that shows how a page is
marked may be taken for one.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import yaml
from support.documents import KINDS, Text, convert

from markingslib.marked import FORMS

if TYPE_CHECKING:
    from collections.abc import Iterator

CASES: Final = Path("tests/cases/ordinary_prose.yaml")
MACHINE: Final = ("docs", "/usr/share/doc", "/usr/share/perl", "/usr/share/common-licenses")
"""Folders with documents for people."""
SUFFIXES: Final = frozenset({
    *(".txt", ".md", ".rst", ".html", ".htm", ".xhtml", ".erb", ".pod", ".tex", ".csv", ".eml"),
    *(".pdf", ".docx", ".odt", ".doc", ".rtf", ".xlsx", ".ods", ".xls", ".pptx", ".odp", ".ppt"),
    ".epub",
})  # fmt: skip
LARGEST: Final = 4 << 20
"""Bytes of a document of the machine that is looked at: a few are lists of megabytes."""


def prose(folder: Path) -> Iterator[tuple[str, Path]]:
    """Our own texts.

    Yields:
        The form, and the file.
    """
    cases = yaml.safe_load(CASES.read_text(encoding="utf-8"))
    for kind, (write, suffix) in KINDS.items():
        sources = []
        for number, case in enumerate(cases):
            lines = tuple(line for line in case["text"].split("\n") if line)
            text = Text(header=case["header"], lines=lines, properties=(("title", lines[0]),))
            source = folder / f"{kind}-prose-{number}{suffix}"
            source.write_text(write(text), encoding="utf-8")
            sources.append(source)
        for form in FORMS[kind]:
            name = f"{form.partition(':')[0]} ({kind})"
            yield from (
                (name, path) for path in convert(sources, form, folder / f"prose-{kind}-{form[:4]}")
            )


def of_folders(folders: list[str]) -> Iterator[Path]:
    """Documents that are on this machine."""
    for folder in folders:
        for path in sorted(Path(folder).rglob("*")):
            named = path.suffix.lower() in SUFFIXES or path.name in ("README", "copyright", "NEWS")
            ordinary = named and path.is_file() and not path.is_symlink()
            if ordinary and path.stat().st_size <= LARGEST:
                yield path

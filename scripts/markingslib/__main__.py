"""The command `scripts/markings`: builds, looks, and prints what was found.

In: command line. Out: tables; exit status 1 when a marking was missed or an ordinary document of
ours was taken for marked.
Must never: send a document anywhere.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import track
from rich.table import Table
from support.documents import program

from markingslib import marked, ordinary
from proxy_addons.content.declared import named
from proxy_addons.content.documents import TEXTS, findings_of
from proxy_addons.content.types import types_of_file

if TYPE_CHECKING:
    from collections.abc import Sequence

_WORDS = re.compile(rb"restricted|confidential|secret|official|sensitive|protect", re.IGNORECASE)
_BY_DESIGN = " (by design)"
console = Console()


@dataclass
class Count:
    """What came of some documents.

    Attributes:
        documents: how many there are.
        right: how many were told right.
        wrong: the others, with what was found.
        octets: of all of them.
        seconds: of processor time.
    """

    documents: int = 0
    right: int = 0
    wrong: list[str] = field(default_factory=list)
    octets: int = 0
    seconds: float = 0.0

    def look(self, path: Path, types: frozenset[str] | None, wanted: set[str], name: str) -> None:
        """Looks at one."""
        start = time.process_time()
        with path.open("rb") as file:
            if types is None:
                types = types_of_file(file, named(path.name))
            found = findings_of(file, types)
        self.seconds += time.process_time() - start
        self.octets += path.stat().st_size
        self.documents += 1
        if found == wanted:
            self.right += 1
        else:
            self.wrong.append(f"{name}: {', '.join(sorted(found)) or 'nothing'}")

    def add(self, other: Count) -> None:
        """Counts others with these."""
        self.documents += other.documents
        self.right += other.right
        self.wrong += other.wrong
        self.octets += other.octets
        self.seconds += other.seconds


def main(argv: Sequence[str] | None = None) -> int:
    """Build the corpus, look at it, and say what was found."""
    parser = argparse.ArgumentParser(prog="scripts/markings", description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", help="folders of ordinary documents, beside ours")
    args = parser.parse_args(argv)
    if program() is None:
        console.print("LibreOffice is not here: apt install libreoffice-writer-nogui and its kin")
        return 2
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tables = _marked(folder)
        prose = _prose(folder)
    machine = _folders([*ordinary.MACHINE, *args.folders])
    for title, counts in tables.items():
        _print(f"marked documents by {title}", counts, "found")
    _print("ordinary documents", {"prose of ours, in all forms": prose, **machine}, "told right")
    missed = [line for count in tables["form"].values() for line in count.wrong]
    for line in missed:
        console.print(f"missed: {line}", markup=False, highlight=False, soft_wrap=True)
    for count in (prose, *machine.values()):
        for line in count.wrong:
            console.print(
                f"taken for marked: {line}", markup=False, highlight=False, soft_wrap=True
            )
    by_design = sum(line.endswith(_BY_DESIGN) for line in missed)
    console.print(f"{len(missed)} missed, {by_design} of them where the rules say so")
    return 1 if len(missed) > by_design or prose.wrong else 0


def _marked(folder: Path) -> dict[str, dict[str, Count]]:
    tables: dict[str, dict[str, Count]] = {"form": {}, "place": {}, "words": {}}
    with console.status("building marked documents") as status:
        for made in (marked.made(folder), marked.mails(folder / "mail")):
            for form, shape, words in made:
                status.update(f"{form}: {words}, {shape.place}")
                look = Count()
                says = _BY_DESIGN if marked.by_design(words, shape.place) else ""
                look.look(
                    shape.path,
                    frozenset({shape.file_type}),
                    {f"marking={shape.marking}"},
                    f"{form}, {words}, {shape.place}",
                )
                look.wrong = [line + says for line in look.wrong]
                for title, key in (("form", form), ("place", shape.place), ("words", words)):
                    tables[title].setdefault(key, Count()).add(look)
    return tables


def _prose(folder: Path) -> Count:
    count = Count()
    with console.status("building ordinary documents"):
        for form, path in ordinary.prose(folder):
            count.look(path, None, set(), f"{form} {path.stem}")
    return count


def _folders(folders: list[str]) -> dict[str, Count]:
    counts: dict[str, Count] = {}
    paths = list(ordinary.of_folders(folders))
    with_words: Counter[str] = Counter()
    for path in track(paths, "looking at documents of this machine", console=console):
        with path.open("rb") as file:
            types = types_of_file(file, named(path.name))
        if not types & (TEXTS | {"pdf", "document"}):
            continue
        key = next(folder for folder in folders if Path(folder) in path.parents)
        counts.setdefault(key, Count()).look(path, types, set(), str(path))
        if _WORDS.search(path.read_bytes()):
            with_words[key] += 1
    return {f"{key} ({with_words[key]} with such words)": each for key, each in counts.items()}


def _print(title: str, counts: dict[str, Count], right: str) -> None:
    table = Table(title, "documents", right, "MB", "ms each")
    total = Count()
    for name, count in counts.items():
        _row(table, name, count)
        total.add(count)
    _row(table, "together", total)
    console.print(table)


def _row(table: Table, name: str, count: Count) -> None:
    each = 1000 * count.seconds / max(1, count.documents)
    figures = (count.documents, count.right, f"{count.octets / 1e6:.1f}", f"{each:.1f}")
    table.add_row(name, *map(str, figures))


if __name__ == "__main__":
    sys.exit(main())

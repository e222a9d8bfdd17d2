"""What comes with squidGuard's lists beside the lists: changes, and expressions by choice.

    domains.diff, urls.diff          `+entry` and `-entry`: changes to the list beside them
    very_restrictive_expression      expressions that refuse much, taken only when asked for

In: a folder in squidGuard layout. Out: the same with the changes made.
Must never: touch a list other than the one that a file stands beside.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from proxy_addons.categorisation.entries import PARSERS, EntryError, Kind
from proxy_addons.categorisation.formats.base import numbered
from proxy_addons.categorisation.lines import batches
from proxy_addons.categorisation.report import CategoryImportError, quoted

if TYPE_CHECKING:
    from pathlib import Path

    from proxy_addons.categorisation.report import Problems

NAMES = {Kind.DOMAINS, Kind.URLS, Kind.EXPRESSIONS}  # files that tell the layout
DIFF = ".diff"
VERY_RESTRICTIVE = "very_restrictive_expression"
DIFFED = (Kind.DOMAINS, Kind.URLS)  # squidGuard keeps no expressions in its databases
_MOST_CHANGES = 2_000_000  # they are held


def finish(work: Path, name: str, problems: Problems, *, very_restrictive: bool) -> None:
    """Applies what stands beside the lists.

    Args:
        work: the folder.
        name: of the list, for reports.
        problems: where lines that are not used are noted.
        very_restrictive: take these expressions too.

    Raises:
        CategoryImportError: when there are too many changes to hold.
        OSError: when a file cannot be read or written.
    """
    for folder, _, files in os.walk(work):
        for file in sorted(files):
            path = work.joinpath(folder, file)
            if path.is_symlink():
                continue
            place = f"{name}/{path.relative_to(work)}"
            if file in {kind + DIFF for kind in DIFFED}:
                _apply(path, Kind(file.removesuffix(DIFF)), place, problems)
                path.unlink()
            elif file == VERY_RESTRICTIVE and very_restrictive:
                _append(path, path.with_name(Kind.EXPRESSIONS))


def _append(more: Path, target: Path) -> None:
    content = target.read_bytes() if target.is_file() else b""
    if content and not content.endswith(b"\n"):
        content += b"\n"
    _replace(target, content + more.read_bytes())
    more.unlink()


def _apply(diff: Path, kind: Kind, place: str, problems: Problems) -> None:
    """Takes out and adds what a file of changes says; of two about an entry the last holds."""
    changes: dict[str, tuple[int, str | None]] = {}
    for number, line in numbered(diff):
        if not line or line.startswith("#"):
            continue
        try:
            text = _changed(line, kind)
        except EntryError as error:  # this change is not made, and said so
            problems.add(place, number, str(error))
            continue
        changes[text] = (number, line[1:].strip() if line[0] == "+" else None)
        if len(changes) > _MOST_CHANGES:
            raise CategoryImportError(f"{place}: more than {_MOST_CHANGES:,} changes")
    target = diff.with_name(kind)
    kept, met = _without(target, kind, changes)
    for text, (number, added) in changes.items():
        if added is not None:
            kept.append(added)
        elif text not in met:
            problems.add(place, number, f"takes out what is not in the list: {quoted(text)}")
    _replace(target, "".join(f"{line}\n" for line in kept).encode("utf-8", "surrogateescape"))


def _changed(line: str, kind: Kind) -> str:
    if line[0] not in "+-":
        raise EntryError(f"no change, which begins with + or -: {quoted(line)}")
    text = PARSERS[kind](line[1:])
    if text is None:
        raise EntryError(f"a change of nothing: {quoted(line)}")
    return text


def _without(
    target: Path, kind: Kind, changes: dict[str, tuple[int, str | None]]
) -> tuple[list[str], set[str]]:
    """The lines that are in no change, and which changes were about lines that are there."""
    kept: list[str] = []
    met: set[str] = set()
    if not target.is_file():
        return kept, met
    for _, lines in batches(target):
        for line in lines:
            try:
                text = PARSERS[kind](line)
            except EntryError:  # it stays, to be counted when the list is read
                text = None
            if text is not None and text in changes:
                met.add(text)
            else:
                kept.append(line)
    return kept, met


def _replace(path: Path, content: bytes) -> None:
    """Writes a file anew: the one before may have a second name."""
    new = path.with_name(f"{path.name}.new")
    with new.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)

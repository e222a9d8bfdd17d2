"""Finds out how a list is written, by what is in it.

In: a folder of files. Out: the format, or an error that names the choices.
Must never: guess where two formats fit: the same line says different things in them.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from proxy_addons.categorisation.entries import EntryError, Kind
from proxy_addons.categorisation.formats import e2guardian
from proxy_addons.categorisation.formats.base import Format, entry, numbered
from proxy_addons.categorisation.formats.hosts import sunk
from proxy_addons.categorisation.report import CategoryImportError, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_LINES = 2000  # looked at of each file: headers of comments may be long
_CLEAR = 0.9  # share of the lines that one format must take
_ADBLOCK = re.compile(r"@@|\|\||\[adblock|!|/.+[/$]|\|https?:|[^ ]*#@?[$?%]*@?#[^ ]", re.IGNORECASE)
_COMMENT = re.compile(r"#+(?:\s|\Z)")
_ZONE = re.compile(
    r"\$(?:TTL|ORIGIN|INCLUDE)\s|(?:\S+)?\s+(?:[0-9]+[smhdw]?\s+)?(?:IN\s+)?(?:SOA|NS|CNAME|A|AAAA|TXT)\s",
    re.IGNORECASE,
)
CHOICES = ", ".join(each for each in Format if each is not Format.AUTO)


def detect(files: Iterable[Path]) -> Format:
    """Says how files are written.

    Raises:
        CategoryImportError: when it cannot be told.
        OSError: when a file cannot be read.
    """
    found: dict[Format, Path] = {}
    for path in files:
        if e2guardian.is_list(path.name):
            return Format.E2GUARDIAN
        kind = _of_file(path)
        if kind is not None:
            found.setdefault(kind, path)
    if not found:
        raise CategoryImportError("nothing in it tells the format: give it with --format")
    if len(found) > 1:
        said = "; ".join(f"{quoted(path.name)} looks like {kind}" for kind, path in found.items())
        raise CategoryImportError(
            f"the files are of different formats: {said}: import them one by one"
        )
    return next(iter(found))


def _of_file(path: Path) -> Format | None:
    """The format of one file; None when nothing in it tells."""
    votes: Counter[Format] = Counter()
    unknown = 0
    for _, line in islice(numbered(path), _LINES):
        kind = _of_line(line)
        if kind is Format.E2GUARDIAN:
            return kind  # nothing else is written like its directives
        if kind is not None:
            votes[kind] += 1
        elif line and line[0] not in "#;!":
            unknown += 1
    if votes.total() <= unknown:
        return None
    (first, count), *others = votes.most_common()
    if count < _CLEAR * votes.total():
        said = ", ".join(f"{number} like {kind}" for kind, number in ((first, count), *others))
        raise CategoryImportError(
            f"{quoted(path.name)}: cannot tell the format: of the lines looked at {said}: "
            f"say which with --format (one of {CHOICES})"
        )
    return first


def _of_line(line: str) -> Format | None:
    if not line or line.startswith(";") or _COMMENT.match(line):
        return None
    if line.startswith((".Include<", "#listcategory:")):
        return Format.E2GUARDIAN
    if _ADBLOCK.match(line):
        return Format.ADBLOCK
    if line.startswith("#"):
        return None
    words = line.split()
    if len(words) > 1:
        try:
            sunk(words[0])
        except EntryError:  # it begins with no address
            pass
        else:
            return Format.HOSTS
    if _ZONE.match(line):
        return Format.RPZ
    try:
        entry(Kind.URLS if "/" in words[0] else Kind.DOMAINS, line, 0)
    except EntryError:  # no line of a plain list either
        return None
    return Format.DOMAINS

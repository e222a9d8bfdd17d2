"""Reads duty times from CSV (docs/rota.md).

In: a file with a line of column names, commas, semicolons or tabs between. Out: a `RotaFile`, or
`RotaFileError` with every problem.
Must never: take a column by its place, or a row that has more cells than there are columns.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from proxy_addons.standing.rota_entries import Entries, Options, kind_of
from proxy_addons.standing.rota_problems import CellError, file_error, quoted
from proxy_addons.standing.rota_source import Source
from proxy_addons.standing.rota_times import Columns, Texts, Times

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import tzinfo
    from pathlib import Path

    from proxy_addons.standing.rota_entries import Progress, RotaFile

PERSON, DATE, BEGINS, END_DATE, ENDS, KIND = range(6)
NAMES: Final[Mapping[int, tuple[str, ...]]] = {
    PERSON: (
        *("person", "login", "login name", "user", "username", "user name", "user id", "account"),
        *("account name", "samaccountname", "uid", "employee login"),
    ),
    DATE: ("date", "day", "duty date", "shift date", "start date", "from date", "begin date"),
    BEGINS: (
        *("begins", "begin", "start", "starts", "from", "start time", "from time", "begin time"),
        *("time from", "time on", "book on", "duty start", "shift start", "start datetime"),
        *("start date time", "planned start", "dtstart"),
    ),
    END_DATE: ("end date", "to date", "finish date", "until date"),
    ENDS: (
        *("ends", "end", "finish", "finishes", "to", "until", "end time", "to time"),
        *("finish time", "time to", "time off", "book off", "duty end", "shift end"),
        *("end datetime", "end date time", "planned end", "planned finish", "dtend"),
    ),
    KIND: (
        *("kind", "type", "duty", "duty type", "duty code", "shift", "shift type", "shift code"),
        *("code", "activity", "subject", "summary", "category"),
    ),
}
"""What each column may be called; without case, spaces, hyphens and underscores. Others are left
alone."""

_COLUMNS_AT_MOST: Final = 200
_ALIASES: Final = {
    name.replace(" ", ""): column for column, names in NAMES.items() for name in names
}


def read_csv(
    path: Path, zone: tzinfo, options: Options | None = None, progress: Progress | None = None
) -> RotaFile:
    """Read a CSV file.

    Args:
        path: the file.
        zone: the force's, of times without an offset.
        options: how it is to be read.
        progress: told what is being done.

    Raises:
        RotaFileError: it cannot be imported; with all that is wrong.
    """
    options = options or Options()
    source = Source(path, progress)
    entries = Entries(path.name, options)
    rows = _rows(source, path.name, entries)
    line, head = next(rows, (0, []))
    if not head:
        raise file_error(path.name, "the file is empty", "export it with a line of column names")
    reader = _Reader(head, _places(head, line, path.name, options), entries, Times(zone))
    for number, row in rows:
        reader.take(number, row)
    return entries.finish(source.digest)


class _Reader:
    """Reads one row after another."""

    def __init__(
        self, head: list[str], places: Mapping[int, int], entries: Entries, times: Times
    ) -> None:
        self._entries = entries
        self._times = times
        self._width = len(head)
        # Absent columns are read from an empty cell that is put behind each row.
        self._pick = itemgetter(*(places.get(column, -1) for column in range(6)))
        self._called = [
            f"column {quoted(head[places[column]].strip())}" if column in places else "column"
            for column in range(6)
        ]
        self._columns = Columns(*(self._called[each] for each in (DATE, BEGINS, END_DATE, ENDS)))
        self._kinds: dict[str, str] = {}

    def take(self, number: int, row: list[str]) -> None:
        """Take a row, or note everything that is wrong with it."""
        missing = self._width - len(row)
        if missing < 0 and any(each.strip() for each in row[self._width :]):
            problem = CellError(
                "",
                f"there are {len(row)} cells under {self._width} column names",
                "put a value with a comma in it between quotation marks",
            )
            self._entries.problem(number, problem)
            return
        padded = [*row[: self._width], *("",) * (max(missing, 0) + 1)]
        person_text, day, begins, last, ends, kind_text = self._pick(padded)
        person = None
        try:
            person = self._entries.person(person_text, self._called[PERSON])
        except CellError as problem:
            # Nothing of the file is imported; the row's times are looked at all the same, so that
            # all that is wrong is said at once.
            self._entries.problem(number, problem)
        kind = self._kinds.get(kind_text)
        if kind is None:
            kind = self._kinds[kind_text] = kind_of(kind_text)
        try:
            self._take(person, kind, Texts(day, begins, last, ends), number)
        except CellError as problem:
            # As above.
            self._entries.problem(number, problem)

    def _take(self, person: str | None, kind: str, texts: Texts, number: int) -> None:
        if self._entries.is_off(kind):
            first, last = self._times.days(texts, self._columns)
            if person is not None:
                self._entries.time_off(person, first, last, number)
            return
        if not texts.begins.strip() and not texts.ends.strip():
            what = f"there are no times, and {quoted(kind)} is not known as time off"
            raise CellError("", what, f"give times, or say --off {kind}")
        span = self._times.span(texts, self._columns)
        if person is not None:
            self._entries.duty(person, span, kind, number)


def _rows(source: Source, file: str, entries: Entries) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, with their lines."""
    pieces = source.pieces()
    first = next(pieces, "")
    lines = _lines(itertools.chain((first,), pieces))
    reader = csv.reader(lines, delimiter=_delimiter(first), strict=True)
    before = 0
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as problem:
            # Where the next row begins is not known: nothing is read beyond.
            what = f"this is no CSV ({problem})"
            if before == 0:
                raise file_error(file, what, "look at the quotation marks", 1) from problem
            entries.problem(before + 1, CellError("", what, "look at the quotation marks"))
            return
        number, before = before + 1, reader.line_num
        if any(map(str.strip, row)):
            yield number, row


def _lines(pieces: Iterable[str]) -> Iterator[str]:
    """Lines with their ends, of any of the three sorts: `csv` wants them so."""
    for piece in pieces:
        yield from io.StringIO(piece, newline="")


def _delimiter(text: str) -> str:
    """What is most often between the column names."""
    head = next((line for line in io.StringIO(text[:20_000]) if line.strip()), "")
    return max(",;\t", key=head.count)


def _places(head: list[str], row: int, file: str, options: Options) -> dict[int, int]:
    """Where each column is."""
    if len(head) > _COLUMNS_AT_MOST:
        raise file_error(file, f"there are {len(head)} columns", "export those of the rota", row)
    places: dict[int, int] = {}
    for place, name in enumerate(head):
        column = _ALIASES.get(_bare(name))
        if column is None:
            continue
        if column in places:
            if column == KIND:
                # Codes, names and remarks on one duty: any of them will do.
                continue
            both = f"{quoted(head[places[column]].strip())} and {quoted(name.strip())}"
            what = f"the columns {both} mean the same"
            raise file_error(file, what, "take one of them out, or call it otherwise", row)
        places[column] = place
    wanted = {PERSON: "person", BEGINS: "begins", ENDS: "ends"}
    if options.person is not None:
        del wanted[PERSON]
    missing = [name for column, name in wanted.items() if column not in places]
    if missing:
        found = ", ".join(quoted(name.strip()) for name in head[:12])
        what = f"there is no column {' and none '.join(missing)}; there are {found}"
        fix = "name the columns person, begins, ends (or person, date, from, to) in the first line"
        raise file_error(file, what, fix, row)
    return places


def _bare(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())

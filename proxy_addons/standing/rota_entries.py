"""What a file of duty times says, person by person.

In: rows as a reader of one format finds them (rota_csv.py, rota_ics.py). Out: a `RotaFile`: checked
duties by person, with the period of the file; or `RotaFileError` with every problem.
Must never: leave a row out without saying so; grow without bounds with a hostile file.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from proxy_addons.policy.people import canonical_name
from proxy_addons.standing.rota_problems import (
    CellError,
    Note,
    RotaFileError,
    RowProblem,
    file_error,
    quoted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

    from proxy_addons.standing.rota_times import Span

type Progress = Callable[[str, int, int], None]
"""Told a stage, how much of it is done, and how much there is."""

ENTRIES_AT_MOST: Final = 2_000_000
PERIOD_AT_MOST: Final = 400  # days from the first to the last: beyond, a year is mistyped
DUTY: Final = "duty"
"""The kind of an entry that has none."""
KIND_AT_MOST: Final = 32  # characters; further ones are cut off
_KEPT: Final = 1000  # problems, and sorts of notes

OFF: Final = frozenset(
    {
        *("off", "day-off", "off-duty", "rest-day", "rest", "rd", "rrd", "nwd", "non-working-day"),
        *("leave", "annual-leave", "al", "a-l", "holiday", "bank-holiday", "public-holiday"),
        *("bh", "ph", "toil", "time-off-in-lieu", "lieu", "flexi", "flexi-leave", "flexi-day"),
        *("sick", "sickness", "sick-leave", "maternity-leave", "paternity-leave"),
        *("parental-leave", "adoption-leave", "special-leave", "compassionate-leave"),
        *("unpaid-leave", "study-leave", "career-break", "cancelled", "free"),
        *("on-call", "standby", "stand-by"),
    }
)
"""Kinds that are time off. Every other one is a duty: who is wrongly taken to be on duty is allowed
less, not more."""


class Piece(NamedTuple):
    """One duty of a file.

    Attributes:
        begins: in UTC.
        ends: in UTC, excluded.
        kind: see `kind_of`.
        row: line of the file, from 1.
        day: the local day on which it begins.
    """

    begins: datetime
    ends: datetime
    kind: str
    row: int
    day: date


@dataclass(frozen=True, slots=True)
class Options:
    """How a file is to be read.

    Attributes:
        first: no entry that begins before this local day is read; the file's period begins here.
        last: none that begins after this local day; the file's period ends here.
        person: whose entries are those that name nobody; canonical.
        off: kinds that are time off besides `OFF`.
    """

    first: date | None = None
    last: date | None = None
    person: str | None = None
    off: Collection[str] = ()


@dataclass(slots=True)
class Person:
    """What a file says of somebody.

    Attributes:
        duties: sorted, each once.
        off: local days that it calls time off, with the line.
    """

    duties: list[Piece] = field(default_factory=list)
    off: dict[date, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RotaFile:
    """A file that can be imported.

    Attributes:
        name: of the file.
        digest: SHA-256 of its bytes, in hex.
        rows: entries that were read, time off included.
        left_out: entries outside the days that were asked for.
        first: local day on which the period begins.
        last: that on which it ends, included.
        people: by canonical login name.
        notes: what is read in a way worth knowing.
    """

    name: str
    digest: str
    rows: int
    left_out: int
    first: date
    last: date
    people: Mapping[str, Person]
    notes: tuple[Note, ...]


class Entries:
    """Collects the entries of one file."""

    def __init__(self, file: str, options: Options) -> None:
        # A name of a file may hold anything but a slash, and goes into the store and to a terminal.
        self._file = "".join(each if each.isprintable() else "\ufffd" for each in file)
        self._options = options
        self._off = OFF | {kind_of(each) for each in options.off}
        self._people: dict[str, Person] = {}
        self._problems: list[RowProblem] = []
        self._count = 0
        self._notes: dict[str, tuple[int, int]] = {}
        self._rows = 0
        self._left_out = 0
        self._days: dict[date, int] = {}  # with the first line that has it
        self._names: dict[str, str | CellError] = {}

    # --- as rows are read ---

    def problem(self, row: int, problem: CellError) -> None:
        """Note what is wrong with a row."""
        self._count += 1
        if len(self._problems) < _KEPT:
            self._problems.append(
                RowProblem(self._file, row, problem.column, problem.what, problem.fix)
            )

    def note(self, row: int, text: str) -> None:
        """Note how a row is read."""
        known = self._notes.get(text)
        if known is not None:
            self._notes[text] = (known[0], known[1] + 1)
        elif len(self._notes) < _KEPT:
            self._notes[text] = (row, 1)

    def is_off(self, kind: str) -> bool:
        """Whether a kind is time off."""
        return kind in self._off

    def person(self, text: str, column: str) -> str:
        """Whose an entry is: a login name in its canonical form.

        Raises:
            CellError: it is none.
        """
        known = self._names.get(text)
        if known is None:
            known = self._names[text] = _person(text, column, self._options.person)
        if isinstance(known, CellError):
            raise known.again()
        return known

    def duty(self, person: str, span: Span, kind: str, row: int) -> None:
        """Take a duty.

        Args:
            person: canonical login name.
            span: from when to when.
            kind: see `kind_of`.
            row: line.
        """
        if self._takes(span.day, row):
            for text in span.notes:
                self.note(row, text)
            self._of(person).duties.append(Piece(span.begins, span.ends, kind, row, span.day))

    def time_off(self, person: str, first: date, last: date, row: int) -> None:
        """Take days without duty: they belong to the file's period.

        Args:
            person: canonical login name.
            first: local day.
            last: local day, included.
            row: line.
        """
        for number in range((last - first).days + 1):
            day = first + timedelta(days=number)
            if self._takes(day, row, counts=number == 0):
                self._of(person).off.setdefault(day, row)

    def _takes(self, day: date, row: int, *, counts: bool = True) -> bool:
        options = self._options
        if (options.first is not None and day < options.first) or (
            options.last is not None and day > options.last
        ):
            self._left_out += counts
            return False
        self._rows += counts
        if self._rows > ENTRIES_AT_MOST:
            raise file_error(
                self._file,
                f"the file has more than {ENTRIES_AT_MOST:,} entries",
                "export fewer days at a time",
                row,
            )
        if day not in self._days:
            self._days[day] = row
        return True

    def _of(self, person: str) -> Person:
        found = self._people.get(person)
        if found is None:
            found = self._people[person] = Person()
        return found

    # --- at the end ---

    def finish(self, digest: str) -> RotaFile:
        """Check what concerns several rows.

        Args:
            digest: SHA-256 of the file's bytes, in hex.

        Raises:
            RotaFileError: anything is wrong with any row.
        """
        self._check_period()
        if self._count:
            raise RotaFileError(self._problems, self._count)
        for person in self._people.values():
            self._put_in_order(person)
        notes = (Note(row, count, text) for text, (row, count) in self._notes.items())
        return RotaFile(
            name=self._file,
            digest=digest,
            rows=self._rows,
            left_out=self._left_out,
            first=self._first(),
            last=self._last(),
            people=self._people,
            notes=tuple(sorted(notes, key=lambda each: each.row)),
        )

    # Days that were asked for count whole, so that what was on them, and is gone, is taken away.

    def _first(self) -> date:
        return self._options.first or min(self._days)

    def _last(self) -> date:
        return self._options.last or max(self._days)

    def _check_period(self) -> None:
        if not self._days:
            if not self._count:
                other = f"; {self._left_out:,} are on other days" if self._left_out else ""
                what = f"there is no entry to import{other}"
                self.problem(0, CellError("", what, "export the days that are wanted"))
            return
        first, last = self._first(), self._last()
        if (last - first).days >= PERIOD_AT_MOST:
            early, late = (f" (line {self._days[each]})" if each in self._days else ""
                           for each in (first, last))  # fmt: skip
            what = f"from {first}{early} to {last}{late} it is more than {PERIOD_AT_MOST} days"
            fix = "mend the year, or read fewer days with --from and --until"
            self.problem(0, CellError("", what, fix))

    def _put_in_order(self, person: Person) -> None:
        """Sort the duties, take doubles out, and say what contradicts itself."""
        person.duties.sort()
        kept: list[Piece] = []
        latest: datetime | None = None
        for each in person.duties:
            if kept and each[:3] == kept[-1][:3]:
                self.note(each.row, "the same entry twice: it counts once")
                continue
            if latest is not None and each.begins < latest:
                self.note(each.row, "entries of one person overlap: on duty while any of them says")
            if each.day in person.off:
                self.note(each.row, "a duty on a day that is time off besides: the duty counts")
            kept.append(each)
            latest = each.ends if latest is None else max(latest, each.ends)
        person.duties = kept


def kind_of(text: str) -> str:
    """The kind of an entry in the form in which kinds are compared and kept.

    Lower case, with hyphens for all that is neither letter nor digit: `Rest Day` is `rest-day`.
    At most 32 characters. Empty: `duty`.
    """
    composed = unicodedata.normalize("NFC", text.casefold())
    folded = re.sub(r"[\W_]+", "-", composed).strip("-")
    return folded[:KIND_AT_MOST].strip("-") or DUTY


def _person(text: str, column: str, default: str | None) -> str | CellError:
    if not text.strip():
        if default is not None:
            return default
        return CellError(column, "there is no name", "give the person's login name, or --person")
    try:
        return canonical_name(text)
    except ValueError as problem:
        # The row is not taken, and so nothing of the file: whose it is is not known.
        return CellError(column, f"{quoted(text)} is no login name", f"{problem}")

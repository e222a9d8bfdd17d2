"""What is wrong with a file of duty times, and how it is said.

In: problems as they are found. Out: an exception that has all of them.
Must never: repeat text that a terminal would act on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_QUOTED_AT_MOST: Final = 40


class CellError(ValueError):
    """One value cannot be used.

    Attributes:
        column: name of the column or property, as the reader calls it; empty for the row.
        what: what is wrong with it.
        fix: what to do about it.
    """

    def __init__(self, column: str, what: str, fix: str) -> None:
        super().__init__(f"{column}: {what}: {fix}")
        self.column = column
        self.what = what
        self.fix = fix

    def again(self) -> CellError:
        """The same, to be kept or raised once more: an exception holds all that led to it."""
        return type(self)(self.column, self.what, self.fix)


@dataclass(frozen=True, slots=True)
class RowProblem:
    """One thing that is wrong with a file.

    Attributes:
        file: its name.
        row: line, from 1; 0 for the file as a whole.
        column: name of the column or property; empty for the row as a whole.
        what: what is wrong.
        fix: what to do about it.
    """

    file: str
    row: int
    column: str
    what: str
    fix: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.row}" if self.row else self.file
        column = f" {self.column}:" if self.column else ""
        return f"{place}:{column} {self.what}: {self.fix}"


@dataclass(frozen=True, slots=True)
class Note:
    """Something that is read in a way worth knowing. Several rows of a sort are one note.

    Attributes:
        row: the first line.
        count: how many there are.
        text: how it is read.
    """

    row: int
    count: int
    text: str


class RotaFileError(Exception):
    """A file cannot be imported. Nothing has been written.

    Attributes:
        problems: in the order of the file; the first thousand.
        count: how many there are.
    """

    def __init__(self, problems: Iterable[RowProblem], count: int) -> None:
        self.problems = tuple(sorted(problems, key=lambda each: each.row))
        self.count = count
        lines = [str(each) for each in self.problems]
        if count > len(lines):
            lines.append(f"and {count - len(lines):,} more")
        super().__init__("\n".join(lines))


def file_error(file: str, what: str, fix: str, row: int = 0) -> RotaFileError:
    """A problem because of which no row could be read, or no further one."""
    return RotaFileError([RowProblem(file, row, "", what, fix)], 1)


def quoted(text: str) -> str:
    """A text as it may be shown: ASCII, controls escaped, cut when long."""
    shown = ascii(text)
    return shown if len(shown) <= _QUOTED_AT_MOST else f"{shown[:_QUOTED_AT_MOST]}…"

"""What goes wrong with category lists, and how it is said.

In: problems as they are found. Out: exceptions and a bounded collection of problems.
Must never: grow with a hostile list, or repeat text that a terminal would obey.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHOWN_EACH = 3
_REASONS = 200  # a hostile list shall not think of more
_QUOTED_AT_MOST = 60


class CategoryError(Exception):
    """Category lists or their index cannot be used as they are."""


class CategoryImportError(CategoryError):
    """What was to be imported is refused as a whole; nothing has changed."""


class CategorySourceError(CategoryError):
    """The lists that make up the index cannot be read; the index in force has not changed."""


class CategoryIndexError(CategoryError):
    """The index file is missing, damaged or not ours. Without it every request is refused."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not used, and why.

    Attributes:
        place: list and file, e.g. `ut1/games/urls`.
        line: line number from 1; 0 for the file as a whole.
        message: what was found, what is wanted, how to put it right.
    """

    place: str
    line: int
    message: str

    @property
    def reason(self) -> str:
        """Why, without what was found: what stands before the first colon of the message."""
        return self.message.partition(": ")[0]

    def __str__(self) -> str:
        return f"{self.place}:{self.line}: {self.message}" if self.line else self._whole()

    def _whole(self) -> str:
        return f"{self.place}: {self.message}"


@dataclass(slots=True)
class Problems:
    """Counts all problems and keeps the first few of each reason.

    Attributes:
        counts: number of problems by place.
        reasons: number of problems by reason.
        shown: the problems kept.
    """

    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    shown: list[Problem] = field(default_factory=list)

    def add(self, place: str, line: int, message: str) -> None:
        """Note a problem."""
        problem = Problem(place, line, message)
        reason = problem.reason
        if reason not in self.reasons and len(self.reasons) >= _REASONS:
            reason = "other reasons"
        self.counts[place] += 1
        self.reasons[reason] += 1
        if self.reasons[reason] <= _SHOWN_EACH:
            self.shown.append(problem)

    def extend(self, others: tuple[Problem, ...]) -> None:
        """Note problems that were found elsewhere."""
        for problem in others:
            self.add(problem.place, problem.line, problem.message)

    def __len__(self) -> int:
        return self.counts.total()

    def lines(self) -> Iterator[str]:
        """The report: by reason the problems kept, then how many more there are."""
        by_reason: dict[str, list[Problem]] = {}
        for problem in self.shown:
            known = problem.reason if problem.reason in self.reasons else "other reasons"
            by_reason.setdefault(known, []).append(problem)
        for reason, problems in by_reason.items():
            yield from map(str, problems)
            if self.reasons[reason] > _SHOWN_EACH:
                yield f"  and {self.reasons[reason] - _SHOWN_EACH:,} more: {reason}"


def quoted(text: str) -> str:
    """A text as it may be shown: ASCII, control characters escaped, cut when long."""
    shown = ascii(text)
    if len(shown) <= _QUOTED_AT_MOST:
        return shown
    return f"{shown[:_QUOTED_AT_MOST]}…"

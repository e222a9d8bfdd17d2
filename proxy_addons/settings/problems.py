"""What is wrong with a configuration: collected, and reported all at once.

In: a place, a dotted key and a sentence, from whatever reads a file.
Out: `SettingsError`, whose text is one line for each problem.
Must never: quote a value that may be a secret (kinds that read such values do not hand them over).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_QUOTED_AT_MOST = 60


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, or odd. Whatever it quotes, a terminal does not obey it.

    Attributes:
        place: `file:line`, or the option or environment variable that a value came from.
        key: dotted key, e.g. `rules[3].when.hosts`; empty for the file as a whole.
        message: what was found, what is wanted, how to put it right.
    """

    place: str
    key: str
    message: str

    def __post_init__(self) -> None:
        """Names of rules, parameters and keys are whatever somebody wrote."""
        for name in ("key", "message"):
            text = getattr(self, name)
            if not text.replace("\n", "").isprintable():
                object.__setattr__(self, name, "\n".join(map(printable, text.split("\n"))))

    def __str__(self) -> str:
        return ": ".join(part for part in (self.place, self.key, self.message) if part)


class SettingsError(Exception):
    """The configuration is not usable; nothing of it is used.

    Attributes:
        problems: all of them, in the order of the files.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(slots=True)
class Report:
    """Collects problems while a configuration is read."""

    problems: list[Problem] = field(default_factory=list)
    _noted: set[tuple[str, str]] = field(default_factory=set)

    def add(self, place: str, key: str, message: str) -> None:
        """Note a problem; reading goes on, so that all are found at once.

        Of several problems of one key in one place only the first is kept: the others follow of it.
        """
        if (place, key) not in self._noted:
            self._noted.add((place, key))
            self.problems.append(Problem(place, key, message))

    def raise_if_any(self) -> None:
        """End here if anything is wrong.

        Raises:
            SettingsError: with all problems noted so far, file by file, in the order of the lines.
        """
        if not self.problems:
            return
        files = [_file_and_line(problem.place)[0] for problem in self.problems]

        def order(problem: Problem) -> tuple[int, int]:
            file, line = _file_and_line(problem.place)
            return files.index(file), line

        raise SettingsError(sorted(self.problems, key=order))


def _file_and_line(place: str) -> tuple[str, int]:
    file, colon, line = place.rpartition(":")
    return (file, int(line)) if colon and line.isdigit() else (place, 0)


def nearest(name: str, valid: Iterable[str]) -> str:
    """A hint that ends a message: the nearest valid name, or else all of them if they are few."""
    names = sorted(set(valid))
    by_fold = {candidate.lower(): candidate for candidate in names}
    close = get_close_matches(name.lower(), by_fold, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {by_fold[close[0]]}?"
    if 0 < len(names) <= 12:
        return f"; valid: {', '.join(names)}"
    return ""


def quoted(text: str) -> str:
    """A piece of input made safe to print: one line, printable, not too long."""
    shown = printable(text[: _QUOTED_AT_MOST + 1])
    if len(text) > _QUOTED_AT_MOST:
        shown = f"{shown[:_QUOTED_AT_MOST]}…"
    return f'"{shown}"'


def printable(text: str) -> str:
    """A text on one line, in which a terminal finds nothing to obey."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )

"""Studies: what is measured otherwise than as CPU per operation of many sides.

In: the running bench (place, origin, sides).
Out: figures as plain numbers, and lines that say them.
Must never: leave a side or a load running that it started for itself.
"""

from __future__ import annotations

import contextlib
import sys
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from benchlib.report import Spread, ratio
from benchlib.side import AbsentError, Side
from benchlib.sides import SIDES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchlib.origin import Origin
    from benchlib.place import Place

type Figures = dict[str, Any]


@dataclass
class Bench:
    """A run: where it happens, and which sides are up.

    Attributes:
        place: folder, cores, programs.
        origin: what is asked.
        rounds: how often each measurement is repeated, the sides in turn.
        quick: a fast look, with less of everything.
        names: names in the largest made-up list.
        rows: records of the largest access log.
        records: an access log that is there, of scripts/records, or None: one is made.
        lists: category lists as a .tar.gz in squidGuard layout, or None.
        running: sides by name.
    """

    place: Place
    origin: Origin
    rounds: int
    quick: bool = False
    names: int = 5_000_000
    rows: int = 20_000_000
    records: Path | None = None
    lists: Path | None = None
    running: dict[str, Side] = field(default_factory=dict)

    def side(self, name: str) -> Side:
        """A side of the comparison, started if it is not up.

        Raises:
            AbsentError: it is not installed.
            SideError: it does not start.
        """
        if name not in self.running:
            self.running[name] = SIDES[name](self.place, self.origin)
        return self.running[name]

    def sides(self, names: Sequence[str], figures: Figures) -> list[Side]:
        """Those of these sides that are there; why others are not goes into the figures."""
        found = []
        for name in names:
            try:
                found.append(self.side(name))
            except AbsentError as error:
                figures.setdefault("left_out", {})[name] = str(error)
        return found

    @contextlib.contextmanager
    def alone[S: Side](self, side: S) -> Iterator[S]:
        """A side that a study has started for itself, ended with it."""
        try:
            yield side
        finally:
            side.program.stop()

    def in_turn(self, sides: Sequence[Side], what: str) -> Iterator[tuple[int, Side]]:
        """Every round, every side, another beginning each time."""
        for number in range(self.rounds):
            first = number % len(sides)
            for side in (*sides[first:], *sides[:first]):
                self.doing(f"{what}: round {number + 1}, {side.name}")
                yield number, side

    @staticmethod
    def doing(what: str) -> None:
        """What is happening, for whoever watches a terminal."""
        if sys.stderr.isatty():
            print(f"\r\x1b[K{what}", end="\r", file=sys.stderr)


class Study(ABC):
    """One of them.

    Attributes:
        name: as in the report and for `--only`.
        title: what it measures.
    """

    name: ClassVar[str]
    title: ClassVar[str]

    @abstractmethod
    def measure(self, bench: Bench) -> Figures:
        """Measure.

        Raises:
            AbsentError: what it needs is not installed.
        """

    @abstractmethod
    def lines(self, figures: Figures) -> Iterator[str]:
        """The figures in words."""


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and most."""
    return asdict(Spread.of(values))


def spread_of_ratios(subject: Sequence[float], base: Sequence[float]) -> dict[str, float]:
    """Of the ratios of each round."""
    return asdict(ratio(subject, base))


def shown(figure: dict[str, float], digits: int = 2) -> str:
    """`median (least-most)`."""
    return "{median:.{d}f} ({least:.{d}f}-{most:.{d}f})".format(d=digits, **figure)


def left_out(figures: Figures) -> Iterator[str]:
    """A line for each side that was not there."""
    for name, why in figures.get("left_out", {}).items():
        yield f"  left out: {name}: {why}"

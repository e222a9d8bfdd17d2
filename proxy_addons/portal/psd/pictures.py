"""Charts of counts: what console.js draws, and the tables that say the same.

In: counts by a dimension (audit/store.py). Out: values for the page's JSON and for its tables.
Must never: draw what no table says; leave out a day or an hour in which there was nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import tzinfo

    from proxy_addons.audit.store import Count

DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
BY_THE_HOUR: Final = timedelta(days=3)
"""A span up to this is drawn by hours, a longer one by days."""
_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, and one line of its table.

    Attributes:
        words: what it stands for.
        records: how many.
        refused: of these.
        link: the same search, with this alone; "" where it leads nowhere.
    """

    words: str
    records: int
    refused: int
    link: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart and its table.

    Attributes:
        id: of the element that it is drawn in.
        title: above it.
        kind: `standing` or `lying` bars, or `heat`.
        bars: of bars.
        cells: of a heat map: 7 lines of 24 numbers.
        names: what a bar's two parts are: what is left of `records`, and `refused`.
    """

    id: str
    title: str
    kind: str
    bars: tuple[Bar, ...] = ()
    cells: tuple[tuple[int, ...], ...] = ()
    names: tuple[str, str] = ("let through", "refused")

    @property
    def label(self) -> str:
        """What it shows, for who does not see it."""
        if self.kind == "heat":
            return f"{self.title}: {sum(map(sum, self.cells))} records, by day and hour"
        most = max(self.bars, key=lambda bar: bar.records, default=None)
        told = f"; most: {most.words}, {most.records}" if most and most.records else ""
        return f"{self.title}: {len(self.bars)} bars{told}"

    @property
    def drawn(self) -> dict[str, Any]:
        """What console.js is given."""
        said: dict[str, Any] = {"id": self.id, "kind": self.kind, "label": self.label}
        if self.kind == "heat":
            return said | {
                "lines": [day[:3] for day in DAYS],
                "columns": [f"{hour:02d}" for hour in range(24)],
                "cells": [
                    [hour, day, number]
                    for day, line in enumerate(self.cells)
                    for hour, number in enumerate(line)
                ],
                "most": max(map(max, self.cells), default=0),
            }
        return said | {
            "keys": [bar.words for bar in self.bars],
            "allowed": [bar.records - bar.refused for bar in self.bars],
            "refused": [bar.refused for bar in self.bars],
            "links": [bar.link for bar in self.bars],
            "names": list(self.names),
        }


def ranked(
    name: str, title: str, counts: Sequence[Count], link: Callable[[str], str], *, most: int = 12
) -> Picture:
    """The most frequent of something, the rest together."""
    bars = [Bar(each.key, each.records, each.refused, link(each.key)) for each in counts[:most]]
    if rest := counts[most:]:
        records, refused = sum(c.records for c in rest), sum(c.refused for c in rest)
        bars.append(Bar(f"{len(rest)} others", records, refused))
    return Picture(name, title, "lying", tuple(bars))


def over_time(
    name: str,
    counts: Sequence[Count],
    since: datetime,
    until: datetime,
    zone: tzinfo,
    link: Callable[[datetime, datetime], str],
) -> Picture:
    """How many over time, by days or by hours (`BY_THE_HOUR`), empty ones too.

    Args:
        name: of the picture.
        counts: by day or by hour, as the span wants.
        since: begin of the span, aware.
        until: its end.
        zone: the force's.
        link: the search of a span.
    """
    known = {each.key: each for each in counts}
    bars: list[Bar] = []
    hourly = until - since <= BY_THE_HOUR
    for key, words, begins, ends in (_hours if hourly else _days)(since, until, zone):
        found = known.get(key)
        records, refused = (found.records, found.refused) if found else (0, 0)
        if hourly and bars and bars[-1].words == words:  # the hour that comes twice in October
            continue
        bars.append(Bar(words, records, refused, link(begins, ends)))
    title = "Requests by hour" if hourly else "Requests by day"
    return Picture(name, title, "standing", tuple(bars))


def _days(
    since: datetime, until: datetime, zone: tzinfo
) -> list[tuple[str, str, datetime, datetime]]:
    day, found = since.astimezone(zone).date(), []
    while (begins := _midnight(day, zone)) < until:
        after = day + timedelta(days=1)
        words = f"{day:%a} {day.day} {day:%b}"
        found.append((day.isoformat(), words, begins, _midnight(after, zone)))
        day = after
    return found


def _hours(
    since: datetime, until: datetime, zone: tzinfo
) -> list[tuple[str, str, datetime, datetime]]:
    begins = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    found = []
    while begins < until:
        local = begins.astimezone(zone)
        words = f"{local:%a} {local.day} {local:%b}, {local:%H}:00"
        found.append((f"{local:%Y-%m-%dT%H}", words, begins, begins + _HOUR))
        begins += _HOUR
    return found


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def heat(name: str, counts: Sequence[Count]) -> Picture:
    """When in the week: a line for each day, a column for each hour."""
    cells = [[0] * 24 for _ in DAYS]
    for each in counts:
        day, hour = divmod(int(each.key), 24)
        cells[day][hour] = each.records
    return Picture(name, "When in the week", "heat", cells=tuple(map(tuple, cells)))

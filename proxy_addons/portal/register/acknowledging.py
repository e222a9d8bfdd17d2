"""Who has acknowledged the acceptable-use statement and who has not (Inf/27 3.8).

In: a visit, a filter. Out: a page, or a file.
Must never: leave out somebody who has not because the directory does not know them; say that
everybody has where nobody knows who everybody is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import web

from proxy_addons.portal.access import PAGES
from proxy_addons.portal.register import csvfile
from proxy_addons.portal.register.reading import Reading
from proxy_addons.portal.register.shown import day_words, until_words
from proxy_addons.standing import acknowledgement_report as reports
from proxy_addons.standing.acknowledgement_report import Row, Standing
from proxy_addons.standing.acknowledgements import Acknowledgements
from proxy_addons.standing.statement import Statement, StatementError, path_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, tzinfo

    from proxy_addons.identity.entries import Entry
    from proxy_addons.portal.signin.guard import Guard, Visit
    from proxy_addons.portal.signin.services import Services

_ON_A_PAGE: Final = 100
_UNITS_FOR: Final = 500  # people in a file whose units are asked for; the command has no such limit

WORDS: Final = {
    Standing.ACKNOWLEDGED: ("Acknowledged", "good"),
    Standing.DUE: ("To be renewed soon", "wait"),
    Standing.EXPIRED: ("Not renewed in time", "not"),
    Standing.OLDER: ("Only an earlier version", "not"),
    Standing.NEVER: ("Never", "not"),
}
"""How somebody stands → what people read, and the look of it."""

FILTERS: Final = {
    "missing": "Have not",
    "soon": "To be renewed soon",
    "done": "Have",
    "all": "All",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """One person, for people.

    Attributes:
        row: of the report.
        display: the name for people.
        unit: or None.
        words: how they stand.
        look: class of the tag.
        when: the day of the last one, in words; empty for never.
        until: its last day, in words.
    """

    row: Row
    display: str
    unit: str | None
    words: str
    look: str
    when: str
    until: str


@dataclass(frozen=True, slots=True)
class _Read:
    statement: Statement
    rows: tuple[Row, ...]

    def fitting(self, chosen: str) -> tuple[Row, ...]:
        if chosen == "missing":
            return reports.missing(self.rows)
        if chosen == "soon":
            return tuple(row for row in self.rows if row.standing is Standing.DUE)
        if chosen == "done":
            return tuple(row for row in self.rows if row.standing.counts)
        return self.rows


class Acknowledging:
    """The handlers."""

    def __init__(self, services: Services, guard: Guard) -> None:
        self._services = services
        self._guard = guard
        self._reading = Reading(services)
        self._zone = services.settings.policy.time_zone

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""
        page = self._guard.page
        return [
            web.get("/acknowledgements", page(PAGES["acknowledgements"], self.show)),
            web.get("/acknowledgements.csv", page(PAGES["acknowledgements"], self.csv)),
        ]

    async def show(self, request: web.Request, visit: Visit) -> web.Response:
        """The page."""
        try:
            read = await self._services.threads.run(self._read, visit.now)
        except StatementError as problem:
            return self._none(visit, problem)
        chosen = _chosen(request)
        fitting = read.fitting(chosen)
        pages = max(1, -(-len(fitting) // _ON_A_PAGE))
        number = _number(request.query.get("page"), pages)
        first = (number - 1) * _ON_A_PAGE
        shown = fitting[first : first + _ON_A_PAGE]
        entries = await self._reading.entries({row.person for row in shown})
        counts = reports.counts(read.rows)
        return self._services.answers.show(
            "acknowledgements.html",
            visit=visit,
            here="acknowledgements",
            statement=read.statement,
            required=self._services.settings.shifts.acknowledgement.required,
            rows=[_shown(row, entries, self._zone) for row in shown],
            filters=[(name, words, len(read.fitting(name))) for name, words in FILTERS.items()],
            chosen=chosen,
            words=FILTERS[chosen],
            count=len(fitting),
            everybody=len(read.rows),
            parts=_parts(counts, len(read.rows)),
            number=number,
            pages=pages,
        )

    async def csv(self, request: web.Request, visit: Visit) -> web.Response:
        """The same as a file; units where the directory need not be asked for a whole force."""
        try:
            read = await self._services.threads.run(self._read, visit.now)
        except StatementError as problem:
            return self._none(visit, problem)
        chosen = _chosen(request)
        rows = read.fitting(chosen)
        if len(rows) <= _UNITS_FOR:
            entries = await self._reading.entries({row.person for row in rows})
            rows = tuple(
                Row(row.person, _unit(entries.get(row.person)) or row.unit, row.standing, row.last)
                for row in rows
            )
        return csvfile.answer(f"acknowledgements-{chosen}", reports.rows_csv(rows))

    # --- inside -----------------------------------------------------------------------------

    def _read(self, now: datetime) -> _Read:
        settings = self._services.settings
        statement = Statement.load(path_of(settings.shifts.acknowledgement, settings.paths))
        kept = Acknowledgements(self._services.store)
        rows = reports.report(kept.known_people(), kept.all(), version=statement.version, now=now)
        return _Read(statement, rows)

    def _none(self, visit: Visit, problem: StatementError) -> web.Response:
        return self._services.answers.show(
            "problem.html",
            status=503,
            visit=visit,
            here="acknowledgements",
            title="There is no statement",
            text=f"{str(problem)[:1].upper()}{str(problem)[1:]}.",
        )


def _shown(row: Row, entries: Mapping[str, Entry], zone: tzinfo) -> Shown:
    entry = entries.get(row.person)
    words, look = WORDS[row.standing]
    return Shown(
        row,
        (entry.display if entry else None) or row.person,
        _unit(entry),
        words,
        look,
        "" if row.last is None else day_words(row.last.at, zone),
        "" if row.last is None else until_words(row.last.until, zone),
    )


def _unit(entry: Entry | None) -> str | None:
    return entry.unit if entry else None


def _parts(counts: Mapping[Standing, int], everybody: int) -> list[tuple[str, str, int, float]]:
    """The picture: words, look, number, and percent of the width."""
    whole = max(1, everybody)
    return [
        (words, look, counts[standing], round(100 * counts[standing] / whole, 2))
        for standing, (words, look) in WORDS.items()
    ]


def _chosen(request: web.Request) -> str:
    asked = request.query.get("show", "")
    return asked if asked in FILTERS else "missing"


def _number(text: str | None, pages: int) -> int:
    if text is None or not (text.isascii() and text.isdecimal()) or len(text) > 6:
        return 1
    return min(max(int(text), 1), pages)

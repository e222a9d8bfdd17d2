"""Who has acknowledged the acceptable-use statement and who has not (Inf/27 3.8).

In: a visit, a filter. Out: a page, or a file.
Must never: leave out somebody who has not because the directory does not know them; say that
everybody has where nobody knows who everybody is.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import web
from cachetools import TTLCache

from proxy_addons.identity.entries import DirectorySettingsError, DirectoryUnavailableError
from proxy_addons.portal.access import PAGES
from proxy_addons.portal.register import csvfile
from proxy_addons.portal.register.shown import day_words, until_words
from proxy_addons.standing import acknowledgement_report as reports
from proxy_addons.standing.acknowledgement_report import Row, Standing
from proxy_addons.standing.acknowledgements import Acknowledgements
from proxy_addons.standing.statement import Statement, StatementError, path_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime, tzinfo

    from proxy_addons.identity.entries import Entry
    from proxy_addons.portal.signin.guard import Guard, Visit
    from proxy_addons.portal.signin.services import Services

_LOG = logging.getLogger(__name__)

_ON_A_PAGE: Final = 100
_EVERYBODY_FOR: Final = 600.0  # seconds for which it is not asked again who there is
_PATIENCE: Final = 30.0  # seconds for the directory to say it

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
    """The report: `entries` is everybody in the directory; None where it does not say."""

    statement: Statement
    rows: tuple[Row, ...]
    entries: Mapping[str, Entry] | None

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
        self._everybody: TTLCache[None, Mapping[str, Entry]] = TTLCache(1, _EVERYBODY_FOR)
        # A thread of its own: a directory that hangs is not to take those of the store.
        self._asking = ThreadPoolExecutor(1, thread_name_prefix="portal-everybody")
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
            read = await self._read(visit.now)
        except StatementError as problem:
            return self._none(visit, problem)
        chosen = _chosen(request)
        fitting = read.fitting(chosen)
        pages = max(1, -(-len(fitting) // _ON_A_PAGE))
        number = _number(request.query.get("page"), pages)
        first = (number - 1) * _ON_A_PAGE
        shown = fitting[first : first + _ON_A_PAGE]
        counts = reports.counts(read.rows)
        return self._services.answers.show(
            "acknowledgements.html",
            visit=visit,
            here="acknowledgements",
            statement=read.statement,
            required=self._services.settings.shifts.acknowledgement.required,
            rows=[_shown(row, read.entries or {}, self._zone) for row in shown],
            has_everybody=read.entries is not None,
            has_directory=bool(self._services.settings.directory.servers),
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
        """The same as a file."""
        try:
            read = await self._read(visit.now)
        except StatementError as problem:
            return self._none(visit, problem)
        chosen = _chosen(request)
        rows = read.fitting(chosen)
        return csvfile.answer(f"acknowledgements-{chosen}", reports.rows_csv(rows))

    # --- inside -----------------------------------------------------------------------------

    async def _read(self, now: datetime) -> _Read:
        loop = asyncio.get_running_loop()
        entries = await loop.run_in_executor(self._asking, self._who_there_is)
        return await self._services.threads.run(self._report, entries, now)

    def _report(self, entries: Mapping[str, Entry] | None, now: datetime) -> _Read:
        settings = self._services.settings
        statement = Statement.load(path_of(settings.shifts.acknowledgement, settings.paths))
        kept = Acknowledgements(self._services.store)
        found = kept.all()
        people: Collection[str] = kept.known_people() if entries is None else entries
        rows = reports.report(
            people,
            # Those who have left are not asked any more.
            (each for each in found if each.person in people),
            version=statement.version,
            now=now,
            unit_of=lambda name: _unit((entries or {}).get(name)),
        )
        return _Read(statement, rows, entries)

    def _who_there_is(self) -> Mapping[str, Entry] | None:
        """Everybody in the directory; None without one, or where it does not say. Blocks."""
        settings = self._services.settings.directory
        if not settings.servers:
            return None
        from proxy_addons.identity.everybody import everybody  # noqa: PLC0415 - only with one

        if (known := self._everybody.get(None)) is not None:
            return known
        try:
            found = {each.name: each for each in everybody(settings, patience=_PATIENCE)}
        except (DirectorySettingsError, DirectoryUnavailableError) as problem:
            # The page says that it is not everybody; it is asked again with the next page.
            _LOG.warning("the directory does not say who there is: %s", problem)
            return None
        self._everybody[None] = found
        return found

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

"""The coverage report: who could be looked at, who was, and what that says; for an inspectorate.

In: plans with their draws, rosters' sizes and samples. Out: rows by stratum, CSV, a text to print.
Must never: name anybody; say that there was nothing; leave out a draw that was replaced.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from proxy_addons.audit.sampling import rows as tables
from proxy_addons.audit.sampling.chances import in_words, percent, upper_bound
from proxy_addons.audit.sampling.plan import REVIEWED, DrawState, Outcome
from proxy_addons.audit.sampling.strata import Stratum
from proxy_addons.standing.report import harmless
from proxy_addons.standing.tables_sampling import sampling_strata

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime
    from fractions import Fraction

    from proxy_addons.audit.sampling.plan import Draw, Plan, Sample
    from proxy_addons.standing.store import Store
    from proxy_addons.standing.weeks import Week

SMALL: Final = 5
"""People below which a stratum is shown together with others: its figures would be a person's."""
TOGETHER: Final = "(small units)"


@dataclass(frozen=True, slots=True)
class Counted:
    """One plan, as the report takes it.

    Attributes:
        plan: the plan.
        draws: all of them.
        people: by stratum, of the draw that counts.
        samples: of that draw, and of those before.
    """

    plan: Plan
    draws: tuple[Draw, ...]
    people: dict[Stratum, int]
    samples: tuple[Sample, ...]

    @property
    def counts(self) -> Draw | None:
        """The draw that counts: the last, once it was drawn."""
        last = self.draws[-1] if self.draws else None
        return last if last is not None and last.state is DrawState.DRAWN else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is known of a stratum.

    Attributes:
        stratum: which.
        people: in the latest roster that it was drawn from.
        person_weeks: that could be drawn.
        drawn: that were.
        reviewed: with an outcome that says something.
        findings: with a concern.
        unable: that could not be reviewed, or were somebody else's.
        waiting: without an outcome.
        years: ISO years with a week that was reviewed.
    """

    stratum: Stratum
    people: int
    person_weeks: int
    drawn: int
    reviewed: int
    findings: int
    unable: int
    waiting: int
    years: tuple[int, ...]

    @property
    def bound(self) -> Fraction:
        """Share of person-weeks with something of concern, at most, with 95 % confidence."""
        return upper_bound(self.reviewed, self.findings, self.person_weeks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """The report.

    Attributes:
        at: when it was made, aware.
        first: first week of all plans; None without any.
        last: last week.
        plans: references, of those that were drawn.
        replaced: for each draw that was replaced, its plan, its number and why it was drawn again.
        rows: by stratum.
        total: all of them.
    """

    at: datetime
    first: Week | None
    last: Week | None
    plans: tuple[str, ...]
    replaced: tuple[tuple[str, int, str], ...]
    rows: tuple[Row, ...]
    total: Row


def read(store: Store) -> tuple[Counted, ...]:
    """All plans as they are now. Blocks.

    Raises:
        StandingUnavailableError: the store does not answer.
    """
    found = []
    with store.reading() as connection:
        for plan in tables.plans(connection):
            draws = tables.draws_of(connection, plan)
            people: dict[Stratum, int] = {}
            if draws:
                columns = sampling_strata.c
                question = select(sampling_strata).where(columns.draw == draws[-1].id)
                people = {
                    Stratum(row.service, row.unit): row.people
                    for row in connection.execute(question)
                }
            found.append(Counted(plan, draws, people, tables.samples_of(connection, plan)))
    return tuple(found)


def coverage(counted: Iterable[Counted], now: datetime) -> Coverage:
    """Make the report.

    Args:
        counted: plans, the oldest first.
        now: aware.
    """
    every = tuple(counted)
    drawn = tuple(each for each in every if each.counts is not None)
    people: dict[Stratum, int] = {}
    weeks: Counter[Stratum] = Counter()
    samples: list[Sample] = []
    for each in drawn:
        people |= each.people
        for stratum, size in each.people.items():
            weeks[stratum] += size * each.plan.weeks
        number = each.draws[-1].number
        samples += [sample for sample in each.samples if sample.draw == number]
    shown = {
        stratum: stratum if size >= SMALL else Stratum(stratum.service, TOGETHER)
        for stratum, size in people.items()
    }
    rows = tuple(
        _row(
            stratum,
            sum(size for each, size in people.items() if shown[each] == stratum),
            sum(size for each, size in weeks.items() if shown[each] == stratum),
            [sample for sample in samples if shown[sample.stratum] == stratum],
        )
        for stratum in sorted(set(shown.values()))
    )
    periods = [week for each in drawn for week in each.plan.period]
    return Coverage(
        at=now,
        first=min(periods, default=None),
        last=max(periods, default=None),
        plans=tuple(each.plan.reference for each in drawn),
        replaced=tuple(
            (each.plan.reference, draw.number, after.reason)
            for each in every
            for draw, after in zip(each.draws, each.draws[1:], strict=False)
        ),
        rows=rows,
        total=_row(Stratum("all", "all"), sum(people.values()), sum(weeks.values()), samples),
    )


def _row(stratum: Stratum, people: int, person_weeks: int, samples: Collection[Sample]) -> Row:
    outcomes = Counter(sample.outcome for sample in samples)
    years = {
        sample.week.monday.isocalendar().year for sample in samples if sample.outcome in REVIEWED
    }
    return Row(
        stratum=stratum,
        people=people,
        person_weeks=person_weeks,
        drawn=len(samples),
        reviewed=sum(outcomes[each] for each in REVIEWED),
        findings=outcomes[Outcome.CONCERN],
        unable=outcomes[Outcome.UNABLE] + outcomes[Outcome.WRONG_PERSON],
        waiting=outcomes[None],
        years=tuple(sorted(years)),
    )


# --- as text --------------------------------------------------------------------------------------

_NOTE: Final = (
    "The unit is the week of a person. Each stratum gave at least one, the others in proportion;"
    " bounds of all strata together take them for one. What could not be reviewed counts for"
    f" nothing. Units of fewer than {SMALL} people are shown together."
)
_COLUMNS: Final = (
    "service",
    "unit",
    "people",
    "person-weeks",
    "drawn",
    "reviewed",
    "findings",
    "unable or wrong person",
    "waiting",
    "upper bound (95 %)",
    "years covered",
)


def as_csv(report: Coverage) -> str:
    """Rows as CSV (RFC 4180: CRLF, a line of headings), the total last.

    A cell that a spreadsheet would take for a formula begins with an apostrophe.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for row in (*report.rows, report.total):
        writer.writerow(tuple(map(harmless, _cells(row))))
    return text.getvalue()


def as_text(report: Coverage) -> str:
    """To print: what was done, the rows, and what they say."""
    lines = [
        "Dip sampling of web access: coverage",
        f"As of {report.at.astimezone(UTC):%d %B %Y %H:%M} UTC",
    ]
    if report.first is None or report.last is None:
        return "\n".join((*lines, "", "Nothing has been drawn.", ""))
    lines += [
        f"Weeks {report.first.name} to {report.last.name}; plans {', '.join(report.plans)}",
        "",
        *_table([_COLUMNS, *map(_cells, (*report.rows, report.total))]),
        "",
        in_words(report.total.reviewed, report.total.findings, report.total.person_weeks),
        "",
        _NOTE,
        "",
    ]
    if report.replaced:
        lines.append("Draws that were replaced, and why:")
        lines += [f"  {plan}, draw {number}: {why}" for plan, number, why in report.replaced]
    else:
        lines.append("No draw was replaced.")
    return "\n".join((*lines, ""))


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.stratum.service,
        "".join(each if each.isprintable() else " " for each in row.stratum.unit),
        str(row.people),
        str(row.person_weeks),
        str(row.drawn),
        str(row.reviewed),
        str(row.findings),
        str(row.unable),
        str(row.waiting),
        percent(row.bound),
        ", ".join(map(str, row.years)) or "none",
    )

"""Reading a team's week: the look is recorded, then the figures are read.

In: who looks, at whose figures, which week. Out: figures, or none where the look cannot be
recorded.
Must never: read figures of anybody whose line manager the viewer is not: callers name the team as
the directory has it.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

from proxy_addons.portal.team.shown import refused_words
from proxy_addons.standing import views, weekly
from proxy_addons.standing.dutyday import day_of
from proxy_addons.standing.report import harmless
from proxy_addons.standing.weeks import Week

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date, datetime

    from proxy_addons.settings.model import Settings
    from proxy_addons.standing.store import Store
    from proxy_addons.standing.weekly import TeamWeek

_OLDEST: Final = 53  # weeks back
_COLUMNS: Final = (
    "week", "person", "name", "unit", "minutes", "social minutes", "days with use",
    "allowance on those days", "most in a day", "days with the allowance used up", "breaks",
    "break minutes", "refusals", "refusals by rule", "team median",
)  # fmt: skip


def today(settings: Settings, now: datetime) -> date:
    """The present duty day."""
    return day_of(now, settings.policy.time_zone, settings.shifts.day_turns)


def last_complete(settings: Settings, now: datetime) -> Week:
    """The last week that is over."""
    return Week.of(today(settings, now)).later(-1)


def oldest(settings: Settings, now: datetime) -> Week:
    """The oldest week that can be asked for: one whose whole trend is kept."""
    weeks = (settings.shifts.keep.figures - 6) // 7 - (weekly.WEEKS - 1)
    return Week.of(today(settings, now)).later(-min(weeks, _OLDEST))


def week_of(text: str, settings: Settings, now: datetime) -> Week:
    """The week that somebody asks for; the last complete one where they name none.

    Raises:
        ValueError: it is none, or in the future, or further back than figures are shown.
    """
    present = Week.of(today(settings, now))
    if not text:
        return present.later(-1)
    found = Week.parse(text)
    first = oldest(settings, now)
    if not first <= found <= present:
        msg = f"there are figures from {first.name} to {present.name}"
        raise ValueError(msg)
    return found


def look(
    store: Store,
    settings: Settings,
    *,
    viewer: str,
    team: Iterable[str],
    week: Week,
    how: str,
    now: datetime,
) -> TeamWeek:
    """A team's week; the look is recorded first. Blocks.

    Args:
        store: the standing store.
        settings: for the allowances.
        viewer: canonical name of the line manager.
        team: canonical names of their people.
        week: which.
        how: by which way: `page`, `csv`, `e-mail`, `command-line`.
        now: aware.

    Raises:
        StandingUnavailableError: nothing is shown.
    """
    names = sorted(set(team))
    views.record(store, viewer=viewer, subjects=names, what=f"weekly {week.name}", how=how, now=now)
    return weekly.team_week(
        weekly.read(store, names, week),
        names,
        week,
        settings.shifts.allowances,
        today=today(settings, now),
    )


def as_csv(team: TeamWeek, people: Mapping[str, tuple[str, str]]) -> str:
    """The figures as CSV; a cell that a spreadsheet would run begins with an apostrophe.

    Args:
        team: the figures.
        people: name → name for people and unit.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow((*_COLUMNS, *(each.name for each in team.weeks)))
    for each in team.people:
        display, unit = people.get(each.name, (each.name, ""))
        writer.writerow(
            (
                team.week.name,
                harmless(each.name),
                harmless(display),
                harmless(unit),
                each.personal,
                each.social,
                each.days,
                "" if each.allowed is None else each.allowed,
                each.most,
                "" if each.full is None else each.full,
                each.breaks,
                each.break_minutes,
                each.refusals,
                harmless(refused_words(each.refused)),
                f"{team.median:g}",
                *each.trend,
            )
        )
    return text.getvalue()

"""A team's week in words, for the page, the file and the e-mail.

In: the figures, what the directory says of the people, the policy's rules. Out: rows for templates.
Must never: show an address or a site.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy_addons.gate.wording import date_words
from proxy_addons.portal.team.picture import Bar, Column, drawn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from proxy_addons.identity.entries import Entry
    from proxy_addons.policy.compiled import Rule
    from proxy_addons.standing.weekly import Person, TeamWeek
    from proxy_addons.standing.weeks import Week


@dataclass(frozen=True, slots=True)
class Row:
    """One person.

    Attributes:
        it: the figures.
        display: the name for people.
        unit: or None.
        minutes: in words.
        social: in words; empty for none.
        bar: the picture of the week.
        trend: the picture of the weeks.
        trend_words: the same for who does not see it.
        refused: length of the bar of refusals, in percent of the width.
        refused_words: how often which rule: `webmail 3, games 1`; empty for none.
    """

    it: Person
    display: str
    unit: str | None
    minutes: str
    social: str
    bar: Bar
    trend: tuple[Column, ...]
    trend_words: str
    refused: float
    refused_words: str


@dataclass(frozen=True, slots=True)
class Refused:
    """One rule.

    Attributes:
        rule: its id.
        reason: what the policy says of it; empty for rules that are not the policy's.
        times: how often it refused.
        people: how many of the team.
        bar: its length, in percent of the width.
    """

    rule: str
    reason: str
    times: int
    people: int
    bar: float


@dataclass(frozen=True, slots=True)
class Sheet:
    """A team's week.

    Attributes:
        it: the figures.
        title: `16 to 22 November 2026`.
        rows: who used most first.
        median: in words.
        median_at: percent of the width.
        trend: of the median.
        trend_words: the same for who does not see it.
        refused: by rule, the most frequent first.
    """

    it: TeamWeek
    title: str
    rows: tuple[Row, ...]
    median: str
    median_at: float
    trend: tuple[Column, ...]
    trend_words: str
    refused: tuple[Refused, ...]

    @property
    def refused_people(self) -> tuple[Row, ...]:
        """Whoever was refused something, the most often first."""
        rows = [row for row in self.rows if row.it.refusals]
        return tuple(sorted(rows, key=lambda row: (-row.it.refusals, row.display.casefold())))


def sheet(team: TeamWeek, entries: Iterable[Entry], rules: Mapping[str, Rule]) -> Sheet:
    """A team's week in words.

    Args:
        team: the figures.
        entries: of its people, from the directory.
        rules: of the policy, by id.
    """
    known = {each.name: each for each in entries}
    picture = drawn(team)
    rows = [
        Row(
            each,
            _display(known.get(each.name), each.name),
            known[each.name].unit if each.name in known else None,
            minutes_words(each.personal),
            minutes_words(each.social) if each.social else "",
            picture.bars[each.name],
            picture.trends[each.name],
            _trend_words(picture.trends[each.name]),
            picture.refused[each.name],
            refused_words(each.refused),
        )
        for each in team.people
    ]
    rows.sort(key=lambda row: (-row.it.personal, row.display.casefold()))
    refused = tuple(
        Refused(rule, reason_of(rules, rule), times, people, picture.rules[rule])
        for rule, (times, people) in sorted(
            team.refusals.items(), key=lambda each: (-each[1][0], each[0])
        )
    )
    return Sheet(
        team,
        week_words(team.week),
        tuple(rows),
        minutes_words(team.median),
        picture.median,
        picture.trend,
        _trend_words(picture.trend),
        refused,
    )


def reason_of(rules: Mapping[str, Rule], rule: str) -> str:
    """What the policy says of a rule; empty for rules that it does not have, or no longer."""
    return rules[rule].reason if rule in rules else ""


def refused_words(refused: Mapping[str, int]) -> str:
    """`webmail 3, games 1`, the most frequent first."""
    found = sorted(refused.items(), key=lambda each: (-each[1], each[0]))
    return ", ".join(f"{rule} {times}" for rule, times in found)


def minutes_words(minutes: float) -> str:
    """`75` as people say it: `1 h 15 min`. Half a minute, of a median, is rounded up."""
    whole = int(minutes + 0.5)
    hours, rest = divmod(whole, 60)
    if not hours:
        return f"{rest} min"
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def week_words(week: Week) -> str:
    """`16 November to 22 November 2026`."""
    first, last = (date_words(each).partition(" ")[2] for each in (week.monday, week.sunday))
    if week.monday.year == week.sunday.year:
        first = first.rpartition(" ")[0]
    return f"{first} to {last}"


def names_of(entries: Iterable[Entry]) -> dict[str, tuple[str, str]]:
    """Name → name for people and unit, for files."""
    return {each.name: (_display(each, each.name), each.unit or "") for each in entries}


def _display(entry: Entry | None, name: str) -> str:
    return (entry.display if entry else None) or name


def _trend_words(columns: Sequence[Column]) -> str:
    return ", ".join(f"{each.label} {each.value:g}" for each in columns)

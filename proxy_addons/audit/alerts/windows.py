"""Sliding windows of one alert, for everybody: what was counted, and what it led to.

In: what counts (`Seen`), in the order of writing, and the minute that the log has come to. Out:
`Episode`, anew each time it changes.
Must never: read a clock; forget anything that could still count; grow without bound.

A window is `within` whole minutes, each record in the minute in which it was made. A record raises
the alert if, with it, any window that holds its minute has reached the threshold. What stood in
that window is then part of the episode, which takes all of the same person's records in for `quiet`
minutes. Workers write beside each other, so a record can come late: up to `LATE` minutes behind the
log it is counted where it belongs. One that is later still counts at the oldest minute that is
kept, and the episode says how many these are: rather an alert too many than one too few. So what is
forgotten (windows that no record can reach any more) never makes a difference.

At most `most` people are counted at a time. Beyond that there is an episode at once, of everybody,
which says that the alert does not tell single people any more.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy_addons.audit.alerts.matching import Seen
    from proxy_addons.settings.alerts import Alert

LATE: Final = 120  # minutes that a record may be behind the log
MOST: Final = 50_000  # people for each alert
IDS: Final = 20  # references kept of an episode
EVERYBODY: Final = "everybody"


@dataclass(frozen=True, slots=True)
class Episode:
    """What an alert rests on.

    Attributes:
        alert: id of the alert.
        kind: `person`, `client`, or `everybody` where too many were counted.
        who: name or address; empty for everybody.
        start: minute of the first record in the window (minutes since 1970).
        until: minute from which on a new alert is due.
        first: when its first record was made, Unix time.
        last: when its last was made.
        records: how many.
        amount: sum of the measure; for `hosts` how many different ones made it an alert.
        late: of the records, how many came too late to be told apart by the minute.
        ids: references of the first records.
    """

    alert: str
    kind: str
    who: str
    start: int
    until: int
    first: float
    last: float
    records: int
    amount: int
    late: int = 0
    ids: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What tells it from others."""
        return (self.alert, self.kind, self.who, self.start)

    def with_one(self, seen: Seen, *, late: bool) -> Episode:
        """The same with one more record."""
        ids = self.ids if len(self.ids) >= IDS else (*self.ids, seen.reference)
        return replace(
            self,
            first=min(self.first, seen.at),
            last=max(self.last, seen.at),
            records=self.records + 1,
            amount=self.amount + seen.amount,
            late=self.late + late,
            ids=ids,
        )


@dataclass(slots=True)
class _Minute:
    """What one person did in a minute."""

    first: float
    last: float
    records: int = 0
    amount: int = 0
    late: int = 0
    hosts: set[str] = field(default_factory=set)
    ids: list[str] = field(default_factory=list)

    def add(self, seen: Seen, *, late: bool, most_hosts: int) -> None:
        self.first, self.last = min(self.first, seen.at), max(self.last, seen.at)
        self.records += 1
        self.amount += seen.amount
        self.late += late
        if seen.host and len(self.hosts) < most_hosts:
            self.hosts.add(seen.host)  # as many as make an alert are enough
        if len(self.ids) < IDS:
            self.ids.append(seen.reference)


@dataclass(slots=True)
class _Person:
    minutes: dict[int, _Minute] = field(default_factory=dict)
    episodes: list[Episode] = field(default_factory=list)


class Windows:
    """All windows of one alert.

    Args:
        alert: of the settings.
        most: people that are counted at a time.
    """

    def __init__(self, alert: Alert, most: int = MOST) -> None:
        self._alert = alert
        self._most = most
        self._people: dict[tuple[str, str], _Person] = {}

    def __len__(self) -> int:
        """How many people are counted."""
        return len(self._people)

    def take(self, seen: Seen, newest: int) -> Episode | None:
        """Count a record.

        Args:
            seen: the record.
            newest: minute that the log has come to, this record included.

        Returns:
            The episode that it is part of, as it is now; None where there is none.
        """
        minute = int(seen.at // 60)
        oldest = newest - self._alert.within - LATE
        late = minute < oldest
        minute = max(minute, oldest)
        who = (seen.kind, seen.who)
        person = self._people.get(who)
        if person is None:
            if len(self._people) >= self._most and who != (EVERYBODY, ""):
                return self._too_many(seen, minute, late=late)
            person = self._people.setdefault(who, _Person())
        for place, episode in enumerate(person.episodes):
            if episode.start <= minute < episode.until:
                person.episodes[place] = episode.with_one(seen, late=late)
                return person.episodes[place]
        held = person.minutes.setdefault(minute, _Minute(seen.at, seen.at))
        held.add(seen, late=late, most_hosts=self._alert.threshold)
        window = self._reached(person, minute)
        if window is None:
            return None
        # All else that lies in the episode is part of it, too.
        until = max(window) + self._alert.quiet
        inside = [each for each in person.minutes if window[0] <= each < until]
        held_in = {each: person.minutes.pop(each) for each in inside}
        episode = self._episode(*who, until, held_in)
        person.episodes.append(episode)
        return episode

    def forget(self, newest: int) -> None:
        """Let go of what no record can reach any more. Nobody can tell that it was done."""
        oldest = newest - self._alert.within - LATE
        for who, person in list(self._people.items()):
            for minute in [each for each in person.minutes if each <= oldest - self._alert.within]:
                del person.minutes[minute]
            person.episodes = [each for each in person.episodes if each.until > oldest]
            if not person.minutes and not person.episodes:
                del self._people[who]

    # --- inside -----------------------------------------------------------------------------

    def _reached(self, person: _Person, minute: int) -> list[int] | None:
        """The minutes of the earliest window around a minute that has reached the threshold."""
        within = self._alert.within
        near = sorted(each for each in person.minutes if minute - within < each < minute + within)
        for place, first in enumerate(near):
            if first > minute:
                break
            window = [each for each in near[place:] if each < first + within]
            if minute in window and self._amount(person, window) >= self._alert.threshold:
                return window
        return None

    def _amount(self, person: _Person, window: list[int]) -> int:
        held = [person.minutes[each] for each in window]
        if self._alert.measure == "hosts":
            return len(set[str]().union(*(each.hosts for each in held)))
        return sum(each.amount for each in held)

    def _episode(self, kind: str, who: str, until: int, held: dict[int, _Minute]) -> Episode:
        parts = [held[each] for each in sorted(held)]
        hosts = set[str]().union(*(each.hosts for each in parts))
        return Episode(
            self._alert.id,
            kind,
            who,
            start=min(held),
            until=until,
            first=min(each.first for each in parts),
            last=max(each.last for each in parts),
            records=sum(each.records for each in parts),
            amount=len(hosts)
            if self._alert.measure == "hosts"
            else sum(each.amount for each in parts),
            late=sum(each.late for each in parts),
            ids=tuple(reference for each in parts for reference in each.ids)[:IDS],
        )

    def _too_many(self, seen: Seen, minute: int, *, late: bool) -> Episode:
        """Whoever comes when the places are taken is counted with all others."""
        person = self._people.setdefault((EVERYBODY, ""), _Person())
        for place, episode in enumerate(person.episodes):
            if episode.start <= minute < episode.until:
                person.episodes[place] = episode.with_one(seen, late=late)
                return person.episodes[place]
        one = _Minute(seen.at, seen.at)
        one.add(seen, late=late, most_hosts=1)
        episode = self._episode(EVERYBODY, "", minute + self._alert.quiet, {minute: one})
        person.episodes.append(episode)
        return episode

    # --- keeping ----------------------------------------------------------------------------

    def kept(self) -> list[Any]:
        """All of it in plain values, for a file."""
        return [
            [
                *who,
                [
                    [at, m.first, m.last, m.records, m.amount, m.late, sorted(m.hosts), m.ids]
                    for at, m in person.minutes.items()
                ],
                [
                    [e.start, e.until, e.first, e.last, e.records, e.amount, e.late, e.ids]
                    for e in person.episodes
                ],
            ]
            for who, person in self._people.items()
        ]

    def restore(self, kept: list[Any]) -> None:
        """Put back what `kept` gave.

        Raises:
            ValueError, TypeError: these are no such values.
        """
        people = {}
        for kind, who, minutes, episodes in kept:
            people[str(kind), str(who)] = _Person(
                {int(at): _minute(*rest) for at, *rest in minutes},
                [_restored(self._alert.id, str(kind), str(who), *each) for each in episodes],
            )
        self._people = people

    def episodes(self) -> Iterator[Episode]:
        """All that more records may still be part of."""
        for person in self._people.values():
            yield from person.episodes


def _minute(*kept: Any) -> _Minute:
    first, last, records, amount, late, hosts, ids = kept
    return _Minute(first, last, records, amount, late, set(hosts), list(ids))


def _restored(alert: str, kind: str, who: str, *kept: Any) -> Episode:
    start, until, first, last, records, amount, late, ids = kept
    return Episode(alert, kind, who, start, until, first, last, records, amount, late, tuple(ids))

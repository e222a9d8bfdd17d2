"""When the same request would next be allowed, or coached, by the passing of time alone.

In: a compiled policy, the facts of a refused request, the moment of the refusal.
Out: the first later moment at which it would be allowed, exact to the minute, or None.
Must never: promise a moment at which the policy as it stands would still refuse.

Between two boundaries of the time spaces concerned nothing can change, except where the clocks
change. So only boundaries and clock changes are looked at, as instants in UTC. What will stand for
the person (a break, duty, what is left of an allowance) the policy does not know: `retry_at` takes
it as it is, `retry_ahead` is told.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from proxy_addons.policy.matching import match_at, match_of
from proxy_addons.policy.model import Action
from proxy_addons.policy.states import STATES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from datetime import date, tzinfo

    from proxy_addons.policy.compiled import Facts, Policy, Rule

HORIZON_DAYS = 14
"""How far ahead is looked. Past two weeks "ask for a review" helps more than a date."""

_ONE_DAY = timedelta(days=1)


class Ahead(NamedTuple):
    """What stands for a person for some time.

    Attributes:
        until: aware; excluded.
        states: of states.py.
    """

    until: datetime
    states: frozenset[str]


class Retry(NamedTuple):
    """When a request would next be allowed.

    Attributes:
        at: in the policy's time zone.
        ended: states that end then, where it is that which opens it; else empty.
    """

    at: datetime
    ended: frozenset[str] = frozenset()


def spans(
    local: datetime, states: frozenset[str], then: Mapping[datetime, frozenset[str]]
) -> tuple[Ahead, ...]:
    """What will stand for a person, from the moments at which it changes.

    Args:
        local: the present moment, aware.
        states: at present.
        then: states from later moments on.
    """
    moments = sorted(then, key=datetime.timestamp)
    last = local.astimezone(UTC) + timedelta(days=HORIZON_DAYS)
    each = [states, *(then[moment] for moment in moments)]
    return tuple(map(Ahead, [*moments, last], each))


def retry_ahead(
    policy: Policy, facts: Facts, local: datetime, ahead: Iterable[Ahead]
) -> Retry | None:
    """As `retry_at`, with what will stand for the person.

    Args:
        policy: the compiled policy.
        facts: of the refused request.
        local: moment of the refusal, in the policy's time zone.
        ahead: without gaps, the first from the moment of the refusal on, only as far as it is
            known: nothing is promised beyond.

    Returns:
        A whole minute at most `HORIZON_DAYS` days ahead; None when waiting does not help.
    """
    if not _may_open(policy, facts):
        return None
    horizon = local.astimezone(UTC) + timedelta(days=HORIZON_DAYS)
    begins, before = local, facts.states
    for until, states in ahead:
        if begins is not local:
            # Nobody reads seconds, and nothing is promised too early.
            begins = _whole_minute(begins)
            if begins.astimezone(UTC) > horizon:
                return None
        if begins.timestamp() < until.timestamp():
            known = facts._replace(states=states & policy.states)
            if begins is not local and match_of(policy, known, begins).passes(policy, known):
                return Retry(begins, before - states)
            found = retry_at(policy, known, begins, until)
            if found is not None and found.astimezone(UTC) <= horizon:
                return Retry(found)
        begins, before = until.astimezone(policy.time_zone), states
    return None


def _may_open(policy: Policy, facts: Facts) -> bool:
    """Whether a rule allows it at some time in some state: most of what is refused never is."""
    anyhow = facts._replace(states=STATES)
    for rule in policy.rules_of(facts.profile):
        if rule.concerns(anyhow, whatever=True):
            if rule.action is Action.ALLOW:
                return True
            if not rule.timed and not rule.stated and not rule.wanted and rule.ends:
                return False
    return False


def _whole_minute(moment: datetime) -> datetime:
    """The same, or the next whole minute. In UTC it is whole when it is in any zone of today."""
    rest = timedelta(seconds=moment.second, microseconds=moment.microsecond)
    if not rest:
        return moment
    at = moment.astimezone(UTC) - rest + timedelta(minutes=1)
    return at.astimezone(moment.tzinfo)


def retry_at(
    policy: Policy, facts: Facts, local: datetime, until: datetime | None = None
) -> datetime | None:
    """The first moment after `local` at which these facts would be allowed.

    Args:
        policy: the compiled policy.
        facts: of the refused request.
        local: moment of the refusal, in the policy's time zone.
        until: aware; it is looked no further than before it.

    Returns:
        A moment in the policy's time zone, at most `HORIZON_DAYS` days ahead, on a whole minute;
        None when waiting does not help.
    """
    candidates = _candidates(policy, facts)
    spaces = {space for rule in candidates for time in rule.times for space in time.spaces}
    if not spaces or all(rule.action is not Action.ALLOW for rule in candidates):
        return None
    minutes = frozenset[int]().union(*(space.boundaries for space in spaces))
    end = None if until is None else until.astimezone(UTC)
    for instant in instants(local, minutes, policy.time_zone):
        if end is not None and instant >= end:
            return None
        then = instant.astimezone(policy.time_zone)
        if match_at(candidates, facts, policy.reading(then)).passes(policy, facts):
            return then
    return None


def _candidates(policy: Policy, facts: Facts) -> list[Rule]:
    """The rules that could matter at some time, to the first that allows or blocks at any."""
    found = []
    for rule in policy.rules_of(facts.profile):
        if rule.concerns(facts):
            found.append(rule)
            if not rule.timed and rule.ends:
                break
    return found


def instants(local: datetime, minutes: Collection[int], zone: tzinfo) -> Iterator[datetime]:
    """The instants within the horizon at which the wall clock reaches such a minute, or jumps.

    Day by day, so that a break that comes today costs little.

    Args:
        local: the moment after which.
        minutes: minutes of the day.
        zone: the policy's time zone.

    Yields:
        Instants in UTC, in order.
    """
    start = local.astimezone(UTC)
    end = start + timedelta(days=HORIZON_DAYS)
    waiting: set[datetime] = set()
    day = local.date() - _ONE_DAY  # a clock set back over midnight shows the day before again
    for _ in range(HORIZON_DAYS + 4):
        # A clock set back over midnight mixes the instants of two days, but never of three.
        settled = _instant(_midnight(day), 0, zone)
        waiting.update(_instants_of_day(day, minutes, zone))
        ready = sorted(instant for instant in waiting if instant < settled)
        waiting.difference_update(ready)
        for instant in ready:
            if start < instant <= end:
                yield instant
        day += _ONE_DAY


def _instants_of_day(day: date, minutes: Collection[int], zone: tzinfo) -> Iterator[datetime]:
    midnight = _midnight(day)
    first, last = _instant(midnight, 0, zone), _instant(midnight + _ONE_DAY, 0, zone)
    certain = first == _instant(midnight, 1, zone) and last == _instant(
        midnight + _ONE_DAY, 1, zone
    )
    if certain and last - first == _ONE_DAY:
        # No change of the clocks near this day, the usual case: one addition for each minute.
        for minute in minutes:
            yield first + timedelta(minutes=minute)
        return
    for minute in minutes:
        wall = midnight + timedelta(minutes=minute)
        # A reading that comes twice has two instants. One that is skipped has none, and what is
        # given for it is looked at in vain: the change itself, below, stands for it.
        yield _instant(wall, 0, zone)
        yield _instant(wall, 1, zone)
    yield from _changes(first, last, zone)


def _midnight(day: date) -> datetime:
    # Wall-clock arithmetic on purpose: naive until the zone says which instants it stands for.
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - a date and time on the wall


def _instant(wall: datetime, fold: int, zone: tzinfo) -> datetime:
    return wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def _changes(first: datetime, last: datetime, zone: tzinfo) -> Iterator[datetime]:
    """The instants, in (first, last], from which the zone's offset is another, by bisection."""
    if first.astimezone(zone).utcoffset() == last.astimezone(zone).utcoffset():
        return
    while last - first > timedelta(seconds=1):
        middle = first + timedelta(seconds=(last - first) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == first.astimezone(zone).utcoffset():
            first = middle
        else:
            last = middle
    yield last

"""What is due, and what a hold covers: boundaries by table, properties over made-up inventories."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.audit.retention.due import Fate, HeldBy, Item, due
from proxy_addons.audit.retention.schedule import COUNTED_FROM, Class, Schedule
from proxy_addons.audit.retention.scope import Scope
from proxy_addons.settings.retention import Retention

LONDON = ZoneInfo("Europe/London")
SCHEDULE = Schedule.of(Retention(), LONDON)
BEGIN = datetime(2025, 11, 16, 10, tzinfo=UTC)
LATE = datetime(2040, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
YEARS = (datetime(2020, 1, 1), datetime(2060, 1, 1))  # noqa: DTZ001 - as hypothesis has them


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def item(**more: object) -> Item:
    values = {
        "name": "one",
        "kind": Class.ACCESS_LOG,
        "counted_from": BEGIN + timedelta(hours=1),
        "since": BEGIN,
        "until": BEGIN + timedelta(minutes=59),
        "divisible": True,
    }
    return Item(**(values | more))  # type: ignore[arg-type]


# --- periods --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counted_from", "months", "ends"),
    [
        ("2025-11-16T10:00", 12, "2026-11-17T00:00"),
        ("2025-11-16T00:00", 12, "2026-11-17T00:00"),
        ("2025-11-16T23:59:59", 12, "2026-11-17T00:00"),
        # In summer a day begins an hour before it does in UTC.
        ("2025-06-16T22:59", 12, "2026-06-16T23:00"),
        ("2025-06-16T23:00", 12, "2026-06-17T23:00"),
        # Recorded in summer, over in winter, and the other way round.
        ("2026-06-30T12:00", 6, "2026-12-31T00:00"),
        ("2026-12-30T12:00", 6, "2027-06-30T23:00"),
        # On the nights on which the clocks change.
        ("2026-02-28T12:00", 1, "2026-03-29T00:00"),
        ("2025-03-29T12:00", 12, "2026-03-29T23:00"),
        ("2026-09-25T12:00", 1, "2026-10-26T00:00"),
        # Days that a month does not have: its last one counts.
        ("2028-02-29T12:00", 12, "2029-03-01T00:00"),
        ("2027-02-28T12:00", 12, "2028-02-29T00:00"),
        ("2024-02-29T12:00", 48, "2028-03-01T00:00"),
        ("2026-01-31T12:00", 1, "2026-03-01T00:00"),
        ("2025-12-31T12:00", 2, "2026-03-01T00:00"),
    ],
)  # fmt: skip
def test_a_period_ends_with_a_day(counted_from: str, months: int, ends: str) -> None:
    schedule = Schedule({Class.TRAIL: months}, LONDON)
    end = schedule.ends(Class.TRAIL, utc(counted_from))
    assert end == utc(ends)
    one = item(kind=Class.TRAIL, counted_from=utc(counted_from))
    assert due(end - SECOND, schedule, (), [one]) == ()
    assert [each.item for each in due(end, schedule, (), [one])] == [one]


@given(st.datetimes(YEARS[0], YEARS[1]), st.integers(1, 120))
def test_nothing_goes_before_its_months_are_over(at: datetime, months: int) -> None:
    counted_from = at.replace(tzinfo=UTC)
    end = Schedule({Class.PACKS: months}, LONDON).ends(Class.PACKS, counted_from)
    local, ended = counted_from.astimezone(LONDON), end.astimezone(LONDON)
    gone = (ended.year - local.year) * 12 + ended.month - local.month
    assert gone >= months
    assert (ended.hour, ended.minute, ended.second) == (0, 0, 0)
    last = (ended - SECOND).date()
    assert (last.year * 12 + last.month) - (local.year * 12 + local.month) == months
    assert last.day <= local.day
    assert last.day == local.day or (last + timedelta(days=1)).day == 1


def test_every_class_has_a_period_and_its_words() -> None:
    assert set(SCHEDULE.months) == set(COUNTED_FROM) == set(Class)
    assert SCHEDULE.rule(Class.ACCESS_LOG) == (
        "access-log: 12 months after the last record of a segment"
    )
    assert SCHEDULE.ends(Class.COLLATERAL, BEGIN) == BEGIN
    assert "at once" in SCHEDULE.rule(Class.COLLATERAL)


def test_what_would_go_after_the_calendars_end_is_kept() -> None:
    schedule = Schedule({Class.TRAIL: 1200}, LONDON)
    one = item(kind=Class.TRAIL, counted_from=datetime(9950, 1, 1, tzinfo=UTC))
    assert due(datetime(9999, 12, 30, tzinfo=UTC), schedule, (), [one]) == ()


# --- holds ----------------------------------------------------------------------------------------

AT = BEGIN + timedelta(minutes=30)
HELD = Scope(persons=frozenset({"ab1"}), unknown_too=False)


@pytest.mark.parametrize(
    ("scope", "more", "fate"),
    [
        (Scope(since=BEGIN + timedelta(hours=2)), {}, Fate.ERASE),
        (Scope(until=BEGIN), {}, Fate.ERASE),
        (Scope(until=BEGIN + SECOND), {}, Fate.PART),
        (Scope(since=BEGIN + timedelta(minutes=59)), {}, Fate.PART),
        (Scope(since=BEGIN + timedelta(minutes=59, seconds=1)), {}, Fate.ERASE),
        (Scope(since=BEGIN, until=BEGIN + timedelta(minutes=59)), {}, Fate.PART),
        (Scope(since=BEGIN, until=BEGIN + timedelta(hours=1)), {}, Fate.HELD),
        (Scope(since=BEGIN), {"until": None}, Fate.HELD),
        (Scope(until=LATE), {"until": None}, Fate.PART),
        (Scope(since=BEGIN), {"since": None}, Fate.PART),
        (HELD, {}, Fate.PART),
        (HELD, {"persons": frozenset({"cd2"})}, Fate.ERASE),
        (replace(HELD, unknown_too=True), {"persons": frozenset({"cd2"})}, Fate.PART),
        (HELD, {"divisible": False}, Fate.HELD),
        (HELD, {"divisible": False, "persons": frozenset({"cd2"})}, Fate.ERASE),
        (Scope(authorisation="AU-1"), {}, Fate.ERASE),
        (Scope(authorisation="AU-1"), {"authorisations": frozenset({"AU-1"})}, Fate.HELD),
        (
            replace(HELD, authorisation="AU-1"),
            {"authorisations": frozenset({"AU-1"})},
            Fate.PART,
        ),
    ],
)
def test_what_a_hold_covers(scope: Scope, more: dict[str, object], fate: Fate) -> None:
    (found,) = due(LATE, SCHEDULE, [HeldBy("LH-1", scope)], [item(**more)])
    assert found.fate is fate
    assert [each.reference for each in found.holds] == ([] if fate is Fate.ERASE else ["LH-1"])


def test_of_a_part_the_rest_may_go() -> None:
    holds = [HeldBy("LH-1", HELD), HeldBy("LH-2", Scope(since=AT, until=AT + SECOND))]
    (found,) = due(LATE, SCHEDULE, holds, [item()])
    assert found.fate is Fate.PART
    assert not found.may_erase("ab1", BEGIN)
    assert found.may_erase("cd2", BEGIN)
    assert found.may_erase(None, BEGIN)
    assert not found.may_erase("cd2", AT)
    assert found.may_erase("cd2", AT + SECOND)
    careful = [HeldBy("LH-1", replace(HELD, unknown_too=True))]
    (found,) = due(LATE, SCHEDULE, careful, [item()])
    assert not found.may_erase(None, BEGIN)


PERSONS = st.sampled_from(["ab1", "cd2", "ef3"])
TIMES = st.integers(-3, 6).map(lambda hours: BEGIN + timedelta(minutes=30 * hours))
UNDER = st.frozensets(st.sampled_from(["AU-1", "AU-2"]))


@st.composite
def scopes(draw: st.DrawFn) -> Scope:
    since, until = draw(st.none() | TIMES), draw(st.none() | TIMES)
    if since is not None and until is not None and since >= until:
        since = None
    return Scope(
        draw(st.none() | st.frozensets(PERSONS, min_size=1)),
        since,
        until,
        draw(st.none() | st.sampled_from(["AU-1", "AU-2"])),
        draw(st.booleans()),
    )


@st.composite
def inventories(draw: st.DrawFn) -> tuple[Item, list[tuple[str | None, datetime]]]:
    """An item, and the records that are in it; of which the item may know less."""
    records = draw(st.lists(st.tuples(st.none() | PERSONS, TIMES), max_size=5))
    times = [at for _, at in records]
    whose = frozenset(person for person, _ in records if person is not None)
    made = item(
        since=draw(st.sampled_from([None, min(times)])) if times else None,
        until=draw(st.sampled_from([None, max(times)])) if times else None,
        persons=draw(st.sampled_from([None, whose])),
        authorisations=draw(UNDER),
        divisible=draw(st.booleans()),
        counted_from=draw(TIMES),
    )
    return made, records


HOLDS = st.lists(scopes(), max_size=3).map(
    lambda found: [HeldBy(f"LH-{number}", scope) for number, scope in enumerate(found)]
)
NOWS = st.sampled_from([LATE, BEGIN, datetime(2026, 11, 17, tzinfo=UTC)])


@given(NOWS, HOLDS, inventories())
def test_what_is_held_is_never_due(
    now: datetime, holds: list[HeldBy], made: tuple[Item, list[tuple[str | None, datetime]]]
) -> None:
    one, records = made
    for verdict in due(now, SCHEDULE, holds, [one]):
        for person, at in records:
            covered = any(hold.scope.covers(person, at, one.authorisations) for hold in holds)
            if covered:
                assert not verdict.may_erase(person, at)
            if verdict.may_erase(person, at):
                assert SCHEDULE.ends(one.kind, one.counted_from) <= now
        if verdict.fate is Fate.HELD and one.divisible:
            assert all(
                any(hold.scope.covers(person, at, one.authorisations) for hold in holds)
                for person, at in records
            ), "what nobody holds is not kept by a hold"


@given(HOLDS, inventories(), st.data())
def test_lifting_a_hold_shortens_no_other(
    holds: list[HeldBy],
    made: tuple[Item, list[tuple[str | None, datetime]]],
    data: st.DataObject,
) -> None:
    one, records = made
    left = data.draw(st.lists(st.sampled_from(holds), unique=True)) if holds else []
    (before,) = due(LATE, SCHEDULE, holds, [one])
    (after,) = due(LATE, SCHEDULE, left, [one])
    assert set(after.holds) <= set(before.holds)
    for person, at in records:
        if before.may_erase(person, at):
            assert after.may_erase(person, at), "fewer holds never hold more"
        if any(hold.scope.covers(person, at, one.authorisations) for hold in left):
            assert not after.may_erase(person, at), "those that are left hold as before"


@given(HOLDS, st.lists(inventories(), max_size=4))
def test_items_do_not_touch_each_other(
    holds: list[HeldBy], made: list[tuple[Item, list[tuple[str | None, datetime]]]]
) -> None:
    items = [replace(one, name=str(number)) for number, (one, _) in enumerate(made)]
    together = due(LATE, SCHEDULE, holds, items)
    apart = [verdict for one in items for verdict in due(LATE, SCHEDULE, holds, [one])]
    assert list(together) == apart

"""A comparison against a plain model; and what would have to stay the same does."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, text
from sqlalchemy.exc import DBAPIError
from support import segments
from support.authority import ACU, DAY, DPO, HEAD, KIM, NOW, PAT, SAM, World, wanted

from proxy_addons.audit.authority.colleagues import Unit, unit_of
from proxy_addons.audit.authority.model import UNIT, Kind, SubjectClass
from proxy_addons.audit.desk.comparing import Compare, Comparing, days_of, rounded
from proxy_addons.audit.desk.desk import Desk
from proxy_addons.audit.desk.wire import Refused, Who
from proxy_addons.audit.duckstore import DuckStore
from proxy_addons.audit.retention.details import Details
from proxy_addons.audit.retention.schedule import Schedule
from proxy_addons.audit.trail import Trail
from proxy_addons.audit.trailreader import TrailReader
from proxy_addons.identity.entries import Entry
from proxy_addons.settings.audit import Audit, Comparison
from proxy_addons.settings.retention import Retention
from proxy_addons.standing import Actor, StepRefusedError
from proxy_addons.standing.tables_searches import authorisation_colleagues

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from proxy_addons.audit.authority.model import Authorisation, Wanted
    from proxy_addons.audit.desk.comparing import Comparison as Answer
    from proxy_addons.standing import Store

LONDON = ZoneInfo("Europe/London")
ON_ONE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)
"""What does not hang on the engine of the register."""
WHO = Who(PAT.name, PAT.roles, "kerberos")
OTHERS = tuple(f"pc{number:02d}" for number in range(11))
TEAM = Unit("Response B", frozenset(OTHERS))
BEGINS = datetime(2026, 11, 10, 8, tzinfo=UTC)
WHY = "Whether it is much can only be told beside what is usual."
CATEGORIES = (["shopping"], ["news"], ["news", "shopping"], ["health"], ["shopping", "health"], [])


def compared(**changes: Any) -> Wanted:
    """Two days of jane, compared with her unit."""
    times = {"begins": BEGINS - timedelta(hours=8), "ends": BEGINS + timedelta(hours=40)}
    return wanted(**{"comparison": UNIT, "comparison_why": WHY} | times | changes)


class Room:
    """A desk on records that are written anew."""

    def __init__(self, folder: Path, world: World) -> None:
        self.folder, self.world, self.number = folder, world, 0
        self.trail = Trail(folder / "trail", clock=self.clock)
        self.trail.start()

    def clock(self) -> float:
        return self.world.now.timestamp()

    def applied(self, asked: Wanted | None = None, unit: Unit | None = TEAM) -> Authorisation:
        return self.world.register.apply(PAT, asked or compared(), unit=unit)

    def approved(self, asked: Wanted | None = None, unit: Unit | None = TEAM) -> Authorisation:
        return self.world.take("approve", ACU, self.applied(asked, unit))

    def answer(
        self,
        found: Authorisation,
        records: list[dict[str, Any]],
        who: Who = WHO,
        audit: Audit | None = None,
    ) -> Answer:
        self.number += 1
        access = self.folder / f"access-{self.number}"
        segments.write(access, "20261110T08", records)
        store = DuckStore(
            self.folder / "parquet", access, zone=LONDON, monotonic=time.monotonic, entropy=bytes
        )
        register, rules = self.world.register, audit or self.world.settings
        desk = Desk(store, register, self.trail, rules, lambda: self.world.now)
        try:
            comparing = Comparing(desk, store, register, rules, LONDON)
            return comparing.compare(who, Compare(authorisation=found.reference))
        finally:
            store.close()

    def looks(self) -> list[dict[str, Any]]:
        return [each.record for each in TrailReader(self.folder / "trail").page(most=99).records]


@pytest.fixture
def room(tmp_path: Path, store: Store) -> Iterator[Room]:
    made = Room(tmp_path, World(store))
    yield made
    made.trail.close()


def record(number: int, person: str | None, categories: list[str], **more: Any) -> dict[str, Any]:
    values = {"host": "a.test", "url": "https://a.test/", "action": "allow", "bytes_up": 0}
    values |= {"person": person, "categories": categories, "bytes_down": 1_000_000} | more
    return segments.record(number, 1, values.pop("start", BEGINS), **values)


# --- the model ------------------------------------------------------------------------------------


def at(numbers: list[int], part: float) -> float:
    """Where this part of some numbers is: between the two that are nearest."""
    ordered, place = sorted(numbers), (len(numbers) - 1) * part
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    return low + (high - low) * (place - math.floor(place))


def modelled(found: Authorisation, records: list[dict[str, Any]]) -> dict[str, Any]:
    """Category → requests and megabytes a day: jane's, lower, median, upper."""
    special = {"health", "dating", "banking", "politics", "self-help"} - found.unmasked
    sums: dict[Any, list[int]] = defaultdict(lambda: [0, 0])
    for each in records:
        inside = found.begins <= datetime.fromisoformat(each["start"]) < found.ends
        named = set(each["categories"])
        if not inside or named & special or (found.categories and not named & found.categories):
            continue
        for category in named if found.categories is None else named & found.categories:
            sums[category, each["person"]][0] += 1
            sums[category, each["person"]][1] += each["bytes_up"] + each["bytes_down"]
    days = days_of(found.begins, found.ends, LONDON)
    told = {}
    for category in {category for category, person in list(sums) if person == "jane"}:
        told[category] = []
        for part, by in ((0, days), (1, days * 1e6)):
            numbers = [sums[category, name][part] for name in OTHERS]
            figures = [sums[category, "jane"][part], *(at(numbers, q) for q in (0.25, 0.5, 0.75))]
            told[category].append(tuple(rounded(each / by) for each in figures))
    return told


def told(answer: Answer) -> dict[str, Any]:
    return {
        each.category: [
            (of.own, of.lower, of.median, of.upper)
            for of in (each.requests, each.megabytes)
            if of is not None
        ]
        for each in answer.rows
    }


@st.composite
def some_records(draw: st.DrawFn) -> list[dict[str, Any]]:
    number = draw(st.integers(0, 60))
    return [
        record(
            seq,
            draw(st.sampled_from(("jane", "jane", *OTHERS, "somebody", None))),
            draw(st.sampled_from(CATEGORIES)),
            start=BEGINS + timedelta(minutes=draw(st.integers(-600, 2600))),
            bytes_down=draw(st.integers(0, 40_000_000)),
        )
        for seq in range(1, number + 1)
    ]


@ON_ONE
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    several=some_records(),
    categories=st.sampled_from([None, frozenset({"shopping"})]),
    unmasked=st.sampled_from([frozenset(), frozenset({"health"})]),
)
def test_it_answers_as_the_model(
    room: Room, several: list[Any], categories: Any, unmasked: Any
) -> None:
    found = room.approved(compared(categories=categories, unmasked=unmasked))
    answer = room.answer(found, several)
    assert told(answer) == modelled(found, several)
    assert (answer.people, answer.days) == (11, 2)


def team(number: int, person: str, many: int) -> list[dict[str, Any]]:
    return [record(number + each, person, ["shopping"]) for each in range(many)]


def unit_records() -> list[dict[str, Any]]:
    """jane has 20 shopping; her colleagues 0, 2, 4, … 20."""
    made = team(1, "jane", 20)
    for place, name in enumerate(OTHERS):
        made += team(1000 * (place + 1), name, place * 2)
    return made


@ON_ONE
def test_in_figures(room: Room) -> None:
    answer = room.answer(room.approved(), unit_records())
    assert told(answer) == {"shopping": [(10.0, 2.5, 5.0, 7.5)] * 2}
    assert (answer.subject, answer.unit, answer.people) == ("jane", "Response B", 11)
    (look, *_) = room.looks()
    assert (look["person"], look["question"]) == ("pat", {"comparison": "unit"})
    assert look["outcome"] == {"people": 11, "categories": 1, "days": 2}
    assert "pc0" not in str(look) + str(answer)


OUTSIDE = {
    "another day": {"person": "pc05", "start": BEGINS + timedelta(hours=40)},
    "the day before": {"person": "pc05", "start": BEGINS - timedelta(hours=8, microseconds=1)},
    "another category": {"person": "pc05", "categories": ["games"]},
    "no category": {"person": "pc05", "categories": []},
    "masked": {"person": "pc05", "categories": ["shopping", "health"]},
    "another unit": {"person": "somebody", "categories": ["shopping"]},
    "nobody": {"person": None, "categories": ["shopping"]},
}


@ON_ONE
def test_rows_outside_change_nothing(room: Room) -> None:
    found, inside = room.approved(compared(categories=frozenset({"shopping"}))), unit_records()
    plain = room.answer(found, inside)
    for which, changes in OUTSIDE.items():
        more = [
            record(90_000 + each, **{"categories": ["shopping"]} | changes)  # type: ignore[arg-type]
            for each in range(50)
        ]
        assert room.answer(found, inside + more) == plain, which
    changed = [record(90_000 + each, "pc05", ["shopping"]) for each in range(50)]
    assert room.answer(found, inside + changed) != plain


@ON_ONE
def test_what_a_colleague_alone_does_is_in_no_answer(room: Room) -> None:
    """Of a category that jane has nothing in there is no line, whoever has much of it."""
    inside = unit_records()
    more = [record(90_000 + each, "pc05", ["gambling"]) for each in range(50)]
    found = room.approved()
    assert room.answer(found, inside + more) == room.answer(found, inside)


# --- what an application has to say ---------------------------------------------------------------

FEW = Unit("Response B", frozenset(OTHERS[:9]))
REFUSED: dict[str, tuple[Wanted, Unit | None, str]] = {
    "unit unknown": (compared(), None, "does not say in which unit"),
    "too few": (compared(), FEW, "too small"),
    "two subjects": (
        compared(subjects=dict.fromkeys(("jane", "john"), SubjectClass.OFFICER)),
        TEAM,
        "name one subject",
    ),
    "too few but for her": (
        compared(),
        Unit("Response B", frozenset({*OTHERS[:9], "jane"})),
        "too small",
    ),
    "another kind": (compared(kind=Kind.DISCLOSURE), TEAM, "does not come with"),
    "own records": (compared(kind=Kind.SUBJECT_ACCESS), TEAM, "does not come with"),
    "another scope": (compared(comparison="force"), TEAM, "nothing else"),
    "no reason": (compared(comparison_why="To know."), TEAM, "at least 20"),
    "no categories": (compared(fields=frozenset({"start", "person", "url"})), TEAM, "categories"),
    "no time": (compared(fields=frozenset({"categories", "person"})), TEAM, "start"),
}


@ON_ONE
def test_what_is_refused(room: Room) -> None:
    for asked, unit, says in REFUSED.values():
        with pytest.raises(StepRefusedError, match=says):
            room.applied(asked, unit)


@ON_ONE
def test_of_ten_there_is_one_and_of_nine_none(room: Room) -> None:
    ten = Unit("Response B", frozenset(OTHERS[:10]))
    found = room.approved(unit=ten)
    assert room.answer(found, unit_records()).people == 10
    more = replace(room.world.settings, comparison=Comparison(people=11))
    with pytest.raises(Refused, match="Too few to compare"):
        room.answer(found, unit_records(), audit=more)
    none = replace(room.world.settings, comparison=Comparison(kinds=()))
    with pytest.raises(Refused, match="come with no comparison"):
        room.answer(found, unit_records(), audit=none)
    assert "Too few" in str(room.looks()[1]["outcome"])


@ON_ONE
def test_the_subject_is_never_among_them(room: Room) -> None:
    found = room.approved(unit=Unit("Response B", frozenset({*OTHERS, "jane"})))
    assert found.comparison is not None
    assert found.comparison.people == 11
    assert room.world.register.colleagues(found) == frozenset(OTHERS)
    assert told(room.answer(found, unit_records())) == {"shopping": [(10.0, 2.5, 5.0, 7.5)] * 2}


@ON_ONE
def test_who_may_not_look_is_told_what_they_always_are(room: Room) -> None:
    found, plain = room.approved(), room.world.approved()
    for who in (KIM, HEAD, ACU, DPO):
        with pytest.raises(Refused, match="You have no authorisation"):
            room.answer(found, unit_records(), Who(who.name, who.roles, who.how))
    assert room.answer(found, unit_records(), Who(SAM.name, SAM.roles, SAM.how)).rows
    with pytest.raises(Refused, match="comes with no comparison"):
        room.answer(plain, unit_records())
    waits = room.applied(compared(allegation="CM/2"))
    with pytest.raises(Refused, match="not approved yet"):
        room.answer(waits, unit_records())
    room.world.now = found.valid_until
    with pytest.raises(Refused, match="ended"):
        room.answer(found, unit_records())


@ON_ONE
@pytest.mark.parametrize("by_hand", ["put in", "taken out", "another"])
def test_a_list_that_was_changed_by_hand_compares_nothing(room: Room, by_hand: str) -> None:
    found, table = room.approved(), authorisation_colleagues
    with room.world.store.noting() as connection:
        if by_hand != "put in":
            connection.execute(delete(table).where(table.c.person == "pc05"))
        if by_hand != "taken out":
            connection.execute(insert(table).values(authorisation=found.id, person="zoë"))
    with pytest.raises(Refused, match="not those that were approved"):
        room.answer(found, unit_records())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE authorisation_comparisons SET people = 12",
        "DELETE FROM authorisation_comparisons",
    ],
)
def test_what_was_approved_stays(room: Room, statement: str) -> None:
    room.approved()
    with (
        pytest.raises(DBAPIError, match="append-only"),
        room.world.store.noting() as connection,
    ):
        connection.execute(text(statement))


@ON_ONE
def test_under_pseudonyms_nobody_is_named(room: Room) -> None:
    answer = room.answer(room.approved(compared(names_shown=False)), unit_records())
    assert (answer.subject, answer.unit) == ("", "")
    assert told(answer) == {"shopping": [(10.0, 2.5, 5.0, 7.5)] * 2}


@ON_ONE
def test_volume_only_where_bytes_may_be_seen(room: Room) -> None:
    found = room.approved(compared(fields=frozenset({"start", "categories", "bytes_up"})))
    (line,) = room.answer(found, unit_records()).rows
    assert (line.requests.own, line.megabytes) == (10.0, None)


def test_the_names_go_with_the_period(room: Room) -> None:
    found = room.approved()
    room.world.now = NOW + 800 * DAY
    schedule = Schedule.of(Retention(authorisations=12), LONDON)
    details = Details(room.world.store, schedule, clock=lambda: room.world.now)
    (made,) = details.erase_due(Actor("watchhouse", how="clock"))
    assert made.records == 11
    assert room.world.register.colleagues(found) == frozenset()
    kept = room.world.now_of(found).comparison
    assert kept is not None
    assert (kept.people, kept.why) == (11, WHY)


# --- small parts ----------------------------------------------------------------------------------


def test_units() -> None:
    def entry(name: str, unit: str | None) -> Entry:
        return Entry(name, f"uid={name}", unit=unit)

    force = [entry("jane", " Response B"), entry("john", "response b "), entry("ann", None),
             entry("joe", "Response BB"), entry("zoë", "")]  # fmt: skip
    assert unit_of("jane", force) == Unit("Response B", frozenset({"john"}))
    for nobody in ("ann", "zoë", "stranger"):
        assert unit_of(nobody, force) is None


@pytest.mark.parametrize(
    ("figure", "shown"),
    [(0, 0), (0.04, 0), (0.06, 0.1), (1.24, 1.2), (9.96, 10), (14.6, 15), (144, 140), (1960, 2000)],
)
def test_two_digits(figure: float, shown: float) -> None:
    assert rounded(figure) == shown


def test_days_are_the_forces() -> None:
    def utc(*parts: int) -> datetime:
        return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]

    assert days_of(utc(2026, 11, 1), utc(2026, 11, 15), LONDON) == 14
    assert days_of(utc(2026, 10, 24, 23), utc(2026, 10, 26), LONDON) == 1  # the long day
    assert days_of(utc(2026, 6, 1, 22, 59), utc(2026, 6, 1, 23, 1), LONDON) == 2

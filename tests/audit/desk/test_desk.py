"""The desk against a plain model: random authorisations and questions, and nothing from outside.

The model knows the authorisation alone: whose records, of which time, in which categories, which of
them are masked. It knows nothing of bounds or of the query engine.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support import segments
from support.authority import ACU, NOW, PAT, World, wanted

from proxy_addons.accesslog.record import NAMES
from proxy_addons.audit.authority.model import SubjectClass
from proxy_addons.audit.desk.calls import Export, Search
from proxy_addons.audit.desk.desk import Desk
from proxy_addons.audit.desk.wire import Refused, Who
from proxy_addons.audit.duckstore import DuckStore
from proxy_addons.audit.store import Dimension, Question
from proxy_addons.audit.trail import Trail
from proxy_addons.audit.trailreader import TrailReader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from proxy_addons.audit.authority.model import Authorisation, Wanted
    from proxy_addons.audit.desk.calls import Found
    from proxy_addons.audit.store import Row
    from proxy_addons.standing import Store

WHO = Who(PAT.name, PAT.roles, "kerberos")
PEOPLE = ("jane", "john", "zoë", None)
CATEGORIES = (["news"], ["health"], ["news", "banking"], [], ["webmail"])
HOSTS = ("a.test", "b.a.test", "clinic.test", "bank.test")
DAYS = 40
HOURS = {"20261110T08": datetime(2026, 11, 10, 8, tzinfo=UTC)}


@st.composite
def records(draw: st.DrawFn, number: int, begins: datetime) -> dict[str, Any]:
    start = begins + timedelta(seconds=draw(st.integers(0, 3599)))
    return segments.record(
        number,
        1,
        start,
        person=draw(st.sampled_from(PEOPLE)),
        client_ip=draw(st.sampled_from(["192.0.2.1", "192.0.2.2"])),
        categories=draw(st.sampled_from(CATEGORIES)),
        host=(host := draw(st.sampled_from(HOSTS))),
        url=f"https://{host}/{draw(st.sampled_from(['one', 'two%_', 'THREE']))}",
        action=draw(st.sampled_from(["allow", "block"])),
        rule=draw(st.sampled_from(["r1", "r2"])),
        bytes_up=draw(st.integers(0, 9)),
        bytes_down=draw(st.integers(0, 9)),
    )


BEGINS = HOURS["20261110T08"]
MOMENTS = st.integers(-600, 4200).map(lambda seconds: BEGINS + timedelta(seconds=seconds))
WHOLE = st.just((BEGINS - timedelta(hours=1), BEGINS + timedelta(hours=2)))


@st.composite
def applications(draw: st.DrawFn) -> Wanted:
    subjects = draw(st.sets(st.sampled_from(["jane", "john", "zoë"]), min_size=1))
    since, until = draw(WHOLE | st.tuples(MOMENTS, MOMENTS).map(sorted))
    return wanted(
        subjects=dict.fromkeys(subjects, SubjectClass.OFFICER),
        begins=since,
        ends=until + timedelta(seconds=1),
        fields=frozenset(draw(st.sampled_from([(), NAMES[:12], ("start", "person", "action")]))),
        categories=draw(st.sampled_from([None, frozenset({"news"}), frozenset({"webmail"})])),
        unmasked=draw(st.sampled_from([frozenset(), frozenset({"health"})])),
        names_shown=draw(st.booleans()),
        row_cap=draw(st.sampled_from([3, 10_000])),
    )


WIDE = wanted(begins=BEGINS - timedelta(hours=1), ends=BEGINS + timedelta(hours=2))
"""All fields and categories, names shown, special sites masked: what is left out shows at once."""

SINGLE = (
    Question(),
    Question(person="jane"),
    Question(person="john"),
    Question(host="a.test"),
    Question(host="clinic.test"),
    Question(category="health", newest_first=False),
    Question(action="block"),
    Question(text="two%"),
)
"""Asked in each example: what filters say of others is what could tell of them."""
COUNTED = (Dimension.PERSON, Dimension.HOST, Dimension.CATEGORY)
QUESTIONS = st.builds(
    Question,
    since=st.none() | MOMENTS,
    until=st.none() | MOMENTS,
    client=st.sampled_from(["", "192.0.2.1"]),
    category=st.sampled_from(["", "news", "banking"]),
    text=st.sampled_from(["", "three"]),
    newest_first=st.booleans(),
)


def covered(record: dict[str, Any], by: Authorisation) -> bool:
    """Whether an authorisation speaks of a record at all."""
    start = datetime.fromisoformat(record["start"])
    if record["person"] not in by.subjects:
        return False
    if not by.begins <= start < min(by.ends, by.valid_until):
        return False
    return by.categories is None or not by.categories.isdisjoint(record["categories"])


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


class Room:
    """A desk on records that are written anew for each example."""

    def __init__(self, folder: Path, world: World) -> None:
        self.folder, self.world = folder, world
        self.trail = Trail(folder / "trail", clock=self.clock)
        self.trail.start()
        self.number = 0

    def clock(self) -> float:
        return self.world.now.timestamp()

    def desk(self, given: list[dict[str, Any]]) -> tuple[Desk, DuckStore]:
        self.number += 1
        access = self.folder / f"access-{self.number}"
        segments.write(access, "20261110T08", given)
        store = DuckStore(
            self.folder / "parquet",
            access,
            zone=ZoneInfo("Europe/London"),
            monotonic=time.monotonic,
            entropy=bytes,
        )
        desk = Desk(
            store, self.world.register, self.trail, self.world.settings, lambda: self.world.now
        )
        return desk, store

    def looks(self) -> int:
        return len(TrailReader(self.folder / "trail").page(most=10_000).records)


@pytest.fixture
def room(tmp_path: Path, world: World) -> Iterator[Room]:
    made = Room(tmp_path, world)
    yield made
    made.trail.close()


def checked(
    one: Found, rows: list[Row], found: Authorisation, inside: list[bool], first: list[Any]
) -> None:
    """What is shown is inside, and masked where it is special."""
    assert one.total.records <= sum(inside)
    special = {"health", "banking"} - found.unmasked
    for row in rows:
        assert inside[row.at.line]
        said = {name for name, value in row.values.items() if value not in (None, ())}
        assert said <= found.fields | {"person"}
        if not found.names_shown:
            assert row.values.get("person") not in PEOPLE[:3]
        assert row.masked == bool(special.intersection(first[row.at.line]["categories"]))
        if row.masked:
            assert row.values.get("host") is None
            assert row.values.get("url") is None


@pytest.mark.parametrize("narrow", [True, False])
@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@settings(
    max_examples=3,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # an example takes half a second: none is made smaller
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_nothing_from_outside(room: Room, narrow: bool, data: st.DataObject) -> None:
    first = [data.draw(records(number + 1, BEGINS)) for number in range(12)]
    application = data.draw(applications()) if narrow else WIDE
    found = room.world.take("approve", ACU, room.world.applied(application))
    inside = [covered(each, found) for each in first]
    # The same lines where they are covered; where they are not, any others that are not either.
    second = [
        each
        if within
        else data.draw(records(number + 1, BEGINS).filter(lambda other: not covered(other, found)))
        for number, (each, within) in enumerate(zip(first, inside, strict=True))
    ]
    questions = [*SINGLE, data.draw(QUESTIONS)]
    answers: list[list[tuple[Found, list[Row]]]] = []
    for lines in (first, second):
        desk, store = room.desk(lines)
        before = room.looks()
        answers.append([])
        for question in questions:
            call = Search(authorisation=found.reference, question=question, most=5, by=COUNTED)
            export = Export(authorisation=found.reference, question=question, form="csv")
            answers[-1].append((desk.search(WHO, call), list(desk.export(WHO, export))))
        assert room.looks() == before + 2 * len(questions), "each look is recorded"
        store.close()
    for (one, all_of_one), (other, all_of_other) in zip(*answers, strict=True):
        assert replace(one.page, after="") == replace(other.page, after="")
        assert bool(one.page.after) == bool(other.page.after)
        assert (one.total, one.counts, all_of_one) == (other.total, other.counts, all_of_other)
        checked(one, [*one.page.rows, *all_of_one], found, inside, first)
    assert answers[0][0][0].total.records == sum(inside), "and all that is inside"


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "what", ["nobody's", "not approved", "somebody else's", "over", "conflict"]
)
def test_what_is_refused_is_refused_alike_and_recorded(room: Room, what: str) -> None:
    world = room.world
    reference, who = "AU-2026-0999", WHO
    if what != "nobody's":
        found = world.applied() if what == "not approved" else world.approved()
        reference = found.reference
        if what == "somebody else's":
            who = Who("kim", frozenset({"psd"}), "kerberos")
        if what == "conflict":
            world.take("declare_conflict", PAT, found)
        if what == "over":
            world.now = NOW + timedelta(days=DAYS)
    desk, store = room.desk([segments.record(1, 1, BEGINS, person="jane")])
    call = Search(authorisation=reference, question=Question())
    with pytest.raises(Refused) as refused:
        desk.search(who, call)
    assert refused.value.kind == "refused"
    outsider = "You have no authorisation of this reference"
    assert refused.value.text.startswith(outsider) is (what not in {"not approved", "over"})
    (look,) = TrailReader(room.folder / "trail").page().records
    assert look.record["outcome"] == {"refused": refused.value.text}
    assert (look.record["person"], look.record["authorisation"]) == (who.name, reference)
    store.close()

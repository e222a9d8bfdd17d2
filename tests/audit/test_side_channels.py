"""What is outside takes no time: neither others' records nor others' authorisations.

Work is counted, not timed: what the query engine and SQLite do for an answer is the same whatever
others have done. The long test looks at a clock as well.
"""

from __future__ import annotations

import random
import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from support import segments
from support.authority import ACU, PAT, World, wanted
from support.sealkill import SIGNER
from support.working import spent, worked

from proxy_addons.accesslog.compact.compacting import compact
from proxy_addons.accesslog.record import NAMES, empty_record
from proxy_addons.accesslog.seal.sealing import Seals, seal
from proxy_addons.audit.authority.model import SubjectClass
from proxy_addons.audit.duckstore import DuckStore, Means
from proxy_addons.audit.store import Bounds, Dimension, Question
from proxy_addons.standing import Actor
from proxy_addons.standing.problems import UnknownReferenceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.working import Spent

    from proxy_addons.standing import Store

BEGINS = datetime(2026, 11, 10, 8, tzinfo=UTC)
MINE = {
    "host": "mine.test", "url": "https://mine.test/x", "categories": ["news"], "rule": "r1",
    "action": "allow", "client_ip": "192.0.2.1", "findings": ["file_type=zip"],
}  # fmt: skip
SOUGHT = {
    "host": "zz.test", "url": "https://zz.test/needle", "categories": ["zz"], "rule": "zz",
    "action": "block", "client_ip": "203.0.113.9", "findings": ["file_type=zz"],
}  # fmt: skip
ELSE = {
    "host": "bb.test", "url": "https://bb.test/other", "categories": ["bb"], "rule": "bb",
    "action": "allow", "client_ip": "198.51.100.9", "findings": ["file_type=bb"],
}  # fmt: skip
QUESTIONS = {
    "nothing": Question(),
    "host": Question(host="zz.test"),
    "client": Question(client="203.0.113.9"),
    "action": Question(action="block"),
    "rule": Question(rule="zz"),
    "category": Question(category="zz"),
    "file type": Question(file_type="zz"),
    "text": Question(text="needle"),
    "event": Question(event="open"),
    "person": Question(person="john"),
    "together": Question(host="zz.test", action="block", since=BEGINS),
}
SUBJECTS = {"one": ("jane",), "many": ("jane", *(f"n{number}" for number in range(80)))}
SPECIAL = {"masked": frozenset({"health"}), "plain": frozenset[str]()}


def built(folder: Path, others: dict[str, Any], count: int, *, live: bool) -> DuckStore:
    """Records of jane, one in thirty, among those of others who all did the same."""
    names = ("ann", "john", "kim", "zoe")
    made = []
    for number in range(count):
        start = BEGINS + timedelta(seconds=3000 * number / count)
        more = MINE | {"person": "jane"} if number % 30 == 0 else dict(others)
        more.setdefault("person", names[number % 4])
        made.append(dict(empty_record()) | segments.record(number + 1, 1, start, **more))
    access, seals, chance = folder / "access", Seals(folder / "seals"), random.Random(1)
    segments.write(access, "20261110T08", made)
    if not live:
        now = (BEGINS + timedelta(hours=30)).timestamp()
        seal(access, seals, SIGNER, now=now, entropy=chance.randbytes, software="x")
        compact(access, seals, folder / "parquet", now=now)
    return DuckStore(
        folder / "parquet",
        access,
        zone=ZoneInfo("Europe/London"),
        monotonic=time.monotonic,
        entropy=random.Random(1).randbytes,
        means=Means(threads=1),
    )


def bounds_for(subjects: str, special: str) -> Bounds:
    hour = timedelta(hours=1)
    return Bounds(
        BEGINS - hour,
        BEGINS + 2 * hour,
        frozenset(NAMES),
        frozenset(SUBJECTS[subjects]),
        special=SPECIAL[special],
    )


@pytest.fixture(scope="module", params=["live", "parquet"])
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[DuckStore, DuckStore]]:
    """Where others opened what is asked for, and where they opened something else."""
    live = request.param == "live"
    both = [
        built(tmp_path_factory.mktemp("others"), others, 600, live=live)
        for others in (SOUGHT, ELSE)
    ]
    yield both[0], both[1]
    for each in both:
        each.close()


def total(store: DuckStore, bounds: Bounds, question: Question) -> object:
    return store.total(bounds, question)


def page(store: DuckStore, bounds: Bounds, question: Question) -> object:
    return store.rows(bounds, question, most=7)


def hosts(store: DuckStore, bounds: Bounds, question: Question) -> object:
    return store.counts(bounds, question, Dimension.HOST)


CASES = [
    *(("one", "plain", name, total) for name in QUESTIONS),
    *(("one", "masked", name, hosts) for name in ("nothing", "host", "client", "text")),
    *(("one", "plain", name, page) for name in ("nothing", "host", "client", "text")),
    *(("many", "plain", name, total) for name in ("host", "client")),
]


def test_the_engine_does_the_same_whatever_others_opened(
    pair: tuple[DuckStore, DuckStore],
) -> None:
    for subjects, special, name, ask in CASES:
        bounds, question = bounds_for(subjects, special), QUESTIONS[name]
        sought, other = (
            worked(each, lambda store: ask(store, bounds, question))  # noqa: B023 - at once
            for each in pair
        )
        assert sought, "something was counted"
        assert sought == other, (subjects, special, name)


# --- authorisations -------------------------------------------------------------------------------

KIM = Actor("kim", frozenset({"psd"}), "accounts")
NOBODY = Actor("nora", frozenset({"psd"}), "accounts")
SUBJECT = Actor("jane", frozenset({"psd"}), "accounts")
ENTRY = 12
"""Steps of SQLite's machine for an entry of an index that is looked at and left out."""


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


def cost(ask: Callable[[], object]) -> Spent:
    with spent() as found:
        ask()
    return found


def refused(ask: Callable[[], object]) -> Spent:
    with spent() as found, pytest.raises(UnknownReferenceError):
        ask()
    return found


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_a_list_takes_the_same_whatever_others_have(world: World) -> None:
    world.approved()
    people = (PAT, NOBODY, SUBJECT)
    before = [cost(lambda who=who: world.register.all(who)) for who in people]  # type: ignore[misc]
    for number in range(40):
        asked = wanted(
            subjects={f"n{number}": SubjectClass.OFFICER}, investigators=frozenset({"kit"})
        )
        found = world.applied(asked, by=KIM)
        if number % 2:
            world.take("approve", ACU, found)
        if number % 4 == 1:
            world.take("declare_conflict", KIM, found)
    after = [cost(lambda who=who: world.register.all(who)) for who in people]  # type: ignore[misc]
    assert all(each.steps for each in after), "something was counted"
    for one, other in zip(before, after, strict=True):
        assert one.statements == other.statements
        assert abs(one.steps - other.steps) <= ENTRY
    assert len(world.register.all(ACU)) == 41, "and whoever decides on them sees them"
    assert len(world.register.all(PAT)) == 1


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@pytest.mark.parametrize("who", [NOBODY, SUBJECT], ids=["a stranger", "the subject"])
def test_a_reference_takes_the_same_whether_there_is_one(world: World, who: Actor) -> None:
    many = {f"n{number}": SubjectClass.OFFICER for number in range(50)} | {
        "jane": SubjectClass.OFFICER
    }
    found, none = world.approved(wanted(subjects=many)).reference, "AU-2026-0999"
    for ask in (world.register.get, world.register.steps):
        one, other = (refused(lambda r=r, a=ask: a(who, r)) for r in (found, none))  # type: ignore[misc]
        assert one.statements == other.statements
        assert abs(one.steps - other.steps) <= ENTRY
    one, other = (cost(lambda r=r: world.register.looked_by(who, r)) for r in (found, none))  # type: ignore[misc]
    assert world.register.looked_by(who, found) is None
    assert one.statements == other.statements
    assert abs(one.steps - other.steps) <= ENTRY


# --- by the clock ---------------------------------------------------------------------------------


@pytest.mark.heavy
@pytest.mark.parametrize("question", ["client", "host", "text"])
@pytest.mark.parametrize("subjects", SUBJECTS)
def test_the_processor_says_the_same(tmp_path: Path, question: str, subjects: str) -> None:
    """Median of the processor's time over 200,000 records of others, taken in turns."""
    both = [
        built(tmp_path / name, others, 200_000, live=False)
        for name, others in (("sought", SOUGHT), ("else", ELSE))
    ]
    bounds, taken = bounds_for(subjects, "plain"), ([], [])  # type: tuple[Bounds, tuple[list[float], ...]]
    for _ in range(25):
        for store, times in zip(both, taken, strict=True):
            began = time.process_time()
            store.total(bounds, QUESTIONS[question])
            times.append(time.process_time() - began)
    one, other = (statistics.median(each[5:]) for each in taken)
    assert 0.85 < one / other < 1.18, (one, other)
    for each in both:
        each.close()

"""Imports into the store: what changes, what must not, and how long the lock is held."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from proxy_addons.standing import rota_import
from proxy_addons.standing.rota import Cover, Rota
from proxy_addons.standing.rota_csv import read_csv
from proxy_addons.standing.rota_entries import Options
from proxy_addons.standing.rota_import import RotaImport
from proxy_addons.standing.rota_plan import Changes
from proxy_addons.standing.tables_shifts import duties, rota_cover

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from proxy_addons.standing import Store
    from proxy_addons.standing.rota_entries import RotaFile

LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 12, 2, 12, tzinfo=UTC)
HEAD = "person,date,from,to,kind"


class Both(Rota, RotaImport):
    """Questions and imports, by one clock and without pauses."""

    def __init__(self, store: Store, now: datetime) -> None:
        RotaImport.__init__(self, store, LONDON, clock=lambda: now, pause=lambda _: None)


def rota_of(store: Store, now: datetime = NOW) -> Both:
    return Both(store, now)


def file_of(folder: Path, rows: Sequence[str], options: Options | None = None) -> RotaFile:
    text = "\n".join((HEAD, *rows)) + "\n"
    path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:8]}.csv"
    path.write_text(text)
    return read_csv(path, LONDON, options)


def days_of(rota: Rota, person: str) -> list[str]:
    found = rota.duties(person, date(2026, 1, 1), date(2027, 12, 31))
    return [f"{each.begins.astimezone(LONDON):%d %H:%M} {each.kind}" for each in found]


WEEK = (
    "jane,2026-12-01,07:00,17:00,early",
    "jane,2026-12-02,07:00,17:00,early",
    "jane,2026-12-03,22:00,07:00,night",
    "john,2026-12-02,14:00,00:00,late",
    "john,2026-12-04,,,rest day",
)


def test_an_import_and_the_same_again(store: Store, tmp_path: Path):
    rota, file = rota_of(store), file_of(tmp_path, WEEK)
    before = store.shift_version()
    assert rota.preview(file) == Changes(people=2, changed=2, new=2, added=4)
    assert store.shift_version() == before
    assert rota.take_over(file, "lee") == Changes(people=2, changed=2, new=2, added=4)
    assert store.shift_version() > before
    assert days_of(rota, "jane") == ["01 07:00 early", "02 07:00 early", "03 22:00 night"]
    assert days_of(rota, "john") == ["02 14:00 late"]
    # John's file has him until the 4th: a day off is known to be one.
    assert rota.cover("john") == Cover(date(2026, 12, 1), date(2026, 12, 4))
    assert rota.cover("ann") is None
    version = store.shift_version()
    assert rota.take_over(file, "lee") == Changes(people=2)
    assert store.shift_version() == version  # no worker reads anything
    done = rota.status().imports
    assert [(each.by, each.rows, each.added, each.removed) for each in done] == [
        ("lee", 5, 0, 0),
        ("lee", 5, 4, 0),
    ]
    assert {each.digest for each in done} == {file.digest}


def test_a_correction_changes_its_people_and_days_and_nothing_else(store: Store, tmp_path: Path):
    rota = rota_of(store)
    rota.take_over(file_of(tmp_path, WEEK), "lee")
    untouched = days_of(rota, "john")
    with store.reading() as connection:
        john = connection.execute(select(duties).where(duties.c.person == "john")).all()
    # Jane's duty of the 2nd moves; those of the 1st and of the night of the 3rd are not in it.
    changes = rota.take_over(file_of(tmp_path, ["Jane,2026-12-02,12:00,20:00,overtime"]), "lee")
    assert (changes.added, changes.removed, changes.changed, changes.new) == (1, 1, 1, 0)
    assert days_of(rota, "jane") == ["01 07:00 early", "02 12:00 overtime", "03 22:00 night"]
    assert rota.cover("jane") == Cover(date(2026, 12, 1), date(2026, 12, 4))
    with store.reading() as connection:
        assert connection.execute(select(duties).where(duties.c.person == "john")).all() == john
    assert days_of(rota, "john") == untouched


def test_a_duty_of_the_evening_before_is_outside_the_period(store: Store, tmp_path: Path):
    """A night shift belongs to the day on which it begins."""
    rota = rota_of(store)
    rota.take_over(file_of(tmp_path, ["jane,2026-12-01,22:00,07:00,night"]), "lee")
    rota.take_over(file_of(tmp_path, ["jane,2026-12-02,22:00,07:00,night"]), "lee")
    assert days_of(rota, "jane") == ["01 22:00 night", "02 22:00 night"]
    assert rota.duties("jane", date(2026, 12, 2), date(2026, 12, 2))[0].kind == "night"


def test_days_that_were_asked_for_count_whole(store: Store, tmp_path: Path):
    """What was on them and is not any more goes."""
    rota = rota_of(store)
    rota.take_over(file_of(tmp_path, WEEK), "lee")
    options = Options(first=date(2026, 12, 1), last=date(2026, 12, 3))
    changes = rota.take_over(
        file_of(tmp_path, ["jane,2026-12-02,07:00,17:00,early", WEEK[4]], options), "lee"
    )
    assert (changes.people, changes.added, changes.removed) == (1, 0, 2)
    assert days_of(rota, "jane") == ["02 07:00 early"]
    assert days_of(rota, "john") == ["02 14:00 late"]


def test_every_change_shows_in_the_persons_cover(store: Store, tmp_path: Path):
    """By that row workers know to read somebody's duties again, also when all are gone."""
    rota = rota_of(store)
    rota.take_over(file_of(tmp_path, WEEK), "lee")

    def changes() -> dict[str, int]:
        with store.reading() as connection:
            question = select(rota_cover.c.person, rota_cover.c.change)
            return {row.person: row.change for row in connection.execute(question)}

    before = changes()
    rota.take_over(file_of(tmp_path, ["jane,2026-12-01,,,leave"]), "lee")
    after = changes()
    assert after["jane"] == store.shift_version() > before["jane"]
    assert after["john"] == before["john"]


@pytest.mark.parametrize(
    ("known", "new", "joined", "gaps"),
    [
        ((1, 10), (11, 20), (1, 20), 0),  # joins
        ((1, 10), (5, 8), (1, 10), 0),  # is within
        ((5, 10), (1, 4), (1, 10), 0),
        ((1, 10), (12, 20), (1, 10), 1),  # a gap, and today is in the old days
        ((12, 20), (4, 10), (12, 20), 1),  # a gap, and neither is over
        ((1, 3), (9, 20), (9, 20), 0),  # the old days are over
        ((9, 20), (1, 3), (9, 20), 0),  # the new ones are
    ],
)
def test_days_that_no_file_spoke_of_are_not_off_duty(
    store: Store,
    tmp_path: Path,
    known: tuple[int, int],
    new: tuple[int, int],
    joined: tuple[int, int],
    gaps: int,
):
    rota = rota_of(store, datetime(2026, 12, 4, 12, tzinfo=UTC))

    def taken(days: tuple[int, int]) -> Changes:
        rows = [f"jane,2026-12-{day:02},09:00,17:00," for day in days]
        return rota.take_over(file_of(tmp_path, rows), "lee")

    taken(known)
    assert taken(new).gap_count == gaps
    assert rota.cover("jane") == Cover(*(date(2026, 12, day) for day in joined))


def test_many_people_are_many_short_changes(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Others get the lock in between; and one that is stopped is finished by the same file."""
    monkeypatch.setattr(rota_import, "PEOPLE", 10)
    monkeypatch.setattr(rota_import, "_ANALYSED", 20)
    rows = [f"p{number:03},2026-12-{1 + number % 9:02},09:00,17:00," for number in range(95)]
    file = file_of(tmp_path, rows)

    class StoppedError(Exception):
        pass

    waits: list[float] = []

    def stop(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 4:
            raise StoppedError

    before = store.shift_version()
    rota = rota_of(store)
    rota._pause = stop
    with pytest.raises(StoppedError):
        rota.take_over(file, "lee")
    assert store.shift_version() == before + 4
    assert rota.status().imports[0].added == 40  # what it did is on record
    told: list[tuple[str, int, int]] = []
    changes = rota.take_over(file, "lee", lambda *all_of_it: told.append(all_of_it))
    assert (changes.people, changes.added, changes.new) == (95, 55, 55)
    assert told[-1] == ("writing", 95, 95)
    assert len(waits) == 10


def test_status(store: Store, tmp_path: Path):
    rota = rota_of(store)
    empty = rota.status()
    assert (empty.people, empty.on_duty, empty.last, empty.imports) == (0, 0, None, ())
    rota.take_over(file_of(tmp_path, WEEK), "lee")
    found = rota.status()  # 12:00 on the 2nd: Jane is on duty, John is not yet
    assert (found.people, found.covered, found.on_duty) == (2, 2, 1)
    assert (found.ending, found.last) == (2, date(2026, 12, 4))
    late = rota_of(store, NOW + timedelta(days=9)).status()
    assert (late.people, late.covered, late.on_duty, late.ending) == (2, 0, 0, 0)


DAYS = st.integers(1, 9)
ROWS = st.lists(
    st.tuples(
        st.sampled_from(("ann", "bob", "cat")),
        DAYS,
        st.sampled_from(("07:00,15:00,early", "07:00,19:00,long", "22:00,07:00,night", ",,off")),
    ),
    min_size=1,
    max_size=12,
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
@given(files=st.lists(ROWS, min_size=1, max_size=4))
def test_whatever_comes_in_any_order(shared: Store, tmp_path: Path, files: list[list[tuple]]):
    """Held to a plain model: a set of duties for each person, and what each file replaces."""
    rota = rota_of(shared)
    model: dict[str, set[tuple[int, str]]] = {}
    off = [f"{name},2026-12-{day:02},,,off" for name in ("ann", "bob", "cat") for day in (1, 9)]
    rota.take_over(file_of(tmp_path, off), "lee")  # as empty as it gets: their days, all free
    for rows in files:
        file = file_of(tmp_path, [f"{name},2026-12-{day:02},{what}" for name, day, what in rows])
        first, last = min(row[1] for row in rows), max(row[1] for row in rows)
        before = {name: set(found) for name, found in model.items()}
        for name in {row[0] for row in rows}:
            kept = {each for each in model.get(name, set()) if not first <= each[0] <= last}
            new = {(day, what) for who, day, what in rows if who == name and what != ",,off"}
            model[name] = kept | new
        changes = rota.take_over(file, "lee")
        assert changes.added == sum(
            len(found - before.get(name, set())) for name, found in model.items()
        )
        assert changes.removed == sum(len(found - model[name]) for name, found in before.items())
        assert rota.take_over(file, "lee") == Changes(people=changes.people)
    for name, found in model.items():
        kinds = Counter(each.partition(" ")[0] for each in days_of(rota, name))
        assert kinds == Counter(f"{day:02}" for day, _ in found)

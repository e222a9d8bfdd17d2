"""What is over for long enough is folded or taken away: by age alone, once a day, by one worker."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, select, update

from proxy_addons.settings.shifts import Keep
from proxy_addons.standing import Actor, StandingUnavailableError, Store, keeping, tables
from proxy_addons.standing import tables_shifts as shifts
from proxy_addons.standing.acknowledgements import Acknowledgements
from proxy_addons.standing.confirmations import confirm, of_person
from proxy_addons.standing.keeping import Kept, keep
from proxy_addons.standing.minutes import Row, Total, used, write
from proxy_addons.standing.refusals import Refusals
from proxy_addons.standing.reviews import Reviews
from proxy_addons.standing.statement import Statement
from proxy_addons.standing.views import of as looks_of
from proxy_addons.standing.views import record

if TYPE_CHECKING:
    from conftest import Place

LONDON = ZoneInfo("Europe/London")
TODAY = date(2026, 11, 23)
DAY = timedelta(days=1)
PERIODS = Keep(figures=100, duties=20, reviews=30)
INES = Actor("ines", frozenset({"information-security"}), "test")


def noon(days_ago: int) -> datetime:
    return datetime.combine(TODAY - days_ago * DAY, time(12), UTC)


def last_run(store: Store, day: date) -> None:
    row = tables.versions
    with store.noting() as connection:
        change = update(row).where(row.c.name == tables.KEEPING)
        connection.execute(change.values(version=day.toordinal()))


@pytest.fixture(autouse=True)
def yesterday(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was done on the day before; once is enough for all that there is."""
    last_run(store, TODAY - DAY)
    monkeypatch.setattr(keeping, "PORTIONS", 60)


def days_of(store: Store, table: Any) -> list[int]:
    """How many days ago its rows are, the oldest first."""
    with store.reading() as connection:
        return sorted(
            ((TODAY - each).days for each in connection.scalars(select(table.c.day))), reverse=True
        )


def a_break(store: Store, days_ago: int) -> None:
    begins = noon(days_ago)
    ends = begins + timedelta(minutes=30)
    with store.shifting() as (connection, change):
        connection.execute(
            insert(shifts.breaks).values(
                person="jane", day=begins.date(), begins=begins, ends=ends,
                minutes=30, ended_early=False, by="jane", how="test", change=change,
            )
        )  # fmt: skip


def figures(store: Store, days_ago: int) -> None:
    day = TODAY - days_ago * DAY
    a_break(store, days_ago)
    refused = Refusals()
    refused.count("jane", day, "games")
    refused.flush(store)
    with store.noting() as connection:
        total = {"person": "jane", "day": day, "personal": 30, "social": 3}
        connection.execute(insert(shifts.minute_totals).values(total))


def test_figures_go_when_their_day_is_too_long_ago(store: Store) -> None:
    for ago in (500, 300, 101, 100, 99, 0):
        figures(store, ago)
    done = keep(store, PERIODS, TODAY)
    assert done == Kept(3 * 3 + 5, finished=True), "and five marks of workers that have gone"
    for table in (shifts.breaks, shifts.refusals, shifts.minute_totals):
        assert days_of(store, table) == [100, 99, 0]
    assert days_of(store, shifts.refusal_portions) == [0]


def test_minutes_become_totals_and_clicks_go_after_eight_days(store: Store) -> None:
    rows = [Row("jane", noon(ago), noon(ago).date(), social=False) for ago in (9, 8, 0)]
    write(store, rows)
    for ago in (10, 1):
        confirm(store, "jane", "auctions", "bids.test", noon(ago) + timedelta(hours=1), noon(ago))
    assert keep(store, PERIODS, TODAY) == Kept(2, finished=True)
    assert days_of(store, shifts.minutes) == [8, 0]
    assert days_of(store, shifts.minute_totals) == [9]
    assert used(store, "jane", TODAY - 9 * DAY) == Total(1, 0), "no figure has changed"
    assert len(of_person(store, "jane")) == 1


def test_duties_go_after_their_end_and_the_rota_begins_later(store: Store) -> None:
    before = TODAY - 20 * DAY
    with store.shifting() as (connection, change):
        for begins, hours in (
            (noon(400), 8), (noon(22), 8), (noon(21), 12), (noon(21) - timedelta(hours=6), 20),
            (noon(20), 8), (noon(-5), 8),
        ):  # fmt: skip
            connection.execute(
                insert(shifts.duties).values(
                    person="jane", begins=begins, ends=begins + timedelta(hours=hours),
                    kind="duty", source="test", change=change,
                )
            )  # fmt: skip
        for person, first, last in (
            ("gone", 400, 21), ("jane", 400, -5), ("edge", 30, 20), ("new", 20, -5),
        ):  # fmt: skip
            connection.execute(
                insert(shifts.rota_cover).values(
                    person=person, first=TODAY - first * DAY, last=TODAY - last * DAY, change=change
                )
            )
    version = store.shift_version()
    keep(store, PERIODS, TODAY)
    with store.reading() as connection:
        left = connection.scalars(select(shifts.duties.c.begins).order_by(shifts.duties.c.begins))
        # One that lasted into the first day that is kept is kept.
        assert list(left) == [noon(21) - timedelta(hours=6), noon(20), noon(-5)]
        cover = {
            row.person: (row.first, row.last)
            for row in connection.execute(select(shifts.rota_cover))
        }
    last = TODAY + 5 * DAY
    assert cover == {"jane": (before, last), "edge": (before, before), "new": (before, last)}
    assert store.shift_version() == version, "no worker reads because of it"


def test_of_an_ended_review_the_site_stays_and_not_the_page(store: Store) -> None:
    now = [noon(200)]
    queue = Reviews(store, threats=(), zone=LONDON, clock=lambda: now[0])

    def ask(person: str, url: str) -> str:
        actor = Actor(person, how="test")
        return queue.ask(actor, url=url, why="For the open day of the unit.").reference

    why = "Looked at, and it is so."
    asked = {
        name: ask(name, f"https://shop.test/{name}?q=1")
        for name in ("declined", "allowed", "ended", "still", "open", "late", "recategorised")
    }
    queue.decline(INES, asked["declined"], seen=1, why=why)
    for name, days in (("allowed", 30), ("ended", 300), ("still", 300)):
        ends = now[0] + days * DAY
        queue.allow(INES, asked[name], seen=1, why=why, until=ends)
    queue.recategorise(INES, asked["recategorised"], seen=1, why=why, categories=["chat"])
    now[0] = noon(31)
    queue.end(INES, asked["ended"], seen=2, why=why)
    now[0] = noon(29)
    queue.decline(INES, asked["late"], seen=1, why=why)
    assert keep(store, PERIODS, TODAY) == Kept(3, finished=True)
    urls = {name: queue.get(reference).url for name, reference in asked.items()}
    assert urls == {
        "declined": "https://shop.test/",
        "allowed": "https://shop.test/",
        "ended": "https://shop.test/",
        "still": "https://shop.test/still",
        "open": "https://shop.test/open",
        "late": "https://shop.test/late",
        "recategorised": "https://shop.test/recategorised",  # holds until somebody ends it
    }
    assert [each.kind for each in queue.steps(asked["ended"])][-1] == "review-ended"
    assert queue.get(asked["declined"]).answer == why


def test_what_is_evidence_stays(store: Store) -> None:
    statement = Statement.of("# Be good\n")
    Acknowledgements(store, clock=lambda: noon(5000)).acknowledge(
        statement, "jane", seen=statement.version, client_ip="::1", how="test"
    )
    record(store, viewer="mona", subjects=["jane"], what="weekly", how="page", now=noon(5000))
    keep(store, Keep(figures=62, duties=8, reviews=1), TODAY)
    assert len(looks_of(store, subject="jane")) == 1
    with store.reading() as connection:
        for table in (shifts.acknowledgements, shifts.statements):
            assert len(connection.execute(select(table)).all()) == 1


def test_once_a_duty_day_by_one_of_all_workers(place: Place, store: Store) -> None:
    figures(store, 200)
    stores = [place.open() for _ in range(4)]
    done: list[Kept | None] = []
    failures: list[BaseException] = []
    together = threading.Barrier(4)

    def work(own: Store) -> None:
        try:
            together.wait(30)
            done.append(keep(own, PERIODS, TODAY))
        except BaseException as problem:  # noqa: BLE001 - the test shows it
            failures.append(problem)

    threads = [threading.Thread(target=work, args=(each,)) for each in stores]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    for own in stores:
        own.close()
    assert failures == []
    assert sorted(map(bool, done)) == [False, False, False, True]
    assert days_of(store, shifts.refusals) == []
    figures(store, 200)
    assert keep(store, PERIODS, TODAY) is None
    assert keep(store, PERIODS, TODAY + DAY) is not None
    assert days_of(store, shifts.refusals) == []


@pytest.mark.parametrize("ago", [8, 4000, -8, -4000])
def test_after_a_leap_of_the_clock_nothing_goes_before_the_next_day(store: Store, ago: int) -> None:
    """It may have been wrong before, or be wrong now; it does not end this for good either."""
    last_run(store, TODAY - ago * DAY)
    figures(store, 200)
    write(store, [Row("jane", noon(9), noon(9).date(), social=False)])
    assert keep(store, PERIODS, TODAY) == Kept(1, finished=True)
    assert days_of(store, shifts.minute_totals) == [200, 9], "no figure is lost by that"
    assert days_of(store, shifts.breaks) == days_of(store, shifts.refusals) == [200]
    assert keep(store, PERIODS, TODAY) is None
    assert keep(store, PERIODS, TODAY + DAY) is not None
    assert days_of(store, shifts.breaks) == days_of(store, shifts.refusals) == []


def test_a_week_without_any_gateway_is_made_up_for(store: Store) -> None:
    last_run(store, TODAY - 7 * DAY)
    figures(store, 103)
    keep(store, PERIODS, TODAY)
    assert days_of(store, shifts.breaks) == []


def test_what_is_too_much_for_once_goes_on_later(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "PORTIONS", 4)
    for ago in (350, 300, 250, 200, 150):
        a_break(store, ago)
    assert keep(store, PERIODS, TODAY) == Kept(4, finished=False)
    assert days_of(store, shifts.breaks) == [150]
    a_break(store, 0)  # nobody's writing is held up meanwhile
    assert keep(store, PERIODS, TODAY) == Kept(1, finished=True)
    assert days_of(store, shifts.breaks) == [0]
    assert keep(store, PERIODS, TODAY) is None


@pytest.mark.parametrize("gap", [1, 30])
def test_what_fails_is_tried_again(store: Store, monkeypatch: pytest.MonkeyPatch, gap: int) -> None:
    last_run(store, TODAY - gap * DAY)
    figures(store, 200)

    def broken(*_: object) -> int:
        raise StandingUnavailableError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(keeping, "folding", broken)
        with pytest.raises(StandingUnavailableError):
            keep(store, PERIODS, TODAY)
    assert days_of(store, shifts.breaks) == [200]
    assert keep(store, PERIODS, TODAY) is not None
    assert days_of(store, shifts.breaks) == ([] if gap == 1 else [200]), "a leap stays one"

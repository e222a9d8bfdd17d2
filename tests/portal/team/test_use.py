"""The line manager's weekly figures, over HTTP, with a real directory that says who is whose."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from blockbuster import blockbuster_ctx
from sqlalchemy import insert
from support.ldap import Slapd, Someone
from support.portal import House, served, settings_for

from proxy_addons.standing import minutes, open_store, views
from proxy_addons.standing.tables_shifts import breaks, refusals

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from proxy_addons.settings.model import Settings
    from proxy_addons.standing import Store
    from proxy_addons.standing.views import View

MONDAY = date(2026, 11, 16)  # of 2026-W47; the portal's clock is at the Monday after
FORCE = (
    Someone("mona", display="Insp Mona Reed", unit="Major Crime"),
    Someone("jane", display="DC Jane Doe", unit="Major Crime", manager="mona"),
    Someone("tom", display="=cmd()", unit="Major Crime", manager="mona"),
    Someone("ann", display="Ann Okafor", unit="Contact Centre", manager="mona"),
    Someone("zoe", display="Zoe Marsh", unit="Traffic", manager="max"),
    Someone("max", display="Sgt Max Hill", unit="Traffic"),
)


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with Slapd(tmp_path_factory.mktemp("slapd"), everybody=FORCE, groups={}) as made:
        yield made


@pytest.fixture(autouse=True)
def nothing_blocks() -> Iterator[None]:
    with blockbuster_ctx("proxy_addons.portal"):
        yield


def use(store: Store, person: str, day: date, personal: int, social: int = 0) -> None:
    first = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    minutes.write(
        store,
        [
            minutes.Row(person, first + timedelta(minutes=each), day, each < social)
            for each in range(personal)
        ],
    )


def seed(settings: Settings) -> None:
    store = open_store(settings.standing, settings.paths)
    use(store, "jane", MONDAY, 60, social=20)
    use(store, "jane", MONDAY + timedelta(days=2), 25)
    use(store, "tom", MONDAY, 10)
    use(store, "zoe", MONDAY, 33)
    use(store, "jane", MONDAY + timedelta(days=7), 5)
    with store.shifting() as (connection, change):
        begins = datetime(2026, 11, 16, 12, tzinfo=UTC)
        connection.execute(
            insert(breaks).values(
                person="jane", day=MONDAY, begins=begins, ends=begins + timedelta(minutes=30),
                minutes=30, ended_early=False, by="jane", how="test", change=change,
            )
        )  # fmt: skip
    with store.noting() as connection:
        connection.execute(
            insert(refusals).values(person="tom", day=MONDAY, rule="gambling", count=7)
        )
    store.close()


@pytest.fixture
async def house(tmp_path: Path, slapd: Slapd) -> AsyncIterator[House]:
    settings = settings_for(tmp_path, names=("mona", "max", "jane"), directory=slapd.settings())
    seed(settings)
    async with served(settings) as made:
        yield made


def looks(house: House) -> list[View]:
    store = open_store(house.settings.standing, house.settings.paths)
    found = list(views.of(store))
    store.close()
    return found


async def test_own_people_and_nobody_elses(house: House):
    mona, max_ = await house.visitor("mona"), await house.visitor("max")
    page = await mona.get("/team/use")
    assert page.status == 200
    assert "16 November to 22 November 2026" in page.words
    assert "Half of your 3 people used the web for themselves for 10 min or less" in page.words
    assert "DC Jane Doe 1 h 25 min, 20 min social 85 2 60 1 1 (30 min)" in page.words
    assert "Ann Okafor 0 min 0 0 0 0 0" in page.words, "who used nothing is there too"
    assert page.words.index("DC Jane Doe") < page.words.index("Ann Okafor")
    assert "gambling" in page.words
    assert "7 1 " in page.words
    assert "=cmd() 7 gambling 7" in page.words
    assert "Zoe" not in page.text
    other = await max_.get("/team/use")
    assert "Zoe Marsh 33 min" in other.words
    assert "Jane" not in other.text
    assert "Nothing was refused of what your people opened themselves" in other.words
    assert (await (await house.visitor("jane")).get("/team/use")).status == 403


async def test_each_look_is_recorded(house: House):
    mona = await house.visitor("mona")
    assert looks(house) == []
    await mona.get("/team/use")
    await mona.get("/team/use.csv?week=2026-W48")
    await mona.get("/team")
    found = {(each.viewer, each.subject, each.what, each.how) for each in looks(house)}
    people = ("ann", "jane", "tom")
    assert found == {
        *(("mona", person, "weekly 2026-W47", "page") for person in people),
        *(("mona", person, "weekly 2026-W48", "csv") for person in people),
    }


async def test_nothing_is_shown_that_cannot_be_recorded(house: House):
    mona = await house.visitor("mona")
    store = open_store(house.settings.standing, house.settings.paths)
    with store.noting() as connection:
        connection.exec_driver_sql("DROP TABLE views")
    store.close()
    page = await mona.get("/team/use")
    assert page.status >= 500
    assert "Jane" not in page.text


async def test_weeks_before_and_after(house: House):
    mona = await house.visitor("mona")
    page = await mona.get("/team/use?week=2026-W48")
    assert "so far" in page.words
    assert "DC Jane Doe 5 min 5 1 5 0 0" in page.words
    assert "Next week" not in page.words
    back = await mona.get("/team/use?week=2026-W31")
    assert "Week before" in back.words
    back = await mona.get("/team/use?week=2026-W30")
    assert back.status == 200, "its eight weeks are kept"
    assert "Week before" not in back.words
    for odd in ("2026-W49", "2026-W29", "nonsense", "<script>", "2026-W47' OR 1"):
        seen = await mona.get("/team/use", params={"week": odd})
        assert seen.status == 404
        assert "no figures of that week" in seen.words
        assert "<script" not in seen.text
    assert (await mona.get("/team/use.csv?week=x")).status == 404


async def test_the_file(house: House):
    mona = await house.visitor("mona")
    answer = await mona.get("/team/use.csv?week=2026-W47")
    assert 'filename="personal-use-2026-W47.csv"' in answer.headers["Content-Disposition"]
    rows = {row["person"]: row for row in csv.DictReader(io.StringIO(answer.text.lstrip("\ufeff")))}
    assert set(rows) == {"ann", "jane", "tom"}
    jane = rows["jane"]
    assert (jane["minutes"], jane["social minutes"], jane["allowance on those days"]) == (
        "85", "20", "120"
    )  # fmt: skip
    assert (jane["breaks"], jane["break minutes"], jane["team median"]) == ("1", "30", "10")
    assert jane["2026-W47"] == "85"
    assert (jane["refusals"], jane["refusals by rule"]) == ("0", "")
    assert (rows["tom"]["refusals"], rows["tom"]["refusals by rule"]) == ("7", "gambling 7")
    assert rows["tom"]["name"] == "'=cmd()", "no spreadsheet runs it"


async def test_no_site_is_anywhere(house: House):
    """Categories and times only: nothing that looks like an address of the web."""
    mona = await house.visitor("mona")
    page = (await mona.get("/team/use")).words
    assert "http" not in page
    assert "www." not in page

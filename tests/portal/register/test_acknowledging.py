"""The report of who has acknowledged the statement, over HTTP."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from blockbuster import blockbuster_ctx
from support.ldap import Slapd, Someone
from support.portal import NOON, House, served, settings_for

from proxy_addons.standing import minutes, open_store
from proxy_addons.standing.acknowledgements import Acknowledgements
from proxy_addons.standing.statement import Statement

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from proxy_addons.settings.model import Settings

TEXT = "# Acceptable use\n\nUse it for work.\n"


@pytest.fixture(autouse=True)
def nothing_blocks() -> Iterator[None]:
    with blockbuster_ctx("proxy_addons.portal"):
        yield


def seeded(folder: Path) -> Settings:
    file = folder / "statement.md"
    file.write_text(TEXT)
    settings = settings_for(folder)
    shifts = settings.shifts
    acknowledgement = replace(shifts.acknowledgement, statement=file)
    settings = replace(settings, shifts=replace(shifts, acknowledgement=acknowledgement))
    store = open_store(settings.standing, settings.paths)
    present, older = Statement.of(TEXT), Statement.of("An older text.")
    for name, statement, days in (
        ("ann", present, 10), ("bob", present, 350), ("cas", present, 400), ("dee", older, 10),
    ):  # fmt: skip
        at = NOON - timedelta(days=days)
        kept = Acknowledgements(store, 365, clock=lambda at=at: at)
        kept.acknowledge(
            statement, name, seen=statement.version, client_ip="192.0.2.7", how="kerberos"
        )
    day = NOON.date()
    minutes.write(
        store, [minutes.Row(name, NOON, day, social=False) for name in ("<i>eve</i>", "=fay")]
    )
    store.close()
    return settings


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with served(seeded(tmp_path)) as made:
        yield made


async def test_who_has_not_comes_first(house: House):
    ines = await house.visitor("ines")
    page = await ines.get("/acknowledgements")
    assert "Have not (4)" in page.words
    assert "To be renewed soon (1)" in page.words
    assert "Have (2)" in page.words
    body = page.words.partition("Have not: 4")[2]
    for said in (
        "cas Not known Not renewed in time 19 October 2025",
        "dee Not known Only an earlier version 13 November 2026 (version",
        "<i>eve</i> Not known Never Never Not at all",
    ):
        assert said in body
    assert "ann" not in body.partition("Download")[0].split()
    assert "<i>" not in page.text.partition("<main")[2]
    assert "Of 6 people whom the gateway has heard of" in page.words
    assert "nobody has to acknowledge it" in page.words


async def test_the_other_lists_and_the_file(house: House):
    audrey = await house.visitor("audrey")
    for show, people in {
        "missing": {"cas", "dee", "<i>eve</i>", "'=fay"},
        "soon": {"bob"},
        "done": {"ann", "bob"},
        "all": {"ann", "bob", "cas", "dee", "<i>eve</i>", "'=fay"},
        "nonsense": {"cas", "dee", "<i>eve</i>", "'=fay"},
    }.items():
        assert (await audrey.get(f"/acknowledgements?show={show}")).status == 200
        answer = await audrey.get(f"/acknowledgements.csv?show={show}")
        rows = list(csv.DictReader(io.StringIO(answer.text.lstrip("\ufeff"))))
        assert {row["person"] for row in rows} == people
        assert "192.0.2.7" not in answer.text, "from where is for the export at the command line"


async def test_long_lists_come_in_pages(house: House):
    store = open_store(house.settings.standing, house.settings.paths)
    day = NOON.date()
    minutes.write(
        store, [minutes.Row(f"p{number:03}", NOON, day, social=False) for number in range(100)]
    )
    store.close()
    ines = await house.visitor("ines")
    first = await ines.get("/acknowledgements")
    assert "Page 1 of 2" in first.words
    second = await ines.get("/acknowledgements?show=missing&page=2")
    assert second.text.count('scope="row"') == 4
    for odd in ("0", "-1", "99999999", "x", "²"):
        assert (await ines.get("/acknowledgements", params={"page": odd})).status == 200


async def test_with_a_directory_it_is_everybody(tmp_path: Path, tmp_path_factory: Any):
    """Who never used the gateway is in it, who has left is not; silence is said."""
    people = (
        Someone("ann", display="Ann Okafor", unit="Contact Centre"),
        Someone("gil", display="Gil Never Came", unit="Traffic"),
    )
    with Slapd(tmp_path_factory.mktemp("slapd"), everybody=people, groups={}) as slapd:
        settings = replace(seeded(tmp_path), directory=slapd.settings())
        async with served(settings) as house:
            ines = await house.visitor("ines")
            page = await ines.get("/acknowledgements?show=all")
            assert "Of the 2 people in the directory." in page.words
            body = page.words.partition("All: 2")[2]
            assert "Gil Never Came ( gil ) Traffic Never" in body
            assert "Ann Okafor ( ann ) Contact Centre Acknowledged" in body
            assert "cas" not in body
            answer = await ines.get("/acknowledgements.csv?show=all")
            rows = csv.DictReader(io.StringIO(answer.text.lstrip("\ufeff")))
            assert {row["person"]: row["unit"] for row in rows} == {
                "ann": "Contact Centre", "gil": "Traffic"
            }  # fmt: skip
    settings = replace(settings, directory=replace(settings.directory, timeout=0.5))
    async with served(settings) as house:
        ines = await house.visitor("ines")
        page = await ines.get("/acknowledgements")
        assert "The directory does not say just now who there is. Of 6 people" in page.words


async def test_without_a_statement_it_says_so(house: House):
    path = house.settings.shifts.acknowledgement.statement
    assert path is not None
    path.unlink()
    ines = await house.visitor("ines")
    for where in ("/acknowledgements", "/acknowledgements.csv"):
        seen = await ines.get(where)
        assert seen.status == 503
        assert "statement cannot be read" in seen.words

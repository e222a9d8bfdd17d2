"""The statement over HTTP: reading it, saying so, and what of that is kept."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from support.portal import Clock, House, served
from support.shifts import MORNING, both_engines, with_shifts

from proxy_addons.settings.shifts import Acknowledgement
from proxy_addons.standing.acknowledgements import Acknowledgements
from proxy_addons.standing.statement import Statement

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from proxy_addons.settings.model import Settings
    from proxy_addons.standing import Store

TEXT = """# Using the web at work

You may use it for **police work**, and <script>alert(1)</script> sometimes for yourself.

## Monitored

| Kind | Clause |
|:--|--:|
| personal | 2.9.1 |
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "statement.md"
    path.write_text(TEXT)
    return path


@pytest.fixture
async def house(settings: Settings, file: Path) -> AsyncIterator[House]:
    acknowledgement = Acknowledgement(statement=file, renewed=365)
    async with served(with_shifts(settings, acknowledgement=acknowledgement), Clock(MORNING)) as it:
        yield it


@pytest.fixture
def kept(store: Store) -> Acknowledgements:
    return Acknowledgements(store, clock=lambda: MORNING)


@both_engines
async def test_it_is_read_and_acknowledged_once(house: House, kept: Acknowledgements):
    jane = await house.visitor("jane")
    page = await jane.get("/statement")
    assert "<h1>Using the web at work</h1>" in page.text
    assert "<strong>police work</strong>" in page.text
    assert "<script>" not in page.text
    assert "style=" not in page.text
    assert "Nothing yet." in page.words

    statement = Statement.of(TEXT)
    fields = {"csrf": page.token, "version": statement.version}
    seen = await jane.post("/statement", fields)
    assert (seen.status, seen.location) == (303, "/statement?done=1")
    page = await jane.get(seen.location)
    assert "It is recorded that you have read the statement." in page.words
    assert "I have read this" not in page.words
    assert f"23 November 2026, 10:30 This one ({statement.version}) 127.0.0.1" in page.words
    assert "23 November 2027" in page.words
    assert "You acknowledged this text on 23 November 2026" in (await jane.get("/statement")).words
    (one,) = kept.of_person("jane")
    assert (one.version, one.at, one.client_ip, one.how) == (
        statement.version, MORNING, "127.0.0.1", "accounts",
    )  # fmt: skip
    assert kept.text_of(statement.version) == statement.text

    # Once more, as a second click: nothing new.
    await jane.post("/statement", fields)
    assert len(kept.of_person("jane")) == 1


@both_engines
async def test_a_new_text_is_asked_for_and_the_old_one_stays(
    house: House, file: Path, kept: Acknowledgements
):
    jane = await house.visitor("jane")
    page = await jane.get("/statement")
    old = Statement.of(TEXT)
    await jane.post("/statement", {"csrf": page.token, "version": old.version})
    await asyncio.to_thread(file.write_text, TEXT + "\nAnd one sentence more.\n")
    page = await jane.get("/statement")
    assert "I have read this" in page.words
    assert "And one sentence more." in page.words
    earlier = await jane.get(f"/statement/{old.version}")
    assert earlier.status == 200
    assert "This is the text that you acknowledged then." in earlier.words
    assert "And one sentence more." not in earlier.words
    assert "I have read this" not in earlier.words
    # A page of the old text counts for nothing.
    seen = await jane.post("/statement", {"csrf": page.token, "version": old.version})
    assert seen.status == 400
    assert "The statement has changed since this page was opened." in seen.words
    assert "And one sentence more." in seen.words
    assert len(kept.of_person("jane")) == 1


async def test_it_is_asked_for_again_after_a_year(house: House):
    jane = await house.visitor("jane")
    page = await jane.get("/statement")
    version = Statement.of(TEXT).version
    await jane.post("/statement", {"csrf": page.token, "version": version})
    house.clock.go_on(days=365, seconds=-1)
    jane = await house.visitor("jane")
    assert "I have read this" not in (await jane.get("/statement")).words
    house.clock.go_on(seconds=1)
    assert "I have read this" in (await jane.get("/statement")).words


async def test_another_persons_text_is_not_shown(house: House):
    jane, mona = await house.visitor("jane"), await house.visitor("mona")
    page = await jane.get("/statement")
    version = Statement.of(TEXT).version
    await jane.post("/statement", {"csrf": page.token, "version": version})
    assert (await jane.get(f"/statement/{version}")).status == 200
    for path in (f"/statement/{version}", "/statement/000000000000", "/statement/..%2f"):
        assert (await mona.get(path)).status == 404


@pytest.mark.parametrize("fields", [{}, {"version": ""}, {"version": "x" * 5000}])
async def test_without_a_version_nothing_is_recorded(
    house: House, kept: Acknowledgements, fields: dict[str, str]
):
    jane = await house.visitor("jane")
    page = await jane.get("/statement")
    seen = await jane.post("/statement", {"csrf": page.token, **fields})
    assert seen.status == 400
    assert kept.of_person("jane") == ()


async def test_a_form_from_elsewhere_records_nothing(house: House, kept: Acknowledgements):
    jane = await house.visitor("jane")
    page = await jane.get("/statement")
    fields = {"csrf": page.token, "version": Statement.of(TEXT).version}
    seen = await jane.post("/statement", fields, headers={"Sec-Fetch-Site": "cross-site"})
    assert seen.status == 403
    assert (await jane.post("/statement", fields | {"csrf": ""})).status == 403
    assert kept.of_person("jane") == ()


async def test_where_there_is_none_the_page_says_so(house: House, file: Path):
    jane = await house.visitor("jane")
    token = (await jane.get("/statement")).token
    await asyncio.to_thread(file.unlink)
    for seen in (
        await jane.get("/statement"),
        await jane.post("/statement", {"csrf": token, "version": "x"}),
    ):
        assert seen.status == 503
        assert "There is no acceptable-use statement here yet" in seen.words
        assert str(file) not in seen.text


async def test_where_it_is_required_the_page_says_what_waits(settings: Settings, file: Path):
    required = Acknowledgement(required=True, statement=file)
    changed = with_shifts(settings, acknowledgement=required)
    async with served(changed, Clock(MORNING)) as house:
        words = (await (await house.visitor("jane")).get("/statement")).words
        assert "Until then, the web gateway shows it to you instead of pages." in words

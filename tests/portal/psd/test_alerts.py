"""The pages of the alerts: what professional standards sees of them, and does about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.alertpages import alerted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.portal import House


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with alerted(tmp_path) as made:
        yield made


async def test_the_queue_and_its_filters(house: House):
    paul = await house.visitor("paul")
    page = await paul.get("/psd/alerts")
    assert page.status == 200
    assert "AL-2026-0001" in page.words
    assert "3 different sites" in page.words
    assert "2.5 GB sent" in page.words
    assert "<b>x" not in page.text  # escaped
    # The one about the reader is not there, and nothing says that there is one.
    assert "AL-2026-0003" not in page.text
    assert (await paul.get("/psd/alerts/AL-2026-0003")).status == 404
    assert "AL-2026-0003" in (await (await house.visitor("pia")).get("/psd/alerts")).text
    for query, there in (
        ("severity=high", True), ("severity=medium", False), ("who=JANE", True),
        ("who=nobody", False), ("alert=evasion", True), ("show=closed", False), ("show=x", True),
    ):  # fmt: skip
        assert ("AL-2026-0001" in (await paul.get(f"/psd/alerts?{query}")).text) is there, query


async def test_from_new_to_closed(house: House):
    paul = await house.visitor("paul")
    page = await paul.get("/psd/alerts/AL-2026-0001")
    assert "0TRG-P701-4HM6" in page.words
    assert "E-mail psd@force.example : waits" in page.words
    assert "/psd/authorisations/new?kind=reactive&amp;subject=jane" in page.text
    assert "alert=AL-2026-0001" in page.text
    seen = await paul.fill("/psd/alerts/AL-2026-0001/see", seen="1")
    assert seen.location == "/psd/alerts/AL-2026-0001?done=see"
    wrong = await paul.fill("/psd/alerts/AL-2026-0001/request", seen="2", authorisation="soon")
    assert wrong.status == 400
    assert 'value="soon"' in wrong.text
    asked = await paul.fill(
        "/psd/alerts/AL-2026-0001/request", seen="2", authorisation="AU-2026-0001"
    )
    assert asked.status == 303
    short = await paul.fill("/psd/alerts/AL-2026-0001/close", seen="3", why="")
    assert short.status == 400
    stale = await paul.fill(
        "/psd/alerts/AL-2026-0001/close", seen="2", outcome="work", why="It was a course."
    )
    assert stale.status == 409
    done = await paul.fill(
        "/psd/alerts/AL-2026-0001/close", seen="3", outcome="work", why="It was a course."
    )
    assert done.status == 303
    page = await paul.get("/psd/alerts/AL-2026-0001")
    assert "It was a course." in page.words
    assert "What you can do" not in page.words
    assert "AL-2026-0001" not in (await paul.get("/psd/alerts")).text
    assert "AL-2026-0001" in (await paul.get("/psd/alerts?show=closed")).text


async def test_nobody_else_sees_one(house: House):
    for name in ("jane", "audrey"):
        visitor = await house.visitor(name)
        assert (await visitor.get("/psd/alerts/AL-2026-0001")).status == 403

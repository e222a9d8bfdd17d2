"""The comparison with the unit over HTTP: what it says, to whom, and that it takes no filter."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.console import asked, console, unit_records

from proxy_addons.accesslog.seal.logs import trail_of
from proxy_addons.audit.authority.colleagues import Unit
from proxy_addons.audit.authority.model import UNIT
from proxy_addons.audit.trailreader import TrailFilter, TrailReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.console import Console
    from support.portal import Seen

OTHERS = tuple(f"pc{number:02d}" for number in range(12))
TEAM = Unit("Response <B>", frozenset(OTHERS))
WHY = "Whether it is much can only be told beside what is usual."


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Console]:
    async with console(tmp_path, unit_records(OTHERS, days=3)) as made:
        yield made


def compared(at: Console, **changes: Any) -> str:
    """An authorisation of the three days before, with a comparison."""
    begins = at.clock.now.replace(hour=0) - timedelta(days=3)
    given = {"begins": begins, "ends": begins + timedelta(days=3)} | changes
    wanted = asked(comparison=UNIT, comparison_why=WHY, **given)
    return at.authorised(wanted, unit=TEAM).reference


def looks(at: Console) -> list[dict[str, Any]]:
    log = trail_of(at.settings)
    page = TrailReader(log.segments, log.sealed).page(TrailFilter(event="look"))
    return [each.record for each in page.records]


def lines(seen: Seen) -> dict[str, list[str]]:
    """The table of requests: category → jane, median, quarter, three quarters."""
    table = re.search(r"(?s)Requests a day, by category.*?</table>", seen.text)
    assert table is not None
    return {
        row[0]: [re.sub("<[^>]+>", "", each) for each in re.findall(r"<td[^>]*>(.*?)</td>", row[1])]
        for row in re.findall(r'(?s)<th scope="row"[^>]*>([^<]*)</th>(.*?)</tr>', table[0])
    }


async def test_it_says_what_it_is(at: Console) -> None:
    reference = compared(at)
    paul = await at.house.visitor("paul")
    search = await paul.get(f"/psd/search?au={reference}")
    assert f'href="/psd/compared?au={reference}"' in search.text
    seen = await paul.get(f"/psd/compared?au={reference}")
    assert seen.status == 200, seen.words
    # 1, 2, … 12 of place // 2: twice each of 1 to 5, and 0 and 6.
    assert lines(seen) == {
        "shopping": ["40", "3.0", "1.8", "4.2"],
        "news": ["6.0", "6.0", "6.0", "6.0"],
        "streaming": ["0.3", "under 0.1", "under 0.1", "under 0.1"],
    }
    for words in (
        "jane beside 12 others of Response <B>",
        "From 20 November 2026 until the end of 22 November 2026: 3 days, those begun included",
        "Who the others are",
        "filters of a search change nothing here",
    ):
        assert words in seen.words
    assert not any(name in seen.text for name in OTHERS)
    drawn = json.loads(re.search(r'id="charts">(.*?)</script>', seen.text, re.DOTALL)[1])  # type: ignore[index]
    assert [each["keys"] for each in drawn] == [["shopping", "news", "streaming"]] * 2
    assert drawn[0]["median"] == [3.0, 6.0, 0.0]
    newest, *_ = looks(at)
    assert newest["question"] == {"comparison": "unit"}


async def test_a_filter_changes_nothing(at: Console) -> None:
    reference = compared(at)
    paul = await at.house.visitor("paul")
    plain = await paul.get(f"/psd/compared?au={reference}")
    for more in ("since=2026-11-21", "category=news", "person=pc05", "host=shopping.test"):
        assert lines(await paul.get(f"/psd/compared?au={reference}&{more}")) == lines(plain)
    assert len(looks(at)) == 5  # each of them is one


async def test_without_an_authority_for_it_there_is_none(at: Console) -> None:
    plain, reference = at.authorised().reference, compared(at)
    paul = await at.house.visitor("paul")
    assert "compared" not in (await paul.get(f"/psd/search?au={plain}")).text
    seen = await paul.get(f"/psd/compared?au={plain}")
    assert seen.status == 403
    assert "comes with no comparison" in seen.words
    for wrong in ("", "AU-2026-0999%00", "x" * 40):
        assert (await paul.get(f"/psd/compared?au={wrong}")).status == 404
    assert (await paul.get("/psd/compared?au=AU-2026-0999")).status == 403
    for name in ("jane", "audrey", "ines", "acu"):
        visitor = await at.house.visitor(name)
        assert (await visitor.get(f"/psd/compared?au={reference}")).status == 403


async def test_who_approves_reads_what_it_is(at: Console) -> None:
    reference = compared(at)
    acu = await at.house.visitor("acu")
    seen = await acu.get(f"/psd/authorisations/{reference}")
    for words in ("Median and quartiles of 12 others of Response <B>", WHY, "Never whose"):
        assert words in seen.words
    assert "pc05" not in seen.text

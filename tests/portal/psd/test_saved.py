"""Saved searches over real HTTP: kept, opened as a look, renamed, taken away; nobody else's."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

import pytest
from support.console import asked, console

from proxy_addons.accesslog.seal.logs import trail_of
from proxy_addons.audit.authority.model import SubjectClass
from proxy_addons.audit.trailreader import TrailFilter, TrailReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.console import Console
    from support.portal import Seen, Visitor


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Console]:
    async with console(tmp_path) as made:
        yield made


def looks(at: Console) -> int:
    log = trail_of(at.settings)
    return len(TrailReader(log.segments, log.sealed).page(TrailFilter(event="look")).records)


async def save(who: Visitor, query: str, name: str) -> Seen:
    """Save a search as its page offers it."""
    seen = await who.get(f"/psd/search?{query}")
    assert seen.status == 200, seen.words
    kept = re.search(r'name="search" value="([^"]*)"', seen.text)
    assert kept is not None
    return await who.post(
        "/psd/searches", {"csrf": seen.token, "search": unescape(kept[1]), "name": name}
    )


def links(seen: Seen) -> list[str]:
    return [unescape(each) for each in re.findall(r'href="(/psd/search\?[^"]*)"', seen.text)]


async def test_saved_opened_renamed_deleted(at: Console) -> None:
    reference = at.authorised().reference
    paul = await at.house.visitor("paul")
    query = "host=news.test&since=2026-11-23T08%3A00&until=2026-11-23&order=oldest&text=%C3%A4%26b"
    sent = await save(paul, f"au={reference}&{query}", "<b>Monday & news</b>")
    assert (sent.status, sent.location) == (303, "/psd/searches?done=saved")
    before = looks(at)
    seen = await paul.get(sent.location)
    assert "The search is saved." in seen.words
    assert "site news.test" in seen.words
    assert "<b>Monday" not in seen.text
    assert looks(at) == before  # a list is no look
    (opens,) = [each for each in links(seen) if "news.test" in each]
    page = await paul.get(opens)
    assert page.status == 200
    assert 'value="news.test"' in page.text
    assert 'value="ä&amp;b"' in page.text
    assert looks(at) == before + 1  # to open it is one
    assert opens in links(page)  # the search page lists it too
    (one,) = set(re.findall(r"/psd/searches/[0-9]+", seen.text))
    sent = await paul.fill(one, do="save", name="News")
    assert sent.location == "/psd/searches?done=renamed"
    assert "News" in (await paul.get("/psd/searches")).words
    sent = await paul.fill(one, do="delete")
    assert sent.location == "/psd/searches?done=deleted"
    assert not links(await paul.get("/psd/searches"))
    assert (await paul.get(one)).status == 404


async def test_nobody_else_sees_it(at: Console) -> None:
    reference = at.authorised().reference
    paul, petra = await at.house.visitor("paul"), await at.house.visitor("petra")
    await save(paul, f"au={reference}&host=news.test", "Pauls")
    (one,) = set(re.findall(r"/psd/searches/[0-9]+", (await paul.get("/psd/searches")).text))
    # Petra looks by the same authorisation.
    assert "Pauls" not in (await petra.get(f"/psd/search?au={reference}")).words
    assert "Pauls" not in (await petra.get("/psd/searches")).words
    csrf = (await petra.get(f"/psd/search?au={reference}")).token
    theirs, none = await petra.get(one), await petra.get("/psd/searches/999")
    assert (theirs.status, none.status) == (404, 404)
    assert theirs.words == none.words
    for do in ("save", "delete"):
        sent = await petra.post(one, {"csrf": csrf, "do": do, "name": "Petras"})
        assert sent.status == 404
    assert "Pauls" in (await paul.get("/psd/searches")).words
    for other in ("jane", "audrey", "acu"):
        visitor = await at.house.visitor(other)
        assert (await visitor.get("/psd/searches")).status == 403


async def test_an_ended_authorisation_opens_none(at: Console) -> None:
    reference = at.authorised().reference
    paul = await at.house.visitor("paul")
    await save(paul, f"au={reference}&host=news.test", "News")
    (opens,) = links(await paul.get("/psd/searches"))[:1]
    at.clock.go_on(days=29)
    paul = await at.house.visitor("paul")
    assert "News" not in (await paul.get("/psd/searches")).words
    assert (await paul.get(opens)).status == 403


WRONG = (
    "",
    "host=news.test",
    "au=%2E%2E",
    "au={}&since=yesterday",
    "au={}&since=2026-11-23&until=2026-11-22",
    "au={}&action=burn",
    "au={}&host=" + "x" * 513,
    "au={}&" + "x" * 7500,
)


async def test_what_the_search_page_refuses_is_not_saved(at: Console) -> None:
    reference = at.authorised().reference
    paul = await at.house.visitor("paul")
    csrf = (await paul.get(f"/psd/search?au={reference}")).token
    for search in WRONG:
        fields = {"csrf": csrf, "search": search.format(reference), "name": "Wrong"}
        sent = await paul.post("/psd/searches", fields)
        assert sent.status == 400, search
        assert "cannot be saved" in sent.words
        if search.startswith("au={}") and len(search) < 7500:
            assert (await paul.get(f"/psd/search?{search.format(reference)}")).status == 400
    assert "Wrong" not in (await paul.get("/psd/searches")).words


async def test_forms_come_back_and_are_ours(at: Console) -> None:
    reference = at.authorised().reference
    paul = await at.house.visitor("paul")
    csrf = (await paul.get(f"/psd/search?au={reference}")).token
    fields = {"search": f"au={reference}&host=news.test", "name": "  "}
    assert (await paul.post("/psd/searches", fields | {"name": "News"})).status == 403
    sent = await paul.post("/psd/searches", fields | {"csrf": csrf})
    assert sent.status == 400
    assert "Give the search a name" in sent.words
    kept = re.search(r'name="search" value="([^"]*)"', sent.text)
    assert kept is not None
    again = {"csrf": csrf, "search": unescape(kept[1]), "name": "News"}
    assert (await paul.post("/psd/searches", again)).status == 303
    assert (await paul.post("/psd/searches", again)).status == 400
    unknown = {"csrf": csrf, "search": "au=AU-2026-0999", "name": "None"}
    assert (await paul.post("/psd/searches", unknown)).status == 403


async def test_whom_it_is_about_does_not_read_of_it_where_it_is_due(tmp_path: Path) -> None:
    about = asked(subjects={"hpsd": SubjectClass.OFFICER})  # who is of Professional Standards too
    async with console(tmp_path) as at:
        reference = at.authorised(about).reference
        await save(await at.house.visitor("paul"), f"au={reference}", "All")
        for days, shown in ((29 + 80 * 30, False), (200, True)):
            at.clock.go_on(days=days)
            for name in ("paul", "hpsd"):
                visitor = await at.house.visitor(name)
                seen = await visitor.get("/psd/retention")
                assert seen.status == 200
                assert (reference in seen.words) is (shown and name == "paul")

"""Reviews through the pages, over HTTP, as people use them."""

from __future__ import annotations

import html
import re
import shutil
from typing import TYPE_CHECKING

import pytest
from blockbuster import blockbuster_ctx
from support.portal import PASSWORD, House, Visitor, served, settings_for
from support.running import index  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

WHY = "The leaflets for the open day are ordered here."
ANSWER = "Looked at: a printer of leaflets."
ASKED = "https://shop.www.ebay.co.uk/leaflets?session=secret#top"


@pytest.fixture(autouse=True)
def nothing_blocks() -> Iterator[None]:
    with blockbuster_ctx("proxy_addons.portal"):
        yield


@pytest.fixture
async def house(tmp_path: Path, index: Path) -> AsyncIterator[House]:  # noqa: F811 - pytest's way to take a fixture
    settings = settings_for(tmp_path)
    shutil.copy2(index, settings.paths.index_file)
    async with served(settings) as made:
        yield made


async def asked(visitor: Visitor, url: str = ASKED, **fields: object) -> str:
    """A review through the form; its reference."""
    seen = await visitor.fill("/reviews/new", url=url, why=WHY, **fields)
    assert seen.status == 303, seen.words
    found = re.fullmatch(r"/reviews/(RV-\d{4}-\d{4})\?done=request", seen.location)
    assert found is not None
    return found[1]


async def decide(visitor: Visitor, reference: str, kind: str, **fields: object) -> str:
    """Take a step through its form; what the page then says."""
    path = f"/reviews/{reference}/{kind}"
    form = await visitor.get(path)
    assert form.status == 200, (form.status, form.words, form.location)
    revision = re.search(r'name="seen" value="(\d+)"', form.text)
    assert revision is not None
    sent = {"csrf": form.token, "seen": revision[1], "why": ANSWER, **fields}
    seen = await visitor.post(path, sent)
    assert seen.status == 303, seen.words
    return (await visitor.get(seen.location)).words


async def test_allowed_for_a_time_and_the_person_is_told(house: House):
    jane, ines = await house.visitor("jane"), await house.visitor("ines")
    prefilled = await jane.get("/reviews/new?url=https://shop.www.ebay.co.uk/&rule=default-block")
    assert 'value="https://shop.www.ebay.co.uk/"' in prefilled.text
    reference = await asked(jane, rule="default-block")
    own = await jane.get(f"/reviews/{reference}")
    assert "Waiting for an answer" in own.words
    assert "What you can do" not in own.words
    assert "secret" not in own.text
    queue = await ines.get("/reviews")
    assert "Waiting (1)" in queue.words
    assert reference in queue.text
    assert "shop.www.ebay.co.uk" in queue.words

    page = await ines.get(f"/reviews/{reference}")
    assert "In the lists now auctions" in page.words
    words = await decide(
        ines, reference, "allow", site="ebay.co.uk", scope="person", until="2026-12-24"
    )
    assert "The site is allowed." in words
    assert "ebay.co.uk is open to jane until 24 December 2026" in words
    told = await jane.get(f"/reviews/{reference}")
    assert "ebay.co.uk is open to you until 24 December 2026, that day included." in told.words
    assert ANSWER in told.words
    assert "ines" not in told.text, "who decided is the force's business, not the person's"

    words = await decide(ines, reference, "end", why="The open day is over.")
    assert "Ended" in words
    assert "is as it was before" in (await jane.get(f"/reviews/{reference}")).words
    assert "Waiting (0)" in (await ines.get("/reviews?show=decided")).words


async def test_other_categories(house: House):
    jane, ines = await house.visitor("jane"), await house.visitor("ines")
    reference = await asked(jane)
    form = await ines.get(f"/reviews/{reference}/recategorise")
    ticked = re.findall(r'name="category" value="([a-z-]+)" checked', form.text)
    assert ticked == ["auctions"], "as the site has them now"
    words = await decide(ines, reference, "recategorise", category=["shopping", "education"])
    assert "Categories: education, shopping" in words
    assert "has other categories now" in (await jane.get(f"/reviews/{reference}")).words


async def test_declined_without_confirming_anew(house: House):
    jane, ines = await house.visitor("jane"), await house.visitor("ines")
    reference = await asked(jane)
    house.clock.go_on(minutes=6)
    away = await ines.get(f"/reviews/{reference}/allow")
    assert away.location.startswith("/confirm")
    assert "Declined" in await decide(ines, reference, "decline")
    assert "stays as it is" in (await jane.get(f"/reviews/{reference}")).words


async def test_what_was_typed_survives_confirming(house: House):
    jane, ines = await house.visitor("jane"), await house.visitor("ines")
    reference = await asked(jane)
    path = f"/reviews/{reference}/allow"
    form = await ines.get(path)
    house.clock.go_on(minutes=6)
    sent = {"csrf": form.token, "seen": "1", "why": ANSWER, "scope": "everybody"}
    away = await ines.post(path, sent | {"until": "2026-12-24"})
    assert away.location.startswith("/confirm")
    confirm = await ines.get(away.location)
    back = await ines.post("/confirm", {"csrf": confirm.token, "password": PASSWORD, "next": path})
    again = await ines.get(back.location)
    assert ANSWER in again.text
    assert 'value="2026-12-24"' in again.text


async def test_nobody_decides_on_their_own(house: House):
    ines, ivan = await house.visitor("ines"), await house.visitor("ivan")
    reference = await asked(ines)
    page = await ines.get(f"/reviews/{reference}")
    assert "somebody else from information security has to decide" in page.words
    assert "What you can do" not in page.words
    for kind in ("allow", "recategorise", "decline", "end"):
        assert (await ines.get(f"/reviews/{reference}/{kind}")).status == 403
        sent = {"csrf": page.token, "seen": "1", "why": ANSWER, "scope": "person"}
        sent |= {"until": "2026-12-24", "category": "shopping"}
        assert (await ines.post(f"/reviews/{reference}/{kind}", sent)).status == 403
    assert "Declined" in await decide(ivan, reference, "decline")


async def test_a_threat_is_not_opened(house: House):
    jane, ines = await house.visitor("jane"), await house.visitor("ines")
    reference = await asked(jane, "https://secure.eicar.org/file")
    page = await ines.get(f"/reviews/{reference}")
    assert "Not by a review: malware." in page.words
    assert re.findall(rf'href="/reviews/{reference}/([a-z]+)"', page.text) == ["decline"]
    sent = {"csrf": page.token, "seen": "1", "why": ANSWER, "scope": "person"}
    for kind in ("allow", "recategorise"):
        fields = sent | {"until": "2026-12-24", "category": "shopping"}
        seen = await ines.post(f"/reviews/{reference}/{kind}", fields)
        assert seen.status == 403
        assert "which no review can open" in seen.words
    assert "Declined" in await decide(ines, reference, "decline")


async def test_only_those_whom_it_concerns_see_it(house: House):
    jane = await house.visitor("jane")
    reference = await asked(jane)
    for name, status in {
        "jane": 200, "ines": 200, "audrey": 200, "mona": 404, "paul": 404, "oscar": 404,
    }.items():  # fmt: skip
        visitor = await house.visitor(name)
        seen = await visitor.get(f"/reviews/{reference}")
        assert seen.status == status, name
        token = (await visitor.get("/you")).token
        sent = {"csrf": token, "seen": "1", "why": ANSWER}
        if name != "ines":
            assert (await visitor.post(f"/reviews/{reference}/decline", sent)).status in {403, 404}
    assert "no such review" in (await jane.get("/reviews/RV-2026-9999")).words


async def test_what_a_form_lacks_is_said(house: House):
    jane, ines = await house.visitor("jane"), await house.visitor("ines")
    for fields, words in (
        ({"url": "", "why": WHY}, "Enter the address of the page"),
        ({"url": "https://x y/", "why": WHY}, "This is no web address"),
        ({"url": ASKED, "why": ""}, "Enter what you need it for"),
        ({"url": ASKED, "why": "please"}, "at least 10 characters"),
    ):
        seen = await jane.fill("/reviews/new", **fields)
        assert seen.status == 400
        assert words in seen.words
    reference = await asked(jane)
    for kind, fields, words in (
        ("allow", {"why": ANSWER, "until": "2026-12-24"}, "Say for whom"),
        ("allow", {"why": ANSWER, "scope": "person"}, "Enter the last day"),
        ("allow", {"why": ANSWER, "scope": "person", "until": "2026-11-22"}, "in the past"),
        ("allow", {"why": ANSWER, "scope": "person", "until": "2028-01-01"}, "12 months"),
        ("allow", {"why": "", "scope": "person", "until": "2026-12-24"}, "Enter what the person"),
        ("allow", {"why": ANSWER, "scope": "person", "until": "2026-12-24", "site": "co.uk"},
         "The decision can be about"),
        ("recategorise", {"why": ANSWER}, "Choose at least one category"),
        ("recategorise", {"why": ANSWER, "category": "nonsense"}, "No list has a category"),
        ("decline", {"why": "no"}, "at least 10 characters"),
    ):  # fmt: skip
        seen = await ines.fill(f"/reviews/{reference}/{kind}", seen="1", **fields)
        assert seen.status == 400, (kind, fields, seen.words)
        assert words in seen.words
    stale = await ines.fill(f"/reviews/{reference}/decline", seen="7", why=ANSWER)
    assert stale.status == 409


async def test_what_people_type_is_shown_and_never_run(house: House):
    jane, ines = await house.visitor("jane"), await house.visitor("ines")
    nasty = "<script>alert('1')</script> & \"quotes\""
    seen = await jane.fill("/reviews/new", url="https://a.example/<script>", why=nasty)
    reference = seen.location.split("/")[2].partition("?")[0]
    for path in ("/reviews", f"/reviews/{reference}", f"/reviews/{reference}/decline"):
        page = (await ines.get(path)).text
        assert "<script" not in page
        assert "<script>" in html.unescape(page)

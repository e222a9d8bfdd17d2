"""Authorisations through the pages, over HTTP, as people use them: their lives from end to end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from blockbuster import blockbuster_ctx
from support.authoritypages import (
    NECESSITY,
    PATH,
    applied,
    offered,
    sent,
    settings_with_offices,
    step,
)
from support.portal import PASSWORD, House, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

WHY = "The case was closed this morning."


@pytest.fixture(autouse=True)
def nothing_blocks() -> Iterator[None]:
    with blockbuster_ctx("proxy_addons.portal"):
        yield


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with served(settings_with_offices(tmp_path)) as made:
        yield made


async def test_a_whole_life(house: House):
    paul, acu, sam = [await house.visitor(name) for name in ("paul", "acu", "sam")]
    reference = await applied(paul)

    page = await paul.get(f"{PATH}/{reference}?done=request")
    assert "The application is sent." in page.words
    assert "Waiting for approval" in page.words
    assert "Head of the Anti-Corruption Unit: waiting" in page.words
    assert NECESSITY in page.words
    assert "jane, officer" in page.words
    assert offered(page) == {"withdraw", "conflict"}
    assert "/psd/search" not in page.text.partition("<main")[2]

    # Who has to approve finds it first in the list, and decides on all that was written.
    listed = await acu.get(PATH)
    assert "Waiting for you (1)" in listed.words
    assert "/psd/search" not in listed.text
    page = await acu.get(f"{PATH}/{reference}")
    assert offered(page) == {"approve", "refuse", "conflict"}
    form = await acu.get(f"{PATH}/{reference}/approve")
    assert NECESSITY in form.words
    assert "Only the days of the allegation" in form.words
    words = await step(acu, reference, "approve", why="Proportionate; two weeks are enough.")
    assert "It is approved." in words
    assert "In force" in words
    assert "approved by acu as Head of the Anti-Corruption Unit, 23 November 2026, 12:00" in words

    for visitor in (paul, sam):
        page = await visitor.get(PATH)
        assert f'href="/psd/search?au={reference}"' in page.text
        assert reference in (await visitor.get("/psd/search")).text
    assert "/psd/search?" not in (await acu.get(f"{PATH}/{reference}")).text

    words = await step(
        sam, reference, "renew", until="2027-01-31", why="The interviews take longer."
    )
    assert "A later end is asked for: 31 January 2027" in words
    assert "until 31 December 2026" in words
    assert "Waiting for you (1)" in (await acu.get(PATH)).words
    words = await step(acu, reference, "approve")
    assert "until 31 January 2027" in words
    words = await step(acu, reference, "review", why="Still needed and proportionate.",
                       next="2026-12-24")  # fmt: skip
    assert "Review due 24 December 2026 (last reviewed 23 November 2026)" in words
    words = await step(acu, reference, "cancel", why=WHY)
    assert "It is cancelled." in words
    history = words.partition("History")[2]
    kinds = ("Applied for", "Approved", "Later end asked for", "Later end approved", "Reviewed",
             "Cancelled")  # fmt: skip
    order = [history.index(f"{kind} by") for kind in kinds]
    assert order == sorted(order)
    assert "As: Head of the Anti-Corruption Unit" in history
    page = await acu.get(f"{PATH}/{reference}")
    assert offered(page) == set()
    assert reference not in (await paul.get("/psd/search")).text


async def test_it_ends_by_the_clock_and_its_review_falls_due(house: House):
    paul, acu = await house.visitor("paul"), await house.visitor("acu")
    reference = await applied(paul, valid_until="2026-11-30", review_at="2026-11-25")
    await step(acu, reference, "approve")
    house.clock.go_on(days=2)
    paul = await house.visitor("paul")
    assert "Review overdue (1)" in (await paul.get(PATH)).words
    house.clock.now = house.clock.now.replace(day=30, hour=23, minute=59)
    paul = await house.visitor("paul")
    assert "In force (1)" in (await paul.get(PATH)).words
    house.clock.go_on(minutes=1)
    words = (await paul.get(PATH)).words
    assert "In force (0)" in words
    assert "Ended (1)" in words


async def test_nobody_approves_their_own(house: House):
    """The head of Professional Standards applies for what they would approve."""
    hpsd = await house.visitor("hpsd")
    reference = await applied(hpsd, kind="disclosure", regime="cpia-1996")
    page = await hpsd.get(f"{PATH}/{reference}")
    assert "a second person has to" in page.words
    assert offered(page) == {"withdraw", "conflict"}
    seen = await hpsd.get(f"{PATH}/{reference}/approve")
    assert seen.status == 403
    # Nor by sending the form all the same.
    seen = await hpsd.post(f"{PATH}/{reference}/approve", {"csrf": page.token, "seen": "1"})
    assert seen.status == 403
    assert "a second person has to" in seen.words
    assert "Waiting for you (0)" in (await hpsd.get(PATH)).words


@pytest.mark.parametrize("name", ["jane", "ines", "audrey", "oscar", "kim", "hr"])
async def test_to_others_it_does_not_exist(house: House, name: str):
    """Its subject above all; nor Professional Standards at large, nor another office."""
    reference = await applied(await house.visitor("paul"))
    visitor = await house.visitor(name)
    pages = []
    for each in (reference, "AU-2026-0999"):
        for path in ("", "/approve", "/conflict"):
            seen = await visitor.get(f"{PATH}/{each}{path}")
            assert seen.status == 404
            pages.append(seen.text.replace(each, "AU"))
        sent_all_the_same = {"csrf": seen.token, "seen": "1", "why": WHY}
        seen = await visitor.post(f"{PATH}/{each}/cancel", sent_all_the_same)
        assert seen.status == 404
        pages.append(seen.text.replace(each, "AU"))
    assert pages[:4] == pages[4:], "it can be told that there is one"
    listed = await visitor.get(PATH)
    assert "AU-" not in listed.text
    assert "All (0)" in listed.words


async def test_a_subject_who_holds_the_office_sees_nothing(house: House):
    reference = await applied(await house.visitor("paul"), subjects="acu, officer")
    acu = await house.visitor("acu")
    assert (await acu.get(f"{PATH}/{reference}")).status == 404
    assert "Waiting for you (0)" in (await acu.get(PATH)).words


async def test_a_view_that_is_out_of_date_decides_nothing(house: House):
    paul, acu = await house.visitor("paul"), await house.visitor("acu")
    reference = await applied(paul)
    form = await acu.get(f"{PATH}/{reference}/approve")
    await step(paul, reference, "withdraw", why="The allegation was taken back.")
    fields = {"csrf": form.token, "seen": "1"}
    seen = await acu.post(f"{PATH}/{reference}/approve", fields)
    assert seen.status == 409
    assert "withdrawal by paul" in seen.words
    assert "has changed since you looked at it" in seen.words
    for nonsense in ("", "x", "²", "9" * 40, "-1"):
        seen = await acu.post(f"{PATH}/{reference}/cancel",
                              {"csrf": form.token, "seen": nonsense, "why": WHY})  # fmt: skip
        assert seen.status == 409, nonsense


@pytest.mark.parametrize("kind", ["approve", "refuse", "cancel"])
async def test_what_others_hang_on_takes_a_fresh_proof(house: House, kind: str):
    paul, acu = await house.visitor("paul"), await house.visitor("acu")
    reference = await applied(paul)
    path = f"{PATH}/{reference}/{kind}"
    form = await acu.get(path)
    house.clock.go_on(minutes=6)
    assert (await acu.get(path)).location == f"/confirm?next={path}"
    seen = await acu.post(path, {"csrf": form.token, "seen": "1", "why": WHY})
    assert seen.location == f"/confirm?next={path}"
    page = await paul.get(f"{PATH}/{reference}")
    assert "Waiting for approval" in page.words, "it was decided"
    # What was typed comes back once it is confirmed.
    seen = await acu.fill(f"/confirm?next={path}", password=PASSWORD, next=path)
    assert seen.location == path
    assert WHY in (await acu.get(path)).text


async def test_two_classes_take_two_people(house: House):
    paul, acu, hr = [await house.visitor(name) for name in ("paul", "acu", "hr")]
    reference = await applied(paul, subjects="jane, officer\r\n mona staff \r\n")
    words = await step(acu, reference, "approve")
    assert "Waiting for approval" in words
    assert "Head of Human Resources: waiting" in words
    assert "Waiting for you (0)" in (await acu.get(PATH)).words
    assert "In force" in await step(hr, reference, "approve")


async def test_a_refusal_leaves_its_reason(house: House):
    paul, acu = await house.visitor("paul"), await house.visitor("acu")
    reference = await applied(paul)
    seen = await sent(acu, reference, "refuse", why=" ")
    assert seen.status == 400
    assert "Enter why" in seen.words
    seen = await sent(acu, reference, "refuse", why="No.")
    assert seen.status == 400
    assert "at least 10 characters" in seen.words
    await step(acu, reference, "refuse", why="Ask the line manager first.")
    words = (await paul.get(f"{PATH}/{reference}")).words
    assert "Refused" in words
    assert "Ask the line manager first." in words


async def test_a_conflict_takes_one_out_of_it(house: House):
    paul, acu = await house.visitor("paul"), await house.visitor("acu")
    reference = await applied(paul)
    seen = await sent(acu, reference, "conflict", why="She is my sister-in-law.")
    assert seen.location == f"{PATH}?done=conflict"
    assert "The conflict is declared." in (await acu.get(seen.location)).words
    assert (await acu.get(f"{PATH}/{reference}")).status == 404
    assert "Conflict declared by acu" in (await paul.get(f"{PATH}/{reference}")).words


async def test_by_word_of_mouth_and_confirmed(house: House):
    paul, kim, acu = [await house.visitor(name) for name in ("paul", "kim", "acu")]
    reference = await applied(paul, urgent="yes")
    assert (await paul.get(f"{PATH}/{reference}/approve-orally")).status == 403
    oral = {"by": "acu", "at_day": "2026-11-23", "at_time": "11:30",
            "why": "By telephone: evidence may be lost."}  # fmt: skip
    for wrong, field in (
        ({"by": "hr"}, "by"),
        ({"by": "paul"}, "by"),
        ({"by": ""}, "by"),
        ({"at_time": "25:00"}, "at_time"),
        ({"at_time": ""}, "at_time"),
        ({"at_day": "2026-11-01"}, "at_day"),
        ({"at_time": "12:30"}, "at_day"),
        ({"why": ""}, "why"),
    ):
        seen = await sent(kim, reference, "approve-orally", **oral | wrong)
        assert seen.status == 400, wrong
        assert f'<a href="#{field}">' in seen.text, wrong
    words = await step(kim, reference, "approve-orally", **oral)
    assert "It is written down." in words
    assert reference not in words, "it is no longer hers to see"
    words = (await paul.get(f"{PATH}/{reference}")).words
    assert "In force by word of mouth" in words
    assert "To be confirmed in writing by 26 November 2026, 11:30" in words
    assert "by word of mouth, written down by kim" in words
    assert f"/psd/search?au={reference}" in (await paul.get(PATH)).text

    assert "Waiting for you (1)" in (await acu.get(PATH)).words
    words = await step(acu, reference, "write-up", why="As I said on the telephone.")
    assert "It is confirmed in writing." in words
    assert "by word of mouth" not in words.partition("Who has to approve")[0]


async def test_what_nobody_confirms_ends(house: House):
    paul, kim = await house.visitor("paul"), await house.visitor("kim")
    reference = await applied(paul, urgent="yes")
    await sent(kim, reference, "approve-orally", by="acu", at_day="2026-11-23", at_time="11:30",
               why="By telephone: evidence may be lost.")  # fmt: skip
    house.clock.go_on(hours=71, minutes=29)
    paul = await house.visitor("paul")
    assert f"/psd/search?au={reference}" in (await paul.get(PATH)).text
    house.clock.go_on(minutes=1)
    assert "/psd/search?au" not in (await paul.get(PATH)).text


async def test_a_deputy_approves_and_the_approval_says_so(house: House):
    paul, acu, eve = [await house.visitor(name) for name in ("paul", "acu", "eve")]
    reference = await applied(paul)
    assert (await eve.get(f"{PATH}/{reference}")).status == 404
    seen = await acu.fill("/psd/deputies", office="head-of-acu", deputy=" EVE ",
                          begins="2026-11-23", ends="2026-12-06", why="Annual leave.")  # fmt: skip
    assert seen.location == "/psd/deputies?done=given"
    assert "DG-2026-0001" in (await eve.get("/psd/deputies")).words
    assert "Waiting for you (1)" in (await eve.get(PATH)).words
    words = await step(eve, reference, "approve")
    assert "as deputy (DG-2026-0001)" in words
    assert "In force" in words
    # The deputy cannot pass it on, and gives it back.
    page = await eve.get("/psd/deputies")
    form = {"csrf": page.token, "office": "head-of-acu", "deputy": "kim"}
    assert (await eve.post("/psd/deputies", form)).status == 403
    path = "/psd/deputies/DG-2026-0001/revoke"
    seen = await eve.fill(path, why="The holder is back again.")
    assert seen.location == "/psd/deputies?done=revoked"
    assert (await eve.get(f"{PATH}/{reference}")).status == 404
    assert re.search(r"Taken back by eve", (await acu.get("/psd/deputies")).words)


KINDS = {
    "live": ({"begins": "2026-11-23", "ends": "2026-12-05", "valid_until": "2026-12-05"}, "dcc",
             "Live monitoring of named people"),
    "dip-sample": ({"subjects": "", "names_shown": "pseudonyms", "ends": "2027-10-31",
                    "allegation": "", "investigators": "", "valid_until": "2027-10-31"}, "dcc",
                   "everybody’s, under pseudonyms"),  # noqa: RUF001 - an apostrophe
    "technical-support": ({"subjects": "", "names_shown": "pseudonyms"}, "hpsd",
                          "Names Replaced by pseudonyms"),
    "subject-access": ({"regime": "uk-gdpr"}, "dpo", "Somebody’s own records"),  # noqa: RUF001 - an apostrophe
    "disclosure": ({"regime": "cpia-1996", "criminal": "yes"}, "hpsd", "About a crime Yes"),
}  # fmt: skip


async def test_each_kind_has_its_approver(house: House):
    paul = await house.visitor("paul")
    for kind, (changes, who, words) in KINDS.items():
        reference = await applied(paul, kind=kind, **changes)
        assert words in (await paul.get(f"{PATH}/{reference}")).words
        approver = await house.visitor(who)
        assert "In force" in await step(approver, reference, "approve"), kind
        way = f"/psd/live/{reference}" if kind == "live" else f"/psd/search?au={reference}"
        assert way in (await paul.get(PATH)).text, kind


async def test_the_head_of_professional_standards_sees_all_and_may_end_any(house: House):
    paul, hpsd = await house.visitor("paul"), await house.visitor("hpsd")
    reference = await applied(paul)
    page = await hpsd.get(f"{PATH}/{reference}")
    assert offered(page) == {"cancel", "conflict"}
    assert "Waiting for you (0)" in (await hpsd.get(PATH)).words
    assert "Cancelled" in await step(hpsd, reference, "cancel", why=WHY)

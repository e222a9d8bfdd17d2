"""My browsing over HTTP, as people use it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from support.portal import NOON, Clock, House, served
from support.shifts import MORNING, both_engines, known, on_rota, spend, with_shifts
from support.standing import grant
from support.waiting import until

from proxy_addons.policy import states
from proxy_addons.portal.own.told import LOOKS
from proxy_addons.settings import shifts
from proxy_addons.standing import Actor, views
from proxy_addons.standing.breaks import Breaks
from proxy_addons.standing.refusals import Refusals
from proxy_addons.standing.today import Today

if TYPE_CHECKING:
    from pathlib import Path

    from support.portal import Visitor

    from proxy_addons.settings.model import Settings
    from proxy_addons.standing import Store

OFFERED = re.compile(r'name="minutes" value="(\d+)"')


def breaks_of(store: Store, settings: Settings, clock: Clock) -> Breaks:
    zone, turns = settings.policy.time_zone, settings.shifts.day_turns
    return Breaks(store, settings.shifts.breaks, turns, zone, clock=lambda: clock.now)


async def started(visitor: Visitor, minutes: object) -> str:
    """Press a button of the page; what the next page then says."""
    page = await visitor.get("/browsing")
    seen = await visitor.post("/browsing/start", {"csrf": page.token, "minutes": minutes})
    assert seen.status == 303, seen.words
    return (await visitor.get(seen.location)).words


@both_engines
async def test_a_break_from_its_start_to_the_next(house: House):
    jane = await house.visitor("jane")
    page = await jane.get("/browsing")
    assert OFFERED.findall(page.text) == ["15", "30", "60"]
    assert "60 of 60 minutes are left today" in page.words
    assert "Refresh" not in page.headers

    words = await started(jane, 30)
    assert "You are on a break until 11:00" in words
    assert OFFERED.findall((await jane.get("/browsing")).text) == []

    house.clock.go_on(minutes=28)
    page = await jane.get("/browsing")
    assert "Your break ends in 2 minutes, at 11:00" in page.words
    assert 'role="alert"' in page.text
    assert "<title>Break ends at 11:00: My browsing" in page.text

    house.clock.go_on(minutes=2)
    page = await jane.get("/browsing")
    assert "Your break ended at 11:00." in page.words
    assert "The next break can start today at 11:30 . 30 minutes of 60 are left today" in page.words
    assert OFFERED.findall(page.text) == []

    house.clock.go_on(minutes=30)
    jane = await house.visitor("jane")
    page = await jane.get("/browsing")
    assert "Your break ended" not in page.words
    assert OFFERED.findall(page.text) == ["15", "30"], "60 are more than what is left"


@pytest.mark.parametrize(("begins", "closes"), [("10:30", True), ("11:45", False)])
async def test_the_warning_says_whether_sites_close(house: House, begins: str, closes: bool):
    """Lunch begins at 12:00: a break that ends in it closes nothing."""
    hour, minute = map(int, begins.split(":"))
    house.clock.now = MORNING.replace(hour=hour, minute=minute)
    jane = await house.visitor("jane")
    await started(jane, 30)
    house.clock.go_on(minutes=28, seconds=30)
    words = (await jane.get("/browsing")).words
    assert "Your break ends in 2 minutes" in words
    assert ("Sites for personal use close at" in words) is closes
    assert ("stay as they are for you after it" in words) is not closes


async def test_the_page_loads_itself_for_the_warning_the_end_and_the_session(house: House):
    jane = await house.visitor("jane")
    await started(jane, 15)
    for after, wanted in ((0, "600"), (4, "541"), (9, "121"), (1, "61")):
        house.clock.go_on(minutes=after)
        page = await jane.get("/browsing?done=started")
        assert page.headers["Refresh"] == f"{wanted}; url=/browsing", after
    assert "http-equiv" not in page.text
    # It can be stopped before it happens (WCAG 2.2.1), and that lasts.
    assert 'href="/browsing?still=1"' in page.text
    still = await jane.get("/browsing?still=1")
    assert "Refresh" not in still.headers
    assert "ends in 1 minute, at 10:45" in still.words
    house.clock.go_on(minutes=1)
    assert "Refresh" not in (await jane.get("/browsing")).headers, "nothing is left to wait for"


async def test_a_session_is_kept_through_the_longest_break_and_ends_after(house: House):
    jane = await house.visitor("jane")
    await started(jane, 60)
    for _ in range(6):
        page = await jane.get("/browsing")
        house.clock.go_on(seconds=int(page.headers["Refresh"].partition(";")[0]))
    assert "Your break ended" not in page.words
    page = await jane.get("/browsing")
    assert page.status == 200
    house.clock.go_on(seconds=house.settings.portal.idle)
    assert (await jane.get("/browsing")).status == 303


@both_engines
async def test_ended_by_hand_what_is_left_stays(house: House, store: Store):
    jane = await house.visitor("jane")
    await started(jane, 30)
    house.clock.go_on(minutes=7)
    page = await jane.get("/browsing")
    seen = await jane.post("/browsing/end", {"csrf": page.token})
    assert (seen.status, seen.location) == (303, "/browsing?done=ended")
    words = (await jane.get(seen.location)).words
    assert "Your break has ended." in words
    assert "53 minutes of 60 are left today" in words
    assert "10:30 to 10:37 7 Ended early" in words
    seen = await jane.post("/browsing/end", {"csrf": page.token})
    assert seen.location == "/browsing?done=none"
    (one,) = breaks_of(store, house.settings, house.clock).today("jane")
    assert (one.by, one.how, one.minutes) == ("jane", "accounts", 7)


@both_engines
async def test_workers_go_by_what_the_page_starts_and_ends(house: House, store: Store):
    today = Today(
        store, house.settings.shifts, house.settings.policy.time_zone, every=0.05,
        wall=lambda: house.clock.now,
    )  # fmt: skip
    await today.start()
    try:
        jane = await house.visitor("jane")
        await started(jane, 15)
        await until(lambda: states.ON_BREAK in today.states("jane", house.clock.now))
        assert states.ON_BREAK not in today.states("mona", house.clock.now)
        house.clock.go_on(minutes=1)
        page = await jane.get("/browsing")
        await jane.post("/browsing/end", {"csrf": page.token})
        await until(lambda: states.ON_BREAK not in today.states("jane", house.clock.now))
    finally:
        await today.stop()


@both_engines
async def test_two_clicks_are_one_break(house: House, store: Store):
    desk, phone = await house.visitor("jane"), await house.visitor("jane")
    await started(desk, 15)
    page = await phone.get("/you")
    seen = await phone.post("/browsing/start", {"csrf": page.token, "minutes": "60"})
    assert seen.status == 303
    (one,) = breaks_of(store, house.settings, house.clock).today("jane")
    assert one.minutes == 15


@pytest.mark.parametrize(
    "minutes", ["", "0", "-15", "15.5", "1e3", "\u0661\u0665", "x" * 5000, "99999", None]
)
async def test_what_is_no_length_starts_nothing(house: House, store: Store, minutes: str | None):
    jane = await house.visitor("jane")
    page = await jane.get("/browsing")
    fields = {"csrf": page.token} | ({} if minutes is None else {"minutes": minutes})
    seen = await jane.post("/browsing/start", fields)
    assert seen.status == 400
    assert "There is a problem Choose how long the break is to be" in seen.words
    assert breaks_of(store, house.settings, house.clock).today("jane") == ()


@pytest.mark.parametrize(("minutes", "words"), [("14", "from 15 to 60"), ("61", "from 15 to 60")])
async def test_a_rule_that_refuses_says_why(house: House, minutes: str, words: str):
    jane = await house.visitor("jane")
    page = await jane.get("/browsing")
    seen = await jane.post("/browsing/start", {"csrf": page.token, "minutes": minutes})
    assert seen.status == 400
    assert words in seen.words
    assert 'href="#breaks"' in seen.text
    assert 'id="breaks"' in seen.text


async def test_too_soon_after_the_last_one(house: House):
    jane = await house.visitor("jane")
    await started(jane, 15)
    house.clock.go_on(minutes=20)
    page = await jane.get("/browsing")
    seen = await jane.post("/browsing/start", {"csrf": page.token, "minutes": "15"})
    assert seen.status == 400
    assert "The next break can start at 11:15" in seen.words


async def test_a_form_from_elsewhere_starts_and_ends_nothing(house: House, store: Store):
    jane = await house.visitor("jane")
    page = await jane.get("/browsing")
    for path in ("/browsing/start", "/browsing/end"):
        fields = {"csrf": page.token, "minutes": "15"}
        seen = await jane.post(path, fields, headers={"Origin": "https://evil.example"})
        assert seen.status == 403
        seen = await jane.post(path, fields | {"csrf": "wrong"})
        assert seen.status == 403
        assert (await jane.get(path)).status == 405
    assert breaks_of(store, house.settings, house.clock).today("jane") == ()


async def test_it_is_ones_own_alone(house: House, store: Store):
    spend(store, house.settings, "mona", MORNING, 41)
    breaks_of(store, house.settings, house.clock).start("mona", 15, "mona")
    page = await (await house.visitor("jane")).get("/browsing?person=mona")
    assert "Today: 0 of 60 minutes" in page.words
    assert "on a break" not in page.words
    page = await (await house.visitor("mona")).get("/browsing")
    assert "Today: 41 of 60 minutes" in page.words


@both_engines
async def test_time_used_is_a_picture_and_a_table(house: House, store: Store):
    spend(store, house.settings, "jane", MORNING, 18, 5)
    spend(store, house.settings, "jane", MORNING - timedelta(days=4), 61, 2)
    page = await (await house.visitor("jane")).get("/browsing")
    assert "Today: 18 of 60 minutes , social networks 5 of 20. This week: 18 minutes" in page.words
    assert page.text.count('<rect class="other"') == 7
    assert re.search(r"Monday 23 November \(today\) 18 5", page.words)
    assert "Thursday 19 November 61 2" in page.words
    assert "style=" not in page.text


async def test_rules_of_the_moment_follow_clock_and_break(house: House):
    jane = await house.visitor("jane")
    words = (await jane.get("/browsing")).words
    assert re.search(r"Open in a break, or from today at 12:00 auctions, chat", words), words
    assert "Not open adult, drugs" in words
    assert "Open after a click AI assistants" in words
    house.clock.now = NOON
    words = (await (await house.visitor("jane")).get("/browsing")).words
    assert "Open until today at 14:00 chat, dating" in words
    assert "Open after a click, until today at 14:00 auctions" in words


async def test_the_rota_is_named_and_off_duty_is_open(house: House, store: Store):
    ends = MORNING + timedelta(hours=1)
    on_rota(store, house.settings, "jane", [(MORNING - timedelta(hours=9), ends)])
    jane = await house.visitor("jane")
    words = (await jane.get("/browsing")).words
    assert "By the rota you are on duty until today at 11:30" in words
    assert "Open in a break, or from today at 11:30 auctions" in words
    house.clock.now = ends
    jane = await house.visitor("jane")
    words = (await jane.get("/browsing")).words
    assert "By the rota you are off duty until Thursday 26 November at 05:00" in words
    assert re.search(r"Open until Thursday 26 November at 08:00 chat", words), words


async def test_a_break_that_somebody_else_started_says_so(house: House, store: Store):
    boss = Actor("mona", frozenset({"line-manager"}), "accounts", frozenset({"jane"}))
    breaks_of(store, house.settings, house.clock).start("jane", 15, boss)
    words = (await (await house.visitor("jane")).get("/browsing")).words
    assert "10:30 to 10:45 15 Running, started by mona" in words


async def test_used_up_minutes_are_said(house: House, store: Store):
    spend(store, house.settings, "jane", MORNING, 60, 20)
    house.clock.now = NOON
    words = (await (await house.visitor("jane")).get("/browsing")).words
    assert "Today: 60 of 60 minutes , social networks 20 of 20." in words
    assert "Open from tomorrow at" in words


async def test_an_exemption_is_shown_and_counts(house: House, store: Store):
    ends = MORNING + timedelta(days=3)
    grant(store, "jane", everything=False, categories={"chat"}, begins=MORNING, ends=ends,
          now=MORNING)  # fmt: skip
    page = await (await house.visitor("jane")).get("/browsing")
    assert "EX-2026-0001 : chat, until 26 November 2026. Live" in page.words
    assert re.search(r"Open chat\.", page.words)
    assert "EX-2026" not in (await (await house.visitor("mona")).get("/browsing")).words


@both_engines
async def test_what_was_asked_to_be_reviewed_is_shown_with_its_answer(house: House):
    jane = await house.visitor("jane")
    assert "You have not asked for a review." in (await jane.get("/browsing")).words
    why = "Needed for operation Larch, says the DCI."
    await jane.fill("/reviews/new", url="https://shop.example/a?secret=1", why=why)
    page = await jane.get("/browsing")
    assert "RV-2026-0001 , asked 23 November 2026, 10:30 Waiting for an answer" in page.words
    assert "secret" not in page.text
    assert "RV-2026" not in (await (await house.visitor("mona")).get("/browsing")).words


async def test_whom_the_gateway_knows_nowhere_is_told_so(house: House):
    page = await (await house.visitor("ines")).get("/browsing")
    assert "does not know you by name at any computer" in page.words
    assert OFFERED.findall(page.text) == []


async def test_without_limits_and_without_breaks(settings: Settings):
    changed = with_shifts(
        settings,
        breaks=shifts.Breaks(enabled=False),
        allowances=shifts.Allowances(personal=None, social=None),
    )
    async with served(changed, Clock(MORNING)) as house:
        jane = await house.visitor("jane")
        page = await jane.get("/browsing")
        assert "Your break" not in page.words
        assert "Today: 0 minutes . This week" in page.words
        seen = await jane.post("/browsing/start", {"csrf": page.token, "minutes": "15"})
        assert seen.status == 400
        assert "Breaks cannot be booked here" in seen.words


async def test_two_ways_of_being_known_with_two_answers(tmp_path: Path):
    settings = known(tmp_path, "jane", "jane")
    first, second = settings.identity.addresses
    addresses = (first, replace(second, profile="withdrawn"))
    settings = replace(settings, identity=replace(settings.identity, addresses=addresses))
    async with served(settings, Clock(NOON)) as house:
        words = (await (await house.visitor("jane")).get("/browsing")).words
        assert "At 10.0.1.0/24 Open until today at 14:00 chat" in words
        assert "At 10.0.2.0/24 Not open auctions" in words


@both_engines
async def test_refusals_are_ones_own_and_of_seven_days(house: House, store: Store):
    today = MORNING.date()
    refused = Refusals()
    for person, ago, rule, times in (
        ("jane", 0, "webmail", 2),
        ("jane", 6, "webmail", 1),
        ("jane", 6, "no-longer-a-rule", 1),
        ("jane", 7, "games", 5),
        ("mona", 0, "gambling", 9),
    ):
        for _ in range(times):
            refused.count(person, today - timedelta(days=ago), rule)
    refused.flush(store)
    page = await (await house.visitor("jane")).get("/browsing")
    part = page.words.partition("What was refused to you")[2].partition("Breaks of the last")[0]
    reason = next(each for each in house.settings.policy.rules if each.id == "webmail").reason
    assert f"webmail {reason} 3" in part
    assert "no-longer-a-rule 1" in part
    assert part.index("webmail") < part.index("no-longer-a-rule"), "the most frequent first"
    assert "games" not in part
    assert "gambling" not in part
    part = (await (await house.visitor("mona")).get("/browsing")).words
    assert "gambling" in part.partition("What was refused to you")[2]


@both_engines
async def test_who_looked_at_ones_figures_is_shown_to_nobody_else(house: House, store: Store):
    jane = await house.visitor("jane")
    assert "Nobody has looked at your figures." in (await jane.get("/browsing")).words
    at = MORNING - timedelta(days=1)
    for number, (subject, how) in enumerate(
        (("jane", "page"), ("jane", "e-mail"), ("jane", "e-mail, sent"), ("tom", "csv"))
    ):
        views.record(
            store, viewer="mona", subjects=[subject], what="weekly 2026-W46", how=how,
            now=at + timedelta(minutes=number),
        )  # fmt: skip
    views.record(
        store, viewer="<b>root</b>", subjects=["jane"], what="weekly 2027", how="otherwise", now=at
    )
    page = await jane.get("/browsing")
    week = "the week 9 November to 15 November 2026"
    assert f"Sunday 22 November 2026, 10:30 mona {week} on the portal" in page.words
    assert f"Sunday 22 November 2026, 10:32 mona {week} as a report by e-mail" in page.words
    assert "made for e-mail" not in page.words, "the same report, which was sent"
    assert "as a file" not in page.words, "tom's"
    assert "&lt;b&gt;root&lt;/b&gt;" in page.text
    assert "weekly 2027 otherwise" in page.words
    mona = await (await house.visitor("mona")).get("/browsing")
    assert "Nobody has looked at your figures." in mona.words


async def test_as_many_looks_as_a_page_holds(house: House, store: Store):
    for number in range(LOOKS + 5):
        views.record(
            store, viewer=f"viewer-{number}", subjects=["jane"], what="weekly 2026-W46", how="page",
            now=MORNING + timedelta(minutes=number),
        )  # fmt: skip
    words = (await (await house.visitor("jane")).get("/browsing")).words
    assert "viewer-5 " in words
    assert "viewer-4 " not in words

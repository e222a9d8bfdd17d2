"""Exemptions and withdrawals through the pages, over HTTP, as people use them."""

from __future__ import annotations

import csv
import html
import io
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.portal import NOON, PASSWORD, House, Visitor, served, settings_for

from proxy_addons.standing import Actor, Register, Wanted, open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

WHY = "Open-source research for operation Larch, which needs closed forums."


@pytest.fixture(autouse=True)
def nothing_blocks() -> Iterator[None]:
    with blockbuster_ctx("proxy_addons.portal"):
        yield


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with served(settings_for(tmp_path)) as made:
        yield made


def wanted(**changes: object) -> dict[str, object]:
    """The request form, filled in."""
    form: dict[str, object] = {
        "person": "jane",
        "scope": "categories",
        "other_categories": "forums chat",
        "why": WHY,
        "force_reference": "OP-LARCH",
        "begins": "2026-11-23",
        "ends": "2027-02-28",
    }
    form |= changes
    return {name: value for name, value in form.items() if value is not None}


async def requested(visitor: Visitor, **changes: object) -> str:
    """A request through the form; its reference."""
    seen = await visitor.fill("/exemptions/new", **wanted(**changes))
    assert seen.status == 303, seen.words
    found = re.fullmatch(r"/exemptions/(EX-\d{4}-\d{4})\?done=request", seen.location)
    assert found is not None
    return found[1]


async def step(visitor: Visitor, reference: str, kind: str, **fields: object) -> str:
    """Take a step through its form; what the page then says."""
    path = f"/exemptions/{reference}/{kind}"
    form = await visitor.get(path)
    assert form.status == 200, (form.status, form.words, form.location)
    seen_revision = re.search(r'name="seen" value="(\d+)"', form.text)
    assert seen_revision is not None
    seen = await visitor.post(path, {"csrf": form.token, "seen": seen_revision[1], **fields})
    assert seen.status == 303, seen.words
    return (await visitor.get(seen.location)).words


async def test_a_whole_life(house: House):
    mona, ines, jane = [await house.visitor(name) for name in ("mona", "ines", "jane")]
    reference = await requested(mona)

    # Whose it is sees it, and cannot approve it.
    page = await jane.get(f"/exemptions/{reference}")
    assert "Waiting for approval" in page.words
    assert "What you can do" not in page.words

    words = await step(ines, reference, "approve", why="Agreed with DCI Wood.")
    assert "It is approved." in words
    assert "Live" in words
    assert (
        "You have an exemption: chat, forums , until 28 February 2027"
        in (await jane.get("/you")).words
    )

    later = "Larch goes on until the summer, says the DCI."
    words = await step(jane, reference, "extend", ends="2027-06-30", why=later)
    assert "A later end is asked for: 30 June 2027" in words
    words = await step(ines, reference, "approve")
    assert "until 30 June 2027" in words

    words = await step(ines, reference, "review", why="Still needed, logs looked at.")
    assert "The review is recorded." in words
    words = await step(ines, reference, "revoke", why="Larch has ended early.")
    assert "It is revoked." in words
    history = words.partition("History")[2]
    kinds = ("Requested", "Approved", "Extension asked for", "Extended", "Reviewed", "Revoked")
    order = [history.index(f"{kind} by") for kind in kinds]
    assert order == sorted(order)
    assert "signed in with an account of this portal" in history
    assert "You have no exemption" in (await jane.get("/you")).words


async def test_it_expires_by_itself(house: House):
    mona, ines = await house.visitor("mona"), await house.visitor("ines")
    reference = await requested(mona, ends="2026-11-24")
    await step(ines, reference, "approve")
    assert "Ends tomorrow" in (await ines.get(f"/exemptions/{reference}")).words
    house.clock.now = datetime(2026, 11, 24, 23, 59, 59, tzinfo=UTC)
    ines = await house.visitor("ines")
    assert "Live" in (await ines.get(f"/exemptions/{reference}")).words
    house.clock.go_on(seconds=1)
    page = await ines.get(f"/exemptions/{reference}")
    assert "Expired" in page.words
    assert "What you can do" not in page.words


async def test_nobody_approves_their_own(house: House):
    ines, ivan = await house.visitor("ines"), await house.visitor("ivan")
    asked = await requested(ines)
    page = await ines.get(f"/exemptions/{asked}")
    assert "a second person has to" in page.words
    assert "/approve" not in page.text
    seen = await ines.get(f"/exemptions/{asked}/approve")
    assert seen.status == 403
    # Nor by sending the form all the same.
    form = {"csrf": page.token, "seen": "1"}
    seen = await ines.post(f"/exemptions/{asked}/approve", form)
    assert seen.status == 403
    assert "a second person has to" in seen.words
    for_oneself = await requested(await house.visitor("mona"), person="ivan")
    assert (await ivan.get(f"/exemptions/{for_oneself}/approve")).status == 403
    assert "Live" in await step(ivan, asked, "approve")


async def test_significant_ones_are_escalated_first(house: House):
    reference = await requested(await house.visitor("mona"), significant="yes", scope="everything")
    ines = await house.visitor("ines")
    page = await ines.get(f"/exemptions/{reference}")
    assert "Significant: to be escalated" in page.words, "in words, not by colour alone"
    path = f"/exemptions/{reference}/approve"
    seen = await ines.fill(path, seen="1")
    assert seen.status == 400
    assert "say whom it was escalated to" in seen.words
    assert 'href="#escalated_to"' in seen.text
    words = await step(ines, reference, "approve", escalated_to="Information Governance Board")
    assert "Significant: escalated to Information Governance Board" in words


async def test_a_view_that_is_out_of_date_decides_nothing(house: House):
    reference = await requested(await house.visitor("mona"))
    ines, ivan = await house.visitor("ines"), await house.visitor("ivan")
    form = await ines.get(f"/exemptions/{reference}/approve")
    await step(ivan, reference, "escalate", escalated_to="the Board")
    seen = await ines.post(f"/exemptions/{reference}/approve", {"csrf": form.token, "seen": "1"})
    assert seen.status == 409
    assert "has changed since you looked at it" in seen.words
    assert "Waiting for approval" in (await ines.get(f"/exemptions/{reference}")).words


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"person": ""}, "person", "Enter for whom it is"),
        ({"person": "x" * 300}, "person", "This is no login name"),
        ({"scope": None}, "scope", "Say what it is for"),
        ({"other_categories": ""}, "scope", "Say what the exemption is for"),
        ({"why": " "}, "why", "Enter what it is needed for"),
        ({"why": "short"}, "why", "at least 20 characters"),
        ({"why": "x\x00" * 20}, "why", "no control characters"),
        ({"begins": ""}, "begins", "Enter the first day"),
        ({"ends": "31/11/2026"}, "ends", "The last day must be a day such as"),
        ({"ends": "soon"}, "ends", "The last day must be a day such as"),
        ({"ends": "2026-11-22"}, "ends", "The end is in the past"),
        ({"ends": "2027-11-23"}, "ends", "at most 12 months"),
        ({"begins": "2026-11-22"}, "ends", "begins today at the earliest"),
        ({"review": "2027-03-01"}, "review", "within the exemption's period"),
        ({"ends": "9999-12-31"}, "ends", "The last day"),
    ],
)
async def test_what_is_wrong_with_a_request_is_said_at_the_field(
    house: House, changes: dict[str, object], field: str, words: str
):
    mona = await house.visitor("mona")
    seen = await mona.fill("/exemptions/new", **wanted(**changes))
    assert seen.status == 400
    assert seen.text.count("<title>Error: ") == 1
    assert f'<a href="#{field}">' in seen.text
    assert f'id="{field}"' in seen.text
    assert words in seen.words
    if changes.keys().isdisjoint({"why"}):
        assert html.escape(WHY) in seen.text, "nothing that was typed is lost"
    assert "There are none" in (await mona.get("/exemptions")).words


async def test_british_dates_are_read(house: House):
    mona = await house.visitor("mona")
    reference = await requested(mona, begins="23/11/2026", ends="28/2/2027")
    assert "until 28 February 2027" in (await mona.get(f"/exemptions/{reference}")).words


async def test_a_step_needs_a_fresh_proof_and_keeps_what_was_typed(house: House):
    reference = await requested(await house.visitor("mona"))
    ines = await house.visitor("ines")
    path = f"/exemptions/{reference}/approve"
    form = await ines.get(path)
    house.clock.go_on(minutes=5)
    typed = "Agreed with DCI Wood at some length."
    seen = await ines.post(path, {"csrf": form.token, "seen": "1", "why": typed})
    assert (seen.status, seen.location) == (303, f"/confirm?next={path}")
    assert "Waiting" in (await ines.get(f"/exemptions/{reference}")).words
    before = ines.session_id
    confirm = await ines.get(seen.location)
    assert "still you" in confirm.words
    fields = {"csrf": confirm.token, "next": path}
    wrong = await ines.post("/confirm", fields | {"password": "wrong"})
    assert wrong.status == 403
    assert "The password is not right" in wrong.words
    seen = await ines.post("/confirm", fields | {"password": PASSWORD})
    assert (seen.status, seen.location) == (303, path)
    assert ines.session_id not in {None, before}
    form = await ines.get(path)
    assert typed in form.text
    await step(ines, reference, "approve", why=typed)


async def test_guessing_at_the_confirmation_locks_out(house: House):
    ines = await house.visitor("ines")
    house.clock.go_on(minutes=6)
    for _ in range(5):
        confirm = await ines.get("/confirm?next=/withdraw")
        fields = {"csrf": confirm.token, "next": "/withdraw", "password": "wrong"}
        assert (await ines.post("/confirm", fields)).status == 403
    seen = await ines.post("/confirm", fields | {"password": PASSWORD})
    assert seen.status == 429


async def test_withdrawing_and_giving_back(house: House):
    ines, jane = await house.visitor("ines"), await house.visitor("jane")
    reason = "Personal use far beyond breaks, spoken to twice."
    seen = await ines.fill("/withdraw?person=jane", person="jane", why=reason)
    assert (seen.status, seen.location) == (303, "/withdrawals?done=withdrawn")
    page = await ines.get(seen.location)
    assert "Web access is withdrawn." in page.words
    assert reason in page.words

    own = await jane.get("/you")
    assert "Your web access is withdrawn." in own.words
    assert reason in own.words
    for path in ("/exemptions", "/exemptions/new", "/confirm"):
        refused = await jane.get(path)
        assert refused.status == 403
        assert "you can open your own page and no other" in refused.words
    assert (await jane.post("/sign-out", {"csrf": own.token})).status == 303

    again = await ines.fill("/withdraw", person="jane", why=reason)
    assert again.status == 400
    assert "is withdrawn already" in again.words
    seen = await ines.fill("/give-back?person=jane", person="jane", why="Spoken to, agreed.")
    assert seen.status == 303
    jane = await house.visitor("jane")
    assert "You have no exemption" in (await jane.get("/you")).words
    assert "Given back" in (await ines.get("/withdrawals")).words


async def test_nobody_withdraws_without_the_right(house: House):
    mona, ines = await house.visitor("mona"), await house.visitor("ines")
    reason = "Personal use far beyond breaks."
    # A line manager by role, and not jane's.
    seen = await mona.fill("/withdraw", person="jane", why=reason)
    assert seen.status == 400
    assert "Only the person's line manager" in seen.words
    seen = await ines.fill("/withdraw", person="ines", why=reason)
    assert seen.status == 400
    assert "for themselves" in seen.words


async def test_people_see_their_own_and_readers_all(house: House):
    reference = await requested(await house.visitor("mona"))
    for name, sees in (
        ("jane", True), ("mona", True), ("ines", True), ("paul", True), ("audrey", True),
        ("oscar", True), ("nobody", False),
    ):  # fmt: skip
        if name == "nobody":
            continue
        visitor = await house.visitor(name)
        assert (reference in (await visitor.get("/exemptions")).text) is sees
    other = await requested(await house.visitor("ines"), person="ivan")
    jane = await house.visitor("jane")
    assert other not in (await jane.get("/exemptions")).text
    assert other not in (await jane.get("/exemptions.csv")).text
    unseen = await jane.get(f"/exemptions/{other}")
    unknown = await jane.get("/exemptions/EX-2026-9999")
    assert unseen.status == unknown.status == 404
    assert unseen.words.replace(other, "") == unknown.words.replace("EX-2026-9999", "")


async def test_filters_and_files(house: House):
    mona, ines = await house.visitor("mona"), await house.visitor("ines")
    live = await requested(mona, ends="2026-12-01")
    waiting = await requested(mona, person="paul", why="=cmd|' /C calc'!A0 is what this is about.")
    await step(ines, live, "approve")
    for show, listed in (
        ("all", {live, waiting}), ("requested", {waiting}), ("live", {live}),
        ("expiring", {live}), ("unused", set()), ("expired", set()), ("mine", set()),
        ("nonsense", {live, waiting}),
    ):  # fmt: skip
        page = await ines.get(f"/exemptions?show={show}")
        assert set(re.findall(r"/exemptions/(EX-\d{4}-\d{4})\"", page.text)) == listed, show
    answer = await ines.get("/exemptions.csv?show=requested")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="exemptions.csv"'
    (row,) = csv.DictReader(io.StringIO(answer.text.lstrip("\ufeff")))
    assert row["reference"] == waiting
    assert row["why"].startswith("'=cmd"), "no spreadsheet runs it"
    report = await ines.get("/report")
    assert "Unit not known 1 1 0 0 1 0 0 0" in report.words
    answer = await ines.get("/report.csv")
    assert answer.text.splitlines()[1] == "unknown,1,1,0,0,1,0,0,0"


async def test_long_lists_come_in_pages(house: House):
    store = open_store(house.settings.standing, house.settings.paths)
    zone = house.settings.policy.time_zone
    register = Register(store, categories=None, by_name_only=(), zone=zone, clock=lambda: NOON)
    ends = datetime(2026, 12, 24, tzinfo=UTC)
    for number in range(51):
        one = Wanted(person=f"p{number}", why=WHY, begins=NOON, ends=ends, everything=True)
        register.request(Actor("mona"), one)
    store.close()
    ines = await house.visitor("ines")
    first = await ines.get("/exemptions")
    assert first.text.count('scope="row"') == 50
    assert "Page 1 of 2" in first.words
    second = await ines.get("/exemptions?show=all&page=2")
    assert second.text.count('scope="row"') == 1
    for odd in ("0", "-1", "99999999", "x", "٣"):
        assert (await ines.get("/exemptions", params={"page": odd})).status == 200


NASTY = st.text(
    alphabet=st.one_of(
        st.sampled_from("<>&\"'`=/\\{}%\n"), st.characters(exclude_categories=["C", "Z"])
    ),
    min_size=20,
    max_size=60,
)


@given(text=NASTY)
@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_what_people_type_is_shown_and_never_run(
    tmp_path_factory: pytest.TempPathFactory, text: str
):
    folder = tmp_path_factory.mktemp("portal")
    async with served(settings_for(folder)) as house:
        mona = await house.visitor("mona")
        seen = await mona.fill("/exemptions/new", **wanted(why=text, force_reference=text))
        if seen.status == 400:
            page = seen  # too short once the space around it is gone
        else:
            page = await mona.get(seen.location)
        shown = html.escape(text.strip(), quote=False)
        body = page.text.partition("<main")[2]
        assert html.unescape(body).count(text.strip().replace("\r\n", "\n"))
        if "<" in text:
            assert shown in body.replace("&#34;", '"').replace("&#39;", "'")
        assert "<script" not in body

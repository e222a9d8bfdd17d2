"""A dip sample as people make it: two secrets, a draw, reviews without names, and what follows."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest
from support.desk import asked_of, consoled, prepared, week_of_records

from proxy_addons.audit.authority.register import Authorisations
from proxy_addons.audit.desk.calls import ReadTrail, Search
from proxy_addons.audit.desk.sampling import ViewSample
from proxy_addons.audit.desk.wire import Refused, Who
from proxy_addons.audit.sampling.commitment import Party, Secret, commitment
from proxy_addons.audit.store import Question
from proxy_addons.standing import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.portal import House, Seen, Visitor

    from proxy_addons.audit.authority.model import Authorisation
    from proxy_addons.audit.desk.service import Service

PLAN = "/psd/sampling/DS-2026-0001"
CSV = "name,class,unit\nab1234,officer,Larch\ncd5678,staff,Contact\npia,officer,Larch\n"
PEOPLE = ("ab1234", "cd5678", "pia")
PIA = Who("pia", frozenset({"staff", "psd"}), "accounts")
PETRA = Who("petra", frozenset({"staff", "psd"}), "accounts")
AUDREY = Who("audrey", frozenset({"staff", "auditor"}), "accounts")


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[tuple[House, Service]]:
    settings = await asyncio.to_thread(prepared, tmp_path)
    week_of_records(settings, *PEOPLE)
    async with consoled(settings) as made:
        yield made


async def planned(paul: Visitor, *, size: int = 3, csv: str = CSV) -> None:
    """A plan with its roster."""
    seen = await paul.fill(
        "/psd/sampling/new",
        why="Routine check of personal use in November.",
        authority="AU-2026-0001",
        first_week="2026-W47",
        weeks="1",
        size=str(size),
        second_party="audrey",
    )
    assert seen.location == f"{PLAN}?done=request", seen.words
    seen = await step(paul, "roster", source="list", csv=csv, preview="yes")
    assert "3 people in 2 strata" in seen.words
    assert (await step(paul, "roster", source="list", csv=csv, fix="yes")).status == 303


async def step(visitor: Visitor, name: str, **fields: str) -> Seen:
    """A step of the plan, on the page as it is now."""
    form = await visitor.get(f"{PLAN}/{name}")
    assert form.status == 200, form.words
    seen = re.search(r'name="seen" value="(\d+)"', form.text)
    assert seen is not None
    return await visitor.post(f"{PLAN}/{name}", {"csrf": form.token, "seen": seen[1], **fields})


async def drawn(paul: Visitor, audrey: Visitor) -> None:
    """Both commit and reveal: paul with a secret that the portal makes, audrey with her own."""
    made = await step(paul, "commit")
    assert made.status == 200
    secret = re.findall(r"<code>([0-9a-f]+)</code>", made.text)
    assert [len(each) for each in secret] == [128, 64]
    own = Secret(b"s" * 32, b"t" * 32)
    shown = commitment("DS-2026-0001", 1, Party.SECOND, own)
    assert (await step(audrey, "commit", secret=shown)).status == 303
    for visitor in (paul, audrey):
        page = await visitor.get(PLAN)
        assert secret[0] not in page.text
        assert secret[1] in page.text
    assert (await step(paul, "reveal", secret=secret[0])).status == 303
    assert (await step(audrey, "reveal", secret=own.text)).status == 303
    assert "3 person-weeks were drawn." in (await audrey.get(PLAN)).words


async def taken(visitor: Visitor) -> str:
    """The next sample's address; "" where there is none left."""
    page = await visitor.get(PLAN)
    if "Take the next sample" not in page.words:
        return ""
    seen = await visitor.post(f"{PLAN}/next", {"csrf": page.token})
    assert seen.status == 303
    return "" if "done=none-left" in seen.location else seen.location


async def decided(visitor: Visitor, sample: str, code: str, why: str = "") -> Seen:
    return await visitor.fill(sample, code=code, why=why)


def no_name(seen: Seen) -> None:
    """Nothing of a page tells whose sample it is, but for who reads it."""
    body = seen.text.partition("<main")[2]
    assert body
    for name in PEOPLE:
        assert name not in body.casefold()


def found(house: House, reference: str) -> Authorisation | None:
    """An authorisation, as the register has it."""
    store = open_store(house.settings.standing, house.settings.paths)
    try:
        return Authorisations(store, house.settings.audit).find(reference)
    finally:
        store.close()


async def the_trail_says_so(service: Service, mine: list[str]) -> None:
    """Looks under pseudonyms, steps and disposals, to the auditor."""
    looks = await asked_of(service, AUDREY, ReadTrail(event="look", person="pia"))
    told = [each.question.get("sample") for each in looks.records]
    assert set(told) >= {each.removeprefix("/psd/sampling/") for each in mine}
    for each in looks.records:
        assert not set(PEOPLE) & {str(value) for value in each.question.values()}
    await asyncio.to_thread(service._mirror.copy)
    disposals = await asked_of(service, AUDREY, ReadTrail(event="disposal"))
    assert [each.authorisation for each in disposals.records] == ["DC-2026-0002", "DC-2026-0001"]
    draws = await asked_of(service, AUDREY, ReadTrail(event="draw"))
    kinds = [each.outcome["step"] for each in draws.records]
    assert kinds[0] == "closing"
    assert kinds[-1] == "plan"
    assert kinds.count("outcome") == 3


async def test_from_the_plan_to_its_end(console: tuple[House, Service]) -> None:
    house, service = console
    paul, pia, audrey, petra = [
        await house.visitor(name) for name in ("paul", "pia", "audrey", "petra")
    ]
    await planned(paul)
    await drawn(paul, audrey)
    no_name(await paul.get(PLAN))

    # The sampled person is not given her own sample: of three there are two for her.
    mine = []
    while sample := await taken(pia):
        mine.append(sample)
        seen = await pia.get(sample)
        assert "6 records" in seen.words
        assert "(masked" not in seen.words, "special categories are counted alone"
        assert "masked (1)" in seen.words
        assert "1 refused" in seen.words
        no_name(seen)
        rows = await pia.get(f"{sample}?view=rows")
        assert rows.text.count("site") >= 5
        no_name(rows)
        assert (await petra.get(sample)).status == 404
    assert len(mine) == 2

    # A concern: the name, and an application that others have to approve.
    assert (await decided(pia, mine[0], "concern")).status == 400  # without a reason
    seen = await decided(pia, mine[0], "concern", "Hours of shopping on duty.")
    assert seen.location == mine[0]
    seen = await pia.get(mine[0])
    named = [name for name in PEOPLE if f"<bdi>{name}</bdi>" in seen.text.partition("<main")[2]]
    assert len(named) == 1
    assert 'href="/psd/authorisations/AU-2026-0002"' in seen.text
    application = await asyncio.to_thread(found, house, "AU-2026-0002")
    assert application is not None
    assert set(application.subjects) == set(named)
    assert (application.state, application.applicant) == ("requested", "pia")
    assert application.allegation == mine[0].removeprefix("/psd/sampling/")
    with pytest.raises(Refused, match="not approved yet"):
        await asked_of(service, PIA, Search(authorisation="AU-2026-0002", question=Question()))

    # No concern: nothing is left, and a certificate says so.
    seen = await decided(pia, mine[1], "no-concern")
    assert seen.location == f"{PLAN}?done=reviewed"
    seen = await pia.get(mine[1])
    assert "DC-2026-0001" in seen.words
    no_name(seen)
    last = await taken(petra)
    assert (await decided(petra, last, "no-concern")).status == 303
    assert (await step(paul, "close")).status == 303
    assert "closed" in (await paul.get(PLAN)).words

    await the_trail_says_so(service, mine)
    report = await audrey.get("/psd/sampling/coverage")
    assert "Of 3 person-weeks 3 were reviewed, and 1 had something of concern" in report.words
    assert "(small units)" in (await audrey.get("/psd/sampling/coverage.csv")).text


async def test_a_sample_is_its_reviewers_alone(console: tuple[House, Service]) -> None:
    house, service = console
    paul, pia, audrey = [await house.visitor(name) for name in ("paul", "pia", "audrey")]
    await planned(paul)
    await drawn(paul, audrey)
    sample = (await taken(pia)).removeprefix("/psd/sampling/")
    found = await asked_of(service, PIA, ViewSample(sample=sample, counts=True))
    assert {row.values["person"] for row in found.page.rows} == {sample}
    assert not {"client_ip", "claimed"} & set(found.page.rows[0].values)
    assert found.total.records == 6
    refused = set()
    for who, wanted in (
        (PETRA, sample),  # somebody else's
        (AUDREY, sample),
        (PIA, "DS-2026-0001/1-009"),  # none
        *(
            (PIA, f"DS-2026-0001/1-00{each}")
            for each in (1, 2, 3)
            if not sample.endswith(f"{each}")
        ),
    ):
        with pytest.raises(Refused) as caught:
            await asked_of(service, who, ViewSample(sample=wanted))
        refused.add(str(caught.value))
    assert len(refused) == 1, "why it is refused tells nothing of whose it is"
    # Under the standing authority nobody chooses whom to look at.
    with pytest.raises(Refused, match="is for dip samples"):
        await asked_of(service, PIA, Search(authorisation="AU-2026-0001", question=Question()))
    assert "AU-2026-0001" not in (await pia.get("/psd/search")).text
    looks = await asked_of(service, AUDREY, ReadTrail(event="look", person="pia"))
    assert any("refused" in each.outcome for each in looks.records)


async def test_who_is_not_named_in_the_standing_authority_sees_nothing(
    console: tuple[House, Service],
) -> None:
    """A plan that names another authority shows nothing, though its samples can be taken."""
    house, service = console
    paul, pia, audrey = [await house.visitor(name) for name in ("paul", "pia", "audrey")]
    page = await paul.get("/psd/sampling/new")
    fields = {
        "why": "Routine check of personal use in November.",
        "authority": "DCC 2021/17",
        "first_week": "2026-W47",
        "weeks": "1",
        "size": "3",
        "second_party": "audrey",
    }
    await paul.post("/psd/sampling/new", {"csrf": page.token, **fields})
    await step(paul, "roster", source="list", csv=CSV, fix="yes")
    await drawn(paul, audrey)
    sample = await taken(pia)
    seen = await pia.get(sample)
    assert seen.status == 403
    no_name(seen)
    del service


@pytest.mark.parametrize(
    ("csv", "words"),
    [
        ("", "line 1: a roster begins with the headings name,class,unit"),
        ("name,class,unit\n", "nobody is in the roster"),
        ("name,class,unit\n\x00,officer,X\n", "line 2: the first cell is no login name"),
        ("name,class,unit\nab1,colonel,X\n", "line 2: the class is one of officer, staff, other"),
        ("name,class,unit\nab1,officer\n", "line 2: a line has 3 cells, this one 2"),
        ("name,class,unit\nab1,officer,X\nAB1,staff,X\n", "ab1 is in the roster twice"),
        ('name,class,unit\n"ab1,officer,X\n', "this is no CSV"),
    ],
)
async def test_a_roster_that_makes_no_sense(
    console: tuple[House, Service], csv: str, words: str
) -> None:
    house, _ = console
    paul = await house.visitor("paul")
    await planned(paul)
    for button in ("preview", "fix"):
        more = {button: "yes", "why": "The first one was not whole, they say."}
        seen = await step(paul, "redraw", source="list", csv=csv, **more)
        assert seen.status == 400
        assert words in seen.words
    assert "again, as" not in (await paul.get(PLAN)).words


async def test_steps_are_refused_to_others(console: tuple[House, Service]) -> None:
    house, _ = console
    paul, pia, audrey, jane = [
        await house.visitor(name) for name in ("paul", "pia", "audrey", "jane")
    ]
    await planned(paul)
    assert (await jane.get(PLAN)).status == 403
    assert (await audrey.get("/psd/sampling/new")).status == 403
    assert (await audrey.get(f"{PLAN}/redraw")).status == 403
    assert (await paul.get(f"{PLAN}/reveal")).status == 403  # nobody has committed
    assert (await step(paul, "commit")).status == 200
    assert (await paul.get(f"{PLAN}/commit")).status == 403  # once is enough
    assert (await pia.get(f"{PLAN}/commit")).status == 403
    seen = await step(audrey, "commit", secret="not a secret")
    assert seen.status == 400
    assert "not a secret" not in seen.text
    assert (await step(audrey, "commit")).status == 200
    seen = await step(paul, "reveal", secret="ab" * 64)
    assert seen.status == 400
    assert "not the secret that was committed to" in seen.words
    assert (await pia.get("/psd/sampling/DS-1999-0001")).status == 404

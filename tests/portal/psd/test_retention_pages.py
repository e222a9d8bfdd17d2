"""Legal holds in the portal: who asks for one to be lifted is not who lifts it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from support.desk import prepared
from support.portal import House, served

from proxy_addons.audit.retention.certificates import Certificates, Erased
from proxy_addons.audit.retention.schedule import Class
from proxy_addons.standing import Actor, open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.portal import Seen, Visitor

HOLD = "/psd/retention/LH-2026-0001"
WHY = "A claim is announced."
FORM = {
    "persons": "jane",
    "unknown_too": "yes",
    "case": "CM/77/26",
    "owner": "paul",
    "why": WHY,
    "review": "2027-05-01",
}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    settings = await asyncio.to_thread(prepared, tmp_path)
    async with served(settings) as made:
        yield made


async def placed(visitor: Visitor, **changes: str) -> Seen:
    return await visitor.fill("/psd/retention/new", **FORM | changes)


async def step(visitor: Visitor, name: str, seen: int, **fields: str) -> Seen:
    return await visitor.fill(f"{HOLD}/{name}", seen=str(seen), **fields)


async def test_the_life_of_a_hold(house: House) -> None:
    paul, pia, audrey = [await house.visitor(name) for name in ("paul", "pia", "audrey")]
    assert (await placed(paul)).location == f"{HOLD}?done=request"
    listed = (await audrey.get("/psd/retention")).words
    assert "records of jane and of nobody known" in listed
    assert "CM/77/26" in listed
    assert (await audrey.get("/psd/retention/new")).status == 403
    for name in ("review", "ask", "lift", "keep"):
        assert (await audrey.get(f"{HOLD}/{name}")).status == 403
    assert (await pia.get(f"{HOLD}/lift")).status == 403  # nobody has asked
    fields = {"why": "Still needed: no answer yet.", "review": "2027-09-01"}
    assert (await step(pia, "review", 1, **fields)).status == 303
    assert (await step(paul, "ask", 2, why="The claim is settled.")).status == 303
    assert "somebody else has to lift it" in (await paul.get(HOLD)).words
    assert (await paul.get(f"{HOLD}/lift")).status == 403  # whoever asked does not
    assert (await step(pia, "lift", 2)).status == 409  # has been asked for since
    assert (await step(pia, "lift", 3)).location == f"{HOLD}?done=lift"
    assert "There are none." in (await audrey.get("/psd/retention")).words
    assert "lifted" in (await audrey.get("/psd/retention?show=all")).words
    history = (await audrey.get(HOLD)).words.partition("History")[2]
    order = ["Placed", "Reviewed", "Asked to be lifted", "Lifted"]
    assert [history.index(each) for each in order] == sorted(map(history.index, order))


async def test_lifting_takes_a_fresh_proof(house: House) -> None:
    paul, pia = [await house.visitor(name) for name in ("paul", "pia")]
    await placed(paul)
    await step(paul, "ask", 1, why="The claim is settled.")
    house.clock.go_on(minutes=6)
    seen = await pia.get(f"{HOLD}/lift")
    assert seen.status == 303
    assert seen.location.startswith("/confirm")


async def test_nobody_knows_of_a_hold_on_themselves(house: House) -> None:
    paul, pia, petra = [await house.visitor(name) for name in ("paul", "pia", "petra")]
    await placed(paul, persons="pia, jane")
    assert (await pia.get(HOLD)).status == 404
    assert (await pia.get(f"{HOLD}/ask")).status == 404
    assert "LH-2026" not in (await pia.get("/psd/retention?show=all")).text
    assert "LH-2026-0001" in (await petra.get("/psd/retention")).text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"persons": ""}, "Say what is held"),
        ({"persons": "", "since": "2026-11-02", "until": "2026-11-01"}, "ends after it begins"),
        ({"since": "yesterday"}, "The first day must be a day"),
        ({"authorisation": "AU 1; --"}, "A reference has 1 to 32"),
        ({"case": ""}, "Enter the reference of the case"),
        ({"why": "short"}, "at least 10 characters"),
        ({"review": "2028-01-01"}, "within 12 months"),
        ({"review": ""}, "Enter the day of the review"),
    ],
)
async def test_what_makes_no_hold(house: House, changes: dict[str, str], words: str) -> None:
    paul = await house.visitor("paul")
    seen = await placed(paul, **changes)
    assert seen.status == 400
    assert words in seen.words
    assert "There are none." in (await paul.get("/psd/retention")).words


async def test_certificates(house: House) -> None:
    store = open_store(house.settings.standing, house.settings.paths)
    register = Certificates(store, clock=lambda: house.clock.now)
    register.issue(
        Actor("watchhouse", how="clock"),
        Erased(
            kind=Class.ACCESS_LOG,
            subject="<b>October</b> 2025",
            records=12,
            segments=2,
            rule="access-log: 12 months after the last record of a segment",
            digest="ab" * 32,
        ),
    )
    store.close()
    audrey = await house.visitor("audrey")
    seen = await audrey.get("/psd/retention/certificates")
    assert "DC-2026-0001" in seen.words
    assert "&lt;b&gt;October&lt;/b&gt; 2025" in seen.text
    assert "ab" * 32 in seen.words

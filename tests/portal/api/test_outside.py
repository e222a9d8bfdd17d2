"""No token sees outside its authorisation: random ones, random questions, a plain model."""

from __future__ import annotations

import asyncio
import random
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.api import BEGIN, PAUL, made_records, served_api
from support.authority import wanted

from proxy_addons.audit.authority.model import SubjectClass

if TYPE_CHECKING:
    from pathlib import Path

    from support.api import Api

    from proxy_addons.audit.authority.model import Authorisation

RECORDS = made_records()
QUESTIONS = 8


def may_see(found: Authorisation, record: dict[str, Any]) -> bool:
    at = datetime.fromisoformat(record["start"])
    return (
        record["person"] in found.subjects
        and found.begins <= at < found.ends
        and (found.categories is None or not found.categories.isdisjoint(record["categories"]))
    )


async def another(api: Api, chance: random.Random) -> tuple[Authorisation, str]:
    """An authorisation of some people, some time, some fields; and paul's token for it."""
    since = BEGIN + timedelta(minutes=chance.randrange(15))
    people = chance.sample(("jane", "ab1234", "cd5678"), chance.randint(1, 2))
    asked = wanted(
        subjects=dict.fromkeys(people, SubjectClass.OFFICER),
        investigators=frozenset({"paul"}),
        begins=since,
        ends=since + timedelta(minutes=chance.randrange(10, 40)),
        valid_from=api.world.now,
        names_shown=chance.random() < 0.7,
        categories=chance.choice((None, frozenset({"news"}))),
        fields=frozenset({"id", "seq", "start", "person", "host", "categories", "action"}),
    )
    found = await asyncio.to_thread(api.world.approved, asked)
    text, _ = await api.token(PAUL, authorisation=found.reference)
    return found, text


HEAVY = [pytest.param(seed, marks=pytest.mark.heavy) for seed in range(2, 8)]


@pytest.mark.parametrize("seed", [1, *HEAVY])
async def test_no_row_no_count_no_hint_of_what_is_outside(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    async with served_api(tmp_path, RECORDS) as api:
        have = [await another(api, chance) for _ in range(4)]
        shown_at_all: set[int] = set()
        for number in range(QUESTIONS):
            found, text = have[number % len(have)]
            inside = {each["seq"] for each in RECORDS if may_see(found, each)}
            question = {
                "person": chance.choice(("", "", "", "jane", "ab1234", "P-AAAAAAAA")),
                "host": chance.choice(("", "", "", "jane.test", "ab1234.test", "nobody.test")),
                "text": chance.choice(("", "", "/1", "test")),
                "action": chance.choice(("", "allow", "block")),
                "until": chance.choice(("", "2026-11-21T08:25:00Z", "2036-01-01T00:00:00Z")),
            }
            filters = "".join(f"&{name}={value}" for name, value in question.items() if value)
            filters = filters if number % 5 else ""  # each fifth time: everything
            address = f"?authorisation={found.reference}{filters}"
            page = (await api.get(f"/records{address}", text)).json
            seen = {each["seq"] for each in page["records"]}
            assert seen <= inside
            assert page["total"] == len(seen)
            assert filters or seen == inside, number
            shown_at_all |= seen
            for each in page["records"]:
                shown = {name for name, value in each.items() if value not in (None, [])}
                assert shown - {"segment", "line", "masked"} <= found.fields
                if not found.names_shown:
                    assert str(each["person"]).startswith("P-")
            counted = await api.get(f"/counts{address}&by=host", text)
            assert counted.json["total"]["records"] == len(seen)
            masked = sum(each["masked"] for each in page["records"])
            assert sum(each["records"] for each in counted.json["counts"]) == len(seen) - masked
            exported = await api.get(f"/export{address}&form=jsonl", text)
            assert len(exported.body.splitlines()) == len(seen)
        assert len(shown_at_all) > 20


async def test_another_authorisation_is_as_if_there_were_none(tmp_path: Path) -> None:
    """One's own other one, somebody else's and one that is none: the same words, all recorded."""
    async with served_api(tmp_path, RECORDS) as api:
        text, token = await api.token()
        own, _ = await another(api, random.Random(3))
        others = await asyncio.to_thread(api.world.approved, wanted())
        references = (own.reference, others.reference, "AU-2026-9999", "x")
        paths = ("/records?", "/counts?by=host&", "/export?form=jsonl&")
        asked = [f"{path}authorisation={each}" for each in references for path in paths]
        answers = [await api.get(address, text) for address in asked]
        assert {each.status for each in answers} == {403}
        assert len({each.body for each in answers}) == 1
        looks = await api.looks()
        assert len(looks) == len(answers)
        assert {each["how"] for each in looks} == {f"token:{token.reference}"}
        assert all("refused" in each["outcome"] for each in looks)

"""Applications where a directory knows people: slips of the pen, classes, names for people."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from support.authority import wanted
from support.authoritypages import PATH, application, applied, settings_with_offices
from support.ldap import Slapd, Someone
from support.portal import House, served

from proxy_addons.audit.authority.colleagues import Unit
from proxy_addons.audit.authority.model import SubjectClass
from proxy_addons.cli.authority_steps import unit_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

FORCE = (
    Someone("jane", display="DC Jane Doe", unit="Major Crime", kind="officer"),
    Someone("ann", display="Ann Okafor", unit="Contact Centre", kind="staff"),
    Someone("temp", display="Tim Temple"),
    Someone("joan", unit="Response B", kind="officer"),
    *(Someone(f"pc{number:02d}", unit="response b", kind="officer") for number in range(10)),
)


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with Slapd(tmp_path_factory.mktemp("slapd"), everybody=FORCE, groups={}) as made:
        yield made


@pytest.fixture
async def house(tmp_path: Path, slapd: Slapd) -> AsyncIterator[House]:
    async with served(settings_with_offices(tmp_path, directory=slapd.settings())) as made:
        yield made


async def test_names_and_classes_are_the_directorys(house: House):
    paul = await house.visitor("paul")
    form = await paul.get(f"{PATH}/new")
    for changes, field, words in (
        ({"subjects": "jnae, officer"}, "subjects", "nobody of this login name: jnae"),
        ({"investigators": "sam, kmi"}, "investigators", "nobody of this login name: kmi"),
        ({"subjects": "jane, staff"}, "subjects", "jane is officer by the directory, not staff"),
        ({"subjects": "temp"}, "subjects", "temp: write officer, staff or other"),
    ):
        seen = await paul.post(f"{PATH}/new", {"csrf": form.token, **application(**changes)})
        assert seen.status == 400, changes
        assert f'<a href="#{field}">' in seen.text, changes
        assert words in seen.words
    reference = await applied(paul, subjects="jane\nann\ntemp, other")
    words = (await paul.get(f"{PATH}/{reference}")).words
    for each in ("DC Jane Doe (jane), officer", "Ann Okafor (ann), staff",
                 "Tim Temple (temp), neither officer nor staff"):  # fmt: skip
        assert each in words
    for each in ("Head of the Anti-Corruption Unit: waiting", "Head of Human Resources: waiting",
                 "Deputy Chief Constable or Chief Constable: waiting"):  # fmt: skip
        assert each in words


async def test_a_comparison_is_with_the_unit_that_the_directory_says(house: House):
    paul, acu = await house.visitor("paul"), await house.visitor("acu")
    why = "Whether it is much can only be told beside what is usual."
    asked = {"comparison": "unit", "comparison_why": why}
    form = await paul.get(f"{PATH}/new")
    for changes, field, words in (
        (asked, "comparison", "too small to compare with"),
        (asked | {"subjects": "temp, officer"}, "comparison", "does not say in which unit"),
        (asked | {"subjects": "joan\njane"}, "comparison", "name one subject"),
        (asked | {"subjects": "joan", "kind": "disclosure"}, "comparison", "does not come with"),
        (asked | {"subjects": "joan", "comparison_why": ""}, "comparison_why", "The comparison: "),
        (asked | {"subjects": "joan", "comparison": "all"}, "comparison", "nothing else"),
    ):
        seen = await paul.post(f"{PATH}/new", {"csrf": form.token, **application(**changes)})
        assert seen.status == 400, changes
        assert f'<a href="#{field}">' in seen.text, (changes, seen.words)
        assert words in seen.words
    typed = wanted(subjects={"Joan": SubjectClass.OFFICER}, comparison="unit")
    unit = await asyncio.to_thread(unit_in, house.settings, typed)  # the command line asks so
    assert unit == Unit("Response B", frozenset(f"pc{number:02d}" for number in range(10)))
    reference = await applied(paul, subjects="joan", **asked)
    seen = await acu.get(f"{PATH}/{reference}")
    assert "Median and quartiles of 10 others of Response B (by the directory" in seen.words
    assert why in seen.words
    assert "pc05" not in seen.text
    without = await applied(paul, subjects="joan", comparison_why=why, allegation="CM/9")
    assert "Comparison with the unit None" in (await acu.get(f"{PATH}/{without}")).words

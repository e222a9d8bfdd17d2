"""Somebody else's authorisation and none at all: over HTTP nothing tells one from the other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from support.console import asked, console

from proxy_addons.audit.authority.model import Kind, Regime

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.console import Console
    from support.portal import Seen

PAGES = (
    "/psd/authorisations/{}",
    "/psd/authorisations/{}/withdraw",
    "/psd/search?au={}",
    "/psd/search?au={}&host=news.test",
    "/psd/export?au={}&form=csv",
    "/psd/copy?au={}",
    "/psd/live/{}",
    "/psd/packs/{}/some.zip",
)
_CHANGES = {"date"}
NONE = "AU-2026-0999"


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Console]:
    async with console(tmp_path) as made:
        yield made


def told(seen: Seen, reference: str) -> tuple[int, dict[str, str], str]:
    """All that a browser gets, but for the time, the reference itself and one-time numbers."""
    headers = {
        name.lower(): re.sub(r"nonce-[^']+", "nonce", value)
        for name, value in seen.headers.items()
        if name.lower() not in _CHANGES
    }
    text = seen.text.replace(reference, "REFERENCE").replace(reference.lower(), "reference")
    text = re.sub(r'(nonce|name="csrf" value)="[^"]*"', r"\1", text)
    return seen.status, headers, text


async def test_of_others_as_of_none(at: Console) -> None:
    others = [
        at.authorised(asked(investigators=frozenset())).reference,
        at.authorised(
            asked(kind=Kind.SUBJECT_ACCESS, regime=Regime.DATA_PROTECTION, investigators=set()),
            by="dpo",
            office="data-protection-officer",
        ).reference,
    ]
    petra = await at.house.visitor("petra")
    for page in PAGES:
        none = told(await petra.get(page.format(NONE)), NONE)
        assert none[0] in {403, 404}
        for reference in others:
            assert told(await petra.get(page.format(reference)), reference) == none, page


async def test_a_list_says_nothing_of_others(at: Console) -> None:
    petra = await at.house.visitor("petra")
    pages = ("/psd/authorisations", "/psd/search", "/psd/live")
    before = [told(await petra.get(page), NONE) for page in pages]
    for _ in range(3):
        at.authorised(asked(investigators=frozenset()))
    assert [told(await petra.get(page), NONE) for page in pages] == before

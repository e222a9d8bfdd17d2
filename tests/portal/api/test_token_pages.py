"""One's own tokens in the portal: made, shown once, revoked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from support.api import served_api
from support.portal import PASSWORD

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.api import Api

TEXT = re.compile(r"wh_[0-9A-Za-z]{49}")


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with served_api(tmp_path) as made:
        yield made


def fields(api: Api, **changed: str) -> dict[str, str]:
    given = {"label": "case tool", "right": api.reference, "ends": "2026-11-30", "networks": ""}
    return given | changed


async def test_made_shown_once_used_and_revoked(api: Api) -> None:
    paul = await api.house.visitor("paul")
    made = await paul.fill("/psd/tokens/new", **fields(api))
    assert made.status == 200
    (text,) = TEXT.findall(made.text)
    assert "not shown again" in made.words
    assert made.headers["Cache-Control"] == "no-store"
    found = await api.get("/authorisations", text)
    assert found.json["authorisations"][0]["token_ends"] == "2026-12-01T00:00:00Z"
    listed = await paul.get("/psd/tokens")
    assert TEXT.search(listed.text) is None
    assert "TK-2026-0001" in listed.words
    assert "Holds" in listed.words
    gone = await paul.post(
        "/psd/tokens/revoke", {"csrf": listed.token, "reference": "TK-2026-0001"}
    )
    assert gone.location == "/psd/tokens?done=revoked"
    assert (await api.get("/authorisations", text)).status == 401
    assert "Revoked" in (await paul.get(gone.location)).words


async def test_only_with_a_fresh_proof_and_what_was_typed_is_kept(api: Api) -> None:
    paul = await api.house.visitor("paul")
    form = await paul.get("/psd/tokens/new")
    api.house.clock.go_on(minutes=5)
    away = await paul.post("/psd/tokens/new", {"csrf": form.token, **fields(api)})
    assert (away.status, away.location) == (303, "/confirm?next=/psd/tokens/new")
    asked = await paul.get("/psd/tokens/new")
    assert asked.status == 303
    confirm = await paul.get(away.location)
    proven = {"csrf": confirm.token, "password": PASSWORD, "next": "/psd/tokens/new"}
    assert (await paul.post("/confirm", proven)).location == "/psd/tokens/new"
    again = await paul.get("/psd/tokens/new")
    assert 'value="case tool"' in again.text
    assert (await paul.get("/psd/tokens")).words.count("TK-") == 0


async def test_an_auditors_token(api: Api) -> None:
    audrey = await api.house.visitor("audrey")
    made = await audrey.fill("/psd/tokens/new", **fields(api, right="auditor"))
    (text,) = TEXT.findall(made.text)
    assert (await api.get("/trail", text)).status == 200


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"label": " "}, "Say what it is for"),
        ({"right": "auditor"}, "Choose what"),
        ({"right": "AU-2026-0002"}, "Choose what"),
        ({"ends": "2026-11-22"}, "over already"),
        ({"ends": "2027-03-01"}, "AU-2026-0001 ends"),
        ({"ends": "soon"}, "must be a day"),
        ({"networks": "10.0.0.0/33"}, "is no network"),
        ({"networks": "<script>"}, "is no network"),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_is_made(
    api: Api, changed: dict[str, str], words: str
) -> None:
    paul = await api.house.visitor("paul")
    seen = await paul.fill("/psd/tokens/new", **fields(api, **changed))
    assert (seen.status, words in seen.words) == (400, True), seen.words
    assert TEXT.search(seen.text) is None
    assert "<script>" not in seen.text
    assert "none yet" in (await paul.get("/psd/tokens")).words


async def test_on_its_last_day_it_ends_with_its_authorisation(api: Api) -> None:
    paul = await api.house.visitor("paul")
    until = api.authorisation.valid_until
    made = await paul.fill("/psd/tokens/new", **fields(api, ends=f"{until:%Y-%m-%d}"))
    (text,) = TEXT.findall(made.text)
    found = await api.get("/authorisations", text)
    (right,) = found.json["authorisations"]
    assert right["token_ends"] == right["valid_until"] == f"{until:%Y-%m-%dT%H:%M:%SZ}"


async def test_nobody_elses(api: Api) -> None:
    _, token = await api.token()
    audrey = await api.house.visitor("audrey")
    seen = await audrey.get("/psd/tokens")
    assert token.reference not in seen.text
    csrf = (await audrey.get("/psd/tokens/new")).token
    gone = await audrey.post("/psd/tokens/revoke", {"csrf": csrf, "reference": token.reference})
    assert gone.status == 404
    jane = await api.house.visitor("jane")
    assert (await jane.get("/psd/tokens")).status == 403

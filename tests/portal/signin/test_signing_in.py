"""Signing in with a local account, sessions, and signing out; over HTTP."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest
from aiohttp import FormData
from blockbuster import blockbuster_ctx
from sqlalchemy import create_engine, text
from support.portal import PASSWORD, Clock, House, served, settings_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def nothing_blocks() -> Iterator[None]:
    with blockbuster_ctx("proxy_addons.portal"):
        yield


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with served(settings_for(tmp_path)) as made:
        yield made


def cookie(seen_cookies: list[str], name: str) -> str:
    return next(each for each in seen_cookies if each.startswith(name + "="))


async def test_the_session_cookie_is_out_of_others_reach(house: House):
    visitor = await house.visitor()
    seen = await visitor.sign_in("jane")
    assert seen.status == 303
    assert seen.location == "/you"
    flags = cookie(seen.cookies, "__Host-watchhouse").split("; ")[1:]
    assert sorted(flags) == ["HttpOnly", "Path=/", "SameSite=Strict", "Secure"]
    page = await visitor.get("/you")
    assert page.status == 200
    assert page.headers["Cache-Control"] == "no-store"
    assert "form-action 'self'" in page.headers["Content-Security-Policy"]
    assert house.settings.page.monitoring_notice in page.words


async def test_pages_lead_to_signing_in_and_back(house: House):
    visitor = await house.visitor()
    seen = await visitor.get("/you")
    assert (seen.status, seen.location) == (303, "/sign-in")
    seen = await visitor.get("/you?show=live")
    assert unquote(seen.location) == "/sign-in?next=/you?show=live"
    form = await visitor.get(seen.location)
    assert 'value="/you?show=live"' in form.text


@pytest.mark.parametrize(
    "onward", ["//evil.example/", "https://evil.example/", "/\\evil.example", "/sign-out", "x", ""]
)
async def test_signing_in_never_leads_elsewhere(house: House, onward: str):
    visitor = await house.visitor()
    form = await visitor.get("/sign-in", params={"next": onward})
    fields = {"token": form.token, "name": "jane", "password": PASSWORD, "next": onward}
    seen = await visitor.post("/sign-in", fields)
    assert (seen.status, seen.location) == (303, "/you")


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("jane", "wrong"),
        ("nobody", PASSWORD),
        ("no\x00body", PASSWORD),
        ("x" * 300, PASSWORD),
        ("jane", "x" * 5000),
    ],
)
async def test_a_wrong_name_and_a_wrong_password_are_told_the_same(
    house: House, name: str, password: str
):
    visitor = await house.visitor()
    seen = await visitor.sign_in(name, password)
    assert seen.status == 403
    assert "There is a problem The name or the password is not right" in seen.words
    assert visitor.session_id is None
    assert password not in seen.text


@pytest.mark.parametrize(("name", "password"), [("", PASSWORD), ("jane", "")])
async def test_an_empty_field_costs_no_attempt(house: House, name: str, password: str):
    visitor = await house.visitor()
    for _ in range(6):
        seen = await visitor.sign_in(name, password)
        assert seen.status == 400
        assert "Enter your" in seen.words
    assert (await visitor.sign_in("jane")).status == 303


@pytest.mark.parametrize("name", ["JANE", " jane ", "Jane"])
async def test_names_are_one_without_case(house: House, name: str):
    visitor = await house.visitor()
    assert (await visitor.sign_in(name)).status == 303


async def test_five_failures_lock_the_name_also_after_a_restart(tmp_path: Path):
    settings = settings_for(tmp_path)
    clock = Clock()
    async with served(settings, clock) as house:
        visitor = await house.visitor()
        for _ in range(5):
            assert (await visitor.sign_in("jane", "wrong")).status == 403
        seen = await visitor.sign_in("jane")
        assert seen.status == 429
        assert "Too many attempts have failed. You can try again today at 12:15" in seen.words
    async with served(settings, clock) as house:
        visitor = await house.visitor()
        assert (await visitor.sign_in("jane")).status == 429
        clock.go_on(minutes=15)
        assert (await visitor.sign_in("jane")).status == 303


async def test_a_name_that_does_not_exist_is_locked_in_the_same_way(house: House):
    visitor = await house.visitor()
    for _ in range(5):
        assert (await visitor.sign_in("nobody", "wrong")).status == 403
    assert (await visitor.sign_in("nobody", "wrong")).status == 429


async def test_the_address_is_locked_for_other_names(house: House):
    visitor = await house.visitor()
    for number in range(5):
        assert (await visitor.sign_in(f"guess{number}", "wrong")).status == 403
    assert (await visitor.sign_in("jane")).status == 429


async def test_signing_in_changes_the_id_and_ends_the_old_session(house: House):
    visitor = await house.visitor("jane")
    old = visitor.session_id
    form = await visitor.get("/you")
    await visitor.post("/sign-out", {"csrf": form.token})
    assert (await visitor.get("/you")).status == 303
    await visitor.sign_in("jane")
    assert visitor.session_id not in {old, None}
    # The old id is of no use to whoever kept it.
    thief = await house.visitor()
    seen = await thief.get("/you", headers={"Cookie": f"__Host-watchhouse={old}"})
    assert seen.status == 303


async def test_all_sessions_end_at_once(house: House):
    desk, phone, other = [await house.visitor(name) for name in ("jane", "jane", "mona")]
    page = await desk.get("/you")
    seen = await desk.post("/sign-out/everywhere", {"csrf": page.token})
    assert seen.location == "/signed-out"
    assert (await phone.get("/you")).status == 303
    assert (await desk.get("/you")).status == 303
    assert (await other.get("/you")).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_post_from_elsewhere_changes_nothing(house: House, headers: dict[str, str]):
    visitor = await house.visitor("jane")
    page = await visitor.get("/you")
    seen = await visitor.post("/sign-out", {"csrf": page.token}, headers=headers)
    assert seen.status == 403
    assert (await visitor.get("/you")).status == 200


@pytest.mark.parametrize("token", ["", "x", "é", None])
async def test_a_post_without_the_sessions_token_changes_nothing(house: House, token: str | None):
    visitor, other = await house.visitor("jane"), await house.visitor("jane")
    if token is None:
        token = (await other.get("/you")).token
    seen = await visitor.post("/sign-out", {"csrf": token})
    assert seen.status == 403
    assert "Nothing was changed" in seen.words
    assert (await visitor.get("/you")).status == 200


async def test_the_token_counts_in_a_plain_form_alone(house: House):
    visitor = await house.visitor("jane")
    token = (await visitor.get("/you")).token
    multipart = FormData({"csrf": token}, default_to_multipart=True)
    for more in ({"json": {"csrf": token}}, {"data": multipart}, {"data": f"csrf={token}"}):
        seen = await visitor.ask("POST", "/sign-out?csrf=" + token, **more)
        assert seen.status == 403, more
    assert (await visitor.get("/you")).status == 200


async def test_the_sign_in_form_needs_its_own_cookie(house: House):
    visitor, other = await house.visitor(), await house.visitor()
    await visitor.get("/sign-in")
    token = (await other.get("/sign-in")).token
    fields = {"token": token, "name": "jane", "password": PASSWORD, "next": "/you"}
    seen = await visitor.post("/sign-in", fields)
    assert seen.status == 403
    assert visitor.session_id is None
    fields["token"] = ""
    assert (await visitor.post("/sign-in", fields)).status == 403


async def test_a_link_from_another_site_finds_the_session(house: House):
    visitor = await house.visitor()
    seen = await visitor.get("/you", headers={"Sec-Fetch-Site": "cross-site"})
    assert seen.status == 200
    assert '<meta http-equiv="refresh" content="0; url=/you">' in seen.text
    assert "jane" not in seen.text


async def test_a_body_that_is_too_long_is_not_read(house: House):
    visitor = await house.visitor("jane")
    page = await visitor.get("/you")
    seen = await visitor.post("/sign-out", {"csrf": page.token, "x": "x" * 70_000})
    assert seen.status == 413
    assert (await visitor.get("/you")).status == 200


async def test_sessions_end_by_the_clock(house: House):
    visitor = await house.visitor("jane")
    house.clock.go_on(seconds=house.settings.portal.idle)
    seen = await visitor.get("/you")
    assert seen.status == 303
    assert "Max-Age=0" in cookie(seen.cookies, "__Host-watchhouse")


async def test_an_account_that_was_taken_away_is_out_at_once(house: House, tmp_path: Path):
    visitor = await house.visitor("jane")
    (tmp_path / "accounts").write_text("")
    house.clock.go_on(minutes=1)
    assert (await visitor.get("/you")).status == 303


async def test_a_store_that_does_not_answer_lets_nobody_in(house: House):
    visitor = await house.visitor("jane")
    file = house.settings.paths.data_dir / "standing.sqlite"
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE sessions RENAME TO gone"))
        connection.execute(text("ALTER TABLE lockouts RENAME TO gone2"))
    engine.dispose()
    seen = await visitor.get("/you")
    assert seen.status == 503
    assert "cannot be read just now" in seen.words
    stranger = await house.visitor()
    assert (await stranger.sign_in("jane")).status == 503
    assert (await stranger.get("/proxy.pac")).status == 200, "browsing goes on"


async def test_no_credential_is_logged(house: House, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    visitor = await house.visitor("jane")
    stranger = await house.visitor()
    await stranger.sign_in(PASSWORD, "wrong password")
    page = await visitor.get("/you")
    kept = [PASSWORD, "wrong password", str(visitor.session_id), page.token]
    await visitor.post("/sign-out", {"csrf": "wrong"})
    assert "sign-in by accounts from 127.0.0.1: jane" in caplog.text
    for secret in kept:
        assert secret not in caplog.text


async def test_nobody_signs_in_where_no_way_is_configured(tmp_path: Path):
    async with served(settings_for(tmp_path, ways=())) as house:
        visitor = await house.visitor()
        for path in ("/sign-in", "/you", "/exemptions", "/confirm"):
            assert (await visitor.get(path)).status == 404
        assert "Sign in" not in (await visitor.get("/")).words

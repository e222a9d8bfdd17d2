"""Sign-in by OpenID Connect, against a real provider over HTTP."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from blockbuster import blockbuster_ctx
from support.oidc import CLIENT, SECRET, Provider, by_a_stranger, unsigned, with_our_secret
from support.portal import Clock, House, Seen, Visitor, served, settings_for

from proxy_addons.portal.signin.oidc import Pending
from proxy_addons.settings import people

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def nothing_blocks() -> Iterator[None]:
    with blockbuster_ctx("proxy_addons.portal"):
        yield


@asynccontextmanager
async def house_with(folder: Path, provider: Provider, **changes: Any) -> AsyncIterator[House]:
    """A portal whose people sign in at the provider, by one clock."""
    clock = Clock()
    provider.clock = clock
    oidc = people.Oidc(changes.pop("issuer", None) or provider.issuer, CLIENT, SECRET, **changes)
    settings = settings_for(folder, ways=("oidc", "accounts"), portal_oidc=oidc)
    async with served(settings, clock) as house:
        yield house


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    clock = Clock()
    async with Provider(clock=clock) as made:
        yield made


@pytest.fixture
async def house(tmp_path: Path, provider: Provider) -> AsyncIterator[House]:
    async with house_with(tmp_path, provider) as made:
        yield made


async def there_and_back(visitor: Visitor, start: str = "/sign-in/oidc") -> Seen:
    """From the portal to the provider, and what the portal says when the browser is back."""
    away = await visitor.get(start)
    assert away.status == 303, away.words
    at_provider = await visitor.get(away.location)
    assert at_provider.status == 302
    return await visitor.get(at_provider.location)


async def test_whoever_the_provider_proves_is_signed_in(house: House, provider: Provider):
    visitor = await house.visitor()
    seen = await there_and_back(visitor, "/sign-in/oidc?next=/exemptions")
    assert (seen.status, seen.location) == (303, "/exemptions")
    assert "signed in with the sign-in service" in (await visitor.get("/you")).words
    (asked,) = provider.asked
    assert asked["scope"] == "openid profile"
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["state"]) >= 43
    assert len(asked["nonce"]) >= 43
    assert "prompt" not in asked


async def test_the_way_back_keeps_strict_cookies(house: House):
    """The browser keeps them back when another site leads here; a page of ours brings them."""
    visitor = await house.visitor()
    away = await visitor.get("/sign-in/oidc")
    (cookie,) = [each for each in away.cookies if each.startswith("__Host-watchhouse-oidc=")]
    assert {"Secure", "HttpOnly", "SameSite=Strict"} <= set(cookie.split("; "))
    back = (await visitor.get(away.location)).location
    stranger = await house.visitor(headers={"Sec-Fetch-Site": "cross-site"})
    seen = await stranger.get(back)
    assert seen.status == 200
    assert f'content="0; url={urlsplit(back).path}?' in seen.text
    assert (await visitor.get(back)).status == 303


@pytest.mark.parametrize(
    "spoil",
    [
        {"iss": "https://evil.example"},
        {"aud": "another-client"},
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": -120},
        {"iat": 3600},
        {"sub": None},
        {"exp": None},
    ],
    ids=str,
)
async def test_a_token_that_is_not_for_this_sign_in_proves_nobody(
    house: House, provider: Provider, spoil: dict[str, Any]
):
    def change(claims: dict[str, Any]) -> None:
        for name, value in spoil.items():
            if value is None:
                del claims[name]
            else:
                claims[name] = int(house.clock()) + value if isinstance(value, int) else value

    provider.spoil = change
    visitor = await house.visitor()
    seen = await there_and_back(visitor)
    assert seen.status == 403
    assert "could not be verified" in seen.words
    assert visitor.session_id is None


@pytest.mark.parametrize("sign", [unsigned, with_our_secret, by_a_stranger])
async def test_a_token_that_the_provider_did_not_sign_proves_nobody(
    house: House, provider: Provider, sign: Any
):
    provider.sign = sign
    visitor = await house.visitor()
    assert (await there_and_back(visitor)).status == 403
    assert visitor.session_id is None


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é"])
async def test_what_is_no_token_proves_nobody(house: House, provider: Provider, token: str):
    provider.sign = lambda _provider, _claims: token
    assert (await there_and_back(await house.visitor())).status == 403


async def test_state_ties_the_answer_to_this_browser(house: House):
    victim, attacker = await house.visitor(), await house.visitor()
    away = await attacker.get("/sign-in/oidc")
    back = (await attacker.get(away.location)).location
    await victim.get("/sign-in/oidc")
    seen = await victim.get(back)
    assert seen.status == 403
    assert "does not belong to this sign-in" in seen.words
    assert victim.session_id is None
    nobody = await house.visitor()
    assert (await nobody.get(back)).status == 403
    # And not twice, even in the right browser.
    assert (await attacker.get(back)).status == 303
    assert (await attacker.get(back)).status == 403


async def test_it_must_not_take_too_long(house: House):
    visitor = await house.visitor()
    away = await visitor.get("/sign-in/oidc")
    back = (await visitor.get(away.location)).location
    house.clock.go_on(minutes=11)
    seen = await visitor.get(back)
    assert seen.status == 403
    assert "took too long" in seen.words


async def test_an_issuer_in_the_answer_must_be_ours(house: House):
    visitor = await house.visitor()
    away = await visitor.get("/sign-in/oidc")
    back = (await visitor.get(away.location)).location
    assert (await visitor.get(back + "&iss=https://evil.example")).status == 403


async def test_a_refusal_is_told_without_the_providers_words(house: House, provider: Provider):
    provider.person = None
    seen = await there_and_back(await house.visitor())
    assert seen.status == 403
    assert "did not sign you in" in seen.words
    assert "access_denied" not in seen.text


async def test_somebody_whom_nobody_here_knows(house: House, provider: Provider):
    provider.person = "stranger"
    visitor = await house.visitor()
    seen = await there_and_back(visitor)
    assert seen.status == 403
    assert "The portal does not know you" in seen.words
    assert visitor.session_id is None


@pytest.mark.parametrize("name", ["", None, 7, "x" * 300])
async def test_a_token_without_a_name(house: House, provider: Provider, name: Any):
    provider.person = name if name is not None else "jane"
    if name is None:
        provider.spoil = lambda claims: claims.pop("preferred_username")
    seen = await there_and_back(await house.visitor())
    assert seen.status == 403
    if name != "":
        assert "says no login name" in seen.words


async def test_a_new_key_of_the_provider_is_fetched_but_not_for_every_token(
    house: House, provider: Provider
):
    assert (await there_and_back(await house.visitor())).status == 303
    provider.new_key()
    house.clock.go_on(seconds=31)
    assert (await there_and_back(await house.visitor())).status == 303
    provider.sign = by_a_stranger
    before = provider.fetched.count("keys")
    for _ in range(3):
        assert (await there_and_back(await house.visitor())).status == 403
    assert provider.fetched.count("keys") == before


async def test_confirming_takes_a_fresh_sign_in_at_the_provider(house: House, provider: Provider):
    visitor = await house.visitor()
    await there_and_back(visitor)
    house.clock.go_on(minutes=6)
    old = visitor.session_id
    page = await visitor.get("/confirm?next=/exemptions")
    assert 'href="/confirm/oidc?next=/exemptions"' in page.text
    seen = await there_and_back(visitor, "/confirm/oidc?next=/exemptions")
    assert (seen.status, seen.location) == (303, "/exemptions")
    assert provider.asked[-1]["prompt"] == "login"
    assert provider.asked[-1]["max_age"] == "0"
    assert visitor.session_id not in {None, old}
    assert (await visitor.get("/confirm?next=/exemptions")).status == 303, "it is confirmed"


async def test_a_provider_that_does_not_ask_anew_confirms_nothing(house: House, provider: Provider):
    visitor = await house.visitor()
    await there_and_back(visitor)
    house.clock.go_on(minutes=6)
    provider.obeys = False
    seen = await there_and_back(visitor, "/confirm/oidc?next=/exemptions")
    assert seen.status == 403
    assert "did not ask you anew" in seen.words
    assert (await visitor.get("/confirm")).status == 200, "it is not confirmed"


async def test_confirming_as_somebody_else_confirms_nothing(house: House, provider: Provider):
    visitor = await house.visitor()
    await there_and_back(visitor)
    house.clock.go_on(minutes=6)
    provider.person = "ines"
    seen = await there_and_back(visitor, "/confirm/oidc")
    assert seen.status == 403
    assert "That was somebody else" in seen.words
    assert (await visitor.get("/confirm")).status == 200
    assert "jane" in (await visitor.get("/you")).words


async def test_a_provider_that_is_gone_is_said(tmp_path: Path, provider: Provider):
    async with house_with(tmp_path, provider) as house:
        await provider.stop()
        visitor = await house.visitor()
        seen = await visitor.get("/sign-in/oidc")
        assert seen.status == 503
        assert "cannot be reached just now" in seen.words
        assert 'name="password"' in seen.text, "the other ways are there"


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://evil.example/token"},
        {"jwks_uri": None},
        {"authorization_endpoint": 7},
    ],
    ids=str,
)
async def test_a_description_that_cannot_be_trusted_is_not_used(
    house: House, provider: Provider, metadata: dict[str, Any]
):
    provider.metadata = metadata
    seen = await (await house.visitor()).get("/sign-in/oidc")
    assert seen.status == 503


async def test_nothing_secret_is_logged(
    house: House, provider: Provider, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG, "proxy_addons")
    visitor = await house.visitor()
    away = await visitor.get("/sign-in/oidc")
    back = (await visitor.get(away.location)).location
    await visitor.get(back)
    provider.sign = unsigned
    await there_and_back(visitor, "/confirm/oidc")
    query = parse_qs(urlsplit(back).query)
    for secret in (SECRET, query["code"][0], query["state"][0], str(visitor.session_id)):
        assert secret not in caplog.text
    assert "by oidc" in caplog.text


@pytest.mark.parametrize(
    "value", [None, "", "a.b.c", "a.b.c.d.0.x", ".....", "a.b.c.9999999999999.0.", "a.b.c.1.1.\xff"]
)
def test_a_cookie_that_was_not_made_here_is_none(value: str | None):
    assert Pending.from_cookie(value) is None


def test_the_cookie_says_what_was_put_in():
    pending = Pending("s", "n", "v", 12, again=True, onward="/exemptions?show=live")
    assert Pending.from_cookie(pending.as_cookie()) == pending

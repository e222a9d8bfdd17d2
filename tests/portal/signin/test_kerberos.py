"""Single sign-on to the portal: real tickets of a real KDC, real groups of a real directory."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import shutil
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from blockbuster import blockbuster_ctx
from support import kdc as real_kdc
from support import ldap as real_ldap
from support.portal import TOKEN, House, Visitor, served, settings_for
from support.waiting import PATIENCE

from proxy_addons.settings import people

pytest.importorskip("gssapi", reason="gssapi is not installed")

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from support.kdc import Kdc, Ticket
    from support.ldap import Slapd

    from proxy_addons.settings.model import Settings

pytestmark = pytest.mark.skipif(bool(real_kdc.missing()), reason=real_kdc.missing() or "")

SERVICE = "HTTP@portal.force.example"
GROUPS = {"Information Security": ("boss", "zoë"), "IS Everywhere": ("Information Security",)}


@pytest.fixture(scope="module")
def kdc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kdc]:
    with real_kdc.Kdc(tmp_path_factory.mktemp("kdc")) as made, made.inside():
        for name in ("jane", "boss", "ghost"):
            made.add(name, "pw")
        yield made


@pytest.fixture(scope="module")
def keytab(kdc: Kdc) -> Path:
    return kdc.keytab("HTTP/portal.force.example", "HTTP/localhost")


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with real_ldap.Slapd(
        tmp_path_factory.mktemp("slapd"), everybody=real_ldap.PEOPLE[:3], groups=GROUPS
    ) as made:
        yield made


def settings_with(folder: Path, keytab: Path, slapd: Slapd, **directory: float) -> Settings:
    """Kerberos, groups of the directory, and nobody with a local account."""
    return settings_for(
        folder,
        ways=("kerberos", "accounts"),
        names=(),
        given=(people.RoleGroups("information-security", groups=("is everywhere",)),),
        identity=people.Identity(kerberos=people.Kerberos(keytab, realms=("FORCE.EXAMPLE",))),
        directory=slapd.settings(**directory),
    )


@pytest.fixture
async def house(tmp_path: Path, keytab: Path, slapd: Slapd) -> AsyncIterator[House]:
    with blockbuster_ctx("proxy_addons.portal"):
        async with served(settings_with(tmp_path, keytab, slapd)) as made:
            yield made


def shown(ticket: Ticket) -> dict[str, str]:
    """A fresh token, as a browser sends it."""
    return {"Authorization": "Negotiate " + base64.b64encode(ticket.token(SERVICE)).decode()}


async def signed_in(house: House, ticket: Ticket) -> Visitor:
    visitor = await house.visitor()
    seen = await visitor.get("/sign-in/kerberos?next=/exemptions", headers=shown(ticket))
    assert (seen.status, seen.location) == (303, "/exemptions")
    assert seen.headers["WWW-Authenticate"].startswith("Negotiate ")
    return visitor


async def test_only_one_address_asks_for_a_ticket(house: House):
    visitor = await house.visitor()
    for path in ("/", "/sign-in", "/you", "/exemptions"):
        assert "WWW-Authenticate" not in (await visitor.get(path)).headers
    seen = await visitor.get("/sign-in/kerberos")
    assert seen.status == 401
    assert seen.headers["WWW-Authenticate"] == "Negotiate"
    assert "Your browser did not sign you in by itself" in seen.words
    assert 'name="password"' in seen.text
    # Nor has another site's picture the browser sign in.
    image = await visitor.get("/sign-in/kerberos", headers={"Sec-Fetch-Dest": "image"})
    assert image.status == 403
    assert "WWW-Authenticate" not in image.headers


async def test_a_ticket_signs_in_and_groups_give_roles(house: House, kdc: Kdc):
    jane = await signed_in(house, kdc.kinit("jane", "pw"))
    own = await jane.get("/you")
    assert "Jane Doe" in own.words
    assert "Line manager Bo Oss" in own.words
    assert "Roles here Officer or staff member" in own.words
    assert (await jane.get("/report")).status == 403

    boss = await signed_in(house, kdc.kinit("boss", "pw"))
    own = await boss.get("/you")
    # By a nested group, and by being two people's manager in the directory.
    assert "Officer or staff member, Line manager, Information security" in own.words
    assert (await boss.get("/report")).status == 200
    team = await boss.get("/team")
    assert "Jane Doe" in team.words
    assert "Zoë Ångström" in team.words


async def test_groups_that_change_change_the_roles_of_open_sessions(
    tmp_path: Path, keytab: Path, kdc: Kdc, slapd: Slapd
):
    settings = settings_with(tmp_path, keytab, slapd, ttl=0.1)
    async with served(settings) as house:
        boss = await signed_in(house, kdc.kinit("boss", "pw"))
        assert (await boss.get("/report")).status == 200
        await asyncio.to_thread(slapd.leave, "Information Security", "boss")
        try:
            for _ in range(200):  # the first answers come from memory, and have it refreshed
                seen = await boss.get("/report")
                if seen.status != 200:
                    break
                await asyncio.sleep(0.05)
            assert seen.status == 403
            assert (await boss.get("/team")).status == 200, "the session goes on"
        finally:
            await asyncio.to_thread(slapd.join, "Information Security", "boss")


async def test_a_line_manager_withdraws_for_their_own_people_alone(house: House, kdc: Kdc):
    boss_ticket = kdc.kinit("boss", "pw")
    boss = await signed_in(house, boss_ticket)
    seen = await boss.fill("/withdraw?person=jane", person="jane", why="Spoken to, twice.")
    assert (seen.status, seen.location) == (303, "/team?done=withdrawn")
    assert "Withdrawn WD-" in (await boss.get("/team")).words
    unknown = await boss.fill("/withdraw", person="jnae", why="Spoken to, twice.")
    assert "The directory knows nobody of this login name" in unknown.words
    jane = await signed_in_to_own_page(house, kdc.kinit("jane", "pw"))
    assert "Your web access is withdrawn." in (await jane.get("/you")).words


async def signed_in_to_own_page(house: House, ticket: Ticket) -> Visitor:
    visitor = await house.visitor()
    assert (await visitor.get("/sign-in/kerberos", headers=shown(ticket))).status == 303
    return visitor


async def test_confirming_takes_a_fresh_exchange(house: House, kdc: Kdc):
    ticket = kdc.kinit("boss", "pw")
    boss = await signed_in(house, ticket)
    house.clock.go_on(minutes=6)
    page = await boss.get("/withdraw?person=jane")
    assert page.location.startswith("/confirm")
    page = await boss.get(page.location)
    fields = {"csrf": page.token, "next": "/withdraw"}
    # As browsers do it: the form, the challenge, the form again with a token.
    asked = await boss.post("/confirm/kerberos", fields)
    assert asked.status == 401
    assert asked.headers["WWW-Authenticate"] == "Negotiate"
    before = boss.session_id
    proof = shown(ticket)
    seen = await boss.post("/confirm/kerberos", fields, headers=proof)
    assert (seen.status, seen.location) == (303, "/withdraw")
    assert boss.session_id not in {None, before}
    assert (await boss.get("/withdraw")).status == 200

    # The same token again is no fresh exchange, and another person's is not theirs.
    house.clock.go_on(minutes=6)
    fields["csrf"] = (await boss.get("/confirm")).token
    assert (await boss.post("/confirm/kerberos", fields, headers=proof)).status == 403
    other = shown(kdc.kinit("jane", "pw"))
    seen = await boss.post("/confirm/kerberos", fields, headers=other)
    assert seen.status == 403
    assert "That was somebody else" in seen.words
    assert (await boss.get("/confirm")).status == 200


async def test_confirming_needs_the_forms_token(house: House, kdc: Kdc):
    ticket = kdc.kinit("boss", "pw")
    boss = await signed_in(house, ticket)
    house.clock.go_on(minutes=6)
    seen = await boss.post("/confirm/kerberos", {"next": "/withdraw"}, headers=shown(ticket))
    assert seen.status == 403
    assert (await boss.get("/confirm")).status == 200


@pytest.mark.parametrize("sent", ["Negotiate !", "Negotiate YQ==", "Negotiate " + "A" * 7000])
async def test_what_is_no_ticket_signs_nobody_in(house: House, sent: str):
    visitor = await house.visitor()
    seen = await visitor.get("/sign-in/kerberos", headers={"Authorization": sent})
    assert seen.status == 403
    assert visitor.session_id is None


async def test_whom_the_directory_does_not_know_is_not_signed_in(house: House, kdc: Kdc):
    visitor = await house.visitor()
    ghost = shown(kdc.kinit("ghost", "pw"))
    seen = await visitor.get("/sign-in/kerberos", headers=ghost)
    assert seen.status == 403
    assert "The portal does not know you" in seen.words
    assert visitor.session_id is None


async def test_without_the_directory_roles_by_group_are_gone(tmp_path: Path, slapd: Slapd):
    settings = settings_for(
        tmp_path,
        names=("boss", "ines"),
        given=(
            people.RoleGroups("information-security", groups=("is everywhere",), people=("ines",)),
        ),
        directory=slapd.settings(timeout=1.0),
    )
    slapd.kill()
    try:
        async with served(settings) as house:
            boss, ines = await house.visitor("boss"), await house.visitor("ines")
            assert "The directory does not answer just now" in (await boss.get("/you")).words
            assert (await boss.get("/report")).status == 403
            assert (await ines.get("/report")).status == 200, "by name, in the configuration"
    finally:
        slapd.start()


async def test_curl_signs_in_and_confirms(tmp_path: Path, slapd: Slapd, kdc: Kdc):
    """A real client of another make proves itself, for a page and for a form that it sends."""
    keytab = await asyncio.to_thread(kdc.keytab, "HTTP/localhost")
    ticket = await asyncio.to_thread(kdc.kinit, "boss", "pw")
    jar = tmp_path / "cookies"

    async def curl(url: str, *more: str) -> str:
        words = ["-sS", "-i", "--negotiate", "-u", ":", "-c", str(jar), "-b", str(jar), *more, url]
        ran = await asyncio.create_subprocess_exec(
            "curl", *words, env=kdc.client(ticket), stdout=asyncio.subprocess.PIPE
        )
        return (await ran.communicate())[0].decode()

    async with served(settings_with(tmp_path, keytab, slapd)) as house:
        base = house.base.replace("127.0.0.1", "localhost")
        said = await curl(base + "/sign-in/kerberos")
        assert "Location: /you" in said
        assert "Bo Oss" in await curl(base + "/you")
        house.clock.go_on(minutes=6)
        page = await curl(base + "/confirm?next=/withdraw")
        found = TOKEN.search(page)
        assert found is not None
        form = ("--data-urlencode", f"csrf={found[1]}", "--data-urlencode", "next=/withdraw")
        said = await curl(base + "/confirm/kerberos", *form)
        assert "Location: /withdraw" in said
        assert "Withdraw web access" in await curl(base + "/withdraw")


@pytest.mark.browser
async def test_chromium_signs_in_by_itself(house: House, kdc: Kdc, tmp_path: Path):
    """Set up as docs/identity.md says.

    Not in a private window, which Playwright's own contexts are: there, Chromium uses tickets for
    proxies alone. On Linux a new profile's first challenge only makes Chromium allow itself to load
    the Kerberos library, so that the person has to try again, once.
    """
    async_api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    options = [
        "--auth-server-allowlist=localhost",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost",
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
    ]
    # The one name that Chromium knows without a name server, which would say another as canonical.
    portal = f"http://localhost:{urlsplit(house.base).port}"
    async with async_api.async_playwright() as playwright:
        browser = await playwright.chromium.launch_persistent_context(
            str(tmp_path / "profile"),
            executable_path=shutil.which("chromium"),
            args=options,
            env={
                "HOME": str(tmp_path), "PATH": os.environ["PATH"],
                **kdc.kinit("boss", "pw").environ,
            },
        )  # fmt: skip
        try:
            page = await browser.new_page()
            await page.goto(f"{portal}/sign-in?next=/report")
            await page.get_by_role("link", name=re.compile("^Use this computer")).click()
            again = page.get_by_role("link", name=re.compile("^Try again with"))
            report = page.get_by_role("heading", name="Report of exemptions", level=1)
            await again.or_(report).wait_for()
            async with asyncio.timeout(PATIENCE):
                while not await report.is_visible():
                    await again.click()
                    await again.or_(report).wait_for()
            await page.goto(f"{portal}/you")
            assert "Bo Oss" in await page.inner_text("main")
        finally:
            await browser.close()

"""Which page opens to whom: every page with every role, over HTTP; and what the document says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.portal import House, Visitor, served, settings_for

from proxy_addons.portal.access import PAGES
from proxy_addons.portal.api.routes import BASE, ROUTES
from proxy_addons.portal.signin.roles import WORDS
from proxy_addons.settings.people import ROLES
from proxy_addons.standing import Actor, Withdrawals, open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DOCUMENT = Path(__file__).parents[2] / "docs/portal.md"

WHO = {
    "staff": "jane",
    "line-manager": "mona",
    "information-security": "ines",
    "psd": "paul",
    "auditor": "audrey",
    "operator": "oscar",
}
STAFF = set(WHO)
READERS = {"information-security", "psd", "auditor", "operator"}

# Path → roles that may open it. Written down a second time here on purpose.
GETS = {
    "/you": STAFF,
    "/browsing": STAFF,
    "/statement": STAFF,
    "/confirm": STAFF,
    "/exemptions": STAFF,
    "/exemptions.csv": STAFF,
    "/exemptions/new": STAFF,
    "/team": {"line-manager"},
    "/team/use": {"line-manager"},
    "/team/use.csv": {"line-manager"},
    "/psd/sampling": {"psd", "auditor"},
    "/psd/sampling/coverage": {"psd", "auditor"},
    "/psd/sampling/coverage.csv": {"psd", "auditor"},
    "/psd/sampling/new": {"psd"},
    "/psd/retention": {"psd", "auditor"},
    "/psd/retention/certificates": {"psd", "auditor"},
    "/psd/retention/new": {"psd"},
    "/withdrawals": READERS,
    "/withdraw": {"line-manager", "information-security", "psd"},
    "/give-back": {"line-manager", "information-security", "psd"},
    "/report": READERS,
    "/report.csv": READERS,
    "/acknowledgements": {"information-security", "auditor"},
    "/acknowledgements.csv": {"information-security", "auditor"},
    "/reviews": {"information-security", "auditor"},
    "/reviews/new": STAFF,
    "/psd/authorisations": STAFF,
    "/psd/authorisations/new": {"psd"},
    "/psd/deputies": STAFF,
    "/psd/search": {"psd"},
    "/psd/searches": {"psd"},
    "/psd/pack": {"psd"},
    "/psd/live": {"psd"},
    "/psd/alerts": {"psd"},
    "/psd/tokens": {"psd", "auditor"},
    "/psd/tokens/new": {"psd", "auditor"},
}
# These ask the desk, which does not run here: who is let through is told why there is no answer.
OF_THE_DESK = {
    "/psd/export": {"psd"},
    "/psd/compared": {"psd"},
    "/psd/copy": {"psd"},
    "/psd/trail": {"auditor"},
}
POSTS = {
    "/browsing/start": STAFF,
    "/psd/sampling/new": {"psd"},
    "/psd/retention/new": {"psd"},
    "/psd/searches": {"psd"},
    "/statement": STAFF,
    "/exemptions/new": STAFF,
    "/reviews/new": STAFF,
    "/psd/authorisations/new": {"psd"},
    "/psd/deputies": set[str](),  # nobody here holds an office
    "/psd/tokens/new": {"psd", "auditor"},
    "/withdraw": {"line-manager", "information-security", "psd"},
    "/give-back": {"line-manager", "information-security", "psd"},
    "/confirm": STAFF,
}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with served(settings_for(tmp_path)) as made:
        yield made


def test_the_matrix_knows_every_role():
    assert set(WHO) == {"staff", *ROLES} == set(WORDS)


async def test_every_route_is_in_the_matrix_or_open(house: House):
    """A page that somebody adds has to be added here."""
    from proxy_addons.portal.app import make_app  # noqa: PLC0415 - here alone

    app = make_app(house.settings)
    paths = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method in {"GET", "POST"}
    }
    await app.cleanup()
    open_to_all = {
        "/", "/proxy.pac", "/wpad.dat", "/ca", "/ca.pem", "/ca.der", "/healthz", "/metrics",
        "/sign-in", "/signed-out",
    }  # fmt: skip
    known = {("GET", path) for path in GETS} | {("POST", path) for path in POSTS}
    known |= {(method, path) for path in open_to_all for method in ("GET", "POST")}
    known |= {("GET", path) for path in OF_THE_DESK}
    known |= {("GET", path) for _, path in paths if path.startswith("/static/")}
    # Of these, which hold for one entry or session, their own tests ask.
    known |= {
        ("POST", "/browsing/end"), ("GET", "/statement/{version}"),
        ("GET", "/psd/sampling/{reference}"), ("POST", "/psd/sampling/{reference}/next"),
        ("GET", "/psd/sampling/{reference}/{step}"), ("POST", "/psd/sampling/{reference}/{step}"),
        ("GET", "/psd/sampling/{reference}/commit"), ("POST", "/psd/sampling/{reference}/commit"),
        ("GET", "/psd/sampling/{reference}/{number}"),
        ("POST", "/psd/sampling/{reference}/{number}"),
        ("POST", "/psd/sampling/{reference}/{number}/follow-up"),
        ("GET", "/psd/retention/{reference}"), ("GET", "/psd/retention/{reference}/{step}"),
        ("POST", "/psd/retention/{reference}/{step}"),
        ("POST", "/sign-out"), ("POST", "/sign-out/everywhere"),
        ("POST", "/confirm/kerberos"), ("GET", "/confirm/oidc"),
        ("GET", "/exemptions/{reference}"), ("GET", "/exemptions/{reference}/{step}"),
        ("POST", "/exemptions/{reference}/{step}"),
        ("GET", "/reviews/{reference}"), ("GET", "/reviews/{reference}/{step}"),
        ("POST", "/reviews/{reference}/{step}"),
        ("GET", "/psd/authorisations/{reference}"),
        ("GET", "/psd/authorisations/{reference}/{step}"),
        ("POST", "/psd/authorisations/{reference}/{step}"),
        ("POST", "/psd/copy"), ("POST", "/psd/copy/file"),
        ("POST", "/psd/pack"), ("GET", "/psd/packs/{au}/{name}"),
        ("GET", "/psd/live/{au}"), ("GET", "/psd/live/{au}/stream"),
        ("GET", "/psd/deputies/{reference}/revoke"), ("POST", "/psd/deputies/{reference}/revoke"),
        ("GET", "/psd/alerts/{reference}"), ("GET", "/psd/alerts/{reference}/{step}"),
        ("POST", "/psd/alerts/{reference}/{step}"),
        ("POST", "/psd/tokens/revoke"),
        ("GET", "/psd/searches/{number}"), ("POST", "/psd/searches/{number}"),
    }  # fmt: skip
    # No pages: they know tokens, and no session (tests/portal/api/).
    known |= {("GET", BASE + route.path) for route in ROUTES}
    assert paths - known == set()


@pytest.mark.parametrize("role", WHO)
async def test_pages_open_to_the_roles_that_have_them(house: House, role: str):
    visitor = await house.visitor(WHO[role])
    token = (await visitor.get("/you")).token
    for path, roles in GETS.items():
        seen = await visitor.get(path)
        assert (seen.status in {200, 303}) is (role in roles), (path, seen.status)
        assert role in roles or seen.status == 403
    for path, roles in OF_THE_DESK.items():
        assert ((await visitor.get(path)).status != 403) is (role in roles), path
    for path, roles in POSTS.items():
        seen = await visitor.post(path, {"csrf": token})
        # 400: open, and the empty form is what is wrong.
        assert (seen.status == 400) is (role in roles), (path, seen.status)
        assert role in roles or seen.status == 403
    menu = set(
        re.findall(r'<a href="(/[a-z/]+)"', (await visitor.get("/you")).text.partition("<main")[0])
    )
    assert menu - {"/"} == {
        path
        for path in (
            "/you",
            "/browsing",
            "/statement",
            "/exemptions",
            "/team",
            "/withdrawals",
            "/report",
            "/reviews",
            "/acknowledgements",
            "/psd/authorisations",
            "/psd/search",
            "/psd/live",
            "/psd/alerts",
            "/psd/sampling",
            "/psd/retention",
            "/psd/trail",
            "/psd/tokens",
        )
        if role in (GETS | OF_THE_DESK)[path]
    }


@pytest.mark.parametrize("role", WHO)
async def test_whoever_is_withdrawn_has_their_own_page_alone(house: House, role: str):
    store = open_store(house.settings.standing, house.settings.paths)
    boss = Actor("somebody", frozenset({"psd"}))
    Withdrawals(store).withdraw(boss, WHO[role], "a reason that is long enough")
    store.close()
    visitor = await house.visitor(WHO[role])
    own = await visitor.get("/you")
    assert own.status == 200
    assert "Your web access is withdrawn." in own.words
    for path in GETS.keys() - {"/you"}:
        assert (await visitor.get(path)).status == 403, path
    for path in POSTS:
        assert (await visitor.post(path, {"csrf": own.token})).status == 403, path


async def test_nobody_signed_in_opens_nothing(house: House):
    visitor = await house.visitor()
    for path in GETS:
        seen = await visitor.get(path)
        assert seen.status == 303
        assert seen.location.startswith("/sign-in")
    for path in POSTS:
        assert (await visitor.post(path, {})).status == 403
    forged = Visitor(house.base)
    async with forged:
        seen = await forged.get("/you", headers={"Cookie": "__Host-watchhouse=" + "A" * 43})
        assert seen.status == 303


def test_the_document_says_what_the_code_does():
    lines = re.findall(
        r"^\| ([^|]+?) \| ((?:(?:yes|no) \| ?){6})$", DOCUMENT.read_text(), re.MULTILINE
    )
    said = {
        what: {role for role, word in zip(WHO, cells.split(" | "), strict=False) if "yes" in word}
        for what, cells in lines
    }
    expected = {
        page.what: STAFF if "staff" in page.roles else set(page.roles) for page in PAGES.values()
    }
    assert said == expected

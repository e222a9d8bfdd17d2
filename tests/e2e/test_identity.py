"""Whoever asks the gateway: each row of cases/identity.yaml, with real parts and the real curl.

All rows of a lane run once, a few at a time; then each has its test.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.asking import ask_all, cases, judge
from support.force import spilt
from support.waiting import come_about

if TYPE_CHECKING:
    from support.asking import Asked
    from support.force import Force
    from support.identity import Site

ROWS: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[1] / "cases/identity.yaml").read_text("utf-8")
)
CASES = [
    f"{row['row']}, {scheme}" for row in ROWS for scheme in row.get("schemes", ["http", "https"])
]


@pytest.fixture(scope="module", params=["relay", "generic"])
def site(request: pytest.FixtureRequest, sites: dict[str, Site]) -> Site:
    return sites[request.param]


@pytest.fixture(scope="module")
def ran(site: Site, force: Force) -> dict[str, Asked]:
    """What became of all rows, by case."""
    asked = cases(ROWS)
    ask_all(asked, site, force)
    return dict(zip(CASES, asked, strict=True))


@pytest.mark.parametrize("case", CASES)
def test_who_gets_what(case: str, ran: dict[str, Asked], site: Site) -> None:
    judge(ran[case], site)


def test_no_secret_comes_out_anywhere(ran: dict[str, Asked], site: Site, force: Force) -> None:
    pages = [each.reply.raw for each in ran.values()]
    assert spilt(site.gateway, force.secrets(), pages) == []


def test_a_secret_that_came_out_would_be_found(site: Site, force: Force) -> None:
    for what, secret in force.secrets().items():
        assert any(each.startswith(what) for each in spilt(site.gateway, {what: secret}, [secret]))
    token = force.negotiate("jane").encode()
    assert spilt(site.gateway, {}, [b"<p>" + token]) == ["a token in a page"]


def test_every_way_is_counted(ran: dict[str, Asked], site: Site) -> None:
    del ran
    wanted = {
        ("kerberos", "proven"),
        ("kerberos", "skew"),
        ("kerberos", "wrong-realm"),
        ("basic", "proven"),
        ("basic", "wrong-password"),
        ("none", "asked"),
    }

    def counted() -> set[tuple[str, ...]]:
        """Ways and outcomes; workers write them down once a second."""
        found = site.metrics("watchhouse_sign_in_total")
        return {
            tuple(sorted(re.findall('"([^"]*)"', key))) for key, count in found.items() if count
        }

    come_about(lambda: {tuple(sorted(each)) for each in wanted} <= counted())

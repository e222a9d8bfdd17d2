"""Effects of rules through the real gateway: packs, redirections, trials, masked queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.gateway import ROOT
from support.running import IDENTITY
from support.scene import through

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.gateway import Gateway
    from support.web import Web

RULES = """
rules:
  - pack: safe-search
  - {pack: tenant-restrictions, with: {google_domains: force.example}}
  - {id: old, clause: x, reason: Gone., action: redirect, to: "https://www.gov.uk/?was={host}",
     when: {hosts: old.example.org}}
  - {id: tried, clause: x, reason: X., action: block, stealth: true, when: {hosts: www.gov.uk}}
"""
MASK = "\nlog: {mask_query: {hosts: www.gov.uk}}\n"


def test_in_both_lanes(start: Callable[..., Gateway], web: Web) -> None:
    """curl with HTTP/1.1 takes the relay lane, with HTTP/2 the generic one."""
    policy = (ROOT / "config/policy.yaml").read_text()
    settings = through(web, identity=IDENTITY)
    settings["tls"]["http2"] = True
    gateway = start(settings, policy=policy.replace("\nrules:\n", MASK + RULES, 1))
    for version in ("--http1.1", "--http2"):
        web.seen.clear()
        mine = ("-H", "X-GoogApps-Allowed-Domains: mine.example")
        url = "https://www.google.com/search?q=a&safe=off"
        assert gateway.curl(url, version, *mine).status == 200
        (seen,) = web.seen
        assert seen.path == "/search?q=a&safe=active"
        sent = {name.lower(): value for name, value in seen.headers.items()}
        assert sent["x-googapps-allowed-domains"] == "force.example"
        web.seen.clear()
        reply = gateway.curl("https://old.example.org/a", version)
        assert (reply.status, reply.headers["location"]) == (
            302, "https://www.gov.uk/?was=old.example.org",
        )  # fmt: skip
        assert web.seen == []
        assert gateway.curl("https://www.gov.uk/find?q=s3cret", version).status == 200
        assert web.seen[-1].path == "/find?q=s3cret"
    web.seen.clear()
    assert gateway.curl("http://www.google.co.uk/search?safe=off&q=a").status == 200
    assert web.seen[-1].path == "/search?q=a&safe=active"  # by the parent proxy, in the clear
    records = gateway.records(7)
    (first, second) = [each for each in records if each["host"] == "www.google.com"]
    assert (
        first["changed"]
        == second["changed"]
        == [
            "query:safe@safe-search-google",
            "header:X-GoogApps-Allowed-Domains@tenant-restrictions-google",
        ]
    )
    assert [each["action"] for each in records if each["rule"] == "old"] == ["redirect"] * 2
    assert [each["would_block"] for each in records if each["host"] == "www.gov.uk"] == [
        "tried", "tried",
    ]  # fmt: skip
    assert {each["url"] for each in records if each["host"] == "www.gov.uk"} == {
        "https://www.gov.uk/find?masked"
    }
    log = b"".join(file.read_bytes() for file in (gateway.data / "log/access").glob("*"))
    assert b"s3cret" not in log
    assert b"force.example" not in log

"""Whoever asks the gateway: each row of cases/identity.yaml, with real parts and the real curl.

All rows of a lane run once, a few at a time; then each has its test.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import yaml
from support.force import HOST, password_of, spilt
from support.gateway import FAKETIME, Gateway, Reply

if TYPE_CHECKING:
    from support.force import Force
    from support.identity import Site
    from support.web import Web

ROWS: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[1] / "cases/identity.yaml").read_text("utf-8")
)
CASES = {
    f"{row['row']}, {scheme}": (number, row, scheme)
    for number, row in enumerate(ROWS)
    for scheme in row.get("schemes", ["http", "https"])
}
TUNNEL_ANSWERS = {400, 407, 503}  # what CONNECT itself is refused with


@dataclass
class Ran:
    """What became of all rows on one gateway.

    Attributes:
        replies: by case.
        records: closing records, by case.
        contacted: hosts that the origin or the parent was asked for.
        spilt: secrets that came out.
    """

    replies: dict[str, Reply] = field(default_factory=dict)
    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    contacted: set[str] = field(default_factory=set)
    spilt: list[str] = field(default_factory=list)


def url_of(case: str, lane: str) -> str:
    number, row, scheme = CASES[case]
    return f"{scheme}://row-{number}-{scheme}-{lane}.{row['site']}/page"


def arguments(row: dict[str, Any]) -> list[str]:
    """Curl's."""
    words = []
    by = row.get("by", "negotiate")
    name = row.get("who", "")
    if by == "basic":
        word = row["password"] if "password" in row else password_of(name)
        words += ["--proxy-basic", "--proxy-user", f"{name}:{word}"]
    elif by != "none":
        words += ["--proxy-negotiate" if by == "negotiate" else "--proxy-anyauth"]
        words += ["--proxy-user", ":"]
    if row.get("http2"):
        words.append("--http2")
    if "from" in row:
        words += ["--interface", row["from"]]
    if "said" in row:
        words += ["--proxy-header", f"X-Forwarded-For: {row['said']}"]
    return words


def ask(case: str, lane: str, force: Force, gateway: Gateway) -> Reply:
    _, row, _ = CASES[case]
    environ: dict[str, str] = {}
    if "clock" in row:
        if FAKETIME is None:
            pytest.skip("needs faketime (Debian: faketime)")
        environ = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": row["clock"]}
    secure = f"https://{gateway.settings['listen']['proxy_tls'].replace('127.0.0.1', HOST)}"
    ticket = None
    if row.get("who") and row.get("by") != "basic":
        ticket = force.ticket(row["who"])
    words = arguments(row)
    if row["log"].get("handling") == "spliced":
        words += ["--cacert", str(force.web.authority.file)]  # the site's own certificate
    return force.curl(
        gateway,
        url_of(case, lane),
        *words,
        ticket=ticket,
        proxy=secure if row.get("at") == "tls" else None,
        environ=environ,
    )


@pytest.fixture(scope="module", params=["relay", "generic"])
def lane(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture(scope="module")
def site(lane: str, sites: dict[str, Site]) -> Site:
    return sites[lane]


@pytest.fixture(scope="module")
def ran(lane: str, site: Site, force: Force, shared_web: Web) -> Ran:
    gateway = site.gateway
    for _, row, _ in CASES.values():
        if row.get("who") and row.get("by") != "basic":
            force.ticket(row["who"])  # before threads ask for the same one
    before = len(shared_web.seen), len(shared_web.asked)
    done = Ran()
    with ThreadPoolExecutor(4) as pool:
        replies = pool.map(lambda case: ask(case, lane, force, gateway), CASES)
        done.replies = dict(zip(CASES, replies, strict=True))
    done.contacted = {
        each.host.rpartition(":")[0] or each.host for each in shared_web.seen[before[0] :]
    } | {
        each.line.split()[1].rpartition(":")[0]
        for each in shared_web.asked[before[1] :]
        if each.line.startswith("CONNECT")
    }
    hosts = {urlsplit(url_of(case, lane)).hostname: case for case in CASES}
    until = time.monotonic() + 5
    while len(done.records) < len(CASES) and time.monotonic() < until:
        done.records = {}
        for record in gateway.records(event="transaction"):
            # Of what cannot be judged at all the log has the address as it was sent.
            host = record["host"] or urlsplit(f"//{record['url']}").hostname
            if host in hosts:
                done.records.setdefault(hosts[host], []).append(record)
        time.sleep(0.05)  # the log is at most 200 ms behind
    done.spilt = spilt(gateway, force.secrets(), [each.raw for each in done.replies.values()])
    for each in shared_web.seen[before[0] :]:
        assert "proxy-authorization" not in {name.lower() for name in each.headers}
    assert {each.authorization for each in shared_web.asked[before[1] :]} <= {None}
    return done


@pytest.mark.parametrize("case", CASES)
def test_who_gets_what(case: str, lane: str, ran: Ran, site: Site) -> None:
    _, row, scheme = CASES[case]
    reply = ran.replies[case]
    in_tunnel = scheme == "https" and row["get"] not in TUNNEL_ANSWERS
    if scheme == "https":
        assert reply.connect_status == (200 if in_tunnel else row["get"]), reply
    if scheme == "http" or in_tunnel:
        assert reply.status == row["get"], reply
    host = urlsplit(url_of(case, lane)).hostname
    assert (host in ran.contacted) == (row["get"] == 200)
    (record,) = ran.records.get(case, [])
    expected = dict(row["log"], action="allow" if row["get"] == 200 else "block")
    if str(expected.get("exemption")).endswith("'s"):
        expected["exemption"] = site.exemptions[expected["exemption"][:-2]]
    assert {name: record[name] for name in expected} == expected
    if row["get"] != 200:
        assert record["status"] == row["get"]
    if row["get"] == 407:
        assert b"Negotiate" in reply.raw


def test_no_secret_comes_out_anywhere(ran: Ran) -> None:
    assert ran.spilt == []


def test_every_way_is_counted(ran: Ran, site: Site) -> None:
    del ran
    counted = site.metrics("watchhouse_sign_in_total")
    for way, outcome in (
        ("kerberos", "proven"),
        ("kerberos", "skew"),
        ("kerberos", "wrong-realm"),
        ("basic", "proven"),
        ("basic", "wrong-password"),
        ("none", "asked"),
    ):
        found = [
            value
            for labels, value in counted.items()
            if f'"{way}"' in labels and f'"{outcome}"' in labels
        ]
        assert sum(found) > 0, (way, outcome, counted)

"""Rows of the tables about who is asking (cases/identity*.yaml), asked by the real curl.

In: rows, a site of the force. Out: for each row and scheme what came back, what was recorded, and
whether the site it asked for heard of it; a judgement of these.
Must never: let a row pass whose site was contacted without an answer of 200.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from support.faketime import FAKETIME, wall_clock
from support.force import HOST, password_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from support.force import Force
    from support.gateway import Reply
    from support.identity import Site
    from support.kdc import Ticket

# What CONNECT itself is refused with; all other refusals are pages inside the tunnel.
_OF_CONNECT = {400, 407, 503}
_SLOWEST = 5.0  # seconds within which all records are there


@dataclass
class Asked:
    """A row over one scheme.

    Attributes:
        row: see cases/identity.yaml.
        url: with a host of its own.
        reply: what curl got.
        contacted: whether the origin, or the parent proxy on the way to it, was asked for the host.
        records: closing records of the host.
    """

    row: Mapping[str, Any]
    url: str
    reply: Reply = field(init=False)
    contacted: bool = False
    records: list[dict[str, Any]] = field(default_factory=list)

    @property
    def host(self) -> str:
        """That was asked for."""
        return urlsplit(self.url).hostname or ""


def cases(rows: Iterable[Mapping[str, Any]]) -> list[Asked]:
    """All rows, over all their schemes; each asks for a host of its own."""
    return [
        Asked(row, f"{scheme}://{uuid4().hex[:12]}.{row['site']}/page")
        for row in rows
        for scheme in row.get("schemes", ["http", "https"])
    ]


def ask_all(
    asked: list[Asked], site: Site, force: Force, tickets: Mapping[str, Ticket] | None = None
) -> None:
    """Ask, a few at a time, and note what came of it.

    Args:
        asked: from `cases`.
        site: where.
        force: whose people ask.
        tickets: of people whom the force does not know.
    """
    having = dict(tickets or {})
    for each in asked:
        if (who := _with_ticket(each.row)) and who not in having:
            having[who] = force.ticket(who)  # before threads ask for the same one
    seen, parents = force.web.seen, force.web.asked
    before = len(seen), len(parents)
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda each: _ask(each, site, force, having), asked))
    reached = {each.host.partition(":")[0] for each in seen[before[0] :]}
    reached |= {each.line.split()[1].partition(":")[0] for each in parents[before[1] :]}
    hosts = {each.host: each for each in asked}
    for each, reply in zip(asked, replies, strict=True):
        each.reply, each.contacted = reply, each.host in reached
    until = time.monotonic() + _SLOWEST
    while not all(each.records for each in asked) and time.monotonic() < until:
        for each in asked:
            each.records = []
        for record in site.gateway.records(event="transaction"):
            # Of what cannot be judged at all the log has the address as it was sent.
            host = record["host"] or urlsplit(f"//{record['url']}").hostname
            if host in hosts:
                hosts[host].records.append(record)
        time.sleep(0.05)  # the log is at most 200 ms behind
    for seen_one in seen[before[0] :]:
        assert "proxy-authorization" not in {name.lower() for name in seen_one.headers}
    assert {each.authorization for each in parents[before[1] :]} <= {None}


def judge(asked: Asked, site: Site) -> None:
    """Fail unless everything is as the row says."""
    row, reply = asked.row, asked.reply
    spoken = asked.url.startswith("https:")
    in_tunnel = spoken and (reply.connect_status == 200 or row["get"] not in _OF_CONNECT)
    if spoken:
        assert reply.connect_status == (200 if in_tunnel else row["get"]), reply
    if in_tunnel or not spoken:
        assert reply.status == row["get"], reply
    assert asked.contacted == (row["get"] == 200), "the site was contacted, or was not"
    expected = dict(row["log"], action="allow" if row["get"] == 200 else "block")
    if str(expected.get("exemption")).endswith("'s"):
        expected["exemption"] = site.exemptions[expected["exemption"][:-2]]
    if row["get"] != 200:
        expected["status"] = row["get"]
    (record,) = asked.records
    found = {name: record[name] for name in expected}
    assert found == expected, (found, expected)
    if row["get"] == 407:
        assert b"Negotiate" in reply.raw


def _with_ticket(row: Mapping[str, Any]) -> str | None:
    return row.get("who") if row.get("by") != "basic" else None


def _ask(asked: Asked, site: Site, force: Force, tickets: Mapping[str, Ticket]) -> Reply:
    row, gateway = asked.row, site.gateway
    environ: dict[str, str] = {}
    if "clock" in row:
        if FAKETIME is None:
            pytest.skip("needs faketime (Debian: faketime)")
        environ = wall_clock(FAKETIME=row["clock"])
    words = _arguments(row)
    if row["log"].get("handling") == "spliced":
        words += ["--cacert", str(force.web.authority.file)]  # the site's own certificate
    secure = f"https://{gateway.settings['listen']['proxy_tls'].replace('127.0.0.1', HOST)}"
    return force.curl(
        gateway,
        asked.url,
        *words,
        ticket=tickets.get(_with_ticket(row) or ""),
        proxy=secure if row.get("at") == "tls" else None,
        environ=environ,
    )


def _arguments(row: Mapping[str, Any]) -> list[str]:
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

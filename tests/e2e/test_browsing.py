"""A person browses through the real gateway with curl: refused, passed, spliced, logged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import yaml
from support.scene import through, working_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.gateway import Gateway
    from support.web import Web

CASES = yaml.safe_load((Path(__file__).parents[1] / "cases/browsing.yaml").read_text())


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['url']} {c.get('from', '')}".strip())
def test_what_a_person_gets(case: dict[str, Any], scheme: str, standard: Gateway, web: Web) -> None:
    client = case.get("from", "127.0.0.1")
    host = case["url"].partition("/")[0].lower().rstrip(".")
    # Other tests ask this gateway for the same pages, and their records may come late.
    path = f"/{case['url'].partition('/')[2]}?{uuid4().hex}"
    reply = standard.curl(
        f"{scheme}://{case['url'].partition('/')[0]}{path}", "--interface", client
    )
    assert reply.status == case["want"], reply
    (record,) = standard.records(1, url=f"{scheme}://{host}{path}")
    assert (record["host"], record["client_ip"]) == (host, client)
    assert (record["rule"], record["kind"]) == (case["rule"], scheme)
    assert record["action"] == ("allow" if case["want"] == 200 else "block")
    assert record["status"] == case["want"]
    assert record["bytes_down"] == len(reply.body)
    if case["want"] == 200:
        assert "Hello from" in reply.text
        assert host in {name.lower().rstrip(".") for name in web.hosts()}
    else:
        assert record["id"] in reply.text, "the page must show the reference number of the record"
        assert record["clause"] in reply.text
        assert web.hosts() == set(), "a blocked site is never contacted"


def test_shopping_is_open_in_a_break(start: Callable[..., Gateway], web: Web) -> None:
    gateway = start(through(web), at=working_time("12:30:00"))
    assert gateway.curl("https://www.amazon.co.uk/").status == 200
    record = gateway.records(1, host="www.amazon.co.uk")[0]
    assert (record["rule"], record["categories"]) == ("personal-use-in-breaks", ["shopping"])


def test_a_refusal_says_when_it_ends(standard: Gateway) -> None:
    reply = standard.curl("https://www.ebay.co.uk/", "-H", "Accept: application/json")
    assert reply.status == 403
    said = json.loads(reply.body)
    assert said["rule"] == "personal-use"
    assert said["retry_at"][11:16] == "12:00"


def test_a_bank_is_spliced_end_to_end(standard: Gateway, web: Web) -> None:
    """The client sees the bank's own certificate, and the record only its host."""
    trusting_the_gateway = standard.curl("https://www.barclays.co.uk/accounts?id=1")
    assert trusting_the_gateway.exit == 60, trusting_the_gateway
    reply = standard.curl(
        "https://www.barclays.co.uk/accounts?id=1", "--cacert", str(web.authority.file)
    )
    assert reply.status == 200, reply
    record = standard.records(2, host="www.barclays.co.uk", kind="tunnel")[-1]
    assert record["handling"] == "spliced"
    assert record["url"] == "www.barclays.co.uk:443"
    assert record["categories"] == ["banking"]
    assert record["bytes_down"] > len(reply.body)
    assert record["server_ip"] is None or record["server_ip"] == "127.0.0.1"


def test_a_bank_for_the_withdrawn_is_refused_without_decryption(
    standard: Gateway, web: Web
) -> None:
    reply = standard.curl("https://www.barclays.co.uk/", "--interface", "127.0.0.3")
    assert (reply.connect_status, reply.exit) == (403, 56), reply
    record = standard.records(1, host="www.barclays.co.uk", rule="withdrawn")[0]
    assert (record["kind"], record["handling"]) == ("connect", "none")
    assert web.hosts() == set()


def test_the_parent_gets_names_and_no_credentials(standard: Gateway, web: Web) -> None:
    reply = standard.curl("http://www.gov.uk/x", "-H", "Proxy-Authorization: Basic c2VjcmV0")
    assert reply.status == 200
    assert [asked.authorization for asked in web.asked] == [None]
    assert not [name for seen in web.seen for name in seen.headers if "proxy" in name.lower()]


def test_credentials_for_the_parent(start: Callable[..., Gateway], web: Web) -> None:
    settings = through(web)
    settings["network"]["upstream_proxy_credentials_env"] = "PARENT"
    gateway = start(settings, environ={"PARENT": "us:s%cret"}, at=working_time("10:30:00"))
    assert gateway.curl("http://www.gov.uk/x").status == 200
    assert gateway.curl("https://www.gov.uk/x").status == 200
    assert [asked.authorization for asked in web.asked] == ["Basic dXM6cyVjcmV0"] * 2
    assert not [
        seen
        for seen in web.seen
        if seen.scheme == "https" and "Proxy-Authorization" in seen.headers
    ]
    assert "s%cret" not in gateway.output.read_text()
    assert not [
        1
        for file in (gateway.data / "log").rglob("*")
        if file.is_file() and (b"s%cret" in file.read_bytes() or b"dXM6" in file.read_bytes())
    ]


CONDITIONS = {
    "page": "{url: www.gov.uk/browse}",
    "words": "{categories: government, url_matches: 'q=secret'}",
    "script": "{user_agent: '^Wget/', not: {clients: 127.0.0.2/32}}",
    "large": "{upload_size: {over: 1kB}}",
}


def test_conditions_on_page_words_program_and_size(start: Callable[..., Gateway], web: Web) -> None:
    policy = (Path(__file__).parents[2] / "config/policy.yaml").read_text()
    rules = "\n".join(
        f"  - {{id: {name}, clause: T 1, reason: So., action: block, when: {when}}}"
        for name, when in CONDITIONS.items()
    )
    policy = policy.replace("\nrules:\n", f"\nrules:\n{rules}\n", 1)
    gateway = start(through(web), policy=policy, at=working_time("10:30:00"))
    site = "https://www.gov.uk"
    wget = ("-A", "Wget/1.21")
    chunks = ("-H", "Transfer-Encoding: chunked", "--data-binary", "a" * 1001)
    asked: list[tuple[str, tuple[str, ...], int]] = [
        (f"{site}//Brow%73e/x", (), 403),
        (f"{site}/search?q=secret", (), 403),
        (f"{site}/", (), 200),
        (f"{site}/", wget, 403),
        (f"{site}/", (*wget, "--interface", "127.0.0.2"), 200),
        (f"{site}/", ("--data-binary", "a" * 1000), 200),
        (f"{site}/", ("--data-binary", "a" * 1001), 403),
    ]
    both = [(version, *each) for version in ("--http1.1", "--http2") for each in asked]
    for version, url, more, status in (*both, ("--http1.1", f"{site}/", chunks, 403)):
        reply = gateway.curl(url, version, *more)
        assert reply.status == status, (version, url, more, reply)
    found = [record["rule"] for record in gateway.records(15, host="www.gov.uk")]
    assert found[:4] == found[7:11] == ["page", "words", "business", "script"]
    assert found[-2:] == ["large", "large"]

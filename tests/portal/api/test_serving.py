"""The API over HTTP, with a real desk behind it: what it answers, and to whom."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import time
from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from aiohttp.test_utils import TestServer
from support.api import AUDREY, JANE, served_api
from support.authority import ACU
from support.portal import own_address, served

from proxy_addons.accesslog.record import NAMES
from proxy_addons.portal.api.secret import token_of
from proxy_addons.portal.app import make_app
from proxy_addons.standing import Actor, Withdrawals

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.api import Answer, Api


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with served_api(tmp_path) as made:
        yield made


def records(api: Api, **more: Any) -> str:
    given = {"authorisation": api.reference} | more
    return "/records?" + "&".join(f"{name}={value}" for name, value in given.items())


def is_problem(answer: Answer, status: int, kind: str) -> bool:
    return (
        answer.status == status
        and answer.headers["Content-Type"] == "application/problem+json"
        and answer.json["status"] == status
        and answer.json["type"] == f"urn:watchhouse:problem:{kind}"
    )


async def test_what_a_token_can_be_used_for(api: Api) -> None:
    text, token = await api.token()
    found = await api.get("/authorisations", text)
    assert found.status == 200
    assert found.json["token"] == token.reference
    assert [each["reference"] for each in found.json["authorisations"]] == [api.reference]
    ends = datetime.fromisoformat(found.json["authorisations"][0]["token_ends"])
    assert ends == token.ends
    auditor, _ = await api.token(AUDREY)
    assert (await api.get("/authorisations", auditor)).json["authorisations"] == []


async def test_records_page_by_page_and_each_is_a_look(api: Api) -> None:
    text, token = await api.token()
    seen, after, pages = [], "", 0
    while after is not None:
        found = await api.get(records(api, limit=12) + (f"&after={after}" if after else ""), text)
        assert found.status == 200
        assert found.json["total"] == JANE
        seen += found.json["records"]
        after, pages = found.json["next"], pages + 1
    assert (len(seen), pages) == (JANE, 3)
    assert {each["person"] for each in seen} == {"jane"}
    assert len({each["seq"] for each in seen}) == JANE
    starts = [datetime.fromisoformat(each["start"]) for each in seen]
    assert starts == sorted(starts, reverse=True)
    assert all(each.tzinfo is not None for each in starts)
    assert all((each["host"] is None) is each["masked"] for each in seen)
    assert any(each["masked"] for each in seen)
    looks = await api.looks()
    assert [each["how"] for each in looks] == [f"token:{token.reference}"] * 3
    assert {each["person"] for each in looks} == {"paul"}
    assert {each["authorisation"] for each in looks} == {api.reference}


FILTERS = [
    ({"since": "2026-11-21T08:20:00Z"}, 15),
    ({"since": "2026-11-21T09:20:00%2B01:00"}, 15),
    ({"until": "2026-11-21T08:00:00Z"}, 0),
    ({"action": "block"}, 15),
    ({"action": "block", "category": "news"}, 10),
    ({"text": "/4"}, 3),  # 4, 40 and 44
    ({"host": "jane.test"}, 20),
    ({"host": "ab1234.test"}, 0),
    ({"person": "ab1234"}, 0),
    ({"client": "192.0.2.1"}, 5),
]


async def test_filters(api: Api) -> None:
    text, _ = await api.token()
    for query, number in FILTERS:
        found = await api.get(records(api, **query), text)
        assert (found.status, found.json["total"]) == (200, number), query


async def test_the_oldest_first(api: Api) -> None:
    text, _ = await api.token()
    found = (await api.get(records(api, order="oldest", limit=2), text)).json["records"]
    assert [each["seq"] for each in found] == [1, 5]


async def test_counts(api: Api) -> None:
    text, _ = await api.token()
    found = await api.get(f"/counts?authorisation={api.reference}&by=action", text)
    assert found.json["counts"] == [
        {"key": "allow", "records": 15, "refused": 0, "octets": 45},
        {"key": "block", "records": 15, "refused": 15, "octets": 45},
    ]
    assert found.json["total"]["records"] == JANE
    hosts = await api.get(f"/counts?authorisation={api.reference}&by=host", text)
    assert [each["key"] for each in hosts.json["counts"]] == ["jane.test"]


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
async def test_exports(api: Api, form: str, tmp_path: Path) -> None:
    text, token = await api.token()
    address = f"/export?authorisation={api.reference}&form={form}&order=oldest"
    found = await api.get(address, text)
    assert found.status == 200
    assert found.headers["Cache-Control"] == "no-store"
    assert found.headers["RateLimit"].startswith('"token";r=59;')
    assert found.headers["Content-Disposition"].endswith(f'.{form}"')
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(found.body.decode("utf-8-sig"))))
    elif form == "jsonl":
        rows = [json.loads(line) for line in found.body.splitlines()]
    else:
        (tmp_path / "rows").write_bytes(found.body)
        asked = f"SELECT person, seq FROM read_parquet('{tmp_path / 'rows'}')"
        rows = [{"person": person, "seq": seq} for person, seq in duckdb.sql(asked).fetchall()]
    assert [int(each["seq"]) for each in rows] == list(range(1, 4 * JANE, 4))
    assert {each["person"] for each in rows} == {"jane"}
    if form != "parquet":
        assert list(rows[0]) == ["segment", "line", "masked", *NAMES]
    (look,) = await api.looks()
    assert (look["event"], look["how"]) == ("export", f"token:{token.reference}")
    assert look["outcome"] == {"form": form, "rows": JANE, "records": JANE}


async def test_http_1_0_gets_a_whole_file(api: Api) -> None:
    text, _ = await api.token()
    host, _, port = api.house.base.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    path = f"/api/v1/export?authorisation={api.reference}&form=jsonl"
    writer.write(f"GET {path} HTTP/1.0\r\nAuthorization: Bearer {text}\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert f"Content-Length: {len(body)}".encode() in head
    assert b"chunked" not in head
    assert len(body.splitlines()) == JANE


async def test_the_trail_is_for_auditors_tokens(api: Api) -> None:
    text, token = await api.token()
    await api.get(records(api), text)
    assert is_problem(await api.get("/trail", text), 403, "refused")
    assert "refused" in (await api.looks())[0]["outcome"]
    auditor, own = await api.token(AUDREY)
    found = await api.get("/trail?person=paul", auditor)
    assert found.status == 200
    refused, look = found.json["records"]
    assert refused["outcome"]["trail"]
    assert (look["person"], look["how"]) == ("paul", f"token:{token.reference}")
    assert look["authorisation"] == api.reference
    assert found.json["next"] is None
    assert (await api.looks())[0]["how"] == f"token:{own.reference}"
    assert is_problem(await api.get("/trail?after=nonsense", auditor), 404, "unknown")


async def test_an_auditors_token_reads_no_record(api: Api) -> None:
    auditor, _ = await api.token(AUDREY)
    found = await api.get(records(api), auditor)
    assert is_problem(found, 403, "refused")
    assert api.reference not in found.json["detail"]
    assert "refused" in (await api.looks())[0]["outcome"]


NONSENSE = [
    ("", "wrong-query"),
    ("authorisation=AU-1&authorisation=AU-2", "wrong-query"),
    ("authorisation=AU-1&persn=jane", "wrong-query"),
    ("authorisation=AU-1&person=", "wrong-query"),
    ("authorisation=AU-1&person=%20", "wrong-query"),
    ("authorisation=AU-1&action=allowed", "wrong-query"),
    ("authorisation=AU%201", "wrong-query"),
    ("authorisation=AU-1&since=2026-11-21", "wrong-query"),
    ("authorisation=AU-1&since=2026-11-21T08:00:00", "wrong-query"),
    ("authorisation=AU-1&since=1763712000", "wrong-query"),
    ("authorisation=AU-1&limit=0", "wrong-query"),
    ("authorisation=AU-1&limit=1001", "wrong-query"),
    ("authorisation=AU-1&limit=1e2", "wrong-query"),
    ("authorisation=AU-1&text=" + "x" * 513, "wrong-query"),
    ("authorisation=AU-1&since=2026-11-22T00:00:00Z&until=2026-11-21T00:00:00Z", "wrong-range"),
]


async def test_what_makes_no_sense_asks_nothing(api: Api) -> None:
    text, _ = await api.token()
    for query, kind in NONSENSE:
        found = await api.get(f"/records?{query}", text)
        assert is_problem(found, 422 if kind == "wrong-range" else 400, kind), query
    assert await api.looks() == []


async def test_a_page_of_another_question(api: Api) -> None:
    text, _ = await api.token()
    after = (await api.get(records(api, limit=5), text)).json["next"]
    assert is_problem(
        await api.get(records(api, after=after, action="block"), text), 404, "unknown"
    )
    assert is_problem(await api.get(records(api, after="AAAA"), text), 404, "unknown")


async def test_other_methods_and_addresses(api: Api) -> None:
    text, _ = await api.token()
    for method in ("POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"):
        found = await api.get("/records", text, method=method)
        assert (found.status, found.headers["Allow"]) == (405, "GET"), method
        assert method == "HEAD" or is_problem(found, 405, "method")
    assert is_problem(await api.get("/nothing", text), 404, "unknown")


async def test_too_often(api: Api) -> None:
    text, _ = await api.token()
    began, granted = time.monotonic(), 0
    while (found := await api.get("/authorisations", text)).status == 200:
        # One comes back each second, and a busy machine takes seconds for all this.
        back = int(time.monotonic() - began) + 1
        left = int(found.headers["RateLimit"].partition("r=")[2].partition(";")[0])
        granted += 1
        assert 60 - granted <= left <= min(59, 60 - granted + back)
    assert 60 <= granted <= 60 + back
    assert is_problem(found, 429, "too-often")
    assert 0 <= int(found.headers["Retry-After"]) <= 1
    other, _ = await api.token()
    assert (await api.get("/authorisations", other)).status == 200


async def test_one_export_at_a_time(api: Api) -> None:
    text, _ = await api.token()
    address = f"/export?authorisation={api.reference}&form=jsonl"
    found = await asyncio.gather(*(api.get(address, text) for _ in range(3)))
    assert sorted(each.status for each in found) == [200, 409, 409]
    assert (await api.get(address, text)).status == 200


async def test_without_a_desk_nothing_is_answered(api: Api) -> None:
    text, _ = await api.token()
    api.house.settings.paths.desk_socket.unlink()
    for path in (records(api), f"/export?authorisation={api.reference}&form=jsonl"):
        found = await api.get(path, text)
        assert is_problem(found, 503, "unavailable")
        assert found.headers["Retry-After"] == "30"


# --- tokens that do not hold ----------------------------------------------------------------------


async def test_every_bad_token_gets_the_same_answer(api: Api) -> None:
    """Nobody learns from an answer whether a token was ever one."""
    good, _ = await api.token()
    revoked, token = await api.token()
    elsewhere, _ = await api.token(networks=(ip_network("10.0.0.0/8"),))
    await asyncio.to_thread(api.tokens.revoke, "paul", token.reference)
    unknown = token_of(bytes(32))
    bad = [revoked, elsewhere, unknown, unknown[:-1] + "x", "x", good + "x", "wh_ü"]
    answers = [await api.get(records(api), each) for each in bad]
    assert all(is_problem(each, 401, "no-token") for each in answers)
    assert len({each.body for each in answers}) == 1
    told = {each.headers["WWW-Authenticate"] for each in answers}
    assert told == {'Bearer realm="watchhouse", error="invalid_token"'}
    assert await api.looks() == []


NOBODY = [
    {},
    {"Authorization": "Basic TOKEN"},
    {"Authorization": "TOKEN"},
    {"Authorization": "Bearer"},
    {"Cookie": "token=TOKEN; __Host-watchhouse=TOKEN"},
    {"X-Api-Key": "TOKEN"},
]


async def test_nothing_but_bearer(api: Api) -> None:
    text, _ = await api.token()
    for headers in NOBODY:
        given = {name: value.replace("TOKEN", text) for name, value in headers.items()}
        found = await api.get(records(api), headers=given)
        assert is_problem(found, 401, "no-token"), headers
        assert found.headers["WWW-Authenticate"] == 'Bearer realm="watchhouse"'
    address = await api.get(records(api) + f"&access_token={text}")
    assert is_problem(address, 401, "no-token")


async def test_a_signed_in_browser_is_nobody_here(api: Api) -> None:
    visitor = await api.house.visitor("paul")
    seen = await visitor.get(f"/api/v1{records(api)}")
    assert seen.status == 401


async def stops(api: Api, text: str) -> bool:
    """The very next call is refused: nothing of a token is kept between two."""
    return is_problem(await api.get(records(api), text), 401, "no-token")


async def test_it_stops_with_whatever_it_hangs_on(api: Api) -> None:
    clock = api.house.clock
    text, token = await api.token(ends=clock.now + timedelta(days=2))
    assert (await api.get(records(api), text)).status == 200
    ines = Actor("ines", frozenset({"information-security"}), "test")
    withdrawals = Withdrawals(api.store, clock=lambda: clock.now)
    made = await asyncio.to_thread(
        withdrawals.withdraw, ines, "paul", "Excessive personal use, it is said."
    )
    assert await stops(api, text)
    await asyncio.to_thread(
        withdrawals.lift, ines, "paul", "It was somebody else.", seen=made.reference
    )
    assert (await api.get(records(api), text)).status == 200
    clock.go_on(days=2)
    assert await stops(api, text)
    assert token.holds(clock.now) is False


async def test_it_stops_with_its_authorisation(api: Api) -> None:
    text, _ = await api.token()
    assert (await api.get(records(api), text)).status == 200
    await asyncio.to_thread(api.world.take, "cancel", ACU, api.authorisation)
    assert await stops(api, text)


async def test_it_stops_with_the_role(tmp_path: Path) -> None:
    """Another portal on the same store, in which paul is no longer of Professional Standards."""
    async with served_api(tmp_path) as api:
        text, _ = await api.token()
        assert (await api.get(records(api), text)).status == 200
        given = tuple(each for each in api.house.settings.portal.roles if each.role != "psd")
        portal = replace(api.house.settings.portal, roles=given)
        async with served(replace(api.house.settings, portal=portal), api.house.clock) as other:
            api.house = other
            assert await stops(api, text)


async def test_over_plain_http_from_elsewhere_it_is_not_even_looked_at(api: Api) -> None:
    address = own_address()
    if address is None:
        pytest.skip("this machine has no address but loopback")
    text, _ = await api.token()
    app = await asyncio.to_thread(make_app, api.house.settings, clock=api.house.clock)
    async with TestServer(app, host=address) as clear:
        api.house.base = str(clear.make_url("")).rstrip("/")
        for path in (records(api), "/openapi.json"):
            found = await api.get(path, text)
            assert is_problem(found, 403, "not-secure")
            assert "revoke it" in found.json["detail"]
    assert (await asyncio.to_thread(api.tokens.of, "paul"))[0].used_at is None


async def test_the_last_use_is_noted(api: Api) -> None:
    text, _ = await api.token()
    first = api.house.clock.now
    for seconds, noted in ((0, 0), (29, 0), (1, 30)):
        api.house.clock.go_on(seconds=seconds)
        await api.get("/authorisations", text)
        (token,) = await asyncio.to_thread(api.tokens.of, "paul")
        assert token.used_at == first + timedelta(seconds=noted)

"""Streams: whole or visibly not; and over within two seconds of the right to them."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientPayloadError, ClientSession, web
from aiohttp.test_utils import TestServer
from support.api import JANE, served_api

from proxy_addons.audit.desk.client import DeskClient
from proxy_addons.audit.desk.wire import Refused
from proxy_addons.audit.store import At, Row
from proxy_addons.portal.api.streamed import AT_ONCE, streamed, while_held
from proxy_addons.portal.psd.exported import FORMS
from proxy_addons.standing.problems import StandingUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
    from pathlib import Path

NAMED = ("AU-2026-0001", datetime(2026, 11, 23, 12, tzinfo=UTC))


async def rows(
    number: int, *, breaks_at: int | None = None, every: float = 0
) -> AsyncGenerator[Row]:
    for place in range(number):
        if place == breaks_at:
            raise Refused("unavailable", "the engine")
        if every and not place % AT_ONCE:
            await asyncio.sleep(every)
        yield Row(At("s", place), {"id": str(place)})


async def always() -> bool:
    return True


@asynccontextmanager
async def sent(
    given: Callable[[], AsyncGenerator[Row]],
    may_go_on: Callable[[], Awaitable[bool]] = always,
    form: str = "jsonl",
) -> AsyncIterator[Any]:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await streamed(
            request, FORMS[form], while_held(given(), may_go_on), named=NAMED, headers={"X": "y"}
        )

    app = web.Application()
    app.router.add_get("/", handler)
    async with TestServer(app) as server, ClientSession() as session:
        yield session.get(server.make_url("/"))


@pytest.mark.parametrize("number", [0, 1, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
async def test_all_rows_and_no_more(number: int, form: str) -> None:
    async with sent(lambda: rows(number), form=form) as asking, asking as answer:
        body = await answer.text()
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert (answer.headers["X"], answer.status) == ("y", 200)
    assert answer.headers["Content-Disposition"].endswith(f'au-2026-0001-20261123T120000Z.{form}"')
    assert len(body.splitlines()) == number + (form == "csv")
    if form == "csv":
        assert body.startswith("\ufeffsegment,line,masked,")


@pytest.mark.parametrize("breaks_at", [1, AT_ONCE, 2 * AT_ONCE + 1])
async def test_what_breaks_in_the_middle_has_no_end(breaks_at: int) -> None:
    async with sent(lambda: rows(3 * AT_ONCE, breaks_at=breaks_at)) as asking:
        with pytest.raises((ClientPayloadError, ConnectionError)):
            async with asking as answer:
                await answer.read()


async def test_what_is_refused_at_once_was_never_sent() -> None:
    async with sent(lambda: rows(3, breaks_at=0)) as asking, asking as answer:
        assert answer.status == 500  # aiohttp's own: here nobody else has caught it


@pytest.mark.parametrize("how", ["ended", "unknown"])
async def test_it_is_over_within_two_seconds_of_the_right(how: str) -> None:
    ended = time.monotonic() + 0.2

    async def may_go_on() -> bool:
        if time.monotonic() < ended:
            return True
        if how == "unknown":
            raise StandingUnavailableError("down")
        return False

    async with sent(lambda: rows(10**9, every=0.01), may_go_on) as asking:
        with pytest.raises((ClientPayloadError, ConnectionError)):
            async with asking as answer:
                await answer.read()
    assert time.monotonic() - ended < 2


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
async def test_the_door_is_asked_again_in_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """The whole way: a token that is revoked while its export runs."""
    async with served_api(tmp_path) as api:
        text, token = await api.token()
        plain = DeskClient.stream

        async def slow(*given: Any) -> AsyncGenerator[Any]:
            async for row in plain(*given):
                if row.values["seq"] == 1:
                    await asyncio.to_thread(api.tokens.revoke, "paul", token.reference)
                yield row

        monkeypatch.setattr(DeskClient, "stream", slow)
        address = f"/export?authorisation={api.reference}&form={form}"
        if form == "parquet":  # nothing of it was sent yet
            assert (await api.get(address, text)).status == 401
        else:
            with pytest.raises((ClientPayloadError, ConnectionError)):
                await api.get(address, text)
        # It was recorded before anything was given; the next one is not let in at all.
        (look,) = await api.looks()
        assert (look["event"], look["outcome"]["rows"]) == ("export", JANE)
        assert (await api.get(address, text)).status == 401

"""Live observation over real HTTP: within two seconds, of the right person, and to its end."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from support import authority, segments
from support.console import console
from support.portal import NOON

from proxy_addons.accesslog.seal.logs import trail_of
from proxy_addons.audit.desk import observing
from proxy_addons.audit.trailreader import TrailFilter, TrailReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohttp import ClientResponse
    from support.console import Console

HOUR = NOON.strftime("%Y%m%dT%H")


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Console]:
    async with console(tmp_path) as made:
        yield made


def may_observe(at: Console, **changes: Any) -> str:
    times = {"begins": NOON, "ends": NOON + timedelta(days=60), "valid_from": NOON}
    wanted = authority.live(
        **times | {"valid_until": NOON + timedelta(days=7), "investigators": frozenset()} | changes
    )
    made = at.authorised(wanted, by="dcc", office="deputy-chief-constable")
    return made.reference


def happens(at: Console, number: int, **more: Any) -> None:
    """One more record in the segment that is being written."""
    folder = at.settings.paths.access_log_dir
    start = NOON + timedelta(seconds=number)
    path = folder / f"access-w02-{HOUR}Z-0001.jsonl"
    if not path.exists():
        segments.write(folder, HOUR, [], worker=2, mode=0o640)
    record = segments.record(number, 2, start, **{"person": "jane", "host": "news.test"} | more)
    with path.open("ab") as file:
        file.write(orjson.dumps(record) + b"\n")


async def events(answer: ClientResponse) -> AsyncIterator[tuple[str, str]]:
    name = ""
    async for line in answer.content:
        text = line.decode().rstrip("\n")
        if text.startswith("event: "):
            name = text.removeprefix("event: ")
        elif text.startswith("data: "):
            yield name, text.removeprefix("data: ")


async def test_rows_come_within_two_seconds_and_only_hers(at: Console) -> None:
    reference = may_observe(at)
    happens(at, 1)
    paul = await at.house.visitor("paul")
    page = await paul.get(f"/psd/live/{reference}")
    assert page.status == 200
    assert "You observe under" in page.words
    async with paul._session.get(f"{paul.base}/psd/live/{reference}/stream") as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        stream = events(answer)
        assert await anext(stream) == ("left", "7 d 0 h 0 min")
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await asyncio.to_thread(happens, at, 2, person="john", host="secret.test")
        await asyncio.to_thread(happens, at, 3, url="https://news.test/<b>three</b>")
        await asyncio.to_thread(happens, at, 4, categories=["health"], host="clinic.test")
        rows = []
        async for name, data in stream:
            if name == "row":
                rows.append(json.loads(data))
            if len(rows) == 2:
                break
        assert loop.time() - begun < 10, "a bound for a busy machine: the figure is EVERY and 0.5 s"
        assert rows[0][2] == "https://news.test/<b>three</b>"
        assert "masked" in rows[1][2]
        at.clock.go_on(days=8)
        last = [event async for event in stream][-1]
    assert last[0] == "end"
    assert "ended on" in last[1]
    log = trail_of(at.settings)
    told = TrailReader(log.segments, log.sealed).page(TrailFilter(authorisation=reference)).records
    outcomes = [each.record["outcome"] for each in told if each.record["event"] == "look"]
    assert {"live": "began"} in outcomes
    assert {"live": "ended", "rows": 2} in outcomes


async def test_a_page_that_is_left_ends_it(at: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing, "LEFT_AFTER", 0.5)
    reference = may_observe(at)
    paul = await at.house.visitor("paul")
    async with paul._session.get(f"{paul.base}/psd/live/{reference}/stream") as answer:
        await anext(events(answer))
    log = trail_of(at.settings)
    reader = TrailReader(log.segments, log.sealed)
    for _ in range(200):
        outcomes = [
            each.record["outcome"] for each in reader.page(TrailFilter(event="look")).records
        ]
        if {"live": "ended", "rows": 0} in outcomes:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(outcomes)


@pytest.mark.parametrize("who", ["petra", "jane", "audrey"])
async def test_nobody_else(at: Console, who: str) -> None:
    reference = may_observe(at)
    visitor = await at.house.visitor(who)
    status = 404 if who == "petra" else 403
    assert (await visitor.get(f"/psd/live/{reference}")).status == status
    assert (await visitor.get(f"/psd/live/{reference}/stream")).status == 403


async def test_an_authorisation_for_the_past_is_none_for_this_and_the_other_way_round(
    at: Console,
) -> None:
    past, live = at.authorised().reference, may_observe(at)
    paul = await at.house.visitor("paul")
    assert (await paul.get(f"/psd/live/{past}/stream")).status == 403
    assert (await paul.get(f"/psd/live/{past}")).status == 404
    assert (await paul.get(f"/psd/search?au={live}")).status == 403
    listed = await paul.get("/psd/live")
    assert live in listed.text
    assert past not in listed.text


async def test_a_damaged_trail_keeps_no_step_and_no_end_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observing, "LEFT_AFTER", 0.5)
    damaged = {"schema": 1, "event": "step", "id": "x", "worker": 1, "seq": 1,
               "start": "2026-11-22T10:00:00.000000Z", "outcome": "none"}  # fmt: skip
    segments.write(tmp_path / "data/log/trail", "20261122T10", [damaged])
    async with console(tmp_path) as at:
        reference = may_observe(at)
        paul = await at.house.visitor("paul")
        async with paul._session.get(f"{paul.base}/psd/live/{reference}/stream") as answer:
            await anext(events(answer))
        log = trail_of(at.settings)
        reader = TrailReader(log.segments, log.sealed)
        wanted = TrailFilter(authorisation=reference)
        for _ in range(200):
            told = [each.record for each in reader.page(wanted).records]
            steps = [each["outcome"]["step"] for each in told if each["event"] == "step"]
            ended = {"live": "ended", "rows": 0} in [each["outcome"] for each in told]
            if ended and len(steps) == 2:
                break
            await asyncio.sleep(0.05)
        assert (steps, ended) == (["approval", "application"], True)

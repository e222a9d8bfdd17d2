"""HTTPS to a real server that refuses, hangs, cuts and forgets."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import pytest
from aiohttp import web
from support.certificates import WebAuthority, tls_with
from support.feeding import Log, delivery, until_idle

from proxy_addons.settings.feeds import Feed, FeedTls

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Receiver:
    """A server in a thread.

    Attributes:
        plan: what it does with the next requests: a status, `hang`, `cut` (takes the batch, answers
            nothing), `cut-early`; after that it takes everything.
        batches: idempotency key → documents, of what it took.
        heads: of all requests.
    """

    def __init__(self, leaf: Path) -> None:
        self.plan: list[int | str] = []
        self.batches: dict[str, list[dict[str, Any]]] = {}
        self.heads: list[dict[str, str]] = []
        self.repeats = 0
        self._leaf = leaf
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._stop = asyncio.Event()
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        app = web.Application(client_max_size=1 << 24)
        app.router.add_post("/ingest", self._take)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls_with(self._leaf))
        await site.start()
        self.port = runner.addresses[0][1]
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _take(self, request: web.Request) -> web.StreamResponse:
        self.heads.append(dict(request.headers))
        deed = self.plan.pop(0) if self.plan else 200
        if deed == "cut-early":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        text = await request.text()
        if deed == "hang":
            await asyncio.wait([asyncio.ensure_future(self._stop.wait())], timeout=5)
            return web.Response()
        if isinstance(deed, int) and deed != 200:
            return web.Response(
                status=deed, text="no: secret-token", headers={"Location": "/elsewhere"}
            )
        key = request.headers["Idempotency-Key"]
        array = request.content_type == "application/json"
        found = json.loads(text) if array else [json.loads(each) for each in text.splitlines()]
        if key in self.batches:
            self.repeats += 1
            assert self.batches[key] == found
        self.batches[key] = found
        if deed == "cut":
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=204)

    def numbers(self) -> list[int]:
        """Of all records that it took, a batch that came twice counted once."""
        return sorted(
            each["event"]["sequence"] for batch in self.batches.values() for each in batch
        )


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> WebAuthority:
    return WebAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def receiver(authority: WebAuthority) -> Iterator[Receiver]:
    with Receiver(authority.leaf("127.0.0.1")) as running:
        yield running


@pytest.fixture
def feed(receiver: Receiver, authority: WebAuthority) -> Feed:
    return Feed(
        "siem", "https", "ecs", url=f"https://127.0.0.1:{receiver.port}/ingest", records=20,
        tls=FeedTls(ca_file=authority.file), timeout=0.4, beginning="beginning",
        token="secret-token",
    )  # fmt: skip


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "data")


@pytest.mark.parametrize(
    "plan",
    [
        [],
        [503, 500, 429, 408],
        ["cut", "cut", "cut-early"],
        ["hang", 200, "cut"],
    ],
)
def test_each_record_is_taken_once_by_a_receiver_that_remembers_batches(
    plan: list[int | str], receiver: Receiver, feed: Feed, log: Log
):
    receiver.plan = list(plan)
    log.write(90)
    made = delivery(feed, log)
    until_idle(made)
    made.close()
    assert receiver.numbers() == list(range(1, 91))
    assert receiver.repeats == plan.count("cut")
    assert len({head["Idempotency-Key"] for head in receiver.heads}) == 5


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 302])
def test_what_will_never_be_taken_stops_the_feed_and_skips_nothing(
    status: int, receiver: Receiver, feed: Feed, log: Log
):
    receiver.plan = [200, status]
    log.write(60)
    made = delivery(feed, log)
    for _ in range(6):
        made.step()
    assert f"answered {status}" in made.progress.stopped
    assert "secret-token" not in made.progress.stopped
    assert len(receiver.heads) == 2
    made.close()
    again = delivery(feed, log)  # somebody mended it, and reloaded
    until_idle(again)
    again.close()
    assert receiver.numbers() == list(range(1, 61))
    assert receiver.heads[2]["Idempotency-Key"] == receiver.heads[1]["Idempotency-Key"]
    assert receiver.heads[2]["Watchhouse-Repeated"] == "1"


def test_the_head_says_whose_batch_it_is(receiver: Receiver, feed: Feed, log: Log):
    log.write(3, worker=1)
    log.write(2, worker=2)
    made = delivery(replace(feed, body="array"), log)
    until_idle(made)
    made.close()
    (head,) = receiver.heads
    assert head["Authorization"] == "Bearer secret-token"
    assert head["Watchhouse-Records"] == "w1:1-3 w2:1-2"
    assert "Watchhouse-Repeated" not in head
    assert head["Content-Type"] == "application/json"


def test_a_busy_receiver_is_given_the_time_that_it_asks_for(
    receiver: Receiver, feed: Feed, log: Log
):
    log.write(1)
    receiver.plan = [503] * 12
    made = delivery(feed, log)
    pauses = [made.step() for _ in range(9)]
    made.close()
    assert pauses == sorted(pauses)
    assert pauses[0] == pytest.approx(0.375)
    assert pauses[-1] == pytest.approx(45)


def test_a_receiver_that_nobody_vouches_for_gets_nothing(
    receiver: Receiver, feed: Feed, log: Log, tmp_path: Path
):
    other = WebAuthority(tmp_path, "Somebody Else")
    log.write(1)
    for tls in (FeedTls(ca_file=other.file), replace(feed.tls, name="another.test")):
        made = delivery(replace(feed, tls=tls), log)
        made.step()
        assert "is not trusted" in made.progress.problem
        made.close()
    assert receiver.heads == []

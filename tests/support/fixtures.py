"""Fixtures that several rooms' tests share; a room's conftest.py imports what it needs.

In: nothing. Out: a clock, certificates, an index, stages.
Must never: be imported by what is tested.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from blockbuster import blockbuster_ctx

from support.certificates import WebAuthority
from support.gateway import merge
from support.http2 import Http2
from support.stage import Stage, make_index

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path


class Clock:
    """A monotonic clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def web_authority(tmp_path_factory: pytest.TempPathFactory) -> WebAuthority:
    return WebAuthority(tmp_path_factory.mktemp("web-ca"))


@pytest.fixture(scope="session")
def small_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_index(tmp_path_factory.mktemp("index"))


@pytest.fixture(autouse=True)
def nothing_blocks() -> Iterator[None]:
    """No part of the gateway may hold up the event loop."""
    with blockbuster_ctx("proxy_addons.engine"):
        yield


@pytest.fixture
def lane() -> str:
    """Which lane requests take: `relay`, or `generic`. Modules that try both say so."""
    return "relay"


@pytest.fixture
async def stage_with(
    tmp_path: Path,
    small_index: Path,
    web_authority: WebAuthority,
    lane: str,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Callable[..., Any]]:
    """Sets stages up; what a test leaves standing ends with it."""
    # The system's store, of 140 roots that no test needs, takes 20 ms to read each time.
    monkeypatch.setenv("SSL_CERT_FILE", str(web_authority.file))
    stages: list[Stage] = []

    async def begin(settings: dict[str, Any] | None = None, **more: Any) -> Stage:
        folder = tmp_path / f"stage-{len(stages)}"
        index = more.pop("index", small_index)
        settings = merge({"network": {"relay_lane": lane == "relay"}}, settings or {})
        stage = await asyncio.to_thread(Stage, folder, index, web_authority, settings, **more)
        stages.append(stage)
        return await stage.__aenter__()

    yield begin
    for stage in stages:
        if stage._listener.is_serving():
            await stage.end()


@pytest.fixture
async def stage(stage_with: Callable[..., Any]) -> Stage:
    """The default policy and settings."""
    made: Stage = await stage_with()
    return made


@pytest.fixture
async def connect(stage: Stage) -> AsyncIterator[Callable[..., Any]]:
    """Begins connections over HTTP/2, inside tunnels."""
    sides: list[Http2] = []

    async def begin(host: str = "allowed.test", **more: Any) -> Http2:
        client = await stage.tunnel(host, alpn=("h2",), **more)
        assert client.certificate.selected_alpn_protocol() == "h2"
        sides.append(Http2(client.reader, client.writer, client=True))
        return sides[-1]

    yield begin
    for side in sides:
        await side.close()

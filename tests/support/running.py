"""Fixtures of tests that run real gateways; a room's conftest.py imports what it needs.

In: nothing. Out: the small web, a compiled index, gateways. Must never: leave a process behind.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from proxy_addons.categorisation import SourceFolders, ensure_index
from support.certificates import WebAuthority
from support.disk import small
from support.gateway import ROOT, Gateway
from support.names import NameServer
from support.scene import through, working_time
from support.web import Web

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any


@pytest.fixture(scope="session")
def web_authority(tmp_path_factory: pytest.TempPathFactory) -> WebAuthority:
    return WebAuthority(tmp_path_factory.mktemp("web-ca"))


@pytest.fixture(scope="session")
def shared_web(web_authority: WebAuthority) -> Iterator[Web]:
    with Web(web_authority) as web:
        yield web


@pytest.fixture
def web(shared_web: Web) -> Web:
    shared_web.seen.clear()
    shared_web.asked.clear()
    return shared_web


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter lists, compiled once for all gateways."""
    data = tmp_path_factory.mktemp("index")
    ensure_index(SourceFolders(ROOT / "categories", data / "lists"), data / "categories.index")
    return data / "categories.index"


IDENTITY = {
    "addresses": [
        {"network": "127.0.0.1/32", "person": "pc1234", "profile": "standard"},
        {"network": "127.0.0.2/32", "person": "dc5678", "profile": "unrestricted"},
        {"network": "127.0.0.3/32", "person": "ps9999", "profile": "withdrawn"},
    ]
}
EXEMPT = ("dc5678",)


@pytest.fixture(scope="session")
def standard(
    shared_web: Web, index: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """The default policy at 10:30 on a working Tuesday; 127.0.0.2 is unrestricted."""
    settings = through(shared_web, identity=IDENTITY)
    folder = tmp_path_factory.mktemp("standard")
    with Gateway(
        folder, settings, index=index, at=working_time("10:30:00"), exempt=EXEMPT
    ) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def with_http2(
    shared_web: Web, index: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """The same, offering HTTP/2 to browsers."""
    settings = through(shared_web, identity=IDENTITY)
    settings["tls"]["http2"] = True
    folder = tmp_path_factory.mktemp("with-http2")
    with Gateway(
        folder, settings, index=index, at=working_time("10:30:00"), exempt=EXEMPT
    ) as gateway:
        yield gateway


@pytest.fixture(params=["--http1.1", "--http2"])
def version(request: pytest.FixtureRequest) -> str:
    """The version of HTTP that curl is to speak."""
    chosen: str = request.param
    return chosen


@pytest.fixture
def speaking(version: str, request: pytest.FixtureRequest) -> Gateway:
    """A gateway that speaks this version."""
    name = "with_http2" if version == "--http2" else "standard"
    gateway: Gateway = request.getfixturevalue(name)
    return gateway


@pytest.fixture
def start(tmp_path: Path, index: Path, closing: ExitStack) -> Callable[..., Gateway]:
    """Starts gateways that end with the test; with `run=False` only prepares one to be started."""
    number = 0

    def begin(settings: dict[str, Any], *, run: bool = True, **more: Any) -> Gateway:
        nonlocal number
        number += 1
        more.setdefault("index", index)
        gateway = Gateway(tmp_path / f"gateway-{number}", settings, **more)
        if run:
            gateway.start()
        closing.callback(gateway.stop)
        return gateway

    return begin


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def name_server(closing: ExitStack) -> Callable[[dict[str, list[str]]], str]:
    """Starts name servers on loopback addresses of their own; gives the address to configure."""

    def begin(names: dict[str, list[str]]) -> str:
        return closing.enter_context(NameServer(names)).address

    return begin


@pytest.fixture
def small_disk(tmp_path: Path, closing: ExitStack) -> Path:
    """A file system of 3 MB (root)."""
    return closing.enter_context(small(tmp_path / "disk"))

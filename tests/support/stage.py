"""The gateway's engine in the test's own process: real gate, log, addons, layers, TLS and driver.

In: changes to the default configuration; where each host really is. Out: a listening worker on
loopback, and its records once it has ended. Must never: stand in for what is tested; only the way
from a host to a socket is replaced (tests/engine/test_connector.py tests the real one).
"""

from __future__ import annotations

import asyncio
import gc
import json
import shutil
import socket
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import pytest

from proxy_addons.categorisation import CategoryIndex, SourceFolders, compile_index, read_sources
from proxy_addons.engine.authority import now_utc
from proxy_addons.engine.driver import ConnectFailed, ConnectRefused
from proxy_addons.engine.listening import ensure_leaf
from proxy_addons.engine.worker import Worker
from proxy_addons.gate.gate import basis_of
from proxy_addons.settings.load import load
from proxy_addons.settings.model import Endpoint
from proxy_addons.standing import LiveExemption, Snapshot
from support.client import Client
from support.ending import end
from support.gateway import ROOT, merge
from support.waiting import until
from support.written import default_settings, write

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from proxy_addons.accesslog import AccessLog
    from proxy_addons.engine.driver import Driver
    from proxy_addons.engine.egress import WayOut
    from proxy_addons.settings.model import Settings
    from support.certificates import WebAuthority

    type Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

LISTS = {
    "webmail": "blocked.test\nhotmail.com\n",
    "banking": "bank.test\nbarclays.co.uk\n",
    "government": "allowed.test\ngov.uk\n",
    "self-help": "samaritans.org\n",
    "shopping": "shop.test\n",
    "social-networks": "social.test\n",
    "ai-assistants": "assistant.test\n",
    "malware": "malware.test\n",
}
PEOPLE = {
    "addresses": [
        {"network": "127.0.0.1/32", "person": "pc1234", "profile": "standard"},
        {"network": "127.0.0.2/32", "person": "dc5678", "profile": "unrestricted"},
        {"network": "127.0.0.3/32", "person": "ps9999", "profile": "withdrawn"},
        {"network": "::1", "person": "six", "profile": "standard"},
    ]
}


_FILES = {"watchhouse.yaml", "policy.yaml"}
_LOADED: dict[tuple[str, str], Settings] = {}
"""By the texts of both files: to load them takes as long as all else that a stage needs. None that
name a test's own folder, but in `paths`."""


def make_index(folder: Path) -> Path:
    """A small index: blocked.test is webmail, bank.test banking, allowed.test government."""
    for category, names in LISTS.items():
        file = folder / "starter" / category / "domains"
        file.parent.mkdir(parents=True)
        file.write_text(names)
    target = folder / "categories.index"
    compile_index(read_sources(SourceFolders(folder, folder / "lists")), target)
    return target


def make_settings(
    folder: Path, changes: Mapping[str, Any] | None = None, policy: str | None = None
) -> Settings:
    """The default configuration with the tests' people, and some changes."""
    config = folder / "config"
    config.mkdir(parents=True, exist_ok=True)
    base = merge(default_settings(), {"listen": {"proxy": "127.0.0.1:0", "portal": "127.0.0.1:0"}})
    base["identity"] = PEOPLE
    # Nothing outside this machine is asked; tests/engine/test_lookups.py has its own name server.
    base["network"]["look_up_refused"] = False
    main = write(merge(base, changes or {}))
    policy = policy or (ROOT / "config/policy.yaml").read_text()
    (config / "watchhouse.yaml").write_text(main)
    (config / "policy.yaml").write_text(policy)
    if "pack: " in policy:
        shutil.copytree(ROOT / "config/packs", config / "packs", dirs_exist_ok=True)
    data = folder / "data"
    known = _LOADED.get((main, policy))
    if known is not None and {each.name for each in config.iterdir()} == _FILES:
        paths = replace(known.paths, config_dir=config.absolute(), data_dir=data.absolute())
        return replace(known, paths=paths)
    settings = load(config, overrides={"data_dir": str(data)}, environ={})
    if str(folder) not in repr(replace(settings, paths=known)):
        _LOADED[main, policy] = settings
    return settings


class Stood:
    """What stands, in place of the store and its watch (tests/standing has the real ones).

    Attributes:
        snapshot: none, or what the test says; by default dc5678 may have everything.
    """

    def __init__(self) -> None:
        self.snapshot: Snapshot | None = snapshot_of(everything=("dc5678",))
        self.old = 0.0
        self.used: list[str] = []

    def age(self) -> float:
        return self.old

    def note_use(self, reference: str) -> None:
        self.used.append(reference)


def snapshot_of(
    *,
    everything: Sequence[str] = (),
    categories: Mapping[str, Collection[str]] | None = None,
    withdrawn: Sequence[str] = (),
    begins: datetime = datetime(2020, 1, 1, tzinfo=UTC),
    ends: datetime = datetime(2100, 1, 1, tzinfo=UTC),
) -> Snapshot:
    """A snapshot in which these people have live exemptions, or no access."""
    given = {name: frozenset(named) for name, named in (categories or {}).items()}
    people = {*everything, *given}
    return Snapshot(
        1,
        dict.fromkeys(withdrawn, "WD-2026-0001"),
        {
            name: (
                LiveExemption(
                    f"EX-{name}",
                    name,
                    name in everything,
                    given.get(name, frozenset()),
                    begins,
                    ends,
                ),
            )
            for name in people
        },
    )


class Roads:
    """The way from a host to a socket, in place of name resolution.

    Attributes:
        places: port on 127.0.0.1 by host; a `ConnectRefused` is given as the failure; None never
            ends; an event fails when it is set.
        taken: host and port of every connection asked for.
        ways: the way out that each of them was to take.
    """

    def __init__(self) -> None:
        self.places: dict[str, int | ConnectRefused | asyncio.Event | None] = {}
        self.taken: list[tuple[str, int]] = []
        self.ways: list[WayOut | None] = []

    async def connect(self, host: str, port: int, way_out: WayOut | None = None) -> socket.socket:
        """What Connector.connect does."""
        self.taken.append((host, port))
        self.ways.append(way_out)
        place = self.places.get(host, ConnectRefused(f"{host} is nowhere", "upstream-name"))
        if isinstance(place, asyncio.Event):
            await place.wait()
            place = ConnectRefused("too late", "upstream-failed")
        if isinstance(place, ConnectRefused):
            raise ConnectFailed(place)
        if place is None:
            await asyncio.get_running_loop().create_future()
        sock = socket.socket()
        sock.setblocking(False)  # noqa: FBT003 - as the socket module has it
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", place))
        except BaseException:
            sock.close()
            raise
        return sock


class Stage:
    """One worker in this process, with an origin for every host that a test names.

    Args:
        folder: for configuration, authority and log.
        index: a compiled index (`make_index`), or None for a gateway without one.
        web: signs the origins' certificates.
        settings: changes to the default configuration.
        policy: instead of the default policy.yaml.
    """

    def __init__(
        self,
        folder: Path,
        index: Path | None,
        web: WebAuthority,
        settings: Mapping[str, Any] | None = None,
        policy: str | None = None,
    ) -> None:
        self.web = web
        changes = merge(
            # The client says which protocol it wants.
            {"tls": {"trusted_ca_file": str(web.file), "http2": True}},
            settings or {},
        )
        self.settings = make_settings(folder, changes, policy)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]
        wants_tls = bool(self.settings.listen.proxy_tls)
        self._secure = [socket.create_server(("127.0.0.1", 0))] if wants_tls else []
        try:
            ensure_leaf(self.settings, now_utc())
            self.worker = Worker(self.settings, 1, [self.socket], self._secure)
        except BaseException:
            for each in (self.socket, *self._secure):
                each.close()
            raise
        self.gate = self.worker.gate
        self.log: AccessLog = self.worker.log
        self.roads = Roads()
        self.standing = Stood()
        self.gate.people.standing = self.standing
        if index is not None:
            self.gate.basis = basis_of(
                self.settings,
                CategoryIndex.open(index),
                [Endpoint(*self.socket.getsockname()[:2])],
            )
        self._servers: list[asyncio.Server] = []
        self._clients: list[Client] = []
        self._scripts: set[asyncio.Task[None]] = set()
        self.errors: list[dict[str, Any]] = []

    def streams_bodies(self) -> None:
        """What is sent goes on as it comes, as it does where no rule looks at it.

        The default policy looks at all of it, and in the clear that cannot be changed.
        """
        self.gate._hold = lambda *_: None  # type: ignore[method-assign]

    @property
    def secure_port(self) -> int:
        """Of the listener with TLS, where the settings ask for one."""
        port: int = self._secure[0].getsockname()[1]
        return port

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self.errors.append(context))
        self.worker._connector = self.roads  # type: ignore[assignment]
        await asyncio.to_thread(self.log.start)
        self.socket.setblocking(False)  # noqa: FBT003 - as the socket module has it
        self._listener = self.worker.listen(self.socket)
        for each in self._secure:
            each.setblocking(False)  # noqa: FBT003 - as the socket module has it
        self._secure_listeners = [self.worker.listen(each, secure=True) for each in self._secure]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()

    async def end(self) -> list[dict[str, Any]]:
        """End everything, and give all closing records. Nothing may be left over."""
        for client in self._clients:
            client.close()
        try:
            await self.quiet()
        finally:  # also where it does not come to rest: the next test is not to find any of it
            await self._close()
        assert not self.errors, self.errors
        return self.records()

    async def _close(self) -> None:
        for listener in (self._listener, *self._secure_listeners):
            listener.close()
        for each in (self.socket, *self._secure):
            each.close()
        for server in self._servers:
            end(server)
        for task in self._scripts:
            task.cancel()
        await asyncio.gather(*self._scripts, return_exceptions=True)
        await asyncio.to_thread(self.log.close)
        await self.worker.examining.close()
        await self.worker.knowing.close()
        for driver in self.drivers:  # only where it did not come to rest
            driver.abort("the test has ended")

    @property
    def drivers(self) -> list[Driver]:
        """The connections that the worker drives now."""
        return list(self.worker._drivers)

    async def quiet(self) -> None:
        """Wait until the worker has no connection left; say what the last ones wait for."""
        try:
            await until(lambda: not self.worker._drivers)
        except TimeoutError:
            pytest.fail("\n".join(["connections that do not end:", *map(_waits, self.drivers)]))

    def records(self) -> list[dict[str, Any]]:
        """The closing records on the disk; all of them once the stage has ended."""
        everything = [
            json.loads(line)
            for file in sorted(self.settings.paths.access_log_dir.glob("*.jsonl"))
            for line in file.read_bytes().split(b"\n")[:-1]
        ]
        return [record for record in everything if record["event"] == "transaction"]

    async def logged(self, count: int) -> list[dict[str, Any]]:
        """The first closing records, waited for."""
        await until(lambda: self.log.written >= count)
        return await asyncio.to_thread(self.records)

    async def client(self, address: str = "127.0.0.1") -> Client:
        """A client that has connected."""
        client = await Client.connect(self.port, address)
        self._clients.append(client)
        return client

    async def secure_client(self, address: str = "127.0.0.1", **tls: Any) -> Client:
        """A client that has connected and speaks TLS with the gateway; `tls` as for start_tls."""
        client = await Client.connect(self.secure_port, address)
        self._clients.append(client)
        await client.start_tls(tls.pop("sni", "127.0.0.1"), self.authority, **tls)
        return client

    async def tunnel(self, host: str, **tls: Any) -> Client:
        """A client inside TLS to a host; `tls` as for Client.start_tls."""
        client = await self.client()
        answer = await client.connect_to(f"{host}:443")
        assert answer.status == 200, answer
        await client.start_tls(tls.pop("sni", host), self.authority, **tls)
        return client

    @property
    def authority(self) -> Path:
        """The inspection authority's certificate."""
        return self.settings.paths.ca_dir / "ca.pem"

    async def origin(self, *hosts: str, script: Script, tls: ssl.SSLContext | None = None) -> int:
        """A server of the test's own for some hosts; gives its port on 127.0.0.1."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._scripts.add(task)
            try:
                # Python 3.12 would report the cancelled task of a server as an error.
                with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                    await script(reader, writer)
            finally:
                self._scripts.discard(task)
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
        self._servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        for host in hosts:
            self.roads.places[host] = port
        return port

    async def secure_origin(self, *hosts: str, script: Script) -> int:
        """The same, with TLS and a good certificate for whatever name is asked for."""
        return await self.origin(*hosts, script=script, tls=self.web.server_context())


def _waits(driver: Driver) -> str:
    """What a connection is at: its transports, and where the tasks are that it waits for."""
    said = [
        repr(driver.client),
        repr(driver._layer),
        repr((driver._pressure._full, driver._pressure._held)),
    ]
    said += [repr(wire.transport) for wire in driver._wires.values()]
    for task in (*driver._asking.tasks, *driver._asking.aside, *driver._opening.values()):
        awaited: Any = task.get_coro()
        while awaited is not None:
            said.append(f"  in {awaited}")
            awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
    return "\n".join(said)


async def request_head(reader: asyncio.StreamReader) -> str:
    """What an origin's script reads first."""
    return (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")


def answering(body: bytes = b"hello", status: str = "200 OK", *fields: str) -> Script:
    """A script that answers every request on the connection alike."""
    head = "".join(f"{field}\r\n" for field in fields)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            asked = await request_head(reader)
            for line in asked.lower().split("\r\n"):
                if line.startswith("content-length:"):
                    await reader.readexactly(int(line.partition(":")[2]))
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode() + body
            )

    return script


def open_transports() -> int:
    """How many sockets the running loop watches, its own not counted."""
    gc.collect()
    loop = asyncio.get_running_loop()
    return len(loop._selector.get_map()) - 1  # type: ignore[attr-defined]

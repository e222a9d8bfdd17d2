"""One worker process: a gate, the addons, and listeners inherited from the supervisor.

In: command line (see `main`), inherited listening sockets. Out: a served port, an access log.
Must never: serve before its log is open; go on when its supervisor has gone.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import resource
import signal
import socket
import time
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mitmproxy.proxy import mode_specs
from mitmproxy.proxy.layers import modes

from proxy_addons.accesslog import AccessLog, AccessLogError
from proxy_addons.addons.parent import ParentCredentials, basic_login
from proxy_addons.addons.requests import Requests
from proxy_addons.addons.tunnels import Tunnels
from proxy_addons.addons.visitors import Visitors
from proxy_addons.addons.websockets import WebSockets
from proxy_addons.categorisation import CategoryIndex, CategoryIndexError
from proxy_addons.engine import memory, operations
from proxy_addons.engine.authority import AuthorityError, load_or_make, now_utc
from proxy_addons.engine.connector import Connector
from proxy_addons.engine.driver import Acceptor, Driver
from proxy_addons.engine.egress import ways_out
from proxy_addons.engine.examining import Examining
from proxy_addons.engine.failclosed import FailClosed
from proxy_addons.engine.hooks import HookTable
from proxy_addons.engine.knowing import Knowing
from proxy_addons.engine.layers import OWN_HOOKS
from proxy_addons.engine.listener import Caller, Entry, Listener
from proxy_addons.engine.lookups import Lookups
from proxy_addons.engine.memory import Shedding, limit_of
from proxy_addons.engine.options import options_of
from proxy_addons.engine.outcomes import where
from proxy_addons.engine.protocols import Protocols
from proxy_addons.engine.pseudonym import loops_of
from proxy_addons.engine.relay.desk import Desk
from proxy_addons.engine.reload.worker_side import obey
from proxy_addons.engine.resolver import Resolver
from proxy_addons.engine.tlscontexts import TlsContexts
from proxy_addons.engine.trust import TrustError
from proxy_addons.engine.tuning import tune
from proxy_addons.gate import metricfiles, metrics
from proxy_addons.gate.gate import Gate, basis_of
from proxy_addons.identity.directory import DirectorySettingsError
from proxy_addons.identity.keytab import KerberosError
from proxy_addons.identity.passwords import PasswordsError
from proxy_addons.rights.certificate import CertificateError, Shown
from proxy_addons.rights.confine import harden
from proxy_addons.settings.load import SettingsError, load
from proxy_addons.settings.model import Endpoint
from proxy_addons.standing import StandingError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

    from mitmproxy.connection import Client

    from proxy_addons.engine.egress import WayOut
    from proxy_addons.engine.knowing import Prepared
    from proxy_addons.settings.model import Settings

logger = logging.getLogger("watchhouse.worker")

EXIT_CONFIGURATION = 78  # EX_CONFIG of sysexits.h: restarting will not help
EXIT_MEMORY = 75  # EX_TEMPFAIL: a worker that begins anew has memory again
_CONFIGURATION = (
    SettingsError, AuthorityError, TrustError, AccessLogError, CertificateError, KerberosError,
    DirectorySettingsError, PasswordsError, StandingError,
)  # fmt: skip
_DRAIN = 5.0  # seconds that exchanges in progress are given at a stop
_HOUSEKEEPING = 1.0  # seconds between looks at index, log and metrics


class Worker:
    """Serves until it is told to stop.

    Args:
        settings: of this gateway.
        number: of this worker, from 1.
        sockets: listening sockets, inherited.
        secure: those where clients speak TLS with the gateway itself.
    """

    def __init__(
        self,
        settings: Settings,
        number: int,
        sockets: Sequence[socket.socket],
        secure: Sequence[socket.socket] = (),
    ) -> None:
        self.settings = settings
        self._number = number
        self._sockets = tuple(sockets)
        self._secure = tuple(secure)
        # Connections take what is shown when they begin.
        self._shown = Shown(*settings.listening_files) if secure else None
        self._own = tuple(Endpoint(*s.getsockname()[:2]) for s in (*sockets, *secure))
        self._drivers: set[Driver] = set()
        self._index_seen: tuple[int, int, int] | None = None
        self._stop = asyncio.Event()
        network = settings.network
        self.log = AccessLog(settings.paths.access_log_dir, number)
        basis = basis_of(settings, None, self._own)
        self.gate = Gate(basis, self.log, loops=loops_of(settings))
        self.knowing = Knowing(self.gate, settings)
        self.examining = Examining(self.gate, settings, number)
        self._contexts = TlsContexts(
            load_or_make(settings.paths.ca_dir, settings.page.organisation, now_utc()),
            settings.tls.trusted_ca_file,
            http2=settings.tls.http2,
            clock=time.monotonic,
            now=now_utc,
        )
        parent = network.upstream_proxy
        resolver = Resolver([server.host for server in network.dns_servers], time.monotonic)
        self._connector = Connector(
            resolver,
            self.gate.destination,
            network.connect_timeout,
            (parent.endpoint.host, parent.endpoint.port) if parent else None,
            self.gate.resolved.remember,
        )
        # A parent proxy resolves names itself, and may well find other addresses.
        self._lookups = (
            Lookups(resolver, self.gate.resolved)
            if network.look_up_refused and not parent
            else None
        )
        self._mode = mode_specs.ProxyMode.parse(
            f"upstream:{parent.scheme}://{_authority(parent.endpoint)}" if parent else "regular"
        )
        self._first_layer = modes.HttpUpstreamProxy if parent else modes.HttpProxy
        self._options = options_of(settings)
        self._ways_out = ways_out(network.egress)
        self._shedding = Shedding(limit_of(settings.limits.worker_memory, settings.listen.workers))
        self._visitors = visitors = Visitors(self.gate)
        addons: list[object] = [
            visitors,
            Tunnels(self.gate, visitors),
            Requests(self.gate, visitors),
            WebSockets(visitors),
        ]
        login = None
        if parent and parent.credentials:
            login = basic_login(parent.credentials)
            addons.append(ParentCredentials(login, visitors))
        desk = Desk(self.gate, visitors, login) if network.relay_lane else None
        addons.append(
            Protocols(self.gate, visitors, self._contexts, desk, parent=parent is not None)
        )
        self.hooks = HookTable(addons, FailClosed(self.gate, visitors), OWN_HOOKS)

    async def run(self, ready: int | None, lifeline: int | None, control: int | None = None) -> int:
        """Serve until SIGTERM, until the lifeline breaks, or until memory runs out.

        Returns:
            The exit status.

        Args:
            ready: file descriptor to which one byte is written once connections are taken.
            lifeline: file descriptor that ends when the supervisor does.
            control: socket over which the supervisor hands on other settings.
        """
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_said_in_one_line)
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        if lifeline is not None:
            loop.add_reader(lifeline, self._stop.set)
        await self.knowing.start(self.reconsider)
        await self._house_keeping()
        listeners = [
            *(self.listen(sock) for sock in self._sockets),
            *(self.listen(sock, secure=True) for sock in self._secure),
        ]
        keeper = loop.create_task(self._keep_house())
        told = None if control is None else loop.create_task(obey(control, self))
        if ready is not None:
            os.write(ready, b".")
            os.close(ready)
        # What has been made up to here lives as long as the process.
        gc.collect()
        gc.freeze()
        await self._stop.wait()
        if lifeline is not None:
            loop.remove_reader(lifeline)
        for listener in listeners:
            listener.close()
        for sock in (*self._sockets, *self._secure):
            sock.close()  # the supervisor keeps it: what arrives waits there for the next worker
        await self._drain()
        if self._lookups is not None:
            self._lookups.stop()
        if told is not None:
            told.cancel()
        keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper
        await self.examining.close()
        await self.knowing.close()
        await asyncio.to_thread(self._close_log)
        metrics.stop()
        return EXIT_MEMORY if self._shedding.over else 0

    def _close_log(self) -> None:
        """Close the log; what its disk does not take any more is put beside it."""
        report = self.log.close()
        if not report.unwritten:
            return
        rescue = (
            self.settings.paths.run_dir / f"unwritten-w{self._number:02}-{time.time_ns()}.jsonl"
        )
        try:
            descriptor = os.open(rescue, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
            with os.fdopen(descriptor, "wb") as file:
                file.writelines(line.rstrip(b"\n") + b"\n" for line in report.unwritten)
                file.flush()
                os.fsync(file.fileno())
        except OSError as problem:
            # These records are lost; the requests they are of have ended. Say so loudly.
            logger.critical(
                "%d records of the access log are lost: %s, and %s",
                len(report.unwritten), report.fault, problem.strerror,
            )  # fmt: skip
            return
        logger.critical(
            "%d records could not be written to the access log (%s); they are in %s",
            len(report.unwritten), report.fault, rescue,
        )  # fmt: skip

    # --- connections ----------------------------------------------------------------------

    def listen(self, sock: socket.socket, *, secure: bool = False) -> Listener:
        """Take connections from a listening socket.

        Args:
            sock: not blocking.
            secure: whether clients speak TLS with the gateway itself there.
        """
        entry = Entry(
            self._context if secure else None,
            lambda: self.settings.limits.handshake_timeout,
            self._is_balancer,
            self.gate.clients.hold,
        )
        return Listener(sock, self._accepted, self.gate.clients.admits, entry)

    def _context(self) -> ssl.SSLContext:
        assert self._shown is not None
        return self._shown.context

    def _accepted(self, caller: Caller) -> Acceptor:
        return Acceptor(
            self._make_driver, caller.address, secure=caller.secure, balancer=caller.balancer
        )

    def _is_balancer(self, address: str) -> bool:
        """Whether connections from an address must begin with a PROXY protocol header."""
        networks = self.settings.identity.load_balancers.proxy_protocol
        if not networks:
            return False
        client = ip_address(address)
        return any(client in network for network in networks)

    def _make_driver(self, acceptor: Acceptor) -> Driver:
        transport = acceptor.transport
        driver = Driver(
            peername=acceptor.peername,
            sockname=transport.get_extra_info("sockname"),
            hooks=self.hooks,
            options=self._options,
            mode=self._mode,
            connect=self._connector.connect,
            first_layer=self._first_layer,
            on_end=self._ended,
            secure=acceptor.secure,
            balancer=acceptor.balancer,
            way_out=self._way_out,
        )
        self._drivers.add(driver)
        metrics.connection_opened()
        return driver

    def _way_out(self, client: Client) -> WayOut | None:
        """The way out of whose request is in hand; None for the usual one."""
        if not self._ways_out:
            return None
        return self._ways_out.get(self._visitors[client].person.profile)

    def _ended(self, driver: Driver) -> None:
        self._drivers.discard(driver)
        metrics.connection_closed()

    async def _drain(self) -> None:
        """Let exchanges in progress end, for a while; then end them."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _DRAIN
        while self._drivers and loop.time() < until:
            for driver in [driver for driver in self._drivers if self._idle(driver)]:
                driver.shut()
            await asyncio.sleep(0.05)
        for driver in list(self._drivers):
            driver.abort("the gateway stopped")
        await asyncio.sleep(0)

    def _idle(self, driver: Driver) -> bool:
        """Whether nothing is in progress; a client that was never taken in has nothing."""
        return driver.client not in self._visitors or not self._visitors[driver.client].open

    # --- housekeeping ---------------------------------------------------------------------

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(_HOUSEKEEPING)
            try:
                await self._house_keeping()
            except Exception as problem:  # noqa: BLE001 - what is in force stays in force
                # No request is in hand. What is in force stays so; the next look may succeed.
                logger.error(
                    "housekeeping failed (%s at %s)", type(problem).__name__, where(problem)
                )

    async def _house_keeping(self) -> None:
        self.log.tick()
        self._sweep()
        self.examining.tend(time.monotonic())
        self._look_at_memory(await asyncio.to_thread(memory.used))
        await self._look_at_index()
        if self._shown is not None:
            await self._look_at_certificate(self._shown)
        index = self.gate.basis.index
        metrics.heartbeat(
            now=time.time(),
            index_built=index.built.timestamp() if index else None,
            log_healthy=self.log.healthy,
            log_lag=self.log.lag,
        )

    def _sweep(self) -> None:
        """End what keeps us waiting for too long."""
        now = time.monotonic()
        for driver in list(self._drivers):
            driver.sweep(now)
        self.gate.turned_away()
        self.reconsider()
        self.knowing.tend(self._visitors)

    def reconsider(self) -> None:
        """End what is open for people who might not open it any more.

        Called when exemptions or withdrawals have changed, and once a second for all else.
        """
        for driver in list(self._drivers):
            if driver.client not in self._visitors:
                continue
            try:
                why = self.gate.reconsider(self._visitors[driver.client])
            except Exception as problem:  # noqa: BLE001 - what is open ends
                # Whether it may stay open is not known: it ends.
                kind = type(problem).__name__
                logger.error("reconsidering failed (%s at %s)", kind, where(problem))
                why = f"undecided ({kind})"
            if why is not None:
                driver.abort(why)

    def _look_at_memory(self, used: int) -> None:
        """Shed load before the kernel ends the worker, and with it what is in progress."""
        shedding, mib = self._shedding, used // memory.MIB
        changed = shedding.look(used)
        metrics.memory(used, shedding=shedding.on)
        if shedding.should_give_back:
            asyncio.get_running_loop().run_in_executor(None, memory.give_back)
        if not changed:
            return
        if shedding.over:
            logger.critical(
                "%d MiB of memory used, the limit is %d: this worker ends, another will begin",
                mib, shedding.limit // memory.MIB,
            )  # fmt: skip
            self._stop.set()
        elif shedding.on:
            logger.error(
                "%d MiB of memory used, the limit is %d: new requests are refused",
                mib, shedding.limit // memory.MIB,
            )  # fmt: skip
        else:
            logger.info("%d MiB of memory used: new requests are taken again", mib)
        self.gate.overloaded = shedding.why() if shedding.on else None

    async def _look_at_index(self) -> None:
        """Take a new index into use when the file has been replaced."""
        path = self.settings.paths.index_file
        try:
            found = await asyncio.to_thread(path.stat)
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)
        except OSError:
            # No index file: the one in use stays mapped; without one everything is refused.
            if self.gate.basis.index is None and self._index_seen is None:
                self._index_seen = (0, 0, 0)
                logger.error("%s: no category index; all is refused", path)
            return
        if seen == self._index_seen:
            return
        self._index_seen = seen
        try:
            index = await asyncio.to_thread(CategoryIndex.open, path)
        except CategoryIndexError as problem:
            # The last good index stays in use; without one everything is refused.
            logger.error("%s", problem)
            return
        self.gate.basis = basis_of(self.settings, index, self._own)

    @staticmethod
    async def _look_at_certificate(shown: Shown) -> None:
        """Show a new certificate when the files have been replaced."""
        try:
            if await asyncio.to_thread(shown.refresh):
                logger.info("a new certificate is shown, good until %s", shown.pair.ends.date())
        except CertificateError as problem:
            # Clients are shown the last good one.
            logger.error("the last good certificate is still shown: %s", problem)

    # --- other settings -------------------------------------------------------------------

    def prepare(self, files: Path | None = None) -> Prepared:
        """Read other settings, and make all that can fail of them; nothing changes yet.

        Blocks: not in the event loop.

        Args:
            files: the copy that they are read from; None: the configuration folder.

        Raises:
            SettingsError, KerberosError, DirectorySettingsError, PasswordsError, StandingError:
                they are not usable. The last good ones stay in force.
        """
        folder = self.settings.paths.config_dir
        overrides = operations.overrides()
        settings = load(folder, overrides=overrides, environ=os.environ, files=files)
        return self.knowing.prepare(settings)

    def take(self, prepared: Prepared) -> None:
        """Go by other settings from now on, between two requests."""
        settings = prepared.settings
        if self._secure and settings.listening_files != self.settings.listening_files:
            try:
                self._shown = Shown(*settings.listening_files)
            except CertificateError as problem:
                # Clients are shown the last good one.
                logger.error("the last good certificate is still shown: %s", problem)
        self.knowing.take(prepared)
        self.examining.renew(settings)
        self.settings = settings
        self._options = options_of(settings)  # of connections from now on
        self._ways_out = ways_out(settings.network.egress)
        self._shedding.limit = limit_of(settings.limits.worker_memory, settings.listen.workers)
        self.gate.basis = basis_of(settings, self.gate.basis.index, self._own)
        logger.info("policy version %s is in force", settings.policy_version)


def _authority(endpoint: Endpoint) -> str:
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return f"{host}:{endpoint.port}"


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of a worker process, started by the supervisor only."""
    parser = argparse.ArgumentParser(prog="python -m proxy_addons.engine.worker")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE of a setting")
    parser.add_argument("--worker", type=int, required=True)
    parser.add_argument("--fd", type=int, action="append", required=True)
    parser.add_argument("--tls-fd", type=int, action="append", default=[])
    parser.add_argument("--ready", type=int)
    parser.add_argument("--lifeline", type=int)
    parser.add_argument("--control", type=int)
    args = parser.parse_args(argv)
    # Ctrl-C reaches the whole group; the supervisor decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the supervisor hands on what is new
    harden()
    tune()
    operations.set_up(f"worker-{args.worker}", dict(pair.split("=", 1) for pair in args.set))
    try:
        settings = load(args.config, overrides=operations.overrides(), environ=os.environ)
        metrics.start(args.worker, metricfiles.directory_of(settings.paths.run_dir))
        worker = Worker(settings, args.worker, _inherited(args.fd), _inherited(args.tls_fd))
        _take_all_descriptors()
        return asyncio.run(_serve(worker, args.ready, args.lifeline, args.control))
    except _CONFIGURATION as problem:
        # Nothing is served: the supervisor sees the exit status and says so.
        logger.error("%s", problem)
        return EXIT_CONFIGURATION
    except Exception as problem:  # noqa: BLE001 - the worker ends, another begins
        # A fault of ours: the supervisor starts another worker, later and later. The text of the
        # exception may quote what a client sent, so only its kind and place are said.
        logger.critical("the worker failed (%s at %s)", type(problem).__name__, where(problem))
        return 1


def _inherited(descriptors: Sequence[int]) -> list[socket.socket]:
    sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
    for sock in sockets:
        sock.setblocking(False)  # noqa: FBT003 - as the socket module has it
    return sockets


async def _serve(
    worker: Worker, ready: int | None, lifeline: int | None, control: int | None
) -> int:
    await asyncio.to_thread(worker.log.start)
    return await worker.run(ready, lifeline, control)


def _take_all_descriptors() -> None:
    """A connection takes two descriptors; the usual soft limit, 1024, is for programs of old."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Where this is not allowed the limit stays as it is: connections then wait their turn.
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _said_in_one_line(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What asyncio has to say of an exception: without a traceback, which could quote a client."""
    problem = context.get("exception")
    logger.error(
        "the event loop met a problem: %s",
        f"{type(problem).__name__} at {where(problem)}" if problem else context.get("message"),
    )


if __name__ == "__main__":
    status = main()
    logging.shutdown()
    # All that must be kept is on the disk. Threads that wait for a dead name server would hold up
    # an orderly end for half a minute.
    os._exit(status)

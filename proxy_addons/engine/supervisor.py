"""The supervisor: starts workers, portal and keeper, restarts what dies, stops all in order.

In: settings, the command lines of the parts. Out: running processes; events for the terminal.
Must never: serve anything itself; leave a process behind; restart what cannot run in a tight loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from proxy_addons.engine import listening
from proxy_addons.engine.authority import AuthorityError, now_utc
from proxy_addons.engine.later import until_done
from proxy_addons.engine.parts import BESIDE, Part, beside, with_us
from proxy_addons.engine.reload.line import Line
from proxy_addons.engine.reload.reloading import Reloading
from proxy_addons.gate import metricfiles

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from pathlib import Path

    from proxy_addons.engine.parts import Sockets
    from proxy_addons.settings.model import Settings

logger = logging.getLogger("watchhouse.supervisor")

# How a part says that restarting it will not help: EX_CONFIG (worker.py), usage (the portal).
_CANNOT_RUN = (78, 2)
# Seconds after which the parts beside browsing are started: they read a lot at once, and nobody
# waits for them.
_BESIDE_AFTER = 5.0
_READY_WITHIN = 20.0  # seconds
_STOP_WITHIN = 8.0  # seconds; workers drain for 5
# Seconds before a part that died is started again: at once the first time, then longer, so that a
# fault at start does not take the machine.
_BACK_OFF = (0.0, 0.5, 1.0, 2.0, 5.0)
_RENEWAL = 3600.0  # seconds between looks at our own certificate for listeners with TLS
_STEADY_AFTER = 30.0  # seconds of life after which a part counts as sound again


class AlreadyRunning(Exception):  # noqa: N818 - named as what is the case
    """Another gateway uses this data folder."""


class Supervisor:
    """Keeps one gateway running.

    Args:
        settings: of the gateway.
        overrides: settings from the command line, handed on to the parts.
        on_ready: called once, when every part serves, with the bound addresses
            (`Sockets.addresses`).
        left_over: what the start could not do, tried until it says that it is done; or None.
    """

    def __init__(
        self,
        settings: Settings,
        overrides: Mapping[str, str],
        on_ready: Callable[[Mapping[str, Sequence[str]]], None],
        left_over: Callable[[], bool] | None = None,
    ) -> None:
        self._settings = settings
        self._overrides = dict(overrides)
        self._on_ready = on_ready
        self._left_over = left_over
        self._stopping = asyncio.Event()
        self._parts: list[Part] = []
        self._lifeline: tuple[int, int] = (-1, -1)
        self._reloading = Reloading(
            settings, self._overrides, lambda: self._parts, self._ensure_leaf, self._taken
        )
        self._hurrying: set[asyncio.Task[None]] = set()

    async def run(self, sockets: Sockets) -> int:
        """Run until SIGINT or SIGTERM. Returns the exit status.

        Args:
            sockets: on which the parts listen.
        """
        settings = self._settings
        run_dir = settings.paths.run_dir
        run_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
        with _data_folder_taken(run_dir):
            metricfiles.prepare(run_dir)
            await asyncio.to_thread(self._reloading.begin)
            addresses = sockets.addresses()
            # The portal names these in the PAC file.
            bound = {f"listen.{name}": ",".join(each) for name, each in addresses.items()}
            self._lifeline = os.pipe()
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, self._stopping.set)
            loop.add_signal_handler(signal.SIGHUP, self._reload)
            self._parts = [
                *(self._worker(n, sockets, bound) for n in range(settings.listen.workers)),
                self._portal(sockets, bound),
                *(self._beside(name, bound) for name in beside(settings)),
            ]
            keepers = [loop.create_task(self._keep(part)) for part in self._parts]
            tending = [loop.create_task(self._renew()), loop.create_task(self._reloading.watch())]
            if self._left_over is not None:
                tending.append(loop.create_task(until_done(self._left_over)))
            try:
                status = await self._until_stopped(addresses, keepers)
            finally:
                for task in tending:
                    task.cancel()
                await self._stop(keepers)
        return status

    async def _renew(self) -> None:
        """Keep the certificate of our own for listeners with TLS good; the parts notice it."""
        while True:
            await asyncio.sleep(_RENEWAL)
            await asyncio.to_thread(self._ensure_leaf, self._settings)

    @staticmethod
    def _ensure_leaf(settings: Settings) -> None:
        try:
            if listening.ensure_leaf(settings, now_utc()):
                logger.info("a new certificate was made for the listeners with TLS")
        except (AuthorityError, OSError) as problem:
            # The one that is there is shown on; it is good for days yet, and this is tried again.
            logger.error("the listeners' certificate cannot be renewed: %s", problem)

    async def _until_stopped(
        self, addresses: Mapping[str, Sequence[str]], keepers: list[asyncio.Task[int]]
    ) -> int:
        everything_ready = asyncio.gather(*(part.ready.wait() for part in self._parts))
        stopped = asyncio.ensure_future(self._stopping.wait())
        late = asyncio.ensure_future(asyncio.sleep(_READY_WITHIN))
        waiting: set[asyncio.Future[object]] = {everything_ready, stopped, late, *keepers}  # type: ignore[arg-type]
        try:
            while True:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if stopped in done:
                    return 0
                for keeper in keepers:
                    if keeper in done:
                        # A part cannot run with these settings: stop, rather than serve half.
                        return keeper.result()
                if everything_ready in done:
                    self._on_ready(addresses)
                elif late in done and not everything_ready.done():
                    missing = ", ".join(p.name for p in self._parts if not p.ready.is_set())
                    logger.error("not serving after %.0f s: %s", _READY_WITHIN, missing)
        finally:
            for future in (everything_ready, stopped, late):
                future.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await everything_ready

    # --- parts ----------------------------------------------------------------------------

    def _worker(self, place: int, sockets: Sockets, bound: dict[str, str]) -> Part:
        command = [
            "-m", "proxy_addons.engine.worker",
            "--worker", str(place + 1),
            *self._set(bound),
        ]  # fmt: skip
        return Part(
            f"worker-{place + 1}",
            command,
            [group[place] for group in sockets.proxy],
            [group[place] for group in sockets.proxy_tls],
            place + 1,
        )

    def _portal(self, sockets: Sockets, bound: dict[str, str]) -> Part:
        command = [
            "-m", "proxy_addons.portal", with_us(),
            *self._set(bound),
        ]  # fmt: skip
        return Part("portal", command, list(sockets.portal), list(sockets.portal_tls))

    def _beside(self, name: str, bound: dict[str, str]) -> Part:
        """A part that nothing waits for, whatever becomes of it."""
        part = Part(name, ["-m", BESIDE[name], with_us(), *self._set(bound)], [])
        part.ready.set()
        return part

    def _set(self, bound: dict[str, str]) -> list[str]:
        """The settings of the command line, and the addresses that were bound, for a part."""
        given = {**self._overrides, **bound}
        return [word for key, value in given.items() for word in ("--set", f"{key}={value}")]

    async def _keep(self, part: Part) -> int:
        """Start a part, and again whenever it dies. Ends when it says that it cannot run."""
        while True:
            started = time.monotonic()
            status = await self._live(part)
            if self._stopping.is_set():
                return 0
            if part.number:
                directory = metricfiles.directory_of(self._settings.paths.run_dir)
                metricfiles.mark_dead(directory, part.number)
            if status in _CANNOT_RUN and not part.ready.is_set():
                logger.error("%s cannot run with these settings", part.name)
                return _CANNOT_RUN[0]
            if part.renewed and status in {0, -signal.SIGHUP}:  # the latter while it only begins
                part.renewed = False
                continue
            part.deaths = 0 if time.monotonic() - started > _STEADY_AFTER else part.deaths + 1
            pause = _BACK_OFF[min(part.deaths, len(_BACK_OFF)) - 1] if part.deaths else 0.0
            logger.error(
                "%s ended with status %s; starting it again%s",
                part.name,
                status,
                f" in {pause:g} s" if pause else "",
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
                return 0

    async def _live(self, part: Part) -> int:
        descriptors = [sock.fileno() for sock in (*part.sockets, *part.secure)]
        command = [
            sys.executable, *part.command,
            "--config", str(self._settings.paths.config_dir),
            *(word for sock in part.sockets for word in ("--fd", str(sock.fileno()))),
            *(word for sock in part.secure for word in ("--tls-fd", str(sock.fileno()))),
        ]  # fmt: skip
        if not part.number:
            if not part.sockets:
                await self._everything_serves()  # browsing first
                if not part.deaths:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._stopping.wait(), _BESIDE_AFTER)
                if self._stopping.is_set():
                    return 0
            part.process = await asyncio.create_subprocess_exec(
                *command, pass_fds=descriptors, env=self._reloading.environ()
            )
            asking = asyncio.create_task(_answers(part)) if part.sockets else None
            try:
                return await part.process.wait()
            finally:
                if asking is not None:
                    asking.cancel()
        ready_read, ready_write = os.pipe()
        part.line, control = await Line.open()
        part.version = self._reloading.version
        inherited = (*descriptors, ready_write, self._lifeline[0], control.fileno())
        for option, descriptor in zip(
            ("ready", "lifeline", "control"), inherited[-3:], strict=True
        ):
            command += [f"--{option}", str(descriptor)]
        try:
            part.process = await asyncio.create_subprocess_exec(
                *command, pass_fds=inherited, env=self._reloading.environ()
            )
        finally:
            os.close(ready_write)
            control.close()
        loop = asyncio.get_running_loop()

        def heard() -> None:
            loop.remove_reader(ready_read)
            if os.read(ready_read, 1):
                part.ready.set()
                part.serving = True
                self._hurry(self._reloading.bring_up(part))

        loop.add_reader(ready_read, heard)
        try:
            return await part.process.wait()
        finally:
            part.serving = False
            part.line.close()
            loop.remove_reader(ready_read)
            os.close(ready_read)

    async def _everything_serves(self) -> None:
        """Wait until every part does, or it is late; the keeper may take as long as it likes."""
        serving = asyncio.gather(*(part.ready.wait() for part in self._parts))
        stopped = asyncio.ensure_future(self._stopping.wait())
        waiting: set[asyncio.Future[object]] = {serving, stopped}  # type: ignore[arg-type]
        try:
            await asyncio.wait(waiting, timeout=_READY_WITHIN, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for future in waiting:
                future.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await serving

    def _reload(self) -> None:
        """SIGHUP: take what is in the files into use; what is not sound leaves all as it is."""
        self._hurry(self._reloading.reload(asked=True))

    def _taken(self) -> None:
        """Every worker goes by new settings: the other parts are simply started anew."""
        for part in self._parts:
            alive = part.process is not None and part.process.returncode is None
            if not part.number and alive and part.process is not None:
                part.renewed = True
                part.process.send_signal(signal.SIGHUP)

    def _hurry(self, doing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(doing)
        self._hurrying.add(task)
        task.add_done_callback(self._hurrying.discard)

    async def _stop(self, keepers: list[asyncio.Task[int]]) -> None:
        """Stop every part: ask, wait, insist."""
        self._stopping.set()
        for part in self._parts:
            if part.process is not None and part.process.returncode is None:
                part.process.terminate()
        _, alive = await asyncio.wait(keepers, timeout=_STOP_WITHIN)
        for part in self._parts:
            if part.process is not None and part.process.returncode is None:
                logger.error("%s did not stop within %.0f s; killed", part.name, _STOP_WITHIN)
                part.process.kill()
        if alive:
            await asyncio.wait(alive, timeout=2.0)
        for part in self._parts:
            for sock in (*part.sockets, *part.secure):
                sock.close()
        for descriptor in self._lifeline:
            os.close(descriptor)


@contextlib.contextmanager
def _data_folder_taken(run_dir: Path):  # type: ignore[no-untyped-def] # noqa: ANN202 - a context manager's
    """Hold the lock of the data folder; the kernel gives it back however the process ends."""
    descriptor = os.open(run_dir / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            msg = (
                f"another gateway uses the data folder {run_dir.parent}. Stop it, or give this "
                "one a folder of its own (--data)."
            )
            raise AlreadyRunning(msg) from problem
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)


async def _answers(part: Part) -> None:
    """Wait until the portal answers, whatever it says, and note that it is ready."""
    if not part.sockets:
        part.ready.set()  # feeds serve nobody, and nobody waits for them
        return
    host, port = part.sockets[0].getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - to reach ourselves
    while True:
        try:
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            if await reader.readline():
                part.ready.set()
                writer.close()
                return
        except OSError:
            pass  # not there yet; ask again
        await asyncio.sleep(0.05)

"""The same through two real Squids: squidGuard behind one, ours behind the other.

In: lists; a number. Out: where clients were led elsewhere by the one and not by the other.
Must never: reach anything but this machine: every request goes to an origin of ours.

Clients are addresses of the loopback network, so that each has the profile of its own address.
"""

from __future__ import annotations

import http.client
import os
import pwd
import shutil
import socket
import subprocess
import threading
import time
from collections import Counter, defaultdict
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self, override

from rich.console import Console
from rich.progress import track

from agreelib.lines import Drawn, Line
from agreelib.reasons import Reasons
from agreelib.sides import ZONE, AgreeError, Sides, refused
from proxy_addons.categorisation import CategoryIndex
from proxy_addons.settings.load import load

if TYPE_CHECKING:
    from pathlib import Path

NETWORK = "127"
_EXAMPLES = 3
_BAD_REQUEST = 400
_CONFIGURATION = """
http_port 127.0.0.1:{port}
http_access allow all
cache_peer 127.0.0.1 parent {origin} 0 no-query originserver no-digest
never_direct allow all
cache deny all
url_rewrite_program {helper}
url_rewrite_children 1 startup=1 idle=1 concurrency={concurrency}
url_rewrite_access allow all
pid_filename {folder}/squid.pid
access_log none
cache_log {folder}/cache.log
coredump_dir {folder}
visible_hostname agree.test
shutdown_lifetime 0 seconds
pinger_enable off
"""


class _Origin(BaseHTTPRequestHandler):
    """Answers everything."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """One answer for all."""
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_HEAD = do_GET  # noqa: N815 - the names are the library's

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is noted."""


def agreement_through_squid(folder: Path, number: int, seed: int) -> dict[str, Any]:
    """Send so many requests through both.

    Raises:
        AgreeError: Squid is not installed, or does not start.
    """
    sides = Sides(folder, NETWORK)
    drawn = Drawn(sides.lists, seed, NETWORK, web_only=True).lines(number)
    origin = ThreadingHTTPServer(("127.0.0.1", 0), _Origin)
    threading.Thread(target=origin.serve_forever, daemon=True).start()
    # At the present moment: Squid starts its helpers, and both read the same clock.
    commands = sides.commands(None)
    pairs: list[tuple[Line, bool | None, bool | None]] = []
    with ExitStack() as stack:
        stack.callback(origin.shutdown)
        clients = []
        for side, concurrency in (("squidGuard", 0), ("ours", 50)):
            squid = _Squid(folder, side, commands[side], concurrency, origin.server_port)
            stack.callback(squid.end)
            clients.append(stack.enter_context(Clients(squid.port)))
        # One after the other for each line: it may be another time of day at the end of it all.
        for line in track(drawn, "requests", console=Console(stderr=True)):
            their, our = (each.are_led(line) for each in clients)
            if (their is None) is not (our is None):
                raise AgreeError(f"only one Squid refused by itself {line.text}")
            pairs.append((line, their, our))
    asked = [
        (line, their, our) for line, their, our in pairs if their is not None and our is not None
    ]
    differing = [(line, our) for line, their, our in asked if their != our]

    def ask(lines: list[str]) -> list[bool]:
        return list(map(refused, sides.ask("squidGuard", lines, None)[0]))

    index = CategoryIndex.open(sides.ours / "data" / "categories.index")
    looks = Reasons(sides.lists, index, load(sides.ours / "config", environ={}).carriers)
    reasons: Counter[str] = Counter()
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    examples: dict[str, list[str]] = defaultdict(list)
    for (line, ours), reason in zip(differing, looks.of(differing, ask), strict=True):
        reasons[reason] += 1
        kinds[reason][f"{line.kind} ({'ours' if ours else 'squidGuard'} refuses)"] += 1
        if len(examples[reason]) < _EXAMPLES:
            examples[reason].append(line.text)
    return {
        "lines": len(asked),
        "not_asked": number - len(asked),
        "refused": sum(our for _, _, our in asked),
        "differ": len(differing),
        "reasons": reasons,
        "kinds": kinds,
        "examples": examples,
    }


# Squid's helpers run as a user who may not read this checkout. So what Squid starts is a pipe to
# the helper, which runs as we do: octets go through it as they are.
_PIPE = """#!/usr/bin/python3
import os, select, socket
with socket.socket(socket.AF_UNIX) as helper:
    helper.connect({path!r})
    poll = select.poll()
    ends = {{0: helper.fileno(), helper.fileno(): 1}}
    for end in ends:
        poll.register(end, select.POLLIN)
    while True:
        for ready, _ in poll.poll():
            data = os.read(ready, 65536)
            if not data:
                raise SystemExit
            while data:
                data = data[os.write(ends[ready], data) :]
"""


class _Helper:
    """A helper, started for each who connects."""

    def __init__(self, path: Path, command: list[str]) -> None:
        self._command = command
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        path.chmod(0o777)
        self._listening.listen()
        self._started: list[subprocess.Popen[bytes]] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return  # it was closed: the end
            with connection:
                environ = {**os.environ, "TZ": ZONE}
                self._started.append(
                    subprocess.Popen(
                        self._command,
                        stdin=connection.fileno(),
                        stdout=connection.fileno(),
                        env=environ,
                    )
                )

    def end(self) -> None:
        """End it; what was started ends with its pipe."""
        self._listening.close()
        for each in self._started:
            each.wait(10)


class _Squid:
    """One Squid, with its helper."""

    def __init__(
        self, folder: Path, side: str, helper: list[str], concurrency: int, origin: int
    ) -> None:
        program = shutil.which("squid", path=f"{os.environ['PATH']}:/usr/sbin")
        if program is None:
            raise AgreeError("Squid is not installed (apt-get install squid-openssl)")
        mine = folder / f"squid-{side}"
        mine.mkdir()
        self._helper = _Helper(mine / "socket", helper)
        script = mine / "helper"
        script.write_text(_PIPE.format(path=str(mine / "socket")), encoding="utf-8")
        script.chmod(0o755)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        (mine / "squid.conf").write_text(
            _CONFIGURATION.format(
                port=self.port,
                origin=origin,
                helper=script,
                concurrency=concurrency,
                folder=mine,
            ),
            encoding="utf-8",
        )
        if os.geteuid() == 0 and "proxy" in {entry.pw_name for entry in pwd.getpwall()}:
            shutil.chown(mine, "proxy")
        command = [program, "--foreground", "-f", str(mine / "squid.conf"), "-n", f"agree{side}"]
        self._running = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=(mine / "stderr").open("wb")
        )
        self._log = mine / "cache.log"
        self._wait()

    def _wait(self) -> None:
        for _ in range(150):
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    return
            except OSError:
                if self._running.poll() is not None:
                    break
                time.sleep(0.2)
        self.end()
        said = self._log.read_text(errors="replace") if self._log.exists() else ""
        raise AgreeError(f"Squid did not start: {said[-1500:]}")

    def end(self) -> None:
        """End it."""
        self._running.terminate()
        try:
            self._running.wait(10)
        except subprocess.TimeoutExpired:
            self._running.kill()
            self._running.wait()
        self._helper.end()


class Clients:
    """Clients of one Squid, each with a connection that lasts, as a browser's does.

    Args:
        port: of Squid.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._connections: dict[str, http.client.HTTPConnection] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._connections.values():
            connection.close()

    def are_led(self, line: Line) -> bool | None:
        """Whether the client of a line is led elsewhere; None where Squid itself refuses the URL.

        Raises:
            AgreeError: Squid answered something else.
        """
        url, client, _, method = line.text.split()
        address = client.partition("/")[0]
        connection = self._connections.get(address)
        if connection is None:
            connection = self._connections[address] = http.client.HTTPConnection(
                "127.0.0.1", self._port, timeout=30, source_address=(address, 0)
            )
        host = url.split("/")[2].rpartition("@")[2]
        connection.putrequest(method, url, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", host)
        if method == "POST":
            connection.putheader("Content-Length", "0")
        connection.endheaders()
        answer = connection.getresponse()
        answer.read()
        status, where = answer.status, answer.getheader("Location") or ""
        if status == 302 and "blocked.test" in where:
            return True
        if status == 200:
            return False
        if status == _BAD_REQUEST:
            return None  # no helper is asked
        raise AgreeError(f"Squid answered {status} to {line.text}")

"""Memory while one HTTP/2 connection carries many requests (mitmproxy #4456: it used to grow).

In: a gateway of its own that offers HTTP/2. Out: the worker's memory after 5,000, 20,000 and 50,000
requests on one client connection.
Must never: open a second connection when the first one ends: that is a wrong answer.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, override

from benchlib import cpu, load, memory
from benchlib.gateway import Watchhouse, known_settings
from benchlib.h2client import Http2
from benchlib.origin import BODY, PAGE
from benchlib.place import SideError
from benchlib.scenarios import page
from benchlib.side import AbsentError
from benchlib.study import Bench, Figures, Study

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

MARKS, QUICK_MARKS = (1_000, 5_000, 20_000, 50_000), (500, 1_000, 5_000)
AT_ONCE = 10
SETTLE_SECONDS = 1.5
PATIENCE = 60


class Http2Requests(Study):
    """One connection, many requests."""

    name = "h2-requests"
    title = "requests on one HTTP/2 connection"

    @override
    def measure(self, bench: Bench) -> Figures:
        settings = {"tls.http2": "true"} if "tls.http2" in known_settings() else {}
        gateway = Watchhouse(bench.place, bench.origin, name="watchhouse-http2", settings=settings)
        with bench.alone(gateway):
            target = page(bench.origin, gateway, tls=True)
            assert target.tls
            target.tls.set_alpn_protocols(["h2", "http/1.1"])
            connection = load.Connection(target)
            load.drive([(connection, connection.open())], 1)
            sock: ssl.SSLSocket = connection.sock
            sock.settimeout(PATIENCE)
            try:
                if sock.selected_alpn_protocol() != "h2":
                    raise AbsentError("this version offers no HTTP/2 to clients")
                return self._ask(bench, gateway, Http2(sock, target.authority, PAGE, BODY))
            finally:
                connection.close()

    def _ask(self, bench: Bench, gateway: Watchhouse, client: Http2) -> Figures:
        workers, logged = gateway.workers(), gateway.logged() or 0
        before = cpu.read(gateway.program.pid)
        sizes, done = {}, 0
        for mark in QUICK_MARKS if bench.quick else MARKS:
            bench.doing(f"{self.name}: up to {mark}")
            while done < mark:
                client.ask(AT_ONCE)
                done += AT_ONCE
            time.sleep(SETTLE_SECONDS)
            sizes[str(mark)] = memory.proportional(workers) / 1e6
        spent = cpu.between(before, cpu.read(gateway.program.pid))
        if (gateway.logged() or 0) - logged < done:
            raise SideError(f"{gateway.name}: fewer records in the log than {done} requests")
        # The first of them still fill caches; what counts is what comes after.
        first = "5000" if "5000" in sizes and not bench.quick else "1000"
        return {
            "memory_mb": sizes,
            "requests": done,
            "from": int(first),
            "growth_mb": sizes[str(done)] - sizes[first],
            "octets_a_request": 1e6 * (sizes[str(done)] - sizes[first]) / (done - int(first)),
            "cpu_ms": 1000 * spent / done,
        }

    @override
    def lines(self, figures: Figures) -> Iterator[str]:
        yield "Requests on one HTTP/2 connection, the worker's memory (h2-requests)"
        sizes = figures["memory_mb"].items()
        yield "  " + ", ".join(f"{int(at):,}: {size:.1f} MB" for at, size in sizes)
        yield (
            f"  from {figures['from']:,} to {figures['requests']:,}:"
            f" {figures['growth_mb']:+.1f} MB, {figures['octets_a_request']:.0f} octets a request;"
            f" {figures['cpu_ms']:.3f} CPU ms each"
        )

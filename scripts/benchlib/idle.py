"""What a connection costs in memory that is open and does nothing.

In: a gateway of its own. Out: octets per idle, inspected keep-alive connection.
Must never: leave the connections open, or claim more of them than were answered rightly.

Each connection has asked once and stays open. Twice: with an origin that closes after its answer,
so that what is counted is the client's connection alone; and with one that keeps its own open as
well, which is a second TLS connection for each. A process may have so many files open as the limit
says (`ulimit -Hn`); where that is too low for the number asked, fewer are opened and the report
says how many.
"""

from __future__ import annotations

import resource
import time
from dataclasses import replace
from typing import TYPE_CHECKING, override

from benchlib import load, memory
from benchlib.gateway import Watchhouse
from benchlib.origin import LAST_PAGE, PAGE
from benchlib.place import SideError
from benchlib.scenarios import page
from benchlib.study import Bench, Figures, Study

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECTIONS, QUICK_CONNECTIONS = 10_000, 1_000
KEPT_CONNECTIONS = 2_000
# Descriptors that a process has beside its connections: logs, libraries' sockets, event loops.
RESERVED = 500
# Connections from one address: a limit for each client must not be what is measured.
PER_ADDRESS = 40
AT_ONCE = 20
SETTLE_SECONDS = 3.0


class Idle(Study):
    """Memory of idle connections."""

    name = "idle"
    title = "idle inspected keep-alive connections"

    @override
    def measure(self, bench: Bench) -> Figures:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        wanted = QUICK_CONNECTIONS if bench.quick else CONNECTIONS
        alone = min(wanted, hard - RESERVED)
        kept = min(wanted, KEPT_CONNECTIONS, (hard - RESERVED) // 2)
        figures: Figures = {"limit_of_files": hard, "wanted": wanted}
        for key, number, path in (("client_alone", alone, LAST_PAGE), ("both_sides", kept, PAGE)):
            gateway = Watchhouse(bench.place, bench.origin, name=f"watchhouse-idle-{len(figures)}")
            with bench.alone(gateway):
                bench.doing(f"{self.name}: {number} connections")
                figures[key] = _fill(bench, gateway, number, path)
        return figures

    @override
    def lines(self, figures: Figures) -> Iterator[str]:
        yield "Idle inspected keep-alive connections (idle)"
        for key, what in (
            ("client_alone", "the origin has closed its own"),
            ("both_sides", "the origin's kept open too"),
        ):
            row = figures[key]
            yield (
                f"  {row['connections']:,}, {what}: {row['kb_each']:.1f} kB each"
                f" ({row['before_mb']:.0f} MB before, {row['with_mb']:.0f} MB with them,"
                f" {row['after_mb']:.0f} MB after)"
            )
        if figures["client_alone"]["connections"] < figures["wanted"]:
            yield f"  fewer than {figures['wanted']:,}: ulimit -Hn is {figures['limit_of_files']}"


def _fill(bench: Bench, gateway: Watchhouse, number: int, path: str) -> dict[str, float]:
    target = page(bench.origin, gateway, tls=True, path=path)
    # Code and caches that any connection needs are there before the first reading.
    load.connect_each([target] * 4 * AT_ONCE, AT_ONCE)
    time.sleep(SETTLE_SECONDS)
    workers, logged = gateway.workers(), gateway.logged() or 0
    before = memory.proportional(workers)
    opened = [load.Connection(replace(target, source=_source(n))) for n in range(number)]
    try:
        load.drive(((each, _open_and_ask(each)) for each in opened), AT_ONCE)
        time.sleep(SETTLE_SECONDS)
        if _ended(opened):
            raise SideError(f"{gateway.name} has closed {_ended(opened)} idle connections")
        full = memory.proportional(workers)
        if (gateway.logged() or 0) - logged < number:
            raise SideError(f"{gateway.name}: fewer records in the log than requests")
    finally:
        for each in opened:
            each.close()
    time.sleep(2 * SETTLE_SECONDS)
    return {
        "connections": number,
        "kb_each": (full - before) / number / 1e3,
        "before_mb": before / 1e6,
        "with_mb": full / 1e6,
        "after_mb": memory.proportional(workers) / 1e6,
    }


def _open_and_ask(connection: load.Connection) -> load.Steps:
    yield from connection.open()
    yield from connection.ask()


def _source(number: int) -> str:
    """A loopback address for each `PER_ADDRESS` connections."""
    which = number // PER_ADDRESS
    return f"127.1.{which // 250}.{which % 250 + 1}"


def _ended(opened: list[load.Connection]) -> int:
    """How many of these has the other side closed?"""
    return sum(map(load.has_ended, opened))

"""Latency that a proxy adds, with 200 connections at one fixed rate.

In: sides; the same inspected request through each, and to the origin directly. Out: p50 and p99,
and what each side adds to the direct way.
Must never: let a slow answer delay the next request (coordinated omission): requests are due at
fixed times, whichever connection is free takes the next, and one that is due while all are busy
counts from when it was due.
"""

from __future__ import annotations

import select
import statistics
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, override

from benchlib import load
from benchlib.place import SideError
from benchlib.scenarios import SETTLE_SECONDS, page
from benchlib.study import Bench, Figures, Study, left_out, shown, spread, spread_of_ratios

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchlib.side import Side

SIDES = ("mitmdump", "squid", "watchhouse")
DIRECT = "direct"
CONNECTIONS = 200
# Requests a second: stock, the slowest, does some 500 on such a core.
RATE = 150
SECONDS, QUICK_SECONDS = 8.0, 3.0
PER_ADDRESS = 20


class Latency(Study):
    """Added latency at p50 and p99."""

    name = "latency"
    title = "added latency, 200 connections"

    @override
    def measure(self, bench: Bench) -> Figures:
        figures: Figures = {"connections": CONNECTIONS, "rate": RATE}
        sides = bench.sides(SIDES, figures)
        opened = {side.name: _open(bench, side) for side in sides}
        opened[DIRECT] = _open(bench, sides[0], direct=True)
        seconds = QUICK_SECONDS if bench.quick else SECONDS
        found: dict[str, dict[str, list[float]]] = {}
        logs = {side.name: side for side in sides}
        try:
            for number in range(bench.rounds):
                order = [*opened][number % len(opened) :] + [*opened][: number % len(opened)]
                for name in order:
                    bench.doing(f"{self.name}: round {number + 1}, {name}")
                    side = logs.get(name)
                    logged = side.logged() if side else None
                    times = open_loop(opened[name], RATE, seconds)
                    time.sleep(SETTLE_SECONDS)
                    if side and side.log_is_prompt and _missing(side, logged, len(times)):
                        raise SideError(f"{name}: fewer records in the log than requests")
                    cuts = statistics.quantiles(times, n=100)
                    row = found.setdefault(name, {"p50": [], "p99": []})
                    row["p50"].append(1000 * statistics.median(times))
                    row["p99"].append(1000 * cuts[98])
        finally:
            for connections in opened.values():
                for each in connections:
                    each.close()
        figures.update(_figures(found))
        return figures

    @override
    def lines(self, figures: Figures) -> Iterator[str]:
        yield (
            f"Latency of an inspected request, {figures['connections']} connections,"
            f" {figures['rate']} requests/s (latency)"
        )
        for name, row in figures["ms"].items():
            added = figures["added_ms"].get(name)
            more = f"; adds {shown(added['p50'])} and {shown(added['p99'])} ms" if added else ""
            yield f"  {name}: p50 {shown(row['p50'])} ms, p99 {shown(row['p99'])} ms{more}"
        for pair, row in figures["added_ratio"].items():
            yield f"  added, {pair}: p50 {shown(row['p50'])}, p99 {shown(row['p99'])}"
        yield from left_out(figures)


def open_loop(opened: list[load.Connection], rate: float, seconds: float) -> list[float]:
    """Ask at fixed times on whichever connection is free.

    Returns:
        Seconds that each answer took.

    Raises:
        BadAnswerError: an answer was wrong.
        StuckError: nothing happened for a long while.
    """
    free = deque(opened)
    in_hand: dict[int, tuple[load.Connection, load.Steps, float]] = {}
    due = deque(number / rate for number in range(int(rate * seconds)))
    times: list[float] = []
    all_busy_until = -1.0
    with select.epoll() as poll:
        for each in opened:
            poll.register(each, load.EDGES)
        poll.poll(0)  # what a socket says when it is first watched
        begin = time.monotonic()
        while due or in_hand:
            now = time.monotonic() - begin
            while due and free and due[0] <= now:
                planned, each = due.popleft(), free.popleft()
                steps = each.ask()
                # With a connection free, the generator's own lateness is not the side's.
                started = begin + planned if planned <= all_busy_until else time.monotonic()
                next(steps)
                in_hand[each.fileno()] = each, steps, started
            wait = due[0] - (time.monotonic() - begin) if due and free else load.PATIENCE
            events = poll.poll(max(0.0, wait))
            if not events and not (due and free):
                raise load.StuckError(f"no news for {load.PATIENCE:.0f} s")
            if not free:
                all_busy_until = time.monotonic() - begin
            for fileno, _ in events:
                if fileno not in in_hand:
                    continue
                each, steps, started = in_hand[fileno]
                if load.step(steps):
                    continue
                times.append(time.monotonic() - started)
                del in_hand[fileno]
                free.append(each)
    return times


def _missing(side: Side, before: int | None, requests: int) -> bool:
    return (side.logged() or 0) - (before or 0) < requests


def _open(bench: Bench, side: Side, *, direct: bool = False) -> list[load.Connection]:
    target = page(bench.origin, side, tls=True)
    if direct:
        address = ("127.0.0.1", bench.origin.https_port)
        tls = load.client_context(str(bench.origin.ca_file))
        target = replace(target, proxy=address, tls=tls, direct=True)
    connections = [
        load.Connection(replace(target, source=f"127.2.0.{number // PER_ADDRESS + 1}"))
        for number in range(CONNECTIONS)
    ]
    load.drive(((each, each.open()) for each in connections), PER_ADDRESS)
    load.drive(((each, each.ask()) for each in connections), PER_ADDRESS)
    return connections


def _figures(found: dict[str, dict[str, list[float]]]) -> Figures:
    percentiles = ("p50", "p99")
    added = {
        name: {
            p: [mine - bare for mine, bare in zip(row[p], found[DIRECT][p], strict=True)]
            for p in percentiles
        }
        for name, row in found.items()
        if name != DIRECT
    }
    ours = added.get("watchhouse")
    return {
        "ms": {name: {p: spread(row[p]) for p in percentiles} for name, row in found.items()},
        "added_ms": {name: {p: spread(row[p]) for p in percentiles} for name, row in added.items()},
        "added_ratio": {
            f"watchhouse/{name}": {p: spread_of_ratios(ours[p], row[p]) for p in percentiles}
            for name, row in added.items()
            if ours and name != "watchhouse"
        },
    }

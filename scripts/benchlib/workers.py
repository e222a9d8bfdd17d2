"""Two workers against one: what a second core brings.

In: two gateways that differ in `listen.workers` only. Out: requests a second, CPU per request, how
evenly the work was spread, and what of the machine the load took.
Must never: sell a figure that the load generator made. Where there are too few cores to give the
load its own, the plain ratio of throughputs is printed and not judged; judged is what the CPU
readings say: twice the cores, times the cost of a request on one worker over its cost on two, times
how evenly the two were used.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, override

from benchlib import cpu, load
from benchlib.gateway import Watchhouse
from benchlib.load import BadAnswerError
from benchlib.origin import BODY, PAGE
from benchlib.scenarios import SETTLE_SECONDS, page
from benchlib.side import PATH, AbsentError
from benchlib.study import Bench, Figures, Study, shown, spread, spread_of_ratios

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS, QUICK_SECONDS = 6, 2
# Connections fall to workers by chance, as in life; with few of them chance is what is measured.
CONNECTIONS = 256
# With so many cores the load and the origin have their own.
CORES_FOR_PLAIN_RATIO = 4
SCRIPT = """
wrk.method = "GET"
wrk.path = "{url}"
wrk.headers["Host"] = "{host}"
wrk.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64) watchhouse-bench"
wrk.headers["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
wrk.headers["Accept-Encoding"] = "gzip, deflate, br"
wrk.headers["Proxy-Connection"] = "keep-alive"
"""


class TwoWorkers(Study):
    """Plain HTTP, keep-alive, as much as goes through."""

    name = "two-workers"
    title = "two workers against one"

    @override
    def measure(self, bench: Bench) -> Figures:
        wrk = shutil.which("wrk", path=PATH)
        if wrk is None:
            raise AbsentError("wrk is not installed (apt-get install wrk)")
        place, origin = bench.place, bench.origin
        if len(place.all_cores) < 2:
            raise AbsentError("needs two cores")
        script = place.folder / "plain.lua"
        script.write_text(
            SCRIPT.format(url=f"http://{origin.host}:{origin.http_port}{PAGE}", host=origin.host)
        )
        rows: dict[int, list[dict[str, float]]] = {1: [], 2: []}
        gateways = {
            number: Watchhouse(
                place,
                origin,
                name=f"watchhouse-workers-{number}",
                settings={"listen.workers": str(number)},
                cores=place.all_cores,
            )
            for number in rows
        }
        try:
            for each in gateways.values():
                # The right page, before wrk counts pages without looking at them.
                opened = load.keep_alive(page(origin, each, tls=False), CONNECTIONS)
                load.ask_all(opened, CONNECTIONS * 10)
                for connection in opened:
                    connection.close()
            for number in range(bench.rounds):
                for workers in (1, 2) if number % 2 else (2, 1):
                    bench.doing(f"{self.name}: round {number + 1}, {workers}")
                    seconds = QUICK_SECONDS if bench.quick else SECONDS
                    rows[workers].append(_round(bench, gateways[workers], wrk, script, seconds))
        finally:
            for each in gateways.values():
                each.program.stop()
        return _figures(rows, len(place.all_cores))

    @override
    def lines(self, figures: Figures) -> Iterator[str]:
        yield f"Two workers against one on {figures['cores']} cores, plain HTTP (two-workers)"
        for number, row in figures["workers"].items():
            yield (
                f"  {number}: {shown(row['per_second'], 0)} requests/s,"
                f" {shown(row['cpu_ms'], 3)} CPU ms a request,"
                f" {row['busy']['median']:.2f} cores busy with the gateway,"
                f" {row['load']['median']:.2f} with load generator and origin"
            )
        yield (
            f"  throughput {shown(figures['plain_ratio'])}; evenness {shown(figures['evenness'])};"
            f" by CPU readings {shown(figures['speed_up'])}; judged by {figures['judged_by']}"
        )


def _figures(rows: dict[int, list[dict[str, float]]], cores: int) -> Figures:
    both = list(zip(rows[1], rows[2], strict=True))
    speed_up = [2 * one["cpu_ms"] / two["cpu_ms"] * two["evenness"] for one, two in both]
    plain = spread_of_ratios(
        [two["per_second"] for _, two in both], [r["per_second"] for r in rows[1]]
    )
    own_cores = cores >= CORES_FOR_PLAIN_RATIO
    return {
        "cores": cores,
        "workers": {
            str(number): {key: spread([row[key] for row in found]) for key in found[0]}
            for number, found in rows.items()
        },
        "plain_ratio": plain,
        "evenness": spread([two["evenness"] for _, two in both]),
        "speed_up": spread(speed_up),
        "judged": plain if own_cores else spread(speed_up),
        "judged_by": "throughput"
        if own_cores
        else "CPU readings (the load had no core of its own)",
    }


def _round(
    bench: Bench, gateway: Watchhouse, wrk: str, script: Path, seconds: int
) -> dict[str, float]:
    host, port = gateway.address
    command = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script)]
    command.append(f"http://{host}:{port}")
    origin, logged = bench.origin, gateway.logged() or 0
    before, served = cpu.read(gateway.program.pid), cpu.read(origin.program.pid)
    start = time.monotonic()
    own = _children_seconds()
    with bench.place.on(bench.place.all_cores):
        ran = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=seconds + 30
        )
    own = _children_seconds() - own
    wall = time.monotonic() - start
    time.sleep(SETTLE_SECONDS)
    after, served_after = cpu.read(gateway.program.pid), cpu.read(origin.program.pid)
    requests, octets = _requests(ran.stdout, gateway.name)
    # wrk leaves what is in hand at its end: those may have a record and no answer counted.
    if (gateway.logged() or 0) - logged < requests:
        raise BadAnswerError(f"{gateway.name}: fewer records in the log than {requests} answers")
    if octets < requests * len(BODY):
        raise BadAnswerError(f"{gateway.name}: answers shorter than the origin's page")
    spent = cpu.between(before, after)
    each = [after.spent[pid] - before.spent.get(pid, 0) for pid in gateway.workers()]
    own += cpu.between(served, served_after)
    return {
        "per_second": requests / wall,
        "cpu_ms": 1000 * spent / requests,
        "busy": spent / wall,
        "load": own / wall,
        "evenness": sum(each) / len(each) / max(each),
    }


def _requests(output: str, name: str) -> tuple[int, int]:
    """What wrk says: answers, and octets read."""
    found = re.search(r"(\d+) requests in [\d.]+\w+, ([\d.]+)([KMG]?)B read", output)
    if found is None or "Non-2xx" in output or "Socket errors" in output:
        raise BadAnswerError(f"{name}: {output}")
    scale = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}[found[3]]
    return int(found[1]), int(float(found[2]) * scale)


def _children_seconds() -> float:
    """CPU of all children of this process that have ended and were waited for."""
    times = os.times()
    return times.children_user + times.children_system

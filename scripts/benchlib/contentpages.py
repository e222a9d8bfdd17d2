"""What looking costs pages: requests of 10 kB on connections that are open.

In: the sides of content.py. Out: CPU of a request, throughput, memory.
Must never: count the opening of connections; take a request that has left no record.
"""

from __future__ import annotations

import gzip
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, override

from benchlib import contentfiles, contentsides, cpu, load
from benchlib.content import (
    ContentStudy,
    kind_of,
    memory_begins,
    memory_ends,
    memory_shown,
    ratios_of,
    ratios_shown,
)
from benchlib.load import BadAnswerError
from benchlib.origin import PACKED
from benchlib.scenarios import SETTLE_SECONDS, page
from benchlib.study import Bench, Figures, left_out, shown, spread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchlib.side import Side


class ContentPages(ContentStudy):
    """Requests of 10 kB on connections that are open: a page and what belongs to it."""

    name = "content-pages"
    title = "10 kB pages, looked at"
    # TLS inspection is off in E2Guardian's packaged configuration.
    CASES: ClassVar[dict[str, tuple[bool, bool]]] = {
        "inspected": (True, False),
        "inspected, gzip": (True, True),
        "plain": (False, False),
        "plain, gzip": (False, True),
    }
    REQUESTS, QUICK_REQUESTS = 3000, 1200
    SLICES = 4

    @override
    def compare(self, bench: Bench, sides: dict[str, Side], figures: Figures) -> None:
        files = contentfiles.pages()
        for name, body in files.items():
            bench.origin.put(f"/content/{name}", body)
            bench.origin.put(f"{PACKED}/{name}.gz", gzip.compress(body, mtime=0))
        requests = (self.QUICK_REQUESTS if bench.quick else self.REQUESTS) // self.SLICES
        figures["requests"] = requests * self.SLICES
        figures["octets"] = contentfiles.PAGE_OCTETS
        for case, (tls, packed) in self.CASES.items():
            able = [side for side in sides.values() if side.inspects or not tls]
            costs: dict[str, list[float]] = {kind_of(side): [] for side in able}
            rates: dict[str, list[float]] = {kind_of(side): [] for side in able}
            for side in able:
                _pages(bench, side, files, tls, packed, 120)
            before = {kind_of(side): memory_begins(side) for side in able}
            for _ in range(bench.rounds):
                spent = dict.fromkeys(costs, 0.0)
                took = dict.fromkeys(costs, 0.0)
                done = dict.fromkeys(costs, 0)
                for turn in range(self.SLICES):
                    first = turn % len(able)
                    for side in (*able[first:], *able[:first]):
                        name = kind_of(side)
                        bench.doing(f"{self.name}: {case}, {name}")
                        asked = int(requests * side.share)
                        one = _pages(bench, side, files, tls, packed, asked)
                        spent[name] += one.cpu_seconds
                        took[name] += one.seconds
                        done[name] += one.count
                for name, values in costs.items():
                    values.append(1e3 * spent[name] / done[name])
                    rates[name].append(done[name] / took[name])
            figures.setdefault("cases", {})[case] = {
                "cpu_ms": {name: spread(values) for name, values in costs.items()},
                "requests_per_s": {name: spread(values) for name, values in rates.items()},
                "memory": {kind_of(side): memory_ends(side, before) for side in able},
                "cpu_ratio": ratios_of(costs),
            }

    @override
    def lines(self, figures: Figures) -> Iterator[str]:
        yield (
            f"A page of {figures['octets'] / 1e3:.0f} kB, its styles, script, data, picture, font"
            " (content-pages)"
        )
        for case, found in figures["cases"].items():
            for name, cost in found["cpu_ms"].items():
                yield (
                    f"  {case}: {name}: {shown(cost, 3)} CPU ms,"
                    f" {found['requests_per_s'][name]['median']:,.0f} requests/s,"
                    f" {memory_shown(found['memory'][name])}"
                )
            yield from ratios_shown(case, found["cpu_ratio"])
        yield from left_out(figures)


@dataclass(frozen=True, slots=True)
class Work:
    """What some requests took."""

    count: int
    cpu_seconds: float
    seconds: float


def _pages(
    bench: Bench, side: Side, files: dict[str, bytes], tls: bool, packed: bool, requests: int
) -> Work:
    """Each file on a connection of its own, all at once; opening them is not counted."""
    opened: list[load.Connection] = []
    try:
        for name, body in files.items():
            path = f"{PACKED}/{name}" if packed else f"/content/{name}"
            sent = gzip.compress(body, mtime=0) if packed else body
            target = replace(page(bench.origin, side, tls=tls, path=path), body=sent)
            opened += load.keep_alive(target, 1)
        time.sleep(SETTLE_SECONDS)
        logged, before = side.logged(), contentsides.reading(side)
        start = time.monotonic()
        done = load.ask_all(opened, max(requests, len(opened)))
        seconds = time.monotonic() - start
        time.sleep(SETTLE_SECONDS)
        spent = cpu.between(before, contentsides.reading(side))
        if side.log_is_prompt and (side.logged() or 0) - (logged or 0) < done:
            raise BadAnswerError(f"{side.name}: requests have left no record in the log")
    finally:
        for connection in opened:
            connection.close()
    return Work(done, spent, seconds)

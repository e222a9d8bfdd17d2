"""What looking into what comes back costs: pages, documents, files without end.

In: the gateway as it is, with a policy that looks at nothing, with clamd; E2Guardian with clamd.
Out: CPU of a request or a megabyte, throughput, the wait for a first byte, memory.
Must never: take an answer of which one byte is not the origin's; compare a side that scans before
it has refused a virus.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import time
import zlib
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, override

from benchlib import contentfiles, contentsides, cpu, endless, load, memory
from benchlib.contentsides import GUARDIAN, OFF, ON, SCANNING
from benchlib.load import BadAnswerError
from benchlib.origin import PACKED
from benchlib.place import free_port
from benchlib.scenarios import SETTLE_SECONDS, page
from benchlib.side import AbsentError
from benchlib.study import Bench, Figures, Study, left_out, shown, spread, spread_of_ratios

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchlib.side import Side

PAIRS = ((ON, OFF), (SCANNING, GUARDIAN), (SCANNING, ON))
CONNECTIONS = 6
BUFFER = 1 << 18
PATIENCE = 120


class ContentStudy(Study):
    """One of them: sides of its own, ended with it."""

    @override
    def measure(self, bench: Bench) -> Figures:
        figures: Figures = {}
        sides: list[Side] = []
        try:
            for name, kind in contentsides.KINDS_OF_SIDES.items():
                try:
                    sides.append(kind(bench.place, bench.origin, name=f"{name}-{self.name}"))
                except AbsentError as error:
                    figures.setdefault("left_out", {})[name] = str(error)
            contentsides.check(sides, bench.origin)
            self.compare(bench, {kind_of(side): side for side in sides}, figures)
        finally:
            for side in sides:
                for program in contentsides.programs(side):
                    program.stop()
        return figures

    @abstractmethod
    def compare(self, bench: Bench, sides: dict[str, Side], figures: Figures) -> None:
        """Measure the sides, by name, in turn."""


def kind_of(side: Side) -> str:
    """Its name without that of the study."""
    return side.name.partition("-content-")[0]


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
            before = {kind_of(side): _memory_begins(side) for side in able}
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
                "memory": {kind_of(side): _memory_ends(side, before) for side in able},
                "cpu_ratio": _ratios(costs),
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
                    f" {_memory_shown(found['memory'][name])}"
                )
            yield from _ratios_shown(case, found["cpu_ratio"])
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


class ContentDocuments(ContentStudy):
    """Downloads of 10 MB, one after the other, in plain HTTP."""

    name = "content-documents"
    title = "10 MB documents, looked into"
    EACH, QUICK_EACH = 4, 2

    @override
    def compare(self, bench: Bench, sides: dict[str, Side], figures: Figures) -> None:
        each = self.QUICK_EACH if bench.quick else self.EACH
        figures["downloads"] = each
        for name, body in contentfiles.documents().items():
            path = f"/content/{name}"
            bench.origin.put(path, body)
            length, crc = len(body), zlib.crc32(body)
            kind = name.rpartition(".")[2]

            def fetch(
                side: Side, path: str = path, length: int = length, crc: int = crc
            ) -> list[Download]:
                port = bench.origin.http_port
                found = [download(bench, side, port, path, length, crc) for _ in range(each)]
                for one in found:
                    one.must_be_whole(side)
                return found

            figures.setdefault("cases", {})[kind] = _downloads(
                bench, f"{self.name}: {kind}", list(sides.values()), fetch
            )
            figures["octets"] = length

    @override
    def lines(self, figures: Figures) -> Iterator[str]:
        yield f"Documents of {figures['octets'] / 1e6:.0f} MB (content-documents)"
        for case, found in figures["cases"].items():
            yield from _downloads_shown(case, found)
        yield from left_out(figures)


class ContentLarge(ContentStudy):
    """2 GB in plain HTTP: a film, which passes as it comes; an archive, which no look can hold."""

    name = "content-large"
    title = "a file of 2 GB"
    OCTETS, QUICK_OCTETS = 2 * 10**9, 600 * 10**6
    MOST_ROUNDS = 3

    @override
    def compare(self, bench: Bench, sides: dict[str, Side], figures: Figures) -> None:
        octets = figures["octets"] = self.QUICK_OCTETS if bench.quick else self.OCTETS
        port = free_port()
        command = [bench.place.python, "-m", "benchlib.endless", str(port)]
        server = bench.place.start("endless", command)
        server.await_port(("127.0.0.1", port))
        rounds = replace(bench, rounds=min(bench.rounds, self.MOST_ROUNDS))
        able = list(sides.values())
        try:
            length, crc = endless.whole("film", octets)

            def film(side: Side) -> list[Download]:
                found = download(bench, side, port, endless.path("film", octets), length, crc)
                found.must_be_whole(side)
                return [found]

            figures["cases"] = {"film": _downloads(rounds, f"{self.name}: film", able, film)}
            size, its_crc = endless.whole("archive", octets)
            figures["archive"] = {}
            for side in able:
                bench.doing(f"{self.name}: archive, {side.name}")
                before = {kind_of(side): _memory_begins(side)}
                path = endless.path("archive", octets)
                one = download(bench, side, port, path, size, its_crc)
                figures["archive"][kind_of(side)] = {
                    "what": one.what,
                    "seconds": one.seconds,
                    "came": one.came,
                    "memory": _memory_ends(side, before),
                }
        finally:
            server.stop()

    @override
    def lines(self, figures: Figures) -> Iterator[str]:
        yield f"{figures['octets'] / 1e9:.1f} GB (content-large)"
        for case, found in figures["cases"].items():
            yield from _downloads_shown(case, found)
        for name, one in figures["archive"].items():
            yield (
                f"  archive: {name}: {one['what']}, after {one['seconds']:.1f} s and"
                f" {one['came'] / 1e6:.1f} MB, {_memory_shown(one['memory'])}"
            )
        yield from left_out(figures)


# --- downloads ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Download:
    """What came of one.

    Attributes:
        what: `whole`, the status of another answer, or that it was broken off.
        came: octets of the body.
        first: seconds until the first of them.
        seconds: until the last.
    """

    what: str
    came: int
    first: float
    seconds: float

    def must_be_whole(self, side: Side) -> None:
        """Raise `BadAnswerError` where it is not."""
        if self.what != "whole":
            raise BadAnswerError(f"{side.name}: a download was {self.what} after {self.came}")


def download(bench: Bench, side: Side, port: int, path: str, length: int, crc: int) -> Download:
    """One file in plain HTTP, of which each octet is checked.

    Args:
        bench: the run.
        side: by way of which.
        port: of the origin.
        path: at the origin.
        length: of the file.
        crc: its CRC-32.

    Raises:
        BadAnswerError: other octets came than the origin's, in an answer that looks complete.
    """
    connection = http.client.HTTPConnection(*side.address, timeout=PATIENCE)
    came = found = 0
    first = 0.0
    start = time.monotonic()
    try:
        connection.request("GET", f"http://{bench.origin.host}:{port}{path}")
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            said = answer.read()
            return Download(f"answered {answer.status}", len(said), 0, time.monotonic() - start)
        while piece := answer.read1(BUFFER):
            first = first or time.monotonic() - start
            found = zlib.crc32(piece, found)
            came += len(piece)
        whole = answer.length in {0, None}
    except (OSError, http.client.HTTPException):
        whole = False  # broken off: that is what is reported
    finally:
        connection.close()
    seconds = time.monotonic() - start
    if not whole:
        return Download("broken off", came, first, seconds)
    if (came, found) != (length, crc):
        raise BadAnswerError(f"{side.name}: {came} octets, not the {length} of the origin")
    return Download("whole", came, first, seconds)


def _downloads(
    bench: Bench, what: str, sides: Sequence[Side], fetch: Callable[[Side], list[Download]]
) -> Figures:
    """Rounds of downloads, the sides in turn."""
    for side in sides:
        fetch(side)  # processes are started, certificates made
    before = {kind_of(side): _memory_begins(side) for side in sides}
    speeds: dict[str, list[float]] = {kind_of(side): [] for side in sides}
    costs: dict[str, list[float]] = {kind_of(side): [] for side in sides}
    waits: dict[str, list[float]] = {kind_of(side): [] for side in sides}
    scans: dict[str, list[float]] = {kind_of(side): [] for side in sides}
    for _, side in bench.in_turn(sides, what):
        name, begun = kind_of(side), contentsides.reading(side)
        scanning = contentsides.scanner_reading(side)
        found = fetch(side)
        time.sleep(SETTLE_SECONDS)
        spent = cpu.between(begun, contentsides.reading(side))
        scanned = cpu.between(scanning, contentsides.scanner_reading(side))
        megabytes = sum(one.came for one in found) / 1e6
        speeds[name].append(megabytes / sum(one.seconds for one in found))
        costs[name].append(1e3 * spent / megabytes)
        scans[name].append(1e3 * scanned / megabytes)
        waits[name].append(sum(one.first for one in found) / len(found))
    return {
        "mb_per_s": {name: spread(values) for name, values in speeds.items()},
        "cpu_ms_per_mb": {name: spread(values) for name, values in costs.items()},
        "of_it_clamd": {name: spread(values) for name, values in scans.items()},
        "first_s": {name: spread(values) for name, values in waits.items()},
        "memory": {kind_of(side): _memory_ends(side, before) for side in sides},
        "cpu_ratio": _ratios(costs),
        "speed_ratio": _ratios(speeds),
    }


def _downloads_shown(case: str, found: Figures) -> Iterator[str]:
    for name, speed in found["mb_per_s"].items():
        yield (
            f"  {case}: {name}: {shown(speed, 0)} MB/s,"
            f" {shown(found['cpu_ms_per_mb'][name])} CPU ms/MB, of it clamd"
            f" {found['of_it_clamd'][name]['median']:.2f},"
            f" first byte after {found['first_s'][name]['median']:.2f} s,"
            f" {_memory_shown(found['memory'][name])}"
        )
    yield from _ratios_shown(case, found["cpu_ratio"])


# --- figures --------------------------------------------------------------------------------------


def _ratios(values: dict[str, list[float]]) -> Figures:
    return {
        f"{subject}/{base}": spread_of_ratios(values[subject], values[base])
        for subject, base in PAIRS
        if subject in values and base in values
    }


def _ratios_shown(case: str, ratios: Figures) -> Iterator[str]:
    for pair, figure in ratios.items():
        yield f"  {case}: {pair}: CPU {shown(figure)}"


def _memory_begins(side: Side) -> float:
    """Resident megabytes of all its processes; their peaks begin anew."""
    pids = contentsides.processes(side)
    for pid in pids:
        with contextlib.suppress(OSError):  # it has just ended, or may not be looked at
            memory.forget_peak([pid])
    return _of_all(pids, memory.resident)


def _memory_ends(side: Side, before: dict[str, float]) -> dict[str, float]:
    """Megabytes: the sum of its processes' peaks, and how much that is beyond what there was."""
    peak = _of_all(contentsides.processes(side), memory.peak)
    return {"peak_mb": peak, "extra_mb": peak - before[kind_of(side)]}


def _of_all(pids: Sequence[int], figure: Callable[[Sequence[int]], int]) -> float:
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError):  # it has just ended
            total += figure([pid])
    return total / 1e6


def _memory_shown(found: dict[str, float]) -> str:
    return f"peak {found['peak_mb']:.0f} MB resident ({found['extra_mb']:+.0f})"

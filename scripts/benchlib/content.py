"""What looking into what comes back costs: documents, files without end (contentpages.py: pages).

In: the gateway as it is, with a policy that looks at nothing, with clamd; E2Guardian with clamd.
Out: CPU of a request or a megabyte, throughput, the wait for a first byte, memory.
Must never: take an answer of which one byte is not the origin's; compare a side that scans before
it has refused a virus.
"""

from __future__ import annotations

import contextlib
import http.client
import time
import zlib
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, override

from benchlib import contentfiles, contentsides, cpu, endless, memory
from benchlib.contentsides import GUARDIAN, OFF, ON, SCANNING
from benchlib.load import BadAnswerError
from benchlib.place import free_port
from benchlib.scenarios import SETTLE_SECONDS
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
                before = {kind_of(side): memory_begins(side)}
                path = endless.path("archive", octets)
                one = download(bench, side, port, path, size, its_crc)
                figures["archive"][kind_of(side)] = {
                    "what": one.what,
                    "seconds": one.seconds,
                    "came": one.came,
                    "memory": memory_ends(side, before),
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
                f" {one['came'] / 1e6:.1f} MB, {memory_shown(one['memory'])}"
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
    before = {kind_of(side): memory_begins(side) for side in sides}
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
        "memory": {kind_of(side): memory_ends(side, before) for side in sides},
        "cpu_ratio": ratios_of(costs),
        "speed_ratio": ratios_of(speeds),
    }


def _downloads_shown(case: str, found: Figures) -> Iterator[str]:
    for name, speed in found["mb_per_s"].items():
        yield (
            f"  {case}: {name}: {shown(speed, 0)} MB/s,"
            f" {shown(found['cpu_ms_per_mb'][name])} CPU ms/MB, of it clamd"
            f" {found['of_it_clamd'][name]['median']:.2f},"
            f" first byte after {found['first_s'][name]['median']:.2f} s,"
            f" {memory_shown(found['memory'][name])}"
        )
    yield from ratios_shown(case, found["cpu_ratio"])


# --- figures --------------------------------------------------------------------------------------


def ratios_of(values: dict[str, list[float]]) -> Figures:
    """One side's values by another's, for the pairs that are compared."""
    return {
        f"{subject}/{base}": spread_of_ratios(values[subject], values[base])
        for subject, base in PAIRS
        if subject in values and base in values
    }


def ratios_shown(case: str, ratios: Figures) -> Iterator[str]:
    """The same in words."""
    for pair, figure in ratios.items():
        yield f"  {case}: {pair}: CPU {shown(figure)}"


def memory_begins(side: Side) -> float:
    """Resident megabytes of all its processes; their peaks begin anew."""
    pids = contentsides.processes(side)
    for pid in pids:
        with contextlib.suppress(OSError):  # it has just ended, or may not be looked at
            memory.forget_peak([pid])
    return _of_all(pids, memory.resident)


def memory_ends(side: Side, before: dict[str, float]) -> dict[str, float]:
    """Megabytes: the sum of its processes' peaks, and how much that is beyond what there was."""
    peak = _of_all(contentsides.processes(side), memory.peak)
    return {"peak_mb": peak, "extra_mb": peak - before[kind_of(side)]}


def _of_all(pids: Sequence[int], figure: Callable[[Sequence[int]], int]) -> float:
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError):  # it has just ended
            total += figure([pid])
    return total / 1e6


def memory_shown(found: dict[str, float]) -> str:
    """What `memory_ends` gives, in words."""
    return f"peak {found['peak_mb']:.0f} MB resident ({found['extra_mb']:+.0f})"

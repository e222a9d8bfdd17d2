"""A large download, inspected: speed and memory against the same engine without us.

In: stock mitmdump that streams, and the gateway with all rules and the log on. Out: MB/s, CPU per
GB, and the most memory that a download took beyond what the process had before.
Must never: take an answer whose octets were not checked (CRC-32 of all of them).
"""

from __future__ import annotations

import time
import zlib
from typing import TYPE_CHECKING, override

from benchlib import cpu, load, memory
from benchlib.gateway import Watchhouse
from benchlib.load import BadAnswerError
from benchlib.place import SideError
from benchlib.scenarios import SETTLE_SECONDS, page
from benchlib.side import AbsentError
from benchlib.stock import MitmdumpStreaming
from benchlib.study import Bench, Figures, Study, left_out, shown, spread, spread_of_ratios

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchlib.side import Side

OCTETS, QUICK_OCTETS = 2 * 10**9, 200 * 10**6
WARM_UP_OCTETS = 20 * 10**6
BUFFER = 1 << 18
PATIENCE = 60


class Download(Study):
    """One GET of a large file on an inspected connection."""

    name = "download"
    title = "a large inspected download"

    @override
    def measure(self, bench: Bench) -> Figures:
        figures: Figures = {"octets": QUICK_OCTETS if bench.quick else OCTETS}
        path, checksum = bench.origin.large_file(figures["octets"])
        warm_up = bench.origin.large_file(WARM_UP_OCTETS)
        sides: list[Side] = []
        try:
            for kind in (MitmdumpStreaming, Watchhouse):
                try:
                    sides.append(kind(bench.place, bench.origin, name=f"{kind.name}-download"))
                except AbsentError as error:
                    figures.setdefault("left_out", {})[kind.name] = str(error)
            for side in sides:
                _fetch(bench, side, *warm_up, WARM_UP_OCTETS)
            rows: dict[str, list[dict[str, float]]] = {side.name: [] for side in sides}
            for _, side in bench.in_turn(sides, self.name):
                rows[side.name].append(_round(bench, side, path, checksum, figures["octets"]))
        finally:
            for side in sides:
                side.program.stop()
            (bench.origin.folder / "www" / path.lstrip("/")).unlink()
        names = {"ours": "watchhouse-download", "stock": "mitmdump-streaming-download"}
        for key, name in names.items():
            if name in rows:
                figures[key] = {k: spread([row[k] for row in rows[name]]) for k in rows[name][0]}
        if len(sides) == 2:
            for key in ("mb_per_s", "cpu_s_per_gb"):
                ours, stock = ([row[key] for row in rows[name]] for name in names.values())
                figures[f"{key}_ratio"] = spread_of_ratios(ours, stock)
        return figures

    @override
    def lines(self, figures: Figures) -> Iterator[str]:
        yield f"Inspected download of {figures['octets'] / 1e9:.1f} GB (download)"
        for key, name in (("stock", MitmdumpStreaming.what), ("ours", "watchhouse")):
            if row := figures.get(key):
                yield (
                    f"  {name}: {shown(row['mb_per_s'], 0)} MB/s,"
                    f" {shown(row['cpu_s_per_gb'])} CPU s/GB,"
                    f" {shown(row['extra_mb'], 1)} MB more resident at the most"
                )
        if "mb_per_s_ratio" in figures:
            yield (
                f"  ours/stock: MB/s {shown(figures['mb_per_s_ratio'])},"
                f" CPU {shown(figures['cpu_s_per_gb_ratio'])}"
            )
        yield from left_out(figures)


def _round(bench: Bench, side: Side, path: str, checksum: int, octets: int) -> dict[str, float]:
    workers = side.workers() if isinstance(side, Watchhouse) else [side.program.pid]
    logged, before = side.logged() or 0, cpu.read(side.program.pid)
    memory.forget_peak(workers)
    resident = memory.resident(workers)
    seconds = _fetch(bench, side, path, checksum, octets)
    peak = memory.peak(workers)
    time.sleep(SETTLE_SECONDS)
    spent = cpu.between(before, cpu.read(side.program.pid))
    if side.log_is_prompt and (side.logged() or 0) <= logged:
        raise SideError(f"{side.name}: a download has left no record in the log")
    return {
        "mb_per_s": octets / seconds / 1e6,
        "cpu_s_per_gb": spent / (octets / 1e9),
        "extra_mb": (peak - resident) / 1e6,
    }


def _fetch(bench: Bench, side: Side, path: str, checksum: int, octets: int) -> float:
    """Seconds from the request to the last octet; the connection stands already."""
    target = page(bench.origin, side, tls=True, path=path)
    connection = load.Connection(target)
    try:
        load.drive([(connection, connection.open())], 1)
        sock = connection.sock
        sock.settimeout(PATIENCE)
        start = time.monotonic()
        sock.sendall(connection.request)
        answer = bytearray()
        while b"\r\n\r\n" not in answer:
            part = sock.recv(BUFFER)
            answer += part
            if not part:
                raise BadAnswerError(f"{side.name}: {bytes(answer[:300])!r}")
        head, _, body = bytes(answer).partition(b"\r\n\r\n")
        length = f"content-length: {octets}".encode()
        if not head.startswith(b"HTTP/1.1 200 ") or length not in head.lower():
            raise BadAnswerError(f"{side.name}: {head[:300]!r}")
        found, left = zlib.crc32(body), octets - len(body)
        buffer = bytearray(BUFFER)
        view = memoryview(buffer)
        while left:
            got = sock.recv_into(buffer, min(left, BUFFER))
            if not got:
                raise BadAnswerError(f"{side.name}: the download ended {left} octets too early")
            found = zlib.crc32(view[:got], found)
            left -= got
        seconds = time.monotonic() - start
    except TimeoutError as error:
        raise BadAnswerError(f"{side.name}: nothing came for {PATIENCE} s") from error
    finally:
        connection.close()
    if found != checksum:
        raise BadAnswerError(f"{side.name}: other octets arrived than the origin serves")
    return seconds

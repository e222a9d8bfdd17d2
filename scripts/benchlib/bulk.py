"""Bulk through a spliced tunnel: MB/s and CPU seconds per GB.

In: sides that leave one host encrypted, and an origin of its own that sends encrypted bulk.
Out: throughput and cost of each side, in rounds.
Must never: let the load be the brake. The TLS handshake and the records are real on the wire, but
the origin sends records made beforehand (sendfile) and the client counts octets without copying or
decrypting them (MSG_TRUNC, tcp(7)); the first of them are compared once, octet by octet.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
import time
from typing import TYPE_CHECKING, override

from benchlib import bulkorigin, cpu
from benchlib.load import BadAnswerError, client_context
from benchlib.side import AbsentError
from benchlib.study import Bench, Figures, Study, left_out, shown, spread, spread_of_ratios

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchlib.side import Side

SIDES = ("mitmdump", "squid-peek", "watchhouse")
MEGABYTES, QUICK_MEGABYTES = 1500, 300
BUFFER = 1 << 20
SETTLE_SECONDS = 0.3


class SpliceBulk(Study):
    """One big download through one spliced tunnel."""

    name = "splice-bulk"
    title = "bulk through a spliced tunnel"

    @override
    def measure(self, bench: Bench) -> Figures:
        figures: Figures = {}
        origin, place = bench.origin, bench.place
        if not origin.distinct_names:
            raise AbsentError("needs a name server of our own (root)")
        records = bulkorigin.write_records(place.folder / "bulk.records")
        command = [place.python, "-m", "benchlib.bulkorigin", str(origin.bulk_port)]
        command += [str(origin.folder / "origin.pem"), str(records)]
        server = place.start("bulkorigin", command)
        server.await_port(("127.0.0.1", origin.bulk_port))
        try:
            self._rounds(bench, bench.sides(SIDES, figures), figures, records.read_bytes())
        finally:
            server.stop()
        return figures

    def _rounds(self, bench: Bench, sides: list[Side], figures: Figures, records: bytes) -> None:
        size = (QUICK_MEGABYTES if bench.quick else MEGABYTES) * 10**6 // len(records)
        octets = size * len(records)
        speeds: dict[str, list[float]] = {side.name: [] for side in sides}
        costs: dict[str, list[float]] = {side.name: [] for side in sides}
        busy: dict[str, list[float]] = {side.name: [] for side in sides}
        load: list[float] = []
        for side in sides:
            _check(bench, side, records)
        for _, side in bench.in_turn(sides, self.name):
            logged = side.logged()
            before = cpu.read(side.program.pid)
            own = time.process_time()
            seconds = _download(bench, side, size, octets)
            load.append((time.process_time() - own) / seconds)
            time.sleep(SETTLE_SECONDS)
            spent = cpu.between(before, cpu.read(side.program.pid))
            if side.log_is_prompt and (side.logged() or 0) <= (logged or 0):
                raise BadAnswerError(f"{side.name}: a tunnel has left no record in the log")
            speeds[side.name].append(octets / seconds / 1e6)
            costs[side.name].append(spent / (octets / 1e9))
            busy[side.name].append(spent / seconds)
        figures["octets"] = octets
        figures["mb_per_s"] = {name: spread(values) for name, values in speeds.items()}
        figures["cpu_s_per_gb"] = {name: spread(values) for name, values in costs.items()}
        figures["core_busy"] = {name: spread(values) for name, values in busy.items()}
        figures["client_core"] = spread(load)
        ours = "watchhouse"
        for base in (side.name for side in sides if side.name != ours and ours in speeds):
            figures.setdefault("speed_ratio", {})[f"{ours}/{base}"] = spread_of_ratios(
                speeds[ours], speeds[base]
            )
            figures.setdefault("cpu_ratio", {})[f"{ours}/{base}"] = spread_of_ratios(
                costs[ours], costs[base]
            )

    @override
    def lines(self, figures: Figures) -> Iterator[str]:
        yield f"Bulk through a spliced tunnel, {figures['octets'] / 1e9:.1f} GB each (splice-bulk)"
        for name, speed in figures["mb_per_s"].items():
            yield (
                f"  {name}: {shown(speed, 0)} MB/s,"
                f" {shown(figures['cpu_s_per_gb'][name])} CPU s/GB,"
                f" {figures['core_busy'][name]['median']:.0%} of a core"
            )
        for pair, figure in figures.get("speed_ratio", {}).items():
            yield f"  {pair}: MB/s {shown(figure)}, CPU {shown(figures['cpu_ratio'][pair])}"
        yield f"  the client used {figures['client_core']['median']:.0%} of a core"
        yield from left_out(figures)


def _open(bench: Bench, side: Side, repeats: int) -> socket.socket:
    """A tunnel with TLS in it, asked for so many repeats: what comes next are raw records."""
    origin = bench.origin
    sock = socket.create_connection(side.address, timeout=30)
    host = f"{origin.splice_host}:{origin.bulk_port}"
    sock.sendall(f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        part = sock.recv(4096)
        answer += part
        if not part:
            raise BadAnswerError(f"{side.name}: CONNECT {host}: {answer[:200]!r}")
    if b" 200 " not in answer.split(b"\r\n", 1)[0]:
        raise BadAnswerError(f"{side.name}: CONNECT {host}: {answer[:200]!r}")
    context = client_context(str(origin.ca_file))
    try:
        tls = context.wrap_socket(sock, server_hostname=origin.splice_host)
    except ssl.SSLError as error:
        raise BadAnswerError(f"{side.name}: the tunnel was not spliced: {error}") from error
    tls.sendall(f"{repeats}\n".encode())
    # The records that follow are not for OpenSSL: it stays out of the way from here.
    return socket.socket(fileno=tls.detach())


def _check(bench: Bench, side: Side, records: bytes) -> None:
    """Whether what arrives is what was sent."""
    with _open(bench, side, 1) as sock:
        sock.settimeout(30)
        digest, received = hashlib.sha256(), 0
        while received < len(records):
            part = sock.recv(BUFFER)
            if not part:
                break
            digest.update(part)
            received += len(part)
    if received != len(records) or digest.digest() != hashlib.sha256(records).digest():
        raise BadAnswerError(f"{side.name}: the tunnel delivers other octets than were sent")
    time.sleep(SETTLE_SECONDS)


def _download(bench: Bench, side: Side, repeats: int, octets: int) -> float:
    """Seconds from the request to the last octet."""
    start = time.monotonic()
    with _open(bench, side, repeats) as sock:
        sock.settimeout(30)
        left, buffer = octets, bytearray(BUFFER)
        while left:
            got = sock.recv_into(buffer, min(left, BUFFER), socket.MSG_TRUNC)
            if not got:
                raise BadAnswerError(f"{side.name}: the tunnel ended {left} octets too early")
            left -= got
        return time.monotonic() - start

"""Servers and parents that stop at every stage: a page or an end in time, and a record with why.

All stages are tried at once, so that the table takes as long as its slowest line.
"""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from support.gateway import Gateway
from support.stalling import ANSWERS, HANDSHAKES, NEVER_ACCEPTS, Stalling, trusting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Times are looked at: nothing else may run beside it.
pytestmark = pytest.mark.apart

LIMIT = 1  # second: every configured time
PATIENCE = 20.0  # seconds in which an answer or an end must have come, on a busy machine

# Stage, status of the page (None: the answer had begun, it is broken off), words of the record.
NO_ANSWER = "no answer within 1 s"
NO_BYTE = "no byte of a body for 1 s"
STAGES: list[tuple[str, int | None, str]] = [
    (NEVER_ACCEPTS, 504, "within 1 s"),
    ("says-nothing", 504, NO_ANSWER),
    ("half-a-head", 504, NO_ANSWER),
    ("head-alone", None, NO_BYTE),
    ("half-a-body", None, NO_BYTE),
    ("half-a-chunk", None, NO_BYTE),
    ("half-a-size", None, NO_BYTE),
    ("no-last-chunk", None, NO_BYTE),
    ("never-closes", None, NO_BYTE),
    ("closes-at-once", 502, "closed the connection before it answered"),
    ("closes-in-a-head", 502, "closed the connection"),
    ("closes-in-a-body", None, "closed"),
    ("closes-in-a-chunk", None, "closed"),
]
TLS_STAGES: list[tuple[str, int | None, str]] = [
    (NEVER_ACCEPTS, 504, "within 1 s"),
    ("tls-silent", 504, "within 1 s"),
    ("tls-half-a-record", 504, "within 1 s"),
    ("tls-closes", 502, "closed while TLS was being agreed on"),
]
LANES = {"relay": True, "generic": False}
# CONNECT is one way for both lanes: each meets one of the stages.
PARENTS = {"relay": "connect-stalls", "generic": "connect-half"}


@dataclass
class Came:
    """What a client got, up to the end of its connection or of the answer.

    Attributes:
        status: of the answer; None when none began.
        whole: whether the answer came to its end.
        end: whether the connection ended.
    """

    status: int | None
    whole: bool
    end: bool


@pytest.fixture(scope="module")
def stalling() -> Iterator[Stalling]:
    with Stalling() as servers:
        yield servers


def settings(stalling: Stalling, *, lane: str, parent: str = "") -> dict[str, Any]:
    ports = sorted(stalling.ports.values())
    network = {
        "relay_lane": LANES[lane],
        "connect_timeout": LIMIT,
        "idle_timeout": 15,
        "intranet": ["127.0.0.1/32"],
        "allow_ports": [443, *ports],
    }
    if parent:
        network["upstream_proxy"] = f"http://127.0.0.1:{stalling.ports[parent]}"
    limits = dict.fromkeys(("first_byte_timeout", "body_timeout", "handshake_timeout"), LIMIT)
    return {"network": network, "limits": limits}


@pytest.fixture(scope="module", params=LANES)
def tried(
    request: pytest.FixtureRequest, stalling: Stalling, index: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, tuple[Came, dict[str, Any]]]:  # fmt: skip
    """What came of each stage, and its record, by `http/` or `https/` and the stage."""
    folder = tmp_path_factory.mktemp("stalls")
    with ExitStack() as closing:
        gateway = closing.enter_context(
            Gateway(folder / "g", settings(stalling, lane=request.param), index=index)
        )
        parent = PARENTS[request.param]
        through = closing.enter_context(
            Gateway(
                folder / "p", settings(stalling, lane=request.param, parent=parent), index=index
            )
        )
        jobs = {}
        with ThreadPoolExecutor(40) as pool:
            for stage in (*ANSWERS, NEVER_ACCEPTS):
                jobs[f"http/{stage}"] = gateway, pool.submit(plain, gateway, stalling, stage)
            for stage in (*HANDSHAKES, NEVER_ACCEPTS):
                jobs[f"https/{stage}"] = gateway, pool.submit(inside, gateway, stalling, stage)
            jobs["https/parent"] = through, pool.submit(inside, through, stalling, parent)
        found = {}
        for key, (asked, job) in jobs.items():
            port = stalling.ports[key.partition("/")[2].replace("parent", parent)]
            records = asked.records(1, port=port, kind=key.partition("/")[0], event="transaction")
            assert len(records) == 1, (key, records)
            found[key] = (job.result(), records[0])
        assert "Traceback" not in gateway.output.read_text()
    return found


def plain(gateway: Gateway, stalling: Stalling, stage: str) -> Came:
    host, _, port = gateway.proxy.rpartition(":")
    place = f"127.0.0.1:{stalling.ports[stage]}"
    with socket.create_connection((host, int(port)), PATIENCE) as sock:
        sock.sendall(f"GET http://{place}/ HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
        return what_came(sock)


def inside(gateway: Gateway, stalling: Stalling, stage: str) -> Came:
    host, _, port = gateway.proxy.rpartition(":")
    place = f"127.0.0.1:{stalling.ports[stage]}"
    with socket.create_connection((host, int(port)), PATIENCE) as sock:
        sock.sendall(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
        assert sock.recv(4096).startswith(b"HTTP/1.1 200")
        with trusting(str(gateway.authority)).wrap_socket(sock) as tls:
            tls.sendall(f"GET / HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
            return what_came(tls)


def what_came(sock: socket.socket) -> Came:
    """Read to the end of an answer or of the connection; a time-out fails the test."""
    said = b""
    while True:
        head, found, body = said.partition(b"\r\n\r\n")
        status = int(head.split()[1]) if found else None
        for line in head.lower().split(b"\r\n")[1:]:
            if line.startswith(b"content-length:") and len(body) >= int(line.split()[1]):
                return Came(status, whole=True, end=False)
        if body.endswith(b"0\r\n\r\n"):
            return Came(status, whole=True, end=False)
        try:
            data = sock.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            return Came(status, whole=False, end=True)
        said += data


def check(came: Came, record: dict[str, Any], status: int | None, why: str) -> None:
    assert record["action"] == "allow"
    assert why in (record["error"] or ""), record["error"]
    if status is None:
        assert came.end, "the answer is broken off"
        assert not came.whole, "half an answer must not look like a whole one"
    else:
        assert (came.status, record["status"]) == (status, status)
        assert came.whole, "a page"


@pytest.mark.parametrize(("stage", "status", "why"), STAGES, ids=[each[0] for each in STAGES])
def test_a_server_that_stalls(
    stage: str, status: int | None, why: str, tried: dict[str, tuple[Came, dict[str, Any]]]
) -> None:
    check(*tried[f"http/{stage}"], status, why)


@pytest.mark.parametrize(
    ("stage", "status", "why"), TLS_STAGES, ids=[each[0] for each in TLS_STAGES]
)
def test_a_server_that_stalls_before_tls(
    stage: str, status: int | None, why: str, tried: dict[str, tuple[Came, dict[str, Any]]]
) -> None:
    check(*tried[f"https/{stage}"], status, why)


def test_a_parent_that_stalls_in_connect(tried: dict[str, tuple[Came, dict[str, Any]]]) -> None:
    check(*tried["https/parent"], 504, "within 1 s")


def test_every_stage_is_in_a_table() -> None:
    named = {stage for stage, _, _ in (*STAGES, *TLS_STAGES)}
    assert named == {*ANSWERS, *HANDSHAKES, NEVER_ACCEPTS}

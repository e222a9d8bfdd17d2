"""Bodies that are kept back until they have been looked at whole: archives, viruses; both lanes."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.stage import answering, request_head
from support.waiting import until

from proxy_addons.content.scan import Scan
from proxy_addons.gate.held import Holding
from proxy_addons.gate.whole import Bodies

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable

    from support.stage import Stage

PROGRAM = Path("/bin/true").read_bytes()
PAGE = b"<!doctype html><title>Hello</title><p>" + b"words " * 1000
URL = "http://allowed.test/photos"
HOST = "Host: allowed.test"
JSON = "Accept: application/json"
CLEAN = Scan(None, scanned=True, why="")
FOUND = Scan("Test.Virus", scanned=True, why="")
UNSEEN = Scan(None, scanned=False, why="nobody answers")


@pytest.fixture(params=["relay", "generic"])
def lane(request: pytest.FixtureRequest) -> str:
    """Both lanes, the same cases."""
    chosen: str = request.param
    return chosen


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("_", "."), data)
    return file.getvalue()


def tarred(**members: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:xz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name.replace("_", "."))
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


ORDINARY = zipped(a_txt=b"words " * 900, b_jpg=b"\xff\xd8\xff\xe0" + bytes(90_000))
HIDING = zipped(a_txt=b"words " * 900, inner_zip=zipped(b_txt=b"w", holiday_jpg=PROGRAM))


class Slow:
    """A scanner that answers when the test says so."""

    def __init__(self, said: Scan) -> None:
        self.said = said
        self.go = asyncio.Event()
        self.seen: list[bytes] = []

    async def scan(self, body: AsyncIterable[bytes], *, name: str, size: int | None) -> Scan:
        del name
        self.seen.append(b"".join([piece async for piece in body]))
        assert size == len(self.seen[-1])
        await self.go.wait()
        return self.said

    async def health(self) -> tuple[Any, ...]:
        return ()


def scanned_by(stage: Stage, said: Scan, **more: int) -> Slow:
    scanner = Slow(said)
    limits: dict[str, int] = {"largest": 8 << 20, "memory": 4 << 20, "disk": 16 << 20, **more}
    holding = Holding(stage.settings.paths.data_dir / "held", **limits)
    stage.gate.bodies = Bodies(stage.worker.examining._examiner, scanner, holding=holding)
    return scanner


def holding_of(stage: Stage) -> Holding:
    assert stage.gate.bodies is not None
    return stage.gate.bodies.holding


def all_given_back(holding: Holding) -> bool:
    return not (holding.bodies or holding.memory_taken or holding.disk_taken)


@pytest.mark.parametrize("fields", [(), ("Content-Encoding: gzip",)], ids=["plain", "encoded"])
@pytest.mark.parametrize(
    ("body", "member"),
    [(HIDING, "linux-program"), (tarred(a_txt=b"words", x_py=PROGRAM), "linux-program")],
    ids=["zip in zip", "tar.xz"],
)
async def test_software_in_archives_is_refused(
    stage: Stage, body: bytes, member: str, fields: tuple[str, ...]
) -> None:
    sent = gzip.compress(body) if fields else body
    await stage.origin("allowed.test", script=answering(sent, "200 OK", *fields))
    client = await stage.client()
    reply = await client.get(URL, HOST, JSON)
    assert reply.status == 403
    assert '"rule": "software-in-archives"' in reply.text
    assert (await client.get("http://blocked.test/", "Host: blocked.test")).status == 403
    first, _ = await stage.end()
    assert (first["action"], first["rule"]) == ("block", "software-in-archives")
    assert f"archive_member={member}" in first["findings"]
    assert first["members"]


async def test_an_ordinary_archive_comes_through_as_it_was(stage: Stage) -> None:
    await stage.origin("allowed.test", script=answering(ORDINARY))
    client = await stage.client()
    for _ in range(2):
        reply = await client.get(URL, HOST)
        assert (reply.status, reply.body) == (200, ORDINARY)
    for record in await stage.end():
        assert (record["action"], record["error"], record["virus"]) == ("allow", None, None)
        assert "file_type=archive" in record["findings"]


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        (CLEAN, None),
        (FOUND, "virus"),
        (UNSEEN, "not-scanned"),
    ],
    ids=["clean", "found", "unscanned"],
)
async def test_what_a_scanner_says_decides(stage: Stage, said: Scan, rule: str | None) -> None:
    scanner = scanned_by(stage, said)
    body = b"%PDF-1.7\n" + os.urandom(50_000)
    await stage.origin("allowed.test", script=answering(body))
    client = await stage.client()
    client.send(f"GET {URL} HTTP/1.1\r\n{HOST}\r\n{JSON}\r\n\r\n")
    await until(lambda: bool(scanner.seen))
    assert scanner.seen == [body]
    assert not client.reader._buffer, "nothing goes out before it has spoken"  # type: ignore[attr-defined]
    scanner.go.set()
    reply = await client.answer()
    (record,) = await stage.end()
    assert reply.status == record["status"] == (403 if rule else 200)
    if rule:
        assert record["rule"] == rule
        assert record["virus"] == said.virus
    else:
        assert reply.body == body


async def test_a_page_is_not_kept_back_for_a_scanner(stage: Stage) -> None:
    scanner = scanned_by(stage, FOUND)
    await stage.origin("allowed.test", script=answering(PAGE))
    assert (await (await stage.client()).get(URL, HOST)).body == PAGE
    assert scanner.seen == []


@pytest.mark.parametrize("known", [True, False])
async def test_what_is_too_large_is_for_the_policy_to_judge(stage: Stage, known: bool) -> None:
    scanned_by(stage, CLEAN, largest=100_000)
    body = b"%PDF-1.7\n" + os.urandom(200_000)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        length = f"Content-Length: {len(body)}\r\n" if known else ""
        writer.write(f"HTTP/1.1 200 OK\r\n{length}\r\n".encode() + body)

    await stage.origin("allowed.test", script=script)
    assert (await (await stage.client()).get(URL, HOST, JSON)).status == 403
    (record,) = await stage.end()
    assert record["rule"] == "not-scanned"


async def test_a_client_that_leaves_while_it_is_looked_at(stage: Stage) -> None:
    scanner = scanned_by(stage, CLEAN)
    await stage.origin("allowed.test", script=answering(b"%PDF-1.7\n" + bytes(50_000)))
    holding = holding_of(stage)
    client = await stage.client()
    client.send(f"GET {URL} HTTP/1.1\r\n{HOST}\r\n\r\n")
    await until(lambda: bool(scanner.seen))
    assert not all_given_back(holding)
    client.reset()
    (record,) = await stage.end()
    assert record["error"]
    await until(lambda: all_given_back(holding))


async def test_a_scanner_that_fails_lets_nothing_through(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    scanner = scanned_by(stage, CLEAN)

    async def broken(*_: object, **__: object) -> Scan:
        raise ZeroDivisionError

    monkeypatch.setattr(scanner, "scan", broken)
    await stage.origin("allowed.test", script=answering(b"%PDF-1.7\n" + bytes(50_000)))
    reply = await (await stage.client()).get(URL, HOST, JSON)
    assert reply.status >= 400
    (record,) = await stage.end()
    assert (record["action"], record["rule"]) == ("block", "undecided")


async def test_over_http2_other_streams_go_on(stage: Stage, connect: Callable[..., Any]) -> None:
    scanner = scanned_by(stage, FOUND)
    pdf = b"%PDF-1.7\n" + bytes(50_000)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await request_head(reader)
            body = pdf if " /pdf " in head else PAGE
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    await stage.secure_origin("allowed.test", script=script)
    client = await connect()
    waiting = client.ask("/pdf", "allowed.test", ("accept", "application/json"))
    await until(lambda: bool(scanner.seen))
    assert await client.answer(client.ask("/page")) == (200, PAGE)
    scanner.go.set()
    status, body = await client.answer(waiting)
    assert (status, b'"rule": "virus"' in body) == (403, True)
    await client.close()

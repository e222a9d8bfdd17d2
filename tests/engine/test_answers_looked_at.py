"""What comes back is looked at on both lanes: a page for what is refused, never a whole file."""

from __future__ import annotations

import asyncio
import gzip
import io
import random
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pypdfium2
import pytest
from support.stage import answering, request_head

from proxy_addons.content.types import HEAD, TAIL
from proxy_addons.gate import watching

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.stage import Script, Stage

PROGRAM = Path("/bin/true").read_bytes()
PICTURE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0\0\0\1\0\x08\2\0\0\0" + bytes(range(256)) * 800
PAGE = b"<!doctype html><title>Hello</title><p>" + b"words " * 1000
URL = "http://allowed.test/logo.png"
HOST = "Host: allowed.test"
JSON = "Accept: application/json"


@pytest.fixture(params=["relay", "generic"])
def lane(request: pytest.FixtureRequest) -> str:
    """Both lanes, the same cases."""
    chosen: str = request.param
    return chosen


def pdf(**attached: bytes) -> bytes:
    """Of more bytes than are asked for at first and last, with files in it."""
    document = pypdfium2.PdfDocument.new()
    document.new_page(100, 100)
    filling = {"filling": random.Random(1).randbytes(HEAD + TAIL)}
    for name, content in (attached | filling).items():
        document.new_attachment(name).set_data(content)
    made = io.BytesIO()
    document.save(made)
    document.close()
    return made.getvalue()


def jar() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Main-Class: A\n")
        archive.writestr("A.class", b"\xca\xfe\xba\xbe\0\0\0\x41" + bytes(3000))
    return file.getvalue()


def framed(body: bytes, framing: str) -> bytes:
    """A body as a server sends it."""
    if framing == "chunked":
        pieces = [body[at : at + 5000] for at in range(0, len(body), 5000)]
        return b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in pieces) + b"0\r\n\r\n"
    return body


FRAMINGS = {
    "length": "Content-Length: {size}\r\n",
    "chunked": "Transfer-Encoding: chunked\r\n",
    "close": "Connection: close\r\n",
}


def sending(body: bytes, framing: str = "length", *fields: str) -> Script:
    """A script that answers once, in one of the ways in which a body's end can be told."""
    head = FRAMINGS[framing].format(size=len(body)) + "".join(f"{each}\r\n" for each in fields)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + framed(body, framing))
        await writer.drain()

    return script


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (PROGRAM, ("Content-Type: image/png",)),
        (gzip.compress(PROGRAM), ("Content-Type: text/html", "Content-Encoding: gzip")),
        (b"Write-Host hello\r\n", ('Content-Disposition: attachment; filename="a.ps1"',)),
    ],
    ids=["disguised", "encoded", "script"],
)
async def test_software_is_refused_with_a_page(
    stage: Stage, framing: str, body: bytes, fields: tuple[str, ...]
) -> None:
    await stage.origin("allowed.test", script=sending(body, framing, *fields))
    client = await stage.client()
    reply = await client.get(URL, HOST, JSON)
    assert reply.status == 403
    assert '"rule": "software"' in reply.text
    assert '"findings": ["file_type=' in reply.text
    # The connection goes on: nothing of what was refused is taken for another answer.
    stage.roads.places["allowed.test"] = await stage.origin(script=answering(PAGE))
    assert (await client.get(URL, HOST)).body == PAGE
    first, second = await stage.end()
    assert (first["action"], first["rule"], first["status"]) == ("block", "software", 403)
    assert first["findings"][0].startswith("file_type=")
    assert first["error"] is None
    assert (second["action"], second["findings"]) == ("allow", [])


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("body", [PAGE, PICTURE, b"", b"%PDF-1.7\n" + bytes(100_000)])
async def test_what_is_ordinary_comes_through_as_it_was(
    stage: Stage, framing: str, body: bytes
) -> None:
    await stage.origin("allowed.test", script=sending(body, framing))
    client = await stage.client()
    reply = await client.get(URL, HOST)
    assert (reply.status, reply.body) == (200, body)
    (record,) = await stage.end()
    assert (record["action"], record["bytes_down"], record["error"]) == ("allow", len(body), None)


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_what_shows_at_the_end_is_cut_off(stage: Stage, framing: str) -> None:
    body, go = PICTURE + jar(), asyncio.Event()
    head = FRAMINGS[framing].format(size=len(body))

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        first = framed(PICTURE, framing).removesuffix(b"0\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode())
        for at in range(0, len(first), 20_000):  # what comes at once goes on at once
            writer.write(first[at : at + 20_000])
            await writer.drain()
            await asyncio.sleep(0.002)
        await go.wait()
        writer.write(framed(jar(), framing))

    await stage.origin("allowed.test", script=script)
    client = await stage.client()
    client.send(f"GET {URL} HTTP/1.1\r\n{HOST}\r\n\r\n")
    reply = await client.head()
    assert reply.status == 200
    go.set()
    rest = await client.ended()
    assert 0 < len(rest) < len(PICTURE)
    if framing == "length":
        assert int(reply.headers["content-length"]) == len(body)
    else:  # by the connection's end alone it would look complete
        assert reply.headers["transfer-encoding"] == "chunked"
        assert not rest.endswith(b"0\r\n\r\n")
    (record,) = await stage.end()
    assert (record["action"], record["rule"]) == ("block", "software")
    assert "file_type=java-program" in record["findings"]
    assert "cut off" in record["error"]


def parted(file: bytes, kind: str, asked: list[str], tag: str = '"one"') -> Script:
    """A server that gives parts (RFC 9110 14), and takes down what it is asked for."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await request_head(reader)
            part = re.search(r"^range: *(\S.*)$", head, re.MULTILINE | re.IGNORECASE)
            asked.append(part[1].strip() if part else "")
            first, last, status = 0, len(file), "200 OK"
            if part and (match := re.fullmatch(r"bytes=(\d*)-(\d*)", asked[-1])):
                if match[1]:
                    first = int(match[1])
                    last = min(len(file), int(match[2] or len(file)) + 1)
                else:
                    first = max(0, len(file) - int(match[2]))
                status = f"206 Part\r\nContent-Range: bytes {first}-{last - 1}/{len(file)}"
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nETag: {tag}\r\n"
                f"Content-Length: {last - first}\r\n\r\n".encode()
                + file[first:last]
            )

    return script


FILM = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(range(256)) * 2000


async def test_a_part_of_a_film_comes_when_its_ends_have_been_seen(stage: Stage) -> None:
    asked: list[str] = []
    await stage.origin("allowed.test", script=parted(FILM, "video/mp4", asked))
    client = await stage.client()
    reply = await client.get(URL, HOST, "Range: bytes=300000-300099")
    assert (reply.status, reply.body) == (206, FILM[300_000:300_100])
    assert reply.headers["content-range"] == f"bytes 300000-300099/{len(FILM)}"
    assert asked == [f"bytes=0-{HEAD - 1}", f"bytes=-{TAIL}", "bytes=300000-300099"]
    # From then on it is known.
    reply = await client.get(URL, HOST, "Range: bytes=5-")
    assert (reply.status, reply.body) == (206, FILM[5:])
    assert asked[3:] == ["bytes=5-"]
    # Another file of the same name is not.
    other: list[str] = []
    script = parted(PROGRAM, "video/mp4", other, '"two"')
    stage.roads.places["allowed.test"] = await stage.origin(script=script)
    client = await stage.client()
    reply = await client.get(URL, HOST, "Range: bytes=1-")
    assert reply.status == 403
    assert other == ["bytes=1-", ""]
    records = await stage.end()
    assert [each["status"] for each in records] == [206, 206, 403]
    assert [each["bytes_down"] for each in records[:2]] == [100, len(FILM) - 5]


@pytest.mark.parametrize(
    ("file", "kind", "wanted"),
    [
        (PROGRAM, "video/mp4", 403),
        (FILM + jar(), "video/mp4", 403),
        (PICTURE[:2000], "image/png", 206),
        (b"words " * 20_000, "text/plain", 200),
        (b"{\\rtf1 " + b"words " * 20_000 + b"}", "application/rtf", 200),
        (pdf(), "application/pdf", 200),
        (pdf(setup=PROGRAM), "application/pdf", 403),
    ],
    ids=["program", "program behind a film", "small picture", "text", "other", "PDF", "in a PDF"],
)
async def test_what_comes_of_a_part(stage: Stage, file: bytes, kind: str, wanted: int) -> None:
    asked: list[str] = []
    await stage.origin("allowed.test", script=parted(file, kind, asked))
    client = await stage.client()
    reply = await client.get(URL, HOST, "Range: bytes=1-", 'If-Range: "one"', JSON)
    assert reply.status == wanted
    assert asked[0] == f"bytes=0-{HEAD - 1}"
    if wanted != 403:
        assert reply.body == (file if wanted == 200 else file[1:])
        assert asked[-1] == ("" if wanted == 200 else "bytes=1-")
    # The connection goes on.
    assert (await client.get("http://blocked.test/", "Host: blocked.test")).status == 403
    assert len(await stage.end()) == 2


@pytest.mark.parametrize("part", ["bytes=1-", "bytes=-5", "bytes=0-1,5-9", "pages=1-"])
async def test_a_server_that_knows_no_parts(stage: Stage, part: str) -> None:
    asked: list[str] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            asked.append((await request_head(reader)).lower())
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(PAGE) + PAGE)

    await stage.origin("allowed.test", script=script)
    client = await stage.client()
    codings = "Accept-Encoding: gzip, dcb, br;q=0.5"
    reply = await client.get(URL, HOST, f"Range: {part}", 'If-Range: "a"', codings)
    assert (reply.status, reply.body) == (200, PAGE)
    (head,) = asked
    assert "if-range" not in head
    assert f"range: bytes=0-{HEAD - 1}\r\n" in head
    assert "accept-encoding: gzip, br;q=0.5\r\n" in head
    assert (await client.get(URL, HOST, "Range: bytes=0-")).status == 200
    assert "range: bytes=0-\r\n" in asked[1], "it shows the beginning as it is"


async def test_a_part_that_nobody_asked_for_is_refused(stage: Stage) -> None:
    part = b"HTTP/1.1 206 Part\r\nContent-Range: bytes 1-5/9\r\nContent-Length: 5\r\n\r\nhello"

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(part)

    await stage.origin("allowed.test", script=script)
    client = await stage.client()
    reply = await client.get(URL, HOST, JSON)
    assert reply.status >= 400
    assert reply.body != b"hello"
    (record,) = await stage.end()
    assert (record["action"], record["rule"]) == ("block", "undecided")
    assert record["error"] == "a part that nobody asked for"


async def test_a_failure_while_looking_lets_nothing_through(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    await stage.origin("allowed.test", script=sending(PAGE))
    # A glance that fails leaves the answer to the watch.
    monkeypatch.setattr(watching, "is_ordinary", broken)
    monkeypatch.setattr(watching, "is_plain", broken)
    client = await stage.client()
    reply = await client.get(URL, HOST, JSON)
    assert reply.status >= 400
    assert b"words" not in reply.body
    (record,) = await stage.end()
    assert (record["action"], record["rule"]) == ("block", "undecided")


async def test_events_pass_as_they_come(stage: Stage) -> None:
    go = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        await go.wait()
        writer.write(b"data: 2\n\n")

    await stage.origin("allowed.test", script=script)
    client = await stage.client()
    client.send(f"GET {URL} HTTP/1.1\r\n{HOST}\r\n\r\n")
    await client.head()
    await client.reader.readuntil(b"data: 1\n\n")
    go.set()
    await client.reader.readuntil(b"data: 2\n\n")
    client.close()


async def test_a_client_that_speaks_http_1_0_gets_all_or_nothing(stage: Stage) -> None:
    """Its answer ends with the connection: it could not tell a broken transfer from a whole one."""
    for body, status in ((PICTURE, 200), (PICTURE + jar(), 403)):
        stage.roads.places["allowed.test"] = await stage.origin(script=sending(body, "close"))
        client = await stage.client()
        client.send(f"GET {URL} HTTP/1.0\r\n{HOST}\r\n\r\n")
        reply = await client.head()
        assert reply.status == status
        rest = await client.ended()
        assert (rest == PICTURE) == (status == 200)


async def test_over_http2_a_refusal_is_a_page_or_a_reset(
    stage: Stage, connect: Callable[..., Any]
) -> None:
    await stage.secure_origin("allowed.test", script=sending(PROGRAM))
    client = await connect()
    status, body = await client.answer(
        client.ask("/a", "allowed.test", ("accept", "application/json"))
    )
    assert (status, b'"rule": "software"' in body) == (403, True)
    await client.close()

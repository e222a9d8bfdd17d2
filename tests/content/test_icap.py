"""An ICAP server, a real one (c-icap), and what pretends to be one."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from support.bodies import Body, once
from support.clamd import MARKER, MARKER_VIRUS, VIRUS, RunningClamd
from support.eicar import EICAR, SHAPES
from support.ending import end
from support.icap import RunningIcap

from proxy_addons.content.icap import BLOCKED, CHANGED, IcapScanner, _Options
from proxy_addons.content.scan import Scan
from proxy_addons.content.wire import PIECE
from proxy_addons.settings.content import Icap

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("no_blocking")

CLEAN = Scan(None, scanned=True)


async def scan(scanner: IcapScanner, data: bytes, *cuts: int, name: str = "a file") -> Scan:
    return await scanner.scan(Body(data, cuts), name=name, size=len(data))


def test_eicar_is_eicar():
    assert hashlib.sha256(EICAR).hexdigest() == (
        "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f"
    )


@pytest.mark.parametrize("preview", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
async def test_eicar_in_every_shape(icap: RunningIcap, shape: str, preview: bool):
    scanner = IcapScanner(icap.settings(preview=preview))
    assert await scan(scanner, SHAPES[shape]) == Scan(VIRUS, scanned=True)
    assert await scanner.scan(once(SHAPES[shape]), name="", size=None) == Scan(VIRUS, scanned=True)


@pytest.mark.parametrize("preview", [True, False])
@pytest.mark.parametrize("length", [0, 1, 1023, 1024, 1025, PIECE + 1, 3_000_000])
async def test_what_is_clean_and_what_has_it_at_its_end(
    icap: RunningIcap, length: int, preview: bool
):
    scanner = IcapScanner(icap.settings(preview=preview))
    data = os.urandom(length)
    assert await scan(scanner, data) == CLEAN
    assert await scan(scanner, data, *[500] * (length // 1000)) == CLEAN
    said = await scan(scanner, data + MARKER)
    # Of a large file c-icap has begun to hand on the beginning: too late to say the name.
    assert said == Scan(CHANGED if length > 500_000 else MARKER_VIRUS, scanned=True)


@examples(max_examples=25)
@given(cuts=st.lists(st.integers(0, 1500), max_size=8), preview=st.booleans())
def test_however_it_is_cut(icap: RunningIcap, cuts: list[int], preview: bool):
    async def run() -> None:
        scanner = IcapScanner(icap.settings(preview=preview))
        data = b"some text " * 200
        assert await scan(scanner, data, *cuts) == CLEAN
        assert await scan(scanner, data + MARKER, *cuts) == Scan(MARKER_VIRUS, scanned=True)

    asyncio.run(run())


async def test_many_at_a_time(icap: RunningIcap):
    scanner = IcapScanner(icap.settings(connections=3))
    said = await asyncio.gather(
        *(scan(scanner, (MARKER if number % 2 else b"") + b"%d" % number) for number in range(20))
    )
    assert [each.virus for each in said] == [None, MARKER_VIRUS] * 10


async def test_what_it_does_not_wish_to_see_is_not_sent(clamd: RunningClamd, short_folder: Path):
    with RunningIcap(short_folder, clamd, types="ARCHIVE") as running:
        body = Body(b"\x89PNG\r\n\x1a\n" + bytes(3_000_000), [1000] * 1000)
        scanner = IcapScanner(running.settings())
        assert await scanner.scan(body, name="a.png", size=None) == CLEAN
        body.cuts = body.cuts[:2]
        assert (await scan(scanner, SHAPES["zip"])).virus == VIRUS


async def test_what_is_too_large_is_not_even_sent(icap: RunningIcap):
    scanner = IcapScanner(icap.settings(largest=1000))
    body = Body(bytes(1001))
    too_large = Scan(None, scanned=False, why="it is larger than content.icap.largest allows")
    assert await scanner.scan(body, name="", size=1001) == too_large
    assert not body.read
    assert await scanner.scan(Body(bytes(1000)), name="", size=None) == CLEAN
    assert await scanner.scan(body, name="", size=None) == too_large


@pytest.mark.parametrize(
    "name", ["", "a b.txt", "..\\..\r\nX: y", "émoji 🚓.exe", "x" * 5000, "%00?#/", '"']
)
async def test_names(icap: RunningIcap, name: str):
    scanner = IcapScanner(icap.settings())
    assert await scan(scanner, b"a file", name=name) == CLEAN
    assert (await scan(scanner, EICAR, name=name)).virus == VIRUS


async def test_a_service_that_is_no_scanner(icap: RunningIcap):
    said = await scan(IcapScanner(icap.settings(url=icap.echo)), b"a file")
    assert not said.scanned
    assert said.why.endswith(
        f"it does not find the EICAR test file: is {icap.echo} a virus scanner?"
    )
    nothing = icap.url.replace("virus_scan", "nothing")
    said = await scan(IcapScanner(icap.settings(url=nothing)), b"a file")
    assert said.why.endswith(f"it answered OPTIONS for {nothing} with 404")


async def test_it_is_killed_in_the_middle(clamd: RunningClamd, short_folder: Path):
    with RunningIcap(short_folder, clamd) as running:
        scanner = IcapScanner(running.settings())
        assert await scan(scanner, b"well") == CLEAN
        body = Body(bytes(3_000_000), [100_000] * 20, meanwhile=running.kill)
        said = await scanner.scan(body, name="", size=None)
        assert not said.scanned
        said = await scan(scanner, b"gone")
        assert said.why == f"127.0.0.1:{running.port}: it cannot be reached (Connection refused)"
        running.start()
        assert await scan(scanner, b"back") == CLEAN


async def test_slow(clamd: RunningClamd, short_folder: Path):
    with RunningIcap(short_folder, clamd) as running:
        assert await scan(IcapScanner(running.settings()), b"well") == CLEAN
        running.stall()
        said = await scan(IcapScanner(running.settings(timeout=0.3)), b"small")
        assert said.why == f"127.0.0.1:{running.port}: it did not answer within 0.3 s"
        running.resume()


async def test_its_own_scanner_is_down(short_folder: Path):
    (short_folder / "clamd").mkdir()
    (short_folder / "icap").mkdir()
    with (
        RunningClamd(short_folder / "clamd") as engine,
        RunningIcap(short_folder / "icap", engine) as running,
    ):
        scanner = IcapScanner(running.settings())
        assert await scan(scanner, b"well") == CLEAN
        engine.kill()
        said = await scan(scanner, b"a file")
        assert said == Scan(None, scanned=False, why="the scanner answered with 500")


async def test_how_it_is(icap: RunningIcap):
    (health,) = await IcapScanner(icap.settings()).health()
    assert health.well
    assert health.says.startswith("C-ICAP/")


# --- what pretends to be one -----------------------------------------------------------------

OPTIONS = b"ICAP/1.0 200 OK\r\nMethods: RESPMOD\r\nService: a pretender\r\n%b\r\n"
FOUND = (
    b"ICAP/1.0 200 OK\r\nX-Infection-Found: Type=0; Resolution=2; Threat=EICAR;\r\n"
    b"Encapsulated: res-hdr=0, null-body=26\r\n\r\nHTTP/1.1 403 Forbidden\r\n\r\n"
)
CONTINUE = b"ICAP/1.0 100 Continue\r\n\r\n"
NO_CHANGE = b"ICAP/1.0 204 No modifications needed\r\n\r\n"


def http(head: bytes, body: bytes | None, icap: bytes = b"") -> bytes:
    kind = b"null-body" if body is None else b"res-body"
    chunks = b"" if body is None else b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    end = b"" if body is None else b"0\r\n\r\n"
    places = b"Encapsulated: res-hdr=0, %b=%d\r\n" % (kind, len(head))
    return b"ICAP/1.0 200 OK\r\n" + icap + places + b"\r\n" + head + chunks + end


OK_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"


class Pretender:
    """Says what it is told to, one thing for each part of a request that it gets.

    Args:
        says: after the beginning (or all, without preview), after the rest.
        preview: bytes that it asks for.
        early: whether it answers before a body.
    """

    def __init__(self, *says: bytes, preview: int | None = None, early: bool = False) -> None:
        self.says = says
        self.early = early
        self.options = OPTIONS % (b"" if preview is None else b"Preview: %d\r\n" % preview)
        self.holds = False
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []

    @contextlib.asynccontextmanager
    async def serving(self, **changes: object) -> AsyncIterator[IcapScanner]:
        """A scanner that asks it, and has proved itself already."""
        server = await asyncio.start_server(self._talk, "127.0.0.1")
        async with server:
            port = server.sockets[0].getsockname()[1]
            values = {"url": f"icap://127.0.0.1:{port}/scan", "timeout": 5.0} | changes
            scanner = IcapScanner(Icap(**values))  # type: ignore[arg-type]
            scanner._proved = 0
            yield scanner
            end(server)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            if head.startswith(b"OPTIONS"):
                writer.write(self.options)
            else:
                await self._scan(head, reader, writer)
            await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def _scan(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        places = re.search(rb"res-body=(\d+)", head)
        assert places is not None
        self.heads.append(await reader.readexactly(int(places[1])))
        body = b""
        for said in self.says:
            while not self.early:
                size = (await reader.readuntil(b"\r\n")).removesuffix(b"\r\n")
                length = int(size.partition(b";")[0], 16)
                body += (await reader.readexactly(length + 2))[:-2]
                if not length:
                    body += b"|" + size + b"|"
                    break
            writer.write(said)
            await writer.drain()
        self.bodies.append(body)
        while self.holds:  # noqa: ASYNC110 - it only has to be there
            await asyncio.sleep(0.01)


async def asked(
    pretender: Pretender, body: AsyncIterable[bytes] | bytes, **changes: object
) -> Scan:
    async with pretender.serving(**changes) as scanner:
        body = Body(body) if isinstance(body, bytes) else body
        try:
            return await scanner.scan(body, name="a file.exe", size=None)
        finally:
            pretender.holds = False


@pytest.mark.parametrize(
    ("length", "sent"),
    [
        (0, b"|0; ieof|"),
        (3, b"xxx|0; ieof|"),
        (4, b"xxxx|0; ieof|"),
        (5, b"xxxx|0|x|0|"),
        (9, b"xxxx|0|xxxxx|0|"),
    ],
)
async def test_preview(length: int, sent: bytes):
    says = (CONTINUE, NO_CHANGE) if length > 4 else (NO_CHANGE,)
    pretender = Pretender(*says, preview=4)
    assert await asked(pretender, Body(b"x" * length, [1, 1])) == CLEAN
    assert pretender.bodies == [sent]
    assert b"\r\nPreview: 4\r\n" in pretender.heads[1]


@pytest.mark.parametrize(
    ("options", "preview"),
    [
        (b"Preview: 0\r\n", 0),
        (b"Preview: 30\r\n", 30),
        (b"", None),
        (b"Preview: -1\r\n", None),
        (b"Preview: 9999999\r\n", None),
        (b"Preview: 30\r\nTransfer-Complete: *\r\n", None),
    ],
)
async def test_what_options_say_of_preview(options: bytes, preview: int | None):
    pretender = Pretender(NO_CHANGE)
    pretender.options = OPTIONS % options
    async with pretender.serving() as scanner:
        await scanner._check(scanner._servers.each[0])
        assert scanner._options == _Options("a pretender", preview)
    async with pretender.serving(preview=False) as scanner:
        await scanner._check(scanner._servers.each[0])
        assert scanner._options.preview is None


async def test_it_is_not_told_who_asked_for_what():
    pretender = Pretender(NO_CHANGE)
    await asked(pretender, b"a file")
    _, head, within = pretender.heads
    places = re.fullmatch(
        rb"RESPMOD icap://127\.0\.0\.1:\d+/scan ICAP/1\.0\r\n"
        rb"Host: 127\.0\.0\.1:\d+\r\nUser-Agent: Watchhouse\r\nConnection: close\r\n"
        rb"Allow: 204\r\nEncapsulated: req-hdr=0, res-hdr=(\d+), res-body=(\d+)\r\n\r\n",
        head,
    )
    assert places is not None
    assert within[: int(places[1])] == (
        b"GET http://scan.invalid/a%20file.exe HTTP/1.1\r\nHost: scan.invalid\r\n\r\n"
    )
    assert within[int(places[1]) :] == (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n"
    )
    assert len(within) == int(places[2])


VERDICTS: dict[str, tuple[bytes, Scan]] = {
    "nothing to change": (NO_CHANGE, CLEAN),
    "found": (FOUND, Scan("EICAR", scanned=True)),
    "found, no name": (
        FOUND.replace(b"Threat=EICAR;", b""), Scan("Type=0; Resolution=2;", scanned=True)),
    "found, and nothing to change": (
        NO_CHANGE.replace(b"\r\n\r\n", b"\r\nx-infection-found: Threat=A b;\r\n\r\n"),
        Scan("A b", scanned=True)),
    "found, as an error": (
        b"ICAP/1.0 500 no\r\nX-Infection-Found: Type=0; Threat=X\r\n\r\n",
        Scan("X", scanned=True)),
    "an id": (http(OK_HEAD, b"gone", b"X-Virus-ID: Some.Virus\r\n"),
              Scan("Some.Virus", scanned=True)),
    "violations": (http(OK_HEAD, b"", b"X-Violations-Found: 1\r\n\ta.exe\r\n\tEICAR\r\n"),
                   Scan("1, a.exe, EICAR", scanned=True)),
    "an id within": (http(b"HTTP/1.0 200 OK\r\nX-Virus-ID: V\r\n\r\n", b""),
                     Scan("V", scanned=True)),
    "a page": (http(b"HTTP/1.1 403 Virus\r\n\r\n", b"<h1>"), Scan(BLOCKED, scanned=True)),
    "a page without end": (http(b"HTTP/1.1 403 Virus\r\n\r\n", b"<h1>")[:-8],
                           Scan(BLOCKED, scanned=True)),
    "another body": (http(OK_HEAD, b"another"), Scan(CHANGED, scanned=True)),
    "no body": (http(OK_HEAD, None), Scan(CHANGED, scanned=True)),
    "an empty body": (http(OK_HEAD, b""), Scan(CHANGED, scanned=True)),
    "the same body": (http(OK_HEAD, b"the body"), CLEAN),
    "the same and more": (http(OK_HEAD, b"the body and more"), Scan(CHANGED, scanned=True)),
    "it cannot": (b"ICAP/1.0 500 password\r\n\r\n",
                  Scan(None, scanned=False, why="the scanner answered with 500")),
}  # fmt: skip


@pytest.mark.parametrize("preview", [None, 3, 100])
@pytest.mark.parametrize("case", VERDICTS)
async def test_verdicts(case: str, preview: int | None):
    answer, expected = VERDICTS[case]
    says = (CONTINUE, answer) if preview == 3 else (answer,)
    assert await asked(Pretender(*says, preview=preview), b"the body") == expected
    # Some say "continue" where they should not: erratum 5893, and one that says both at once.
    says = (CONTINUE + answer,)
    assert await asked(Pretender(*says, preview=100), b"the body") == expected


NONSENSE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "it hung up without an answer"),
    "half a head": (b"ICAP/1.0 204 No", "it hung up in the middle of its answer"),
    "HTTP": (b"HTTP/1.1 204 No\r\n\r\n", 'it said "HTTP/1.1 204 No"'),
    "no number": (b"ICAP/1.0 2x4 No\r\n\r\n", 'it said "ICAP/1.0 2x4 No"'),
    "no field": (b"ICAP/1.0 204 No\r\nnonsense\r\n\r\n", 'it said "nonsense" in its head'),
    "bare lines": (b"ICAP/1.0 204 No\nx: y\r\n\r\n", 'it said "ICAP/1.0 204 No?x: y"'),
    "only continue": (CONTINUE * 5, "it says nothing but to continue"),
    "overloaded": (b"ICAP/1.0 503 No\r\n\r\n", "it answered with 503"),
    "too long": (b"ICAP/1.0 204 No\r\n" + b"x: y\r\n" * 40_000, "its answer has more than 65536"),
    "nothing within": (b"ICAP/1.0 200 OK\r\n\r\n", 'it answered with "Encapsulated: "'),
    "a request within": (
        b"ICAP/1.0 200 OK\r\nEncapsulated: req-hdr=0, null-body=4\r\n\r\nabcd",
        'it answered with "Encapsulated: req-hdr=0, null-body=4"'),
    "a wrong place": (http(OK_HEAD, b"the body").replace(b"res-body=44", b"res-body=43"),
                      "the HTTP head in its answer has no end"),
    "half a body": (http(OK_HEAD, b"the body")[:-12], "it hung up in the middle of its answer"),
    "no size": (http(OK_HEAD, b"the body").replace(b"8\r\nthe", b"x\r\nthe"),
                'it said "x" for the size of a chunk'),
    "a chunk without end": (http(OK_HEAD, b"the body").replace(b"\r\n0\r\n", b"xx0\r\n"),
                            "a chunk of its answer has no end"),
}  # fmt: skip


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("case", NONSENSE)
async def test_nonsense(case: str, early: bool):
    answer, why = NONSENSE[case]
    said = await asked(Pretender(answer, early=early), Body(b"the body", [2, 2]))
    if early and said.virus == CHANGED:
        return  # it has said enough
    assert (said.virus, said.scanned) == (None, False)
    assert f": {why}" in said.why or (early and "the connection broke" in said.why)
    assert said.why.isprintable()


async def test_an_answer_before_it_has_seen_all():
    body = Body(bytes(3_000_000), [100_000] * 25)
    assert await asked(Pretender(NO_CHANGE, early=True), body) == CLEAN
    said = await asked(Pretender(NO_CHANGE, early=True), body, preview=False)
    assert said.why.endswith("it said that nothing was to be changed before it had seen all")
    assert await asked(Pretender(FOUND, early=True), body) == Scan("EICAR", scanned=True)


async def test_one_that_has_said_enough_and_reads_no_more():
    pretender = Pretender(FOUND, early=True)
    pretender.holds = True
    body = Body(bytes(20_000_000), [100_000] * 199)
    assert await asked(pretender, body) == Scan("EICAR", scanned=True)


async def test_options_that_do_not_fit():
    pretender = Pretender(NO_CHANGE)
    pretender.options = b"ICAP/1.0 200 OK\r\nMethods: REQMOD\r\n\r\n"
    assert (await asked(pretender, b"a file")).why.endswith("/scan does not do RESPMOD")


async def test_options_are_asked_for_again_after_a_failure():
    pretender = Pretender(NO_CHANGE)
    async with pretender.serving() as scanner:
        for _ in range(3):
            assert await scan(scanner, b"a file") == CLEAN
        assert sum(head.startswith(b"OPTIONS") for head in pretender.heads) == 1
        pretender.says = (b"ICAP/1.0 503 No\r\n\r\n",)
        await scan(scanner, b"a file")
        pretender.says = (NO_CHANGE,)
        said = await scan(scanner, b"a file")
        assert "does not find the EICAR test file" in said.why  # asked to prove itself anew

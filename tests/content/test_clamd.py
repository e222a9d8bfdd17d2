"""clamd, a real one, and what pretends to be one."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from support.bodies import Body, once
from support.clamd import MARKER, MARKER_VIRUS, VIRUS, RunningClamd
from support.eicar import EICAR, SHAPES, tarred, zipped
from support.procfs import unix_connections
from support.waiting import until

from proxy_addons.content.clamd import ClamdScanner, _too_deep
from proxy_addons.content.filebody import FileBody
from proxy_addons.content.scan import Scan
from proxy_addons.content.wire import PIECE
from proxy_addons.settings.content import Clamd

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("no_blocking")

CLEAN = Scan(None, scanned=True)


async def scan(scanner: ClamdScanner, data: bytes, *cuts: int) -> Scan:
    return await scanner.scan(Body(data, cuts), name="a file", size=len(data))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("way", ["unix", "tcp"])
async def test_eicar_in_every_shape(clamd: RunningClamd, shape: str, way: str):
    scanner = ClamdScanner(clamd.settings(servers=(getattr(clamd, way),)))
    assert await scan(scanner, SHAPES[shape]) == Scan(VIRUS, scanned=True)
    assert await scanner.scan(once(SHAPES[shape]), name="", size=None) == Scan(VIRUS, scanned=True)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("x.7z", ["7z", "a", "x.7z", "f"]),
        ("x.zip", ["7z", "a", "x.zip", "f", "-mm=Deflate64"]),
        ("x.cpio", ["bsdtar", "-cf", "x.cpio", "--format", "newc", "f"]),
        ("x.iso", ["bsdtar", "-cf", "x.iso", "--format", "iso9660", "f"]),
        ("x.xar", ["bsdtar", "-cf", "x.xar", "--format", "xar", "f"]),
        ("x.7z", ["bsdtar", "-cf", "x.7z", "--format", "7zip", "f"]),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else each,
)
async def test_shapes_that_programs_make(
    clamd: RunningClamd, tmp_path: Path, name: str, command: list[str]
):
    (tmp_path / "f").write_bytes(EICAR + MARKER)
    await asyncio.to_thread(
        subprocess.run, command, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL
    )
    said = await scan(ClamdScanner(clamd.settings()), (tmp_path / name).read_bytes())
    assert said.virus is not None


@pytest.mark.parametrize("length", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3_000_000])
@pytest.mark.parametrize("way", ["unix", "tcp"])
async def test_what_is_clean_and_what_has_it_at_its_end(clamd: RunningClamd, length: int, way: str):
    scanner = ClamdScanner(clamd.settings(servers=(getattr(clamd, way),)))
    data = b"n" * length
    assert await scan(scanner, data) == CLEAN
    assert await scan(scanner, data + MARKER) == Scan(MARKER_VIRUS, scanned=True)
    assert await scan(scanner, data, *[1000] * (length // 1000)) == CLEAN


async def test_an_empty_piece_is_not_the_end(clamd: RunningClamd):
    scanner = ClamdScanner(clamd.settings())
    assert (await scan(scanner, b"begin " + MARKER, 0, 3, 0, 0)).virus == MARKER_VIRUS


@examples(max_examples=25)
@given(cuts=st.lists(st.integers(0, 40), max_size=8))
def test_however_it_is_cut(clamd: RunningClamd, cuts: list[int]):
    async def run() -> None:
        scanner = ClamdScanner(clamd.settings())
        assert (await scan(scanner, b"some text " + EICAR + MARKER, *cuts)).virus is not None

    asyncio.run(run())


async def test_many_at_a_time(clamd: RunningClamd):
    scanner = ClamdScanner(clamd.settings(connections=3))
    said = await asyncio.gather(
        *(scan(scanner, (MARKER if number % 2 else b"") + b"%d" % number) for number in range(30))
    )
    assert [each.virus for each in said] == [None, MARKER_VIRUS] * 15
    assert all(each.scanned for each in said)


async def test_what_is_too_large_is_not_even_sent(clamd: RunningClamd):
    scanner = ClamdScanner(clamd.settings(largest=1000))
    body = Body(bytes(1001))
    too_large = Scan(None, scanned=False, why="it is larger than content.clamd.largest allows")
    assert await scanner.scan(body, name="", size=1001) == too_large
    assert not body.read
    assert await scanner.scan(Body(bytes(1000)), name="", size=None) == CLEAN
    assert await scanner.scan(body, name="", size=None) == too_large
    assert await scanner.scan(body, name="", size=10) == too_large  # whatever a head claimed


@pytest.mark.parametrize("way", ["unix", "tcp"])
async def test_larger_than_clamd_takes(short_folder: Path, way: str):
    with RunningClamd(short_folder, StreamMaxLength="1M") as running:
        scanner = ClamdScanner(running.settings(servers=(getattr(running, way),)))
        for _ in range(5):
            said = await scan(scanner, bytes(3_000_000) + EICAR)
            assert said == Scan(
                None, scanned=False, why="it is larger than StreamMaxLength of clamd allows"
            )
        assert await scan(scanner, bytes(900_000)) == CLEAN


@pytest.mark.parametrize(
    ("options", "data"),
    [
        ({"MaxFileSize": "100K"}, bytes(200_000) + MARKER),
        ({"MaxScanSize": "100K"}, zipped(bytes(300_000) + MARKER)),
        ({"MaxFiles": "2"}, zipped(tarred(tarred(tarred(MARKER))))),
        ({}, _too_deep()),
    ],
    ids=["file size", "size of all", "files", "depth"],
)
async def test_what_clamd_looks_at_in_part_only(
    short_folder: Path, options: dict[str, str], data: bytes
):
    with RunningClamd(short_folder, **options) as running:
        said = await scan(ClamdScanner(running.settings()), data)
        assert (said.virus, said.scanned) in {(None, False), (MARKER_VIRUS, True)}
        assert said.scanned or "it goes beyond a limit of the scanner" in said.why


async def test_a_server_that_does_not_tell_of_its_limits(short_folder: Path):
    with RunningClamd(short_folder, AlertExceedsMax="no", MaxFileSize="100K") as running:
        said = await scan(ClamdScanner(running.settings()), b"harmless")
        assert said == Scan(
            None,
            scanned=False,
            why=f"{running.unix}: it does not say when it looks at a part only:"
            " set AlertExceedsMax in clamd.conf",
        )
        trusting = ClamdScanner(running.settings(limit_alerts=False))
        assert await scan(trusting, bytes(200_000) + MARKER) == CLEAN  # which is why
        (health,) = await ClamdScanner(running.settings()).health()
        assert not health.well


async def test_it_is_killed_in_the_middle(short_folder: Path):
    with RunningClamd(short_folder) as running:
        scanner = ClamdScanner(running.settings())
        assert await scan(scanner, b"well") == CLEAN
        body = Body(bytes(3_000_000), [100_000] * 20, meanwhile=running.kill)
        said = await scanner.scan(body, name="", size=None)
        assert not said.scanned
        assert said.why.startswith(f"{running.unix}: ")
        said = await scan(scanner, b"gone")
        assert said.why == f"{running.unix}: it cannot be reached (Connection refused)"
        running.start()
        assert await scan(scanner, b"back") == CLEAN


async def test_it_is_killed_with_a_file_in_its_hands(short_folder: Path):
    file = short_folder / "body"
    file.write_bytes(bytes(100_000) + MARKER)
    with RunningClamd(short_folder) as running:
        scanner = ClamdScanner(running.settings())
        found = await scanner.scan(FileBody(file), name="", size=None)
        assert found == Scan(MARKER_VIRUS, scanned=True)
        running.stall()
        waiting = asyncio.create_task(scanner.scan(FileBody(file), name="", size=None))
        await until(lambda: unix_connections(running.socket))
        await asyncio.sleep(0.05)  # the file is handed over
        running.kill()
        said = await waiting
        assert not said.scanned
        assert "did not answer" in said.why or "broke" in said.why, said.why
        assert "within" not in said.why


async def test_another_looks_when_one_is_killed_in_the_middle(
    clamd: RunningClamd, short_folder: Path
):
    with RunningClamd(short_folder) as running:
        scanner = ClamdScanner(clamd.settings(servers=(running.unix, clamd.unix)))
        body = Body(bytes(1_000_000) + MARKER, [100_000] * 5, meanwhile=running.kill)
        said = await scanner.scan(body, name="", size=None)
        assert said == Scan(MARKER_VIRUS, scanned=True)
        assert body.read == 2
        running.start()
        later = ClamdScanner(clamd.settings(servers=(running.unix, clamd.unix)))

        async def pieces() -> AsyncIterator[bytes]:
            yield bytes(100_000)
            running.kill()
            yield bytes(100_000)
            yield MARKER

        said = await later.scan(pieces(), name="", size=None)
        assert not said.scanned  # nobody has the beginning any more
        assert await later.scan(once(MARKER), name="", size=None) == Scan(
            MARKER_VIRUS, scanned=True
        )


async def test_the_one_that_failed_is_tried_last_for_a_while(
    clamd: RunningClamd, short_folder: Path
):
    now = 100.0
    with RunningClamd(short_folder) as first:
        scanner = ClamdScanner(clamd.settings(servers=(first.unix, clamd.unix)), clock=lambda: now)
        first.kill()
        assert await scan(scanner, b"failed over") == CLEAN
        first.start()
        await scan(scanner, MARKER)
        assert "FOUND" not in first.log()
        now += 6
        await scan(scanner, MARKER)
        await until(lambda: f"{MARKER_VIRUS} FOUND" in first.log())


async def test_slow(short_folder: Path):
    with RunningClamd(short_folder) as running:
        patient = ClamdScanner(running.settings())
        assert await scan(patient, b"well") == CLEAN
        running.stall()
        hasty = ClamdScanner(running.settings(timeout=0.3))
        said = await scan(hasty, b"small")
        assert said.why == f"{running.unix}: it did not answer within 0.3 s"
        hasty = ClamdScanner(running.settings(timeout=0.3, limit_alerts=False))
        said = await scan(hasty, b"small")
        assert said.why == f"{running.unix}: it did not answer within 0.3 s"
        said = await scan(hasty, bytes(10_000_000))
        assert said.why == f"{running.unix}: it took nothing for 0.3 s"
        running.resume()
        assert await scan(patient, MARKER) == Scan(MARKER_VIRUS, scanned=True)


async def test_many_do_not_wait_for_one_another_when_nobody_answers(short_folder: Path):
    commands = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal commands
        commands += 1
        await reader.read()  # to its end, without a word
        writer.close()
        await writer.wait_closed()

    scanner = ClamdScanner(Clamd((f"unix:{short_folder}/s",), timeout=0.3, connections=20))
    async with await asyncio.start_unix_server(talk, short_folder / "s"):
        said = await asyncio.gather(*(scan(scanner, b"a file") for _ in range(20)))
    assert {each.why for each in said} == {f"unix:{short_folder}/s: it did not answer within 0.3 s"}
    assert commands == 1


async def test_full(short_folder: Path):
    with RunningClamd(short_folder, MaxConnectionQueueLength="1") as running:
        assert await scan(ClamdScanner(running.settings()), b"well") == CLEAN
        with running.full():
            said = await scan(ClamdScanner(running.settings(timeout=0.3)), b"no room")
            assert said.why == f"{running.unix}: it could not be reached within 0.3 s"
            waiting = asyncio.create_task(scan(ClamdScanner(running.settings()), b"room"))
            await asyncio.sleep(0.05)
        assert await waiting == CLEAN


async def test_all_connections_are_in_use(clamd: RunningClamd):
    scanner = ClamdScanner(clamd.settings(connections=1, timeout=0.8))
    goes_on = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"begin"
        await goes_on.wait()
        yield b"end"

    first = asyncio.create_task(scanner.scan(slow(), name="", size=None))
    await asyncio.sleep(0.05)
    said = await scan(scanner, b"second")
    assert said.why == f"{clamd.unix}: all connections to it were in use for 0.8 s"
    goes_on.set()
    assert await first == CLEAN
    assert await scan(scanner, b"third") == CLEAN


async def test_a_body_that_breaks_off_is_not_the_scanners_fault(clamd: RunningClamd):
    scanner = ClamdScanner(clamd.settings(connections=1))

    async def breaks_off() -> AsyncIterator[bytes]:
        yield b"begin"
        msg = "the site hung up"
        raise ConnectionError(msg)

    with pytest.raises(ConnectionError, match="the site hung up"):
        await scanner.scan(breaks_off(), name="", size=None)
    assert await scan(scanner, b"next") == CLEAN


async def test_somebody_goes_away_meanwhile(clamd: RunningClamd):
    scanner = ClamdScanner(clamd.settings(connections=1))

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"more"
            await asyncio.sleep(0)

    task = asyncio.create_task(scanner.scan(endless(), name="", size=None))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await scan(scanner, b"next") == CLEAN


NONSENSE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "it did not answer"),
    "no end": (b"stream: OK", 'it said "stream: OK", which is no answer'),
    "endless": (b"stream: OK" * 5000, 'it said "stream: OKstream: OK'),
    "twice": (b"stream: OK\0stream: OK\0", 'it said "stream: OK?stream: OK?", which is no answer'),
    "and more": (b"stream: OK\0\n", 'it said "stream: OK??", which is no answer'),
    "another answer": (b"PONG\0", 'it said "PONG"'),
    "not at its beginning": (b"1: stream: OK\0", 'it said "1: stream: OK"'),
    "not at its end": (b"stream: OK \0", 'it said "stream: OK"'),
    "lines": (b"stream: OK\nstream: OK\0", 'it said "stream: OK?stream: OK"'),
    "an error": (b"stream: Can't allocate memory ERROR\0", "it said \"stream: Can't"),
    "timed out": (b"COMMAND READ TIMED OUT\0", 'it said "COMMAND READ TIMED OUT"'),
    "bytes": (b"\x1b[2J\xff\0", 'it said "?[2J?"'),
}  # fmt: skip


@contextlib.asynccontextmanager
async def pretender(
    folder: Path, answer: bytes, *, early: bool = False
) -> AsyncIterator[Callable[[], int]]:
    """Says the same to everybody: after the end of a body, or at once."""
    asked = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\0")
            while not early and (length := int.from_bytes(await reader.readexactly(4))):
                await reader.readexactly(length)
            writer.write(answer)
            await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_unix_server(talk, folder / "s")
    async with server:
        yield lambda: asked


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("case", NONSENSE)
async def test_nonsense(short_folder: Path, case: str, early: bool):
    answer, why = NONSENSE[case]
    settings = Clamd((f"unix:{short_folder}/s",), timeout=5, limit_alerts=False)
    async with pretender(short_folder, answer, early=early):
        said = await scan(ClamdScanner(settings), bytes(2_000_000))
    assert (said.virus, said.scanned) == (None, False)
    assert said.why.startswith(f"unix:{short_folder}/s: {why}")
    assert said.why.isprintable()


async def test_an_answer_to_what_it_has_not_seen(short_folder: Path):
    settings = Clamd((f"unix:{short_folder}/s",), timeout=5, limit_alerts=False)
    async with pretender(short_folder, b"stream: OK\0", early=True):
        said = await scan(ClamdScanner(settings), bytes(2_000_000))
        assert said.why.endswith(': it said "stream: OK"')
    async with pretender(short_folder, b"stream: Any\x07\xff FOUND\0", early=True):
        said = await scan(ClamdScanner(settings), bytes(2_000_000))
        assert said == Scan("Any??", scanned=True)


async def test_what_is_no_virus_though_it_is_found(short_folder: Path):
    settings = Clamd((f"unix:{short_folder}/s",), timeout=5, limit_alerts=False)
    async with pretender(short_folder, b"stream: Heuristics.Encrypted.Zip FOUND\0"):
        said = await scan(ClamdScanner(settings), b"a file")
    assert said == Scan(None, scanned=False, why="it has a password (Heuristics.Encrypted.Zip)")


async def test_a_server_is_checked_once_and_again_after_a_failure(short_folder: Path):
    now = 0.0
    settings = Clamd((f"unix:{short_folder}/s",), timeout=5)
    found = b"stream: Heuristics.Limits.Exceeded.MaxRecursion FOUND\0"
    scanner = ClamdScanner(settings, clock=lambda: now)
    async with pretender(short_folder, found) as asked:
        await asyncio.gather(*(scan(scanner, b"a file") for _ in range(5)))
        assert asked() == 6
        now += 601
        await scan(scanner, b"a file")
        assert asked() == 8
    await scan(scanner, b"nobody there")
    (short_folder / "s").unlink(missing_ok=True)
    async with pretender(short_folder, found) as asked:
        await scan(scanner, b"a file")
        assert asked() == 2


async def test_no_server_is_there():
    scanner = ClamdScanner(Clamd(("unix:/nowhere/s", "127.0.0.1:1", "[::1]:1")))
    said = await scanner.scan(Body(b"a file"), name="", size=None)
    assert not said.scanned
    assert said.why == "[::1]:1: it cannot be reached (Connection refused)"
    health = await scanner.health()
    assert [each.server for each in health] == ["unix:/nowhere/s", "127.0.0.1:1", "[::1]:1"]
    assert not any(each.well for each in health)
    assert health[0].says == "it cannot be reached (No such file or directory)"


async def test_how_it_is(clamd: RunningClamd):
    (health,) = await ClamdScanner(clamd.settings()).health()
    assert health.well
    assert health.says.startswith("ClamAV ")


async def test_no_clamd_at_all(short_folder: Path):
    async with pretender(short_folder, b"220 mail.example ESMTP\0", early=True):
        (health,) = await ClamdScanner(Clamd((f"unix:{short_folder}/s",), timeout=5)).health()
    assert not health.well
    assert "it is no clamd" in health.says

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from support.clamd import MARKER, MARKER_VIRUS, VIRUS, RunningClamd
from support.eicar import SHAPES
from support.waiting import until

from proxy_addons.content.clamd import ClamdScanner
from proxy_addons.content.filebody import FileBody
from proxy_addons.content.scan import Scan
from proxy_addons.settings.content import Clamd

pytestmark = pytest.mark.usefixtures("no_blocking")


@pytest.mark.parametrize("length", [0, 1, 1 << 20, (1 << 20) + 1, 3_500_000])
async def test_it_is_read_again_and_again(tmp_path: Path, length: int):
    data = os.urandom(length)
    (tmp_path / "file").write_bytes(data)
    body = FileBody(tmp_path / "file")
    for _ in range(2):
        assert b"".join([piece async for piece in body]) == data
    async for _ in body:
        break


async def test_it_is_not_there(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        _ = [piece async for piece in FileBody(tmp_path / "file")]


async def test_it_is_scanned(clamd: RunningClamd, tmp_path: Path):
    (tmp_path / "file").write_bytes(bytes(3_000_000) + MARKER)
    scanner = ClamdScanner(clamd.settings(servers=("unix:/nowhere/s", clamd.unix)))
    said = await scanner.scan(FileBody(tmp_path / "file"), name="", size=None)
    assert said == Scan(MARKER_VIRUS, scanned=True)


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_file_is_handed_over(clamd: RunningClamd, tmp_path: Path, shape: str):
    (tmp_path / "file").write_bytes(SHAPES[shape])
    scanner = ClamdScanner(clamd.settings())
    said = await scanner.scan(FileBody(tmp_path / "file"), name="", size=None)
    assert said == Scan(VIRUS, scanned=True)
    await until(lambda: f"{tmp_path}/file: {VIRUS}" in clamd.log())  # it knows its name


@pytest.mark.parametrize("length", [0, 1, 3_000_000])
async def test_a_clean_file(clamd: RunningClamd, tmp_path: Path, length: int):
    (tmp_path / "file").write_bytes(bytes(length))
    scanner = ClamdScanner(clamd.settings(largest=3_000_000))
    said = await scanner.scan(FileBody(tmp_path / "file"), name="", size=None)
    assert said == Scan(None, scanned=True)


async def test_a_file_that_is_too_large(clamd: RunningClamd, tmp_path: Path):
    (tmp_path / "file").write_bytes(bytes(1001))
    scanner = ClamdScanner(clamd.settings(largest=1000))
    said = await scanner.scan(FileBody(tmp_path / "file"), name="", size=None)
    assert said.why == "it is larger than content.clamd.largest allows"


async def test_a_file_without_a_name(clamd: RunningClamd, tmp_path: Path):
    file = os.open(tmp_path, os.O_RDWR | os.O_TMPFILE)
    os.write(file, bytes(1000) + MARKER)
    try:
        body = FileBody(Path(f"/proc/self/fd/{file}"))
        said = await ClamdScanner(clamd.settings()).scan(body, name="", size=None)
        assert said == Scan(MARKER_VIRUS, scanned=True)
    finally:
        os.close(file)


async def test_a_file_that_is_gone_is_not_the_scanners_fault(clamd: RunningClamd, tmp_path: Path):
    scanner = ClamdScanner(clamd.settings())
    with pytest.raises(FileNotFoundError):
        await scanner.scan(FileBody(tmp_path / "file"), name="", size=None)


@pytest.mark.parametrize("answer", [b"No file descriptor received. ERROR\0", b"fd[9]: x ERROR\0"])
async def test_where_files_cannot_be_handed_over(short_folder: Path, tmp_path: Path, answer: bytes):
    """As AppArmor has it: the file is sent then, and the next one at once."""
    (tmp_path / "file").write_bytes(b"a file")
    commands = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        command = await reader.readuntil(b"\0")
        commands.append(command)
        if command == b"zFILDES\0":
            writer.write(answer)
        else:
            while length := int.from_bytes(await reader.readexactly(4)):
                await reader.readexactly(length)
            writer.write(b"stream: OK\0")
        writer.close()
        await writer.wait_closed()

    scanner = ClamdScanner(Clamd((f"unix:{short_folder}/s",), timeout=5, limit_alerts=False))
    async with await asyncio.start_unix_server(talk, short_folder / "s"):
        for _ in range(2):
            said = await scanner.scan(FileBody(tmp_path / "file"), name="", size=None)
            assert said == Scan(None, scanned=True)
    assert commands == [b"zFILDES\0", b"zINSTREAM\0", b"zINSTREAM\0"]

"""Portal and desk: what is asked and what is answered, and nothing by halves."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from proxy_addons.audit.desk.client import DeskClient
from proxy_addons.audit.desk.server import Server
from proxy_addons.audit.desk.wire import LONGEST, Call, Refused, Who

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

PAUL = Who("paul", frozenset({"psd"}), "accounts")


class Double(Call[int], frozen=True):
    answer = int
    number: int


class Numbers(Call[int], frozen=True):
    answer = int
    streams = True
    below: int
    breaks_at: int = -1
    refuses_at: int = -1


class Long(Call[str], frozen=True):
    answer = str
    characters: int


class Unheard(Call[int], frozen=True):
    answer = int


def double(who: Who, call: Double) -> int:
    if call.number < 0:
        raise Refused("refused", f"not for {who.name}")
    if call.number == 0:
        raise ZeroDivisionError("jane.doe")
    return call.number * 2


def numbers(_: Who, call: Numbers) -> Iterator[int]:
    for number in range(call.below):
        if number == call.breaks_at:
            raise KeyError("jane.doe")
        if number == call.refuses_at:
            raise Refused("refused", "the authority has ended")
        yield number


def long(_: Who, call: Long) -> str:
    return "x" * call.characters


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Path]:
    path = folder / "desk"
    stop = asyncio.Event()
    server = Server({Double: double, Numbers: numbers, Long: long})
    task = asyncio.create_task(server.serve(path, stop))
    while not path.exists():
        assert not task.done(), task
        await asyncio.sleep(0.001)
    try:
        yield path
    finally:
        stop.set()
        await task


async def test_an_answer_and_refusals(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with served(tmp_path) as path:
        desk = DeskClient(path)
        assert await desk.ask(PAUL, Double(number=21)) == 42
        with pytest.raises(Refused, match="not for paul") as found:
            await desk.ask(PAUL, Double(number=-1))
        assert found.value.kind == "refused"
        with pytest.raises(Refused, match="a fault of the program") as found:
            await desk.ask(PAUL, Double(number=0))
        assert found.value.kind == "unavailable"
        with pytest.raises(Refused, match="cannot be asked"):
            await desk.ask(PAUL, Unheard())
        assert await desk.ask(PAUL, Double(number=1)) == 2
    assert "Double failed" in caplog.text


@pytest.mark.parametrize("below", [0, 1, 499, 500, 501, 1700])
async def test_a_stream(tmp_path: Path, below: int) -> None:
    async with served(tmp_path) as path:
        found = [each async for each in DeskClient(path).stream(PAUL, Numbers(below=below))]
    assert found == list(range(below))


@pytest.mark.parametrize(
    "how", [{"breaks_at": 700}, {"refuses_at": 700}, {"breaks_at": 0}, {"refuses_at": 0}]
)
async def test_a_stream_that_breaks_is_none(tmp_path: Path, how: dict[str, Any]) -> None:
    async with served(tmp_path) as path:
        with pytest.raises(Refused):
            [each async for each in DeskClient(path).stream(PAUL, Numbers(below=900, **how))]


async def test_a_long_name_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 40)
    folder.mkdir()
    async with served(folder) as path:
        assert await DeskClient(path).ask(PAUL, Double(number=4)) == 8


async def answering(reply: bytes, folder: Path) -> tuple[asyncio.Server, Path]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(reply)
        writer.close()

    path = folder / "desk"
    return await asyncio.start_unix_server(answer, path), path


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b'{"item":1}\n',
        b'{"item":1}\n{"ended":2}\n',
        b'{"item":1}\n{"ended":1}',
        b'{"ended":3}\n',
    ],
)
async def test_a_stream_that_was_cut_off_is_none(tmp_path: Path, reply: bytes) -> None:
    server, path = await answering(reply, tmp_path)
    async with server:
        with pytest.raises(Refused, match="cut off"):
            [each async for each in DeskClient(path).stream(PAUL, Numbers(below=9))]


async def test_a_desk_that_is_down_or_says_nothing(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="does not answer"):
        await DeskClient(tmp_path / "none").ask(PAUL, Double(number=1))
    listener = socket.socket(socket.AF_UNIX)
    with listener:
        listener.bind(str(tmp_path / "silent"))
        listener.listen()
        with pytest.raises(Refused, match="does not answer"):
            await DeskClient(tmp_path / "silent", 0.05).ask(PAUL, Double(number=1))


async def test_a_message_that_is_too_long_ends_the_connection(tmp_path: Path) -> None:
    async with served(tmp_path) as path:
        assert (
            len(await DeskClient(path).ask(PAUL, Long(characters=LONGEST - 100))) == LONGEST - 100
        )
        with pytest.raises(Refused):
            await DeskClient(path).ask(PAUL, Long(characters=LONGEST + 100))
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"who":' + b" " * (LONGEST + 10) + b"\n")
        assert await reader.read() == b""
        writer.close()
        assert await DeskClient(path).ask(PAUL, Double(number=1)) == 2


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\n",
        b"{}\n",
        b'{"who":{"name":"paul","roles":[],"how":""},"call":{"type":"Double","number":"1"}}\n',
        b'{"who":{"name":"paul","roles":[],"how":""},"call":{"type":"Double","number":1,"by":2}}\n',
        b'{"who":{"name":"paul","roles":[]},"call":{"type":"Double","number":1}}\n',
        b'{"who":{"name":"paul","roles":[],"how":""},"call":{"number":1}}\n',
    ],
)
async def test_what_is_no_call_is_refused(tmp_path: Path, sent: bytes) -> None:
    async with served(tmp_path) as path:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(sent)
        assert msgspec.json.decode(await reader.readline())["refused"] == "wrong"
        writer.close()


def let_everybody_in(path: Path) -> None:
    path.chmod(0o777)
    for folder in path.parents:
        if folder.stat().st_uid == os.geteuid() and folder != folder.parent:
            folder.chmod(folder.stat().st_mode | 0o011)


ASKING = """
import socket, sys
asking = socket.socket(socket.AF_UNIX)
asking.connect(sys.argv[1])
try:
    asking.sendall(sys.argv[2].encode() + b"\\n")
    print(asking.recv(100))
except ConnectionError:
    print("no answer")
"""


@pytest.mark.root
async def test_another_user_is_not_served(tmp_path: Path) -> None:
    call = '{"who":{"name":"paul","roles":[],"how":""},"call":{"type":"Double","number":1}}'
    async with served(tmp_path) as path:
        let_everybody_in(path)
        for user, answers in ((65534, {b"b''\n", b"no answer\n"}), (0, {b"b'{\"value\":2}\\n'\n"})):
            process = await asyncio.create_subprocess_exec(
                "/usr/bin/python3", "-c", ASKING, str(path), call, stdout=-1, user=user
            )
            assert (await process.communicate())[0] in answers

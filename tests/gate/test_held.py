"""Bodies that are kept back: in memory, in a file, when the disk is full, and whose turn it is."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.waiting import until

from proxy_addons.gate import held as module
from proxy_addons.gate.held import BEGINNING, IN_MEMORY, Held, Holding

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MIB = 1 << 20


def holding_of(folder: Path | None, **more: int) -> Holding:
    limits = {"largest": 8 * MIB, "memory": 4 * MIB, "disk": 16 * MIB, **more}
    return Holding(folder, **limits)


def given_back(holding: Holding) -> bool:
    return not (holding.bodies or holding.memory_taken or holding.disk_taken or holding._lines)


async def all_of(body: Held, most: int = 100_000) -> bytes:
    found = b""
    while len(found) < body.size:
        piece = await body.read(len(found), most)
        assert piece
        assert len(piece) <= most
        found += piece
    return found


@pytest.mark.parametrize(
    "size", [1, BEGINNING, BEGINNING + 1, IN_MEMORY, IN_MEMORY + 1, 3 * IN_MEMORY]
)
async def test_what_was_put_comes_back(tmp_path: Path, size: int) -> None:
    holding, data = holding_of(tmp_path / "held"), os.urandom(size)
    body = holding.begin()
    for start in range(0, size, 70_000):
        assert body.put(data[start : start + 70_000])
    assert body.beginning == data[:BEGINNING]
    assert await all_of(body) == data
    await body.caught_up()
    assert not body.behind
    assert await all_of(body) == data
    # A small one is all in memory, a large one all in a file.
    taken = (holding.memory_taken, holding.disk_taken)
    assert taken == ((size, 0) if size <= IN_MEMORY else (0, size))
    path = await body.in_file()
    assert await asyncio.to_thread(path.read_bytes) == data
    assert await all_of(body) == data
    assert list((tmp_path / "held").iterdir()) == []
    body.close()
    assert await body.read(0, 1) is None
    assert not body.put(b"x")
    await until(lambda: given_back(holding))


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(
        st.one_of(
            st.integers(0, 3000),
            st.sampled_from([IN_MEMORY - 1, IN_MEMORY, IN_MEMORY + 1, BEGINNING]),
            st.integers(0, IN_MEMORY // 2),
        ),
        max_size=6,
    ),
    memory=st.sampled_from([1, 1000, MIB, 4 * MIB]),
    largest=st.sampled_from([1, 5000, MIB, MIB + 1, 4 * MIB]),
    disk=st.sampled_from([1, 5000, MIB, 4 * MIB]),
    waits=st.booleans(),
    at=st.integers(0, 5 * MIB),
    most=st.integers(1, 2 * MIB),
)
def test_nothing_is_lost_at_any_boundary(
    sizes: Sequence[int], memory: int, largest: int, disk: int, waits: bool, at: int, most: int
) -> None:
    async def tried() -> None:
        holding = holding_of(None, memory=memory, largest=largest, disk=disk)
        body, taken = holding.begin("pc1234"), b""
        for number, size in enumerate(sizes):
            piece = bytes([number + 1]) * size
            if body.put(piece):
                taken += piece
            assert holding.disk_taken <= disk
            assert body.size == len(taken) <= largest
            if waits:
                await body.caught_up()
                assert not body.behind
        if at < len(taken):
            piece = await body.read(at, most) or b""
            assert 0 < len(piece) <= most
            assert taken.startswith(piece, at)
        if taken:
            assert await all_of(body, 300_000) == taken
        body.close()
        body.close()
        await until(lambda: given_back(holding))

    asyncio.run(tried())


async def test_all_bodies_together_have_no_more_than_there_is(tmp_path: Path) -> None:
    holding = holding_of(tmp_path, memory=MIB, disk=3 * MIB)
    small = holding.begin()
    assert small.put(bytes(MIB - 10))
    # No memory is left: the next goes to a file though it is small.
    next_one = holding.begin()
    assert next_one.put(bytes(100))
    assert next_one.behind
    await next_one.caught_up()
    assert (holding.memory_taken, holding.disk_taken) == (MIB - 10, 100)
    large = holding.begin()
    assert large.put(bytes(2 * MIB))
    assert not large.put(bytes(MIB))
    assert large.size == 2 * MIB
    # One that is in memory has no room in a file either, when it is to be looked at.
    with pytest.raises(OSError, match=r"content\.held\.disk"):
        await small.in_file()
    large.close()
    await until(lambda: holding.disk_taken == 100)
    assert await asyncio.to_thread((await small.in_file()).read_bytes) == bytes(MIB - 10)


async def test_what_nobody_refers_to_is_given_back(tmp_path: Path) -> None:
    holding = holding_of(tmp_path)
    body = holding.begin("pc1234")
    assert body.put(bytes(2 * MIB))
    await body.caught_up()
    descriptor = body._file.descriptor  # type: ignore[union-attr]
    del body
    gc.collect()
    await until(lambda: given_back(holding))
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        os.fstat(descriptor)


async def test_one_that_is_closed_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    write = os.write

    def slow(descriptor: int, data: Any) -> int:
        if len(data) > MIB:
            assert gate.wait(10)
        return write(descriptor, data)

    monkeypatch.setattr(module.os, "write", slow)
    holding = holding_of(tmp_path)
    body = holding.begin("pc1234")
    assert body.put(bytes(2 * MIB))
    waiting = asyncio.create_task(body.caught_up())
    reading = asyncio.create_task(body.in_file())
    await asyncio.sleep(0)
    assert body.behind
    body.close()
    gate.set()
    await waiting
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        await reading
    await until(lambda: given_back(holding))


class Full:
    """A disk on which so many bytes have room; a last write takes what it can, and says so."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.write = os.write

    def __call__(self, descriptor: int, data: memoryview) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        # As the kernel may do at any time.
        written = self.write(descriptor, data[: min(self.room, 300_000)])
        self.room -= written
        return written


@pytest.mark.parametrize("room", [0, 1, 299_999, 300_000, MIB + 5, 3 * MIB - 1])
async def test_a_full_disk_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    monkeypatch.setattr(module.os, "write", Full(room))
    holding, data = holding_of(tmp_path), os.urandom(3 * MIB)
    body = holding.begin()
    taken = 0
    for start in range(0, len(data), 100_000):
        piece = data[start : start + 100_000]
        if not body.put(piece):
            break
        taken += len(piece)
        if body.behind:
            await body.caught_up()
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        await body.in_file()
    assert not body.put(b"x")
    assert not body.behind, "waiting would not help"
    assert body.size == taken
    assert await all_of(body) == data[:taken]
    body.close()
    await until(lambda: given_back(holding))


async def test_a_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "held").write_bytes(b"")
    body = holding_of(tmp_path / "held").begin()
    assert body.put(bytes(2 * MIB))
    await body.caught_up()
    assert not body.put(b"more")
    assert await all_of(body) == bytes(2 * MIB)
    with pytest.raises(OSError, match=r"File exists|Not a directory"):
        await body.in_file()


async def test_a_file_that_cannot_be_read_is_not_taken_for_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = holding_of(tmp_path).begin()
    assert body.put(bytes(2 * MIB))
    await body.caught_up()

    def broken(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(module.os, "pread", broken)
    assert await body.read(0, 10) is None
    monkeypatch.setattr(module.os, "pread", lambda *_: b"")
    assert await body.read(0, 10) is None


async def test_one_person_waits_in_line(tmp_path: Path) -> None:
    holding = holding_of(tmp_path, each=2, disk=64 * MIB)

    async def large(whose: str) -> Held:
        body = holding.begin(whose)
        assert body.put(bytes(2 * MIB))
        await asyncio.wait([asyncio.create_task(body._finished())])
        return body

    first, second, third, fourth = [await large("pc1234") for _ in range(4)]
    assert [each.behind for each in (first, second, third, fourth)] == [False, False, True, True]
    assert not (await large("dc5678")).behind, "others do not wait"
    small = holding.begin("pc1234")
    assert small.put(bytes(IN_MEMORY))
    assert not small.behind
    waiting = asyncio.create_task(third.caught_up())
    last = asyncio.create_task(fourth.caught_up())
    await asyncio.sleep(0)
    assert not waiting.done()
    # Who leaves the line makes no room, and who goes that had a turn makes room for one.
    fourth.close()
    await last
    assert third.behind
    second.close()
    await waiting
    assert not third.behind
    for each in (first, third, small):
        each.close()
    await until(lambda: given_back(holding))


async def test_a_line_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WAITING", 1)
    holding = holding_of(tmp_path, each=1)
    bodies = [holding.begin("pc1234") for _ in range(3)]
    assert [body.put(bytes(2 * MIB)) for body in bodies] == [True, True, False]
    assert bodies[2].size == 0
    for body in bodies:
        body.close()
    await until(lambda: given_back(holding))


async def test_other_limits_hold_for_what_is_there(tmp_path: Path) -> None:
    holding = holding_of(tmp_path)
    body = holding.begin()
    assert body.put(bytes(2 * MIB))
    holding.renew(tmp_path / "other", largest=3 * MIB, memory=MIB, disk=3 * MIB, each=1)
    assert body.put(bytes(MIB))
    assert not body.put(b"x")
    assert await all_of(body) == bytes(3 * MIB)

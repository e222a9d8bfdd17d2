"""Whoever goes away while a file is being opened leaves none open."""

from __future__ import annotations

import asyncio
import threading

import pytest

from proxy_addons.rights.opening import opened


class Door:
    """Something that takes as long to open as the test wants."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.open = False
        self.closed = threading.Event()

    def opening(self) -> Door:
        self.begun.set()
        assert self.go_on.wait(20)
        self.open = True
        return self

    def closing(self) -> None:
        assert self.open
        self.open = False
        self.closed.set()


async def test_what_was_opened_is_given() -> None:
    door = Door()
    door.go_on.set()
    assert await opened(door.opening, Door.closing) is door
    assert door.open


async def test_a_fault_is_told() -> None:
    def fault() -> Door:
        raise FileNotFoundError("name")

    with pytest.raises(FileNotFoundError, match="name"):
        await opened(fault, Door.closing)


async def test_cancelled_while_it_opens() -> None:
    door = Door()
    task = asyncio.create_task(opened(door.opening, Door.closing))
    assert await asyncio.to_thread(door.begun.wait, 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not door.open
    door.go_on.set()
    assert await asyncio.to_thread(door.closed.wait, 20)
    assert not door.open


async def test_cancelled_when_it_is_open_and_not_yet_given() -> None:
    door = Door()
    door.go_on.set()
    task = asyncio.create_task(opened(door.opening, Door.closing))
    await asyncio.sleep(0)
    while not door.open:
        pass  # the loop must not turn: the thread's answer would be given
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(door.closed.wait, 20)
    assert not door.open

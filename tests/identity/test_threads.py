from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from support.waiting import until

from proxy_addons.identity.threads import BusyError, Threads

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


async def test_more_than_may_wait_are_turned_away(gate: threading.Event):
    threads = Threads("test", threads=1, waiting=3)
    waiting = [asyncio.create_task(threads.run(gate.wait)) for _ in range(3)]
    await until(lambda: threads._waiting == 3)
    with pytest.raises(BusyError):
        await threads.run(gate.wait)
    gate.set()
    assert await asyncio.gather(*waiting) == [True] * 3
    assert await threads.run(lambda: 1) == 1
    threads.close()


async def test_what_takes_too_long_is_not_waited_for(gate: threading.Event):
    threads = Threads("test", threads=1, waiting=3, patience=0.05)
    with pytest.raises(TimeoutError):
        await threads.run(gate.wait)
    gate.set()
    threads.close()


async def test_an_error_is_the_askers(gate: threading.Event):
    threads = Threads("test", threads=1, waiting=3)
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 / 0)
    # Nobody is left to have it: it is not complained of either.
    task = asyncio.create_task(threads.run(lambda: gate.wait() and 1 / 0))
    await until(lambda: threads._waiting == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.set()
    await until(lambda: threads._waiting == 0)
    threads.close()


async def test_at_the_end_who_waits_is_told_and_nobody_is_cancelled(gate: threading.Event):
    threads = Threads("test", threads=1, waiting=3)
    begun, waiting = (asyncio.create_task(threads.run(gate.wait)) for _ in range(2))
    await until(lambda: threads._waiting == 2)
    threads.close()
    with pytest.raises(BusyError):
        await waiting
    with pytest.raises(BusyError):
        await threads.run(gate.wait)
    gate.set()
    assert await begun is True

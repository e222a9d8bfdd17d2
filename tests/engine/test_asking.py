"""What a connection waits for: answered once, cancelled with it, bounded meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from proxy_addons.engine.asking import _EARLY_LIMIT, Asking


class Connection:
    """What `Asking` tells of."""

    def __init__(self) -> None:
        self.held: list[bool] = []
        self.failed: list[Exception] = []
        self.asking = Asking(asyncio.get_running_loop(), self.held.append, self.failed.append)


async def give(value: object, when: asyncio.Event | None = None) -> Any:
    if when is not None:
        await when.wait()
    if isinstance(value, Exception):
        raise value
    return value


async def test_what_need_not_wait_is_there_at_once() -> None:
    connection, got = Connection(), []
    connection.asking.wait(give(7), got.append)
    assert got == [7]
    assert not connection.asking.tasks


async def test_answers_come_as_they_come() -> None:
    connection, got = Connection(), []
    first, second = asyncio.Event(), asyncio.Event()
    connection.asking.wait(give(1, first), got.append)
    connection.asking.wait(give(2, second), got.append)
    second.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert got == [2]
    assert len(connection.asking.tasks) == 1
    first.set()
    await asyncio.gather(*connection.asking.tasks)
    assert got == [2, 1]
    assert not connection.asking.tasks


@pytest.mark.parametrize("waits", [True, False])
async def test_a_fault_is_told_and_no_answer(waits: bool) -> None:
    connection, got = Connection(), []
    when = asyncio.Event()
    problem = RuntimeError()
    connection.asking.wait(give(problem, when if waits else None), got.append)
    when.set()
    await asyncio.gather(*connection.asking.tasks)
    assert (got, connection.failed) == ([], [problem])
    assert not connection.asking.tasks


async def test_the_end_of_the_connection_is_the_end_of_its_questions() -> None:
    connection, got = Connection(), []
    connection.asking.wait(give(1, asyncio.Event()), got.append)
    (task,) = connection.asking.tasks
    connection.asking.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert not got
    assert not connection.asking.tasks


async def test_beyond_a_limit_nothing_is_read_until_the_answer() -> None:
    connection = Connection()
    for _ in range(2):
        when = asyncio.Event()
        connection.asking.wait(give(1, when), lambda _: None)
        connection.asking.came(_EARLY_LIMIT)
        assert not connection.held
        connection.asking.came(1)
        connection.asking.came(1)
        assert connection.held == [True]
        when.set()
        await asyncio.gather(*connection.asking.tasks)
        assert connection.held == [True, False]
        connection.held.clear()


async def test_a_quick_answer_holds_nobody() -> None:
    connection, when = Connection(), asyncio.Event()
    connection.asking.wait(give(1, when), lambda _: None)
    connection.asking.came(_EARLY_LIMIT)
    when.set()
    await asyncio.gather(*connection.asking.tasks)
    assert not connection.held

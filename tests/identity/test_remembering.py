from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from support.waiting import until

from proxy_addons.identity.remembering import Remembered

if TYPE_CHECKING:
    from support.fixtures import Clock

TTL, STALE, SIZE = 100.0, 1000.0, 3


class Source:
    """Answers when it is let to; counts questions."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.open = asyncio.Event()
        self.open.set()
        self.fails = False
        self.version = 1

    async def fetch(self, key: str) -> str:
        self.asked.append(key)
        await self.open.wait()
        if self.fails:
            raise OSError(key)
        return f"{key}{self.version}"


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def kept(source: Source, clock: Clock) -> Remembered[str]:
    return Remembered(source.fetch, ttl=TTL, stale=STALE, size=SIZE, clock=clock)


async def test_many_ask_and_one_question_is_on_its_way(kept: Remembered[str], source: Source):
    source.open.clear()
    waiting = [asyncio.create_task(kept.get("a")) for _ in range(50)]
    await until(lambda: source.asked)
    source.open.set()
    assert set(await asyncio.gather(*waiting)) == {("a1", True)}
    assert await kept.get("a") == ("a1", True)
    assert source.asked == ["a"]


async def test_one_who_gives_up_does_not_end_the_question_of_others(
    kept: Remembered[str], source: Source
):
    source.open.clear()
    first, second = (asyncio.create_task(kept.get("a")) for _ in range(2))
    await until(lambda: source.asked)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    source.open.set()
    assert await second == ("a1", True)


async def test_an_old_answer_is_given_at_once_and_renewed_behind(
    kept: Remembered[str], source: Source, clock: Clock
):
    await kept.get("a")
    clock.now = TTL
    source.version = 2
    source.open.clear()
    assert await kept.get("a") == ("a1", False)
    assert await kept.get("a") == ("a1", False)
    source.open.set()
    await until(lambda: kept.cached("a") == ("a2", True))
    assert source.asked == ["a", "a"]


async def test_while_nothing_answers_the_old_one_counts_until_it_is_too_old(
    kept: Remembered[str], source: Source, clock: Clock
):
    await kept.get("a")
    source.fails = True
    clock.now = TTL
    assert await kept.get("a") == ("a1", False)
    await until(lambda: not kept._asked)
    assert await kept.get("a") == ("a1", False)
    assert len(source.asked) == 2  # an outage is not asked about with every request
    clock.now = TTL + 10
    assert await kept.get("a") == ("a1", False)
    await until(lambda: not kept._asked)
    assert len(source.asked) == 3
    clock.now = TTL + STALE - 0.1
    assert kept.cached("a") == ("a1", False)
    clock.now = TTL + STALE
    assert kept.cached("a") is None
    with pytest.raises(OSError, match="a"):
        await kept.get("a")


async def test_a_failure_is_everybodys_and_the_next_one_asks_again(
    kept: Remembered[str], source: Source
):
    source.fails = True
    source.open.clear()
    waiting = [asyncio.create_task(kept.get("a")) for _ in range(3)]
    await until(lambda: source.asked)
    source.open.set()
    assert [type(each) for each in await asyncio.gather(*waiting, return_exceptions=True)] == [
        OSError
    ] * 3
    source.fails = False
    assert await kept.get("a") == ("a1", True)


async def test_it_does_not_grow(kept: Remembered[str], source: Source):
    for key in "abcd":
        await kept.get(key)
    assert kept.cached("a") is None
    assert [kept.cached(key) for key in "bcd"] == [(f"{key}1", True) for key in "bcd"]
    await kept.get("a")
    assert source.asked == [*"abcd", "a"]

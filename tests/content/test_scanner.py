"""All scanners as one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from support.bodies import Body, once
from support.clamd import MARKER, MARKER_VIRUS, RunningClamd
from support.eicar import EICAR

from proxy_addons.content.clamd import ClamdScanner
from proxy_addons.content.scanner import Health, Scan, Several, scanner_of
from proxy_addons.settings.content import Clamd, Content

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable

pytestmark = pytest.mark.usefixtures("no_blocking")

CLEAN = Scan(None, scanned=True)
DOWN = Scan(None, scanned=False, why="down")
FOUND = Scan("A.Virus", scanned=True)


@dataclass
class Fixed:
    """A scanner that says what it was told to, after some bytes, and `then` some seconds."""

    says: Scan
    after: int = 1 << 30
    then: float = 0
    read: int = 0

    async def scan(self, body: AsyncIterable[bytes], *, name: str, size: int | None) -> Scan:
        assert (name, size) == ("a file", None)
        async for piece in body:
            self.read += len(piece)
            if self.read >= self.after:
                await asyncio.sleep(self.then)
                break
        return self.says

    async def health(self) -> tuple[Health, ...]:
        return (Health("fixed", well=True, says=""),)


def test_without_a_scanner_there_is_none():
    assert scanner_of(Content()) is None


async def test_clamd(clamd: RunningClamd):
    scanner = scanner_of(Content(clamd=clamd.settings()))
    assert scanner is not None
    said = await scanner.scan(Body(EICAR), name="", size=None)
    assert said.virus


@pytest.mark.parametrize("how", [Body, once])
@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        (CLEAN, CLEAN, CLEAN),
        (CLEAN, DOWN, DOWN),
        (DOWN, CLEAN, DOWN),
        (DOWN, FOUND, FOUND),
        (FOUND, CLEAN, FOUND),
    ],
)
async def test_two_together(
    how: Callable[[bytes, list[int]], AsyncIterable[bytes]],
    first: Scan,
    second: Scan,
    together: Scan,
):
    scanners = Fixed(first), Fixed(second)
    body = how(bytes(1000), [10] * 90)
    assert await Several(scanners).scan(body, name="a file", size=None) == together
    assert [each.read for each in scanners] == [1000, 1000]


@pytest.mark.parametrize("then", [0, 0.05])
async def test_one_that_has_had_enough_does_not_hold_up_the_other(then: float):
    scanners = Fixed(DOWN, after=20, then=then), Fixed(FOUND)
    body = once(bytes(1000), [10] * 90)
    assert await Several(scanners).scan(body, name="a file", size=None) == FOUND
    assert [each.read for each in scanners] == [20, 1000]


async def test_a_body_that_breaks_off():
    async def breaks_off() -> AsyncIterator[bytes]:
        yield b"begin"
        msg = "the site hung up"
        raise ConnectionError(msg)

    before = asyncio.all_tasks()
    with pytest.raises(ConnectionError, match="the site hung up"):
        await Several((Fixed(CLEAN), Fixed(CLEAN))).scan(breaks_off(), name="a file", size=None)
    assert asyncio.all_tasks() == before


async def test_two_of_which_one_is_down(clamd: RunningClamd):
    scanner = Several((ClamdScanner(clamd.settings()), ClamdScanner(Clamd(("unix:/nowhere",)))))
    said = await scanner.scan(once(bytes(500_000) + MARKER), name="", size=None)
    assert said == Scan(MARKER_VIRUS, scanned=True)
    said = await scanner.scan(once(bytes(500_000)), name="", size=None)
    assert said.why == "unix:/nowhere: it cannot be reached (No such file or directory)"
    assert [each.well for each in await scanner.health()] == [True, False]

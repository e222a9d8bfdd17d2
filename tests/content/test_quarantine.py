"""Copies of what a virus was found in."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from typing import TYPE_CHECKING

import pytest
import structlog
from support.bodies import Body
from support.disk import fill, small

from proxy_addons.content.quarantine import Quarantine
from proxy_addons.settings import content

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("no_blocking")

DAY = 86400
FACTS = {"person": "Jane Doe", "address": "http://site.example/x", "file": "a\x1b[2Jb.exe"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kept"


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def sizes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.body"))


def modes(folder: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())}


def copies(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


async def test_a_copy_and_what_is_known_of_it(folder: Path):
    data = os.urandom(3_000_000)
    quarantine = Quarantine(content.Quarantine(folder), Clock())
    with structlog.testing.capture_logs() as said:
        kept = await quarantine.found(
            "7K3M-2Q9X-1C4V", "A.Virus\x1b", Body(data, [70_000] * 40), FACTS
        )
    assert kept == folder / "7K3M-2Q9X-1C4V.body"
    assert kept.read_bytes() == data
    known = json.loads((folder / "7K3M-2Q9X-1C4V.json").read_text())
    assert known == FACTS | {
        "reference": "7K3M-2Q9X-1C4V",
        "virus": "A.Virus?",
        "time": "2027-01-15T08:00:00+00:00",
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    assert modes(folder) == {0o700, 0o600}
    assert copies(folder) == ["7K3M-2Q9X-1C4V.body", "7K3M-2Q9X-1C4V.json"]
    (line,) = said
    assert line["event"] == "content: VIRUS FOUND"
    assert line["log_level"] == "critical"
    assert (line["reference"], line["virus"]) == ("7K3M-2Q9X-1C4V", "A.Virus?")
    assert (line["person"], line["file"]) == ("Jane Doe", "a?[2Jb.exe")
    assert line["copy"] == str(kept)


async def test_without_a_folder_there_is_an_alert_all_the_same():
    with structlog.testing.capture_logs() as said:
        assert await Quarantine(content.Quarantine()).found("R", "V", Body(b"x"), FACTS) is None
    assert said[0]["event"] == "content: VIRUS FOUND"
    assert "copy" not in said[0]


async def test_the_oldest_go_first(folder: Path):
    clock = Clock()
    quarantine = Quarantine(content.Quarantine(folder, size=1000), clock)
    for number in range(5):
        clock.now += 1
        assert await quarantine.found(f"R{9 - number}", "V", Body(bytes(300)), {})
    assert copies(folder) == [f"R{n}.{end}" for n in (5, 6, 7) for end in ("body", "json")]


async def test_what_is_larger_than_all_together(folder: Path):
    quarantine = Quarantine(content.Quarantine(folder, size=1000), Clock())
    assert await quarantine.found("R1", "V", Body(bytes(1000)), {})
    with structlog.testing.capture_logs() as said:
        assert await quarantine.found("R2", "V", Body(bytes(1001)), {}) is None
    assert said[0]["copy"] == "none: it is larger than content.quarantine.size"
    assert copies(folder) == ["R1.body", "R1.json"]


async def test_the_old_go(folder: Path):
    clock = Clock()
    quarantine = Quarantine(content.Quarantine(folder, days=10), clock)
    assert await quarantine.expire() == 0
    await quarantine.found("R1", "V", Body(b"1"), {})
    clock.now += 5 * DAY
    await quarantine.found("R2", "V", Body(b"2"), {})
    clock.now += 5 * DAY - 1
    assert await quarantine.expire() == 0
    clock.now += 1
    assert await quarantine.expire() == 1
    assert copies(folder) == ["R2.body", "R2.json"]
    clock.now += 5 * DAY
    await quarantine.found("R3", "V", Body(b"3"), {})
    assert copies(folder) == ["R3.body", "R3.json"]


async def test_what_was_left_unfinished(folder: Path):
    clock = Clock()
    quarantine = Quarantine(content.Quarantine(folder), clock)
    folder.mkdir()  # noqa: ASYNC240 - nothing else runs
    for name, age in (("R1.body.part", 3601), ("R2.body.part", 10)):
        (folder / name).touch()
        os.utime(folder / name, (clock.now - age, clock.now - age))
    await quarantine.expire()
    assert copies(folder) == ["R2.body.part"]


async def test_a_body_that_breaks_off_leaves_nothing(folder: Path):
    async def breaks_off() -> AsyncIterator[bytes]:
        yield b"begin"
        msg = "the file is gone"
        raise OSError(msg)

    with structlog.testing.capture_logs() as said:
        quarantine = Quarantine(content.Quarantine(folder), Clock())
        assert await quarantine.found("R1", "V", breaks_off(), {}) is None
    assert said[0]["copy"] == "none: the file is gone"
    assert copies(folder) == []


async def test_somebody_goes_away_meanwhile(folder: Path):
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1000)
            await asyncio.sleep(0)

    quarantine = Quarantine(content.Quarantine(folder), Clock())
    task = asyncio.create_task(quarantine.found("R1", "V", endless(), {}))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert copies(folder) == []


@pytest.mark.parametrize("reference", ["", "../x", "R/1", ".R", "R\n", "r1", "R" * 41, "-R"])
async def test_a_reference_that_is_no_name(folder: Path, reference: str):
    quarantine = Quarantine(content.Quarantine(folder), Clock())
    assert await quarantine.found(reference, "V", Body(b"x"), {}) is None
    assert not folder.exists()  # noqa: ASYNC240 - nothing else runs


async def test_a_copy_that_is_there_is_not_written_over(folder: Path):
    quarantine = Quarantine(content.Quarantine(folder), Clock())
    assert await quarantine.found("R1", "V", Body(b"x"), {}) == folder / "R1.body"
    with structlog.testing.capture_logs() as said:
        assert await quarantine.found("R1", "V", Body(b"y"), {}) is None
    assert "File exists" in said[0]["copy"]
    assert (folder / "R1.body").read_bytes() == b"x"
    assert copies(folder) == ["R1.body", "R1.json"]


async def test_the_same_reference_twice_at_once(folder: Path):
    quarantine = Quarantine(content.Quarantine(folder), Clock())
    kept = await asyncio.gather(
        *(quarantine.found("R1", "V", Body(b"x", [0] * 50), {}) for _ in range(3))
    )
    assert [each for each in kept if each] == [folder / "R1.body"]


async def test_many_workers(folder: Path):
    quarantines = [Quarantine(content.Quarantine(folder, size=5000)) for _ in range(4)]
    kept = await asyncio.gather(
        *(quarantines[n % 4].found(f"R{n}", "V", Body(bytes(900)), {}) for n in range(40))
    )
    assert all(kept)
    assert sizes(folder) <= 5000 + 4 * 900  # those that were being written at the same time
    await quarantines[0].expire()
    assert sizes(folder) <= 5000


async def test_a_folder_that_cannot_be_made(tmp_path: Path):
    (tmp_path / "file").touch()
    quarantine = Quarantine(content.Quarantine(tmp_path / "file/kept"), Clock())
    with structlog.testing.capture_logs() as said:
        assert await quarantine.found("R1", "V", Body(b"x"), {}) is None
    assert "Not a directory" in said[0]["copy"]
    assert await quarantine.expire() == 0


@pytest.mark.root
async def test_a_full_disk(tmp_path: Path):
    with small(tmp_path / "disk") as disk:
        quarantine = Quarantine(content.Quarantine(disk / "kept"), Clock())
        assert await quarantine.found("R1", "V", Body(b"x"), {})
        ballast = fill(disk)
        with structlog.testing.capture_logs() as said:
            assert await quarantine.found("R2", "V", Body(bytes(100_000)), {}) is None
        assert "No space left on device" in said[0]["copy"]
        assert copies(disk / "kept") == ["R1.body", "R1.json"]
        ballast.unlink()
        assert await quarantine.found("R3", "V", Body(bytes(100_000)), {})

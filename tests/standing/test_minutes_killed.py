"""`kill -9` of workers that count: real processes, a real store, the intervals as in use."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from proxy_addons.settings.shifts import Shifts
from proxy_addons.standing.dutydays import Days
from proxy_addons.standing.minutes import Total, totals

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Place

    from proxy_addons.standing import Store

pytestmark = pytest.mark.apart

LONDON = ZoneInfo("Europe/London")
SURVIVES = 10.0  # seconds: what was counted so long ago is never lost
COUNTS = """
import asyncio, json, os, sys, time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo
from proxy_addons.settings.model import Paths
from proxy_addons.settings.people import Standing
from proxy_addons.settings.shifts import Shifts
from proxy_addons.standing import open_store
from proxy_addons.standing.today import Today

url, password, folder, name, first, journals, options = json.loads(sys.argv[1])

async def main():
    store = open_store(Standing(url=url, password=password), Paths(*[Path(folder)] * 3))
    today = Today(store, Shifts(), ZoneInfo("Europe/London"),
                  journals=journals and Path(journals), **options)
    await today.start()
    begin, number = datetime.fromisoformat(first), 0
    while True:
        today.count(name, begin + number * timedelta(minutes=1), number % 2 == 0)
        number += 1
        os.write(1, b"%d %f\\n" % (number, time.time()))  # said when counted
        await asyncio.sleep(0.02)

asyncio.run(main())
"""


class Counting:
    """A worker in a process of its own that counts a new minute every 20 ms, and says so."""

    def __init__(
        self, place: Place, name: str, first: datetime, journals: Path | None, **options: float
    ) -> None:
        settings = place.settings
        arguments = [settings.url, settings.password, str(place.paths.data_dir), name,
                     first.isoformat(), journals and str(journals), options]  # fmt: skip
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, "-c", COUNTS, json.dumps(arguments)], stdout=subprocess.PIPE
        )

    def wait(self) -> None:
        """Until it counts."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline().startswith(b"1 ")

    def kill(self) -> list[float]:
        """Kill it. Gives when each minute was counted."""
        os.kill(self.process.pid, signal.SIGKILL)
        assert self.process.stdout is not None
        rest = self.process.stdout.read().splitlines(keepends=True)
        self.process.stdout.close()
        self.process.wait()
        said = [line.split() for line in rest if line.endswith(b"\n")]
        assert [int(number) for number, _ in said] == list(range(2, len(said) + 2))
        return [float(at) for _, at in said]


def today_at_five() -> datetime:
    return Days(LONDON, Shifts()).at(datetime.now(UTC)).begins


def written(store: Store, name: str) -> Total:
    day = Days(LONDON, Shifts()).at(today_at_five()).date
    return totals(store, [name], day, day).get((name, day), Total())


def test_what_was_counted_ten_seconds_ago_is_in_the_store(both_stores: dict[Place, Store]) -> None:
    """Without journals: another machine cannot read them. On both engines within the same time."""
    running = [Counting(place, "jane", today_at_five(), None) for place in both_stores]
    for counting in running:
        counting.wait()
    time.sleep(SURVIVES + 0.8)
    for counting, store in zip(running, both_stores.values(), strict=True):
        killed = time.time()
        counted = 1 + sum(at < killed - SURVIVES for at in counting.kill())
        assert counted > 5
        assert written(store, "jane").personal >= counted


@pytest.mark.parametrize("turns", [1, pytest.param(6, marks=pytest.mark.heavy)])
def test_what_was_counted_at_all_is_taken_over(
    place: Place, store: Store, tmp_path: Path, turns: int
) -> None:
    """With journals: nothing is lost, whoever is killed in the midst of whatever it does."""
    chance = random.Random(5)
    counts: dict[str, int] = {}
    for turn in range(turns):
        both = [
            # They write all the time, so that the kill is often in the midst of that.
            Counting(place, f"person-{turn}-{number}", today_at_five(), tmp_path / "journals",
                     every=0.01, flush=0.05)
            for number in range(2)
        ]  # fmt: skip
        for each in both:
            each.wait()
        for each in both:
            time.sleep(chance.uniform(0.1, 1))
            counts[each.name] = 1 + len(each.kill())
    last = Counting(place, "last", today_at_five(), tmp_path / "journals")
    last.wait()  # it has begun, and so has taken over
    last.kill()
    for name, count in counts.items():
        found = written(store, name).personal
        assert count <= found <= count + 1  # one more, which it had not yet said

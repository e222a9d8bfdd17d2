"""Eight real workers of which one after another is killed: no allowance is exceeded by more.

test_allowance.py chooses the worst moments, in one process; here nothing is made up but the time,
which goes faster. `scripts/large` does it at all the hours at which days and clocks are odd.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Self
from zoneinfo import ZoneInfo

import pytest

from proxy_addons.settings.shifts import Allowances, Shifts
from proxy_addons.standing.dutydays import Days
from proxy_addons.standing.minutes import Total, used

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from conftest import Place

    from proxy_addons.standing import Store

pytestmark = pytest.mark.apart

WORKERS: Final = 8
PEOPLE: Final = [f"person{number}" for number in range(200)]
PERSONAL, SOCIAL = 2, 1
SHIFTS = Shifts(allowances=Allowances(PERSONAL, SOCIAL, low=1))
LONDON = ZoneInfo("Europe/London")
LASTS: Final = 5  # minutes of their time
MINUTE: Final = 2.5  # seconds of ours
EVERY, FLUSH = 0.05, 0.25  # as in use, at this speed: a look each second, a writing each six
RESTART: Final = 0.15
KILLS: Final = 8

NOON = "2026-11-23 12:00"
ODD = [
    "2026-11-23 23:58",  # midnight
    "2026-11-23 04:58",  # the day turns
    "2026-03-29 00:58",  # an hour is left out
    "2026-10-25 01:58",  # an hour comes twice
    "2028-02-29 04:58",
    "2028-02-29 23:58",
]

# Makes workers by forking, which takes no time: each worker is a process of its own all the same.
MAKER = """
import asyncio, json, os, signal, socket, sys, time
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo
from proxy_addons.policy.states import ALLOWANCE_USED, SOCIAL_USED
from proxy_addons.settings.model import Paths
from proxy_addons.settings.people import Standing
from proxy_addons.settings.shifts import Allowances, Shifts
from proxy_addons.standing import open_store
from proxy_addons.standing.today import Today

url, password, folder, journals, base, minute, allowances, every, flush = json.loads(sys.argv[1])
shifts = Shifts(allowances=Allowances(*allowances))
begin = datetime.fromisoformat(base)
print("ready", flush=True)
began = float(sys.stdin.readline())

def now():
    return begin + timedelta(seconds=(time.time() - began) * 60 / minute)

async def work(listening):
    store = open_store(Standing(url=url, password=password), Paths(*[Path(folder)] * 3))
    today = Today(store, shifts, ZoneInfo("Europe/London"), journals=Path(journals), wall=now,
                  every=every, flush=flush)
    await today.start()

    async def serve(reader, writer):
        while line := await reader.readline():
            person, social = line.decode().split()
            refusing = {ALLOWANCE_USED, SOCIAL_USED} if social == "1" else {ALLOWANCE_USED}
            at = now()
            passes = not today.states(person, at) & refusing
            if passes:
                today.count(person, at, social == "1")
            writer.write(b"%d %s\\n" % (passes, at.isoformat().encode()))

    await asyncio.start_unix_server(serve, sock=listening)
    await asyncio.Event().wait()

signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
for line in sys.stdin:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(line.strip())
    listening.listen()
    worker = os.fork()
    if worker == 0:
        asyncio.run(work(listening))
    listening.close()
    print(worker, flush=True)
"""


class Worker:
    """A process that lets people through while they have minutes."""

    def __init__(self, process: int, path: Path) -> None:
        self.process = process
        self._killed = False
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(30)
        self._socket.connect(str(path))
        self._answers = self._socket.makefile("rb")

    def ask(self, person: str, *, social: bool) -> tuple[bool, datetime] | None:
        """Whether somebody's request passes, and when it was; None: nobody answers any more."""
        try:
            self._socket.sendall(f"{person} {social:d}\n".encode())
            said = self._answers.readline()
        except ConnectionError:
            return None
        if not said.endswith(b"\n"):
            return None
        passes, at = said.decode().split()
        return passes == "1", datetime.fromisoformat(at)

    def kill(self) -> None:
        if not self._killed:
            self._killed = True
            os.kill(self.process, signal.SIGKILL)

    def close(self) -> None:
        self._answers.close()
        self._socket.close()


class Crew:
    """Eight workers on one store, of which some are killed and followed by others."""

    def __init__(self, place: Place, folder: Path, base: datetime) -> None:
        self._folder = folder
        settings = place.settings
        of = [settings.url, settings.password, str(place.paths.data_dir), str(folder / "journals"),
              base.isoformat(), MINUTE, [PERSONAL, SOCIAL, 1], EVERY, FLUSH]  # fmt: skip
        self._maker = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", MAKER, json.dumps(of)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._maker.stdin is not None
        assert self._maker.stdout is not None
        assert self._maker.stdout.readline() == "ready\n"
        self._maker.stdin.write(f"{time.time()}\n")
        self._made = 0
        self._closed: list[Worker] = []
        self.workers = [self.begin() for _ in range(WORKERS)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self.workers:
            each.kill()
        for each in [*self.workers, *self._closed]:
            each.close()
        self._maker.communicate()

    def begin(self) -> Worker:
        assert self._maker.stdin is not None
        assert self._maker.stdout is not None
        self._made += 1
        path = self._folder / f"{self._made}.sock"
        self._maker.stdin.write(f"{path}\n")
        self._maker.stdin.flush()
        return Worker(int(self._maker.stdout.readline()), path)

    def replace(self, number: int) -> None:
        """Kill one, whatever it is doing; another comes soon."""
        self.workers[number].kill()
        time.sleep(RESTART)
        self._closed.append(self.workers[number])
        self.workers[number] = self.begin()


def use_the_web(
    crew: Crew, dice: random.Random, lasts: float
) -> tuple[dict[tuple[str, date], set[datetime]], dict[tuple[str, date], set[datetime]]]:
    """People reach whichever worker, a few times a minute: their minutes that passed, and of these
    the social ones.

    Often one worker alone has counted a minute, and it is lost if that one is killed and nothing
    keeps it. Each person is away for some minutes, so that not all allowances end at once.
    """
    days = Days(LONDON, SHIFTS)
    minutes: defaultdict[tuple[str, date], set[datetime]] = defaultdict(set)
    social_ones: defaultdict[tuple[str, date], set[datetime]] = defaultdict(set)
    away = {(name, number) for name in PEOPLE for number in range(LASTS) if dice.random() < 0.2}
    begin = time.monotonic()
    while (since := time.monotonic() - begin) < lasts:
        name, social = dice.choice(PEOPLE), dice.random() < 0.5
        if (name, int(since / MINUTE)) not in away:
            answer = dice.choice(crew.workers).ask(name, social=social)
            if answer is not None and answer[0]:
                day = days.at(answer[1])
                minute = day.begins + day.minute(answer[1]) * timedelta(minutes=1)
                minutes[name, day.date].add(minute)
                if social:
                    social_ones[name, day.date].add(minute)
        time.sleep(0.004)
    return minutes, social_ones


@pytest.mark.parametrize(
    ("begins", "seed"),
    [(NOON, 1), *(pytest.param(each, 2, marks=pytest.mark.heavy) for each in ODD)],
)
def test_eight_workers_killed_at_any_moment(
    place: Place, store: Store, tmp_path: Path, begins: str, seed: int
) -> None:
    dice = random.Random(seed)
    base = datetime.fromisoformat(begins).replace(tzinfo=LONDON).astimezone(UTC)
    lasts = LASTS * MINUTE
    with Crew(place, tmp_path, base) as crew:
        for each in crew.workers:  # all have begun
            assert each.ask("nobody", social=False) is not None
        moments = sorted(dice.uniform(0, lasts) for _ in range(KILLS))
        victims = [dice.randrange(WORKERS) for _ in moments]
        over = threading.Event()

        def kill() -> None:
            begin = time.monotonic()
            for moment, victim in zip(moments, victims, strict=True):
                over.wait(max(0.0, begin + moment - time.monotonic()))
                crew.replace(victim)

        killing = threading.Thread(target=kill)
        killing.start()
        minutes, social_ones = use_the_web(crew, dice, lasts)
        over.set()
        killing.join()
        # Who is killed last has nobody to take over from it: one more comes.
        for each in crew.workers:
            each.kill()
        last = crew.begin()
        assert last.ask("nobody", social=False) is not None
        last.kill()
        last.close()
    assert max(map(len, minutes.values())) >= PERSONAL, "nobody used up an allowance"
    for (name, day), passed in minutes.items():
        assert len(passed) <= PERSONAL + 1
        assert len(social_ones[name, day]) <= SOCIAL + 1
        # What passed is in the store, whoever was killed; what was counted and not said may be too.
        found: Total = used(store, name, day)
        assert len(passed) <= found.personal <= PERSONAL + 1
        assert len(social_ones[name, day]) <= found.social <= SOCIAL + 1

"""Booked breaks from several gateways: real processes, some of which are killed."""

from __future__ import annotations

import json
import subprocess
import sys
import time as clock
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from proxy_addons.settings import shifts
from proxy_addons.standing.breaks import Break, Breaks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Place

    from proxy_addons.standing import Store

TOP = Path(__file__).parents[2]
LONDON = ZoneInfo("Europe/London")
FIVE = time(5)
BEGIN = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
HURRIED = shifts.Breaks(choices=(5, 15, 20), allowance=60, gap=10)
SPEED = 3600  # an hour in a second
PEOPLE = ("ann", "bob")

# One gateway's worker. Each line it reads is a job, each line it writes the answer.
_GATEWAY = """
import json, random, sys, time
from datetime import datetime, timedelta, time as daytime
from pathlib import Path
from zoneinfo import ZoneInfo
from proxy_addons.settings import shifts
from proxy_addons.settings.model import Paths
from proxy_addons.settings.people import Standing
from proxy_addons.standing import StandingUnavailableError, StepRefusedError, open_store
from proxy_addons.standing.breaks import Breaks

url, password, folder, of = sys.argv[1:]
store = open_store(
    Standing(url=url or None, password=password or None),
    Paths(Path(folder), Path(folder), Path(folder)),
)
settings = shifts.Breaks(**json.loads(of))
zone, five = ZoneInfo("Europe/London"), daytime(5)
store.version()
print("ready", flush=True)
job = json.loads(sys.stdin.readline())
begin = datetime.fromisoformat(job["begin"])
def now():
    return begin + timedelta(seconds=(time.time() - job["at"]) * job["speed"])
breaks = Breaks(store, settings, five, zone, clock=now)
dice = random.Random(job["seed"])
made = None
while True:
    person = dice.choice(job["people"])
    try:
        if made is not None and dice.random() < 0.2:
            breaks.end(person, person)
        else:
            made = breaks.start(person, dice.choice(settings.choices), person, "test")
    except (StepRefusedError, StandingUnavailableError):
        pass
    if time.time() - job["at"] >= job["seconds"]:
        break
    time.sleep(0.005)
store.close()
print(json.dumps(made and [made.id, made.begins.isoformat()]), flush=True)
"""


@contextmanager
def gateways(place: Place, number: int, of: shifts.Breaks) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that have opened the store and wait for a job."""
    options = {"choices": of.choices, "allowance": of.allowance, "gap": of.gap}
    arguments = (
        *(place.settings.url or "", place.settings.password or "", place.paths.data_dir),
        json.dumps(options),
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _GATEWAY, *map(str, arguments)],
            cwd=TOP,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(number)
    ]
    try:
        for each in started:
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        yield started
    finally:
        for each in started:
            each.kill()
            each.communicate()


def _tell(each: subprocess.Popen[str], **job: object) -> None:
    assert each.stdin is not None
    each.stdin.write(json.dumps(job) + "\n")
    each.stdin.flush()


def _all(store: Store, of: shifts.Breaks, person: str) -> tuple[Break, ...]:
    return Breaks(store, of, FIVE, LONDON).of_days(person, date.min, date.max)


def test_clicks_at_two_gateways_at_once_are_one_break(store: Store, place: Place) -> None:
    of = shifts.Breaks()
    with gateways(place, 3, of) as started:
        job = {"begin": BEGIN.isoformat(), "at": clock.time(), "speed": 0, "seconds": 0}
        for seed, each in enumerate(started):
            _tell(each, **job, people=["ann"], seed=seed)
        said = [each.communicate(timeout=60) for each in started]
    (made,) = _all(store, of, "ann")
    assert [(json.loads(out), errors) for out, errors in said] == [
        ([made.id, made.begins.isoformat()], "")
    ] * 3


@pytest.mark.parametrize("seed", [1])
def test_the_rules_hold_with_many_gateways_of_which_some_die(
    store: Store, place: Place, seed: int
) -> None:
    """Eight workers, for two people, an hour in a second; half of them are killed."""
    seconds = 2.5
    dice = Random(seed)
    with gateways(place, 8, HURRIED) as started:
        at = clock.time()
        job = {"begin": BEGIN.isoformat(), "at": at, "speed": SPEED, "seconds": seconds}
        for number, each in enumerate(started):
            _tell(each, **job, people=PEOPLE, seed=number)
        killed = started[: len(started) // 2]
        for each in killed:
            clock.sleep(dice.uniform(0, seconds / len(started)))
            each.kill()
        for each in started[len(started) // 2 :]:
            _, errors = each.communicate(timeout=60)
            assert (each.returncode, errors) == (0, "")
    for person in PEOPLE:
        made = _all(store, HURRIED, person)
        assert made, "nothing was tried"
        for earlier, later in pairwise(made):
            assert earlier.ends + HURRIED.gap * timedelta(minutes=1) <= later.begins
        lasted = sum((each.ends - each.begins for each in made), timedelta())
        assert lasted <= HURRIED.allowance * timedelta(minutes=1)
        assert sum(each.minutes for each in made) <= HURRIED.allowance

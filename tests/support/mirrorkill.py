"""Kills the copying of steps to the trail at each of its calls to the system; another goes on.

In: a folder to work in. Out: a line of JSON for each call: which it was, what the trail has then.
Must never: be imported by tests: it forks, which a process with threads must not do.

    python -m support.mirrorkill FOLDER
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from contextlib import closing
from pathlib import Path

import structlog

from proxy_addons.accesslog.seal.sealing import Seals
from proxy_addons.audit.alerts.register import Alerts
from proxy_addons.audit.desk.mirror import Book, Mirror
from proxy_addons.audit.retention.orders import Orders
from proxy_addons.audit.trail import ALERT, ERASURE, Trail
from proxy_addons.audit.trailreader import TrailFilter, TrailReader
from proxy_addons.settings.model import Paths
from proxy_addons.settings.people import Standing
from proxy_addons.standing import Store, open_store
from proxy_addons.standing.upgrade import migrate
from support.alerting import raised
from support.sampling import NOW, PSD, REVIEWER
from support.sealkill import kill_at


def filled(store: Store) -> None:
    """Two orders and two alerts, with some steps each."""
    orders, queue = Orders(store, clock=lambda: NOW), Alerts(store, clock=lambda: NOW)
    for person in ("jane", "john"):
        made = orders.ask(PSD, person, NOW.replace(year=2025), NOW, why="As a court has ordered.")
    orders.confirm(REVIEWER, made.reference)
    raised(store, 2)
    queue.see(PSD, "AL-2026-0001", seen=1)


def copied(folder: Path, store: Store) -> None:
    """Copy what is new, as the desk does when it starts."""
    with closing(Trail(folder / "trail", clock=NOW.timestamp)) as trail:
        trail.start()
        books = (
            Book(ERASURE, Orders(store).steps_since),
            Book(ALERT, Alerts(store).steps_since),
        )
        Mirror(books, trail, _reader(folder)).copy()


def _reader(folder: Path) -> TrailReader:
    return TrailReader(folder / "trail", Seals(folder / "sealed").folder)


def _numbers(folder: Path) -> dict[str, list[int]]:
    found = {}
    for event in (ERASURE, ALERT):
        records = _reader(folder).page(TrailFilter(event=event), most=100).records
        found[event] = [each.record["outcome"]["number"] for each in records][::-1]
    return found


def main(folder: Path) -> None:
    """Try each call, until a copy comes to its end."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    settings, paths = Standing(), Paths(folder, folder, folder)
    migrate(settings, paths)
    store = open_store(settings, paths)
    filled(store)
    number = 0
    while True:
        number += 1
        place = folder / "place"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            kill_at(number, write)
            copied(place, store)
            os._exit(0)
        os.close(write)
        _, status = os.waitpid(child, 0)
        with os.fdopen(read) as file:
            call = file.read()
        then = _numbers(place)
        copied(place, store)
        said = {
            "call": call,
            "killed": os.WIFSIGNALED(status),
            "then": sum(map(len, then.values())),
            "after": _numbers(place),
        }
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()
        if not said["killed"]:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Lists are updated under load: no request is lost, and all workers decide by the new list at once.

In: two workers, ten thousand requests, the UT1 list three times, the second time with one name
more. Out: failures (wanted: 0), and seconds until every worker decides by the new list (wanted: 2).
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from support.gateway import ROOT
from support.listserver import published
from support.load import Load
from support.running import IDENTITY
from support.scene import through

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from support.gateway import Gateway
    from support.web import Web

REQUESTS = 10_000
PROBE, STEADY = "probe.test", "www.gov.uk"


class Swap(threading.Thread):
    """Notes when an index takes the place of the one before, to a millisecond."""

    def __init__(self, index: Path) -> None:
        super().__init__(daemon=True)
        self._index = index
        self._before = index.stat().st_ino
        self.at = 0.0

    def run(self) -> None:
        until = time.monotonic() + 300
        while self._index.stat().st_ino == self._before and time.monotonic() < until:
            time.sleep(0.001)
        self.at = time.time()


@pytest.mark.heavy
def test_no_request_is_lost_and_all_workers_follow(
    start: Callable[..., Gateway], web: Web, tmp_path: Path
) -> None:
    lists = tmp_path / "categories"
    shutil.copytree(ROOT / "categories" / "starter", lists / "starter")
    archive = tmp_path / "ut1.tar.gz"
    (lists / "sources.yaml").write_text(
        f"version: 1\nsources:\n  - {{name: ut1, url: {archive}}}\n"
    )
    settings = through(web, identity=IDENTITY, categories_dir=str(lists))
    gateway = start(settings, workers=2, run=False)
    archive.write_bytes(published(""))
    first = gateway.command("categories", "update")
    assert first.returncode == 0, first.stderr
    gateway.start()
    swaps, seconds = [], []
    with Load(gateway.proxy, (STEADY, PROBE), clients=12, pause=0.03) as load:
        load.wait(1000)
        for extra in (f"{PROBE}\n", ""):
            archive.write_bytes(published(extra))
            swap = Swap(gateway.data / "categories.index")
            swap.start()
            began = time.monotonic()
            done = gateway.command("categories", "update", "--json")
            seconds.append(time.monotonic() - began)
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout)[0]["status"] == "updated"
            swap.join()
            swaps.append(swap.at)
            load.wait(1000, seconds=120)
        while len(load.done) < REQUESTS:
            time.sleep(0.1)
    second = sorted(each.name for each in (gateway.data / "lists/.history/ut1").glob("2*"))[1]
    impact = gateway.command("categories", "impact", f"ut1@{second}", "--json")
    statuses = {
        host: {each.status for each in load.done if f"//{host}/" in each.url}
        for host in (STEADY, PROBE)
    }
    failed = [each for each in load.done if each.status not in {200, 403}]
    records = [*gateway.records(len(load.done), host=PROBE), *gateway.records(host=STEADY)]
    versions = sorted({str(each["list_version"]) for each in records})
    follows = [
        _until_all_follow(records, at, until) for at, until in pairwise([*swaps, time.time()])
    ]
    sys.stdout.write(
        f"\n{len(load.done)} requests, {len(failed)} failed; updates took"
        f" {' and '.join(f'{each:.1f}' for each in seconds)} s; all workers followed"
        f" {' and '.join(f'{each:.2f}' for each in follows)} s after the swap;"
        f" load average {os.getloadavg()[0]:.1f}\n"
    )
    assert len(load.done) >= REQUESTS
    assert not failed
    assert statuses == {STEADY: {200}, PROBE: {200, 403}}
    assert {each["worker"] for each in records} == {1, 2}
    assert len(versions) == 2  # the third list is the first again
    assert max(follows) <= 2.0
    _look_at_impact(impact, REQUESTS)


def _until_all_follow(records: list[dict[str, object]], swap: float, until: float) -> float:
    """Seconds after a swap, until the next, at which a request was last decided by the old list."""
    moments = [
        (datetime.fromisoformat(str(each["start"])).timestamp(), each["list_version"])
        for each in records
    ]
    _, before = max((moment, version) for moment, version in moments if moment <= swap)
    later = [at for at, version in moments if swap < at < until and version == before]
    return max(later, default=swap) - swap


def _look_at_impact(impact: subprocess.CompletedProcess[str], requests: int) -> None:
    """The gateway's own log, by the second list: one person's site would be refused."""
    assert impact.returncode == 0, impact.stderr
    found = json.loads(impact.stdout)
    assert requests <= found["requests"] == found["replayed"]
    (change,) = found["changes"]
    assert change["was"].startswith("allow ")
    assert change["becomes"].startswith("block ")
    assert change["categories_become"] == ["gambling"]
    assert change["people"] is None
    assert PROBE not in impact.stdout

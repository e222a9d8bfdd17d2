"""The log's disk is full, and freed again, while people browse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.disk import fill, log_on
from support.evidence import nothing_passed_unrecorded, sound_log
from support.load import Load
from support.scene import through, working_time

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.gateway import Gateway
    from support.web import Web

# Times are looked at: nothing else may run beside it.
pytestmark = pytest.mark.apart


@pytest.mark.root
@pytest.mark.parametrize("rounds", [1, pytest.param(4, marks=pytest.mark.heavy)])
def test_the_disk_fills_up_under_load(
    rounds: int, start: Callable[..., Gateway], web: Web, small_disk: Path
) -> None:
    """Refused with a page while it is full; no record is lost; it goes on by itself."""
    gateway = start(through(web), at=working_time("10:30:00"), run=False)
    log_on(small_disk, gateway)
    web.seen.clear()
    with Load(gateway.proxy, clients=4, pause=0.02) as load:
        load.wait(20)
        for _ in range(rounds):
            ballast = fill(small_disk)
            load.wait(20, 503)
            ballast.unlink()
            load.wait(20)
    assert set(load.counts()) == {200, 503}, load.counts()
    assert gateway.stop() == 0
    records = sound_log(gateway)
    arrived = [f"http://{seen.host}{seen.path}" for seen in web.seen]
    nothing_passed_unrecorded(records, load.done, arrived)
    refused = {record["url"] for record in records if record["rule"] == "log-unavailable"}
    assert {each.url for each in load.answered(503)} <= refused, "a refusal has its record too"
    assert not refused & set(arrived)

"""Processes that are killed, stopped and started anew while people browse."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.evidence import nothing_passed_unrecorded, sound_log
from support.load import Load
from support.scene import through, working_time
from support.waiting import come_about

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.gateway import Gateway
    from support.web import Web

# Times are looked at: nothing else may run beside it.
pytestmark = pytest.mark.apart

# What a killed worker may lose: finished transactions younger than this (ADR 7).
DURABLE_WITHIN = 0.2  # seconds

ROUNDS = [1, pytest.param(8, marks=pytest.mark.heavy)]


@pytest.mark.parametrize("rounds", ROUNDS)
def test_a_worker_killed_under_load(rounds: int, start: Callable[..., Gateway], web: Web) -> None:
    """Others serve on, a successor comes, and the log is whole but for the last 200 ms."""
    gateway = start(through(web), at=working_time("10:30:00"), workers=2)
    kills: list[float] = []
    # Each of the clients is served by one worker or the other: enough of them for both.
    with Load(gateway.proxy, clients=8, pause=0.03) as load:
        load.wait(40)
        for number in range(rounds):
            workers = gateway.workers()
            victim, other = workers[number % 2], workers[1 - number % 2]
            kills.append(time.monotonic())
            os.kill(victim, signal.SIGKILL)
            load.wait(20)
            assert other in gateway.workers(), "the other one serves on"
            gateway.process.send_signal(signal.SIGHUP)  # the settings are read anew meanwhile
            come_about(
                lambda gone=victim: len(gateway.workers()) == 2 and gone not in gateway.workers()
            )
            load.wait(20)
    assert gateway.stop() == 0
    ended = re.findall(r"(worker-\d) ended with status", gateway.output.read_text())
    assert len(ended) == rounds, "new settings do not end a worker that only begins"
    records = sound_log(gateway)
    recorded = {record["url"] for record in records}
    missing = [each for each in load.answered() if each.url not in recorded]
    for each in missing:
        assert any(kill - DURABLE_WITHIN <= each.at <= kill + 0.05 for kill in kills), (
            f"{min(abs(kill - each.at) for kill in kills):.3f} s from a kill"
        )
    assert len(load.answered()) > 60 * rounds
    assert "Traceback" not in gateway.output.read_text()


def fixed_port(settings: dict[str, Any]) -> dict[str, Any]:
    """The same settings with a port that stays over a restart."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    return settings | {"listen": {"proxy": f"127.0.0.1:{port}"}}


@pytest.mark.heavy
def test_a_supervisor_restarted_under_load(start: Callable[..., Gateway], web: Web) -> None:
    """SIGTERM and a new start, SIGKILL and a new start, new settings: nothing passes undecided."""
    gateway = start(fixed_port(through(web)), at=working_time("10:30:00"), workers=2)
    proxy = gateway.proxy
    with (
        Load(proxy, ("www.gov.uk", "www.police.uk"), clients=8, pause=0.02) as load,
        Load(proxy, ("www.hotmail.com",), clients=2, pause=0.02) as refused,
    ):
        load.wait(50)
        for _ in range(3):
            gateway.process.send_signal(signal.SIGTERM)
            assert gateway.process.wait(15) == 0
            gateway.stop()  # what is left of it in the test
            gateway.start()
            load.wait(30)
            gateway.process.send_signal(signal.SIGHUP)
            load.wait(30)
            refused.wait(3, 403)
        for _ in range(3):
            workers = gateway.workers()
            gateway.process.kill()
            gateway.stop()
            come_about(lambda left=workers: not any(alive(pid) for pid in left))
            gateway.start()
            load.wait(20)
            refused.wait(3, 403)
    gateway.stop()
    records = sound_log(gateway)
    arrived = [f"http://{seen.host}{seen.path}" for seen in web.seen]
    nothing_passed_unrecorded(records, load.done, arrived)
    assert set(refused.counts()) <= {403, None}, refused.counts()
    assert not [url for url in arrived if "hotmail" in url]
    assert "Traceback" not in gateway.output.read_text()


def alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False

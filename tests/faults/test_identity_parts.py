"""The KDC, the directory or the database dies while people ask: each row of
cases/identity_faults.yaml. None opens the gate, and all come back by themselves.

Both lanes take part in each test, so that they wait together.
"""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.asking import ask_all, cases, judge
from support.force import everybodys_exemptions, password_of, registers, spilt
from support.identity import Site, settings_of
from support.waiting import come_about

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.asking import Asked
    from support.force import Force
    from support.kdc import Ticket
    from support.postgres import Postgres

# Seconds are looked at.
pytestmark = pytest.mark.apart

TABLE: dict[str, list[dict[str, Any]]] = yaml.safe_load(
    (Path(__file__).parents[1] / "cases/identity_faults.yaml").read_text("utf-8")
)
TTL, STALE, EXEMPT = 2, 6, 10  # seconds, as the table says
LANES = ("relay", "generic")


class Shift:
    """Both gateways, and the pages that they have given."""

    def __init__(self, sites: dict[str, Site], force: Force) -> None:
        self.sites = sites
        self.force = force
        self.pages: list[bytes] = []

    def check(self, situation: str, tickets: dict[str, Ticket] | None = None) -> None:
        """Whether the rows of a situation hold, on both lanes."""
        asked = {lane: cases(TABLE[situation]) for lane in LANES}
        with ThreadPoolExecutor() as pool:
            running = [
                pool.submit(ask_all, asked[lane], self.sites[lane], self.force, tickets)
                for lane in LANES
            ]
        for each in running:
            each.result()
        for lane in LANES:
            for each in asked[lane]:
                self.pages.append(each.reply.raw)
                self._judge(situation, lane, each)

    def _judge(self, situation: str, lane: str, asked: Asked) -> None:
        try:
            judge(asked, self.sites[lane])
        except (AssertionError, ValueError) as problem:
            problem.add_note(f"{situation}, {lane}, {asked.url}: {asked.row}")
            raise

    def settle(self) -> None:
        """Wait until all is well again, and what the directory said of people is fresh."""
        come_about(self._well)
        time.sleep(0.5)  # the last question may have been answered with what is renewed meanwhile
        assert self._well()

    def _well(self) -> bool:
        """What those get who suffer longest, one after another."""
        return all(
            self._status(site, host, name) == 200
            for site in self.sites.values()
            for name, host in (
                ("zoë", "gov.uk"),
                ("fay", "fabians.org.uk"),
                ("liv", "hotmail.com"),
                ("jane", "example.org"),
            )
        )

    def _status(self, site: Site, host: str, name: str) -> int:
        words, ticket = ["--proxy-negotiate", "--proxy-user", ":"], None
        if name.isascii():
            ticket = self.force.ticket(name)
        else:
            words = ["--proxy-basic", "--proxy-user", f"{name}:{password_of(name)}"]
        return self.force.curl(site.gateway, f"http://{host}/", *words, ticket=ticket).status


@pytest.fixture(scope="module")
def shift(
    force: Force, index: Path, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shift]:
    with ExitStack() as closing:
        sites = {}
        for lane in LANES:
            standing = postgres.database()
            settings = force.settings(
                lane,
                standing=settings_of(standing) | {"stale": EXEMPT},
                directory={"ttl": TTL, "stale": STALE, "timeout": 1},
                identity={"basic": {"remember": 0}},
            )
            gateway = force.gateway(tmp_path_factory.mktemp(lane) / "gateway", settings, index)
            held = closing.enter_context(registers(gateway, standing))
            sites[lane] = Site(gateway, held, everybodys_exemptions(held))
        with ThreadPoolExecutor() as pool:
            starting = [pool.submit(site.gateway.start) for site in sites.values()]
        for site in sites.values():
            closing.push(site.gateway)
        for each in starting:
            each.result()
        working = Shift(sites, force)
        working.check("all is well")
        yield working
        for site in sites.values():
            assert spilt(site.gateway, force.secrets(), working.pages) == []
            assert "Traceback" not in site.gateway.output.read_text()


def test_the_kdc_is_killed(shift: Shift, force: Force) -> None:
    shift.settle()
    newcomer = force.kdc.kinit("boss", password_of("boss"))
    force.kdc.kill()
    try:
        shift.check("the KDC is killed", {"a newcomer": newcomer})
    finally:
        force.kdc.start()
    for site in shift.sites.values():
        reply = force.curl(
            site.gateway, "http://gov.uk/", "--proxy-negotiate", "--proxy-user", ":",
            ticket=newcomer,
        )  # fmt: skip
        assert reply.status == 200


def test_the_directory_is_killed(shift: Shift, force: Force) -> None:
    shift.settle()
    force.slapd.kill()
    try:
        shift.check("the directory was just killed")
        time.sleep(TTL + STALE)
        shift.check("the directory has been dead for longer than its answers count")
    finally:
        force.slapd.start()
    shift.settle()
    shift.check("all is well")


def test_the_directory_hangs(shift: Shift, force: Force) -> None:
    shift.settle()
    force.slapd.stall()
    try:
        shift.check("the directory takes connections and says nothing")
    finally:
        force.slapd.resume()
    shift.settle()
    shift.check("all is well")


def test_the_database_is_killed(shift: Shift, postgres: Postgres) -> None:
    shift.settle()
    postgres.kill()
    try:
        killed = time.monotonic()
        shift.check("the database was just killed")
        time.sleep(max(0.0, killed + EXEMPT + 1 - time.monotonic()))
        shift.check("the database has been dead for longer than exemptions count unconfirmed")
        for site in shift.sites.values():
            (worker,) = site.gateway.workers()
            os.kill(worker, signal.SIGKILL)
            come_about(
                lambda site=site, worker=worker: site.gateway.workers() not in ([], [worker])
            )
        come_about(lambda: all(_answers(site) for site in shift.sites.values()))
        shift.check("a worker has begun without the database")
    finally:
        postgres.start()
    shift.settle()
    shift.check("all is well")


def _answers(site: Site) -> bool:
    return site.gateway.curl("http://gov.uk/").status != 0

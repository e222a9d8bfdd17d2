"""Fixtures of tests about who is asking: one force, and its gateways.

In: the small web, a compiled index. Out: `force`, `sites` (a running gateway for each lane).
Must never: leave a process behind, or the force other than a test found it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.request import ProxyHandler, build_opener

import pytest

from proxy_addons.settings.people import Standing
from support import kdc, ldap
from support.force import HOST, Force, Registers, everybodys_exemptions, registers
from support.postgres import binaries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.gateway import Gateway
    from support.postgres import Postgres
    from support.web import Web


@dataclass
class Site:
    """A gateway of the force, with what stands there.

    Attributes:
        gateway: running, two workers.
        registers: its register.
        exemptions: reference by person.
    """

    gateway: Gateway
    registers: Registers
    exemptions: dict[str, str]

    def metrics(self, family: str) -> dict[str, float]:
        """The values of one family, by their labels as they are written."""
        address = f"http://{self.gateway.portal}/metrics"
        with build_opener(ProxyHandler({})).open(address, timeout=20) as reply:
            lines = reply.read().decode().splitlines()
        return {
            line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith(f"{family}{{")
        }


@pytest.fixture(scope="session")
def force(shared_web: Web, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Force]:
    """Everybody, with their KDC and directory."""
    pytest.importorskip("gssapi", reason="needs the package gssapi (docs/identity.md)")
    if kdc.missing() or not ldap.is_installed() or binaries() is None:
        pytest.skip(kdc.missing() or "needs slapd and PostgreSQL (Debian: slapd, postgresql)")
    with Force(tmp_path_factory.mktemp("force"), shared_web) as made:
        yield made


@pytest.fixture(scope="session")
def sites(
    force: Force, index: Path, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Site]]:
    """Lane → site.

    That of the relay lane keeps its register in SQLite, the other in PostgreSQL; the PAC file of
    the one names a proxy by TLS, and the clear one after it, that of the other the clear one alone.
    """
    with ExitStack() as closing:
        made = {}
        for lane, standing in (("relay", Standing()), ("generic", postgres.database())):
            settings = force.settings(lane, standing=settings_of(standing))
            if lane == "generic":
                clear = settings["listen"]["proxy"].replace("127.0.0.1", HOST)
                settings["pac"] = {"proxies": clear}
            folder = tmp_path_factory.mktemp(f"site-{lane}") / "gateway"
            gateway = force.gateway(folder, settings, index, workers=2)
            held = closing.enter_context(registers(gateway, standing))
            made[lane] = Site(gateway, held, everybodys_exemptions(held))
        with ThreadPoolExecutor() as pool:  # their starts take a while, and can be at one time
            starting = [pool.submit(site.gateway.start) for site in made.values()]
        for site in made.values():
            closing.push(site.gateway)  # each has a process, whatever came of its start
        for each in starting:
            each.result()
        yield made


def settings_of(standing: Standing) -> dict[str, str]:
    """As watchhouse.yaml has them."""
    if standing.url is None:
        return {}
    return {"url": standing.url, "password_env": "FORCE_DATABASE_PASSWORD"}

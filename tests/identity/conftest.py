"""A KDC and an LDAP server for all tests of this room, and what they make with them.

In: tests/support/{kdc,ldap}.py. Out: a keytab, a person's tickets, an acceptor; a directory.
Must never: leave this Kerberos in the environment of other rooms' tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from blockbuster import blockbuster_ctx
from support import kdc as support_kdc
from support.fixtures import clock, web_authority  # noqa: F401 - fixtures
from support.kdc import OTHER, Kdc, Ticket
from support.ldap import CROWD, DEEP, GROUPS, MANY_GROUPS, PEOPLE, Slapd

from proxy_addons.identity.kerberos import Acceptor
from proxy_addons.settings.people import Kerberos

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.certificates import WebAuthority

SERVICE = "HTTP/proxy.force.example"


@pytest.fixture(scope="session")
def running_kdc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kdc]:
    if support_kdc.missing():
        pytest.skip(str(support_kdc.missing()))
    with Kdc(tmp_path_factory.mktemp("kdc")) as running:
        running.add("Jane", "s3cret")
        running.add("ann", "s3cret", realm=OTHER)
        running.keytab(SERVICE)  # tickets for it are asked for in tests that use other keytabs
        yield running


@pytest.fixture(scope="module")
def kdc(running_kdc: Kdc) -> Iterator[Kdc]:
    with running_kdc.inside():
        yield running_kdc


@pytest.fixture(scope="module")
def keytab(kdc: Kdc) -> Path:
    return kdc.keytab(SERVICE)


@pytest.fixture(scope="module")
def jane(kdc: Kdc) -> Ticket:
    return kdc.kinit("Jane", "s3cret")


@pytest.fixture
def acceptor(keytab: Path) -> Iterator[Acceptor]:
    made = Acceptor(Kerberos(keytab))
    yield made
    made.close()


@pytest.fixture(scope="session")
def ldap(tmp_path_factory: pytest.TempPathFactory, web_authority: WebAuthority) -> Iterator[Slapd]:  # noqa: F811 - pytest's way to take a fixture
    """A server for all tests that leave it as it was."""
    with Slapd(
        tmp_path_factory.mktemp("ldap") / "slapd",
        certificate=web_authority.leaf("localhost"),
        ca_file=web_authority.file,
        everybody=PEOPLE + CROWD,
        groups={**GROUPS, **MANY_GROUPS, **DEEP},
    ) as server:
        yield server


@pytest.fixture
def nothing_blocks() -> Iterator[None]:
    """No part of the room may hold up the event loop."""
    with blockbuster_ctx("proxy_addons.identity"):
        yield

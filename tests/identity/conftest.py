"""A KDC for all tests of this room, and what they make with it.

In: tests/support/kdc.py. Out: a keytab, a person's tickets, an acceptor.
Must never: leave this Kerberos in the environment of other rooms' tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import kdc as support_kdc
from support.kdc import OTHER, Kdc, Ticket

from proxy_addons.identity.kerberos import Acceptor
from proxy_addons.settings.people import Kerberos

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVICE = "HTTP/proxy.force.example"


@pytest.fixture(scope="session")
def running_kdc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kdc]:
    pytest.importorskip("gssapi", reason="needs the package gssapi (docs/identity.md)")
    if support_kdc.missing():
        pytest.skip(str(support_kdc.missing()))
    with Kdc(tmp_path_factory.mktemp("kdc")) as running:
        running.add("Jane", "s3cret")
        running.add("ann", "s3cret", realm=OTHER)
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

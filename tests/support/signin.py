"""Fixtures of tests in which people sign in: a KDC with its keytab, tickets, a file of accounts.

In: nothing. Out: settings, and what a client puts into `Proxy-Authorization`.
Must never: be imported by what is tested.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import argon2
import pytest

from proxy_addons.identity.passwords import prepared
from support import kdc as support_kdc
from support.kdc import Kdc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.kdc import Ticket

PASSWORD = "long pass:wörd"


@dataclass
class SigningIn:
    """What there is to sign in with.

    Attributes:
        kdc: running.
        keytab: of HTTP/proxy.force.example.
        ticket: jane's.
        accounts: a file in which joe has `PASSWORD`.
    """

    kdc: Kdc
    keytab: Path
    ticket: Ticket
    accounts: Path

    def identity(self, *order: str, **more: Any) -> dict[str, Any]:
        """Settings under `identity`, with these ways."""
        given: dict[str, Any] = {"order": list(order), "default_profile": "standard"}
        if "kerberos" in order:
            given["kerberos"] = {"keytab": str(self.keytab)}
        if "basic" in order:
            given["basic"] = {"check": "file", "file": str(self.accounts)}
        return given | more

    def negotiate(self) -> str:
        """A fresh sign-in of jane's."""
        return "Negotiate " + base64.b64encode(self.ticket.token()).decode()


def basic(name: str = "joe", password: str = PASSWORD) -> str:
    """A sign-in by name and password."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@pytest.fixture(scope="session")
def signing_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SigningIn]:
    pytest.importorskip("gssapi", reason="needs the package gssapi (docs/identity.md)")
    if support_kdc.missing():
        pytest.skip(str(support_kdc.missing()))
    folder = tmp_path_factory.mktemp("signing-in")
    accounts = folder / "accounts"
    accounts.touch(0o600)
    # Cheap, as nobody attacks this one; the check of a name that is not there costs the same.
    cheap = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    accounts.write_text(f"joe:{cheap.hash(prepared(PASSWORD))}\n")
    with Kdc(folder / "kdc") as kdc, kdc.inside():
        kdc.add("jane", "s3cret")
        keytab = kdc.keytab("HTTP/proxy.force.example")
        yield SigningIn(kdc, keytab, kdc.kinit("jane", "s3cret"), accounts)

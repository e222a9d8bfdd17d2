"""A Kerberos realm for the sides that ask who is there: a real KDC, people, and their tokens.

In: the run's place. Out: a keytab, an environment for each side, tokens as browsers send them.
Must never: make a token twice (the replay caches would refuse it), or hand two sides one replay
cache, in which one would pay for the other's entries.

The KDC is the tests' own (tests/support/kdc.py), which needs krb5-kdc, krb5-admin-server and
krb5-user; tokens are made by the package gssapi.
"""

from __future__ import annotations

import base64
import importlib.util
import shutil
from itertools import cycle, islice
from typing import TYPE_CHECKING, Self

from support.kdc import REALM, Kdc, missing

from benchlib.side import AbsentError, plain_environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.kdc import Ticket

    from benchlib.place import Place

SERVICE = "HTTP/proxy.force.example"
PRINCIPAL = f"{SERVICE}@{REALM}"
PEOPLE = 20


class Realm:
    """A running KDC with people who have tickets. A context manager: runs inside `with`.

    Args:
        place: where it is started.
        study: for which study; each of a run has its own.

    Attributes:
        study: as the argument.
        keytab: the key of the proxy's service.

    Raises:
        AbsentError: something of Kerberos is not installed.
    """

    keytab: Path

    def __init__(self, place: Place, study: str) -> None:
        if lacks := missing():
            raise AbsentError(lacks)
        if importlib.util.find_spec("gssapi") is None:
            raise AbsentError("the package gssapi is not installed (docs/identity.md)")
        self._place = place
        self.study = study
        self._kdc = Kdc(place.subfolder(f"kerberos-{study}"))
        self._tickets: Iterator[Ticket] = cycle(())

    def __enter__(self) -> Self:
        self._kdc.__enter__()
        try:
            self.keytab = self._kdc.keytab(SERVICE)
            # Each side drops to a user of its own; the key is worth nothing beyond this run.
            self.keytab.chmod(0o644)
            names = [f"person-{number}" for number in range(PEOPLE)]
            for name in names:
                self._kdc.add(name, "secret")
            self._tickets = cycle([self._kdc.kinit(name, "secret") for name in names])
        except BaseException:
            self._kdc.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._kdc.__exit__()

    def environ(self, side: str, user: str | None = None) -> dict[str, str]:
        """What a side's programs need of this Kerberos, with a replay cache of their own.

        Args:
            side: its name.
            user: the user that it drops to.
        """
        replays = self._kdc.folder / f"replays-{side}"
        replays.mkdir(exist_ok=True)
        if user:
            shutil.chown(replays, user)
        return plain_environment() | self._kdc.environ | {"KRB5RCACHEDIR": str(replays)}

    def tokens(self, number: int) -> list[str]:
        """So many tokens, unlike each other, of all people in turn; base64.

        They are good for as long as clocks may differ: five minutes.
        """
        return [
            base64.b64encode(ticket.token()).decode("ascii")
            for ticket in islice(self._tickets, number)
        ]

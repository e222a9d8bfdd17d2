"""Exemptions and withdrawals for others' tests, by the registers' own steps.

In: a gateway's data folder (or settings of a store). Out: entries, approved and in force at once.
Must never: write past the registers' rules.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from proxy_addons.settings.model import Paths
from proxy_addons.settings.people import Standing
from proxy_addons.standing import (
    Actor,
    Exemption,
    Register,
    Store,
    Wanted,
    Withdrawal,
    Withdrawals,
    open_store,
)
from proxy_addons.standing.store import file_of
from proxy_addons.standing.upgrade import FILE_MODE, migrate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

REQUESTER = Actor("requester", frozenset({"staff"}), "test")
APPROVER = Actor("approver", frozenset({"information-security"}), "test")
PSD = Actor("psd", frozenset({"psd"}), "test")
WHY = "Intelligence work that a test plays."
_MIGRATING = threading.Lock()  # alembic's environment is one for the process
LONDON = ZoneInfo("Europe/London")


def ready(settings: Standing, paths: Paths) -> None:
    """What `migrate` does; where there is no SQLite file yet, by a copy, in a tenth of the time."""
    with _MIGRATING:
        if settings.url is not None or file_of(paths).exists():
            migrate(settings, paths)
            return
        paths.data_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
        file_of(paths).touch(FILE_MODE)
        file_of(paths).write_bytes(_empty_store())


@cache
def _empty_store() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        paths = Paths(place, place, place)
        migrate(Standing(), paths)
        return file_of(paths).read_bytes()


@contextlib.contextmanager
def opened(place: Path | Store, settings: Standing | None = None) -> Iterator[Store]:
    """The store of a data folder, made if need be; or the store itself."""
    if isinstance(place, Store):
        yield place
        return
    settings = settings or Standing()
    paths = Paths(place, place, place)
    ready(settings, paths)
    store = open_store(settings, paths)
    try:
        yield store
    finally:
        store.close()


def register_of(store: Store, now: datetime | None = None) -> Register:
    """A register in which every category is known."""
    clock = (lambda: now) if now is not None else (lambda: datetime.now(UTC))
    return Register(
        store,
        categories=None,
        by_name_only={"malware", "phishing"},
        zone=LONDON,
        clock=clock,
    )


def grant(
    place: Path | Store,
    name: str,
    *,
    everything: bool = True,
    categories: Iterable[str] = (),
    begins: datetime | None = None,
    ends: datetime | None = None,
    settings: Standing | None = None,
    now: datetime | None = None,
) -> Exemption:
    """An approved exemption.

    Args:
        place: a gateway's data folder, or an open store.
        name: for whom.
        everything: whether for everything; False with `categories`.
        categories: by name (with `everything`: threats alone).
        begins: aware; from now on unless given.
        ends: aware; an hour after the beginning unless given.
        settings: of the store, where it is not the data folder's SQLite file.
        now: the register's clock; to make one that has ended, set it to before its beginning.
    """
    at = now or datetime.now(UTC)
    begins = begins or at
    wanted = Wanted(
        person=name,
        why=WHY,
        begins=begins,
        ends=ends or begins + timedelta(hours=1),
        everything=everything,
        categories=frozenset(categories),
    )
    with opened(place, settings) as store:
        register = register_of(store, now)
        asked = register.request(REQUESTER, wanted)
        return register.approve(APPROVER, asked.reference, seen=asked.revision)


def revoke(place: Path | Store, reference: str, *, settings: Standing | None = None) -> Exemption:
    """Revoke an exemption."""
    with opened(place, settings) as store:
        register = register_of(store)
        seen = register.get(reference).revision
        return register.revoke(APPROVER, reference, seen=seen, why="A test says so.")


def withdraw(place: Path | Store, name: str, *, settings: Standing | None = None) -> Withdrawal:
    """Withdraw somebody's access."""
    with opened(place, settings) as store:
        return Withdrawals(store).withdraw(PSD, name, "A test says so.")


def lift(place: Path | Store, name: str, *, settings: Standing | None = None) -> Withdrawal:
    """Give somebody's access back."""
    with opened(place, settings) as store:
        return Withdrawals(store).lift(PSD, name, "A test says so.")

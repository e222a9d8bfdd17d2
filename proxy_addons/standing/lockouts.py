"""Lock-outs: after too many failed passwords for a name or from an address, none is tried.

In: the store, the time, names and addresses. Out: whether a password may be tried now.
Must never: let attempts at the same time count as one; say whether a name exists.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, insert, select, update

from proxy_addons.standing.tables import STANDING, lockouts, versions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from proxy_addons.standing.store import Store

FAILURES: Final = 5
WINDOW: Final = timedelta(minutes=15)
LOCKED: Final = timedelta(minutes=15)


def of_name(name: str) -> str:
    """The subject of a login name. Hashed: a password is typed into the wrong field soon enough."""
    return "name:" + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


def of_address(address: str) -> str:
    """The subject of a client address."""
    return "address:" + address


class Lockouts:
    """The lock-outs in a store; they outlive a restart. Blocks: for threads.

    Args:
        store: the opened store.
        now: the time, aware.
    """

    def __init__(
        self, store: Store, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store = store
        self._now = now

    def attempt(self, *subjects: str) -> datetime | None:
        """Note an attempt as failed before it is made, so that a hundred at once are not one.

        Args:
            subjects: from `of_name` and `of_address`.

        Returns:
            None: it may be made; call `succeeded` if it does. Else until when it may not.

        Raises:
            StandingUnavailableError: it may not be made.
        """
        now = self._now()
        with self._store.noting() as connection:
            # On PostgreSQL two portals may be here at once; the one row makes them take turns. (On
            # SQLite the transaction itself did.)
            connection.execute(
                select(versions.c.version).where(versions.c.name == STANDING).with_for_update()
            )
            self._forget(connection, now)
            locked = [until for each in subjects if (until := self._locked(connection, each, now))]
            if locked:
                return max(locked)
            for subject in subjects:
                self._count(connection, subject, now)
        return None

    def succeeded(self, name: str, others: Sequence[str] = ()) -> None:
        """The attempt was the right person's.

        Args:
            name: subject whose failures are forgotten.
            others: subjects that get back this one attempt: an address does not become innocent by
                one good password.

        Raises:
            StandingUnavailableError: it counts as failed.
        """
        with self._store.noting() as connection:
            connection.execute(delete(lockouts).where(lockouts.c.subject == name))
            for other in others:
                connection.execute(
                    update(lockouts)
                    .where(lockouts.c.subject == other, lockouts.c.failures > 0)
                    .values(failures=lockouts.c.failures - 1, until=None)
                )

    def lock_ends(self, *subjects: str) -> datetime | None:
        """Until when one of them is locked, or None.

        Raises:
            StandingUnavailableError: not known.
        """
        now = self._now()
        with self._store.reading() as connection:
            found = [until for each in subjects if (until := self._locked(connection, each, now))]
        return max(found, default=None)

    # --- inside -----------------------------------------------------------------------------

    @staticmethod
    def _locked(connection: Connection, subject: str, now: datetime) -> datetime | None:
        query = select(lockouts.c.until).where(lockouts.c.subject == subject)
        until: datetime | None = connection.execute(query).scalar()
        return until if until is not None and now < until else None

    @staticmethod
    def _count(connection: Connection, subject: str, now: datetime) -> None:
        query = select(lockouts).where(lockouts.c.subject == subject)
        row = connection.execute(query).mappings().first()
        if row is None:
            values = {"subject": subject, "failures": 1, "first_at": now}
            connection.execute(insert(lockouts).values(**values))
            return
        failures = row["failures"] + 1
        connection.execute(
            update(lockouts)
            .where(lockouts.c.subject == subject)
            .values(failures=failures, until=now + LOCKED if failures >= FAILURES else None)
        )

    @staticmethod
    def _forget(connection: Connection, now: datetime) -> None:
        """What began too long ago, unless it still locks."""
        over = (lockouts.c.until.is_(None) & (lockouts.c.first_at <= now - WINDOW)) | (
            lockouts.c.until <= now
        )
        connection.execute(delete(lockouts).where(over))

"""Sessions of the portal: which browser is signed in as whom, until when.

In: the store, random bytes, the time. Out: session ids for cookies; what a session is.
Must never: keep an id: who reads the store could then be anybody in it.
"""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, insert, select, update

from proxy_addons.standing.tables import sessions

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import ColumnElement, Connection, RowMapping

    from proxy_addons.standing.store import Store

ID_BYTES: Final = 32
_SEEN_EVERY: Final = timedelta(seconds=30)
"""How closely the last use is kept; spares the store a write for each page."""


@dataclass(frozen=True, slots=True)
class Session:
    """One signed-in browser.

    Attributes:
        person: canonical login name.
        how: the way it was proven (`kerberos`, `oidc`, `accounts`).
        created_at: the first sign-in; aware UTC.
        seen_at: the last use, to half a minute.
        proven_at: when the person last proved who they are.
        csrf: the token that each form of this session carries.
    """

    person: str
    how: str
    created_at: datetime
    seen_at: datetime
    proven_at: datetime
    csrf: str


class Sessions:
    """The sessions in a store. Blocks: for threads.

    Args:
        store: the opened store.
        lifetime: seconds after which a session ends whatever is done in it.
        idle: seconds without use after which it ends.
        now: the time, aware.
        random: random bytes.
    """

    def __init__(
        self,
        store: Store,
        lifetime: float,
        idle: float,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._store = store
        self._lifetime = timedelta(seconds=lifetime)
        self._idle = timedelta(seconds=idle)
        self._now = now
        self._random = random

    def begin(self, person: str, how: str, *, instead_of: str | None = None) -> tuple[str, Session]:
        """Begin a session for somebody who has just proven who they are.

        Args:
            person: canonical login name.
            how: the way it was proven.
            instead_of: id of this browser's session until now; it ends.

        Returns:
            The new id, which only the browser keeps, and the session.

        Raises:
            StandingUnavailableError: there is no session, and the old one may go on.
        """
        now = self._now()
        made = Session(person, how, now, now, now, self._token())
        with self._store.noting() as connection:
            if instead_of is not None:
                connection.execute(delete(sessions).where(_is(instead_of)))
            # Somebody's old sessions go with their new one, so that the table stays small.
            connection.execute(delete(sessions).where(self._over(now)))
            return self._write(connection, made), made

    def prove_again(self, session_id: str, how: str) -> tuple[str, Session] | None:
        """Note that the person has just proven anew who they are. The id changes with it.

        Returns:
            The new id and the session; None: it had ended.

        Raises:
            StandingUnavailableError: nothing was noted, or it is unknown whether.
        """
        now = self._now()
        with self._store.noting() as connection:
            found = self._live(connection, session_id, now)
            if found is None:
                return None
            connection.execute(delete(sessions).where(_is(session_id)))
            # The whole life still counts from the first sign-in.
            made = Session(found.person, how, found.created_at, now, now, self._token())
            return self._write(connection, made), made

    def find(self, session_id: str) -> Session | None:
        """The session of a cookie; None where it is none, or has ended. Counts as a use of it.

        Raises:
            StandingUnavailableError: it is not known whether there is one.
        """
        now = self._now()
        with self._store.reading() as connection:
            found = self._live(connection, session_id, now)
        if found is not None and now - found.seen_at >= _SEEN_EVERY:
            with self._store.noting() as connection:
                connection.execute(update(sessions).where(_is(session_id)).values(seen_at=now))
        return found

    def end(self, session_id: str) -> None:
        """End one session.

        Raises:
            StandingUnavailableError: it may go on.
        """
        with self._store.noting() as connection:
            connection.execute(delete(sessions).where(_is(session_id)))

    def end_all(self, person: str) -> int:
        """End all sessions of somebody, in whatever browser.

        Returns:
            How many there were.

        Raises:
            StandingUnavailableError: they may go on.
        """
        with self._store.noting() as connection:
            ended = connection.execute(delete(sessions).where(sessions.c.person == person))
            return int(ended.rowcount)

    def count(self, person: str) -> int:
        """How many sessions somebody has.

        Raises:
            StandingUnavailableError: not known.
        """
        now = self._now()
        with self._store.reading() as connection:
            mine = select(sessions).where(sessions.c.person == person)
            rows = connection.execute(mine).mappings().all()
        return sum(self._lives(_session(row), now) for row in rows)

    # --- inside -----------------------------------------------------------------------------

    def _token(self) -> str:
        return base64.urlsafe_b64encode(self._random(ID_BYTES)).rstrip(b"=").decode()

    def _write(self, connection: Connection, made: Session) -> str:
        session_id = self._token()
        connection.execute(
            insert(sessions).values(
                id_hash=_hash(session_id),
                person=made.person,
                how=made.how,
                created_at=made.created_at,
                seen_at=made.seen_at,
                proven_at=made.proven_at,
                csrf=made.csrf,
            )
        )
        return session_id

    def _live(self, connection: Connection, session_id: str, now: datetime) -> Session | None:
        row = connection.execute(select(sessions).where(_is(session_id))).mappings().first()
        if row is None:
            return None
        found = _session(row)
        return found if self._lives(found, now) else None

    def _lives(self, session: Session, now: datetime) -> bool:
        # Ends are excluded. A clock that was set back ends nothing, and makes nothing younger than
        # its first sign-in.
        return now - session.created_at < self._lifetime and now - session.seen_at < self._idle

    def _over(self, now: datetime) -> ColumnElement[bool]:
        columns = sessions.c
        ended: ColumnElement[bool] = (columns.created_at <= now - self._lifetime) | (
            columns.seen_at <= now - self._idle
        )
        return ended


def _session(row: RowMapping) -> Session:
    return Session(
        row["person"], row["how"], row["created_at"], row["seen_at"], row["proven_at"], row["csrf"]
    )


def _hash(session_id: str) -> str:
    # 256 random bits need no salt and no slow hash.
    return hashlib.sha256(session_id.encode("utf-8", "surrogatepass")).hexdigest()


def _is(session_id: str) -> ColumnElement[bool]:
    return sessions.c.id_hash == _hash(session_id)

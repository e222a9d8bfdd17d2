"""The standing store: one SQLite file of this gateway, or one PostgreSQL for several.

In: `settings.standing`, the data folder. Out: connections for one purpose each: a cheap look, a
whole reading, a change, a note.
Must never: change what workers go by without a new version in the same transaction; show a
password; be used in the event loop's own thread (it blocks: callers use threads).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from sqlalchemy import URL, create_engine, event, make_url, select, update
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DBAPIError,
    InterfaceError,
    InternalError,
    NoSuchModuleError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool

from proxy_addons.standing import tables
from proxy_addons.standing.problems import StandingError, StandingUnavailableError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from proxy_addons.settings.model import Paths
    from proxy_addons.settings.people import Standing

FILE: Final = "standing.sqlite"
BUSY: Final = 5.0  # seconds for which a writer waits for another
CONNECT: Final = 3  # seconds for one connection to PostgreSQL
STATEMENT: Final = 10  # seconds for one statement: a hung server is as good as none
_POOL = 2
_OVERFLOW = 6

_POSTGRES_DEFAULTS: Final = {
    # Each can be set otherwise in the URL, as can all else that libpq knows (sslmode, sslrootcert).
    "connect_timeout": str(CONNECT),
    "application_name": "watchhouse",
    "tcp_user_timeout": str(STATEMENT * 1000),
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
}


class Store:
    """The store, opened. For several threads; made anew in each process.

    Attributes:
        engine: SQLAlchemy's.
        place: where it is, for messages; without a password.
        is_postgres: which of the two engines it is.
    """

    def __init__(self, engine: Engine, place: str) -> None:
        self.engine = engine
        self.place = place
        self.is_postgres = engine.dialect.name == "postgresql"
        # What a listener for connections meets is not wrapped by SQLAlchemy.
        self._driver_error: type[Exception] = engine.dialect.loaded_dbapi.Error
        # Without a transaction a look is one round trip (SQLite makes none).
        self._look = (
            engine.execution_options(isolation_level="AUTOCOMMIT") if self.is_postgres else engine
        )

    def version(self) -> int:
        """The present version of exemptions and withdrawals: one cheap statement.

        Raises:
            StandingUnavailableError: the store does not answer.
        """
        return self._version(tables.STANDING)

    def shift_version(self) -> int:
        """The present version of personal use (tables_shifts.py): one cheap statement.

        Raises:
            StandingUnavailableError: the store does not answer.
        """
        return self._version(tables.SHIFTS)

    def _version(self, name: str) -> int:
        columns = tables.versions.c
        question = select(columns.version).where(columns.name == name)
        with self.looking() as connection:
            version: int = connection.execute(question).scalar_one()
        return version

    @contextlib.contextmanager
    def looking(self) -> Iterator[Connection]:
        """Cheap questions, each answered as of its own moment.

        Raises:
            StandingUnavailableError: the store does not answer.
        """
        with self._answering(), self._look.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """Several questions, answered as of one moment.

        Raises:
            StandingUnavailableError: the store does not answer.
        """
        options: dict[str, Any] = {}
        if self.is_postgres:
            options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with self._answering(), self.engine.connect() as connection:
            connection = connection.execution_options(**options)  # noqa: PLW2901 - the same one
            with connection.begin():
                yield connection

    @contextlib.contextmanager
    def changing(self) -> Iterator[Connection]:
        """One change of exemptions or withdrawals.

        All such changes, of all gateways, go one after another. Committed at the end with
        a new version; undone when an exception passes through.

        Raises:
            StandingUnavailableError: the store does not answer.
        """
        with self.noting() as connection:
            # First of all: the row's lock makes every other change wait, so that what this one
            # finds stays true until its end. (SQLite locked when it began.)
            _bump(connection, tables.STANDING)
            yield connection

    @contextlib.contextmanager
    def shifting(self) -> Iterator[tuple[Connection, int]]:
        """One change of personal use (tables_shifts.py). Keep it short.

        All such changes, of all gateways, go one after another. Committed at the end; undone when
        an exception passes through.

        Yields:
            The connection, and the new version: `change` of each row that is written.

        Raises:
            StandingUnavailableError: the store does not answer.
        """
        with self.noting() as connection:
            yield connection, _bump(connection, tables.SHIFTS)

    @contextlib.contextmanager
    def noting(self) -> Iterator[Connection]:
        """One transaction that writes what no worker goes by: uses, portal sessions, lock-outs.

        Raises:
            StandingUnavailableError: the store does not answer.
        """
        with self._answering(), self.engine.connect() as connection:
            connection = connection.execution_options(watchhouse_writes=True)  # noqa: PLW2901 - the same, with an option
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Close all connections. The store may still be used; it then opens new ones."""
        self.engine.dispose()

    @contextlib.contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, PoolTimeoutError, self._driver_error) as problem:
            # What was to be read is not known, what was to be changed is not changed (or, when the
            # connection broke at the commit, perhaps is): the caller decides what that means.
            if isinstance(problem, DBAPIError) and not self._is_trouble(problem):
                raise
            raise StandingUnavailableError(
                f"the standing store ({self.place}) does not answer: {_first_line(problem)}"
            ) from problem

    def _is_trouble(self, problem: DBAPIError) -> bool:
        """Whether it is the database's trouble, not a statement's."""
        if problem.connection_invalidated:
            return True
        if isinstance(problem, OperationalError | InterfaceError | InternalError):
            return True  # gone, full, locked, read-only after a switch to its standby
        # SQLite says this of a damaged file; in PostgreSQL a trigger does.
        return type(problem) is DatabaseError and not self.is_postgres


def open_store(settings: Standing, paths: Paths) -> Store:
    """Open the store, without looking whether it answers. `migrate` must have been here before.

    Raises:
        StandingError: `standing.url` names nothing that can be used.
    """
    if settings.url is None:
        return _sqlite(file_of(paths))
    return _postgres(settings.url, settings.password)


def file_of(paths: Paths) -> Path:
    """The SQLite file of a gateway without `standing.url`."""
    return paths.data_dir / FILE


def _sqlite(path: Path) -> Store:
    # mode=rw: the file is made by `migrate` alone, with the right owner and mode.
    url = URL.create(
        "sqlite+pysqlite",
        database=f"file:{quote(str(path))}",
        query={"mode": "rw", "uri": "true"},
    )
    engine = create_engine(
        url,
        connect_args={"timeout": BUSY, "check_same_thread": False, "isolation_level": None},
        poolclass=QueuePool,
        pool_size=_POOL,
        max_overflow=_OVERFLOW,
        pool_timeout=BUSY,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # The driver is told to begin nothing by itself (isolation_level above). A writer takes the
        # lock at once: one that first reads could find it taken, with what it read out of date.
        writes = connection.get_execution_options().get("watchhouse_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return Store(engine, str(path))


def _postgres(text: str, password: str | None) -> Store:
    try:
        url = make_url(text)
    except ArgumentError as problem:
        # Nothing is opened. The text is not repeated: it may hold a password.
        msg = "standing.url is no URL such as postgresql://user@host/database?sslmode=verify-full"
        raise StandingError(msg) from problem
    if url.get_backend_name() not in {"postgresql", "postgres"}:
        msg = (
            f"standing.url: {url.get_backend_name()!r} is not supported; leave it out for a SQLite"
            " file in the data folder, or give postgresql://user@host/database"
        )
        raise StandingError(msg)
    url = url.set(drivername="postgresql+psycopg", password=password or url.password)
    url = url.update_query_dict(
        {name: value for name, value in _POSTGRES_DEFAULTS.items() if name not in url.query}
    )
    try:
        engine = create_engine(
            url,
            hide_parameters=True,
            pool_pre_ping=True,
            pool_recycle=1800,
            pool_size=_POOL,
            max_overflow=_OVERFLOW,
            pool_timeout=BUSY,
        )
    except (ImportError, NoSuchModuleError) as problem:
        # Nothing is opened.
        msg = "standing.url: PostgreSQL needs the package psycopg; run scripts/run once more"
        raise StandingError(msg) from problem

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        try:
            cursor.execute(
                f"SET TIME ZONE 'UTC'; SET statement_timeout = '{STATEMENT}s';"
                f" SET lock_timeout = '{BUSY:.0f}s';"
                " SET idle_in_transaction_session_timeout = '60s'"
            )
            connection.commit()
        finally:
            cursor.close()

    shown = URL.create(
        "postgresql", url.username, host=url.host, port=url.port, database=url.database
    )
    return Store(engine, shown.render_as_string())


def _bump(connection: Connection, name: str) -> int:
    columns = tables.versions.c
    bumped: int = connection.execute(
        update(tables.versions)
        .where(columns.name == name)
        .values(version=columns.version + 1)
        .returning(columns.version)
    ).scalar_one()
    return bumped


def _first_line(problem: Exception) -> str:
    """What the driver says, in one line; libpq's messages hold no password."""
    origin = getattr(problem, "orig", None) or problem
    lines = str(origin).strip().splitlines()
    return lines[0] if lines else type(origin).__name__

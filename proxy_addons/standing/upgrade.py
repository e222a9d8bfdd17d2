"""Bring the store to the form that this program knows, however many gateways start at once.

In: settings, the data folder. Out: a store with all tables; nothing when it had them.
Must never: touch a store that a newer program wrote; run two migrations at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from proxy_addons.standing.problems import StandingError, StandingUnavailableError
from proxy_addons.standing.store import file_of, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from proxy_addons.settings.model import Paths
    from proxy_addons.settings.people import Standing

FILE_MODE: Final = 0o600
PATIENCE: Final = 60.0  # seconds for which one start waits for another one's migration
_LOCK_KEY = 0x57_61_74_63_68  # "Watch": our key among PostgreSQL's advisory locks
_SCRIPTS = Path(__file__).parent / "migrations"


def migrate(settings: Standing, paths: Paths) -> None:
    """Make or upgrade the tables. Safe when several processes and machines do so at once.

    Raises:
        StandingError: a newer program wrote the store, or it cannot be made.
        StandingUnavailableError: it does not answer.
    """
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    store = open_store(settings, paths)
    try:
        with contextlib.ExitStack() as stack:
            if not store.is_postgres:
                stack.enter_context(_only_one(file_of(paths)))
            connection = stack.enter_context(store.noting())
            if store.is_postgres:
                connection.execute(text(f"SET LOCAL lock_timeout = '{PATIENCE:.0f}s'"))
                connection.execute(text(f"SET LOCAL statement_timeout = '{PATIENCE:.0f}s'"))
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK_KEY})"))
            _upgrade(connection, config, store.place)
    finally:
        store.close()


def _upgrade(connection: Connection, config: Config, place: str) -> None:
    scripts = ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    newest = scripts.get_current_head()
    found = MigrationContext.configure(connection).get_current_heads()
    if unknown := set(found) - known:
        msg = (
            f"the standing store ({place}) was written by a newer Watchhouse (its form is"
            f" {', '.join(sorted(unknown))}, this program knows {newest}). Upgrade this program, or"
            " restore the store from a backup of this version."
        )
        raise StandingError(msg)
    if found == (newest,):
        return
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@contextlib.contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Keep other starting processes away meanwhile, and make the file if there is none.

    The lock is a file of its own, and the SQLite file is never opened here while it is in use:
    closing it would give up the locks that SQLite holds on it in this process (fcntl(2)).
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        lock = _made(path.with_suffix(".lock"), os.O_CREAT)
    except OSError as problem:
        raise _not_made(path, problem) from problem
    try:
        _lock(lock, path)
        with contextlib.suppress(FileExistsError):  # from the second start on
            os.close(_made(path, os.O_CREAT | os.O_EXCL))
        yield
    except OSError as problem:
        raise _not_made(path, problem) from problem
    finally:
        os.close(lock)


def _not_made(path: Path, problem: OSError) -> StandingError:
    # There is no store, and nothing starts without one.
    return StandingError(f"the standing store {path} cannot be made: {problem.strerror}")


def _made(path: Path, how: int) -> int:
    """Open a file that only the gateway's user can read."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | how, FILE_MODE)
    owner = path.parent.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        # Made by root on the command line, for a gateway that runs as another user.
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    return descriptor


def _lock(descriptor: int, path: Path) -> None:
    limit = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            # Another process makes or upgrades the store; it is looked at again when it is done.
            if time.monotonic() > limit:
                msg = f"another process has been upgrading the standing store {path} for too long"
                raise StandingUnavailableError(msg) from problem
            time.sleep(0.02)
        else:
            return

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from proxy_addons.settings.model import Paths
from proxy_addons.settings.people import Standing
from proxy_addons.standing import (
    EMPTY,
    StandingError,
    StandingUnavailableError,
    open_store,
    tables,
)
from proxy_addons.standing.snapshot import read
from proxy_addons.standing.upgrade import migrate

if TYPE_CHECKING:
    from conftest import Place

    from proxy_addons.standing import Store

TOP = Path(__file__).parents[2]

_MIGRATE = """
import sys
from pathlib import Path
from proxy_addons.settings.model import Paths
from proxy_addons.settings.people import Standing
from proxy_addons.standing.upgrade import migrate
url, password, folder = sys.argv[1:]
settings = Standing(url=url or None, password=password or None)
print("ready", flush=True)
sys.stdin.readline()
migrate(settings, Paths(Path(folder), Path(folder), Path(folder)))
"""


def test_from_nothing_to_what_the_program_knows(place: Place) -> None:
    place.migrate()
    store = place.open()
    with store.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []
        snapshot = read(connection)
    assert snapshot.version == store.version() == 1
    assert (snapshot.withdrawn, snapshot.exemptions) == (EMPTY.withdrawn, EMPTY.exemptions)
    place.migrate()  # nothing to do
    assert store.version() == 1
    store.close()


def test_several_start_at_once(place: Place) -> None:
    arguments = (place.settings.url or "", place.settings.password or "", place.paths.data_dir)
    starts = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _MIGRATE, *map(str, arguments)],
            cwd=TOP,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for start in starts:
        assert start.stdout is not None
        assert start.stdout.readline() == "ready\n"
    for start in starts:
        assert start.stdin is not None
        start.stdin.write("\n")
        start.stdin.flush()
    for start in starts:
        _, said = start.communicate(timeout=60)
        assert (start.returncode, said) == (0, "")
    store = place.open()
    assert store.version() == 1
    store.close()


def test_a_store_of_a_newer_program_is_left_alone(place: Place) -> None:
    place.migrate()
    store = place.open()
    with store.noting() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StandingError, match=r"newer Watchhouse.*9999.*knows 0001.*Upgrade"):
        place.migrate()
    with store.reading() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999"
    store.close()


@pytest.mark.parametrize("table", ["exemption_steps", "withdrawal_steps"])
@pytest.mark.parametrize("how", ["UPDATE {} SET note = 'x'", "DELETE FROM {}", "TRUNCATE {}"])
def test_steps_are_only_added(store: Store, table: str, how: str) -> None:
    if how.startswith("TRUNCATE") and not store.is_postgres:
        how = "DELETE FROM {} WHERE 1"  # SQLite has no TRUNCATE
    _plant(store)
    with pytest.raises(DBAPIError, match="append-only"), store.noting() as connection:
        connection.execute(text(how.format(table)))
    with store.reading() as connection:
        assert connection.scalar(text(f"SELECT count(*) FROM {table}")) == 1


def _plant(store: Store) -> None:
    """A step of each kind of register, by hand."""
    at = "2026-01-01 00:00:00.000000+00"
    if not store.is_postgres:
        at = at.removesuffix("+00")
    with store.noting() as connection:
        for statement in (
            (
                "INSERT INTO exemptions (id, reference, person, everything, categories, why,"
                " significant, requested_by, requested_at, begins, ends, state, revision) VALUES"
                f" (1, 'EX-1', 'a', true, '[]', 'w', false, 'b', '{at}', '{at}',"
                f" '{at.replace('2026', '2027')}', 'requested', 1)"
            ),
            (
                "INSERT INTO exemption_steps (exemption, at, kind, who, how, note)"
                f" VALUES (1, '{at}', 'request', 'b', 'test', '')"
            ),
            (
                "INSERT INTO withdrawals (id, reference, person, reason, withdrawn_by, by_right,"
                f" withdrawn_at) VALUES (1, 'WD-1', 'a', 'r', 'b', 'psd', '{at}')"
            ),
            (
                "INSERT INTO withdrawal_steps (withdrawal, at, kind, who, how, note)"
                f" VALUES (1, '{at}', 'withdrawal', 'b', 'test', '')"
            ),
        ):
            connection.execute(text(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE exemptions SET state = 'approved'",
        "UPDATE exemptions SET state = 'approved', decided_by = 'a'",
        "UPDATE exemptions SET state = 'approved', decided_by = 'b'",
        "UPDATE exemptions SET state = 'live'",
        "UPDATE exemptions SET ends = begins",
        "DELETE FROM exemptions",
        (
            "INSERT INTO exemption_steps (exemption, at, kind, who, how, note)"
            " SELECT 2, at, kind, who, how, note FROM exemption_steps"
        ),
        "UPDATE withdrawals SET lifted_by = 'a'",
        (
            "INSERT INTO withdrawals (reference, person, reason, withdrawn_by, by_right,"
            " withdrawn_at) SELECT 'WD-2', person, reason, withdrawn_by, by_right, withdrawn_at"
            " FROM withdrawals"
        ),
    ],
)
def test_the_tables_hold_the_rules_that_tables_can(store: Store, statement: str) -> None:
    _plant(store)
    with pytest.raises(DBAPIError, match=r"(?i)constraint"), store.noting() as connection:
        connection.execute(text(statement))


def test_the_file_is_the_gateways_alone(tmp_path: Path) -> None:
    paths = Paths(tmp_path, tmp_path, tmp_path / "data")
    migrate(Standing(), paths)
    store = open_store(Standing(), paths)
    with store.changing(), store.reading():
        found = {path.name: path.stat().st_mode & 0o777 for path in paths.data_dir.iterdir()}
    store.close()
    assert {"standing.sqlite", "standing.sqlite-wal", "standing.lock"} <= set(found)
    assert set(found.values()) == {0o600}


@pytest.mark.root
def test_made_by_root_it_is_still_the_gateways(tmp_path: Path) -> None:
    paths = Paths(tmp_path, tmp_path, tmp_path / "data")
    paths.data_dir.mkdir()
    os.chown(paths.data_dir, 65534, 65534)
    migrate(Standing(), paths)
    store = open_store(Standing(), paths)
    with store.changing(), store.reading():
        assert {path.stat().st_uid for path in paths.data_dir.iterdir()} == {65534}
    store.close()


def test_without_a_store_nothing_is_made_by_looking(tmp_path: Path) -> None:
    store = open_store(Standing(), Paths(tmp_path, tmp_path, tmp_path))
    with pytest.raises(StandingUnavailableError, match="unable to open database file"):
        store.version()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StandingError, match=r"file/data/standing\.sqlite cannot be made"):
        migrate(Standing(), Paths(tmp_path, tmp_path, tmp_path / "file" / "data"))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "is no URL"),
        ("mysql://a@b/c", "'mysql' is not supported"),
        ("sqlite:////tmp/x", "'sqlite' is not supported"),
        ("hunter2", "is no URL"),
    ],
)
def test_what_is_no_url_of_a_store(tmp_path: Path, url: str, said: str) -> None:
    with pytest.raises(StandingError, match=said) as caught:
        open_store(Standing(url=url), Paths(tmp_path, tmp_path, tmp_path))
    assert "hunter2" not in str(caught.value)


def test_the_password_is_shown_nowhere(tmp_path: Path) -> None:
    paths = Paths(tmp_path, tmp_path, tmp_path)
    for settings in (
        Standing(url="postgresql://me@127.0.0.1:1/x", password="hunter2"),
        Standing(url="postgresql://me:hunter2@127.0.0.1:1/x"),
    ):
        store = open_store(settings, paths)
        with pytest.raises(StandingUnavailableError, match=r"me@127\.0\.0\.1:1/x") as caught:
            store.version()
        assert "hunter2" not in str(caught.value) + store.place + repr(store.engine)
        with pytest.raises(StandingUnavailableError):
            migrate(settings, paths)
        store.close()

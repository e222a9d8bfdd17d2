from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Table, insert, inspect, text
from sqlalchemy.exc import DBAPIError

from proxy_addons.settings.model import Paths
from proxy_addons.settings.people import Standing
from proxy_addons.standing import (
    EMPTY,
    StandingError,
    StandingUnavailableError,
    open_store,
    tables_alerts,
    tables_api,
    tables_audit,
    tables_erasure,
    tables_retention,
    tables_sampling,
    tables_searches,
    tables_shifts,
)
from proxy_addons.standing.snapshot import read
from proxy_addons.standing.store import file_of
from proxy_addons.standing.upgrade import migrate

if TYPE_CHECKING:
    from conftest import Place

    from proxy_addons.standing import Store

TOP = Path(__file__).parents[2]
ALL_TABLES = (
    *(tables_shifts, tables_retention, tables_sampling, tables_audit, tables_alerts, tables_api),
    *(tables_erasure, tables_searches),
)
"""Each module adds its tables to the one `metadata`."""

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
        assert compare_metadata(context, ALL_TABLES[0].metadata) == []
        snapshot = read(connection)
    assert snapshot.version == store.version() == store.shift_version() == 1
    assert (snapshot.withdrawn, snapshot.exemptions) == (EMPTY.withdrawn, EMPTY.exemptions)
    place.migrate()  # nothing to do
    assert store.version() == store.shift_version() == 1
    store.close()


def test_from_the_first_form_with_what_is_in_it(place: Place) -> None:
    """What 0001 held stays, and its versions go on from where they were."""
    _migrate_to(place, "0001")
    store = place.open()
    _plant(store)
    with store.changing() as connection:
        assert not inspect(connection).has_table("breaks")
    before = _contents(store)
    place.migrate()
    assert _contents(store) == before
    assert (store.version(), store.shift_version()) == (2, 1)
    with store.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, ALL_TABLES[0].metadata) == []
    store.close()


def _migrate_to(place: Place, revision: str) -> None:
    """As `migrate`, but not as far."""
    config = Config()
    config.set_main_option("script_location", str(TOP / "proxy_addons/standing/migrations"))
    if place.engine == "sqlite":
        place.paths.data_dir.mkdir()
        file_of(place.paths).touch(0o600)
    store = place.open()
    with store.noting() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    store.close()


def _contents(store: Store) -> dict[str, list[tuple[object, ...]]]:
    names = ("exemptions", "exemption_steps", "withdrawals", "withdrawal_steps")
    with store.reading() as connection:
        return {
            name: [tuple(row) for row in connection.execute(text(f"SELECT * FROM {name}"))]
            for name in names
        }


def test_each_part_has_a_version_of_its_own(store: Store) -> None:
    """A minute of personal use makes no worker read the exemptions, nor the other way round."""
    with store.shifting() as (connection, change):
        assert change == 2
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    assert (store.version(), store.shift_version()) == (1, 2)
    with store.changing():
        pass
    assert (store.version(), store.shift_version()) == (2, 2)
    with contextlib.suppress(KeyError), store.shifting():
        raise KeyError
    assert store.shift_version() == 2, "undone"


def test_changes_of_a_part_go_one_after_another(store: Store) -> None:
    """The second gets its number when the first is committed: who has read up to a version has
    read all before it."""
    entered, seen = threading.Event(), []

    def second() -> None:
        entered.set()
        with store.shifting() as (connection, change):
            days = connection.execute(text("SELECT day FROM refusals ORDER BY day")).all()
            seen.append((change, len(days)))

    with ThreadPoolExecutor(1) as threads:
        with store.shifting() as (connection, change):
            job = threads.submit(second)
            assert entered.wait(10)
            values = {"person": "a", "day": date(2026, 1, 1), "rule": "games", "count": 1}
            connection.execute(insert(tables_shifts.refusals).values(values))
            assert not wait([job], timeout=0.2).done
        job.result(10)
    assert (change, seen) == (2, [(3, 1)])


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
    with pytest.raises(StandingError, match=r"newer Watchhouse.*9999.*knows 0003.*Upgrade"):
        place.migrate()
    with store.reading() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999"
    store.close()


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("exemption_steps", "note"),
        ("withdrawal_steps", "note"),
        ("review_steps", "note"),
        ("statements", "text"),
        ("acknowledgements", "how"),
        ("views", "what"),
    ],
)
@pytest.mark.parametrize(
    "how", ["UPDATE {} SET {column} = 'x'", "DELETE FROM {}", "TRUNCATE {} CASCADE"]
)
def test_steps_are_only_added(store: Store, table: str, column: str, how: str) -> None:
    if how.startswith("TRUNCATE") and not store.is_postgres:
        how = "DELETE FROM {} WHERE 1"  # SQLite has no TRUNCATE
    _plant(store)
    _plant_shifts(store)
    with pytest.raises(DBAPIError, match="append-only"), store.noting() as connection:
        connection.execute(text(how.format(table, column=column)))
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


def _plant_shifts(store: Store) -> None:
    """One row in each table of personal use."""
    at, day = datetime(2026, 1, 1, 9, tzinfo=UTC), date(2026, 1, 1)
    later = at + timedelta(minutes=30)
    who = {"person": "a", "change": 1}
    planted = {
        "breaks": {"minutes": 30, "day": day, "begins": at, "ends": later, "ended_early": False}
        | {"by": "a", "how": "test"},
        "minutes": {"minute": at, "day": day, "social": False},
        "minute_totals": {"day": day, "personal": 2, "social": 1},
        "refusals": {"day": day, "rule": "games", "count": 1},
        "refusal_portions": {"worker": "0" * 16, "number": 1, "day": day},
        "duties": {"begins": at, "ends": later, "kind": "duty", "source": "rota.csv"},
        "rota_cover": {"first": day, "last": day},
        "rota_imports": {"at": at, "by": "b", "source": "rota.csv", "digest": "0" * 64, "rows": 1}
        | {"added": 1, "removed": 0},
        "confirmations": {"rule": "auctions", "site": "x.test", "at": at, "until": later},
        "statements": {"version": "0" * 12, "digest": "0" * 64, "text": "T", "first_seen": at},
        "acknowledgements": {"version": "0" * 12, "at": at, "client_ip": "::1", "how": "basic"}
        | {"until": later},
        "reviews": {"reference": "RV-2026-0001", "url_host": "x.test", "url": "http://x.test/"}
        | {"rule": "games", "categories": ["games"], "why": "w", "asked_at": at, "state": "open"}
        | {"everybody": False, "id": 1},
        "review_steps": {"review": 1, "at": at, "kind": "request", "who": "a", "how": "basic"}
        | {"note": ""},
        "site_categories": {"host": "x.test", "categories": None, "review": "RV-2026-0001"}
        | {"set_by": "b", "set_at": at},
        "views": {"at": at, "viewer": "b", "subject": "team", "what": "weekly", "how": "oidc"},
    }
    # Those of the third form are tried in their own rooms' tests (tests/audit).
    later = {
        table.name
        for module in ALL_TABLES[1:]
        for table in vars(module).values()
        if isinstance(table, Table)
    }
    known = tables_shifts.metadata.tables
    assert set(planted) == set(known) - later - {"versions", "numbers", "sessions", "lockouts"} - {
        *("exemptions", "exemption_steps", "exemption_use", "withdrawals", "withdrawal_steps")
    }
    with store.shifting() as (connection, _):
        for name, values in planted.items():
            table = known[name]
            shared = {key: value for key, value in who.items() if key in table.c}
            connection.execute(insert(table).values(shared | values))


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
        "UPDATE breaks SET minutes = 0",
        "UPDATE breaks SET minutes = 1441",
        "UPDATE breaks SET begins = '2027-01-01 00:00:00'",
        "UPDATE minute_totals SET social = 3",
        "UPDATE minute_totals SET social = -1",
        "UPDATE duties SET begins = ends",
        "UPDATE rota_cover SET first = '2027-01-01'",
        "UPDATE confirmations SET until = at",
        (
            "INSERT INTO acknowledgements (person, version, at, client_ip, how, until, change)"
            " SELECT person, '000000000001', at, client_ip, how, until, 2 FROM acknowledgements"
        ),
        (
            "INSERT INTO acknowledgements (person, version, at, client_ip, how, until, change)"
            " SELECT person, version, until, client_ip, how, at, 2 FROM acknowledgements"
        ),
        "UPDATE reviews SET state = 'done'",
        "UPDATE reviews SET state = 'declined'",
        "UPDATE reviews SET state = 'declined', decided_at = asked_at, decided_by = person",
        "UPDATE reviews SET state = 'allowed', decided_at = asked_at, decided_by = 'b'",
        "UPDATE reviews SET id = 2",
    ],
)
def test_the_tables_hold_the_rules_that_tables_can(store: Store, statement: str) -> None:
    _plant(store)
    _plant_shifts(store)
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

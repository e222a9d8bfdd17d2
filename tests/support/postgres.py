"""A real PostgreSQL in a folder of its own, on a loopback port of its own.

In: Debian's binaries. Out: databases, empty, with a user and a password.
Must never: touch the system's clusters, or stay behind.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psycopg
import pytest

from proxy_addons.settings.people import Standing

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "Correct horse: battery/staple@éà"
USER = "watchhouse"
"""Owns the databases, and may nothing else."""
_SUPERUSER = "administrator"
_PATIENCE = 30.0


def binaries() -> Path | None:
    """The folder of the newest PostgreSQL that Debian installed, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


class Postgres:
    """One server. `start` and `stop` as often as wanted; `kill` as a crash would."""

    def __init__(self) -> None:
        folder = binaries()
        assert folder is not None, "no PostgreSQL under /usr/lib/postgresql"
        self._bin = folder
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            self._as = {"user": "postgres", "group": "postgres", "extra_groups": []}
        self.folder = Path(tempfile.mkdtemp(prefix="watchhouse-pg-"))
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._number = 0

    def __enter__(self) -> Self:
        password = self.folder / "password"
        password.write_text(PASSWORD)
        if self._as:
            for path in (self.folder, password):
                shutil.chown(path, "postgres", "postgres")
        subprocess.run(
            [
                *(self._bin / "initdb", "-D", self.folder / "data", "-U", _SUPERUSER),
                *("-A", "scram-sha-256", "--pwfile", password, "-E", "UTF8", "--locale=C.UTF-8"),
                *("--no-sync", "--no-instructions"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
            **self._as,
        )
        self.start()
        self.run(f"CREATE USER {USER} PASSWORD '{PASSWORD}'")
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.kill()  # what is in it is not wanted any more
        shutil.rmtree(self.folder)

    def start(self) -> None:
        """Start, and wait until it answers."""
        assert self._process is None
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(self._bin / "postgres", "-D", self.folder / "data", "-p", str(self.port)),
                    *("-h", "127.0.0.1", "-k", self.folder, "-c", "fsync=off"),
                    *("-c", "max_connections=60", "-c", "shared_buffers=16MB"),
                ],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **self._as,
            )
        limit = time.monotonic() + _PATIENCE
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                self.run("SELECT 1")
                return
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < limit, "PostgreSQL did not start in time"
            time.sleep(0.05)

    def stop(self) -> None:
        """End as an administrator would: connections are closed, everything is written."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(_PATIENCE)
            self._process = None

    def kill(self) -> None:
        """End as a power cut would."""
        assert self._process is not None
        number, *children = self._processes()
        for each in (number, *children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        self._process.wait(_PATIENCE)
        self._process = None
        for each in children:
            while Path(f"/proc/{each}").exists():  # gone at once; init takes them up
                time.sleep(0.01)

    def stall(self) -> None:
        """From now on connections are taken, by the kernel, and nothing is answered."""
        for each in self._processes():
            os.kill(each, signal.SIGSTOP)

    def resume(self) -> None:
        """As before `stall`."""
        for each in self._processes():
            os.kill(each, signal.SIGCONT)

    def _processes(self) -> list[int]:
        assert self._process is not None
        number = self._process.pid
        children = Path(f"/proc/{number}/task/{number}/children").read_text().split()
        return [number, *map(int, children)]

    def run(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement as the superuser; the rows, if it has any."""
        with psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=_SUPERUSER,
            password=PASSWORD,
            dbname=database,
            autocommit=True,
            connect_timeout=5,
        ) as connection:
            cursor = connection.execute(statement)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def database(self) -> Standing:
        """A new, empty database, as the settings name it."""
        self._number += 1
        name = f"force{self._number}"
        self.run(f"CREATE DATABASE {name} OWNER {USER}")
        return Standing(url=f"postgresql://{USER}@127.0.0.1:{self.port}/{name}", password=PASSWORD)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests of the session; databases of their own keep them apart."""
    with Postgres() as server:
        yield server

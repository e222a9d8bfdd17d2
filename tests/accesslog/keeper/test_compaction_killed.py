"""Whoever makes Parquet is killed: the processes it had for it end, and the next run makes all.

A segment that is a FIFO keeps them at work for as long as nobody writes into it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from support.keeping import ROOT, Room

from proxy_addons.accesslog.compact.index import Index
from proxy_addons.accesslog.keeper.compaction import Compaction
from proxy_addons.accesslog.keeper.seals import SealAccess

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STEP = """
import sys
from pathlib import Path
from support.keeping import Room
from proxy_addons.accesslog.keeper.compaction import Compaction
Room(Path(sys.argv[1])).run(Compaction())
"""


COMMAND = "import proxy_addons.cli as cli; raise SystemExit(cli.main())"


def _children(process: int) -> set[int]:
    path = f"/proc/{process}/task/{process}/children"
    with open(path, encoding="ascii") as file:  # noqa: PTH123 - the kernel's own
        return {int(each) for each in file.read().split()}


def _opened(fifo: Path) -> int | None:
    """The other end, once somebody opens it to read; they wait for as long as it is open."""
    try:
        return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None


def _until[T](what: str, ask: Callable[[], T | None]) -> T:
    """What comes of asking, once it is something."""
    end = time.monotonic() + 60
    while (found := ask()) is None:
        assert time.monotonic() < end, what
        time.sleep(0.02)
    return found


@pytest.mark.parametrize("by", ["the keeper", "the command"])
def test_nothing_goes_on_without_it(room: Room, by: str) -> None:
    room.fill(2)
    room.run(SealAccess())
    packed = sorted(room.access.sealed.glob("segments/**/*.gz"))[1]
    octets = packed.read_bytes()
    packed.unlink()
    os.mkfifo(packed)
    command = {
        "the keeper": [sys.executable, "-c", STEP, str(room.data)],
        "the command": [
            *(sys.executable, "-c", COMMAND, "log", "compact", "--processes", "2"),
            *("--config", str(ROOT / "config"), "--data", str(room.data)),
        ],
    }[by]
    path = os.pathsep.join([str(ROOT / "tests"), str(ROOT)])
    with subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.DEVNULL
    ) as maker:
        end = _until("it is at work", lambda: _opened(packed))
        had = _children(maker.pid)
        assert had
        maker.kill()
    _until("they end", lambda: not any(map(_there, had)) or None)
    os.close(end)
    packed.unlink()
    packed.write_bytes(octets)
    room.run(Compaction())
    assert sum(each.rows for each in Index.read(room.settings.paths.parquet_dir).files) == 40


def _there(process: int) -> bool:
    """Whether it is there and has not ended; nobody may have fetched its exit code."""
    try:
        with open(f"/proc/{process}/stat", encoding="ascii") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

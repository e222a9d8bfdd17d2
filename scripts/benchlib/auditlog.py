"""An access log to measure with, and the memory that working on it takes.

In: rows, days. Out: a data folder made by scripts/records; megabytes.
Must never: take the memory of other programs for that of ours.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchlib.side import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchlib.study import Bench

PEOPLE = 6000
FIRST = "2026-10-23"
LATER = datetime(2027, 6, 1, tzinfo=UTC).timestamp()
_LOOK = 0.3  # seconds


def made(bench: Bench, rows: int, days: int, *, sealed: bool, people: int = PEOPLE) -> Path:
    """A data folder with so many records."""
    what = "sealed" if sealed else "plain"
    folder = bench.place.folder / f"records-{rows}-{days}-{people}-{what}"
    if not folder.exists():
        bench.doing(f"making {rows:,} records of {days} days")
        command = [str(ROOT / "scripts" / "records"), "--into", str(folder), "--first", FIRST]
        command += ["--rows", str(rows), "--days", str(days), "--people", str(people)]
        command += ["--processes", str(os.cpu_count() or 1), *(["--sealed"] if sealed else [])]
        with bench.place.on(bench.place.all_cores):
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return folder


class Peak:
    """The most memory that this process and its children had, in 10^6 octets (PSS)."""

    def __init__(self) -> None:
        self.megabytes = 0.0
        self._ended = False

    @contextmanager
    def watching(self) -> Iterator[Peak]:
        """Look at it every now and then."""
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._ended = True
            thread.join()

    def _watch(self) -> None:
        while not self._ended:
            self.megabytes = max(self.megabytes, sum(map(_share, _ours())) / 1e6)
            time.sleep(_LOOK)


def _ours() -> Iterator[int]:
    """This process and its children."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue  # it has ended
        if os.getpid() in {parent, int(path.name)}:
            yield int(path.name)


def _share(process: int) -> int:
    """Octets that are its own, and its share of others."""
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0  # it has ended
    return sum(1024 * int(x.split()[1]) for x in text.splitlines() if x.startswith("Pss:"))

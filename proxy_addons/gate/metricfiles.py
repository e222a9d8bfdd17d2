"""The files in which workers count and which the portal adds up: made, locked, checked, cleared.

In: the folder of shared files and a worker's number. Out: files in prometheus_client's own format.
Must never: let two processes write as one worker, or leave a hole in a file that will be mapped.

Three things differ from prometheus_client's own habits:

* Files carry the worker's number, not its process id: a worker that dies and comes back goes on
  counting in the same files, and a crash loop leaves no litter. A lock keeps two processes from
  using one number at the same time.
* Files are allocated in full before they are mapped. Writing into a hole of a mapped file kills the
  process (SIGBUS) when the disk is full, which is just when the gateway has to stay up and refuse.
* Where no file can be had (disk full, number still taken), the worker counts nothing and tries
  again at every heartbeat.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import sys
from typing import TYPE_CHECKING, Final

from prometheus_client import multiprocess
from prometheus_client.mmap_dict import MmapedDict

if TYPE_CHECKING:
    from pathlib import Path

# Bytes of each file, in full: 2,000 series take under 0.7 MB, everything else under 16 kB.
SIZES: Final = {"counter": 1 << 20, "histogram": 1 << 16, "gauge_livemax": 1 << 16}


def lock(directory: Path, worker: int) -> int:
    """Take the worker's number; the lock goes with the process, however it ends.

    Raises:
        OSError: another live process has it, or the folder cannot be written.
    """
    flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
    descriptor = os.open(directory / f"worker_{worker}.lock", flags, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def sound(path: Path) -> bool:
    """Whether prometheus_client can read a shared file: a power cut or a copy may damage one.

    Raises:
        OSError: the file cannot be read at all.
    """
    with path.open("rb") as file:
        head = file.read(4)
    if len(head) < 4 or int.from_bytes(head, sys.byteorder, signed=True) < 0:
        return False
    try:
        entries = list(MmapedDict.read_all_values_from_file(path))  # type: ignore[no-untyped-call]
        return all(len(json.loads(key)) == 4 for key, *_ in entries)
    except (RuntimeError, ValueError, TypeError, struct.error):
        return False


def allocate(path: Path, size: int) -> None:
    """Make the file, every block of it allocated, in one step as seen from outside.

    Raises:
        OSError: no room.
    """
    if path.exists() and path.stat().st_size >= size:
        return
    fresh = path.with_suffix(".new")
    try:
        with fresh.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def directory_of(run_dir: Path) -> Path:
    """Where the shared files are: `metrics` in the run folder."""
    return run_dir / "metrics"


def prepare(run_dir: Path) -> Path:
    """Make the folder of shared files, empty of what an earlier run left. Before any worker starts.

    Args:
        run_dir: `settings.paths.run_dir`.

    Returns:
        The folder, for `start` in each worker.

    Raises:
        OSError: the folder cannot be made.
    """
    directory = directory_of(run_dir)
    directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    for pattern in ("*.db", "*.new", "*.lock"):
        for path in directory.glob(pattern):
            path.unlink(missing_ok=True)
    return directory


def mark_dead(directory: Path, worker: int) -> None:
    """A worker's process has ended: take its gauges out of the sums. Before the next one starts.

    Args:
        directory: the folder that `prepare` made.
        worker: the number of the worker (not its process id).
    """
    multiprocess.mark_process_dead(worker, str(directory))  # type: ignore[no-untyped-call]

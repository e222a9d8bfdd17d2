"""A worker's memory: how much it uses, how much it may, and what follows when that is too much.

In: /proc of Linux. Out: bytes; whether to shed load, or to end in good order.
Must never: count what the kernel can take back by itself (pages of mapped files).
"""

from __future__ import annotations

import ctypes
import gc
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

MIB = 1 << 20
_PAGE = os.sysconf("SC_PAGE_SIZE")
_STATM = Path("/proc/self/statm")
_MEMINFO = Path("/proc/meminfo")
# The limit of the own container, of cgroup version 2 and 1; a service of systemd sees the whole
# tree, and finds its own in /proc/self/cgroup.
_CGROUP = Path("/proc/self/cgroup")
_CGROUPS = Path("/sys/fs/cgroup")

_SHARE = 0.6  # of what there is: the rest is for the portal, the kernel's buffers and the files
_LEAST = 128 * MIB  # a worker with nothing to do has some 60
_MOST = 2048 * MIB  # a worker that needs more than this is not sound
_CALM = 0.9  # below this part of the limit new requests are taken again
_BEYOND = 1.25  # at this part the worker ends, so that another can begin
_AGAIN = 5  # looks between tries to give memory back
_LASTING = 60  # looks (seconds) for which it sheds load before it ends all the same


@cache
def _statm() -> int:
    return os.open(_STATM, os.O_RDONLY | os.O_CLOEXEC)


def used() -> int:
    """Bytes of memory of this process that are not pages of files (proc(5), statm).

    The file stays open: when no descriptor is left is no time to look away.
    """
    _, resident, shared, *_ = os.pread(_statm(), 200, 0).split()
    return (int(resident) - int(shared)) * _PAGE


def give_back() -> None:
    """Give back to the kernel what is free; takes some tens of milliseconds."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc only
    if trim is not None:
        trim(0)


def limit_of(setting: int, workers: int) -> int:
    """Bytes that one worker may use.

    Args:
        setting: `limits.worker_memory`: MiB, or 0 for a share of what there is.
        workers: how many share it.
    """
    if setting:
        return setting * MIB
    return max(min(int(_there_is() * _SHARE) // workers, _MOST), _LEAST)


def _there_is() -> int:
    """Bytes of memory of this machine, or of the container or service, where that has fewer."""
    found = [_MOST * 1024]
    for line in _lines(_MEMINFO):
        name, _, rest = line.partition(":")
        if name == "MemTotal":
            found.append(int(rest.split()[0]) * 1024)
    own = [line.rpartition(":")[2].strip("/") for line in _lines(_CGROUP)]
    for folder in {_CGROUPS, _CGROUPS / "memory", *(_CGROUPS / each for each in own)}:
        for name in ("memory.max", "memory.high", "memory.limit_in_bytes"):
            found += [int(line) for line in _lines(folder / name) if line.isdigit()]
    return min(found)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("ascii").splitlines()
    except OSError:
        # Not this version of cgroups, or none: the other places say what there is.
        return []


@dataclass(slots=True)
class Shedding:
    """Whether a worker takes on new requests.

    Attributes:
        limit: bytes that it may use.
        on: whether it takes on nothing new.
        over: whether it should end, in good order.
    """

    limit: int
    on: bool = False
    over: bool = False
    _looks: int = 0

    def look(self, now_used: int) -> bool:
        """Take a look, once a second.

        Args:
            now_used: bytes used.

        Returns:
            Whether `on` or `over` has changed.
        """
        before = self.on, self.over
        self.on = now_used > self.limit * (_CALM if self.on else 1)
        self._looks = self._looks + 1 if self.on else 0
        # What Python does not give back would keep the worker from serving for ever.
        self.over = self.over or now_used >= self.limit * _BEYOND or self._looks > _LASTING
        return (self.on, self.over) != before

    @property
    def should_give_back(self) -> bool:
        """Whether to try now: part of it may be garbage, or free and not yet given back."""
        return self._looks % _AGAIN == 1

    def why(self) -> str:
        """For the page and the record."""
        return f"this worker uses more than {self.limit // MIB} MiB of memory"

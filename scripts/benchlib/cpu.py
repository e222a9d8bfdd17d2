"""CPU time of one side: of a process, its helpers and their helpers.

In: the pid of a side's first process. Out: CPU seconds (user and system) spent between two points.
Must never: count the origin or the load generator, or lose a helper.

A process's own time comes from its CPU clock, `clock_getcpuclockid(3)`: user and system time of
all its threads, ended ones too. /proc/PID/stat shows the same sum rounded to 10 ms, which is more
than a hundred requests of Squid. Children that have ended are in their parent's `cutime` and
`cstime` (proc_pid_stat(5)).
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

NANOSECONDS = 1_000_000_000
TICK_NS = NANOSECONDS // os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """The fields of /proc/PID/stat that matter here; `children_ns` is cutime + cstime."""

    pid: int
    parent: int
    session: int
    children_ns: int
    name: str


def parse_stat(text: str) -> Process:
    """Read one /proc/PID/stat line; the name may itself hold spaces and brackets."""
    opening, closing = text.index("("), text.rindex(")")
    fields = text[closing + 2 :].split()
    # Fields are numbered from 1 in proc_pid_stat(5); what follows the name starts at 3.
    return Process(
        pid=int(text[:opening]),
        parent=int(fields[4 - 3]),
        session=int(fields[6 - 3]),
        children_ns=(int(fields[16 - 3]) + int(fields[17 - 3])) * TICK_NS,
        name=text[opening + 1 : closing],
    )


def processes() -> dict[int, Process]:
    """All processes that can be seen, by pid."""
    found = {}
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            process = parse_stat((entry / "stat").read_text())
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended while we looked: its parent's cutime has it
        found[process.pid] = process
    return found


def family(root: int, everyone: dict[int, Process]) -> list[Process]:
    """The process `root`, all its descendants, and all that share its session.

    A daemon that has left its parent is still found by its session, as `root` leads one.
    """
    members = {pid for pid, process in everyone.items() if root in {process.session, pid}}
    while True:
        more = {p.pid for p in everyone.values() if p.parent in members} - members
        if not more:
            return [everyone[pid] for pid in sorted(members) if pid in everyone]
        members |= more


@dataclass(frozen=True, slots=True)
class Reading:
    """Nanoseconds of CPU used so far, by pid, and the names of the processes."""

    spent: dict[int, int]
    names: dict[int, str]


def read(root: int) -> Reading:
    """Read the CPU clocks of a whole side."""
    spent, names = {}, {}
    for process in family(root, processes()):
        try:
            own = time.clock_gettime_ns(_clock_of(process.pid))
        except OSError:
            continue  # ended while we looked: its parent's cutime will have it
        spent[process.pid] = own + process.children_ns
        names[process.pid] = process.name
    return Reading(spent, names)


def between(before: Reading, after: Reading) -> float:
    """CPU seconds a side used between two readings.

    A process that started in between counts from nothing; one that ended is in its parent's count.
    """
    total = sum(spent - before.spent.get(pid, 0) for pid, spent in after.spent.items())
    return total / NANOSECONDS


def busiest(before: Reading, after: Reading) -> int:
    """The pid that used most CPU between two readings."""
    return max(after.spent, key=lambda pid: after.spent[pid] - before.spent.get(pid, 0))


def with_argument(root: int, argument: str) -> list[int]:
    """The processes of a side whose command line has this argument."""
    found = []
    for process in family(root, processes()):
        try:
            arguments = (PROC / str(process.pid) / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # ended while we looked
        if argument.encode() in arguments:
            found.append(process.pid)
    return found


def resident_kib(root: int) -> int:
    """Proportional set size of a whole side, in KiB: what processes share is counted once."""
    total = 0
    for process in family(root, processes()):
        try:
            text = (PROC / str(process.pid) / "smaps_rollup").read_text()
        except OSError:
            continue  # ended, or not ours to read: the figure is for orientation only
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total


def _clock_of(pid: int) -> int:
    # What clock_getcpuclockid(3) computes: CPUCLOCK_SCHED (2) of a process, not of one thread.
    return (~pid << 3) | 2

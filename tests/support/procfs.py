"""What the kernel says of a process.

In: a process id. Out: figures. Must never: change anything.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_TICKS = os.sysconf("SC_CLK_TCK")


def descriptors(pid: int) -> int:
    """Open file descriptors."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def threads(pid: int) -> int:
    """Threads."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def resident(pid: int) -> int:
    """Bytes of memory that are in use."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu(pid: int) -> float:
    """Seconds of processor time, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def alive(pid: int) -> bool:
    """Whether it runs (one that nobody has waited for does not)."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def connections(server_port: int) -> int:
    """Clients that are connected to a port over IPv4, whether or not anybody has accepted them."""
    established = "01"
    return sum(
        int(fields[1].partition(":")[2], 16) == server_port and fields[3] == established
        for fields in map(str.split, Path("/proc/net/tcp").read_text().splitlines()[1:])
    )


def unix_connections(path: Path) -> int:
    """Clients that are connected to a Unix socket, whether or not anybody has accepted them."""
    connected = {"02", "03"}  # net/unix/af_unix.c: without a socket, as nobody has accepted it
    lines = map(str.split, Path("/proc/net/unix").read_text().splitlines()[1:])
    return sum(fields[5] in connected and fields[-1] == str(path) for fields in lines)


def holder_of(server_port: int, client_port: int, pids: Iterable[int]) -> int | None:
    """Which process has the server's end of a connection over IPv4 loopback, if any has."""
    inode = None
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        ports = [int(fields[place].partition(":")[2], 16) for place in (1, 2)]
        if ports == [server_port, client_port] and fields[9] != "0":
            inode = fields[9]
    if inode is None:
        return None
    for pid in pids:
        for path in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):  # closed meanwhile
                if path.readlink().name == f"socket:[{inode}]":
                    return pid
    return None

"""Memory of single processes, as the kernel counts it.

In: process ids. Out: octets.
Must never: sample what the kernel knows exactly: the peak comes from VmHWM, which is set back
before (proc(5), /proc/PID/clear_refs), so no short peak is missed and no sampling disturbs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PROC = Path("/proc")
RESET_PEAK = "5"


def proportional(pids: Iterable[int | str]) -> int:
    """Proportional set size of all together: what processes share is counted once."""
    return sum(_field(pid, "smaps_rollup", "Pss:") for pid in pids)


def resident(pids: Iterable[int]) -> int:
    """Resident set size of all together."""
    return sum(_field(pid, "status", "VmRSS:") for pid in pids)


def forget_peak(pids: Iterable[int]) -> None:
    """Let the peak begin anew at what is resident now."""
    for pid in pids:
        (PROC / str(pid) / "clear_refs").write_text(RESET_PEAK, encoding="ascii")


def peak(pids: Iterable[int]) -> int:
    """Largest resident set size since `forget_peak`, of all together."""
    return sum(_field(pid, "status", "VmHWM:") for pid in pids)


def _field(pid: int | str, file: str, name: str) -> int:
    for line in (PROC / str(pid) / file).read_text(encoding="utf-8").splitlines():
        if line.startswith(name):
            return 1024 * int(line.split()[1])
    raise ValueError(f"/proc/{pid}/{file} has no {name}")

"""Where a proxy's time goes: py-spy on its busiest process while the load runs.

In: a running side and a scenario. Out: the functions by own time and by time with what they call,
and the collapsed stacks in a file (a flame graph is made from it by speedscope or flamegraph.pl).
Must never: change what is measured; py-spy reads the process's memory from outside.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from benchlib import cpu
from benchlib.place import SideError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from benchlib.place import Place
    from benchlib.scenarios import Scenario
    from benchlib.side import Side

SAMPLES_PER_SECOND = 400
# py-spy takes a thread that waits on a lock for a busy one. These wait; they do not work.
WAITING = re.compile(
    r"(?:_worker \(concurrent/futures/thread\.py\)"
    r"|(?:\w+\.)*(?:wait|get|acquire|select|poll) \((?:threading|queue|selectors|subprocess)\.py\))"
)
PACKAGES = re.compile(r".*/(?:site-packages|lib/python3\.\d+)/")


def find_py_spy() -> str:
    """The py-spy program, beside this Python or on the path.

    Raises:
        SideError: there is none.
    """
    beside = Path(sys.executable).parent
    program = shutil.which("py-spy", path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
    if program is None:
        raise SideError(f"py-spy is not installed: {sys.executable} -m pip install py-spy")
    return program


def record(
    place: Place, side: Side, scenario: Scenario, seconds: int, output: Path, *, native: bool
) -> float:
    """Sample the side's busiest process while the scenario runs on it.

    Returns:
        The side's CPU milliseconds per operation in that time, py-spy's pauses included.

    Raises:
        SideError: py-spy failed.
    """
    before = cpu.read(side.program.pid)
    scenario.sample(side, scenario.warm_up)
    busiest = cpu.busiest(before, cpu.read(side.program.pid))
    command = [find_py_spy(), "record", "--pid", str(busiest), "--duration", str(seconds)]
    command += ["--rate", str(SAMPLES_PER_SECOND), "--format", "raw", "--output", str(output)]
    if native:
        command.append("--native")
    spy = place.start("py-spy", command)
    time.sleep(0.5)
    spent = operations = 0.0
    while spy.running:
        sample = scenario.sample(side, scenario.warm_up * 2)
        spent, operations = spent + sample.cpu_seconds, operations + sample.operations
    if not output.exists():
        raise SideError(f"py-spy recorded nothing; it printed:\n{spy.last_words()}")
    return 1000 * spent / operations


def shares(lines: Iterable[str]) -> tuple[Counter[str], Counter[str], int]:
    """Count samples by function from collapsed stacks (`frame;frame;frame COUNT` a line).

    Returns:
        Samples in which a function was the innermost; those in which it was anywhere in the stack
        (once, however often it recurs); and all samples. Threads that only wait are left out.
    """
    own: Counter[str] = Counter()
    within: Counter[str] = Counter()
    total = 0
    for line in lines:
        stack, _, count = line.strip().rpartition(" ")
        if not stack:
            continue
        frames = [_function(frame) for frame in stack.split(";")]
        if WAITING.fullmatch(frames[-1]):
            continue
        own[frames[-1]] += int(count)
        for frame in set(frames):
            within[frame] += int(count)
        total += int(count)
    return own, within, total


def show(console: Console, output: Path, top: int) -> None:
    """Print the functions that take most."""
    own, within, total = shares(output.read_text(encoding="utf-8").splitlines())
    for title, counter in (("own time", own), ("with what it calls", within)):
        grid = Table(title=f"{title}: share of {total} samples")
        grid.add_column("share", justify="right")
        grid.add_column("other", justify="right", header_style="dim")
        grid.add_column("function", overflow="fold")
        other = within if counter is own else own
        for name, count in counter.most_common(top):
            grid.add_row(f"{count / total:.1%}", f"{other[name] / total:.1%}", name)
        console.print(grid)


def versions() -> str:
    """The version of py-spy."""
    made = subprocess.run([find_py_spy(), "--version"], capture_output=True, text=True, check=True)
    return made.stdout.strip()


def _function(frame: str) -> str:
    """`name (package/module.py)`: the line number is left out, so that a function is one row."""
    match = re.fullmatch(r"(.*) \((.*?)(?::\d+)?\)", frame)
    if match is None:
        return frame
    return f"{match[1]} ({PACKAGES.sub('', match[2])})"

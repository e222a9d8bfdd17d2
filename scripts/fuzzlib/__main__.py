"""The command `scripts/fuzz`: gives each target its share of the time, and says what came of it.

In: command line. Out: a line for each target, files of findings; exit status 1 when there are any.
Must never: fuzz in its own process (a finding may end it); leave a process behind.
"""

from __future__ import annotations

import argparse
import re
import resource
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fuzzlib.target import NAMES, target

if TYPE_CHECKING:
    from collections.abc import Sequence

_EXECUTED = re.compile(rb"stat::number_of_executed_units: (\d+)")


class Figures(NamedTuple):
    """What one run of a target came to.

    Attributes:
        executions: inputs tried.
        cpu: seconds, user and system.
        finding: whether it ended with one.
        said: what the process wrote last.
    """

    executions: int
    cpu: float
    finding: bool
    said: str


def main(argv: Sequence[str] | None = None) -> int:
    """Fuzz, and report."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20.0, help="in all (20)")
    parser.add_argument(
        "--target", choices=NAMES, action="append", help="may be given several times (all)"
    )
    parser.add_argument("--seed", type=int, default=1, help="another one tries other inputs")
    parser.add_argument("--simple", action="store_true", help="without atheris")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--try", dest="file", type=Path, help="check this one input")
    args = parser.parse_args(argv)
    names = args.target or list(NAMES)
    if args.file is not None:
        for name in names:
            target(name).check(args.file.read_bytes())
        print("Nothing found.")
        return 0
    args.findings.mkdir(parents=True, exist_ok=True)
    total: Counter[str] = Counter()
    seconds = max(1, round(args.minutes * 60 / len(names)))
    for name in names:
        figures = run(name, seconds, args.seed, args.findings, simple=args.simple)
        total.update(executions=figures.executions, findings=int(figures.finding))
        total["cpu"] += round(figures.cpu)
        print(
            f"{name:9} {figures.executions:10,} executions, {figures.cpu / 60:6.1f} CPU minutes: "
            f"{'A FINDING' if figures.finding else 'nothing found'}",
            flush=True,
        )
        if figures.finding:
            print(figures.said)
    print(
        f"together  {total['executions']:10,} executions, {total['cpu'] / 60:6.1f} CPU minutes,"
        f" {total['findings']} findings{f' (see {args.findings})' if total['findings'] else ''}"
    )
    return 1 if total["findings"] else 0


def run(name: str, seconds: int, seed: int, findings: Path, *, simple: bool) -> Figures:
    """Fuzz one target in a process of its own.

    Args:
        name: of the target.
        seconds: how long.
        seed: of chance.
        findings: folder for inputs that make a finding.
        simple: leave atheris out.
    """
    command = [
        sys.executable, "-m", "fuzzlib.run", name, f"--seconds={seconds}", f"--seed={seed}",
        f"--findings={findings}", *(["--simple"] if simple else []),
    ]  # fmt: skip
    before = _cpu()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _, said = process.communicate()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGTERM)
        process.wait()
        raise
    executed = _EXECUTED.search(said)
    last = said[-6000:].decode(errors="replace")
    return Figures(
        int(executed[1]) if executed else 0, _cpu() - before, bool(process.returncode), last
    )


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())

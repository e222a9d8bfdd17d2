"""The category index at its full size: file, opening, look-ups, memory.

In: how many names. Out: `Figures`, measured in a fresh process that only opens and asks.
Must never: measure a look-up that was asked before (no cache may help), or count the compiler.

Run as a module, this is that fresh process: `python -m benchlib.index INDEX HOSTS` prints JSON.
"""

from __future__ import annotations

import gc
import json
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, override

from benchlib.lists import ASKED, MadeUp, made_up
from benchlib.study import Study

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchlib.study import Bench
    from benchlib.study import Figures as Figures_

NAMES, QUICK_NAMES = 5_000_000, 500_000
OPENINGS = 5


@dataclass(frozen=True, slots=True)
class Figures:
    """What an index costs; sizes in 10^6 octets.

    Attributes:
        names: distinct names in it.
        megabytes: the file.
        compile_seconds: making it from lists.
        open_ms: opening and verifying it, median of fresh processes.
        lookup_us: one look-up of a host never asked before, its key made already: median.
        lookup_p99_us: the same, of the slowest hundredth.
        keyed_us: the same with the making of the key from the URL: median.
        found: share of the hosts asked that have a category.
        resident_megabytes: added to the process by opening it and by all look-ups; the mapped file
            is part of it and is shared by all workers.
        private_megabytes: of these, what each worker has for itself.
    """

    names: int
    megabytes: float
    compile_seconds: float
    open_ms: float
    lookup_us: float
    lookup_p99_us: float
    keyed_us: float
    found: float
    resident_megabytes: float
    private_megabytes: float


def measure(made: MadeUp) -> Figures:
    """Measure an index of made-up names.

    Raises:
        subprocess.CalledProcessError: a measuring process failed; it has said why.
    """
    command = [sys.executable, "-m", "benchlib.index", str(made.index), str(made.asked)]
    # Taken as a whole: each process opens anew and asks nothing that it has asked before.
    runs = [
        json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        for _ in range(OPENINGS)
    ]
    middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    return Figures(
        names=made.entries, megabytes=made.size / 1e6, compile_seconds=made.seconds, **middle
    )


def lines(figures: Figures) -> Iterator[str]:
    """The figures in words."""
    yield (
        f"Category index, {figures.names:,} names: {figures.megabytes:.1f} MB;"
        f" compiled in {figures.compile_seconds:.0f} s; opened in {figures.open_ms:.1f} ms;"
    )
    yield (
        f"  look-up of a host not asked before: median {figures.lookup_us:.1f} µs"
        f" (p99 {figures.lookup_p99_us:.1f}), with its key {figures.keyed_us:.1f} µs;"
        f" {figures.found:.0%} of {ASKED:,} hosts found;"
    )
    yield (
        f"  resident memory added {figures.resident_megabytes:.0f} MB, of which"
        f" {figures.private_megabytes:.0f} MB are not shared between workers."
    )


def _resident() -> tuple[int, int]:
    """Octets resident, and of these private to this process."""
    text = Path("/proc/self/smaps_rollup").read_text(encoding="ascii")
    sizes = dict(line.split(":") for line in text.splitlines()[1:])
    kib = {key: int(value.split()[0]) for key, value in sizes.items()}
    # A mapped file that no other process has open counts as private and clean; it is shareable.
    return 1024 * kib["Rss"], 1024 * kib["Private_Dirty"]


def _ask(index_file: Path, asked_file: Path) -> dict[str, float]:
    """Open and ask, in this process."""
    from proxy_addons.categorisation import CategoryIndex
    from proxy_addons.urlkey import url_key

    asked = asked_file.read_text().split()
    half = len(asked) // 2
    urls = [f"https://{host}/" for host in asked[:half]]
    keys = [url_key(f"https://{host}/") for host in asked[half:]]
    clock = time.perf_counter_ns
    gc.collect()
    gc.disable()
    before = _resident()
    start = clock()
    index = CategoryIndex.open(index_file)
    opening = clock() - start
    spent, keyed, found = [], [], 0
    for key in keys:
        start = clock()
        categories = index.lookup(key)
        spent.append(clock() - start)
        found += bool(categories)
    for url in urls:
        start = clock()
        categories = index.lookup(url_key(url))
        keyed.append(clock() - start)
        found += bool(categories)
    lists = sys.getsizeof(spent) + sys.getsizeof(keyed) + 32 * (len(spent) + len(keyed))
    after = _resident()
    return {
        "open_ms": opening / 1e6,
        "lookup_us": statistics.median(spent) / 1e3,
        "lookup_p99_us": statistics.quantiles(spent, n=100)[-1] / 1e3,
        "keyed_us": statistics.median(keyed) / 1e3,
        "found": found / len(asked),
        "resident_megabytes": (after[0] - before[0] - lists) / 1e6,
        "private_megabytes": (after[1] - before[1] - lists) / 1e6,
    }


class Index(Study):
    """The index at its full size."""

    name = "index"
    title = "category index"

    @override
    def measure(self, bench: Bench) -> Figures_:
        bench.doing(f"{self.name}: {bench.names:,} names")
        return asdict(measure(made_up(bench.place, bench.names)))

    @override
    def lines(self, figures: Figures_) -> Iterator[str]:
        return lines(Figures(**figures))


if __name__ == "__main__":
    print(json.dumps(_ask(Path(sys.argv[1]), Path(sys.argv[2]))))

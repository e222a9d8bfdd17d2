"""Importing lists: an archive in squidGuard layout, and as many names in every other format.

In: an archive (--lists), or made-up names. Out: seconds, CPU and memory of a fresh process that
imports the list and compiles the index, as `watchhouse categories import` does.
Must never: count the making of the lists.

Run as a module, this is that fresh process: `python -m benchlib.importing LIST FOLDER FORMAT`.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, override

from benchlib import lists
from benchlib.names import names
from benchlib.study import Bench, Figures, Study

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAMES, QUICK_NAMES = 638_000, 60_000
LAYOUT = "squidguard"
# How each format writes a name; a zone says of it and of what is below it.
WRITTEN: dict[str, Callable[[str], str]] = {
    "domains": lambda name: f"{name}\n",
    "hosts": lambda name: f"0.0.0.0 {name}\n",
    "adblock": lambda name: f"||{name}^\n",
    "rpz": lambda name: f"{name} CNAME .\n*.{name} CNAME .\n",
}


class Import(Study):
    """In a process of its own for each."""

    name = "import"
    title = "importing lists"

    @override
    def measure(self, bench: Bench) -> Figures:
        folder = bench.place.subfolder("import")
        number = QUICK_NAMES if bench.quick else NAMES
        archive = bench.lists or _archive(folder, number)
        made = list(names(number, seed=6))
        figures: Figures = {"lists": archive.name, "formats": {}}
        bench.doing(f"{self.name}: {archive.name}")
        figures[LAYOUT] = _measured(archive, folder / LAYOUT, LAYOUT)
        for written, line in WRITTEN.items():
            bench.doing(f"{self.name}: {number:,} names as {written}")
            source = folder / f"{written}.txt"
            source.write_text("".join(map(line, made)), encoding="ascii")
            figures["formats"][written] = _measured(source, folder / written, written)
        return figures

    @override
    def lines(self, figures: Figures) -> Iterator[str]:
        yield f"Importing lists and compiling the index (import): {figures['lists']}"
        for written, found in ((LAYOUT, figures[LAYOUT]), *figures["formats"].items()):
            yield (
                f"  {written:10} {found['entries']:9,} lines: {found['seconds']:5.1f} s"
                f" ({found['cpu_seconds']:.1f} s CPU), peak {found['peak_mb']:.0f} MB"
            )


def _archive(folder: Path, number: int) -> Path:
    lists.write_made_up(folder / "made-up", number)
    archive = folder / "made-up.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        tar.add(folder / "made-up", "made-up")
    return archive


def _measured(source: Path, folder: Path, written: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchlib.importing", str(source), str(folder), written]
    found: dict[str, float] = json.loads(
        subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    )
    return found


def _import(source: Path, folder: Path, written: str) -> dict[str, float]:
    """Import and compile, in this process."""
    begun = time.perf_counter()
    from proxy_addons.categorisation import Format, SourceFolders, ensure_index, import_lists

    report = import_lists(source, folder / "lists", format=Format(written), category=None)
    ensure_index(SourceFolders(folder / "none", folder / "lists"), folder / "index", force=True)
    seconds = time.perf_counter() - begun
    used = resource.getrusage(resource.RUSAGE_SELF)
    own = [kinds for name, kinds in report.counts.items() if name not in report.aliases]
    return {
        "entries": sum(sum(kinds.values()) for kinds in own),
        "seconds": seconds,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_mb": _peak() / 1e6,
    }


def _peak() -> int:
    """Octets. ru_maxrss would count the parent as it was before this program ran."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(1024 * int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line)


if __name__ == "__main__":
    print(json.dumps(_import(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])))

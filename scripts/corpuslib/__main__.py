"""The command `scripts/corpus`: fetches, builds, looks, and prints what was found.

In: command line. Out: tables; exit status 1 when software was not seen, or was seen where none is.
Must never: run what it fetched.
"""

from __future__ import annotations

import argparse
import importlib
import io
import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import track
from rich.table import Table

from corpuslib import build, fetch, others
from proxy_addons.content.types import HEAD, TAIL, is_plain, tail_types, types_of, types_of_file
from proxy_addons.policy.findings import GROUPS
from proxy_addons.settings.content import Archives

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from content.corpus import Shape

_SOFTWARE = GROUPS["software"]
_LOCKED = frozenset({"encrypted-archive", "unreadable-archive"})
_TIMED = 400
"""Heads on which time is taken."""
console = Console()


@dataclass
class Count:
    """What came of some shapes.

    Attributes:
        shapes: how many there are.
        head: how many are seen by their first bytes.
        tail: by these or the last ones.
        whole: by a look at the whole, members of archives too.
        missed: those that nothing saw, with what was found instead.
        other: those found to be other software than they are.
    """

    shapes: int = 0
    head: int = 0
    tail: int = 0
    whole: int = 0
    missed: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)


def main(argv: Sequence[str] | None = None) -> int:
    """Build the corpus, look at it, and say what was seen."""
    parser = argparse.ArgumentParser(prog="scripts/corpus", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--folder", type=Path, default=Path(".cache/corpus"), help="where it is kept"
    )
    parser.add_argument("--offline", action="store_true", help="fetch nothing; use what is there")
    parser.add_argument(
        "--others", action="store_true", help="measure other detectors too, where installed"
    )
    args = parser.parse_args(argv)
    folder: Path = args.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if not args.offline:
        with console.status("fetching") as status:
            for what in fetch.fetch(folder):
                status.update(f"fetching: {what}")
                if ": " in what:
                    console.print(f"left out: {what}")
    fetch.unpack(folder)
    software = list(_shown(build.software(folder), "shapes of software"))
    ordinary = list(_shown(build.ordinary(folder), "ordinary files"))
    counts = {packed: Count() for packed in (False, True)}
    kinds: dict[str, Count] = {}
    for shape in track(software, "looking at software", console=console):
        _look(shape, counts[shape.packed], kinds.setdefault(_kind(shape), Count()))
    false, unseen = [], []
    for shape in track(ordinary, "looking at ordinary files", console=console):
        found = _found(shape)
        for lines, those in ((false, _SOFTWARE), (unseen, GROUPS["unseen"])):
            if found & those:
                lines.append(f"{shape.name}: {', '.join(sorted(found & those))}")
    _print_kinds(kinds)
    _print(counts, ordinary, false, unseen)
    if args.others:
        _compare([shape for shape in software if not shape.packed], ordinary)
    return 1 if false or any(count.missed for count in counts.values()) else 0


def _shown(shapes: Iterable[Shape], what: str) -> Iterable[Shape]:
    with console.status(f"building {what}"):
        yield from shapes


def _kind(shape: Shape) -> str:
    """The row of the table by kinds: what it is, or what it is packed in or behind."""
    if not shape.packed:
        return min(shape.expected)
    where = re.search(r" (in|in a zip behind) (\S+)$", shape.name)
    if where is None:
        return "in an archive"
    if where[1] != "in":
        return f"in zip behind .{where[2].rpartition('.')[2]}"
    return f"in .{where[2].rpartition('.')[2]}"


def _look(shape: Shape, *tallies: Count) -> None:
    body = shape.bytes()
    if is_plain(body[:HEAD], shape.declared):  # then the gateway looks no closer
        head = frozenset[str]()
    else:
        head = types_of(body[:HEAD], shape.declared, whole=len(body) <= HEAD)
    tail = head | tail_types(body[-TAIL:], shape.declared)
    whole = _found(shape)
    for count in tallies:
        count.shapes += 1
        count.head += bool(head & (_SOFTWARE | shape.expected & _LOCKED))
        count.tail += bool(tail & (_SOFTWARE | shape.expected & _LOCKED))
        count.whole += bool(whole & (_SOFTWARE | _LOCKED))
        if not whole & (_SOFTWARE | _LOCKED):
            count.missed.append(f"{shape.name}: {', '.join(sorted(whole))}")
        elif not whole & (shape.expected | _LOCKED):
            count.other.append(f"{shape.name}: {', '.join(sorted(whole))}")


def _found(shape: Shape) -> frozenset[str]:
    """All that a look at the whole finds."""
    body = shape.bytes()
    found = types_of_file(io.BytesIO(body), shape.declared)
    return found | _members(body, shape, found)


def _members(body: bytes, shape: Shape, found: frozenset[str]) -> frozenset[str]:
    """What is in an archive, by the look that the gateway takes."""
    try:
        archives = importlib.import_module("proxy_addons.content.archives")
    except ImportError:
        return frozenset()  # measured with a Python that lacks libarchive's bindings
    if not archives.is_container(found, body[:HEAD]):
        return frozenset()
    members = archives.examine_archive(io.BytesIO(body), Archives(), shape.declared)
    return frozenset(members.types) | frozenset(members.itself)


def _print_kinds(kinds: dict[str, Count]) -> None:
    table = Table("what it is, or is packed in", "shapes", "seen by the head", "seen as a whole")
    for kind, count in sorted(kinds.items(), key=lambda item: (item[0][:3] == "in ", item[0])):
        table.add_row(kind, str(count.shapes), str(count.head), str(count.whole))
    console.print(table)


def _print(
    counts: dict[bool, Count], ordinary: list[Shape], false: list[str], unseen: list[str]
) -> None:
    table = Table("software", "shapes", "by the head", "with the tail", "as a whole", "not seen")
    for packed, count in counts.items():
        what = "in archives, or behind others" if packed else "itself, also disguised or cut short"
        figures = (count.shapes, count.head, count.tail, count.whole, len(count.missed))
        table.add_row(what, *map(str, figures))
    console.print(table)
    files = len({shape.body for shape in ordinary})
    console.print(
        f"{files} ordinary files in {len(ordinary)} shapes: {len(false)} of these taken for"
        f" software, {len(unseen)} cannot be looked into"
    )
    for name, lines in (
        ("not seen", [line for count in counts.values() for line in count.missed]),
        ("taken for other software", [line for count in counts.values() for line in count.other]),
        ("taken for software", false),
        ("cannot be looked into", unseen),
    ):
        for line in lines:
            console.print(f"{name}: {line}", markup=False, highlight=False)


def _compare(software: list[Shape], ordinary: list[Shape]) -> None:
    """The table of docs/adr/0021-file-types.md."""
    table = Table(
        "detector", "software seen", "without scripts", "false alarms", "µs a call", "MiB"
    )
    scripts = {"windows-script", "shell-script", "windows-settings", "windows-shortcut"}
    heads = [(shape.bytes()[:HEAD], shape) for shape in software]
    binary = [(head, shape) for head, shape in heads if not shape.expected & scripts]
    plain = [(shape.bytes()[:HEAD], shape) for shape in ordinary]
    asked: dict[str, Callable[[bytes, Shape], bool]] = {"ours": _ours}
    for name, ask in others.detectors().items():
        asked[name] = lambda head, _, ask=ask: bool(others.SOFTWARE.search(ask(head)))
    for name, sees in asked.items():
        found = Counter({"seen": 0, "binary": 0, "false": 0})
        for head, shape in track(heads, name, console=console):
            found["seen"] += sees(head, shape)
        found["binary"] = sum(sees(head, shape) for head, shape in binary)
        found["false"] = sum(sees(head, shape) for head, shape in plain)
        timed = (heads + plain)[:: max(1, len(heads + plain) // _TIMED)]
        start = time.process_time()
        for head, shape in timed:
            sees(head, shape)
        spent = (time.process_time() - start) / len(timed) * 1e6
        table.add_row(
            name,
            f"{found['seen']} of {len(heads)}",
            f"{found['binary']} of {len(binary)}",
            f"{found['false']} of {len(plain)}",
            f"{spent:,.0f}",
            _memory(name),
        )
    console.print(table)


def _ours(head: bytes, shape: Shape) -> bool:
    return bool(types_of(head, shape.declared, whole=len(head) < HEAD) & _SOFTWARE)


def _memory(name: str) -> str:
    """MiB that a detector adds to a process of its own."""
    load = (
        "import proxy_addons.content.types"
        if name == "ours"
        else f"from corpuslib import others; others.detectors_of({name!r})(b'x' * 4096)"
    )
    code = (
        "import re,resource\n"
        "def rss(): return int(open('/proc/self/statm').read().split()[1]) * 4096\n"
        f"before = rss()\n{load}\nprint((rss() - before) / 2**20)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return f"{float(done.stdout):.0f}" if done.returncode == 0 else "?"


if __name__ == "__main__":
    sys.exit(main())

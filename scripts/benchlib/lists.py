"""Category lists for a run: made-up ones of any size, or real ones out of an archive.

In: how many names; or a .tar.gz in squidGuard layout.
Out: lists in a folder, an index, hosts to ask for.
Must never: be asked for hosts of which all, or none, are listed.
"""

from __future__ import annotations

import random
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from benchlib.names import names

if TYPE_CHECKING:
    from benchlib.place import Place

CATEGORIES = 40
# Of a hundred names, so many stand in a second category too.
TWICE = 5
ASKED = 100_000
KINDS = ("domains", "urls")


@dataclass(frozen=True, slots=True)
class MadeUp:
    """An index of made-up names.

    Attributes:
        index: the file.
        asked: a file of hosts to ask for, one a line, half of them listed.
        entries: names in it; size: octets of the index; seconds: to compile it.
    """

    index: Path
    asked: Path
    entries: int
    size: int
    seconds: float


_MADE: dict[int, MadeUp] = {}


def made_up(place: Place, number: int) -> MadeUp:
    """An index of so many made-up names; made once in a run.

    Raises:
        ImportError: this Watchhouse has no category index.
    """
    if number not in _MADE:
        folder = place.subfolder(f"lists-{number}")
        asked = folder / "asked"
        hosts = write_made_up(folder / "lists", number)
        asked.write_text("".join(f"{host}\n" for host in hosts))
        _MADE[number] = compiled(folder / "lists", folder / "bench.index", asked)
    return _MADE[number]


def compiled(lists: Path, index: Path, asked: Path) -> MadeUp:
    """Compile lists as the gateway would."""
    from proxy_addons.categorisation import compile_index
    from proxy_addons.categorisation.tree import read_tree

    report = compile_index((read_tree("starter", lists),), index)
    return MadeUp(index, asked, report.entries, report.size, report.seconds)


def unpack(archive: Path, folder: Path, most: int) -> list[str]:
    """Take the categories with the most domains out of an archive.

    Args:
        archive: a .tar.gz in squidGuard layout, in a folder of any name.
        folder: where they go.
        most: how many categories.

    Returns:
        Their names. Of categories with the same number of octets, copies of each other as a rule,
        only the first is taken.
    """
    with tarfile.open(archive) as tar:
        files = {m.name: m for m in tar.getmembers() if m.isfile()}
        sizes = {
            PurePosixPath(name).parent.name: member.size
            for name, member in sorted(files.items())
            if PurePosixPath(name).name == "domains"
        }
        distinct = {size: name for name, size in sorted(sizes.items(), reverse=True)}
        chosen = [distinct[size] for size in sorted(distinct, reverse=True)[:most]]
        for name, member in files.items():
            path = PurePosixPath(name)
            if path.name in KINDS and path.parent.name in chosen:
                content = tar.extractfile(member)
                assert content is not None  # it is a file
                (folder / path.parent.name).mkdir(parents=True, exist_ok=True)
                (folder / path.parent.name / path.name).write_bytes(content.read())
    return chosen


def hosts_of(lists: Path, number: int) -> list[str]:
    """So many distinct hosts: half of them listed, of these half below a listed name."""
    listed = sorted(
        {
            line
            for path in lists.glob("*/domains")
            for line in path.read_text(encoding="utf-8", errors="replace").split()
            if line.isascii() and line[-1].isalpha()
        }
    )
    chance = random.Random(3)  # noqa: S311 (not for secrets: it must repeat itself)
    half = min(number // 2, len(listed))
    drawn = chance.sample(listed, half)
    found = {name if place % 2 else f"img.{name}": None for place, name in enumerate(drawn)}
    for name in names(number, seed=4):
        if len(found) >= number:
            break
        found.setdefault(name)
    hosts = list(found)
    chance.shuffle(hosts)
    return hosts


def zipf(hosts: list[str], number: int) -> list[str]:
    """So many of them, drawn with weights 1, 1/2, 1/3 …: as people come back to the same sites."""
    chance = random.Random(5)  # noqa: S311 (not for secrets: it must repeat itself)
    weights = [1 / rank for rank in range(1, len(hosts) + 1)]
    return chance.choices(hosts, weights, k=number)


def write_made_up(folder: Path, number: int) -> list[str]:
    """Write so many names into category lists; return hosts to ask for, half of them listed."""
    chance = random.Random(2)  # noqa: S311 (not for secrets: it must repeat itself)
    weights = [1 / (rank + 1) for rank in range(CATEGORIES)]
    files = []
    for category in range(CATEGORIES):
        (folder / f"category-{category:02d}").mkdir(parents=True)
        files.append((folder / f"category-{category:02d}" / "domains").open("w"))
    listed: list[str] = []
    unlisted: list[str] = []
    # Names beyond `number` are of the same making and are not listed.
    total = number + ASKED // 2
    step = number // (ASKED // 2)
    for place, name in enumerate(names(total)):
        if place >= number:
            unlisted.append(name)
            continue
        (file,) = chance.choices(files, weights)
        file.write(f"{name}\n")
        if chance.randrange(100) < TWICE:
            chance.choice(files).write(f"{name}\n")
        if place % step == 0 and len(listed) < ASKED // 2:
            # Half of them as a host below a listed name.
            listed.append(f"www.{name}" if place % (2 * step) else name)
    for file in files:
        file.close()
    asked = listed + unlisted
    chance.shuffle(asked)
    return asked

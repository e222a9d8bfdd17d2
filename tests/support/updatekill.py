"""Kills an update at each of its calls to the system, one after the other; looks at what is left.

In: a folder to work in; which calls count. Out: a line of JSON for each: which it was, what came
of it.
Must never: be imported by tests: it forks, which a process with threads must not do.

    python -m support.updatekill FOLDER CALL…
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy_addons.categorisation import CategoryIndex, SourceFolders
from proxy_addons.categorisation.updates.sourcesfile import Source
from proxy_addons.categorisation.updates.updating import Asked, Updater
from proxy_addons.urlkey import url_key
from support.listserver import names, tarred, tree_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ALL = (
    "open", "write", "fsync", "rename", "replace", "link", "symlink", "mkdir", "unlink", "rmdir",
)  # fmt: skip
OLD, NEW = names(0, 100), names(0, 101)


def updated(place: Path, day: int) -> str:
    """Update from the archive of the place; what came of it."""
    folders = SourceFolders(place / "categories", place / "lists")
    updater = Updater(
        folders, place / "index", now=lambda: datetime(2026, 11, day, 2, 15, tzinfo=UTC)
    )
    (outcome,) = updater.update((Source("bl", str(place / "bl.tar.gz")),), Asked())
    return str(outcome.status)


def offer(place: Path, content: str) -> None:
    """What the source has."""
    (place / "bl.tar.gz").write_bytes(tarred({"games/domains": content}))


def kill_at(number: int, said: int, calls: Sequence[str]) -> None:
    """From here on, end this process at its so manieth call."""
    left = [number]
    real_write = os.write

    def counting(module: Any, name: str) -> None:
        real: Callable[..., Any] = getattr(module, name)

        def call(*args: Any, **more: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                real_write(said, name.encode())
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **more)

        setattr(module, name, call)

    for name in calls:
        counting(os, name)
    counting(fcntl, "flock")


def decided(place: Path) -> str:
    """By which list the index decides: old, new, or neither."""
    index = CategoryIndex.open(place / "index")
    found = [index.lookup(url_key(f"https://site{number}.test/")) for number in (0, 99, 100)]
    games = frozenset({"games"})
    return {(games, games, games): "new", (games, games, frozenset()): "old"}.get(
        (found[0], found[1], found[2]), "neither"
    )


def listed(place: Path) -> str:
    """Which list is in force: old, new, or neither."""
    tree = tree_of(place / "lists" / "bl")
    known = {OLD.encode(): "old", NEW.encode(): "new"}
    return known.get(tree.get("games/domains", b""), "neither") if len(tree) == 1 else "neither"


def main(folder: Path, calls: Sequence[str]) -> None:
    """Try each call, until an update comes to its end."""
    base = folder / "base"
    (base / "categories").mkdir(parents=True)
    offer(base, OLD)
    assert updated(base, 20) == "updated"
    offer(base, NEW)
    number = 0
    while True:
        number += 1
        place = folder / "place"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(base, place, symlinks=True)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            kill_at(number, write, calls)
            updated(place, 21)
            os._exit(0)
        os.close(write)
        _, status = os.waitpid(child, 0)
        with os.fdopen(read) as file:
            call = file.read()
        said = {
            "number": number,
            "call": call,
            "killed": os.WIFSIGNALED(status),
            "decided": decided(place),
            "listed": listed(place),
            "again": updated(place, 22),
            "decided_then": decided(place),
            "listed_then": listed(place),
            "store": len(list((place / "lists/.store").iterdir())),
            "incoming": len(list((place / "lists/.history/.incoming").iterdir())),
            "versions": len(list((place / "lists/.history/bl").glob("2*"))),
        }
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()
        if not said["killed"]:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or ALL)

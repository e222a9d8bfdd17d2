"""The settings in force as files, and what is known of newer ones that are not.

In: the configuration folder, the run folder. Out: a copy of the files that count, which every
process of the gateway reads; a note of files that were rejected, for `/healthz` and the metrics.
Must never: let a process read half of one configuration and half of another; repeat in the note
what stands in a file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

VARIABLE: Final = "WATCHHOUSE_SETTINGS_FROM"
"""Names the folder of the copy to processes of the gateway."""
FILES: Final = ("watchhouse.yaml", "policy.yaml", "carriers.yaml")
"""What a configuration is read from; the last may be missing."""
PACKS: Final = "packs"
"""The folder of rules that a policy puts in from files of their own, where there is one."""
_FOLDER: Final = "settings"
_NOTE: Final = "settings-rejected.json"
_KEPT: Final = 3
"""Copies: a process that begins may still read the one before."""
_PLACES: Final = 5


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of the files of a configuration.

    Attributes:
        folder: where it is.
        digest: of names and octets.
    """

    folder: Path
    digest: str


def read_from(config_dir: Path) -> list[Path]:
    """The files that a configuration may be read from."""
    return [
        *(config_dir / name for name in FILES),
        *sorted((config_dir / PACKS).glob("*.yaml")),
    ]


def copied(config_dir: Path, run_dir: Path) -> Copy:
    """Copy the files of a configuration as they are now, whole.

    Raises:
        OSError: one cannot be read, or the copy cannot be made.
    """
    found = {}
    for path in read_from(config_dir):
        # Left out where it is not there: who reads the copy says what is missing.
        with contextlib.suppress(FileNotFoundError):
            found[str(path.relative_to(config_dir))] = path.read_bytes()
    digest = hashlib.sha256()
    for name, data in found.items():
        digest.update(f"{name} {len(data)}\n".encode())
        digest.update(data)
    above = run_dir / _FOLDER
    above.mkdir(mode=0o750, parents=True, exist_ok=True)
    copy = Copy(above / digest.hexdigest()[:24], digest.hexdigest())
    if not copy.folder.is_dir():
        half = above / f"{os.getpid()}.new"
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(mode=0o750)
        (half / PACKS).mkdir(mode=0o750)
        for name, data in found.items():
            (half / name).write_bytes(data)
        half.rename(copy.folder)
    os.utime(copy.folder)
    return copy


def forget(run_dir: Path, in_force: Copy) -> None:
    """Remove copies that nobody needs any more."""
    folders = [path for path in (run_dir / _FOLDER).iterdir() if path != in_force.folder]
    folders.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in folders[_KEPT - 1 :]:
        shutil.rmtree(path, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Rejected:
    """That newer files are not in force.

    Attributes:
        since: when the first of them were rejected; seconds since 1970.
        places: where they are wrong, as `file:line`; at most `_PLACES`.
    """

    since: float
    places: tuple[str, ...]


def note(run_dir: Path, since: float, places: Iterable[str]) -> None:
    """Note that newer files were rejected.

    Raises:
        OSError: it cannot be written.
    """
    path = run_dir / _NOTE
    said = {"since": since, "places": list(dict.fromkeys(places))[:_PLACES]}
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(said), encoding="utf-8")
    fresh.replace(path)


def clear(run_dir: Path) -> None:
    """What is in the files is in force."""
    (run_dir / _NOTE).unlink(missing_ok=True)


def rejected(run_dir: Path) -> Rejected | None:
    """What is known of newer files that are not in force; None where there are none."""
    try:
        said = json.loads((run_dir / _NOTE).read_bytes())
        return Rejected(float(said["since"]), tuple(map(str, said["places"])))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        # A note that cannot be read is one all the same.
        return Rejected(0.0, ())

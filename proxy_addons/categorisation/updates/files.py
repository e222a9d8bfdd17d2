"""Files and folders of the history: there whole, or not at all.

In: paths, text. Out: what outlives the power.
Must never: leave half a file under its name, or change what a hard link shares with a list.
"""

from __future__ import annotations

import filecmp
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from proxy_addons.categorisation.staging import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator


def put(path: Path, text: str) -> None:
    """Writes a file, whole and durable; one that is there is replaced.

    Raises:
        OSError: it is not written; what was there before still is.
    """
    half = path.with_name(f".{path.name}.half")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)
    sync_folder(path.parent)


def link_tree(source: Path, target: Path) -> None:
    """Makes a second tree of the same files: hard links, which take no room. Links stay links.

    Raises:
        OSError: it is not there whole.
    """
    target.mkdir(parents=True)
    for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
        to = target / entry.name
        if entry.is_symlink():
            to.symlink_to(Path(entry.path).readlink())
        elif entry.is_dir():
            link_tree(Path(entry.path), to)
        else:
            os.link(entry.path, to)
    sync_folder(target)


def share_same(new: Path, old: Path) -> None:
    """Lets a tree share the files that another has in the same place, octet by octet.

    Args:
        new: whose files are replaced by links; nobody else uses it yet.
        old: on the same disk.

    Raises:
        OSError: a file cannot be read, or not linked.
    """
    for path in _all(new):
        other = old / path.relative_to(new)
        if path.is_symlink() or not path.is_file() or other.is_symlink() or not other.is_file():
            continue
        if not path.samefile(other) and filecmp.cmp(path, other, shallow=False):
            link = path.with_name(f".{path.name}.same")
            os.link(other, link)
            link.replace(path)
            sync_folder(path.parent)


def digest_of_tree(root: Path) -> str:
    """A digest over all names, links and contents of a tree.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    for path in _all(root):
        name = str(path.relative_to(root))
        if path.is_symlink():
            digest.update(repr((name, "link", str(path.readlink()))).encode())
        elif path.is_file():
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(repr((name, "file", content)).encode())
    return digest.hexdigest()


def _all(root: Path) -> Iterator[Path]:
    """Every file and link, in an order that does not depend on the disk."""
    for path in sorted(root.iterdir()):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _all(path)

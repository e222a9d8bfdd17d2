"""Unpacks a list from a zip archive into a staging folder.

In: an open file, a `Staging`. Out: nothing; the staging folder is filled.
Must never: trust the archive: see unpack.py.
"""

from __future__ import annotations

import stat
import zipfile
from typing import IO, TYPE_CHECKING

from proxy_addons.categorisation.bounded import check_ratio
from proxy_addons.categorisation.report import CategoryImportError, quoted
from proxy_addons.categorisation.staging import MAX_ENTRIES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from proxy_addons.categorisation.staging import Staging

_ENCRYPTED = 1
_LONGEST_LINK = 1024  # octets


def unpack_zip(
    path: Path, raw: IO[bytes], staging: Staging, progress: Callable[[int, int], None]
) -> None:
    """Fills a staging folder.

    Raises:
        CategoryImportError: when anything about it is not as it should be.
        zipfile.BadZipFile: when it is damaged; RuntimeError and others come out of zipfile too.
    """
    with zipfile.ZipFile(raw) as archive:
        members = archive.infolist()
        if not members:
            raise CategoryImportError(f"{path}: an empty archive")
        if len(members) > MAX_ENTRIES:
            raise CategoryImportError(f"more than {MAX_ENTRIES} entries: not a category list")
        check_ratio(path.stat().st_size, sum(member.file_size for member in members))
        for number, member in enumerate(members, 1):
            _member(archive, member, staging)
            progress(number, len(members))


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, staging: Staging) -> None:
    name = staging.checked(member.filename)
    if member.flag_bits & _ENCRYPTED:
        raise CategoryImportError(f"{quoted(member.filename)}: encrypted")
    mode = member.external_attr >> 16  # of Unix, 0 where another system has packed
    if member.is_dir() or stat.S_ISDIR(mode):
        return
    with archive.open(member) as content:
        if stat.S_ISLNK(mode):
            target = content.read(_LONGEST_LINK).decode("utf-8", "surrogateescape")
            if "\0" in target or member.file_size > _LONGEST_LINK:
                raise CategoryImportError(f"{quoted(member.filename)}: no sensible link")
            staging.add_link(name, target)
            return
        if stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
            raise CategoryImportError(
                f"{quoted(member.filename)}: a device, pipe or special file: not a category list"
            )
        staging.add_file(name, content, member.file_size)
        if content.read(1):  # which also checks the sum
            raise CategoryImportError(f"{quoted(member.filename)}: longer than announced")

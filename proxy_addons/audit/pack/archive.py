"""The zip itself: the same files give the same octets; and reading one that is not to be trusted.

In: files by name; a path. Out: octets of a zip; files by name, and what is wrong with the zip.
Must never: write what it reads anywhere; read more than a pack may have.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

MOST: Final = 1 << 30
"""Octets of all files of a pack together, at most."""
_HEADS, _END = 76, 22  # octets of a file's two headers, and of the end (APPNOTE 4.3)
_MODE: Final = 0o100444


class ArchiveError(Exception):
    """It cannot be read at all. The text says why."""


def zipped(files: Mapping[str, bytes], at: datetime) -> bytes:
    """A zip of files, in the order of their names.

    Args:
        files: by name.
        at: date of each of them.
    """
    into = io.BytesIO()
    date = (max(1980, at.year), at.month, at.day, at.hour, at.minute, at.second)
    with zipfile.ZipFile(into, "w") as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, date)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = _MODE << 16
            info.create_system = 3
            archive.writestr(info, files[name], compresslevel=6)
    return into.getvalue()


def unzipped(path: Path) -> tuple[dict[str, bytes], list[tuple[str, str]]]:
    """The files of a pack, and what is wrong with how they are packed.

    Args:
        path: of a zip, or of a folder into which one was unpacked.

    Raises:
        ArchiveError: nothing can be read.
    """
    wrong: list[tuple[str, str]] = []
    files: dict[str, bytes] = {}
    try:
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                if file.is_file():
                    files[file.relative_to(path).as_posix()] = file.read_bytes()
            return files, wrong
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            if sum(each.file_size for each in infos) > MOST:
                raise ArchiveError(f"{path.name}: would be more than {MOST} octets")
            taken = sum(2 * len(each.filename) + each.compress_size for each in infos)
            if taken + _HEADS * len(infos) + _END != path.stat().st_size:
                wrong.append((path.name, "octets that belong to no file"))
            for each in infos:
                if each.filename in files:
                    wrong.append((each.filename, "is in there twice"))
                try:
                    files[each.filename] = archive.read(each)
                except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as problem:
                    # The others can still be looked at.
                    wrong.append((each.filename, f"cannot be read: {problem}"))
                    files[each.filename] = b""
    except (OSError, zipfile.BadZipFile, ValueError) as problem:
        # There is no zip: nothing of it counts.
        raise ArchiveError(f"{path.name}: not a whole zip: {problem}") from problem
    return files, wrong

"""Unpacks a list from an archive, a folder or one file into a staging folder.

In: a path to a tar archive (plain, gzip, bzip2, xz), a zip archive, a folder, or one file that may
be packed; a `Staging`.
Out: nothing; the staging folder is filled.
Must never: trust the archive: it is read member by member, with limits, and nothing of it reaches
the disk but the content of list files under checked names.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from proxy_addons.categorisation.bounded import LARGEST_READ, Bounded, XzReader
from proxy_addons.categorisation.report import CategoryImportError, quoted
from proxy_addons.categorisation.unpackzip import unpack_zip

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import PurePosixPath

    from proxy_addons.categorisation.staging import Staging

ARCHIVES = (*(".tar", ".tgz", ".tar.gz", ".tbz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz", ".zip"),)
_GZIP, _BZIP2, _XZ, _ZIP = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"PK"
_MAGIC = 6  # octets that tell them apart
_PACKED = re.compile(r"\.(?:gz|bz2|xz)\Z", re.IGNORECASE)
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE)


def unpack(path: Path, staging: Staging, progress: Callable[[int, int], None]) -> None:
    """Fills a staging folder.

    Args:
        path: an archive, a folder, or one file (packed or not), which keeps its name.
        staging: where list files go.
        progress: octets read of the archive (or files copied of the folder) and their total.

    Raises:
        CategoryImportError: when anything about it is not as it should be.
    """
    try:
        if path.is_dir():
            _copy_folder(path, staging, progress)
        else:
            _open_file(path, staging, progress)
        staging.finish()
    # The readers of archives let errors of conversions out: of numbers, texts and places in a
    # damaged header. RuntimeError: zipfile's for what it cannot read.
    except (
        tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError,
        gzip.BadGzipFile, ValueError, LookupError, OverflowError, RuntimeError,
    ) as error:  # fmt: skip
        raise CategoryImportError(
            f"{path}: not a whole archive ({', '.join(ARCHIVES)}), nor a folder"
            f" ({quoted(str(error))})"
        ) from error
    except OSError as error:  # the staging folder is removed by the caller
        # bz2 says that a file is damaged by an OSError that names nothing.
        raise CategoryImportError(
            f"{error.filename or path}: {error.strerror or f'not a whole archive ({error})'}"
        ) from error


def is_single(path: Path) -> bool:
    """Whether this is one file, packed or not, and neither a folder nor an archive of files.

    Raises:
        OSError: when it cannot be read.
    """
    if path.is_dir() or path.name.lower().endswith(ARCHIVES):
        return False
    with _opened(path) as raw:
        head = raw.read(_MAGIC)
        raw.seek(0)
        if head.startswith(_ZIP):
            return False
        try:
            return not _is_tar(_unpacked(raw).read(tarfile.BLOCKSIZE))
        except (EOFError, zlib.error, lzma.LZMAError, OSError):  # said when it is unpacked
            return True


def _is_tar(block: bytes) -> bool:
    if block and not block.strip(b"\0"):  # an archive of nothing
        return True
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.TarError, ValueError):  # it is something else, and read as that
        return False
    return True


def _opened(path: Path) -> IO[bytes]:
    # Not blocking: a pipe by the name of a list must not hold the import up.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise CategoryImportError(f"{path}: not a regular file")
    return os.fdopen(descriptor, "rb")


def _unpacked(raw: IO[bytes]) -> IO[bytes]:
    """The content of a file that may be packed."""
    head = raw.read(_MAGIC)
    raw.seek(0)
    if head.startswith(_GZIP):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=raw))
    if head.startswith(_BZIP2):
        return bz2.BZ2File(raw)
    if head.startswith(_XZ):
        return cast("IO[bytes]", io.BufferedReader(XzReader(raw)))
    return raw


def _open_file(path: Path, staging: Staging, progress: Callable[[int, int], None]) -> None:
    total = path.stat().st_size
    single = is_single(path)
    with _opened(path) as raw:
        if raw.read(len(_ZIP)).startswith(_ZIP):
            unpack_zip(path, raw, staging, progress)
            return
        raw.seek(0)
        bounded = Bounded(_unpacked(raw), total)
        if not single:
            _unpack_tar(path, bounded, staging, lambda: progress(raw.tell(), total))
            return
        if bounded.read(_MAGIC).startswith((_GZIP, _BZIP2, _XZ, _ZIP)):
            raise CategoryImportError(f"{path}: packed twice: unpack it once")
        raw.seek(0)
        source = Bounded(_unpacked(raw), total)
        name = _PACKED.sub("", path.name)
        staging.add_file(staging.checked(name), cast("IO[bytes]", source), None)
        progress(total, total)


def _unpack_tar(path: Path, bounded: Bounded, staging: Staging, told: Callable[[], None]) -> None:
    with tarfile.open(fileobj=bounded, mode="r:") as archive:
        count = 0
        for member in archive:
            _member(archive, member, staging)
            count += 1
            # tarfile keeps every member it has seen; a hostile archive has millions
            archive.members.clear()  # type: ignore[attr-defined]
            told()
        if not count:
            raise CategoryImportError(f"{path}: an empty archive")
    # tarfile takes a damaged or missing header for the end: half a list would pass for a whole.
    if bounded.last != bytes(tarfile.BLOCKSIZE):
        raise CategoryImportError(f"{path}: cut short or damaged: its end mark is missing")
    while bounded.read(LARGEST_READ):  # the checksum stands at the end
        pass


def _member(archive: tarfile.TarFile, member: tarfile.TarInfo, staging: Staging) -> None:
    name = staging.checked(member.name)
    if member.isdir():
        return
    if member.issym():
        staging.add_link(name, member.linkname)
    elif member.islnk():
        staging.add_hard_link(name, staging.checked(member.linkname))
    elif member.type in _FILES and not member.issparse():
        content = archive.extractfile(member)
        if content is None:
            raise CategoryImportError(f"{quoted(member.name)}: has no content")
        staging.add_file(name, content, member.size)
    else:
        raise CategoryImportError(
            f"{quoted(member.name)}: a device, pipe or special file: not a category list"
        )


def _copy_folder(path: Path, staging: Staging, progress: Callable[[int, int], None]) -> None:
    root = path.resolve()
    done = 0
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted([*folders, *files]):
            source = here / name
            if name.startswith("."):
                continue
            inside = staging.checked(str(source.relative_to(root)))
            if source.is_symlink():
                staging.add_link(inside, _relative_target(source, root))
            elif not source.is_dir():
                _copy(source, inside, staging)
            done += 1
            progress(done, done)


def _relative_target(link: Path, root: Path) -> str:
    target = link.readlink()
    if target.is_absolute() and target.is_relative_to(root):
        return os.path.relpath(target, link.parent)
    return str(target)


def _copy(source: Path, inside: PurePosixPath, staging: Staging) -> None:
    # Not blocking: a pipe by the name of a list must not hold the import up.
    descriptor = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise CategoryImportError(f"{quoted(str(inside))}: not a regular file")
        staging.add_file(inside, file, status.st_size)

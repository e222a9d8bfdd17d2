"""Unpacks a list from a tar archive or a folder into a staging folder.

In: a path to a `.tar`, `.tar.gz` or `.tgz` file, or a folder; a `Staging`.
Out: nothing; the staging folder is filled.
Must never: trust the archive: it is read member by member, with limits, and nothing of it reaches
the disk but the content of list files under checked names.
"""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from proxy_addons.categorisation.report import CategoryImportError, quoted
from proxy_addons.categorisation.staging import MAX_TOTAL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import PurePosixPath

    from proxy_addons.categorisation.staging import Staging

_GZIP_MAGIC = b"\x1f\x8b"
_LARGEST_READ = 1 << 21  # octets: more at once is a header that pretends to be huge
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE)


def unpack(path: Path, staging: Staging, progress: Callable[[int, int], None]) -> None:
    """Fills a staging folder.

    Args:
        path: an archive or a folder.
        staging: where list files go.
        progress: octets read of the archive (or files copied of the folder) and their total.

    Raises:
        CategoryImportError: when anything about it is not as it should be.
    """
    try:
        if path.is_dir():
            _copy_folder(path, staging, progress)
        else:
            _unpack_tar(path, staging, progress)
        staging.finish()
    # tarfile lets errors of its conversions out: of numbers, texts and places in a damaged header.
    except (
        tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile,
        ValueError, LookupError, OverflowError,
    ) as error:  # fmt: skip
        raise CategoryImportError(
            f"{path}: not a whole .tar, .tar.gz or .tgz archive, nor a folder"
            f" ({quoted(str(error))})"
        ) from error
    except OSError as error:  # the staging folder is removed by the caller
        raise CategoryImportError(f"{error.filename or path}: {error.strerror or error}") from error


def _unpack_tar(path: Path, staging: Staging, progress: Callable[[int, int], None]) -> None:
    total = path.stat().st_size
    with path.open("rb") as raw:
        packed = raw.read(2) == _GZIP_MAGIC
        raw.seek(0)
        inner = gzip.GzipFile(fileobj=raw) if packed else raw
        bounded = _Bounded(inner)
        with tarfile.open(fileobj=bounded, mode="r:") as archive:
            count = 0
            for member in archive:
                _member(archive, member, staging)
                count += 1
                # tarfile keeps every member it has seen; a hostile archive has millions
                archive.members.clear()  # type: ignore[attr-defined]
                progress(raw.tell(), total)
            if not count:
                raise CategoryImportError(f"{path}: an empty archive")
        # tarfile takes a damaged or missing header for the end: half a list would pass for a whole.
        if bounded.last != bytes(tarfile.BLOCKSIZE):
            raise CategoryImportError(f"{path}: cut short or damaged: its end mark is missing")
        while bounded.read(_LARGEST_READ):  # gzip's checksum stands at its end
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


class _Bounded(io.RawIOBase):
    """A seekable file that refuses to be read beyond limits.

    A few octets of gzip can announce a header of gigabytes, which tarfile would read in one go.
    """

    def __init__(self, inner: gzip.GzipFile | io.BufferedReader) -> None:
        self._inner = inner
        self.last = b""  # what the last read gave

    def read(self, size: int = -1, /) -> bytes:
        if not 0 <= size <= _LARGEST_READ:
            raise CategoryImportError("the archive has a header larger than any list needs")
        if self._inner.tell() > MAX_TOTAL:
            raise CategoryImportError(f"the archive unpacks to more than {MAX_TOTAL} octets")
        self.last = self._inner.read(size)
        return self.last

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if offset > MAX_TOTAL:
            raise CategoryImportError(f"the archive unpacks to more than {MAX_TOTAL} octets")
        return self._inner.seek(offset, whence)

    def tell(self) -> int:
        return self._inner.tell()

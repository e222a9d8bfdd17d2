"""The index file: one file, mapped read-only by every worker, replaced as a whole.

    offset 0   marisa trie of index texts (entries.py); each text has a number
    then       values: for each number the number of a category set, 1, 2 or 4 octets each
    then       UTF-8 JSON: category sets, expressions, counts, versions (index.py reads it)
    at the end trailer: where these are, a checksum over all of them, format, magic

The trie stands first because marisa maps a file from its beginning and takes no notice of what
follows. Magic and format stand last, so that a reader finds them whatever a version put before.

In: a trie, values and metadata; or a path. Out: a complete file in place of the old one; or what
stands in it, verified.
Must never: change a file that may be mapped (a new one takes its name), or open one that is not
whole: a damaged index would call the worst site uncategorised.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import marisa_trie
import orjson

from proxy_addons.categorisation.report import CategoryIndexError

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 2  # raise it whenever the file, or the meaning of a text in it, changes
_MAGIC = b"WatchhouseCatIdx"
_TRIE_MAGIC = b"We love Marisa."
# values offset, values count, value width, metadata offset, metadata size, file size,
# CRC-32 of all before the trailer, CRC-32 of the fields before this one, format, magic
_TRAILER = struct.Struct("<QQIQQQIII16s")
_BEFORE_OWN_CHECK = struct.calcsize("<QQIQQQI")
VALUE_TYPES = {1: "B", 2: "H", 4: "I"}  # width in octets: code of struct and array
_BLOCK = 1 << 20
_FIX = "make it anew with: watchhouse categories compile"


@dataclass(frozen=True, slots=True)
class Opened:
    """A verified index file.

    Attributes:
        trie: the mapped trie.
        values: for each number of the trie the number of its category set; a view of the file.
        meta: the JSON.
        identity: device, inode, modification time: changes when the file is replaced.
        size: octets.
    """

    trie: Any
    values: memoryview
    meta: dict[str, Any]
    identity: tuple[int, int, int]
    size: int


def identity_of(path: Path) -> tuple[int, int, int] | None:
    """Which file stands at a path: device, inode, modification time; None when there is none."""
    try:
        status = path.stat()
    except OSError:  # whoever holds an index goes on with it
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns


def value_width(highest: int) -> int:
    """Octets that hold numbers up to the given one."""
    return next(width for width in VALUE_TYPES if highest < 1 << (8 * width))


def write_index(path: Path, trie: Any, values: memoryview, meta: dict[str, Any]) -> int:
    """Writes an index and puts it in the place of the one before.

    Args:
        path: where it goes. What is mapped under this name stays valid.
        trie: a `marisa_trie.Trie`.
        values: as the file has them.
        meta: what becomes the JSON.

    Returns:
        Size in octets.

    Raises:
        OSError: when it cannot be written; the file before is untouched.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        try:
            trie.save(str(new))
        except RuntimeError as error:  # marisa's I/O error: nothing has been replaced
            raise OSError(f"{new}: cannot be written: {error}") from error
        size = _append(new, values, orjson.dumps(meta))
        new.replace(path)
        _sync_folder(path.parent)
    finally:
        new.unlink(missing_ok=True)
    return size


def _append(new: Path, values: memoryview, meta: bytes) -> int:
    with new.open("r+b") as file:
        values_offset = file.seek(0, os.SEEK_END)
        values_offset += file.write(bytes(-values_offset % 8))
        file.write(values.cast("B"))
        meta_offset = file.tell()
        file.write(meta)
        body = file.tell()
        check = 0
        file.seek(0)
        while block := file.read(_BLOCK):
            check = zlib.crc32(block, check)
        file.seek(body)
        size = body + _TRAILER.size
        fields = (values_offset, len(values), values.itemsize, meta_offset, len(meta), size, check)
        own = zlib.crc32(struct.pack("<QQIQQQI", *fields))
        file.write(_TRAILER.pack(*fields, own, FORMAT, _MAGIC))
        file.flush()
        os.fsync(file.fileno())
    return size


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_index(path: Path) -> Opened:
    """Maps and verifies an index file.

    Raises:
        CategoryIndexError: when it is missing, cut short, damaged, foreign or of another format.
    """
    # marisa opens the file by name a second time; had it been replaced in between, the trie of one
    # file would be read with the values of another.
    for _ in range(5):
        opened = _open_once(path)
        if identity_of(path) == opened.identity:
            return opened
    raise CategoryIndexError(f"{path}: is being replaced again and again while it is opened")


def _open_once(path: Path) -> Opened:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_size < _TRAILER.size:
                raise CategoryIndexError(f"{path}: cut short, or no category index; {_FIX}")
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise CategoryIndexError(f"{path}: there is no category index; {_FIX}") from None
    except (OSError, ValueError) as error:  # the caller refuses traffic
        raise CategoryIndexError(f"{path}: cannot be opened: {error}") from error
    view = memoryview(mapped)
    values, meta = _verified(path, view)
    mapped.madvise(mmap.MADV_DONTNEED)  # verifying touched every page: give them back
    try:
        trie = marisa_trie.Trie().mmap(str(path))
        details = orjson.loads(meta)
    except (RuntimeError, OSError, ValueError) as error:  # the caller refuses traffic
        raise CategoryIndexError(f"{path}: damaged ({error}); {_FIX}") from error
    if len(trie) != len(values) or not isinstance(details, dict):
        raise CategoryIndexError(f"{path}: damaged (its parts disagree); {_FIX}")
    identity = (status.st_dev, status.st_ino, status.st_mtime_ns)
    return Opened(trie, values, details, identity, status.st_size)


def _verified(path: Path, view: memoryview) -> tuple[memoryview, memoryview]:
    trailer = view[-_TRAILER.size :]
    *fields, check, own, form, magic = _TRAILER.unpack(trailer)
    if magic != _MAGIC:
        whole = (
            "cut short" if bytes(view[: len(_TRIE_MAGIC)]) == _TRIE_MAGIC else "no category index"
        )
        raise CategoryIndexError(f"{path}: {whole}; {_FIX}")
    if form != FORMAT:
        raise CategoryIndexError(
            f"{path}: has format {form}, this version reads format {FORMAT}; {_FIX}"
        )
    if zlib.crc32(trailer[:_BEFORE_OWN_CHECK]) != own:
        raise CategoryIndexError(f"{path}: damaged (trailer); {_FIX}")
    values_offset, count, width, meta_offset, meta_size, size = fields
    body = view[: -_TRAILER.size]
    if size != len(view) or meta_offset + meta_size != len(body) or width not in VALUE_TYPES:
        raise CategoryIndexError(f"{path}: cut short or lengthened; {_FIX}")
    if zlib.crc32(body) != check:
        raise CategoryIndexError(f"{path}: damaged (checksum); {_FIX}")
    octets = body[values_offset : values_offset + count * width]
    values = octets.cast("B") if width == 1 else octets.cast("H" if width == 2 else "I")
    return values, body[meta_offset:]

"""Reads archives with libarchive: their members, one after another.

In: a descriptor of a file. Out: members: names, sizes, bytes.
Must never: be used in the gateway's own process (examiner.py has others); write a member to
anywhere; start a program.

Formats and filters are named one by one. libarchive's "all" has `mtree`, which opens the files that
its text names, and filters that start programs (lrzip, grzip, and whatever it was built without).

libarchive comes in the wheel `archi`, the newest one as a rule; `$LIBARCHIVE` names another. Where
there is none, `missing()` says why, and every archive is one that cannot be read.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import logging
import os
import stat
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

_FORMATS: Final = (
    *("zip", "7zip", "rar", "rar5", "tar", "cpio", "iso9660", "cab", "lha", "xar", "ar"),
)
# No bzip2: the wheel is built without it. archives.py unpacks it with Python's own module.
_FILTERS: Final = ("gzip", "xz", "lzma", "lzip", "zstd", "lz4", "compress", "rpm")
_BLOCK: Final = 1 << 16
_LONGEST_NAME: Final = 4096  # bytes; more is no name

# archive.h
_OK, _EOF, _FAILED = 0, 1, -25
# What libarchive says of each format when there is a password and it has none.
_OF_PASSWORDS: Final = ("encrypt", "passphrase", "crypto")


class UnreadableError(Exception):
    """An archive cannot be read, or not to its end.

    Attributes:
        encrypted: because a password is needed.
    """

    def __init__(self, why: str, *, encrypted: bool = False) -> None:
        super().__init__(why)
        self.encrypted = encrypted


class DamagedMemberError(Exception):
    """One member cannot be read; those after it may be.

    Attributes:
        encrypted: because a password is needed.
    """

    def __init__(self, why: str, *, encrypted: bool = False) -> None:
        super().__init__(why)
        self.encrypted = encrypted


class Member:
    """What is in an archive; valid until the next one is asked for.

    Attributes:
        name: as it stands there, which is to be trusted in nothing.
        regular: whether it is a file (no folder, link or device).
        size: bytes, as the archive claims; 0 where it does not say.
        encrypted: whether a password is needed.
    """

    __slots__ = ("_archive", "encrypted", "name", "regular", "size")

    def __init__(self, archive: Archive, entry: ctypes.c_void_p) -> None:
        ffi = _ffi()
        self._archive = archive
        self.name = _name_of(entry)
        # A member without a kind (7z, raw) is a file. A hard link to an earlier one has no bytes.
        kind = ffi.entry_filetype(entry)
        self.regular = kind in (0, stat.S_IFREG) and ffi.entry_hardlink(entry) is None
        self.size = max(0, ffi.entry_size(entry)) if ffi.entry_size_is_set(entry) else 0
        self.encrypted = bool(_own("archive_entry_is_encrypted")(entry))

    def read(self, size: int) -> bytes:
        """Its next bytes: fewer than asked for at its end only.

        Raises:
            DamagedMemberError: it cannot be read on; the archive can.
            UnreadableError: the archive cannot be read on.
        """
        return self._archive.read(size)


class Archive:
    """An open archive. Use it as a context manager; iterating gives its members."""

    def __init__(self, descriptor: int) -> None:
        """Opens an archive.

        Args:
            descriptor: of a regular file, from its beginning; stays open, and its place moves.

        Raises:
            UnreadableError: no libarchive, no archive, or one that it does not know.
        """
        if why := missing():
            raise UnreadableError(why)
        self._descriptor = descriptor
        self._buffer = ctypes.create_string_buffer(_BLOCK)
        self._handle: Any = None
        self._waiting: ctypes.c_void_p | None = None
        try:
            self._open(_FORMATS)
            # Zeros, packed, could be a tar archive of nothing: they are looked at as a file.
            self.raw = self._waiting is None and self.filters > 0
        except UnreadableError as error:
            if error.encrypted:
                raise
            # A single file that is packed (.gz and its kin); of a file that is not, nothing.
            self.raw = True
        if self.raw:
            self._open(("raw", "empty"))

    def _open(self, formats: tuple[str, ...]) -> None:
        ffi = _ffi()
        self.close()
        self._handle = ffi.read_new()
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        try:
            for name in _filters():
                ffi.get_read_filter_function(name)(self._handle)
            for name in formats:
                ffi.get_read_format_function(name)(self._handle)
            if "tar" in formats:
                _go_on_behind_the_end(self._handle)
            ffi.read_open_fd(self._handle, self._descriptor, _BLOCK)
            self._waiting = self._header()
        except _archive_error() as error:
            raise self._unreadable(error) from error

    @property
    def filters(self) -> int:
        """How many layers of packing are around it (.tar.gz has one)."""
        return int(_ffi().filter_count(self._handle)) - 1

    @property
    def known(self) -> bool:
        """Whether it is an archive, or a file that is packed."""
        return not self.raw or self.filters > 0

    @property
    def format(self) -> str:
        """The format by the name that libarchive gives it."""
        return str((_ffi().format_name(self._handle) or b"").decode("ascii", "replace"))

    def __iter__(self) -> Iterator[Member]:
        """Its members.

        Raises:
            UnreadableError: at the place from which on it cannot be read.
        """
        if not self.known:
            raise UnreadableError("no archive that is known")
        entry = self._waiting
        while entry is not None:
            yield Member(self, entry)
            try:
                entry = self._header()
            except _archive_error() as error:
                raise self._unreadable(error) from error
        # 7z and rar say so of the whole when not even the names can be read.
        if self._has_encrypted():
            raise UnreadableError("needs a password", encrypted=True)

    def _header(self) -> ctypes.c_void_p | None:
        entry = ctypes.c_void_p()
        code = _ffi().read_next_header(self._handle, ctypes.byref(entry))
        return None if code == _EOF else entry

    def read(self, size: int) -> bytes:
        """As `Member.read`, of the member that is current."""
        parts = []
        while size > 0:
            try:
                got = _ffi().read_data(self._handle, self._buffer, min(size, _BLOCK))
            except _archive_error() as error:
                unreadable = self._unreadable(error)
                if error.retcode == _FAILED:
                    raise DamagedMemberError(
                        str(unreadable), encrypted=unreadable.encrypted
                    ) from error
                raise unreadable from error
            if got < 0:  # a warning: a wrong checksum, a length that is not so
                raise DamagedMemberError("its bytes are not what the archive says")
            if not got:
                break
            parts.append(self._buffer.raw[:got])
            size -= got
        return b"".join(parts)

    def _unreadable(self, error: Any) -> UnreadableError:
        said = str(error.msg)
        asks = any(word in said.lower() for word in _OF_PASSWORDS)
        return UnreadableError(said, encrypted=asks or self._has_encrypted())

    def _has_encrypted(self) -> bool:
        # It crashes where no format was recognised.
        return bool(_own("archive_format")(self._handle)) and (
            _own("archive_read_has_encrypted_entries")(self._handle) > 0
        )

    def close(self) -> None:
        """Frees it."""
        if self._handle is not None:
            handle, self._handle = self._handle, None
            with suppress(_archive_error()):  # it is freed all the same
                _ffi().read_free(handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@cache
def missing() -> str:
    """Why no archive can be read on this machine; "" when they can."""
    try:
        _ffi()
    except (ImportError, OSError, AttributeError, TypeError) as error:
        # As libarchive-c fails without a library. Whoever asked has archives that cannot be read.
        return (
            f"libarchive cannot be used ({error}): install the package archi, which carries it,"
            " or the system's (libarchive13), or set LIBARCHIVE to its path"
        )
    return "" if _filters() else "libarchive was built without any compression"


def version() -> str:
    """Which libarchive it is, and what it was built with."""
    return str(_own("archive_version_details", ctypes.c_char_p)().decode("ascii", "replace"))


@cache
def _ffi() -> Any:
    """The functions of libarchive, as libarchive-c declares them."""
    # Its warnings quote names out of archives.
    logging.getLogger("libarchive").disabled = True
    bundled = None if "LIBARCHIVE" in os.environ else _bundled()
    if bundled is None:
        return importlib.import_module("libarchive.ffi")
    os.environ["LIBARCHIVE"] = str(bundled)  # it looks there as it is imported
    try:
        return importlib.import_module("libarchive.ffi")
    finally:
        del os.environ["LIBARCHIVE"]


def _bundled() -> Path | None:
    """The library that the wheel `archi` carries, beside its module."""
    spec = importlib.util.find_spec("archi")
    if spec is None or spec.origin is None:
        return None
    return next(Path(spec.origin).parent.glob("archi.libs/libarchive*.so*"), None)


@cache
def _archive_error() -> Any:
    return importlib.import_module("libarchive.exception").ArchiveError


@cache
def _filters() -> tuple[str, ...]:
    """Those that need no other program: libarchive warns of those that do."""
    ffi = _ffi()
    handle = ffi.read_new()
    try:
        return tuple(name for name in _FILTERS if ffi.get_read_filter_function(name)(handle) == _OK)
    finally:
        ffi.read_free(handle)


@cache
def _own(name: str, result: Any = ctypes.c_int) -> Any:
    """A function that libarchive-c does not declare; its argument, if any, is a pointer."""
    function = getattr(_ffi().libarchive, name)
    function.argtypes = [] if result is ctypes.c_char_p else [ctypes.c_void_p]
    function.restype = result
    return function


def _go_on_behind_the_end(handle: Any) -> None:
    """What stands behind a tar archive's end is another: `tar --ignore-zeros` unpacks it."""
    function = _ffi().libarchive.archive_read_set_format_option
    function.argtypes = [ctypes.c_void_p, *([ctypes.c_char_p] * 3)]
    function.restype = ctypes.c_int
    function(handle, b"tar", b"read_concatenated_archives", b"1")


def _name_of(entry: ctypes.c_void_p) -> str:
    """The name as text; what cannot be read as UTF-8 is read as Latin-1, so that none is lost."""
    ffi = _ffi()
    raw: bytes | None = ffi.entry_pathname(entry)
    if raw is None:
        wide: str | None = ffi.entry_pathname_w(entry)
        return (wide or "")[:_LONGEST_NAME]
    raw = raw[-_LONGEST_NAME:]
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")

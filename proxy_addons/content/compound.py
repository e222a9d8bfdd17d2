"""Looks into compound files ([MS-CFB]): Office up to 2003, messages of Outlook, installers.

In: a file. Out: ids of what it is (macros, a password, an installer), and files that it carries.
Must never: be used in the gateway's own process; unpack what was not asked for.

olefile reads the container. Which stream says what is in [MS-OVBA] 2.2.1, [MS-XLS] 2.4, [MS-DOC]
2.5.2, [MS-PPT] 2.4.10, [MS-OFFCRYPTO] 2.3.4 and [MS-OXMSG] 2.2.
"""

from __future__ import annotations

import importlib
import struct
from typing import IO, TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

_STREAM: Final = 64 << 20  # bytes of one stream that are read, at most
_FREE: Final = 0xFFFFFFFF  # a sector that nothing uses
_RECORDS: Final = 100_000
_INSTALLERS: Final = frozenset({
    "000C1084-0000-0000-C000-000000000046",  # package
    "000C1086-0000-0000-C000-000000000046",  # patch
    "000C1082-0000-0000-C000-000000000046",  # transform
})  # fmt: skip
# [MS-OFFCRYPTO] 2.2: of a password, or of rights management.
_ENCRYPTED: Final = frozenset({"encryptedpackage", "encryptioninfo", "encryptedsummary"})
_RIGHTS: Final = "\x09drmcontent"
_MACROS: Final = frozenset({"_vba_project", "_vba_project_cur", "vba", "macros"})
_CARRIES: Final = frozenset({"\x01ole10native", "package", "contents", "embeddedodf"})
_ATTACHED: Final = "__substg1.0_37010102"
_ATTACHED_NAMES: Final = ("__substg1.0_3707001f", "__substg1.0_3704001f")


def missing() -> str:
    """Why no compound file can be read on this machine; "" when they can."""
    try:
        importlib.import_module("olefile")
    except ImportError as error:
        return f"olefile cannot be used ({error}): install the package olefile"
    return ""


class DamagedError(Exception):
    """It is no compound file, or not a whole one."""


class Compound:
    """A compound file. Close it after use.

    Args:
        file: it; stays open.

    Raises:
        DamagedError: it cannot be read.
    """

    def __init__(self, file: IO[bytes]) -> None:
        if why := missing():
            raise DamagedError(why)
        olefile = importlib.import_module("olefile")
        self._file = file
        try:
            file.seek(0)
            # What its reader calls fatal or incorrect is an error; what it can do without is not.
            self._ole: Any = olefile.OleFileIO(file, raise_defects=olefile.DEFECT_INCORRECT)
            self._paths = [tuple(path) for path in self._ole.listdir(streams=True, storages=True)]
        except Exception as error:
            # Whatever hostile bytes make of a parser: the file cannot be read.
            raise DamagedError(str(error)) from error

    def kinds(self) -> set[str]:
        """Ids of what it is.

        Raises:
            DamagedError: a stream that says so cannot be read.
        """
        parts = {part.lower() for path in self._paths for part in path}
        kinds = set()
        if parts & _MACROS:
            kinds.add("office-macros")
        if parts & _ENCRYPTED or _RIGHTS in parts:
            kinds.add("encrypted-document")
        if str(self._ole.root.clsid).upper() in _INSTALLERS:
            kinds.add("windows-installer")
        for path in self._paths:
            if len(path) == 1 and (read := _READERS.get(path[0].lower())):
                kinds |= read(self._stream(path))
        return kinds

    def carried(self) -> Iterator[tuple[str, bytes]]:
        """Files that it carries: names, which may be "", and bytes.

        Raises:
            DamagedError: one cannot be read.
        """
        for path in self._paths:
            last = path[-1].lower()
            if last == _ATTACHED:
                yield self._attached_name(path[:-1]), self._stream(path)
            elif last in _CARRIES and self._ole.get_type(list(path)) == 2:
                content = self._stream(path)
                yield _native(content) if last == "\x01ole10native" else ("", content)
        if behind := self._behind():
            yield "", behind

    def _behind(self) -> bytes:
        """What follows its last sector: it is no part of it, and may be an archive."""
        table = self._ole.fat
        used = next((at for at in range(len(table) - 1, -1, -1) if table[at] != _FREE), 0)
        self._file.seek((used + 2) * self._ole.sector_size)
        return self._file.read(_STREAM)

    def _attached_name(self, folder: tuple[str, ...]) -> str:
        for wanted in _ATTACHED_NAMES:
            for path in self._paths:
                if path[:-1] == folder and path[-1].lower() == wanted:
                    return self._stream(path).decode("utf-16-le", "replace").partition("\0")[0]
        return ""

    def _stream(self, path: tuple[str, ...]) -> bytes:
        if self._ole.get_type(list(path)) != 2:  # a storage has no bytes
            return b""
        try:
            found: bytes = self._ole.openstream(list(path)).read(_STREAM)
        except Exception as error:  # as above
            raise DamagedError(str(error)) from error
        return found


def _workbook(stream: bytes) -> set[str]:
    """[MS-XLS] 2.4.28 BoundSheet8 (sheets of macros or VBA) and 2.4.117 FilePass."""
    kinds = set()
    place = 0
    for _ in range(_RECORDS):
        if place + 4 > len(stream):
            break
        kind, size = struct.unpack_from("<HH", stream, place)
        body = stream[place + 4 : place + 4 + size]
        if kind == 0x000A:  # the end of what is said of the whole workbook
            break
        if kind == 0x002F:
            kinds.add("encrypted-document")
        elif kind == 0x0085 and len(body) > 5 and body[5] in {0x01, 0x06}:
            kinds.add("office-macros")
        place += 4 + size
    return kinds


def _word(stream: bytes) -> set[str]:
    """[MS-DOC] 2.5.2 FibBase: fEncrypted."""
    if len(stream) < 12 or not struct.unpack_from("<H", stream, 10)[0] & 0x0100:
        return set()
    return {"encrypted-document"}


def _slides(stream: bytes) -> set[str]:
    """[MS-PPT] 2.4.10 VBAInfoAtom: fHasMacros."""
    place = -1
    while (place := stream.find(_VBA_INFO, place + 1)) >= 0:
        flag = stream[place + 12 : place + 16]
        if any(flag):
            return {"office-macros"}
    return set()


_VBA_INFO: Final = b"\x02\x00\x00\x04\x0c\x00\x00\x00"
_READERS: Final = {
    "workbook": _workbook,
    "book": _workbook,
    "worddocument": _word,
    "powerpoint document": _slides,
}


def _native(content: bytes) -> tuple[str, bytes]:
    """The file in an OLE package ([MS-OLEDS] 2.3.6, and what Packager writes there)."""
    try:
        label_end = content.index(b"\0", 6)
        path_end = content.index(b"\0", label_end + 1)
        (command,) = struct.unpack_from("<I", content, path_end + 5)
        start = path_end + 9 + command
        (size,) = struct.unpack_from("<I", content, start)
    except (ValueError, struct.error):  # no package: what is in it is looked at as it is
        return "", content[4:]
    if not 0 < size <= len(content) - start - 4:
        return "", content[4:]
    return content[6:label_end].decode("latin-1"), content[start + 4 : start + 4 + size]

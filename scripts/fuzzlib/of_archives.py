"""Target: the import of archives.

An archive becomes a list, or a CategoryImportError that names it; nothing is written outside.

In: a byte that says how it is packed, then an archive: 1 gzip, 2 bzip2, 3 xz, else not at all.
Out: nothing, or a finding. Must never: leave what it unpacked.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import tarfile
import zipfile
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from fuzzlib.place import folder
from proxy_addons.categorisation.imports import import_lists
from proxy_addons.categorisation.report import CategoryImportError

if TYPE_CHECKING:
    from collections.abc import Callable


_PACKERS: dict[int, Callable[[bytes], bytes]] = {
    1: partial(gzip.compress, compresslevel=1),
    2: partial(bz2.compress, compresslevel=1),
    3: partial(lzma.compress, preset=0),
}


def _tar(form: int, *members: tuple[str, bytes | None, dict[str, Any]]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form, bufsize=512) as archive:
        for name, content, more in members:
            member = tarfile.TarInfo(name)
            member.size = len(content or b"")
            for key, value in more.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(content or b""))
    # As short as may be: mutations shall meet headers.
    return packed.getvalue().rstrip(b"\0") + bytes(1536)


def _zip(*members: tuple[str, bytes, dict[str, Any]]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, more in members:
            member = zipfile.ZipInfo(name)
            for key, value in more.items():
                setattr(member, key, value)
            archive.writestr(member, content)
    return packed.getvalue()


def seeds() -> list[bytes]:
    """Archives in every form of tar, with links, long names and odd members."""
    games = ("list/games/domains", b"example.com\nplay.example\n", {})
    link: dict[str, Any] = {"type": tarfile.SYMTYPE, "linkname": "games"}
    hard: dict[str, Any] = {"type": tarfile.LNKTYPE, "linkname": "list/games/domains"}
    long = f"list/{'n' * 120}/urls"
    made = [
        _tar(form, games, ("list/play", None, link), (long, b"example.com/a\n", {}))
        for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
    ]
    made.append(_tar(tarfile.GNU_FORMAT, games, ("list/other/domains", None, hard)))
    made.append(_tar(tarfile.GNU_FORMAT, games, ("list/x", None, {"type": tarfile.FIFOTYPE})))
    made.append(_tar(tarfile.GNU_FORMAT, ("../../outside", b"x", {})))
    headers = {"path": "list/games/domains", "size": "24", "GNU.sparse.map": "0,1"}
    made.append(_tar(tarfile.PAX_FORMAT, ("x", games[1], {"pax_headers": headers, "mtime": 1.5})))
    zipped = [
        _zip(
            games,
            ("list/play", b"games", {"external_attr": 0o120777 << 16}),
            (long, b"a.b/c\n", {}),
        ),
        _zip(("../../outside", b"x", {}), ("list/x", b"", {"external_attr": 0o20000 << 16})),
    ]
    packed = [gzip.compress(made[0]), bz2.compress(made[0]), lzma.compress(made[0])]
    return [
        *(bytes((way,)) + archive for archive in made for way in (0, 1)),
        *(bytes((way,)) + made[0] for way in (2, 3)),
        *(b"\0" + archive for archive in (*zipped, *packed)),
    ]


def words() -> list[bytes]:
    """What headers are made of."""
    return [
        *(b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\7\10", b"\xff\xff\xff\xff", b"\1\0\x10\0"),
        *(
            b"../",
            b"/",
            b"\0",
            b"list/",
            b"games",
            b"domains",
            b"ustar\x0000",
            b"ustar  \0",
            b"././@",
        ),
        *(b"77777777777", b"\x80\0\0\0\0\0\0\0\0\0\0\1", b"\xff" * 12, b"00000000000", b"9"),
        *(
            b"19 path=../../x\n",
            b"11 size=-1\n",
            b"0 a=b\n",
            b"30 GNU.sparse.major=1\n",
            b"L",
            b"K",
        ),
        *(b"x", b"g", b"S", b"1", b"2", b"3", b"7", b"22 GNU.sparse.map=0,1\n", b"12 size=1e9\n"),
    ]


def check(data: bytes) -> None:
    """A list, or an error that names the archive."""
    if not data:
        return
    place = folder() / "import"
    shutil.rmtree(place, ignore_errors=True)
    lists = place / "deep/lists"
    lists.mkdir(parents=True)
    archive = place / "fuzz.tar"
    archive.write_bytes(_PACKERS.get(data[0], bytes)(data[1:]))
    with suppress(CategoryImportError):
        try:
            report = import_lists(archive, lists)
        except CategoryImportError as error:
            if not str(error).isprintable() and "\n" not in str(error):
                raise AssertionError("an error that a terminal would obey") from error
            raise
        assert all(line.isprintable() for line in report.problems.lines())
        assert report.counts
    assert {each.name for each in place.iterdir()} == {"deep", "fuzz.tar"}, "written outside"
    assert {each.name for each in (place / "deep").iterdir()} == {"lists"}, "written outside"
    for each in lists.rglob("*"):
        assert each.resolve().is_relative_to(lists), "a link that leads outside"

"""Target: the import of archives.

An archive becomes a list, or a CategoryImportError that names it; nothing is written outside.

In: a tar archive; with a first byte that is odd it is packed with gzip first.
Out: nothing, or a finding. Must never: leave what it unpacked.
"""

from __future__ import annotations

import gzip
import io
import shutil
import tarfile
from contextlib import suppress
from typing import Any

from fuzzlib.place import folder
from proxy_addons.categorisation.imports import import_lists
from proxy_addons.categorisation.report import CategoryImportError


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
    return [bytes((odd,)) + archive for archive in made for odd in (0, 1)]


def words() -> list[bytes]:
    """What headers are made of."""
    return [
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
    archive.write_bytes(gzip.compress(data[1:], 1) if data[0] % 2 else data[1:])
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

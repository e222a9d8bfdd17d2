"""Target: lists in every format.

A list becomes entries that the compiler reads without a word, or a CategoryImportError; what is not
used is counted; nothing is left of a list that was refused.

In: a byte that chooses the format, then files: `name`, a NUL, content, and two NULs between them.
Out: nothing, or a finding. Must never: leave what it imported.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from fuzzlib.place import folder
from proxy_addons.categorisation.entries import PARSERS, Kind, readable
from proxy_addons.categorisation.formats import Format
from proxy_addons.categorisation.imports import import_lists
from proxy_addons.categorisation.lines import MAX_LINE
from proxy_addons.categorisation.reading import read_entries
from proxy_addons.categorisation.report import CategoryImportError, Problems
from proxy_addons.categorisation.staging import is_licence
from proxy_addons.categorisation.tree import read_tree

if TYPE_CHECKING:
    from pathlib import Path

    from proxy_addons.categorisation.imports import ImportReport

_FORMATS = tuple(Format)
_NAMES = ("list.txt", "bannedsitelist", "exceptionsitelist", "bannedregexpurllist", "inner")
_BETWEEN = b"\0\0"
_MOST_TIMES = 8  # an entry may be written out longer than it was, and for each use of a file once


def seeds() -> list[bytes]:
    """Lists of each format."""
    plain = b"list.txt\0# x\nplay.example\nnews.example/games\n*.w.test\nB\xc3\xbccher.de\n"
    hosts = (
        b"list.txt\x00127.0.0.1 localhost\n0.0.0.0 a.test b.test # c\n:: d.test\n10.0.0.1 e.test\n"
    )
    adblock = (
        b"list.txt\0[Adblock Plus]\n! x\n||a.test^\n@@||b.a.test^\n||c.test^$third-party\n"
        b"||d.test^$important\n!#if x\n||e.test^\n!#endif\na##.b\n||f.test^$badfilter\n||f.test^\n"
    )
    zone = (
        b"list.txt\0$TTL 60\n$ORIGIN rpz.test.\n@ SOA a. b. ( 1 2 ; c\n3 4 5 )\n NS a.\n"
        b"bad.test CNAME .\n*.bad.test 60 IN CNAME *.\n*.b.bad.test CNAME rpz-passthru.\n"
        b'x.test TXT "a;b"\n32.1.0.0.10.rpz-ip CNAME .\ny.test A 0.0.0.0\n'
    )
    guardian = (
        b'bannedsitelist\0#listcategory: "Bad Sites"\nbad.test\n.Include<inner>\n.Include<../x>\n'
        b"#time: 9 0 17 0 01234\n**\n\0\0inner\0in.test\n.Include<inner>\n"
        b"\0\0exceptionsitelist\0x.bad.test\n\0\0bannedregexpurllist\0casino[0-9]\n"
    )
    squid = (
        b"games/domains\0a.test\nb.test\n\0\0games/domains.diff\0-b.test\n+c.test\nx\n"
        b"\0\0games/domains.except\0x.a.test\n\0\0games/urls\0a.test/x\n\0\0games/urls.diff\0+a.test/y\n"
        b"\0\0games/very_restrictive_expression\0sex\n\0\0games/hosts\0h.test\n"
    )
    numbered = {
        Format.SQUIDGUARD: squid,
        Format.DOMAINS: plain,
        Format.HOSTS: hosts,
        Format.ADBLOCK: adblock,
        Format.RPZ: zone,
        Format.E2GUARDIAN: guardian,
    }
    return [
        bytes((_FORMATS.index(written),)) + content
        for kind, content in numbered.items()
        for written in (kind, Format.AUTO)
    ]


def words() -> list[bytes]:
    """What lines are made of."""
    return [
        *(
            b"\n",
            b"\r\n",
            b"\r",
            b"#",
            b"!",
            b";",
            b" ",
            b"\t",
            b".",
            b"/",
            b"||",
            b"@@",
            b"^",
            b"$",
        ),
        *(
            b"*",
            b"*.",
            b"##",
            b"(",
            b")",
            b'"',
            b"\\",
            b"@",
            b"+",
            b"-",
            b"\0\0",
            b"\0",
            b"\xff\xfe",
        ),
        *(b"important", b"badfilter", b"!#if\n", b"!#endif\n", b"third-party", b",", b"~", b"all"),
        *(b"$ORIGIN ", b"$TTL 1\n", b"$INCLUDE ", b" SOA ", b" CNAME ", b" IN ", b"rpz-passthru."),
        *(
            b".rpz-ip",
            b" A ",
            b" AAAA ",
            b"0.0.0.0",
            b"::1",
            b"fe80::1%lo",
            b"[",
            b"]",
            b"\xc3\xbc",
        ),
        *(b".Include<", b">", b"#listcategory: ", b"#time: 1 2 3 4 5", b"__LISTDIR__/", b"../"),
        *(
            b"bannedsitelist\0",
            b"inner\0",
            b"localbannedurllist\0",
            b"greyurllist\0",
            b"xn--",
            b"%",
        ),
    ]


def check(data: bytes) -> None:
    """A list, or an error; and nothing besides."""
    if not data:
        return
    place = folder() / "formats"
    shutil.rmtree(place, ignore_errors=True)
    source, lists = place / "list", place / "lists"
    size = _write(source, data[1:])
    written = _FORMATS[data[0] % len(_FORMATS)]
    try:
        report = import_lists(
            source, lists, format=written, very_restrictive=written is Format.SQUIDGUARD
        )
    except CategoryImportError as error:
        if not str(error).replace("\n", "").isprintable():
            raise AssertionError("an error that a terminal would obey") from error
        assert not (lists / "list").exists(), "half a list"
        assert not any((lists / ".store").iterdir()), "left behind"
        return
    _holds(report, lists / "list", size)
    if report.format is Format.DOMAINS:
        _counted(source, report)


def _write(source: Path, data: bytes) -> int:
    """Writes the files under names that a folder can have; gives how many octets they hold."""
    source.mkdir(parents=True)
    size = 0
    for number, file in enumerate(data.split(_BETWEEN)[:20]):
        name, _, content = file.partition(b"\0")
        parts = [part for part in name.decode("ascii", "ignore").split("/") if part.strip(".")]
        path = source.joinpath(*("".join(filter(str.isprintable, part))[:60] for part in parts[:3]))
        if path.exists() or any(above.is_file() for above in path.parents):
            path = source / _NAMES[number % len(_NAMES)]
        if path.is_dir():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        size += len(content)
    return size


def _holds(report: ImportReport, made: Path, size: int) -> None:
    """What was written is read again without a problem, and is no more than was read."""
    assert all(line.isprintable() for line in report.problems.lines())
    assert sum(report.problems.reasons.values()) == len(report.problems)
    assert any(sum(kinds.values()) for kinds in report.counts.values())
    octets = 0
    for file in read_tree("list", made).files:
        octets += file.path.stat().st_size
        if report.format is Format.SQUIDGUARD:
            continue  # kept as it was
        problems = Problems()
        for found, _ in read_entries(file, problems):
            if file.kind in {Kind.DOMAINS, Kind.HOSTS}:
                for text in found:
                    assert PARSERS[file.kind](readable(text)) == text, "another entry the next time"
        assert not len(problems), (list(problems.lines()), "written, and not read again")
    assert octets <= 200 + _MOST_TIMES * size, "more written than read"


def _counted(source: Path, report: ImportReport) -> None:
    """Every line of a plain list is an entry or is counted."""
    wanted = 0
    for path in source.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(source).parts)
        if path.is_file() and not hidden and not is_licence(path.name):
            text = (
                path.read_bytes().removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
            )
            lines = [line.strip() for line in text.split("\n")]
            if any(len(line) > MAX_LINE for line in lines):
                return
            wanted += sum(bool(line) and not line.startswith(("#", ";", "//")) for line in lines)
    used = sum(sum(kinds.values()) for kinds in report.counts.values())
    assert used + len(report.problems) == wanted, "a line that is neither used nor counted"

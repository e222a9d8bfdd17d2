"""Tells what an archive is from the names of its members: a package, an Office file with macros.

In: names of members, and the content of the few that tell. Out: ids of `policy.findings`.
Must never: keep more of an archive than which tell-tales were seen.

A jar, an app of Android, a wheel, a spreadsheet: all are zip or tar, and nothing but what is in
them says which. Where a name could be both, a package is assumed.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from proxy_addons.content.membernames import BY_NAME, plain

if TYPE_CHECKING:
    from collections.abc import Callable

WANTED: Final = 1 << 18
"""Bytes of a member for which `Tells.wants` that are looked into."""

_NAMES: Final[tuple[tuple[str, str], ...]] = (
    # More than membernames.py has: what tells in the whole of an archive only. In lower case.
    (r"meta-inf/manifest\.mf", "java-program"),
    (r"package/package\.json", "npm-package"),
    (r"\.pkginfo|debian-binary", "linux-package"),
    (r"pkg-[^/]+\.tar\.zst", "software-package"),
    # Of Ruby and of conda: each is ordinary by itself.
    (r"metadata\.gz", "gem:about"),
    (r"data\.tar\.gz", "gem:data"),
    (r"info/index\.json", "conda:about"),
    (r"info/(files|paths\.json)", "conda:files"),
    (r"[^/]+\.ovf", "disk-image"),
    # Where it is an ODF document. script-lb.xml and script-lc.xml alone list no module.
    (r"basic/[^/]+/(?!script-l[bc]\.xml)[^/]+\.xml|scripts/.*[^/]", "odf:macros"),
)  # fmt: skip
_IN_TAR: Final[tuple[tuple[str, str], ...]] = (
    # Packages of sources: one folder at the top, what they are just below it.
    (r"[^/]+/pkg-info", "python-package"),
    (r"[^/]+/package\.json", "npm-package"),
    (r"[^/]+/(cargo\.toml\.orig|\.cargo_vcs_info\.json)", "software-package"),
    (r"[^/]+/(namespace|makefile\.pl)", "software-package"),
)  # fmt: skip
# What tells together only; `:` marks what is no id.
_TOGETHER: Final[tuple[tuple[frozenset[str], str], ...]] = (
    (frozenset({"odf:", "odf:macros"}), "office-macros"),
    (frozenset({"gem:about", "gem:data"}), "software-package"),
    (frozenset({"conda:about", "conda:files"}), "software-package"),
)
_CONTENT_TYPES: Final = "[content_types].xml"
_MANIFEST_OF_ODF: Final = "meta-inf/manifest.xml"
_MIMETYPE: Final = "mimetype"
_MANIFEST_OF_EXTENSIONS: Final = "manifest.json"

_ODF: Final = (b"application/vnd.oasis.opendocument", b"application/vnd.sun.xml.")
_DOCUMENTS: Final = (*_ODF, b"application/epub+zip", b"application/vnd.etsi.asic")
# Kinds that also have META-INF/MANIFEST.MF without being Java.
_NOT_JAVA: Final = frozenset({"android-package", "browser-extension", "office-macros"})


def _compiled(table: tuple[tuple[str, str], ...]) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(expression), kind) for expression, kind in table)


_ANYWHERE = BY_NAME + _compiled(_NAMES)
_BELOW_ITS_FOLDER = _compiled(_IN_TAR)


class Tells:
    """What an archive's members say about it.

    Args:
        tar: whether it is a tar archive: packages of sources are.
    """

    def __init__(self, *, tar: bool) -> None:
        self._patterns = _ANYWHERE + (_BELOW_ITS_FOLDER if tar else ())
        self._kinds: set[str] = set()

    @staticmethod
    def wants(name: str) -> bool:
        """Whether `see` has use for a member's content."""
        return plain(name) in _READ

    def see(self, name: str, content: bytes) -> None:
        """Takes note of a member.

        Args:
            name: as it stands in the archive.
            content: its first `WANTED` bytes, where it is wanted.
        """
        called = plain(name)
        for pattern, kind in self._patterns:
            if kind not in self._kinds and pattern.fullmatch(called):
                self._kinds.add(kind)
        if read := _READ.get(called):
            self._kinds |= read(content)

    def kinds(self) -> frozenset[str]:
        """Ids of what the archive is, beside being one; empty when nothing tells."""
        kinds = {kind for kind in self._kinds if ":" not in kind}
        kinds.update(kind for parts, kind in _TOGETHER if parts <= self._kinds)
        return frozenset(kinds - {"java-program"} if kinds & _NOT_JAVA else kinds)


def _content_types(content: bytes) -> set[str]:
    """Of `[Content_Types].xml` (ECMA-376 part 2, 10.1): which parts there are, by any name."""
    said = _ascii(content).lower()
    kinds = {"document"}
    if any(word in said for word in (b"addin.macroenabled", b"template.macroenabled")):
        kinds |= {"office-add-in", "office-macros"}
    if any(word in said for word in (b"vbaproject", b"macroenabled", b"macrosheet")):
        kinds.add("office-macros")
    return kinds


def _manifest_of_odf(content: bytes) -> set[str]:
    """Of `META-INF/manifest.xml` (ODF 1.3 part 2, 4): a password, or an extension."""
    said = _ascii(content).lower()
    kinds = {"odf:", "document"} if b"opendocument" in said else set()
    if b"encryption-data" in said:
        kinds.add("encrypted-document")
    if any(word in said for word in (b"vnd.sun.star.uno-", b"vnd.sun.star.basic-library")):
        kinds.add("office-add-in")
    return kinds


def _mimetype(content: bytes) -> set[str]:
    if not content.startswith(_DOCUMENTS):
        return set()
    return {"document", "odf:"} if content.startswith(_ODF) else {"document"}


def _extension(content: bytes) -> set[str]:
    """Of `manifest.json`: browsers' extensions must have `manifest_version`."""
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        # Chromium takes comments in it: what cannot be read counts if it names the field.
        return {"browser-extension"} if b'"manifest_version"' in _ascii(content) else set()
    return {"browser-extension"} if isinstance(said, dict) and "manifest_version" in said else set()


def _ascii(content: bytes) -> bytes:
    """XML may be UTF-16; what is looked for is ASCII."""
    return content.replace(b"\0", b"")


_READ: Final[dict[str, Callable[[bytes], set[str]]]] = {
    _CONTENT_TYPES: _content_types,
    _MANIFEST_OF_ODF: _manifest_of_odf,
    _MIMETYPE: _mimetype,
    _MANIFEST_OF_EXTENSIONS: _extension,
}

"""Findings: what was found in a body, which rules may look at (`when: file_type` and its kin).

In: nothing. Out: the kinds of findings, the types of files with their names for people, groups.
Must never: look into a body (content/ does).

A finding is a kind and a value. A file has one type as a rule, and several where it can be read as
more than one thing: all of them count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FILE_TYPE: Final = "file_type"
"""What a body truly is, going out or coming back."""
MEMBER: Final = "archive_member"
"""What a file in it is, at any depth."""
VIRUS: Final = "virus"
"""What the scanner says: `VIRUSES`."""
MARKING: Final = "marking"
"""The protective marking of what is sent: `MARKINGS`."""
SENDS: Final = "sends"
"""What else is in what is sent: `SENDINGS`."""

UPLOAD_SIZE: Final = "upload_size"
"""How much is sent: the value is a number of bytes, and there is more (measures.py)."""
CONTENT_TYPE: Final = "content_type"
"""What an answer declares itself to be: a media type, `image/*` or `none` (measures.py)."""

KINDS: Final = (FILE_TYPE, MEMBER, VIRUS, MARKING, SENDS)

VIRUSES: Final = frozenset({"found", "unscanned"})
"""`unscanned`: nobody could look: no scanner answers, or it is too large for them."""

MARKINGS: Final = (
    "caveat",
    "protect",
    "official-sensitive",
    "restricted",
    "confidential",
    "secret",
    "top-secret",
)
"""Of the present scheme (GSCP) and the one before it, the least first.

`caveat`: "UK EYES ONLY", "RECIPIENTS ONLY" and their kin without any of the others.
"""

SENDINGS: Final = frozenset({"force-address", "unread"})
"""`force-address`: an e-mail address of the force (Inf/27 2.10.1). `unread`: something that is sent
could not be read: a part of a file, a form that breaks its own rules, an unknown encoding."""


@dataclass(frozen=True, slots=True)
class FileType:
    """A type of file.

    Attributes:
        words: for people, in a sentence such as "This is a Windows program."
        software: whether it is software: what runs, installs, or carries what runs.
    """

    words: str
    software: bool = False


FILE_TYPES: Final[Mapping[str, FileType]] = {
    # --- software ---------------------------------------------------------------------------
    "windows-program": FileType("a Windows program", software=True),  # PE: exe, dll, sys, scr
    "dos-program": FileType("a DOS program", software=True),  # MZ without PE, com
    "windows-installer": FileType("a Windows installer", software=True),  # msi, msp, msix, appx
    "windows-script": FileType("a Windows script", software=True),  # ps1, bat, vbs, js, wsf, hta
    "windows-shortcut": FileType("a Windows shortcut", software=True),  # lnk, url, scf
    "windows-settings": FileType("Windows settings", software=True),  # reg, inf
    "windows-help": FileType("a Windows help file that can run programs", software=True),  # chm
    "macos-program": FileType("a macOS program", software=True),  # Mach-O
    "macos-disk-image": FileType("a macOS disk image", software=True),  # dmg
    "macos-package": FileType("a macOS package", software=True),  # pkg, xar
    "linux-program": FileType("a Linux program", software=True),  # ELF, AppImage
    "linux-package": FileType("a Linux package", software=True),  # deb, rpm, flatpak, snap, apk
    "shell-script": FileType("a script", software=True),  # #!
    "android-package": FileType("an Android app", software=True),  # apk, aab, dex
    "ios-package": FileType("an iOS app", software=True),  # ipa
    "java-program": FileType("a Java program", software=True),  # class, jar, war, jnlp
    "browser-extension": FileType("a browser extension", software=True),  # crx, xpi
    "python-package": FileType("a Python package", software=True),  # wheel, egg, sdist, pyc
    "npm-package": FileType("an npm package", software=True),
    "office-macros": FileType("an Office file with macros", software=True),
    "office-add-in": FileType("an Office add-in", software=True),  # xll, xlam, ppam, dotm
    "software-package": FileType("a package of software", software=True),  # gem, crate, nupkg, vsix
    "git-repository": FileType("a Git repository", software=True),  # pack, bundle, what leads to it
    "disk-image": FileType("a disk image", software=True),  # iso, vhd, vhdx, vmdk, qcow2
    "torrent": FileType("a torrent", software=True),
    # --- what cannot be looked into ---------------------------------------------------------
    "encrypted-archive": FileType("an archive with a password"),
    "encrypted-document": FileType("a document with a password"),
    "unreadable-archive": FileType("an archive that cannot be read"),
    "archive-too-large": FileType("an archive that is too large to be looked into"),
    "archive-too-deep": FileType("an archive with too many archives in each other"),
    # --- the rest ---------------------------------------------------------------------------
    "archive": FileType("an archive"),
    "document": FileType("a document"),  # office formats, rtf, epub
    "pdf": FileType("a PDF document"),
    "e-mail": FileType("an e-mail"),  # eml, msg
    "image": FileType("a picture"),
    "audio": FileType("a sound"),
    "video": FileType("a film"),
    "font": FileType("a font"),
    "web-page": FileType("a web page"),
    "web-script": FileType("a script of a web page"),  # JavaScript, WebAssembly
    "style-sheet": FileType("a style sheet"),
    "data": FileType("data"),  # json, xml, csv, protobuf, databases
    "text": FileType("text"),
    "unknown": FileType("a file of a type that is not known"),
}
"""Types of files by their names in rules."""

GROUPS: Final[Mapping[str, frozenset[str]]] = {
    "software": frozenset(name for name, each in FILE_TYPES.items() if each.software),
    "unseen": frozenset(
        {
            *("encrypted-archive", "encrypted-document", "unreadable-archive"),
            *("archive-too-large", "archive-too-deep"),
        }
    ),
}
"""Names in rules that stand for several types."""


VALUES: Final[Mapping[str, frozenset[str]]] = {
    FILE_TYPE: frozenset(FILE_TYPES),
    MEMBER: frozenset(FILE_TYPES),
    VIRUS: VIRUSES,
    MARKING: frozenset(MARKINGS),
    SENDS: SENDINGS,
}
"""What there can be of each kind."""

OF_ANSWERS: Final = frozenset({FILE_TYPE, MEMBER, VIRUS, CONTENT_TYPE})
"""Kinds that are looked for in what comes back."""
OF_REQUESTS: Final = frozenset({MARKING, SENDS, UPLOAD_SIZE})
"""Kinds that are looked for in what is sent."""


def names_of(kind: str) -> frozenset[str]:
    """What a rule may name of a kind: values, and groups of file types."""
    return VALUES[kind] | (frozenset(GROUPS) if kind in {FILE_TYPE, MEMBER} else frozenset())


class Wanted(NamedTuple):
    """A rule's condition on findings: one of these, of this kind, has to be there.

    Attributes:
        kind: of `KINDS`.
        names: as written, groups among them.
        meant: the findings, groups expanded, as `Facts.findings` has them.
    """

    kind: str
    names: tuple[str, ...]
    meant: frozenset[str]


def wanted(kind: str, names: Iterable[str]) -> Wanted:
    """The condition that names values or groups of a kind."""
    names = tuple(names)
    values = (GROUPS.get(name, (name,)) for name in names)
    return Wanted(kind, names, found(kind, (value for each in values for value in each)))


def found(kind: str, values: Iterable[str]) -> frozenset[str]:
    """Findings of one kind as facts have them."""
    return frozenset(f"{kind}={value}" for value in values)


def parted(finding: str) -> tuple[str, str]:
    """Kind and value of a finding."""
    kind, _, value = finding.partition("=")
    return kind, value


def words_of(finding: str) -> str:
    """A finding for people: `a Windows program`, `virus found`."""
    kind, value = parted(finding)
    if kind == FILE_TYPE:
        return FILE_TYPES[value].words
    if kind == MEMBER:
        return f"{FILE_TYPES[value].words} in an archive"
    if kind == UPLOAD_SIZE:
        return f"more than {int(value):,} bytes sent"
    if kind == CONTENT_TYPE:
        return f"the declared type {value}"
    return _WORDS.get(finding, f"{kind.replace('_', ' ')} {value}")


_WORDS: Final = {
    "virus=found": "a virus",
    "virus=unscanned": "what could not be checked for viruses",
    "sends=force-address": "an e-mail address of the force",
    "sends=unread": "what could not be read",
    **{f"marking={each}": f"the marking {each.upper().replace('-', ' ')}" for each in MARKINGS},
    "marking=official-sensitive": "the marking OFFICIAL-SENSITIVE",
    "marking=caveat": "a marking such as UK EYES ONLY",
}

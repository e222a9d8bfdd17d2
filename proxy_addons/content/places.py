"""Where a file in archives is, and what is said of it there.

In: names, as archives have them. Out: paths for people, `Declared`.
Must never: be a path to open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from proxy_addons.content.declared import Declared, named

_LONGEST: Final = 200  # characters of a path that are shown: the last ones tell more

_DOCUMENTS: Final = frozenset({
    *("docx", "docm", "dotx", "dotm", "xlsx", "xlsm", "xltx", "xltm", "xlsb", "pptx", "pptm"),
    *("ppsx", "ppsm", "potx", "potm", "vsdx", "vsdm", "odt", "ods", "odp", "odg", "odf", "odb"),
    *("ott", "ots", "otp", "otg", "epub", "asice", "asics", "sce", "scs", "xps", "oxps"),
})  # fmt: skip


def is_document(types: frozenset[str], declared: Declared) -> bool:
    """Whether programs open it as a document: with a name such as `x.zip` they would not."""
    return "document" in types and declared.endings <= _DOCUMENTS


@dataclass(frozen=True, slots=True)
class Place:
    """Where an archive is.

    Attributes:
        names: its own.
        path: in front of its members' names, for people.
        depth: archives around it.
        inert: whether scripts in it are not run by opening them: those of a document are not.
    """

    names: tuple[str, ...]
    path: str
    depth: int
    inert: bool

    def path_of(self, names: tuple[str, ...]) -> str:
        """For people: where a member is."""
        return self.path + next(filter(None, names), "")

    def below(self, names: tuple[str, ...]) -> Place:
        """Of a member that is an archive."""
        return Place(names, f"{self.path_of(names)}/", self.depth + 1, inert=False)

    def packed(self) -> tuple[str, ...]:
        """Names of what is packed alone in it: its own, without the last ending."""
        return tuple(name.rpartition(".")[0] or name for name in self.names) or ("",)

    def declared(self, names: tuple[str, ...]) -> Declared:
        """What a member is said to be."""
        said = dict.fromkeys(name for each in names for name in named(each).names)
        return Declared(tuple(said), "", attachment=not self.inert)


def escaped(path: str) -> str:
    """A path for people: one line, no characters that change what others look like."""
    shown = path if len(path) <= _LONGEST else f"…{path[-_LONGEST:]}"
    if shown.isprintable():
        return shown
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii")
        for each in shown
    )

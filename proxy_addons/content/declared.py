"""What a message says of its body: names, type, whether it is to be saved.

In: the target's path, Content-Type, Content-Disposition. Out: `Declared`.
Must never: raise for what a stranger wrote; be taken for what the body is (content/types.py).

Clients differ in how they read a Content-Disposition (RFC 6266 with RFC 8187, older forms beside
them). Whatever name one of them may save the body under is in `names`: a script that has a harmless
name for us and `.ps1` for a browser would otherwise pass.
"""

from __future__ import annotations

import re
from email.errors import HeaderParseError
from email.header import decode_header
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote

from proxy_addons.content.claims import SAVED_SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST: Final = 4096
"""Characters of a header that are read: names in what follows are past any client's limit."""
_PARAMETER: Final = re.compile(
    r"""(?:^|[;\s])                      # clients forgive a missing semicolon
        (?:file)?name                    # `name` is what some old servers send
        (?P<star>\*(?P<part>\d*)(?P<encoded>\*?))?
        \s*=\s*
        (?P<value>"(?:[^"\\]|\\.)*"?|[^;]*)""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_EXTENDED: Final = re.compile(
    r"([\w.:-]*)'[^']*'(.*)", re.DOTALL
)  # RFC 8187: charset'language'value
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SEPARATORS: Final = re.compile(r"[/\\]")
_WITH_HYPHENS: Final = re.compile(r"[a-z0-9_-]+")  # settingcontent-ms
_LONGEST_ENDING: Final = 24
_NONE: Final[frozenset[str]] = frozenset()


class Declared(NamedTuple):
    """What is said of a body.

    Attributes:
        names: that it may be saved under, in lower case, without folders; several when clients
            would choose differently.
        content_type: the media type in lower case, without parameters; "" without one.
        attachment: whether it is to be saved, not shown (RFC 6266, 4.2).
    """

    names: tuple[str, ...] = ()
    content_type: str = ""
    attachment: bool = False

    @property
    def endings(self) -> frozenset[str]:
        """Of the names, without the dot: `ps1`."""
        names = self.names
        if not names:
            return _NONE
        if len(names) == 1:  # nearly always: each answer passes here
            ending = _ending(names[0])
            return frozenset((ending,)) if ending else _NONE
        return frozenset(filter(None, map(_ending, names)))


def _ending(name: str) -> str:
    """What follows the last dot, if it is an ending as any client knows one; else ""."""
    ending = name.rpartition(".")[2]
    if len(ending) > _LONGEST_ENDING or len(ending) == len(name) or not ending.isascii():
        return ""
    return ending if ending.isalnum() or _WITH_HYPHENS.fullmatch(ending) else ""


NOTHING: Final = Declared()
"""Where nothing is said."""


def declared_of(path: str, content_type: str, disposition: str) -> Declared:
    """What a response, or a part of an upload, says of its body.

    Args:
        path: of the request's target, as sent; "" where there is none. What follows `?` or `#` is
            no part of a name.
        content_type: the field's value, "" without one.
        disposition: Content-Disposition's value, "" without one.
    """
    names: list[str] = []
    name = _name_in_path(path) if path else ""
    attachment = False
    if disposition:
        disposition = disposition[:_LONGEST]
        kind = disposition.partition(";")[0].strip().lower()
        # Any other type counts as attachment; with none at all browsers show the body.
        attachment = bool(kind) and kind != "inline" and "=" not in kind
        names.extend(_names_in(disposition))
        if names and _ending(name) in SAVED_SCRIPTS:
            # A page's own script that goes by another name where it is saved: `f.txt`, as a guard
            # against its being taken for a download.
            name = ""
    if name:
        names.insert(0, name)
    kind = content_type.partition(";")[0].strip().lower()
    if "name" in content_type:  # the parameter `name`, of mail and of old servers
        names.extend(_names_in(content_type[:_LONGEST]))
    return Declared(tuple(dict.fromkeys(names)), kind, attachment)


def named(name: str) -> Declared:
    """What the name of a file says: of a member of an archive, of a file on disk."""
    return Declared(tuple(filter(None, [_name(name)])), "", attachment=True)


def _name_in_path(path: str) -> str:
    last = path.partition("?")[0].partition("#")[0].rpartition("/")[2]
    return _name(unquote(last)) if "%" in last else _name(last)


def _name(text: str) -> str:
    """A name as a client would save it: the last part of a path, without what shows as nothing."""
    if not text.isprintable():
        text = _CONTROLS.sub("", text)
    if "/" in text or "\\" in text:
        text = _SEPARATORS.split(text)[-1]
    # Windows drops dots and spaces at the end: `x.exe.` runs.
    return text.rstrip(". ").lstrip().lower()


def _names_in(header: str) -> Iterator[str]:
    """Every name that some client would read in a header."""
    parts: dict[int, str] = {}
    for found in _PARAMETER.finditer(header):
        value = found["value"].strip()
        if value.startswith('"'):
            quoted = value.removeprefix('"').removesuffix('"')
            value = _ESCAPED.sub(r"\1", quoted)
            if "\\" in quoted:  # clients of Windows take it for a separator, not for an escape
                yield from _readings(quoted)
        if found["part"]:  # RFC 2231, 3: filename*0="set"; filename*1="up.exe"
            parts[int(found["part"][:6])] = _extended(value) if found["encoded"] else value
        elif found["star"]:
            yield from _readings(_extended(value))
        else:
            yield from _readings(value)
    if parts:
        yield from _readings("".join(parts[number] for number in sorted(parts)))


def _readings(value: str) -> Iterator[str]:
    yield from filter(None, [_name(value)])
    if "%" in value:  # Chromium decodes it in a plain `filename` too
        yield from filter(None, [_name(unquote(value))])
    if "=?" in value:
        yield from filter(None, [_name(_words(value))])


def _extended(value: str) -> str:
    """An ext-value of RFC 8187, 3.2; as it stands where it is none."""
    found = _EXTENDED.fullmatch(value)
    if found is None:
        return unquote(value)
    try:
        return unquote(found[2], encoding=found[1] or "utf-8", errors="replace")
    except (LookupError, ValueError):
        # No such charset. What tells, the ending, is ASCII in all that clients know.
        return unquote(found[2], encoding="latin-1")


def _words(value: str) -> str:
    """Encoded words of RFC 2047, which browsers decode in a `filename` though it forbids them."""
    try:
        return "".join(
            part if isinstance(part, str) else part.decode(charset or "latin-1", "replace")
            for part, charset in decode_header(value)
        )
    except (HeaderParseError, LookupError, ValueError):
        # It is no encoded word for anybody then; the name as it stands is among the names.
        return ""

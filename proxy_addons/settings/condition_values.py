"""Kinds of value of single conditions of rules: addresses, expressions, people, sizes, types.

In: a node of a rule. Out: `Written`: a value as people read it and as it is compared.
Must never: take an expression that RE2 cannot take, or one that is found in any text.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import re2

from proxy_addons.policy import atoms
from proxy_addons.policy.findings import CONTENT_TYPE, UPLOAD_SIZE
from proxy_addons.policy.measures import UNITS
from proxy_addons.settings.kinds import Fields, Located, Pattern, text_of
from proxy_addons.settings.netkinds import Net, Ports
from proxy_addons.settings.people_kinds import GROUP, LoginName
from proxy_addons.settings.problems import quoted
from proxy_addons.settings.tree import Scalar, describe
from proxy_addons.urlkey import UrlKeyError
from proxy_addons.urlkey.texts import prefix_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.policy.atoms import Search, Value
    from proxy_addons.settings.kinds import Kind
    from proxy_addons.settings.problems import Report
    from proxy_addons.settings.tree import Node

_LONGEST: Final = 4096  # characters of an expression
_MEMORY: Final = 8 << 20  # octets for one automaton
_SAID_AT_MOST: Final = 100  # characters of what RE2 says of an expression
_SIZE = re.compile(r"(0|[1-9][0-9]{0,11}) ?(kB|MB|GB|)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Written:
    """One value of a condition.

    Attributes:
        text: as written, for people.
        value: as it is compared.
        at: where it was written, of names that are checked later; else None.
    """

    text: str
    value: Value
    at: Located | None = None


@dataclass(frozen=True, slots=True)
class As[T]:
    """A kind, whose values are kept as people read them and as they are compared."""

    kind: Kind[T]
    made: Callable[[T], Written]

    @property
    def wanted(self) -> str:
        """See `Kind.wanted`."""
        return self.kind.wanted

    def read(self, node: Node, key: str, report: Report) -> Written | None:
        """See `Kind.read`."""
        value = self.kind.read(node, key, report)
        return None if value is None else self.made(value)


@dataclass(frozen=True, slots=True)
class UrlPrefix:
    """The beginning of an address: host and path, compared as entries of lists are."""

    wanted: str = "the beginning of an address such as example.org/shop"

    def read(self, node: Node, key: str, report: Report) -> Written | None:
        """See `Kind.read`."""
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        try:
            return Written(text, prefix_text(text))
        except UrlKeyError as problem:
            # No address: reported, and the whole configuration is refused with it.
            report.add(
                node.place, key, f"found {quoted(text)}, but {problem}; wanted {self.wanted}"
            )
            return None


@dataclass(frozen=True, slots=True)
class Expression:
    """A regular expression of RE2, found anywhere in a text, without regard to case."""

    wanted: str = "a regular expression (RE2)"

    def read(self, node: Node, key: str, report: Report) -> Written | None:
        """See `Kind.read`."""
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        if len(text) > _LONGEST:
            message = f"is longer than {_LONGEST} characters: split it; wanted {self.wanted}"
            report.add(node.place, key, message)
            return None
        try:
            search = searching(text)
        except ValueError as problem:
            # The whole configuration is refused: a rule without its condition would say more.
            report.add(node.place, key, f"found {quoted(text)}; wanted {self.wanted}: {problem}")
            return None
        if search(""):
            message = f"found {quoted(text)}, which is found in any text; leave the condition out"
            report.add(node.place, key, message)
            return None
        return Written(text, text)


def searching(expression: str) -> Search:
    """What finds an expression in a text, in time linear in the text.

    Raises:
        ValueError: RE2 cannot take it; the message says why.
    """
    options = re2.Options()
    options.case_sensitive = False
    options.never_capture = True
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        compiled = re2.compile(expression.encode("utf-8", "surrogateescape"), options)
    except re2.error as problem:
        # The caller reports it, or nothing is built.
        why = problem.args[0] if problem.args else "not an expression"
        said = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
        raise ValueError(quoted(said[:_SAID_AT_MOST])) from problem

    def search(text: str) -> bool:
        return compiled.search(text.encode("utf-8", "surrogateescape")) is not None

    return search


def group_text(name: str) -> str:
    """The form in which names of groups are compared (identity/entries.py)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name.strip()).casefold())


def plain(text: str) -> Written:
    """A text that is compared as it is written."""
    return Written(text, text)


def located(name: Located) -> Written:
    """A name that is checked later."""
    return Written(name.text, name.text, name)


def _ports(ports: tuple[int, int]) -> Written:
    first, last = ports
    return Written(str(first) if first == last else f"{first}-{last}", ports)


def _group(name: str) -> Written:
    return Written(name, group_text(name))


@dataclass(frozen=True, slots=True)
class _Client:
    """A network of clients."""

    wanted: str = Net().wanted

    def read(self, node: Node, key: str, report: Report) -> Written | None:
        network = Net().read(node, key, report)
        return None if network is None else Written(str(network), network)


def size_of(text: str) -> int:
    """The bytes that a size stands for: `10MB`, `500 kB`, `4096`.

    Raises:
        ValueError: it is no size.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        msg = f"{quoted(text)} is no size such as 10MB (kB, MB or GB), or a number of bytes"
        raise ValueError(msg)
    return int(match[1]) * UNITS.get(match[2], 1)


@dataclass(frozen=True, slots=True)
class _Size:
    """A number of bytes."""

    wanted: str = "a size such as 10MB (kB, MB or GB), or a number of bytes"

    def read(self, node: Node, key: str, report: Report) -> Written | None:
        text = node.text if isinstance(node, Scalar) else ""
        try:
            return Written(f"over {text}", str(size_of(text)))
        except ValueError:
            # No size: reported, and the whole configuration is refused with it.
            report.add(node.place, key, f"{describe(node)}; wanted {self.wanted}")
            return None


@dataclass(frozen=True, slots=True)
class UploadSize:
    """More than so many bytes."""

    wanted: str = "a table with the key over, and a size such as 10MB"

    def read(self, node: Node, key: str, report: Report) -> Written | None:
        """See `Kind.read`."""
        fields = Fields(node, key, report, self.wanted)
        size = fields.need("over", _Size(), None)
        fields.done()
        return size


MEDIA_TYPE = Pattern(
    r"none|[a-z0-9][a-z0-9!#$&^_.+-]*/(?:\*|[a-z0-9][a-z0-9!#$&^_.+-]*)",
    "a media type in small letters such as application/zip or image/*, or none",
)
OF_HEADS: Final[dict[str, Kind[Written]]] = {
    UPLOAD_SIZE: UploadSize(),
    CONTENT_TYPE: As(MEDIA_TYPE, plain),
}
"""Conditions that look at what heads, and what is counted, say of bodies."""

NEW: Final[dict[str, Kind[Written]]] = {
    atoms.URL: UrlPrefix(),
    atoms.URL_MATCHES: Expression(),
    atoms.PERSONS: As(LoginName(), plain),
    atoms.GROUPS: As(GROUP, _group),
    atoms.CLIENTS: _Client(),
    atoms.PORTS: As(Ports(), _ports),
    atoms.USER_AGENT: Expression(),
    **OF_HEADS,
}
"""Conditions of this file that rules may have at their top too, by their keys."""

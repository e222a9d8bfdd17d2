"""Kinds of value for the conditions of rules: each condition, and any, all and not of them.

In: a node below the `when` of a rule. Out: a tree of `LeafSource` and `GroupSource`, as written.
Must never: resolve a name of another section (conditions_build.py); take a condition under `not`
that nobody can know not to be met.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import re2

from proxy_addons.policy import atoms
from proxy_addons.policy.conditions import CATEGORIES, HOSTS, METHODS, PROFILES, STATE, TIME
from proxy_addons.policy.findings import KINDS, names_of
from proxy_addons.policy.states import STATES
from proxy_addons.settings.entries import CATEGORY, PROFILE
from proxy_addons.settings.kinds import (
    Choice,
    Fields,
    ListOf,
    Located,
    Named,
    Pattern,
    text_of,
)
from proxy_addons.settings.netkinds import Host, Net, Ports
from proxy_addons.settings.people_kinds import GROUP, LoginName
from proxy_addons.settings.problems import quoted
from proxy_addons.settings.tree import Mapping, Sequence, describe, dotted
from proxy_addons.urlkey import UrlKeyError
from proxy_addons.urlkey.texts import prefix_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from proxy_addons.policy.atoms import Search, Value
    from proxy_addons.settings.kinds import Kind
    from proxy_addons.settings.problems import Report
    from proxy_addons.settings.tree import Node

NAME = Pattern(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*", "a name in kebab-case such as working-hours")
METHOD = Pattern(r"[A-Z]+(?:-[A-Z]+)*", "an HTTP method in capitals such as POST")

ANY: Final = "any"
ALL: Final = "all"
NOT: Final = "not"
WITHIN: Final = "within"
OUTSIDE: Final = "outside"

_DEEPEST: Final = 5  # levels of any, all and not: what is deeper nobody can read
_LONGEST: Final = 4096  # characters of an expression
_MEMORY: Final = 8 << 20  # octets for one automaton
_SAID_AT_MOST: Final = 100  # characters of what RE2 says of an expression


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
class LeafSource:
    """One condition as written.

    Attributes:
        kind: its key; `within` or `outside` for the two forms of `time`.
        values: any one of which is enough.
        place: where it was written.
        key: its dotted key.
    """

    kind: str
    values: tuple[Written, ...]
    place: str
    key: str

    def leaves(self) -> Iterator[LeafSource]:
        """Itself."""
        yield self


@dataclass(frozen=True, slots=True)
class GroupSource:
    """Any, all or not of some conditions; `not` has one part.

    Attributes:
        how: `any`, `all` or `not`.
        parts: what it is of.
    """

    how: str
    parts: tuple[ConditionSource, ...]

    def leaves(self) -> Iterator[LeafSource]:
        """All leaves."""
        for part in self.parts:
            yield from part.leaves()


type ConditionSource = LeafSource | GroupSource


@dataclass(frozen=True, slots=True)
class _As[T]:
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


def _plain(text: str) -> Written:
    return Written(text, text)


def _located(name: Located) -> Written:
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


NEW: Final[dict[str, Kind[Written]]] = {
    atoms.URL: UrlPrefix(),
    atoms.URL_MATCHES: Expression(),
    atoms.PERSONS: _As(LoginName(), _plain),
    atoms.GROUPS: _As(GROUP, _group),
    atoms.CLIENTS: _Client(),
    atoms.PORTS: _As(Ports(), _ports),
    atoms.USER_AGENT: Expression(),
}
"""Conditions of this file that rules may have at their top too, by their keys."""

_CHOICES: Final = {kind: Choice(tuple(sorted(names_of(kind)))) for kind in KINDS}
_DEEPER: Final[dict[str, Kind[Written]]] = {
    PROFILES: _As(Named(PROFILE), _located),
    CATEGORIES: _As(Named(CATEGORY), _located),
    HOSTS: _As(Host(), _plain),
    METHODS: _As(METHOD, _plain),
    STATE: _As(Choice(tuple(sorted(STATES))), _plain),
    **{kind: _As(choice, _plain) for kind, choice in _CHOICES.items()},
    **NEW,
}
_TABLE: Final = "a table of conditions"
_TIME: Final = "a table with the key within or the key outside, and a time space"


def more_of(fields: Fields, key: str, report: Report) -> tuple[ConditionSource, ...]:
    """The conditions of a rule's `when` that this file knows, any, all and not among them.

    Args:
        fields: of the `when`.
        key: its dotted key.
        report: takes the problems.
    """
    return (*_leaves(fields, NEW, key, report), *_groups(fields, key, report, 1, negated=False))


def _leaves(
    fields: Fields, kinds: dict[str, Kind[Written]], key: str, report: Report
) -> Iterator[LeafSource]:
    for name, kind in kinds.items():
        node = fields.node(name)
        if node is not None:
            inner = dotted(key, name)
            values = ListOf(kind, one=True, least=1).read(node, inner, report)
            if values:
                yield LeafSource(name, values, node.place, inner)


def _groups(
    fields: Fields, key: str, report: Report, depth: int, *, negated: bool
) -> Iterator[GroupSource]:
    for how in (ANY, ALL, NOT):
        node = fields.node(how)
        if node is None:
            continue
        inner = dotted(key, how)
        if depth > _DEEPEST:
            message = f"any, all and not are nested more than {_DEEPEST} deep; use several rules"
            report.add(node.place, inner, message)
            continue
        below = negated is not (how == NOT)
        if how == NOT:
            items: tuple[tuple[Node, str], ...] = ((node, inner),)
        elif isinstance(node, Sequence) and node.items:
            items = tuple((item, f"{inner}[{n}]") for n, item in enumerate(node.items))
        else:
            what = "found an empty list" if isinstance(node, Sequence) else describe(node)
            message = f"{what}; wanted a list, each {_TABLE}"
            report.add(node.place, inner, message)
            continue
        parts = (_table(item, at, report, depth + 1, negated=below) for item, at in items)
        yield GroupSource(how, tuple(part for part in parts if part is not None))


def _table(
    node: Node, key: str, report: Report, depth: int, *, negated: bool
) -> ConditionSource | None:
    """All of the conditions of a table; None where there is none, which has been reported."""
    if isinstance(node, Mapping) and not node.entries:
        report.add(node.place, key, f"found an empty table; wanted {_TABLE}")
        return None
    fields = Fields(node, key, report, _TABLE)
    parts: list[ConditionSource] = [*_leaves(fields, _DEEPER, key, report)]
    time = fields.node(TIME)
    if time is not None:
        parts.extend(_time(time, dotted(key, TIME), report))
    parts.extend(_groups(fields, key, report, depth, negated=negated))
    fields.done()
    if negated:
        for leaf in parts:
            if isinstance(leaf, LeafSource) and leaf.kind in KINDS:
                message = (
                    f"{leaf.kind} cannot stand under not: what is found in a body comes piece by"
                    " piece, and that something is not in it nobody knows before its end; put a"
                    " rule for what is found before this one"
                )
                report.add(leaf.place, leaf.key, message)
    return parts[0] if len(parts) == 1 else GroupSource(ALL, tuple(parts))


def _time(node: Node, key: str, report: Report) -> Iterator[LeafSource]:
    fields = Fields(node, key, report, _TIME)
    yield from _leaves(
        fields, dict.fromkeys((WITHIN, OUTSIDE), _As(Named(NAME), _located)), key, report
    )
    fields.done()
    if isinstance(node, Mapping) and len(node.entries) != 1:
        report.add(node.place, key, f"found {len(node.entries)} keys; wanted {_TIME}")

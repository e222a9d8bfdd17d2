"""Carriers: the table of sites that show other sites, read strictly.

In: the table that comes with the program (carriers.yaml beside this file) and the force's own
(`carriers.yaml` in the configuration folder), which adds to it and replaces entries by id.
Out: compiled `Carriers`, or problems with file, line and key.
Must never: leave an entry out silently: what it carries would not be judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import re2

from proxy_addons.settings.kinds import Fields, Flag, ListOf, Named, Pattern, Text, Whole, text_of
from proxy_addons.settings.problems import quoted
from proxy_addons.urlkey.carriers import Carrier, Carriers

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from proxy_addons.settings.kinds import Located
    from proxy_addons.settings.problems import Report
    from proxy_addons.settings.tree import Mapping, Node

_ID = Pattern(r"[a-z0-9]+(?:-[a-z0-9]+)*", "an id in kebab-case such as web-archive")
_HOSTS = Pattern(
    r"(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]{0,62})\.)*[a-z0-9_][a-z0-9_-]{0,62}(?:\.\*)?",
    "a name such as archive.example, *.archive.example (all below it) or archive.* (any ending),"
    " in small letters",
)
_WANTED = "a table with the keys id, hosts or marks, and query, path or label"


@dataclass(frozen=True, slots=True)
class _Expression:
    """A regular expression (RE2) with the group `url`."""

    wanted: str = "a regular expression (RE2) with the group (?P<url>...)"

    def read(self, node: Node, key: str, report: Report) -> Any:
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        options = re2.Options()
        options.log_errors = False
        try:
            compiled = re2.compile(text, options)
        except re2.error as problem:
            # The whole configuration is refused: an entry without its expression carries nothing.
            why = problem.args[0] if problem.args else "not an expression"
            said = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
            report.add(node.place, key, f"found {quoted(text)}; wanted {self.wanted}: {said}")
            return None
        if "url" not in compiled.groupindex:
            report.add(node.place, key, f"found {quoted(text)}; wanted {self.wanted}")
            return None
        return compiled


@dataclass(frozen=True, slots=True)
class _Entry:
    """A carrier as written, with the place of its id."""

    name: Located
    carrier: Carrier


_KEYS = ("hosts", "marks", "query", "path", "value", "label")


def _mistakes(given: Collection[str], hosts: Sequence[str], *, label: bool) -> Iterator[str]:
    """What is wrong with an entry as a whole, by the keys that are there."""
    if "hosts" not in given and "marks" not in given:
        yield "wanted hosts, or marks by which it is known on any host"
    if not {"query", "path", "label"} & set(given):
        yield "wanted query, path or label: where the address is"
    if "value" in given and "query" not in given:
        yield "value is given without query, whose value it reads"
    if label and not all(host.startswith("*.") for host in hosts):
        yield "label is for hosts that begin with *."


@dataclass(frozen=True, slots=True)
class _CarrierKind:
    wanted: str = _WANTED

    def read(self, node: Node, key: str, report: Report) -> _Entry | None:
        fields = Fields(node, key, report, self.wanted)
        name = fields.need("id", Named(_ID), None)
        hosts = fields.take("hosts", ListOf(_HOSTS, one=True, least=1), ())
        marks = fields.take("marks", ListOf(Text("a part of a path and query"), one=True), ())
        query = fields.take("query", ListOf(Text("the name of a parameter"), one=True), ())
        path = fields.take("path", _Expression(), None)
        value = fields.take("value", _Expression(), None)
        label = fields.take("label", Flag(), False)  # noqa: FBT003 - a default, not a flag
        fields.done()
        given = {each for each in _KEYS if fields.node(each) is not None}
        for message in _mistakes(given, hosts, label=label):
            report.add(node.place, key, message)
        if name is None:
            return None
        carrier = Carrier(name.text, hosts, marks, frozenset(query), path, value, label)
        return _Entry(name, carrier)


def read_carriers(roots: Sequence[Mapping], report: Report) -> Carriers:
    """Read the tables, the program's own first.

    Args:
        roots: the top-level table of each file.
        report: takes the problems.
    """
    found: dict[str, Carrier] = {}
    for root in roots:
        fields = Fields(root, "", report, "a table of keys")
        fields.need("version", Whole(1, 1), 1)
        entries = fields.need("carriers", ListOf(_CarrierKind()), ())
        fields.done()
        own: dict[str, Located] = {}
        for entry in entries:
            name = entry.name
            if name.text in own:
                first = own[name.text].place.rpartition(":")[2]
                report.add(
                    name.place, name.key, f"{name.text} is given twice, first in line {first}"
                )
            own[name.text] = name
            found[name.text] = entry.carrier
    return Carriers(found.values())

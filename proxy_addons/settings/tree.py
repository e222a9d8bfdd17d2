"""Strict YAML: bytes in, a tree of nodes that know their line out.

In: the bytes of a file. Out: `Mapping`, `Sequence` and `Scalar` nodes, or problems.
Must never: build anything but text (no tags, so no objects), follow an alias, or let a later key
silently replace an earlier one.

Scalars keep their text as written and how YAML 1.1 would read it, so that each kind of setting
can say "found `no`, which YAML reads as false" instead of guessing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from yaml.resolver import Resolver

from proxy_addons.settings.problems import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy_addons.settings.problems import Report

# Generous for a policy written by people; a bound on what a wrong file can cost.
_MAX_BYTES = 4 * 1024 * 1024
_MAX_DEPTH = 20

_RESOLVER: Any = Resolver()  # typed nowhere
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C scanner where PyYAML has it


@dataclass(frozen=True, slots=True)
class Node:
    """A piece of a configuration.

    Attributes:
        place: `file:line`, or the option or environment variable that it came from.
    """

    place: str


@dataclass(frozen=True, slots=True)
class Scalar(Node):
    """A single value.

    Attributes:
        text: as written, without quotes.
        reads_as: what YAML 1.1 takes it for: `text`, `integer`, `number`, `boolean`, `nothing`,
            `time` (12:30 is the number 750), `date`, `other`; or `raw` for a value that came from
            an option or the environment, where there is only text.
    """

    text: str
    reads_as: str


@dataclass(frozen=True, slots=True)
class Sequence(Node):
    """A list."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Mapping(Node):
    """A table of keys; each key once."""

    entries: tuple[tuple[Scalar, Node], ...]


def raw(place: str, value: object) -> Node:
    """A node for a value that is not from a file: a default, an option, the environment."""
    if isinstance(value, tuple):
        return Sequence(place, tuple(raw(place, item) for item in value))
    return Scalar(place, str(value), "raw")


def describe(node: Node) -> str:
    """What was found, for a message."""
    if isinstance(node, Mapping):
        return "found a table of keys" if node.entries else "found an empty table"
    if isinstance(node, Sequence):
        return "found a list"
    if not isinstance(node, Scalar) or node.reads_as == "nothing":
        return "found nothing"
    return _FOUND[node.reads_as].format(text=node.text[:40], quoted=quoted(node.text))


_FOUND = {
    "text": "found {quoted}",
    "raw": "found {quoted}",
    "other": "found {quoted}",
    "integer": "found the number {text}",
    "number": "found the number {text}",
    "boolean": "found {text}, which YAML reads as true or false",
    "time": "found {text} without quotes, which YAML reads as a number in base 60",
    "date": "found {text} without quotes, which YAML reads as a date",
}


def read(data: bytes, name: str, report: Report) -> Mapping | None:
    """Read one file.

    Args:
        data: its bytes.
        name: how messages name it.
        report: takes what is wrong.

    Returns:
        The top-level table, or None when the file holds none (then `report` says why).
    """
    text = _decoded(data, name, report)
    if text is None:
        return None
    try:
        builder = _Builder(name, report, yaml.parse(text, Loader=_LOADER))
        root = builder.document()
    except yaml.YAMLError as problem:
        # The file is not YAML: it is refused as a whole, with the line where reading stopped.
        report.add(*_syntax_problem(problem, name, text))
        return None
    except _TooDeepError as problem:
        # No configuration looks like this: it is refused as a whole.
        report.add(str(problem), "", f"nested more than {_MAX_DEPTH} deep")
        return None
    if root is not None and not isinstance(root, Mapping):
        report.add(root.place, "", f"{describe(root)}; wanted a table of keys at the top")
        return None
    return root


def _decoded(data: bytes, name: str, report: Report) -> str | None:
    if len(data) > _MAX_BYTES:
        report.add(name, "", f"larger than {_MAX_BYTES} bytes; this is no configuration file")
        return None
    try:
        text = data.decode("utf-8-sig")  # with or without the mark that Windows editors put first
    except UnicodeDecodeError as problem:
        # Nothing of the file is used: what is not UTF-8 has no certain meaning.
        line = data.count(b"\n", 0, problem.start) + 1
        report.add(f"{name}:{line}", "", "not UTF-8; save the file with encoding UTF-8")
        return None
    if (bad := yaml.reader.Reader.NON_PRINTABLE.search(text)) is not None:
        line = text.count("\n", 0, bad.start()) + 1
        shown = f"U+{ord(bad.group()):04X}"
        report.add(f"{name}:{line}", "", f"found the character {shown}, which YAML does not allow")
        return None
    if not text.strip():
        report.add(name, "", "the file is empty; the project's config folder has a full example")
        return None
    return text


class _Builder:
    """Turns PyYAML's events into nodes. Events know the line; nothing is constructed."""

    def __init__(self, name: str, report: Report, events: Iterator[yaml.Event]) -> None:
        self._name = name
        self._report = report
        self._events = events

    def document(self) -> Node | None:
        """The only document of the file, or None when there is none or more than one."""
        root: Node | None = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._add(event, "", "a second document begins; wanted one document in a file")
                    return None
                root = self._node(next(self._events), "", 0)
        if root is None:
            self._report.add(self._name, "", "the file holds no keys, only comments")
        return root

    def _node(self, event: Any, key: str, depth: int) -> Node:
        if depth > _MAX_DEPTH:
            raise _TooDeepError(self._place(event))
        place = self._place(event)
        if isinstance(event, yaml.AliasEvent):
            self._add(event, key, f"found the alias *{event.anchor}; write the value out instead")
            return Scalar(place, "", "other")
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            self._add(event, key, f"found the anchor &{event.anchor}; anchors are not used here")
        if (tag := getattr(event, "tag", None)) not in (None, "!"):
            self._add(event, key, f"found the tag {quoted(str(tag))}; tags are not used here")
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(event, key, depth)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(event, key, depth)
        text = getattr(event, "value", "")  # a scalar: the parser gives no other event here
        return Scalar(place, text, _reads_as(text, plain=event.implicit[0]))

    def _sequence(self, event: yaml.Event, key: str, depth: int) -> Sequence:
        items: list[Node] = []
        while not isinstance(item := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(item, f"{key}[{len(items)}]", depth + 1))
        return Sequence(self._place(event), tuple(items))

    def _mapping(self, event: yaml.Event, key: str, depth: int) -> Mapping:
        entries: dict[str, tuple[Scalar, Node]] = {}
        while not isinstance(item := next(self._events), yaml.MappingEndEvent):
            name = self._node(item, key, depth + 1)
            inner = dotted(key, name.text if isinstance(name, Scalar) else "?")
            value = self._node(next(self._events), inner, depth + 1)
            if not isinstance(name, Scalar):
                self._add(item, key, f"{describe(name)} as a key; wanted a name")
            elif name.text in entries:
                first = entries[name.text][0].place.rpartition(":")[2]
                self._add(item, inner, f"given twice, first in line {first}; keep one of them")
            else:
                entries[name.text] = (name, value)
        return Mapping(self._place(event), tuple(entries.values()))

    def _place(self, event: yaml.Event) -> str:
        return f"{self._name}:{_line(event.start_mark)}"

    def _add(self, event: yaml.Event, key: str, message: str) -> None:
        self._report.add(self._place(event), key, message)


def dotted(key: str, name: str) -> str:
    """The dotted key of `name` inside `key`."""
    shown = name if name.isprintable() and name else quoted(name)
    return f"{key}.{shown}" if key else shown


def _reads_as(text: str, *, plain: bool) -> str:
    if not plain:
        return "text"  # quoted, or a block
    tag: str = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))
    kind = tag.rpartition(":")[2]
    if kind in {"int", "float"}:
        if ":" in text:
            return "time"
        return "integer" if kind == "int" else "number"
    return {"str": "text", "bool": "boolean", "null": "nothing", "timestamp": "date"}.get(
        kind, "other"
    )


def _line(mark: Any) -> int:
    """The line of a mark, from 1. Events and errors of a file always have one."""
    return 1 if mark is None else int(mark.line) + 1


class _TooDeepError(Exception):
    """Nested deeper than any configuration; the argument is the place."""


def _syntax_problem(problem: yaml.YAMLError, name: str, text: str) -> tuple[str, str, str]:
    line = _line(getattr(problem, "problem_mark", None) or getattr(problem, "context_mark", None))
    what = getattr(problem, "problem", None) or "not readable as YAML"
    lines = text.splitlines()
    written = lines[line - 1] if line <= len(lines) else ""
    hint = ""
    if "\t" in written:
        hint = "; the line holds a tab: indent with spaces"
    elif written.partition(":")[2].strip()[:1] in tuple("[*&!@`%{"):
        hint = "; a text that begins with such a character needs quotes"
    return f"{name}:{line}", "", f"not readable as YAML: {what}{hint}"

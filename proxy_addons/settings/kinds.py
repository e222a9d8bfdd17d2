"""Kinds of value: what each setting may hold, and the sentence that says so when it does not.

In: a node of the configuration. Out: a plain value, or None with the problem reported.
Must never: take a value for what YAML guesses it to be: text that YAML reads as something else, or
a number in quotes, is a problem and the message says how to write it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from proxy_addons.settings.problems import nearest, quoted
from proxy_addons.settings.tree import Mapping, Node, Scalar, Sequence, describe, dotted

if TYPE_CHECKING:
    from collections.abc import Collection

    from proxy_addons.settings.problems import Report

_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")
_DECIMAL = re.compile(r"(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,9})?")


class Kind[T](Protocol):
    """A kind of value."""

    @property
    def wanted(self) -> str:
        """What is wanted, to follow the word "wanted" and to stand in the documentation."""

    def read(self, node: Node, key: str, report: Report) -> T | None:
        """The value, or None when a problem was reported.

        Args:
            node: what was written.
            key: its dotted key.
            report: takes the problem.
        """


@dataclass(frozen=True, slots=True)
class Located:
    """A text that is checked later, against names that are not known yet.

    Attributes:
        text: the value.
        place: where it was written.
        key: its dotted key.
    """

    text: str
    place: str
    key: str


def text_of(node: Node, key: str, report: Report, wanted: str) -> str | None:
    """The text of a node that must be text.

    Returns:
        The text, or None when a problem was reported.
    """
    if isinstance(node, Scalar):
        if node.reads_as in {"text", "raw"}:
            if node.text.strip():
                return node.text
            report.add(node.place, key, f"found an empty text; wanted {wanted}")
            return None
        if node.reads_as != "nothing" and node.text:
            hint = f'; if the text "{node.text[:40]}" is meant, put it in quotes'
            report.add(node.place, key, f"{describe(node)}; wanted {wanted}{hint}")
            return None
    report.add(node.place, key, f"{describe(node)}; wanted {wanted}")
    return None


@dataclass(frozen=True, slots=True)
class Text:
    """A plain text; one line unless `lines`."""

    wanted: str = "a text"
    lines: bool = False

    def read(self, node: Node, key: str, report: Report) -> str | None:
        """See `Kind.read`."""
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        text = text.strip()
        if any(not (char.isprintable() or (self.lines and char == "\n")) for char in text):
            report.add(node.place, key, f"found {quoted(text)}; wanted {self.wanted} in one line")
            return None
        return text


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text of a certain form; the whole of it must match."""

    regex: str
    wanted: str

    def read(self, node: Node, key: str, report: Report) -> str | None:
        """See `Kind.read`."""
        text = text_of(node, key, report, self.wanted)
        if text is not None and re.fullmatch(self.regex, text, re.ASCII) is None:
            report.add(node.place, key, f"found {quoted(text)}; wanted {self.wanted}")
            return None
        return text


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some texts."""

    values: tuple[str, ...]

    @property
    def wanted(self) -> str:
        """See `Kind.wanted`."""
        *most, last = self.values
        return f"{', '.join(most)} or {last}" if most else last

    def read(self, node: Node, key: str, report: Report) -> str | None:
        """See `Kind.read`."""
        text = text_of(node, key, report, self.wanted)
        if text is None or text in self.values:
            return text
        hint = nearest(text, self.values)
        report.add(node.place, key, f"found {quoted(text)}; wanted {self.wanted}{hint}")
        return None


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number within bounds, both included."""

    first: int
    last: int

    @property
    def wanted(self) -> str:
        """See `Kind.wanted`."""
        if self.first == self.last:
            return f"the number {self.first}"
        return f"a whole number from {self.first} to {self.last}"

    def read(self, node: Node, key: str, report: Report) -> int | None:
        """See `Kind.read`."""
        number = whole_number(node)
        if number is not None and self.first <= number <= self.last:
            return number
        report.add(node.place, key, f"{describe(node)}; wanted {self.wanted}{_unquote(node)}")
        return None


@dataclass(frozen=True, slots=True)
class Seconds:
    """A length of time in seconds, within bounds, both included."""

    first: float
    last: float

    @property
    def wanted(self) -> str:
        """See `Kind.wanted`."""
        return f"a number of seconds from {self.first:g} to {self.last:g}"

    def read(self, node: Node, key: str, report: Report) -> float | None:
        """See `Kind.read`."""
        text = _number_of(node, "number", _DECIMAL) or _number_of(node, "integer", _DECIMAL)
        if text is not None and self.first <= float(text) <= self.last:
            return float(text)
        report.add(node.place, key, f"{describe(node)}; wanted {self.wanted}{_unquote(node)}")
        return None


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false, in these words."""

    wanted: str = "true or false"

    def read(self, node: Node, key: str, report: Report) -> bool | None:
        """See `Kind.read`."""
        if isinstance(node, Scalar) and node.reads_as in {"boolean", "raw"}:
            if node.text in {"true", "false"}:
                return node.text == "true"
            report.add(node.place, key, f"found {quoted(node.text)}; wanted {self.wanted}")
            return None
        report.add(node.place, key, f"{describe(node)}; wanted {self.wanted}{_unquote(node)}")
        return None


@dataclass(frozen=True, slots=True)
class ListOf[T]:
    """A list, or, where `one` says so, a single value in place of a list of one.

    From an option or the environment: values with commas between them.
    """

    item: Kind[T]
    one: bool = False
    least: int = 0

    @property
    def wanted(self) -> str:
        """See `Kind.wanted`."""
        each = f"each {self.item.wanted}"
        return f"{self.item.wanted}, or a list of such" if self.one else f"a list, {each}"

    def read(self, node: Node, key: str, report: Report) -> tuple[T, ...] | None:
        """See `Kind.read`. Items with problems are left out; the report has them."""
        if isinstance(node, Scalar) and node.reads_as == "raw":
            parts = [part.strip() for part in node.text.split(",")]
            items: tuple[Node, ...] = tuple(
                Scalar(node.place, part, "raw") for part in parts if part
            )
        elif isinstance(node, Sequence):
            items = node.items
        elif self.one and isinstance(node, Scalar):
            value = self.item.read(node, key, report)
            return None if value is None else (value,)
        else:
            report.add(node.place, key, f"{describe(node)}; wanted {self.wanted}")
            return None
        if len(items) < self.least:
            message = f"found an empty list; wanted at least one entry, {self.item.wanted}"
            report.add(node.place, key, message)
            return None
        values = (
            self.item.read(item, f"{key}[{number}]", report) for number, item in enumerate(items)
        )
        return tuple(value for value in values if value is not None)


@dataclass(frozen=True, slots=True)
class Named:
    """A text kept with its place, to be checked once all names are known."""

    kind: Kind[str]

    @property
    def wanted(self) -> str:
        """See `Kind.wanted`."""
        return self.kind.wanted

    def read(self, node: Node, key: str, report: Report) -> Located | None:
        """See `Kind.read`."""
        text = self.kind.read(node, key, report)
        return None if text is None else Located(text, node.place, key)


class Fields:
    """Reads the keys of one table, and at the end reports those that nobody asked for.

    Args:
        node: the table.
        key: its dotted key.
        report: takes the problems.
        wanted: what the table is, for the message when it is none.
    """

    def __init__(self, node: Node, key: str, report: Report, wanted: str) -> None:
        self._node = node
        self._key = key
        self._report = report
        self._asked: list[str] = []
        self._entries: dict[str, Node] = {}
        self._is_table = isinstance(node, Mapping)
        if isinstance(node, Mapping):
            self._entries = {name.text: value for name, value in node.entries}
        else:
            report.add(node.place, key, f"{describe(node)}; wanted {wanted}")

    def node(self, name: str, *, required: str = "") -> Node | None:
        """The node of a key, or None when it is not there.

        Args:
            name: the key.
            required: what is wanted, if the key must be there.
        """
        self._asked.append(name)
        node = self._entries.get(name)
        if node is None and required and self._is_table:
            key = dotted(self._key, name)
            self._report.add(self._node.place, key, f"not given; wanted {required}")
        return node

    def take[T](self, name: str, kind: Kind[T], default: T) -> T:
        """The value of a key that may be left out.

        Returns:
            The value; the default when it is not there or wrong (then it is reported).
        """
        node = self.node(name)
        if node is None:
            return default
        value = kind.read(node, dotted(self._key, name), self._report)
        return default if value is None else value

    def need[T](self, name: str, kind: Kind[T], default: T) -> T:
        """The value of a key that must be there; the default stands in when it is reported."""
        if self.node(name, required=kind.wanted) is None:
            return default
        return self.take(name, kind, default)

    def done(self) -> None:
        """Report the keys that nobody asked for."""
        if isinstance(self._node, Mapping):
            unknown_keys(self._node, self._key, self._asked, self._report)


def unknown_keys(node: Mapping, key: str, known: Collection[str], report: Report) -> None:
    """Report every key of a table that is not known, with the nearest that is."""
    for name, _ in node.entries:
        if name.text not in known:
            inner = dotted(key, name.text)
            report.add(name.place, inner, f"unknown key{nearest(name.text, known)}")


def whole_number(node: Node) -> int | None:
    """The whole number that a node holds, in plain decimal; None when it holds none."""
    text = _number_of(node, "integer", _WHOLE)
    return None if text is None else int(text)


def _number_of(node: Node, reads_as: str, form: re.Pattern[str]) -> str | None:
    if isinstance(node, Scalar) and node.reads_as in {reads_as, "raw"}:
        return node.text if form.fullmatch(node.text) else None
    return None


def _unquote(node: Node) -> str:
    if isinstance(node, Scalar) and node.reads_as == "text":
        return ", without quotes"
    return ""

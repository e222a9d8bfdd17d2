"""Packs: rules from a file of their own, put into `rules` where `- pack: NAME` stands.

In: the tree of policy.yaml, what reads a pack's file. Out: the tree with the packs' rules in it.
Must never: leave out a rule because something that it needs was forgotten; take a pack from
anywhere but the folder `packs` beside policy.yaml.

Parameters are filled in here, on nodes, before anything of a rule is read: what they give is
checked as if it stood in the file, and errors name the place where it was written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from proxy_addons.settings.effect_kinds import PLACEHOLDERS
from proxy_addons.settings.kinds import Fields, Flag, ListOf, Pattern, Text, Whole, text_of
from proxy_addons.settings.problems import nearest
from proxy_addons.settings.tree import Mapping, Node, Scalar, Sequence, describe, dotted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from proxy_addons.settings.problems import Report

    type Values = tuple[Scalar, ...]

FOLDER: Final = "packs"
_NAME = Pattern(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*", "the name of a pack in kebab-case")
_PARAMETER = Pattern(r"[a-z][a-z0-9_]*", "the name of a parameter such as google_domains")
_FILLED = re.compile(r"\{([a-z][a-z0-9_]*)\}")


def with_packs(
    root: Mapping, folder: Path, read_file: Callable[[Path], Mapping | None], report: Report
) -> Mapping:
    """The policy with the rules of its packs.

    Args:
        root: the top-level table of policy.yaml.
        folder: that it is in.
        read_file: reads a file that is there; None when a problem was reported.
        report: takes the problems.
    """
    entries = []
    for name, node in root.entries:
        kept = node
        if name.text == "rules" and isinstance(node, Sequence):
            items: list[Node] = []
            for number, item in enumerate(node.items):
                if _is_pack(item):
                    key = f"rules[{number}]"
                    items += _Pack(item, key, folder / FOLDER, read_file, report).rules()
                else:
                    items.append(item)
            kept = replace(node, items=tuple(items))
        entries.append((name, kept))
    return replace(root, entries=tuple(entries))


def _is_pack(node: Node) -> bool:
    return isinstance(node, Mapping) and any(name.text == "pack" for name, _ in node.entries)


@dataclass(frozen=True, slots=True)
class _Parameter:
    """One that a pack takes.

    Attributes:
        place: where it was written.
        required: whether the pack is nothing without it.
        default: what it gives where nothing is given; None: nothing.
    """

    place: str
    required: bool
    default: Values | None


class _Pack:
    """One pack, as it is put in."""

    def __init__(
        self,
        node: Node,
        key: str,
        folder: Path,
        read_file: Callable[[Path], Mapping | None],
        report: Report,
    ) -> None:
        self._place, self._key, self._report = node.place, key, report
        fields = Fields(node, key, report, "a table with the keys pack and with")
        self._name = fields.need("pack", _NAME, "")
        self._with = fields.node("with")
        fields.done()
        self._root: Mapping | None = None
        path = folder / f"{self._name}.yaml"
        if self._name and path.is_file():
            self._root = read_file(path)
        elif self._name:
            hint = nearest(self._name, (each.stem for each in folder.glob("*.yaml")))
            report.add(node.place, f"{key}.pack", f"there is no file {path}{hint}")
        self._given: dict[str, Values] = {}
        self._used: set[str] = set()

    def rules(self) -> list[Node]:
        """Its rules, filled in."""
        if self._root is None:
            return []
        before = len(self._report.problems)
        fields = Fields(self._root, "", self._report, "a table of keys")
        fields.need("version", Whole(1, 1), 1)
        fields.need("description", Text("a sentence that says what the pack does"), "")
        parameters = self._parameters(fields.node("parameters"))
        rules = fields.node("rules", required="a list of rules")
        fields.done()
        self._take(parameters)
        if rules is None or not isinstance(rules, Sequence) or not rules.items:
            if rules is not None:
                self._report.add(rules.place, "rules", f"{describe(rules)}; wanted a list of rules")
            return []
        known = {name: self._given.get(name, each.default) for name, each in parameters.items()}
        made = list(self._filled(rules.items, known))
        for name in parameters.keys() - self._used:
            message = "no rule of the pack names it; take it out"
            self._report.add(parameters[name].place, f"parameters.{name}", message)
        if not made and len(self._report.problems) == before:
            message = f"none of its rules is taken in without {' or '.join(sorted(parameters))}"
            self._report.add(self._place, self._key, message)
        return made

    def _parameters(self, node: Node | None) -> dict[str, _Parameter]:
        """What the pack takes."""
        if node is None:
            return {}
        if not isinstance(node, Mapping):
            message = f"{describe(node)}; wanted a table of parameters"
            self._report.add(node.place, "parameters", message)
            return {}
        found = {}
        for name_node, value_node in node.entries:
            key = f"parameters.{name_node.text}"
            name = _PARAMETER.read(name_node, key, self._report)
            if name in PLACEHOLDERS:
                message = f"{{{name}}} stands for something else in addresses; choose another name"
                self._report.add(name_node.place, key, message)
                continue
            fields = Fields(value_node, key, self._report, "a table with the key description")
            fields.need("description", Text("a sentence that says what it is"), "")
            required = fields.take("required", Flag(), default=False)
            default = fields.node("default")
            fields.done()
            if name is not None:
                values = None if default is None else self._values(default, f"{key}.default")
                found[name] = _Parameter(name_node.place, required, values or None)
        return found

    def _take(self, parameters: dict[str, _Parameter]) -> None:
        """What `with` gives, checked against what the pack takes."""
        key = dotted(self._key, "with")
        if isinstance(self._with, Mapping):
            for written, node in self._with.entries:
                inner = dotted(key, written.text)
                if written.text not in parameters:
                    message = f"the pack {self._name} takes no such parameter"
                    hint = nearest(written.text, parameters)
                    self._report.add(written.place, inner, f"{message}{hint}")
                elif values := self._values(node, inner):
                    self._given[written.text] = values
        elif self._with is not None:
            message = f"{describe(self._with)}; wanted a table of parameters"
            self._report.add(self._with.place, key, message)
        for name, each in parameters.items():
            if each.required and name not in self._given:
                message = f"the pack {self._name} needs {name}; give it under with"
                self._report.add(self._place, dotted(key, name), message)
                self._given[name] = ()  # reported: its rules are not to blame as well

    def _values(self, node: Node, key: str) -> Values:
        """One value or several; () where there is none, which is reported."""
        kept = ListOf(_Value(), one=True, least=1).read(node, key, self._report)
        return kept or ()

    def _filled(self, rules: tuple[Node, ...], known: dict[str, Values | None]) -> Iterator[Node]:
        """The rules whose parameters are given."""
        for number, rule in enumerate(rules):
            key = f"rules[{number}]"
            if _is_pack(rule):
                self._report.add(rule.place, key, "a pack cannot take in another")
                continue
            names = set(_named(rule))
            self._used |= names
            if unknown := sorted(names - known.keys() - PLACEHOLDERS):
                message = f"names {{{unknown[0]}}}, which is no parameter of the pack"
                self._report.add(rule.place, key, message)
                continue
            self._check_id(rule, key)
            names &= known.keys()
            missing = sorted(name for name in names if known[name] is None)
            if any(name in self._given for name in names) and missing:
                message = f"{self._name} needs {missing[0]} as well, for the rule at {rule.place}"
                self._report.add(self._place, dotted(self._key, "with"), message)
            elif not missing and all(known[name] for name in names):
                values = {name: values for name in names if (values := known[name])}
                yield _with_values(rule, values)

    def _check_id(self, rule: Node, key: str) -> None:
        if not isinstance(rule, Mapping):
            return  # what reads rules says so
        for name, value in rule.entries:
            if name.text == "id" and isinstance(value, Scalar):
                text = value.text
                if text != self._name and not text.startswith(f"{self._name}-"):
                    message = f"found {text}; ids of this pack begin with {self._name}-"
                    self._report.add(value.place, f"{key}.id", message)


@dataclass(frozen=True, slots=True)
class _Value:
    """A value of a parameter, with its place."""

    wanted: str = "a text or a number"

    def read(self, node: Node, key: str, report: Report) -> Scalar | None:
        if isinstance(node, Scalar) and node.reads_as in {"integer", "number"}:
            return node
        text = text_of(node, key, report, self.wanted)
        if text is None or not isinstance(node, Scalar):
            return None
        if "{" in text or "}" in text:
            report.add(node.place, key, "holds a brace, which stands for a parameter in packs")
            return None
        return node


def _named(node: Node) -> Iterator[str]:
    """The parameters that a node names, at any depth."""
    if isinstance(node, Scalar):
        yield from _FILLED.findall(node.text)
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _named(item)
    elif isinstance(node, Mapping):
        for _, value in node.entries:
            yield from _named(value)


def _with_values(node: Node, values: dict[str, Values]) -> Node:
    """A node with its parameters filled in."""
    if isinstance(node, Scalar):
        return _scalar(node, values)
    if isinstance(node, Sequence):
        items: list[Node] = []
        for item in node.items:
            whole = _FILLED.fullmatch(item.text) if isinstance(item, Scalar) else None
            if whole is not None and whole[1] in values:
                items += values[whole[1]]
            else:
                items.append(_with_values(item, values))
        return replace(node, items=tuple(items))
    if isinstance(node, Mapping):
        entries = tuple((name, _with_values(value, values)) for name, value in node.entries)
        return replace(node, entries=entries)
    return node


def _scalar(node: Scalar, values: dict[str, Values]) -> Scalar:
    used = [name for name in _FILLED.findall(node.text) if name in values]
    if not used:
        return node
    whole = _FILLED.fullmatch(node.text)
    given = values[used[0]]
    if whole is not None and len(given) == 1:
        return given[0]

    def fill(match: re.Match[str]) -> str:
        if match[1] not in values:
            return match[0]
        return ",".join(each.text for each in values[match[1]])

    return Scalar(given[0].place, _FILLED.sub(fill, node.text), "text")

"""`policy_tests.yaml`: cases of what the policy decides, read and checked.

In: the tree of the file, the policy that it is about. Out: `Case`s, or problems.
Must never: decide (cli/tested.py asks the policy), or let two readings of the clock pass for one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from proxy_addons.policy.decide import NO_RULE_MATCHED, THREAT_NOT_EXEMPTED
from proxy_addons.policy.model import Action
from proxy_addons.policy.states import STATES
from proxy_addons.settings.case_facts import CATEGORIES, FACTS, WISHES, States
from proxy_addons.settings.kinds import (
    Choice,
    Fields,
    ListOf,
    Text,
    Whole,
    text_of,
)
from proxy_addons.settings.netkinds import Host
from proxy_addons.settings.problems import nearest, printable, quoted
from proxy_addons.settings.tree import Mapping, Scalar, Sequence, describe, dotted
from proxy_addons.urlkey import UrlKey, UrlKeyError, url_key

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingOf

    from proxy_addons.policy.compiled import Policy
    from proxy_addons.settings.problems import Report
    from proxy_addons.settings.tree import Node

CASES_FILE: Final = "policy_tests.yaml"
OF_THE_GATEWAY: Final = (NO_RULE_MATCHED, THREAT_NOT_EXEMPTED)
"""Rule ids that the policy gives without a rule of its file."""

_HOST = "site.example"
"""The host of a case that names none: nobody's (RFC 2606)."""
_AT = datetime(2026, 11, 24, 10, 30)  # noqa: DTZ001 - a date and time on the wall, a Tuesday


@dataclass(frozen=True, slots=True)
class Case:
    """One case.

    Attributes:
        place: file and line.
        title: what was written, in one line.
        key: the address that is asked for.
        categories: of it; None: as the lists say.
        facts: the facts that were given (case_facts.py), by name.
        at: when, in the policy's time zone.
        then: what stands for the person from later moments on.
        action: that is wanted.
        rule: that is wanted to decide.
        retry_at: from when it is wanted to be allowed; None: never by the passing of time.
        ended: states whose end it is wanted to be that opens it then.
        wishes: what else is wanted (case_facts.py), by name.
        clause: a clause of the force's policy that the case is about, beside that of the rule.
    """

    place: str
    title: str
    key: UrlKey
    categories: frozenset[str] | None
    facts: MappingOf[str, Any]
    at: datetime
    then: MappingOf[datetime, frozenset[str]]
    action: Action
    rule: str
    wishes: MappingOf[str, Any]
    retry_at: datetime | None = None
    ended: frozenset[str] = frozenset()
    clause: str = ""


def read_cases(root: Mapping, report: Report, policy: Policy) -> tuple[Case, ...]:
    """Read a file of cases.

    Args:
        root: its top-level table.
        report: takes the problems.
        policy: that the cases are about; for its names and its time zone.
    """
    fields = Fields(root, "", report, "a table of keys")
    fields.need("version", Whole(1, 1), 1)
    usual = _Usual(policy)
    if (node := fields.node("defaults")) is not None:
        usual.read(node, "defaults", report)
    cases = fields.need("cases", ListOf(_CaseKind(policy, usual), least=1), ())
    fields.done()
    _same(cases, report)
    return cases


def _same(cases: tuple[Case, ...], report: Report) -> None:
    """Report cases that ask what an earlier one asks: they prove nothing, or contradict it."""
    first: dict[Any, Case] = {}
    for number, case in enumerate(cases):
        asked = (
            case.key, case.categories, case.at.timestamp(),
            tuple(sorted((name, repr(value)) for name, value in case.facts.items())),
            tuple(sorted((at.timestamp(), *sorted(states)) for at, states in case.then.items())),
        )  # fmt: skip
        if (before := first.setdefault(asked, case)) is not case:
            message = f"asks the same as {before.place}; keep one of them"
            report.add(case.place, f"cases[{number}]", message)


@dataclass(slots=True)
class _Usual:
    """What holds where a case does not say it."""

    policy: Policy
    at: datetime = _AT
    facts: dict[str, Any] = field(default_factory=dict)

    def read(self, node: Node, key: str, report: Report) -> None:
        fields = Fields(node, key, report, "a table of facts that hold where a case says none")
        self.facts = _facts(fields, key, report, self.policy)
        at = fields.take("at", _Reading(), None)
        self.at = self.at if at is None else at
        fields.done()


@dataclass(frozen=True, slots=True)
class _Reading:
    """A date and time, as written: with a zone, or on the wall."""

    wanted: str = 'a date and time in quotes such as "2026-11-24T10:30"'

    def read(self, node: Node, key: str, report: Report) -> datetime | None:
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            # No moment: reported, and the whole file is refused with it.
            report.add(node.place, key, f"found {quoted(text)}; wanted {self.wanted}")
            return None
        if "T" not in text:
            report.add(
                node.place, key, f"found {quoted(text)} without a time; wanted {self.wanted}"
            )
            return None
        return found


@dataclass(frozen=True, slots=True)
class _Want:
    """An action, and the rule that decides."""

    policy: Policy
    wanted: str = "an action and the rule that decides, such as `block webmail`"

    def read(self, node: Node, key: str, report: Report) -> tuple[Action, str] | None:
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        action, _, rule = text.strip().partition(" ")
        rules = [*(each.id for each in self.policy.rules), *OF_THE_GATEWAY]
        if action not in Action:
            hint = nearest(action, Action)
            report.add(node.place, key, f"found {quoted(text)}; wanted {self.wanted}{hint}")
        elif rule.strip() not in rules:
            hint = nearest(rule, rules)
            report.add(node.place, key, f"policy.yaml has no rule {quoted(rule)}{hint}")
        else:
            return Action(action), rule.strip()
        return None


@dataclass(frozen=True, slots=True)
class _Address:
    wanted: str = "an address such as https://www.gov.uk/"

    def read(self, node: Node, key: str, report: Report) -> UrlKey | None:
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        try:
            return url_key(text if "://" in text else f"https://{text}")
        except UrlKeyError as problem:
            # The gateway would refuse it before the policy is asked: no case for the policy.
            message = f"has no single meaning, and the gateway would refuse it: {problem}"
            report.add(node.place, key, message)
            return None


@dataclass(frozen=True, slots=True)
class _CaseKind:
    policy: Policy
    usual: _Usual
    wanted: str = "a table such as {categories: [webmail], want: block webmail}"

    def read(self, node: Node, key: str, report: Report) -> Case | None:
        """See `Kind.read`."""
        before = len(report.problems)
        fields = Fields(node, key, report, self.wanted)
        facts = {**self.usual.facts, **_facts(fields, key, report, self.policy)}
        address = self._address(fields, node, key, report)
        categories = fields.take("categories", CATEGORIES, None)
        local = self._when(fields, node, key, report)
        then = self._then(fields.node("then"), dotted(key, "then"), report, local)
        wanted = fields.need("want", _Want(self.policy), None)
        retry_at = self._retry(fields, dotted(key, "retry_at"), report)
        ended = fields.take("ended", ListOf(Choice(tuple(sorted(STATES))), one=True), ())
        wishes = {wish.name: fields.take(wish.name, wish.kind, wish.usual) for wish in WISHES}
        clause = fields.take("clause", Text("a clause such as Inf/27 2.13"), "")
        fields.done()
        if address is None and categories is None:
            message = "says nothing of the site; give categories, host with categories, or url"
            report.add(node.place, key, message)
        if wanted is None or len(report.problems) > before:
            return None
        return Case(
            place=node.place,
            title=_spelt(node),
            key=address or UrlKey("https", _HOST, 443, "/"),
            categories=None if categories is None else frozenset(categories),
            facts=facts,
            at=local,
            then=then,
            action=wanted[0],
            rule=wanted[1],
            wishes=wishes,
            retry_at=retry_at,
            ended=frozenset(ended),
            clause=clause,
        )

    def _address(self, fields: Fields, node: Node, key: str, report: Report) -> UrlKey | None:
        url = fields.take("url", _Address(), None)
        host = fields.take("host", Host(), None)
        if host is None:
            return url
        if fields.node("url") is not None:
            report.add(node.place, dotted(key, "host"), "given beside url; keep one of them")
        elif fields.node("categories") is None:
            message = "given without categories; give these ([] for none), or url for the lists'"
            report.add(node.place, dotted(key, "host"), message)
        return UrlKey("https", host, 443, "/")

    def _retry(self, fields: Fields, key: str, report: Report) -> datetime | None:
        at = fields.take("retry_at", _Reading(), None)
        node = fields.node("retry_at")
        return None if at is None or node is None else self._aware(at, None, node, key, report)

    def _when(self, fields: Fields, node: Node, key: str, report: Report) -> datetime:
        at = fields.take("at", _Reading(), self.usual.at)
        fold = fields.take("fold", Whole(0, 1), None)
        where = fields.node("at") or node
        return self._aware(at, fold, where, dotted(key, "at"), report)

    def _aware(
        self, at: datetime, fold: int | None, node: Node, key: str, report: Report
    ) -> datetime:
        """The moment that a reading stands for; exactly one, or it is reported."""
        zone = self.policy.time_zone
        if at.tzinfo is not None:
            if fold is not None:
                report.add(node.place, key, "has a zone and a fold; keep one of them")
            return at.astimezone(zone)
        first, second = (at.replace(tzinfo=zone, fold=each) for each in (0, 1))
        twice = first.utcoffset() != second.utcoffset()
        if twice and first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != at:
            message = (
                f"{at.isoformat()} is skipped when the clocks go forward, and shown by none; write"
                " a moment before or after"
            )
            report.add(node.place, key, message)
        elif twice and fold is None:
            message = (
                f"{at.isoformat()} comes twice when the clocks go back; say which with fold: 0"
                f" (first) or 1 (second), or write its zone, {first:%z} or {second:%z}"
            )
            report.add(node.place, key, message)
        elif fold is not None and not twice:
            report.add(node.place, key, "has a fold, but comes once; leave fold out")
        return second if fold else first

    def _then(
        self, node: Node | None, key: str, report: Report, local: datetime
    ) -> dict[datetime, frozenset[str]]:
        found: dict[datetime, frozenset[str]] = {}
        if node is None:
            return found
        if not isinstance(node, Mapping):
            message = f"{describe(node)}; wanted a table: a later moment → what stands from then on"
            report.add(node.place, key, message)
            return found
        for name, value in node.entries:
            inner = dotted(key, name.text)
            # A key of a table needs no quotes to be text here, whatever YAML takes it for.
            at = _Reading().read(Scalar(name.place, name.text, "text"), inner, report)
            states = States().read(value, inner, report)
            if at is None or states is None:
                continue
            moment = self._aware(at, None, name, inner, report)
            if moment.timestamp() <= local.timestamp():
                report.add(name.place, inner, "is not later than the moment asked about")
            found[moment] = states
        return found


def _facts(fields: Fields, key: str, report: Report, policy: Policy) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for fact in FACTS:
        read = fields.take(fact.name, fact.kind, None)
        if read is None:
            continue
        if fact.valid is not None and read not in (names := fact.valid(policy)):
            place = fields.node(fact.name)
            message = f"policy.yaml has no {fact.what} {read}{nearest(read, names)}"
            report.add(place.place if place else "", dotted(key, fact.name), message)
            continue
        found[fact.name] = fact.value(policy, read)
    return found


def _spelt(node: Node) -> str:
    """What was written, in one line."""
    if isinstance(node, Mapping):
        return ", ".join(f"{printable(name.text)}: {_inner(value)}" for name, value in node.entries)
    return _inner(node)


def _inner(node: Node) -> str:
    if isinstance(node, Mapping):
        return f"{{{_spelt(node)}}}"
    if isinstance(node, Sequence):
        return f"[{', '.join(map(_inner, node.items))}]"
    return printable(node.text) if isinstance(node, Scalar) else ""

"""What a case of `policy_tests.yaml` can say of who asks for what, and want: a row for each.

In: nodes of the file. Out: values as rules see them, by the part of a request that has them.
Must never: know how a case is run (cli/tested.py does), or take a name that the policy has not.

A fact that rules come to look at is a row here, and so is what decisions come to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from proxy_addons.policy.findings import CONTENT_TYPE, KINDS, UPLOAD_SIZE, VALUES, parted
from proxy_addons.policy.people import canonical_name
from proxy_addons.policy.states import STATES, as_given
from proxy_addons.settings.condition_values import group_text
from proxy_addons.settings.entries import CATEGORY, PROFILE
from proxy_addons.settings.kinds import Choice, Flag, Kind, ListOf, Pattern, Text, text_of
from proxy_addons.settings.problems import nearest, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from proxy_addons.policy.compiled import Policy
    from proxy_addons.policy.model import Decision
    from proxy_addons.settings.problems import Report
    from proxy_addons.settings.tree import Node


class Part(Enum):
    """What of a request has the fact."""

    PERSON = "person"
    """An attribute of `policy.model.Person`."""
    RESOURCE = "resource"
    """An attribute of `policy.model.Resource`."""
    ABOUT = "about"
    """By whom it comes, for `Policy.about`."""
    BODY = "body"
    """What was found in a body (policy/findings.py)."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact that a case can say.

    Attributes:
        name: its key in a case.
        kind: what may be written.
        part: what of a request has it.
        field: the attribute that it becomes.
        value: what was read, as rules see it.
        valid: the names that the policy has, where it has to be one of these.
        what: such a name, in messages.
    """

    name: str
    kind: Kind[Any]
    part: Part
    field: str
    value: Callable[[Policy, Any], Any] = lambda _policy, read: read
    valid: Callable[[Policy], Collection[str]] | None = None
    what: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found in a body, as `kind=value`."""

    wanted: str = "what was found, as kind=value, such as file_type=pdf"

    def read(self, node: Node, key: str, report: Report) -> str | None:
        """See `Kind.read`."""
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        kind, value = parted(text)
        if kind in _OPEN and value:
            return text
        if kind not in KINDS:
            hint = nearest(kind, (*KINDS, *_OPEN))
            message = f"found {quoted(text)}; wanted {self.wanted}{hint}"
        elif value not in VALUES[kind]:
            message = f"{kind} has no value {quoted(value)}{nearest(value, VALUES[kind])}"
        else:
            return text
        report.add(node.place, key, message)
        return None


@dataclass(frozen=True, slots=True)
class States:
    """What stands for the person: a state or a list of them that can stand together."""

    wanted: str = "a state such as on-break, or a list of such"

    def read(self, node: Node, key: str, report: Report) -> frozenset[str] | None:
        """See `Kind.read`."""
        given = ListOf(Choice(tuple(sorted(STATES))), one=True).read(node, key, report)
        if given is None:
            return None
        try:
            return as_given(given)
        except ValueError as problem:
            # Nobody can be both: nothing is decided for this case, and the file is refused.
            report.add(node.place, key, str(problem))
            return None


@dataclass(frozen=True, slots=True)
class Wish:
    """What a case can want of a decision besides action, rule and the moment from which it opens.

    Attributes:
        name: its key in a case.
        kind: what may be written.
        usual: what is wanted where a case does not say it.
        got: the same of a decision.
    """

    name: str
    kind: Kind[Any]
    usual: Any
    got: Callable[[Decision], Any]


@dataclass(frozen=True, slots=True)
class _Client:
    wanted: str = "a client address such as 192.0.2.7"

    def read(self, node: Node, key: str, report: Report) -> str | None:
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        try:
            return str(ip_address(text))
        except ValueError:
            # No address: reported, and the whole file is refused with it.
            report.add(node.place, key, f"found {quoted(text)}; wanted {self.wanted}")
            return None


_OPEN: Final = frozenset({UPLOAD_SIZE, CONTENT_TYPE})
"""Kinds of findings whose values are the policy's own (policy/measures.py)."""
CATEGORIES: Final = ListOf(CATEGORY, one=True)
METHOD: Final = Pattern(r"[A-Z]+(?:-[A-Z]+)*", "an HTTP method in capitals such as POST")

FACTS: Final[tuple[Fact, ...]] = (
    Fact(
        "profile",
        PROFILE,
        Part.PERSON,
        "profile",
        valid=lambda policy: policy.profiles,
        what="profile",
    ),
    Fact(
        "person",
        Text("the name of a person"),
        Part.PERSON,
        "name",
        value=lambda _policy, read: canonical_name(read),
    ),
    Fact(
        "groups",
        ListOf(Text("a group of the directory"), one=True),
        Part.PERSON,
        "groups",
        value=lambda _policy, read: frozenset(map(group_text, read)),
    ),
    Fact("client", _Client(), Part.ABOUT, "client"),
    Fact("user_agent", Text("what a program says of itself"), Part.ABOUT, "user_agent"),
    Fact("state", States(), Part.PERSON, "states"),
    Fact(
        "exempted",
        CATEGORIES,
        Part.PERSON,
        "exempted",
        value=lambda policy, read: policy.with_aliases(read),
    ),
    Fact("method", METHOD, Part.RESOURCE, "method"),
    Fact(
        "found",
        ListOf(Finding(), one=True),
        Part.BODY,
        "findings",
        value=lambda _policy, read: frozenset(read),
    ),
)
"""All of them, in the order of the documentation."""

WISHES: Final[tuple[Wish, ...]] = (
    Wish("inspect", Flag(), usual=True, got=lambda decision: decision.inspect),
    Wish("to", Text("where a rule that redirects leads"), "", lambda decision: decision.to),
    Wish(
        "changes",
        ListOf(Text("a change as the record has it, such as header:X-Tenant@rule"), one=True),
        (),
        lambda decision: tuple(name for each in decision.changes for name in each.names()),
    ),
    Wish("would_block", Text("a rule on trial"), "", lambda decision: decision.would_block),
)
"""All of them."""


def rules_in(decision: Decision) -> tuple[str, ...]:
    """The rules that a decision shows to be carried out."""
    tried = (decision.would_block,) if decision.would_block else ()
    return (decision.rule, *tried, *(change.rule for change in decision.changes))

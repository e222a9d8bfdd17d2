"""Kinds of value of `alerts` and `alert_webhooks`: one entry of each.

In: nodes of the configuration. Out: what was written, with its place, for alerts_build.py.
Must never: take an alert that is wrong in any part for one that counts more, or less.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy_addons.policy.model import STRICTNESS
from proxy_addons.settings.alerts import DAY, MEASURES, PER, QUEUE, SEVERITIES, Hours
from proxy_addons.settings.condition_kinds import NAME
from proxy_addons.settings.entries import CATEGORY, PROFILE
from proxy_addons.settings.feeds_kinds import HTTPS_URL
from proxy_addons.settings.kinds import (
    Choice,
    Fields,
    Flag,
    ListOf,
    Located,
    Named,
    Pattern,
    Text,
    Whole,
    text_of,
)
from proxy_addons.settings.netkinds import SecretVariable
from proxy_addons.settings.problems import quoted
from proxy_addons.settings.tree import dotted

if TYPE_CHECKING:
    from proxy_addons.settings.problems import Report
    from proxy_addons.settings.tree import Node

_NAME = Pattern(r"[a-z][a-z0-9]*(?:-[a-z0-9]+){0,9}", "an id such as exempt-odd-hours")
_FINDING = Pattern(r"[a-z_]{1,40}(?:=[a-z0-9._-]{1,64})?", "a finding such as marking=secret")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_TO = re.compile(
    r"queue|webhook:[a-z][a-z0-9-]{0,63}"
    r"|mail:[A-Za-z0-9]+(?:[._'+-][A-Za-z0-9]+)*@[A-Za-z0-9]+(?:[.-][A-Za-z0-9]+)*",
    re.ASCII,
)
_LARGEST = 10**15  # octets
_LONGEST_WINDOW = DAY
_LONGEST_QUIET = 31 * DAY
_WHEN = "a table with conditions such as rules, categories, actions, profiles and outside"


@dataclass(frozen=True, slots=True)
class WrittenWhen:
    """The conditions of an entry, as of `AlertWhen`, with places."""

    rules: tuple[Located, ...] | None
    categories: tuple[Located, ...] | None
    actions: tuple[str, ...] | None
    profiles: tuple[Located, ...] | None
    outside: tuple[Located, ...] | None
    hours: Hours | None
    findings: tuple[str, ...] | None
    virus: bool | None
    opened_only: bool


@dataclass(frozen=True, slots=True)
class WrittenAlert:
    """One entry of `alerts`. Attributes as of `Alert`."""

    id: str
    clause: str
    words: str
    when: WrittenWhen
    per: str
    measure: str
    threshold: int
    within: int
    quiet: int
    severity: str
    to: tuple[Located, ...]
    place: str
    key: str


@dataclass(frozen=True, slots=True)
class WrittenWebhook:
    """One entry of `alert_webhooks`."""

    name: str
    url: str
    secret_env: str
    ca_file: str | None
    place: str
    key: str


@dataclass(frozen=True, slots=True)
class _Hours:
    wanted: str = 'hours of the clock such as "22:00-06:00"'

    def read(self, node: Node, key: str, report: Report) -> Hours | None:
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        match = _CLOCK.fullmatch(text)
        if match is None:
            report.add(node.place, key, f"found {quoted(text)}; wanted {self.wanted}")
            return None
        first, second, third, fourth = map(int, match.groups())
        found = Hours(first * 60 + second, third * 60 + fourth)
        if found.start == found.end:
            report.add(node.place, key, "ends when it starts; for the whole day leave it out")
            return None
        return found


@dataclass(frozen=True, slots=True)
class _To:
    wanted: str = "queue, mail:ADDRESS or webhook:NAME"

    def read(self, node: Node, key: str, report: Report) -> str | None:
        text = text_of(node, key, report, self.wanted)
        if text is not None and _TO.fullmatch(text) is None:
            report.add(node.place, key, f"found {quoted(text)}; wanted {self.wanted}")
            return None
        return text


@dataclass(frozen=True, slots=True)
class AlertKind:
    """One entry of `alerts`."""

    wanted: str = "a table with the keys id, clause, words, when, threshold and within"

    def read(self, node: Node, key: str, report: Report) -> WrittenAlert | None:
        """See `Kind.read`."""
        fields = Fields(node, key, report, self.wanted)
        name = fields.need("id", _NAME, "")
        clause = fields.need("clause", Text("a clause such as Inf/27 3.1"), "")
        words = fields.need("words", Text("a plain sentence"), "")
        conditions = fields.node("when", required=_WHEN)
        when = None if conditions is None else _when(conditions, dotted(key, "when"), report)
        threshold = fields.need("threshold", Whole(1, _LARGEST), 0)
        within = fields.need("within", Whole(1, _LONGEST_WINDOW), 0)
        written = None
        per = fields.take("per", Choice(PER), "person")
        measure = fields.take("measure", Choice(MEASURES), "records")
        quiet = fields.take("quiet", Whole(1, _LONGEST_QUIET), DAY)
        severity = fields.take("severity", Choice(SEVERITIES), "medium")
        to = fields.take("to", ListOf(Named(_To()), one=True, least=1), ())
        fields.done()
        if name and clause and words and when is not None and threshold and within:
            written = WrittenAlert(
                *(name, clause, words, when, per, measure, threshold, within, quiet, severity),
                to or (Located(QUEUE, node.place, key),),
                node.place,
                key,
            )
        return written


def _when(node: Node, key: str, report: Report) -> WrittenWhen:
    fields = Fields(node, key, report, _WHEN)
    found = WrittenWhen(
        rules=fields.take("rules", ListOf(Named(NAME), one=True, least=1), None),
        categories=fields.take("categories", ListOf(Named(CATEGORY), one=True, least=1), None),
        actions=fields.take("actions", ListOf(Choice(tuple(STRICTNESS)), one=True, least=1), None),
        profiles=fields.take("profiles", ListOf(Named(PROFILE), one=True, least=1), None),
        outside=fields.take("outside", ListOf(Named(NAME), one=True, least=1), None),
        hours=fields.take("hours", _Hours(), None),
        findings=fields.take("findings", ListOf(_FINDING, one=True, least=1), None),
        virus=fields.take("virus", Flag(), None),
        opened_only=fields.take("opened_only", Flag(), default=False),
    )
    fields.done()
    return found


@dataclass(frozen=True, slots=True)
class WebhookKind:
    """One entry of `alert_webhooks`."""

    wanted: str = "a table with the keys name, url and secret_env"

    def read(self, node: Node, key: str, report: Report) -> WrittenWebhook | None:
        """See `Kind.read`."""
        fields = Fields(node, key, report, self.wanted)
        name = fields.need("name", _NAME, "")
        url = fields.need("url", HTTPS_URL, "")
        variable = fields.need("secret_env", SecretVariable(), "")
        ca_file = fields.take("ca_file", Text("the path of a PEM file"), None)
        fields.done()
        if not (name and url and variable):
            return None
        return WrittenWebhook(name, url, variable, ca_file, node.place, key)

"""Where rules lead behind Squid: the file for `watchhouse decide --redirects`.

In: the file, the policy. Out: an address for each rule that is named.
Must never: be used in part; a rule that is not in the policy is an error, since its refusals would
lead elsewhere in silence.

squidGuard's destinations and ACLs have redirects of their own: this is where they are with us. The
gateway itself does not read it: there people get a page that says why (docs/squidguard.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy_addons.gate.redirector.answers import Redirect, redirect_of
from proxy_addons.gate.redirector.entries import entries_of
from proxy_addons.policy.model import RESERVED_RULES
from proxy_addons.settings.kinds import Fields, ListOf, Located, Named, text_of
from proxy_addons.settings.policy_kinds import RULE_ID
from proxy_addons.settings.problems import Report, nearest, quoted

if TYPE_CHECKING:
    from pathlib import Path

    from proxy_addons.policy.compiled import Policy
    from proxy_addons.settings.tree import Node


@dataclass(frozen=True, slots=True)
class _Address:
    """An address with squidGuard's placeholders."""

    wanted: str = "an address such as 302:http://blocked.example/?category=%t"

    def read(self, node: Node, key: str, report: Report) -> Redirect | None:
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        try:
            return redirect_of(text)
        except ValueError as problem:
            # The file is refused: what these rules refuse would lead elsewhere.
            report.add(node.place, key, str(problem))
            return None


@dataclass(frozen=True, slots=True)
class _Entry:
    wanted: str = "a table with the keys rules and to"

    def read(
        self, node: Node, key: str, report: Report
    ) -> tuple[tuple[Located, ...], Redirect] | None:
        fields = Fields(node, key, report, self.wanted)
        rules = fields.need("rules", ListOf(Named(RULE_ID), one=True, least=1), ())
        to = fields.need("to", _Address(), None)
        fields.done()
        return None if to is None else (rules, to)


def read_redirects(path: Path, policy: Policy) -> dict[str, Redirect]:
    """The redirects of a file, by the id of the rule.

    Raises:
        SettingsError: anything is wrong with it; every problem with file, line and key.
    """
    report = Report()
    entries = entries_of(path, "redirects", _Entry(), report)
    ids = {*(rule.id for rule in policy.rules), *RESERVED_RULES}
    found: dict[str, Redirect] = {}
    for rules, to in entries:
        for rule in rules:
            if rule.text not in ids:
                hint = nearest(rule.text, ids)
                report.add(rule.place, rule.key, f"policy.yaml has no such rule{hint}")
            elif rule.text in found:
                report.add(rule.place, rule.key, f"{quoted(rule.text)} leads somewhere already")
            else:
                found[rule.text] = to
    report.raise_if_any()
    return found

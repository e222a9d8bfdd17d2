"""What is odd about the effects of rules that are otherwise valid.

In: a compiled policy. Out: findings, as lint.py has them.
Must never: refuse a policy; these are warnings for `watchhouse check`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.policy.compiled import host_and_parents
from proxy_addons.policy.lint import Finding
from proxy_addons.policy.model import Action, Person, Resource
from proxy_addons.urlkey import url_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy_addons.policy.compiled import Policy, Rule

_FILLED_IN = {"{url}": "x", "{host}": "x", "{rule}": "x"}


def odd_effects(policy: Policy) -> Iterator[Finding]:
    """All oddities of effects.

    Args:
        policy: the compiled policy.
    """
    for rule in policy.rules:
        if rule.action is Action.REDIRECT and _leads_to_itself(policy, rule):
            message = (
                "leads to an address that it redirects itself; there it will be a plain refusal"
            )
            yield Finding("rules", rule.id, message)
        if rule.action is Action.MODIFY and _never_decrypted(policy, rule):
            message = (
                "changes requests to sites that are never decrypted (tls.never_inspect): only those"
                " in the clear"
            )
            yield Finding("rules", rule.id, message)


def _leads_to_itself(policy: Policy, rule: Rule) -> bool:
    """Whether the rule meets its own target, whatever lists say of that."""
    target = rule.effects.to.partition("#")[0]
    for name, value in _FILLED_IN.items():
        target = target.replace(name, value)
    asked = Resource(url_key(target), frozenset(), "GET")
    return any(
        rule.concerns(
            policy.facts(
                Person(None, "unidentified", profile, states=rule.states or frozenset()), asked
            )
        )
        for profile in rule.profiles or policy.profiles
    )


def _never_decrypted(policy: Policy, rule: Rule) -> bool:
    if rule.categories is not None and rule.categories <= policy.never_inspect_categories:
        return True
    never = policy.never_inspect_hosts
    return rule.hosts is not None and all(
        not never.isdisjoint(host_and_parents(host)) for host in rule.hosts
    )

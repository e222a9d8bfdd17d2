"""What is odd about a policy that is otherwise valid: rules that can never decide, unused names.

In: a compiled policy, the profiles that people have.
Out: findings, each naming a rule, time space, group or profile.
Must never: refuse a policy (settings/ does); these are warnings for `watchhouse check`.

Whether a rule can decide is found exactly (reach.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy_addons.policy import atoms
from proxy_addons.policy.atoms import host_of_text
from proxy_addons.policy.compiled import host_and_parents
from proxy_addons.policy.model import REFUSALS, Person, Resource
from proxy_addons.policy.reach import unreachable
from proxy_addons.policy.states import ALLOWANCE_LOW, ALLOWANCE_USED, SOCIAL_LOW, SOCIAL_USED
from proxy_addons.urlkey import UrlKey

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from proxy_addons.policy.compiled import Policy, Rule


@dataclass(frozen=True, slots=True)
class Finding:
    """One oddity.

    Attributes:
        where: dotted key in `policy.yaml` of the section: `rules`, `time_spaces` and so on.
        name: the rule's id or the name.
        message: what is odd, in plain words.
    """

    where: str
    name: str
    message: str


def findings(policy: Policy, profiles_of_people: Collection[str]) -> tuple[Finding, ...]:
    """All oddities of a policy.

    Args:
        policy: the compiled policy.
        profiles_of_people: profiles that the settings give to people.
    """
    return (
        *(Finding("rules", rule.id, why) for rule, why in unreachable(policy)),
        *_without_clause(policy),
        *_unseen(policy),
        *_uncounted(policy),
        *_unused(policy, profiles_of_people),
    )


def _without_clause(policy: Policy) -> Iterator[Finding]:
    for rule in policy.rules:
        if not rule.clause:
            yield Finding("rules", rule.id, "names no clause of the force's policy")


def _uncounted(policy: Policy) -> Iterator[Finding]:
    """Rules that look at minutes of which none are ever counted."""
    for rule in policy.rules:
        states = (rule.states or frozenset()).union(*(leaf.meant for leaf in rule.leaves("state")))
        for counted, key, uses in (
            (policy.personal, "categories", {ALLOWANCE_LOW, ALLOWANCE_USED}),
            (policy.social, "social", {SOCIAL_LOW, SOCIAL_USED}),
        ):
            if not counted and not states.isdisjoint(uses):
                state = min(states & uses)
                message = f"looks at {state}, but personal_use.{key} names nothing that counts"
                yield Finding("rules", rule.id, message)


def _unused(policy: Policy, profiles_of_people: Collection[str]) -> Iterator[Finding]:
    spaces = {space.name for rule in policy.rules for time in rule.times for space in time.spaces}
    for name in policy.time_spaces:
        if name not in spaces:
            yield Finding("time_spaces", name, "is used by no rule")
    groups = {name for rule in policy.rules for name in rule.category_names}
    for rule in policy.rules:
        groups.update(name for leaf in rule.leaves("categories") for name in leaf.names)
    groups.update(policy.personal_names, policy.masks.names)
    for name in policy.category_groups:
        if name not in groups:
            yield Finding("category_groups", name, "is used by no rule")
    for name in policy.profiles:
        if (
            name != policy.strictest_profile
            and name not in profiles_of_people
            and not any(name in _profiles(rule) for rule in policy.rules)
        ):
            yield Finding("profiles", name, "is given to nobody and named by no rule")


def _profiles(rule: Rule) -> frozenset[str]:
    """The profiles that a rule names, at its top and deeper."""
    deeper = (leaf.meant for leaf in rule.leaves("profiles"))
    return (rule.profiles or frozenset()).union(*deeper)


def _unseen(policy: Policy) -> Iterator[Finding]:
    """Rules on pages of what is not decrypted, where nobody sees which page is asked for."""
    for rule in policy.rules:
        hosts = {
            host_of_text(text)
            for leaf in rule.leaves(atoms.URL)
            if leaf.atom is not None
            for text in leaf.atom.values
            if isinstance(text, str) and not text.endswith("./")
        }
        for host in sorted(hosts):
            if not policy.never_inspect_hosts.isdisjoint(host_and_parents(host)):
                what = (
                    "so it never matches there"
                    if rule.action not in REFUSALS and not rule.coaches
                    else "so all of it may be refused"
                )
                message = f"looks at pages of {host}, which is not decrypted, {what}"
                yield Finding("rules", rule.id, message)
    refused: dict[str, set[str]] = {}
    for profile in policy.profiles:
        for category in sorted(policy.never_inspect_categories):
            name = _refusing_unseen(policy, profile, category)
            if name is not None:
                refused.setdefault(name, set()).add(category)
    for name, categories in refused.items():
        listed = ", ".join(sorted(categories))
        message = (
            f"refuses connections that are not decrypted ({listed}), as nobody"
            " sees which page is asked for there: put it below the rules that allow these, or name"
            " hosts or categories"
        )
        yield Finding("rules", name, message)


def _refusing_unseen(policy: Policy, profile: str, category: str) -> str | None:
    """The rule that refuses tunnels to a kind of site only because the address is not known."""
    key = UrlKey("", "site.invalid", 443)  # no policy names it (RFC 6761)
    person = Person("somebody", "", profile, groups=frozenset())
    about = policy.about("0.0.0.0", "")  # noqa: S104 - no client has it (RFC 1122 3.2.1.3)
    categories = frozenset({category})
    facts = policy.facts(person, Resource(key, categories, "CONNECT", about))
    open_page = facts._replace(
        atoms=frozenset(token for token in facts.atoms if not token.startswith("?"))
    )
    for rule in policy.rules_of(facts.profile):
        if rule.concerns(facts):
            if rule.ends and rule.action in REFUSALS and not rule.concerns(open_page):
                return rule.id
            if not rule.timed and rule.ends:
                return None
    return None

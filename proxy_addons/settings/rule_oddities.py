"""What is odd about rules in the light of the lists and of the settings, for `watchhouse check`.

In: the policy, as written and compiled; the settings; the categories of all lists.
Out: warnings with file, line and key.
Must never: warn of each of sixty things in a line of its own.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from proxy_addons.policy import atoms
from proxy_addons.policy.model import TRAITS
from proxy_addons.settings.condition_values import group_text
from proxy_addons.settings.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from proxy_addons.policy.compiled import Policy
    from proxy_addons.settings import model
    from proxy_addons.settings.policy_file import PolicySource

_NAMED_AT_MOST: Final = 8
_NEAR: Final = 0.85  # of the names of groups: one letter in seven is another


def rule_oddities(
    source: PolicySource,
    policy: Policy,
    settings: model.Settings,
    known_categories: Collection[str] | None,
) -> Iterator[Problem]:
    """Oddities of rules.

    Args:
        source: the policy as written.
        policy: the same compiled.
        settings: all of them.
        known_categories: the categories of all lists; None: not known.
    """
    yield from _groups(source, settings)
    unnamed = sorted(
        name
        for name in known_categories or ()
        if name not in TRAITS and not policy_uses(policy, name)
    )
    if unnamed:
        told = ", ".join(unnamed[:_NAMED_AT_MOST])
        more = len(unnamed) - _NAMED_AT_MOST
        rest = f" and {more} more" if more > 0 else ""
        count = "1 category" if len(unnamed) == 1 else f"{len(unnamed)} categories"
        message = f"the lists have {count} that no rule names: {told}{rest}"
        yield Problem(source.place, "rules", message)


def policy_uses(policy: Policy, category: str) -> bool:
    """Whether a rule, what is not decrypted, or what counts as personal use, names a category."""
    return (
        category in policy.never_inspect_categories
        or category in policy.personal
        or category in policy.masks.categories
        or any(category in rule.all_categories for rule in policy.rules)
    )


def _groups(source: PolicySource, settings: model.Settings) -> Iterator[Problem]:
    """Groups that nobody can be known to be in, or that look like another that is mapped."""
    mapped = {
        group_text(group): group for entry in settings.identity.profiles for group in entry.groups
    }
    for rule in source.rules:
        for leaf in (leaf for each in rule.more for leaf in each.leaves()):
            if leaf.kind != atoms.GROUPS:
                continue
            if not settings.directory.servers:
                message = "looks at groups, but no directory is set up (directory.servers)"
                yield Problem(leaf.place, leaf.key, message)
                continue
            for value in leaf.values:
                folded = group_text(value.text)
                near = get_close_matches(folded, mapped, n=1, cutoff=_NEAR)
                if near and folded not in mapped:
                    message = (
                        f"{value.text} is near to {mapped[near[0]]} of identity.profiles; if that"
                        " is meant, write it so"
                    )
                    yield Problem(leaf.place, leaf.key, message)

"""Matching: which rule of a policy is the first that a request meets.

In: a compiled policy, the facts of a request, the moment.
Out: a `Match`: the rule that allows or blocks, and the one before it that coaches, if any.
Must never: let a rule that coaches open what the rules after it refuse.

Coaching is a step on the way, not a permission: it says what is expected, and what comes after it
still has to allow. So the same few rules say once when personal use is allowed, and those that
coach (the allowance is nearly used; an auction) stand before them without repeating the times.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from proxy_addons.policy.model import Action

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from proxy_addons.policy.compiled import Facts, Policy, Rule
    from proxy_addons.policy.timespaces import Reading


class Match(NamedTuple):
    """What a request meets.

    Attributes:
        rests: the first rule that matches and allows or blocks; None where none does.
        coach: the first before it that matches and coaches; None where none does.
    """

    rests: Rule | None
    coach: Rule | None = None

    @property
    def decides(self) -> Rule | None:
        """The rule that decides; None where none allows or blocks."""
        if self.coach is not None and self.rests is not None:
            return self.coach if self.rests.action is Action.ALLOW else self.rests
        return self.rests

    def withheld(self, policy: Policy, facts: Facts) -> bool:
        """Whether it would pass, and is a threat that the person's exemption does not name."""
        rests = self.rests
        if rests is None or rests.action is not Action.ALLOW:
            return False
        return policy.withholds(facts, rests) or (
            self.coach is not None and policy.withholds(facts, self.coach)
        )

    def passes(self, policy: Policy, facts: Facts) -> bool:
        """Whether it is allowed, at once or after having been coached."""
        rests = self.rests
        return (
            rests is not None and rests.action is Action.ALLOW and not self.withheld(policy, facts)
        )


def match_of(policy: Policy, facts: Facts, local: datetime) -> Match:
    """What a request meets.

    Args:
        policy: the compiled policy.
        facts: as `policy.facts` gives them.
        local: as `policy.local` gives it.
    """
    now = coach = None
    categories = facts.categories
    for rule in policy.rules_of(facts.profile):
        # Most rules fail by their categories: that is tried here, which saves most of the calls.
        if rule.categories is not None and rule.categories.isdisjoint(categories):
            continue
        if rule.concerns(facts):
            if rule.time is not None or rule.also is not None:
                if now is None:
                    now = policy.reading(local)
                if not rule.holds(facts, now):
                    continue
            if rule.action is not Action.COACH:
                return Match(rule, coach)
            if coach is None:
                coach = rule
    return Match(None, coach)


def match_at(concerned: Iterable[Rule], facts: Facts, now: Reading) -> Match:
    """What a request meets at another time.

    Args:
        concerned: the rules that concern it, in order.
        facts: as `policy.facts` gives them.
        now: what the clock says then.
    """
    coach = None
    for rule in concerned:
        # `rule.holds`, without the call: this runs for each boundary of two weeks.
        if (rule.time is None or rule.time.holds(now)) and (
            rule.also is None or rule.also.holds(facts, now)
        ):
            if rule.action is not Action.COACH:
                return Match(rule, coach)
            if coach is None:
                coach = rule
    return Match(None, coach)

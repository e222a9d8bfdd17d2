"""Matching: which rule of a policy is the first that a request meets.

In: a compiled policy, the facts of a request, the moment.
Out: a `Match`: the rule that allows or refuses, the one before it that coaches, if any, and those
that decide nothing.
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
        rests: the first rule that matches and allows, redirects or blocks; None where none does.
        before: those before it that match, in order: they coach, modify, or are on trial.
    """

    rests: Rule | None
    before: tuple[Rule, ...] = ()

    @property
    def coach(self) -> Rule | None:
        """The first of those before that coaches; None where none does."""
        return next((rule for rule in self.before if rule.coaches), None)

    @property
    def decides(self) -> Rule | None:
        """The rule that decides; None where none allows or refuses."""
        if self.coach is not None and self.rests is not None:
            return self.coach if self.rests.action is Action.ALLOW else self.rests
        return self.rests

    @property
    def on_trial(self) -> Rule | None:
        """The first rule on trial that would not have let pass what does; None where none is."""
        allows = self.rests is not None and self.rests.action is Action.ALLOW
        coached = False
        for rule in self.before:
            coached = coached or rule.coaches
            # What a review opens later, it would not have opened for a rule that stays.
            if not rule.effects.stealth or not (allows or rule.effects.never_overridden):
                continue
            # Behind a rule that coaches, another would never have its say.
            if rule.action is not Action.COACH or not coached:
                return rule
        return None

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
    now = None
    before: tuple[Rule, ...] = ()
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
            if rule.ends:
                return Match(rule, before)
            before += (rule,)
    return Match(None, before)


def decrypted(policy: Policy, facts: Facts, local: datetime) -> bool:
    """Whether a connection may be decrypted: the first rule on that which matches says.

    What is never inspected (`tls.never_inspect`) stays so, whatever rules say.

    Args:
        policy: the compiled policy.
        facts: as `policy.facts` gives them.
        local: as `policy.local` gives it.
    """
    if not policy.inspects(facts):
        return False
    for rule in policy.tunnel_rules(facts):
        if rule.concerns(facts) and rule.holds(facts, policy.reading(local)):
            return rule.action is Action.INSPECT
    return True


def match_at(concerned: Iterable[Rule], facts: Facts, now: Reading) -> Match:
    """What a request meets at another time.

    Args:
        concerned: the rules that concern it, in order.
        facts: as `policy.facts` gives them.
        now: what the clock says then.
    """
    before: tuple[Rule, ...] = ()
    for rule in concerned:
        # `rule.holds`, without the call: this runs for each boundary of two weeks.
        if (rule.time is None or rule.time.holds(now)) and (
            rule.also is None or rule.also.holds(facts, now)
        ):
            if rule.ends:
                return Match(rule, before)
            before += (rule,)
    return Match(None, before)

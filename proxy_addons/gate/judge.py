"""The strictest judgement over all the names that one request goes by.

In: a person, the canonical keys of a request (CONNECT host, SNI, Host, :authority, URL, addresses
inside these), what its form says of it, a moment; what the person's day and reviews say.
Out: one `Judgement`: the strictest decision, every category met, and whether to splice.
Must never: prefer a lenient name. One blocked name blocks; one inspectable name inspects.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING

from proxy_addons.gate.rules import RULE_REVIEW_ALLOWED
from proxy_addons.gate.sites import site_of
from proxy_addons.gate.today import NOTHING_TODAY
from proxy_addons.policy.decide import against, decide
from proxy_addons.policy.model import STRICTNESS, Action, Decision, Moment, Person, Resource
from proxy_addons.policy.retry import retry_ahead
from proxy_addons.policy.turning import looks_anyhow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy_addons.categorisation import CategoryIndex
    from proxy_addons.gate.today import Today
    from proxy_addons.policy.cache import Decider
    from proxy_addons.urlkey import UrlKey

_NONE: frozenset[str] = frozenset()


@lru_cache(maxsize=4096)
def in_order(names: frozenset[str]) -> tuple[str, ...]:
    """A set of names as a record has them."""
    return tuple(sorted(names))


@dataclass(slots=True)  # not frozen: that would double the time it takes to make one
class Judgement:
    """The outcome over all names.

    Attributes:
        decision: of the strictest name.
        key: the name that decided.
        categories: of all names together, sorted.
        splice: True only when every name is one that must not be decrypted.
        keys: all names, those inside others too.
        looks: kinds of findings (policy/findings.py) in a body that could make it a stricter one.
        each: where there are several names: each with what was decided of it.
    """

    decision: Decision
    key: UrlKey
    categories: tuple[str, ...]
    splice: bool
    keys: Sequence[UrlKey] = field(default=(), compare=False)
    looks: frozenset[str] = _NONE
    each: Sequence[tuple[UrlKey, Decision]] = field(default=(), compare=False)

    @property
    def would_block(self) -> str:
        """Id of the first rule on trial that would not have let pass what does; "" where none."""
        if self.decision.action is not Action.ALLOW:
            return ""
        found = (decision.would_block for _, decision in self.each)
        return self.decision.would_block or next(filter(None, found), "")

    @property
    def host(self) -> str:
        """The host of the name that decided."""
        return self.key.host


def judge(  # noqa: PLR0913, PLR0917 - each is a fact of its own
    decider: Decider,
    index: CategoryIndex,
    person: Person,
    keys: Sequence[UrlKey],
    method: str,
    moment: Moment,
    traits: frozenset[str] = _NONE,
    today: Today = NOTHING_TODAY,
    findings: frozenset[str] = _NONE,
    about: frozenset[str] | None = None,
) -> Judgement:
    """Judge a request by the strictest of its names.

    Args:
        decider: the compiled policy, with its memory.
        index: the category index in force.
        person: who asks.
        keys: at least one canonical address; the first is what the person asked for.
        method: HTTP method in upper case.
        moment: when.
        traits: categories that the request has whatever its names (gate/traits.py).
        today: what the person has confirmed, and what reviews have given or allowed.
        findings: what was found in a body, once one has been looked at.
        about: what is known of client and program (`Policy.about`); None: nothing.
    """
    if not keys:
        # A request without a name cannot be judged. The dispatch turns this into a refusal.
        msg = "a request with no name to judge it by"
        raise ValueError(msg)
    if len(keys) == 1 and not traits:  # nearly always: there is nothing to compare
        key = keys[0]
        found = _categories(decider, index, key, today)
        resource = Resource(key, found, method, about)
        decision = _decided(decider, person, resource, moment, findings)
        if decision.action is not Action.ALLOW and person.name is not None:
            decision = _settled(decider, person, resource, decision, moment, today, findings)
        return Judgement(decision, key, in_order(found), not decision.inspect, keys, decision.looks)
    strictest: Decision | None = None
    deciding = keys[0]
    categories = looks = _NONE
    splice = True
    each: list[tuple[UrlKey, Decision]] = []
    for key in keys:
        found = _categories(decider, index, key, today)
        if traits:
            found |= traits
        resource = Resource(key, found, method, about)
        decision = _decided(decider, person, resource, moment, findings)
        if decision.action is not Action.ALLOW and person.name is not None:
            decision = _settled(decider, person, resource, decision, moment, today, findings)
        each.append((key, decision))
        categories = categories | found if categories else found
        looks |= decision.looks
        splice = splice and not decision.inspect
        if strictest is None or STRICTNESS[decision.action] > STRICTNESS[strictest.action]:
            strictest = decision
            deciding = key
    assert strictest is not None
    return Judgement(strictest, deciding, in_order(categories), splice, keys, looks, each)


def _decided(
    decider: Decider,
    person: Person,
    resource: Resource,
    moment: Moment,
    findings: frozenset[str],
) -> Decision:
    """What the policy says: from memory, unless something was found that rules look at."""
    if findings and not findings.isdisjoint(decider.policy.findings):
        return decide(decider.policy, person, resource, moment, findings=findings)
    return decider.decide(person, resource, moment)


def in_time(  # noqa: PLR0913, PLR0917 - as of `judge`
    decider: Decider,
    index: CategoryIndex,
    person: Person,
    judgement: Judgement,
    method: str,
    moment: Moment,
    traits: frozenset[str],
    today: Today,
    about: frozenset[str] | None = None,
) -> Judgement:
    """What is refused, with the moment from which it would be allowed, by what will stand then.

    The policy knows the clock; when a duty, a break or a day with its minutes ends, the person's
    day knows. Nothing of it is shared between people, so that it is asked for refusals alone.

    Args:
        decider: the compiled policy.
        index: the category index in force.
        person: who asked.
        judgement: that blocks.
        method: HTTP method in upper case.
        moment: when.
        traits: categories that the request has whatever its names.
        today: what will stand for the person.
        about: as of `judge`.
    """
    policy, decision = decider.policy, judgement.decision
    if person.name is None or not policy.states:
        return judgement
    ahead = iter(today.ahead(person.name, moment.local))
    first = next(ahead, None)
    if first is None:  # nothing is known: what the policy said by the clock holds
        return judgement
    found = _categories(decider, index, judgement.key, today) | traits
    facts = policy.facts(person, Resource(judgement.key, found, method, about))
    retry = retry_ahead(policy, facts, policy.local(moment), chain((first,), ahead))
    at, ended = (None, _NONE) if retry is None else retry
    if (at, ended) == (decision.retry_at, decision.retry_ended):
        return judgement
    return replace(judgement, decision=replace(decision, retry_at=at, retry_ended=ended))


def _categories(
    decider: Decider, index: CategoryIndex, key: UrlKey, today: Today
) -> frozenset[str]:
    """What an address is: as the lists say, or as a review has given it.

    What the lists know as a threat stays one, whatever a review has given: it may have become one
    since, or be one below the site that was looked at. So does what is never overridden.
    """
    given = today.site_categories(key.host)
    if given is None:
        return index.lookup(key)
    return given | (index.lookup(key) & decider.policy.stays)


def _settled(
    decider: Decider,
    person: Person,
    resource: Resource,
    decision: Decision,
    moment: Moment,
    today: Today,
    findings: frozenset[str],
) -> Decision:
    """What the policy said of one name, after what the person did about it.

    A confirmation lets through what is coached; a review lets through what is blocked, but no
    threat that only an exemption by name opens, nothing that is never overridden, nothing for whom
    nothing counts any more, and no file that rules refuse for what it is.
    """
    assert person.name is not None
    key, categories = resource.key, resource.categories
    if decision.action is Action.COACH:
        if today.confirmed(person.name, decision.rule, site_of(key.host), moment.local):
            return replace(decision, action=Action.ALLOW)
        return decision
    policy = decider.policy
    if person.profile == policy.strictest_profile or categories & policy.by_name_only:
        return decision
    if decision.final:
        return decision
    reference = today.allowed_site(person.name, key.host, moment.local)
    if reference is None:
        return decision
    if findings and (refused := against(policy, person, resource, moment, findings)) is not None:
        return refused
    return replace(
        decision,
        action=Action.ALLOW,
        rule=RULE_REVIEW_ALLOWED,
        clause="Inf/27 2.13",
        reason=f"Information security allowed it after a review ({reference}).",
        retry_at=None,
        retry_ended=_NONE,
        to="",
        looks=looks_anyhow(policy, policy.facts(person, resource)),
    )

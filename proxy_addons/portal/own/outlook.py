"""What the policy in force gives a person now, kind of site by kind of site, and until when.

In: the policy, a person, what stands for them now and at coming moments.
Out: kinds of sites with one answer each, in the order in which people look for them.
Must never: decide by other means than the policy itself, or do I/O.

Nothing is known here of single sites: hosts that rules name, and what a list says of a site, count
when the site is opened.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from proxy_addons.policy.decide import decide_facts
from proxy_addons.policy.model import REFUSALS, STRICTNESS, Action, Resource
from proxy_addons.policy.retry import instants
from proxy_addons.policy.states import ON_BREAK
from proxy_addons.urlkey import url_key

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from datetime import datetime

    from proxy_addons.policy.compiled import Policy
    from proxy_addons.policy.model import Decision, Person

AHEAD: Final = timedelta(days=7)
"""How far ahead is looked for a change."""
_ABBREVIATIONS: Final = frozenset({"ai", "dns", "https", "vpn"})
_ANY_SITE: Final = url_key("https://site.invalid/")  # no policy names it (RFC 6761)


class Prospect(NamedTuple):
    """What stands for a person now and later.

    Attributes:
        states_at: states (policy/states.py) at a moment, as far as is known now.
        moments: at which they change by the clock, in order.
        break_possible: whether the person could start a break now.
    """

    states_at: Callable[[datetime], frozenset[str]]
    moments: tuple[datetime, ...] = ()
    break_possible: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """Kinds of sites that have the same answer.

    Attributes:
        categories: their names for people; empty: all sites that the policy does not name.
        action: what happens to them now.
        reason: a plain sentence.
        clause: of the force's policy; may be empty.
        rule: id of the rule.
        personal: whether their use counts as personal use.
        changes: when the answer will be another by the clock, in the policy's time zone; None: not
            within `AHEAD`.
        then: the action from then on; of several that open then, that of the first.
        in_break: whether they would open in a break that the person starts now.
    """

    categories: tuple[str, ...]
    action: Action
    reason: str
    clause: str
    rule: str
    personal: bool
    changes: datetime | None = None
    then: Action | None = None
    in_break: bool = False


def outlook(
    policy: Policy,
    person: Person,
    at: datetime,
    prospect: Prospect,
    personal: Collection[str],
) -> tuple[Kind, ...]:
    """The answers of the policy for all kinds of sites that it names, and for the others.

    Args:
        policy: in force.
        person: who asks; their `states` are not looked at.
        at: the moment, aware.
        prospect: what stands for them, now and later.
        personal: categories whose use counts as personal use, list aliases included.
    """
    local = at.astimezone(policy.time_zone)
    coming = tuple(_coming(policy, person, local, prospect.moments))
    answers: dict[tuple[object, ...], list[str]] = defaultdict(list)
    kinds: dict[tuple[object, ...], Kind] = {}
    for name in (*_names(policy, person, personal), ""):
        categories = frozenset({name} if name else ())

        def ask(
            moment: datetime,
            more: frozenset[str] = frozenset(),
            categories: frozenset[str] = categories,
        ) -> Decision:
            states = prospect.states_at(moment) | more
            # Rules that look at the address of a client, or its program, are passed by.
            site = Resource(_ANY_SITE, categories, about=frozenset())
            facts = policy.facts(replace(person, states=states), site)
            return decide_facts(policy, facts, moment.astimezone(policy.time_zone))

        now = ask(local)
        changes = then = None
        if _can_change(policy, person, categories):
            for moment in coming:
                later = ask(moment).action
                if later is not now.action:
                    changes, then = moment, later
                    break
        in_break = (
            now.action in REFUSALS
            and prospect.break_possible
            and ask(local, frozenset({ON_BREAK})).action not in REFUSALS
        )
        kind = Kind(
            (), now.action, now.reason, now.clause, now.rule, name in personal, changes, then,
            in_break,
        )  # fmt: skip
        opens = then is not None and then not in REFUSALS
        key = (bool(name), kind.action, kind.rule, kind.personal, changes, opens, in_break)
        kinds.setdefault(key, kind)
        answers[key].append(name)
    made = [
        replace(kind, categories=tuple(map(_words, filter(None, answers[key]))))
        for key, kind in kinds.items()
    ]
    order = tuple(STRICTNESS)
    return tuple(sorted(made, key=lambda kind: (not kind.personal, order.index(kind.action))))


def _words(category: str) -> str:
    words = category.split("-")
    return " ".join(each.upper() if each in _ABBREVIATIONS else each for each in words)


def _names(policy: Policy, person: Person, personal: Collection[str]) -> list[str]:
    """The categories that rules for this person name, those of personal use first."""
    named = {
        category
        for rule in policy.rules_of(_profile(policy, person))
        if rule.ends or rule.coaches  # nobody is to see what is on trial
        for category in rule.all_categories
        if category not in policy.category_aliases
    }
    own = {category for category in personal if category not in policy.category_aliases}
    return sorted(own) + sorted(named - own)


def _profile(policy: Policy, person: Person) -> str:
    return person.profile if person.profile in policy.profiles else policy.strictest_profile


def _can_change(policy: Policy, person: Person, categories: frozenset[str]) -> bool:
    """Whether a rule that looks at the time or at states concerns these categories.

    Rules on what is found in a body say nothing before one is sent or has come.
    """
    for rule in policy.rules_of(_profile(policy, person)):
        if rule.findings:
            continue
        if rule.categories is None or not rule.categories.isdisjoint(categories):
            if rule.timed or rule.stated:
                return True
            plain = rule.hosts is None and rule.methods is None and rule.also is None
            if plain and rule.ends:
                return False
    return False


def _coming(
    policy: Policy, person: Person, local: datetime, moments: Collection[datetime]
) -> Iterator[datetime]:
    """The moments within `AHEAD` at which an answer can change, in order, in the policy's zone."""
    minutes = frozenset[int]().union(
        *(
            space.boundaries
            for rule in policy.rules_of(_profile(policy, person))
            for time in rule.times
            for space in time.spaces
        )
    )
    start = local.astimezone(UTC)
    found = {each.astimezone(UTC) for each in moments}
    for instant in instants(local, minutes, policy.time_zone):
        if instant > start + AHEAD:
            break
        found.add(instant)
    for instant in sorted(found):
        if start < instant <= start + AHEAD:
            yield instant.astimezone(policy.time_zone)

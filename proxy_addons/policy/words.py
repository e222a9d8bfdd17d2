"""Conditions of rules in words: what of them holds, what does not, what is not known.

In: a condition (conditions.py), the facts of a request, what the clock says.
Out: a sentence for the trace.
Must never: say of what is not known that it is so, or that it is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy_addons.policy import atoms
from proxy_addons.policy.conditions import (
    CATEGORIES,
    FINDINGS,
    HOSTS,
    METHODS,
    PROFILES,
    STATE,
    TIME,
    All,
    Any,
    Leaf,
)
from proxy_addons.policy.findings import CONTENT_TYPE, UPLOAD_SIZE, words_of

if TYPE_CHECKING:
    from proxy_addons.policy.compiled import Facts
    from proxy_addons.policy.conditions import Condition
    from proxy_addons.policy.timespaces import Reading

_WORDS: Final = {
    PROFILES: ("the profile is {}", "the profile is not {}"),
    CATEGORIES: ("a category is {}", "no category is {}"),
    HOSTS: ("the host is or is under {}", "the host is not, and is not under, {}"),
    METHODS: ("the method is {}", "the method is not {}"),
    STATE: ("the state is {}", "the state is not {}"),
    atoms.URL: ("the address begins with {}", "the address does not begin with {}"),
    atoms.URL_MATCHES: ("the address matches {}", "the address does not match {}"),
    atoms.PERSONS: ("the person is {}", "the person is not {}"),
    atoms.GROUPS: ("the person is in the group {}", "the person is not in the group {}"),
    atoms.CLIENTS: ("the client is in {}", "the client is not in {}"),
    atoms.PORTS: ("the port is {}", "the port is not {}"),
    atoms.USER_AGENT: ("the user agent matches {}", "the user agent does not match {}"),
}
"""What is so, and what is not so, of each kind of condition."""


def met(condition: Condition, facts: Facts, now: Reading, clock: str) -> str:
    """Why a condition is met.

    Args:
        condition: that holds.
        facts: of the request.
        now: what the clock says.
        clock: the same for people.
    """
    if isinstance(condition, All):
        return "; ".join(met(part, facts, now, clock) for part in condition.parts)
    if isinstance(condition, Any):
        return next(
            met(part, facts, now, clock) for part in condition.parts if part.holds(facts, now)
        )
    return _said(condition, facts, now, clock)


def unmet(condition: Condition, facts: Facts, now: Reading, clock: str) -> str:
    """Why a condition is not met: the first of all that is not, or each of any."""
    if isinstance(condition, All):
        return next(
            unmet(part, facts, now, clock) for part in condition.parts if not part.holds(facts, now)
        )
    if isinstance(condition, Any):
        return ", and ".join(unmet(part, facts, now, clock) for part in condition.parts)
    return _said(condition, facts, now, clock)


def _said(leaf: Leaf, facts: Facts, now: Reading, clock: str) -> str:
    """What is so of what a leaf looks at."""
    if leaf.kind == TIME:
        assert leaf.time is not None
        return f"{clock} is {'' if leaf.time.holds(now) else 'not '}{leaf.time}"
    if leaf.kind == FINDINGS:
        assert leaf.wanted is not None
        told = sorted(leaf.meant & facts.findings)
        if told:
            return f"found {', '.join(map(words_of, told))}"
        if leaf.wanted.kind == UPLOAD_SIZE:
            return f"nothing {' or '.join(leaf.names)} is known to be sent"
        if leaf.wanted.kind == CONTENT_TYPE:
            return f"no declared type is known that is {' or '.join(leaf.names)}"
        kind = leaf.wanted.kind.replace("_", " ")
        return f"no {kind} is found that is in {', '.join(sorted(leaf.names))}"
    known = _known(leaf, facts)
    if leaf.kind == CATEGORIES and known and leaf.passed_by and not leaf.negated:
        seen = facts.categories - facts.exempted
        if leaf.meant.isdisjoint(seen):
            return f"an exemption opens {', '.join(sorted(facts.categories & facts.exempted))}"
    is_so, is_not = _WORDS[leaf.kind]
    names = " or ".join(leaf.names)
    if known is None:
        return f"it is not known whether {is_so.format(names)}"
    return (is_so if known else is_not).format(names)


def _known(leaf: Leaf, facts: Facts) -> bool | None:
    """Whether what a leaf names is there; None: that is not known."""
    if leaf.atom is not None:
        if leaf.atom.token("+") in facts.atoms:
            return True
        return False if leaf.atom.token("-") in facts.atoms else None
    there = {
        PROFILES: frozenset({facts.profile}),
        CATEGORIES: facts.categories,
        HOSTS: facts.hosts,
        METHODS: frozenset({facts.method}),
        STATE: facts.states,
    }[leaf.kind]
    if (
        leaf.kind == METHODS
        and leaf.negated
        and facts.method == "CONNECT"
        and "CONNECT" not in leaf.meant
    ):
        return None
    return not leaf.meant.isdisjoint(there)

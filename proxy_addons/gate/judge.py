"""The strictest judgement over all the names that one request goes by.

In: a person, the canonical keys of a request (CONNECT host, SNI, Host, :authority, URL, addresses
inside these), what its form says of it, a moment.
Out: one `Judgement`: the strictest decision, every category met, and whether to splice.
Must never: prefer a lenient name. One blocked name blocks; one inspectable name inspects.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from proxy_addons.policy.model import STRICTNESS, Decision, Moment, Person, Resource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy_addons.categorisation import CategoryIndex
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
    """

    decision: Decision
    key: UrlKey
    categories: tuple[str, ...]
    splice: bool

    @property
    def host(self) -> str:
        """The host of the name that decided."""
        return self.key.host


def judge(
    decider: Decider,
    index: CategoryIndex,
    person: Person,
    keys: Sequence[UrlKey],
    method: str,
    moment: Moment,
    traits: frozenset[str] = _NONE,
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
    """
    if not keys:
        # A request without a name cannot be judged. The dispatch turns this into a refusal.
        msg = "a request with no name to judge it by"
        raise ValueError(msg)
    if len(keys) == 1 and not traits:  # nearly always: there is nothing to compare
        key = keys[0]
        found = index.lookup(key)
        decision = decider.decide(person, Resource(key, found, method), moment)
        return Judgement(decision, key, in_order(found), not decision.inspect)
    strictest: Decision | None = None
    deciding = keys[0]
    categories = _NONE
    splice = True
    for key in keys:
        found = index.lookup(key)
        if traits:
            found |= traits
        decision = decider.decide(person, Resource(key, found, method), moment)
        categories = categories | found if categories else found
        splice = splice and not decision.inspect
        if strictest is None or STRICTNESS[decision.action] > STRICTNESS[strictest.action]:
            strictest = decision
            deciding = key
    assert strictest is not None
    return Judgement(strictest, deciding, in_order(categories), splice)

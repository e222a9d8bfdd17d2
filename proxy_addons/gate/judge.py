"""The strictest judgement over all the names that one request goes by.

In: a person, the canonical keys of a request (CONNECT host, SNI, Host, :authority, URL), a moment.
Out: one `Judgement`: the strictest decision, every category met, and whether to splice.
Must never: prefer a lenient name. One blocked name blocks; one inspectable name inspects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy_addons.policy.model import Action, Decision, Moment, Person, Resource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy_addons.categorisation import CategoryIndex
    from proxy_addons.policy.cache import Decider
    from proxy_addons.urlkey import UrlKey


@dataclass(frozen=True, slots=True)
class Judgement:
    """The outcome over all names.

    Attributes:
        decision: of the strictest name.
        host: the host of the name that decided.
        categories: of all names together, sorted.
        splice: True only when every name is one that must not be decrypted.
    """

    decision: Decision
    host: str
    categories: tuple[str, ...]
    splice: bool


def judge(
    decider: Decider,
    index: CategoryIndex,
    person: Person,
    keys: Sequence[UrlKey],
    method: str,
    moment: Moment,
) -> Judgement:
    """Judge a request by the strictest of its names.

    Args:
        decider: the compiled policy, with its memory.
        index: the category index in force.
        person: who asks.
        keys: at least one canonical address; the first is what the person asked for.
        method: HTTP method in upper case.
        moment: when.
    """
    if not keys:
        # A request without a name cannot be judged. The dispatch turns this into a refusal.
        msg = "a request with no name to judge it by"
        raise ValueError(msg)
    strictest: Decision | None = None
    host = keys[0].host
    categories: frozenset[str] = frozenset()
    splice = True
    for key in keys:
        found = index.lookup(key)
        decision = decider.decide(person, Resource(key, found, method), moment)
        categories = categories | found if categories else found
        splice = splice and not decision.inspect
        if strictest is None or (
            decision.action is Action.BLOCK and strictest.action is not Action.BLOCK
        ):
            strictest = decision
            host = key.host
    assert strictest is not None
    return Judgement(strictest, host, tuple(sorted(categories)), splice)

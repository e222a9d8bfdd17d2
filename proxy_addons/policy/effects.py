"""Effects: what a rule does besides deciding, and what a request takes along on its way.

In: nothing. Out: frozen `Effects` of a rule, the `Change` that one makes to a request.
Must never: decide, or hold the value of a header in anything that is logged (`Change.names`).

A rule that modifies is a step on the way to a permission, as one that coaches is: every one that
matches before the rule that decides adds its changes. Of two that name the same header or parameter
the first counts, as with all that the policy says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Effects:
    """What a rule does besides deciding.

    Attributes:
        to: where a rule that redirects leads; may hold `{url}`, `{host}` and `{rule}`.
        never_overridden: whether nothing opens what the rule refuses: no rule above it, exemption,
            review, break or click.
        stealth: whether it is only tried: it decides nothing, and the record says what it would.
        set_headers: (name, value) of header fields that the request is sent on with.
        remove_headers: names of those that it is sent on without.
        set_query: (name, value) of parameters of its query.
    """

    to: str = ""
    never_overridden: bool = False
    stealth: bool = False
    set_headers: tuple[tuple[str, str], ...] = ()
    remove_headers: tuple[str, ...] = ()
    set_query: tuple[tuple[str, str], ...] = ()


NO_EFFECTS = Effects()


@dataclass(frozen=True, slots=True)
class Change:
    """What one rule changes about a request that is let through.

    Attributes:
        rule: its id.
        effects: what.
    """

    rule: str
    effects: Effects

    def names(self) -> Iterator[str]:
        """What is changed and by which rule, as the record says it: names, never values."""
        effects, rule = self.effects, self.rule
        for kind, names in (
            ("header", (name for name, _ in effects.set_headers)),
            ("no-header", effects.remove_headers),
            ("query", (name for name, _ in effects.set_query)),
        ):
            yield from (f"{kind}:{name}@{rule}" for name in names)


@dataclass(frozen=True, slots=True)
class QueryMask:
    """Sites of which the log has no query (`log.mask_query`).

    It is no effect of a rule: whether the log has what somebody typed must not turn on which rule
    comes first, nor on who asks or when, and has to be known of what is refused unjudged too.

    Attributes:
        categories: any of which a site has; list aliases included.
        hosts: canonical; their subdomains are meant as well.
        names: the categories and groups as written.
    """

    categories: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    names: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.categories or self.hosts)


NOTHING_MASKED = QueryMask()

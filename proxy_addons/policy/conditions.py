"""Conditions of a rule beyond the plain ones: what the field knows, and any, all and not of them.

In: the facts of a request; what the clock says.
Out: whether a condition is met; what it looks at.
Must never: take for met what is not known: unknown is neither met nor not met.

A condition is a tree without `not`: settings/ has carried each `not` down to the leaves, which are
met or negated by themselves. A leaf holds only where it is known to, either way. So a tree that
allows is never met by ignorance. A rule that does not allow takes the other side (`Leaf.strict`):
for it a leaf holds unless it is known not to, so that nobody gets past it by what is not known.
What a body holds (findings.py) is the exception: before one has been looked at no rule matches by
it, and when it has been, the stricter of both decisions holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy_addons.policy.atoms import ATOM_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy_addons.policy.atoms import Atom
    from proxy_addons.policy.compiled import Facts
    from proxy_addons.policy.findings import Wanted
    from proxy_addons.policy.timespaces import Reading, TimeCondition

PROFILES: Final = "profiles"
CATEGORIES: Final = "categories"
HOSTS: Final = "hosts"
METHODS: Final = "methods"
STATE: Final = "state"
TIME: Final = "time"
FINDINGS: Final = "findings"

_TUNNEL: Final = "CONNECT"
_LATER: Final = frozenset({STATE, TIME, FINDINGS})
"""What may be another one at another time, of the same request."""

type Condition = Leaf | All | Any


@dataclass(frozen=True, slots=True)
class Leaf:
    """One condition.

    Attributes:
        kind: `profiles`, `categories` and so on, `findings`, or of `atoms.ATOM_KINDS`.
        names: as written, for people.
        meant: names that `Facts` may have, groups expanded; tokens of `atoms.Atoms`.
        negated: whether none of them may be there.
        strict: whether the rule is on the strict side: then what is not known counts as holding.
        passed_by: whether it does not see the categories that an exemption opens.
        time: of the kind `time`.
        wanted: of the kind `findings`.
        atom: of the kinds of `atoms.ATOM_KINDS`.
    """

    kind: str
    names: tuple[str, ...]
    meant: frozenset[str] = frozenset()
    negated: bool = False
    strict: bool = False
    time: TimeCondition | None = None
    wanted: Wanted | None = None
    atom: Atom | None = None
    passed_by: bool = False

    def holds(self, facts: Facts, now: Reading | None) -> bool:  # noqa: PLR0911 - one for each kind
        """Whether it is met.

        Args:
            facts: of the request.
            now: what the clock says; None: at some time.
        """
        kind, meant, negated = self.kind, self.meant, self.negated
        if kind in ATOM_KINDS:
            return not meant.isdisjoint(facts.atoms)
        if kind == CATEGORIES:
            seen = facts.categories
            if self.passed_by and not negated and facts.exempted:
                seen = seen - facts.exempted  # an exemption never makes a rule match
            return meant.isdisjoint(seen) is negated
        if kind == TIME:
            assert self.time is not None
            return now is None or self.time.holds(now)
        if kind == PROFILES:
            return (facts.profile not in meant) is negated
        if kind == HOSTS:
            return meant.isdisjoint(facts.hosts) is negated
        if kind == STATE:
            return meant.isdisjoint(facts.states) is negated
        if kind == METHODS:
            if negated and facts.method == _TUNNEL and _TUNNEL not in meant:
                return self.strict  # the methods of what will be asked in it are not known
            return (facts.method not in meant) is negated
        assert kind == FINDINGS
        return not meant.isdisjoint(facts.findings)

    def could(self, facts: Facts) -> bool:
        """Whether it could be met, at whatever time, in whatever state, by whatever is found."""
        return self.kind in _LATER or self.holds(facts, None)

    def leaves(self) -> Iterator[Leaf]:
        """Itself."""
        yield self


@dataclass(frozen=True, slots=True)
class All:
    """Met when all of some conditions are."""

    parts: tuple[Condition, ...]

    def holds(self, facts: Facts, now: Reading | None) -> bool:
        """See `Leaf.holds`."""
        return all(part.holds(facts, now) for part in self.parts)

    def could(self, facts: Facts) -> bool:
        """See `Leaf.could`. More than is possible, where parts exclude each other."""
        return all(part.could(facts) for part in self.parts)

    def leaves(self) -> Iterator[Leaf]:
        """All leaves, in the order of the file."""
        for part in self.parts:
            yield from part.leaves()


@dataclass(frozen=True, slots=True)
class Any:
    """Met when any of some conditions is."""

    parts: tuple[Condition, ...]

    def holds(self, facts: Facts, now: Reading | None) -> bool:
        """See `Leaf.holds`."""
        return any(part.holds(facts, now) for part in self.parts)

    def could(self, facts: Facts) -> bool:
        """See `Leaf.could`."""
        return any(part.could(facts) for part in self.parts)

    def leaves(self) -> Iterator[Leaf]:
        """All leaves, in the order of the file."""
        for part in self.parts:
            yield from part.leaves()

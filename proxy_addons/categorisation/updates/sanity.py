"""Is a new version believable beside the one in force?

In: what they differ in, and how far they may. Out: why it is held back, with numbers and examples.
Must never: call a version good because its size has not changed (what counts are entries that came
and went), or hold one back over a handful of entries.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from proxy_addons.categorisation.updates.sides import EXCEPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy_addons.categorisation.updates.comparing import Amounts, Difference
    from proxy_addons.categorisation.updates.sourcesfile import HoldBack


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that is out of the ordinary.

    Attributes:
        category: where; empty for the list as a whole.
        what: `loses`, `gains`, or `vanishes` (a category that is in use has nothing any more).
        amount: entries that are lost or gained.
        before: entries in force.
        examples: some of them.
    """

    category: str
    what: str
    amount: int
    before: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        where = f"category {self.category}" if self.category else "the list"
        if self.what == "vanishes":
            says = f"{where} vanishes with its {self.before:,} entries"
        else:
            share = self.amount / self.before
            says = f"{where} {self.what} {self.amount:,} of {self.before:,} entries ({share:.0%})"
        return f"{says}: {', '.join(self.examples)}{', …' * (self.amount > len(self.examples))}"

    def as_json(self) -> dict[str, Any]:
        """For a file."""
        return asdict(self)

    @classmethod
    def of_json(cls, data: dict[str, Any]) -> Reason:
        """What `as_json` gave."""
        return cls(**{**data, "examples": tuple(data["examples"])})


def reasons_of(difference: Difference, limits: HoldBack) -> tuple[Reason, ...]:
    """Why a version is held back; none when it is not."""
    found = [*_odd("", difference.whole, limits)]
    for category, amounts in difference.categories.items():
        found += _odd(category, amounts, limits)
    return tuple(found)


def _odd(category: str, amounts: Amounts, limits: HoldBack) -> Iterator[Reason]:
    before = amounts.before
    if not before:
        return  # new: no rule names it yet, and nothing can be said of its size
    if category and not amounts.after and not category.endswith(EXCEPTIONS):
        yield Reason(category, "vanishes", before, before, amounts.examples_removed)
        return
    for what, amount, share, examples in (
        ("loses", amounts.removed, limits.loses, amounts.examples_removed),
        ("gains", amounts.added, limits.gains, amounts.examples_added),
    ):
        if amount >= max(1, limits.least) and amount > share * before:
            yield Reason(category, what, amount, before, examples)

"""Search: whether anything there can be meets some conditions together.

In: variables, each of which is one of a few values; formulas about them.
Out: yes or no, exactly; or that it could not be said in a reasonable time.
Must never: be asked while requests are decided: it is for `watchhouse check`.

Splitting with propagation (Davis, Logemann, Loveland 1962), over variables of several values: what
a variable may still be is a number with one bit for each value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MOST: Final = 20_000  # splits of one search: seconds


@dataclass(frozen=True, slots=True)
class In:
    """A variable is one of some values.

    Attributes:
        variable: its number.
        values: one bit for each.
    """

    variable: int
    values: int


@dataclass(frozen=True, slots=True)
class Every:
    """All of some formulas hold."""

    parts: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """Any of some formulas holds."""

    parts: tuple[Formula, ...]


type Formula = In | Every | Some

TRUE: Final = Every(())
FALSE: Final = Some(())


class UndecidedError(Exception):
    """It takes too long to say."""


class Variables:
    """Variables, and what can be of them together."""

    def __init__(self) -> None:
        self._domains: list[int] = []
        self._splits = 0

    def new(self, values: int) -> int:
        """A variable of so many values."""
        self._domains.append((1 << values) - 1)
        return len(self._domains) - 1

    def within(self, variable: int, numbers: Iterable[int]) -> In:
        """A variable is one of some values."""
        return In(variable, sum(1 << number for number in set(numbers)))

    def negated(self, formula: Formula) -> Formula:
        """What holds where a formula does not."""
        if isinstance(formula, In):
            return In(formula.variable, self._domains[formula.variable] & ~formula.values)
        parts = tuple(self.negated(part) for part in formula.parts)
        return Some(parts) if isinstance(formula, Every) else Every(parts)

    def possible(self, formulas: Sequence[Formula]) -> bool:
        """Whether some formulas can hold together.

        Raises:
            UndecidedError: it takes too long to say.
        """
        self._splits = 0
        return self._possible(list(self._domains), list(formulas))

    def _possible(self, domains: list[int], formulas: list[Formula]) -> bool:
        self._splits += 1
        if self._splits > _MOST:
            raise UndecidedError
        left = _propagated(domains, formulas)
        if left is None:
            return False
        if not left:
            return True
        # The one with the fewest ways goes first. What has been tried in vain is not tried again.
        shortest = min(left, key=lambda some: len(some.parts))
        others: list[Formula] = [some for some in left if some is not shortest]
        for part in shortest.parts:
            if self._possible(list(domains), [part, *others]):
                return True
            others.append(self.negated(part))
        return False


def _propagated(domains: list[int], formulas: list[Formula]) -> list[Some] | None:
    """What is left to choose when all that follows has been drawn; None: they exclude each other.

    Args:
        domains: what each variable may be; is narrowed.
        formulas: all of which have to hold.
    """
    waiting, left = list(formulas), list[Some]()
    while waiting:
        narrowed = False
        left = []
        while waiting:
            formula = _reduced(waiting.pop(), domains)
            if isinstance(formula, In):
                domains[formula.variable] &= formula.values
                narrowed = True
            elif isinstance(formula, Every):
                waiting.extend(formula.parts)
            elif not formula.parts:
                return None
            else:
                left.append(formula)
        if narrowed:
            waiting = list(left)
    return left


def _reduced(formula: Formula, domains: list[int]) -> Formula:
    """A formula without what is known of it."""
    if isinstance(formula, In):
        here = domains[formula.variable]
        both = here & formula.values
        return FALSE if not both else TRUE if both == here else formula
    every = isinstance(formula, Every)
    plain, over = (TRUE, FALSE) if every else (FALSE, TRUE)
    parts = []
    for part in formula.parts:
        each = _reduced(part, domains)
        if each is over:
            return over
        if each is not plain:
            parts.append(each)
    if len(parts) <= 1:
        return parts[0] if parts else plain
    return Every(tuple(parts)) if every else Some(tuple(parts))

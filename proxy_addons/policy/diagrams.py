"""Binary decision diagrams: what is said of all requests at once, exactly.

In: variables, by number. Out: functions of them, by number: equal functions have equal numbers.
Must never: be asked while requests are decided: it is for `watchhouse check`.

Reduced and ordered (R. E. Bryant, Graph-Based Algorithms for Boolean Function Manipulation, 1986).
Smaller numbers of variables are nearer to the root.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

FALSE: Final = 0
TRUE: Final = 1
_LEAF: Final = 1 << 30  # no variable has so great a number


class Diagrams:
    """Functions of some variables."""

    def __init__(self) -> None:
        self._nodes: list[tuple[int, int, int]] = [(_LEAF, 0, 0), (_LEAF, 1, 1)]
        self._known: dict[tuple[int, int, int], int] = {}
        self._chosen: dict[tuple[int, int, int], int] = {}

    def variable(self, number: int) -> int:
        """The function that is true where a variable is."""
        return self._node(number, FALSE, TRUE)

    def both(self, one: int, other: int) -> int:
        """Where both are true."""
        return self._choose(one, other, FALSE)

    def either(self, one: int, other: int) -> int:
        """Where one or both are true."""
        return self._choose(one, TRUE, other)

    def negated(self, one: int) -> int:
        """Where it is false."""
        return self._choose(one, FALSE, TRUE)

    def less(self, one: int, other: int) -> int:
        """Where the one is true and the other is not."""
        return self._choose(other, FALSE, one)

    def all(self, functions: Iterable[int]) -> int:
        """Where all are true."""
        found = TRUE
        for each in functions:
            found = self.both(found, each)
        return found

    def any(self, functions: Iterable[int]) -> int:
        """Where any is true."""
        found = FALSE
        for each in functions:
            found = self.either(found, each)
        return found

    def among(self, bits: Sequence[int], numbers: Collection[int]) -> int:
        """Where variables, read as a binary number, are one of some numbers.

        Args:
            bits: variables in their order, the most significant first.
            numbers: all below two to the power of their count.
        """
        if not numbers:
            return FALSE
        if not bits:
            return TRUE
        half = 1 << (len(bits) - 1)
        low = self.among(bits[1:], {each for each in numbers if each < half})
        high = self.among(bits[1:], {each - half for each in numbers if each >= half})
        return self._node(bits[0], low, high)

    def _node(self, variable: int, low: int, high: int) -> int:
        if low == high:
            return low
        key = (variable, low, high)
        number = self._known.get(key)
        if number is None:
            number = self._known[key] = len(self._nodes)
            self._nodes.append(key)
        return number

    def _choose(self, test: int, then: int, otherwise: int) -> int:
        """If-then-else: as deep as there are variables."""
        if test == TRUE or then == otherwise:
            return then
        if test == FALSE:
            return otherwise
        if then == TRUE and otherwise == FALSE:
            return test
        key = (test, then, otherwise)
        found = self._chosen.get(key)
        if found is None:
            nodes = [self._nodes[each] for each in key]
            first = min(node[0] for node in nodes)
            pairs = list(zip(nodes, key, strict=True))
            low, high = (
                [node[side] if node[0] == first else each for node, each in pairs]
                for side in (1, 2)
            )
            found = self._node(first, self._choose(*low), self._choose(*high))
            self._chosen[key] = found
        return found

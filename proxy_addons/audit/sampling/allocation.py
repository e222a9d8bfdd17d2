"""How many are drawn from each stratum: in proportion, and from none of them nobody.

In: the size of each stratum, how many in all. Out: how many from each.
Must never: use fractions that round: the same plan has to give the same numbers everywhere.

A stratum whose share is less than one gives one. The others share the rest by largest remainder;
where remainders are the same, the larger stratum comes first, then the one first by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy_addons.audit.sampling.strata import Stratum


def allocate(sizes: Mapping[Stratum, int], total: int) -> dict[Stratum, int]:
    """Divide a sample.

    Args:
        sizes: person-weeks of each stratum; at least 1 each.
        total: person-weeks to draw. Fewer than there are strata are as many as there are; more than
            there are person-weeks are all of them.

    Returns:
        For each stratum, at least 1 and at most its size.
    """
    rest, within = min(max(total, len(sizes)), sum(sizes.values())), sum(sizes.values())
    given: dict[Stratum, int] = {}
    others = dict(sizes)
    while small := [each for each, size in others.items() if rest * size < within]:
        # Each of them takes more than its share, so that others may fall below one.
        for each in small:
            given[each] = 1
            rest -= 1
            within -= others.pop(each)
    if others:
        parts = {each: divmod(rest * size, within) for each, size in others.items()}
        given |= {each: whole for each, (whole, _) in parts.items()}
        left = rest - sum(whole for whole, _ in parts.values())
        order = sorted(others, key=lambda each: (-parts[each][1], -others[each], each))
        for each in order[:left]:
            given[each] += 1
    return {each: given[each] for each in sorted(sizes)}

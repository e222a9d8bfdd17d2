"""The draw: a ticket for every person-week, and the lowest of each stratum are taken.

In: a seed, a roster, weeks, a size. Out: the person-weeks that are drawn.
Must never: depend on the order of the roster, or on anything but these four.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy_addons.audit.sampling.allocation import allocate
from proxy_addons.audit.sampling.octets import packed
from proxy_addons.audit.sampling.strata import Stratum, strata_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from proxy_addons.audit.sampling.strata import Entry
    from proxy_addons.standing.weeks import Week

TICKET: Final = "watchhouse/dip-sample/ticket/v1"


@dataclass(frozen=True, slots=True)
class Drawn:
    """One person-week that was drawn.

    Attributes:
        stratum: from which.
        week: which.
        person: canonical name.
        ticket: 64 hexadecimal digits.
    """

    stratum: Stratum
    week: Week
    person: str
    ticket: str


def ticket(seed: bytes, week: Week, stratum: Stratum, person: str) -> str:
    """HMAC-SHA256 of one person-week, in hexadecimal digits."""
    parts = packed(TICKET, week.name, stratum.service, stratum.unit, person)
    return hmac.digest(seed, parts, "sha256").hex()


def draw(
    seed: bytes, roster: Iterable[Entry], weeks: Collection[Week], size: int
) -> tuple[Drawn, ...]:
    """Draw.

    Args:
        seed: of both secrets (commitment.py).
        roster: everybody who could be drawn.
        weeks: of the period.
        size: person-weeks; see `allocate` for fewer than there are strata.

    Returns:
        By ticket. That order says nothing of who it is, and samples are numbered in it.

    Raises:
        RosterError: it cannot be drawn from.
    """
    people = strata_of(roster)
    shares = allocate({each: len(names) * len(weeks) for each, names in people.items()}, size)
    taken: list[Drawn] = []
    for stratum, names in people.items():
        tickets = (
            Drawn(stratum, week, name, ticket(seed, week, stratum, name))
            for week in weeks
            for name in names
        )
        taken += sorted(tickets, key=_order)[: shares[stratum]]
    return tuple(sorted(taken, key=_order))


def _order(drawn: Drawn) -> tuple[str, str, str]:
    # Two tickets that are the same have never been seen; were they, the names would decide.
    return drawn.ticket, drawn.person, drawn.week.name

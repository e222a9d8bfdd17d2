"""What follows from a concern: an application to look at the person's week, for others to approve.

In: a concern. Out: the reference of an application that nobody has approved.
Must never: ask for more than the week that was reviewed; apply twice for one sample.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from proxy_addons.audit.authority.model import Kind, Purpose, Regime, SubjectClass, Wanted

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.audit.authority.register import Authorisations
    from proxy_addons.audit.sampling.hooks import Concern
    from proxy_addons.standing.actor import Actor

VALID: Final = timedelta(days=28)
"""For how long it is asked to hold: time to look at one week."""
_PROPORTIONATE: Final = (
    "Only the week that the dip sample covered, and this person alone. Whatever more is needed"
    " takes an application of its own."
)
_ALTERNATIVES: Final = (
    "The sample was reviewed without its name; what gave concern cannot be settled in that way."
)
_COLLATERAL: Final = "Nobody else's records are asked for; what is not to the point is disregarded."


class Drafting:
    """Drafts applications; see `hooks.Requests`.

    Args:
        authorisations: the register.
        longest: days for which an authorisation can hold.
        clock: the time now, aware.
    """

    def __init__(
        self,
        authorisations: Authorisations,
        longest: int,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._authorisations = authorisations
        self._valid = min(VALID, timedelta(days=longest))
        self._clock = clock

    def draft(self, actor: Actor, concern: Concern) -> str:
        """See `Requests.draft`. The applicant is the reviewer.

        Raises:
            StepRefusedError: the rules of applications; nothing is applied for.
        """
        now = self._clock()
        wanted = Wanted(
            kind=Kind.REACTIVE,
            purpose=Purpose.STANDARDS,
            regime=Regime.MONITORING,
            subjects={concern.person: SubjectClass(concern.service)},
            allegation=concern.sample,
            necessity=f"Concern in dip sample {concern.sample}, by the standing authority"
            f" {concern.authority}: {concern.why}"[:4000],
            proportionality=_PROPORTIONATE,
            alternatives=_ALTERNATIVES,
            collateral=_COLLATERAL,
            begins=concern.since,
            ends=min(concern.until, now),
            valid_from=now,
            valid_until=now + self._valid,
        )
        return self._authorisations.apply(actor, wanted, once=True).reference

"""Steps of authorisations, told to the trail: whoever took them, and wherever.

In: the register, the trail as it is. Out: a record for each step that the trail has not.
Must never: record a step twice in one trail while it can be read; leave one out.

Steps are taken in the portal, at the command line, at other gateways: all of them leave a row in
the register, and from there they come here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy_addons.audit.trail import STEP
from proxy_addons.audit.trailreader import TrailFilter

if TYPE_CHECKING:
    from proxy_addons.audit.authority.register import Authorisations
    from proxy_addons.audit.trail import Trail
    from proxy_addons.audit.trailreader import TrailReader

_NUMBER: Final = "number"


class Mirror:
    """Copies steps.

    Args:
        authorisations: the register.
        trail: to be written to.
        reader: of the same trail.
    """

    def __init__(self, authorisations: Authorisations, trail: Trail, reader: TrailReader) -> None:
        self._authorisations = authorisations
        self._trail = trail
        self._reader = reader
        self._last: int | None = None

    def copy(self) -> int:
        """Copy what is new. Blocks.

        Returns:
            How many steps.

        Raises:
            StandingUnavailableError: the register cannot be read; nothing is lost.
            TrailError: they could not be recorded; the next time goes on there.
            OSError: the trail cannot be read.
        """
        if self._last is None:
            page = self._reader.page(TrailFilter(event=STEP), most=1)
            known = [record.record["outcome"].get(_NUMBER, 0) for record in page.records]
            self._last = known[0] if known else 0
        copied = 0
        while steps := self._authorisations.steps_since(self._last):
            for number, reference, step in steps:
                outcome = {
                    "step": step.kind,
                    "note": step.note,
                    "changes": dict(step.changes),
                    "at": step.at.isoformat(),
                    _NUMBER: number,
                }
                self._trail.write(
                    STEP,
                    person=step.who,
                    how=step.how,
                    authorisation=reference,
                    outcome=outcome,
                )
                self._last = number
                copied += 1
        return copied

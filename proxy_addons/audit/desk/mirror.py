"""Steps of the registers, told to the trail: whoever took them, and wherever.

In: the registers, the trail as it is. Out: a record for each step that the trail has not.
Must never: record a step twice in one trail while it can be read; leave one out.

Steps are taken in the portal, at the command line, at other gateways: all of them leave a row in
a register, and from there they come here: those of authorisations, dip samples, legal holds,
disposals, decisions on collateral material, ordered erasures, and alerts. The number of a step is
in its record, and a record is on the disk before the next step is looked at: whoever is killed in
between goes on behind the last one that is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from proxy_addons.audit.trailreader import TrailFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from proxy_addons.audit.trail import Trail
    from proxy_addons.audit.trailreader import TrailReader
    from proxy_addons.standing.steps import Step

_NUMBER: Final = "number"
_LOOKED_AT: Final = 50  # of the newest records: one may be damaged


@dataclass(frozen=True, slots=True)
class Book:
    """Where steps come from.

    Attributes:
        event: kind of their records; no other book has it.
        steps_since: gives steps after a number, in their order, with number and reference.
    """

    event: str
    steps_since: Callable[[int], tuple[tuple[int, str, Step], ...]]


class Mirror:
    """Copies steps.

    Args:
        books: where they come from.
        trail: to be written to.
        reader: of the same trail.
    """

    def __init__(self, books: Iterable[Book], trail: Trail, reader: TrailReader) -> None:
        self._books = tuple(books)
        self._trail = trail
        self._reader = reader
        self._last: dict[str, int] = {}

    def copy(self) -> int:
        """Copy what is new. Blocks.

        Returns:
            How many steps.

        Raises:
            StandingUnavailableError: a register cannot be read; nothing is lost.
            TrailError: they could not be recorded; the next time goes on there.
            OSError: the trail cannot be read.
        """
        return sum(map(self._copy, self._books))

    def _copy(self, book: Book) -> int:
        if book.event not in self._last:
            page = self._reader.page(TrailFilter(event=book.event), most=_LOOKED_AT)
            self._last[book.event] = max((_number(each.record) for each in page.records), default=0)
        copied = 0
        while steps := book.steps_since(self._last[book.event]):
            for number, reference, step in steps:
                outcome = {
                    "step": step.kind,
                    "note": step.note,
                    "changes": dict(step.changes),
                    "at": step.at.isoformat(),
                    _NUMBER: number,
                }
                self._trail.write(
                    book.event,
                    person=step.who,
                    how=step.how,
                    authorisation=reference,
                    outcome=outcome,
                )
                self._last[book.event] = number
                copied += 1
        return copied


def _number(record: dict[str, Any]) -> int:
    """The number of the step that a record is of; 0 where it says none: a damaged line."""
    outcome = record.get("outcome")
    number = outcome.get(_NUMBER) if isinstance(outcome, dict) else None
    return number if isinstance(number, int) else 0

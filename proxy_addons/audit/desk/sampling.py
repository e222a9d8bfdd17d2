"""A look at one dip sample: its week of records, under its pseudonym.

In: a reviewer, a pseudonym. Out: rows and counts of that week and person.
Must never: tell whose sample it is; show a sample to anybody but who has taken it, or a record
beyond its week; go beyond what the standing authorisation covers.
"""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from proxy_addons.audit.authority.compiled import OUTSIDE
from proxy_addons.audit.desk.calls import Found
from proxy_addons.audit.desk.desk import MOST, actor_of
from proxy_addons.audit.desk.wire import Call, Refused
from proxy_addons.audit.store import Dimension, Page, Question, Row, StoreError
from proxy_addons.audit.trail import LOOK
from proxy_addons.standing.problems import StandingUnavailableError, StepRefusedError

if TYPE_CHECKING:
    from proxy_addons.audit.desk.desk import Desk
    from proxy_addons.audit.desk.wire import Who
    from proxy_addons.audit.sampling.reviewing import Reviewing, SampleScope
    from proxy_addons.audit.store import Bounds, RecordStore

_BY: Final = (Dimension.HOUR_OF_WEEK, Dimension.CATEGORY, Dimension.HOST, Dimension.RULE)
_BARS: Final = 200
_LONGEST: Final = 48  # characters of a pseudonym
NOT_NOW: Final = "Samples cannot be shown just now. Try again in a minute."
NOT_YOURS: Final = "There is no such sample that you have taken and not decided yet."


class ViewSample(Call[Found], frozen=True):
    """A page of the records of one sample, the oldest first; with counts on the first page.

    Attributes:
        sample: its pseudonym.
        most: rows of a page.
        after: of the page before.
        counts: whether to count by hour of the week, category, site and rule, in this order.
    """

    answer = Found
    sample: str
    most: int = 100
    after: str = ""
    counts: bool = False


class SampleDesk:
    """Answers calls about samples. For several threads; everything blocks.

    Args:
        desk: bounds and records looks.
        store: answers questions within bounds.
        reviewing: knows who has taken which sample.
    """

    def __init__(self, desk: Desk, store: RecordStore, reviewing: Reviewing) -> None:
        self._desk = desk
        self._store = store
        self._reviewing = reviewing

    def view(self, who: Who, call: ViewSample) -> Found:
        """A page.

        Raises:
            Refused: nothing is shown.
        """
        scope = self._scope(who, call)
        asked = {"sample": scope.sample}
        bounds = _within(self._desk.bounds(who, scope.authority, asked, sample=True), scope)
        question = Question(newest_first=False)
        try:
            most = min(max(call.most, 0), MOST)
            page = self._store.rows(bounds, question, most=most, after=call.after)
            total = self._store.total(bounds, question)
            counts = tuple(
                self._store.counts(bounds, question, by, most=_BARS)
                for by in (_BY if call.counts else ())
            )
            gaps = self._store.reach().gaps
        except StoreError as problem:
            raise Refused("unavailable", f"{NOT_NOW} ({problem})") from problem
        outcome = {"rows": len(page.rows), "records": total.records, "page": bool(call.after)}
        self._desk.note(LOOK, who, scope.authority, asked, outcome)
        rows = tuple(_named(row, scope.sample) for row in page.rows)
        return Found(
            page=Page(rows, page.after, page.capped),
            total=total,
            masked=bool(bounds.special),
            pseudonymous=True,
            fields=bounds.fields,
            since=bounds.since,
            until=bounds.until,
            counts=counts,
            gaps=gaps,
        )

    def _scope(self, who: Who, call: ViewSample) -> SampleScope:
        try:
            return self._reviewing.scope(actor_of(who), call.sample[:_LONGEST])
        except StandingUnavailableError as problem:
            raise Refused("unavailable", NOT_NOW) from problem
        except StepRefusedError as problem:
            # The same for all: whose sample it is must not show in what is refused to whom.
            asked = {"sample": call.sample[:_LONGEST]}
            self._desk.note(LOOK, who, "", asked, {"refused": str(problem)})
            raise Refused("refused", NOT_YOURS) from problem


def _within(bounds: Bounds, scope: SampleScope) -> Bounds:
    """What the standing authorisation allows, of this sample alone.

    Raises:
        Refused: the authorisation does not cover the sample's week.
    """
    since, until = max(bounds.since, scope.since), min(bounds.until, scope.until)
    if since >= until or bounds.pseudonyms is None:
        raise Refused("refused", f"{scope.authority} does not cover the week of this sample.")
    if bounds.persons is not None and scope.person not in bounds.persons:
        raise Refused("refused", OUTSIDE)
    # A key of its own: somebody drawn twice is not known again by what stands for the name.
    key = hmac.digest(bounds.pseudonyms, scope.sample.encode(), "sha256")
    return replace(
        bounds, since=since, until=until, persons=frozenset({scope.person}), pseudonyms=key
    )


def _named(row: Row, sample: str) -> Row:
    if "person" not in row.values:
        return row
    return replace(row, values={**row.values, "person": sample})

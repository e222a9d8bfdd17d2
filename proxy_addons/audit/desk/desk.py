"""The desk: reads the authorisation, bounds the question, records the look, and only then answers.

In: who asks, and a call. Out: what they may see.
Must never: ask the engine without bounds; give an answer whose look is not on the disk; say of
what is outside more than that it is not covered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from proxy_addons.audit.authority.compiled import NotCoveredError, compile_bounds
from proxy_addons.audit.authority.model import Kind
from proxy_addons.audit.desk.calls import Found
from proxy_addons.audit.desk.wire import Refused
from proxy_addons.audit.store import CursorError, StoreError
from proxy_addons.audit.trail import EXPORT, LOOK, TrailError
from proxy_addons.standing.actor import Actor
from proxy_addons.standing.problems import StandingUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from proxy_addons.audit.authority.register import Authorisations
    from proxy_addons.audit.desk.calls import Export, Search
    from proxy_addons.audit.desk.wire import Who
    from proxy_addons.audit.store import Bounds, Question, RecordStore, Row
    from proxy_addons.audit.trail import Trail
    from proxy_addons.settings.audit import Audit

MOST: Final = 5000
"""Rows of one page, at most."""
_BARS: Final = 2000  # counts of one dimension: hours of 80 days
_NOT_NOW: Final = (
    "Records cannot be read just now. Try again in a minute; the log of the desk says why."
)
_SAMPLES: Final = (
    "{} is for dip samples: nobody chooses by it what is looked at. Samples are on their own page."
)
_LIVE_ELSEWHERE: Final = (
    "{} is for live observation: what it covers is shown as it happens, on its own page."
)


class Desk:
    """Answers calls about records. For several threads; everything blocks.

    Args:
        store: answers questions within bounds.
        authorisations: the register.
        trail: takes what was looked at.
        settings: `audit`.
        now: the time, aware.
    """

    def __init__(
        self,
        store: RecordStore,
        authorisations: Authorisations,
        trail: Trail,
        settings: Audit,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._authorisations = authorisations
        self._trail = trail
        self._settings = settings
        self._now = now

    # --- calls ------------------------------------------------------------------------------

    def search(self, who: Who, call: Search) -> Found:
        """A page of rows, with counts.

        Raises:
            Refused: nothing is shown.
        """
        bounds = self.bounds(who, call.authorisation, call.question)
        try:
            most = min(max(call.most, 0), MOST)
            page = self._store.rows(bounds, call.question, most=most, after=call.after)
            total = self._store.total(bounds, call.question)
            counts = tuple(
                self._store.counts(bounds, call.question, by, most=_BARS) for by in call.by
            )
            gaps = self._store.reach().gaps
        except CursorError as problem:
            raise Refused("unknown", str(problem)) from problem  # nothing was shown
        except StoreError as problem:
            raise Refused("unavailable", f"{_NOT_NOW} ({problem})") from problem
        outcome = {"rows": len(page.rows), "records": total.records, "page": bool(call.after)}
        self.note(LOOK, who, call.authorisation, call.question, outcome)
        return Found(
            page,
            total,
            bool(bounds.special),
            bounds.pseudonyms is not None,
            bounds.fields,
            bounds.since,
            bounds.until,
            counts,
            gaps,
        )

    def export(self, who: Who, call: Export) -> Iterator[Row]:
        """All rows. They are counted and recorded before the first is given.

        Raises:
            Refused: nothing is given; or, in the middle, no more.
        """
        bounds = self.bounds(who, call.authorisation, call.question)
        try:
            records = self._store.total(bounds, call.question).records
        except StoreError as problem:
            raise Refused("unavailable", f"{_NOT_NOW} ({problem})") from problem
        outcome = {"form": call.form, "rows": min(records, bounds.rows), "records": records}
        self.note(EXPORT, who, call.authorisation, call.question, outcome)
        return self._every(bounds, call.question)

    def _every(self, bounds: Bounds, question: Question) -> Iterator[Row]:
        try:
            yield from self._store.every(bounds, question)
        except StoreError as problem:
            raise Refused("unavailable", f"{_NOT_NOW} ({problem})") from problem

    # --- what every call goes through -------------------------------------------------------

    def bounds(
        self,
        who: Who,
        reference: str,
        question: Question | Mapping[str, Any] | None,
        *,
        live: bool = False,
        sample: bool = False,
    ) -> Bounds:
        """What somebody may see now by an authorisation.

        Args:
            who: asks.
            reference: of the authorisation.
            question: what for, for the trail.
            live: whether it is to observe, which takes an authorisation of its own kind.
            sample: whether it is to look at a dip sample, which takes one of its own kind too: with
                it, a search would let somebody choose whom to look at.

        Raises:
            Refused: nothing; that they asked is recorded.
        """
        try:
            actor = actor_of(who)
            found = self._authorisations.looked_by(actor, reference)
            bounds = compile_bounds(found, actor, self._now(), self._settings)
        except StandingUnavailableError as problem:
            raise Refused("unavailable", _NOT_NOW) from problem
        except NotCoveredError as problem:
            # Nothing is shown, and whoever asks often finds that recorded as well.
            self.note(LOOK, who, reference, question, {"refused": str(problem)})
            raise Refused("refused", str(problem)) from problem
        if found is not None and (found.kind is Kind.LIVE) is not live:
            text = (
                f"{found.reference} is not for live observation."
                if live
                else _LIVE_ELSEWHERE.format(found.reference)
            )
            self.note(LOOK, who, reference, question, {"refused": text})
            raise Refused("refused", text)
        if found is not None and (found.kind is Kind.DIP_SAMPLE) is not sample:
            text = (
                f"{found.reference} is not for dip samples."
                if sample
                else _SAMPLES.format(found.reference)
            )
            self.note(LOOK, who, reference, question, {"refused": text})
            raise Refused("refused", text)
        return bounds

    def note(
        self,
        event: str,
        who: Who,
        reference: str,
        question: Question | Mapping[str, Any] | None,
        outcome: Mapping[str, Any],
    ) -> str:
        """Record a look. Whoever calls shows nothing before this is back.

        Raises:
            Refused: it is not recorded.
        """
        try:
            return self._trail.write(
                event,
                person=who.name,
                how=who.how,
                roles=who.roles,
                authorisation=reference[:64],
                question=said(question),
                outcome=outcome,
            )
        except TrailError as problem:
            raise Refused("unavailable", f"Nothing is shown: {problem}") from problem


def actor_of(who: Who) -> Actor:
    """Who asks, for the rules of authority."""
    return Actor(who.name, who.roles, who.how)


def said(question: Question | Mapping[str, Any] | None) -> dict[str, Any]:
    """A question as the trail keeps it: what was asked, and nothing that was not."""
    told: dict[str, Any] = msgspec.to_builtins(question or {})
    return {name: value for name, value in told.items() if value not in {None, ""}}

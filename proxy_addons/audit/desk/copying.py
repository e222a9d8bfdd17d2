"""Somebody's own records, copied for them: what would be cut of them, and the copy itself.

In: who asks, an authorisation of kind `subject-access`, names of others. Out: figures and what was
cut; a zip, part by part.
Must never: copy a record that is not the subject's, or only some of those that were asked for; make
one under an authorisation of another kind; give anything that is not recorded before.
"""

from __future__ import annotations

import hashlib
from datetime import datetime  # noqa: TC003 - read by msgspec
from typing import TYPE_CHECKING, Any, Final

import msgspec

from proxy_addons.audit.authority.model import Kind
from proxy_addons.audit.desk.wire import Call, Refused
from proxy_addons.audit.pack.archive import zipped
from proxy_addons.audit.store import Question, StoreError
from proxy_addons.audit.subjectaccess import Cut, Subject, SubjectAccessError, export
from proxy_addons.audit.subjectnames import Word, words_of
from proxy_addons.audit.trail import EXPORT, LOOK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from zoneinfo import ZoneInfo

    from proxy_addons.audit.authority.register import Authorisations
    from proxy_addons.audit.desk.desk import Desk
    from proxy_addons.audit.desk.wire import Who
    from proxy_addons.audit.store import Bounds, RecordStore, Row
    from proxy_addons.audit.subjectaccess import Export

MOST: Final = 50_000
"""Records of one copy: it is made in memory."""
MOST_WORDS: Final = 500
"""Names and other words that are given with a call, at most."""
MOST_KNOWN: Final = 2_000
"""Names that are looked for, at most."""
FORM: Final = "subject-access"
"""What the trail calls it."""
_PART: Final = 256 << 10  # octets of a zip that go in one message


class CopyPreview(msgspec.Struct, frozen=True):
    """What a copy would be.

    Attributes:
        subject: whose.
        records: how many.
        cut: how often each rule would cut something.
        cuts: where, of the first ones.
        words: that may be about others.
        since: first moment that it covers.
        until: first one that it does not any more.
        within: categories that the authorisation is for; None: any, or none.
    """

    subject: str
    records: int
    cut: dict[str, int]
    cuts: tuple[Cut, ...]
    words: tuple[Word, ...]
    since: datetime
    until: datetime
    within: frozenset[str] | None = None


class PreviewCopy(Call[CopyPreview], frozen=True):
    """What a copy would be: a look.

    Attributes:
        authorisation: its reference.
        question: only its times count.
        own: e-mail addresses and other identifiers of the subject.
        others: names of others, and other words about them.
        known: names of people, to be looked for and proposed.
    """

    answer = CopyPreview
    authorisation: str
    question: Question
    own: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    known: tuple[str, ...] = ()


class MakeCopy(Call[bytes], frozen=True):
    """A zip of a page, a table and JSON, in parts; as `PreviewCopy`."""

    answer = bytes
    streams = True
    authorisation: str
    question: Question
    own: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


class Copying:
    """Makes copies.

    Args:
        desk: bounds and records.
        store: answers questions.
        authorisations: the register.
        zone: in which a copy says times.
        now: the time, aware.
    """

    def __init__(
        self,
        desk: Desk,
        store: RecordStore,
        authorisations: Authorisations,
        zone: ZoneInfo,
        now: Callable[[], datetime],
    ) -> None:
        self._desk = desk
        self._store = store
        self._authorisations = authorisations
        self._zone = zone
        self._now = now

    def preview(self, who: Who, call: PreviewCopy) -> CopyPreview:
        """What a copy would be.

        Raises:
            Refused: nothing is shown.
        """
        bounds, subject, rows, made = self._made(who, call)
        outcome = {"preview": True, **_told(made, call)}
        self._desk.note(LOOK, who, call.authorisation, _times(call), outcome)
        since, until = _period(bounds, call.question)
        return CopyPreview(
            subject.name,
            made.records,
            dict(made.cut),
            made.cuts,
            words_of(rows, subject, call.known[:MOST_KNOWN]),
            since,
            until,
            bounds.categories,
        )

    def make(self, who: Who, call: MakeCopy) -> Iterator[bytes]:
        """A copy. It is whole, and recorded, before its first part is given.

        Raises:
            Refused: none is made.
        """
        _, _, _, made = self._made(who, call)
        octets = zipped(made.files, self._now().astimezone(self._zone))
        outcome = _told(made, call) | {"sha256": hashlib.sha256(octets).hexdigest()}
        self._desk.note(EXPORT, who, call.authorisation, _times(call), outcome)
        return (octets[at : at + _PART] for at in range(0, len(octets), _PART))

    # --- inside -----------------------------------------------------------------------------

    def _made(
        self, who: Who, call: PreviewCopy | MakeCopy
    ) -> tuple[Bounds, Subject, list[Row], Export]:
        """The copy.

        Raises:
            Refused: there can be none.
        """
        bounds = self._desk.bounds(who, call.authorisation, _times(call))
        if len(call.own) + len(call.others) > MOST_WORDS:
            raise Refused("wrong", f"At most {MOST_WORDS} names and other words.")
        found = self._authorisations.find(call.authorisation)
        assert found is not None, "its bounds were made"
        persons = bounds.persons or frozenset()
        if found.kind is not Kind.SUBJECT_ACCESS or len(persons) != 1:
            raise self._refusal(
                who, call, f"{found.reference} is not for somebody's own copy of their records."
            )
        if bounds.pseudonyms is not None:
            raise self._refusal(
                who, call, f"{found.reference} replaces names by pseudonyms: no copy can be made."
            )
        subject = Subject(next(iter(persons)), frozenset(call.own), frozenset(call.others))
        rows = self._rows(bounds, call.question)
        period = _period(bounds, call.question)
        try:
            made = export(rows, subject, found.reference, self._zone, period)
        except SubjectAccessError as problem:
            # Bounds let nobody else's row through: a fault, and nothing of it is shown.
            raise self._refusal(who, call, f"No copy was made: {problem}.") from problem
        return bounds, subject, rows, made

    def _refusal(self, who: Who, call: PreviewCopy | MakeCopy, text: str) -> Refused:
        outcome = {"form": FORM, "refused": text}
        self._desk.note(LOOK, who, call.authorisation, _times(call), outcome)
        return Refused("refused", text)

    def _rows(self, bounds: Bounds, question: Question) -> list[Row]:
        most = min(MOST, bounds.rows)
        asked = Question(since=question.since, until=question.until, newest_first=False)
        try:
            fits = self._store.total(bounds, asked).records < most
            rows = list(self._store.every(bounds, asked)) if fits else []
        except StoreError as problem:
            raise Refused("unavailable", f"No copy was made: {problem}") from problem
        if not fits or len(rows) >= most:  # whether `most` rows are all of them, none can tell
            raise Refused(
                "refused",
                f"A copy has fewer than {most} records here, and leaves none out: choose a shorter"
                " time, and make several, one after the other.",
            )
        return rows


def _period(bounds: Bounds, question: Question) -> tuple[datetime, datetime]:
    return (
        max(filter(None, (question.since, bounds.since))),
        min(filter(None, (question.until, bounds.until))),
    )


def _times(call: PreviewCopy | MakeCopy) -> Question:
    """What the trail is told of the question: nothing else of it counts."""
    return Question(since=call.question.since, until=call.question.until)


def _told(made: Export, call: PreviewCopy | MakeCopy) -> dict[str, Any]:
    """For the trail: how many, never what."""
    return {"form": FORM, "rows": made.records, "cut": dict(made.cut), "words": len(call.others)}

"""Disposal certificates: what was erased, by which rule, by whom, when; kept for good.

In: what was erased. Out: a row that nobody can change; the list of them.
Must never: name a person, or hold anything of what was erased: the hash of the list of names stands
for it, and whoever kept the list can show that it was this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select

from proxy_addons.audit.noted import no_trail
from proxy_addons.standing import rules as texts
from proxy_addons.standing.actor import Actor
from proxy_addons.standing.numbering import next_reference
from proxy_addons.standing.problems import UnknownReferenceError
from proxy_addons.standing.steps import Step
from proxy_addons.standing.tables_retention import disposal_certificates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy import Connection, Row

    from proxy_addons.audit.noted import Trail
    from proxy_addons.audit.retention.schedule import Class
    from proxy_addons.standing.store import Store

PREFIX: Final = "DC"
_LIST: Final = b"watchhouse/disposal/v1\n"


def digest_of(names: Iterable[str]) -> str:
    """The hash of a list of what was erased, whatever its order; of two same names both count.

    SHA-256 over the line `watchhouse/disposal/v1`, and then, in ascending order of their octets,
    each name's length in octets (8 octets, the most significant first) and its octets (UTF-8).
    """
    parts = sorted(name.encode() for name in names)
    whole = _LIST + b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return sha256(whole).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What was erased.

    Attributes:
        kind: its class.
        subject: which period, pack, sample ..., in words, without a person's name.
        since: first moment of the period, aware; None where it has none.
        until: first moment after it.
        records: how many.
        segments: how many segments, or files.
        rule: by which it was erased: `Verdict.rule`, or the reference of a decision.
        digest: `digest_of` what was erased.
    """

    kind: Class
    subject: str
    since: datetime | None = None
    until: datetime | None = None
    records: int
    segments: int
    rule: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """One certificate. See `Erased` for the others.

    Attributes:
        reference: `DC-2026-0001`.
        by: who or what erased it; `watchhouse` for what the schedule did.
        how: how that is known.
        at: when, UTC.
    """

    reference: str
    kind: str
    subject: str
    since: datetime | None
    until: datetime | None
    records: int
    segments: int
    rule: str
    digest: str
    by: str
    how: str
    at: datetime


class Certificates:
    """All certificates.

    Args:
        store: where they are kept.
        clock: the time now, aware.
        trail: takes each, before it is committed.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        trail: Trail = no_trail,
    ) -> None:
        self._store = store
        self._clock = clock
        self._trail = trail

    def issue(self, actor: Actor, erased: Erased) -> Certificate:
        """Record what was erased, once it is.

        Raises:
            StandingUnavailableError: it is not recorded; issue it again.
        """
        with self._store.changing() as connection:
            return issue(connection, actor, erased, self._clock(), self._trail)

    def all(self, kind: Class | None = None) -> tuple[Certificate, ...]:
        """All of them, or those of a class; the oldest first."""
        columns = disposal_certificates.c
        question = select(disposal_certificates).order_by(columns.id)
        if kind is not None:
            question = question.where(columns["class"] == kind)
        with self._store.reading() as connection:
            return tuple(map(_from_row, connection.execute(question)))

    def steps_since(self, number: int, most: int = 1000) -> tuple[tuple[int, str, Step], ...]:
        """Certificates after a number, as steps: what the trail has not recorded yet."""
        columns = disposal_certificates.c
        question = select(disposal_certificates).where(columns.id > number).order_by(columns.id)
        with self._store.reading() as connection:
            rows = connection.execute(question.limit(most)).all()
        return tuple((row.id, row.reference, _step(_from_row(row))) for row in rows)

    def get(self, reference: str) -> Certificate:
        """One certificate.

        Raises:
            UnknownReferenceError: there is none of this reference.
        """
        with self._store.reading() as connection:
            return _get(connection, reference)


def issue(
    connection: Connection, actor: Actor, erased: Erased, now: datetime, trail: Trail
) -> Certificate:
    """Record it within a transaction of `Store.changing`."""
    reference = next_reference(connection, PREFIX, now.astimezone(UTC).year)
    subject = texts.reason(erased.subject, least=1, clause="")
    connection.execute(
        insert(disposal_certificates).values(
            {
                "reference": reference,
                "class": erased.kind,
                "subject": subject,
                "since": erased.since,
                "until": erased.until,
                "records": erased.records,
                "segments": erased.segments,
                "rule": erased.rule,
                "by": actor.name,
                "how": actor.how,
                "at": now,
                "digest": erased.digest,
            }
        )
    )
    made = _get(connection, reference)
    trail(reference, _step(made))
    return made


def _step(made: Certificate) -> Step:
    changes = {
        "class": made.kind,
        "since": made.since,
        "until": made.until,
        "records": made.records,
        "segments": made.segments,
        "rule": made.rule,
        "digest": made.digest,
    }
    by = Actor(made.by, how=made.how)
    return Step.by(by, made.at, "disposal", made.subject, changes)


def _get(connection: Connection, reference: str) -> Certificate:
    wanted = reference.strip().upper()
    row = connection.execute(
        select(disposal_certificates).where(disposal_certificates.c.reference == wanted)
    ).one_or_none()
    if row is None:
        raise UnknownReferenceError(reference)
    return _from_row(row)


def _from_row(row: Row[Any]) -> Certificate:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name for it
    del values["id"]
    return Certificate(kind=values.pop("class"), **values)

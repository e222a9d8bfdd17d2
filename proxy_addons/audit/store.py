"""What is asked of the records, and within which bounds: the narrow interface of a query engine.

In: bounds, which an authorisation was compiled to; a question within them. Out: rows, counts, and
where the lines of evidence are.
Must never: answer a question without bounds; tell, by a row, a count, an order, an error or the
time it takes, what is outside of them.

DuckDB answers on one machine (duckstore.py). A distributed engine that reads the same Parquet can
stand in its place: it has to give the same answers to tests/audit/test_store.py.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - read by msgspec (desk/)
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


class StoreError(Exception):
    """Nothing was answered. The text says what to do, and nothing of any record."""


class CursorError(StoreError):
    """What was given as `after` is of no page of this question: it was changed, or has ended."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may be seen: an authorisation, compiled (`authority/compiled.py`).

    Attributes:
        since: first moment, aware.
        until: first moment that is outside again.
        fields: names of fields of the record (accesslog/record.py) that may be seen, filtered or
            counted by. All others are as if the records did not have them.
        persons: canonical names whose records these are; None: everybody's.
        categories: only records in one of these; None: in any, or none.
        special: categories whose sites are masked: of such a record only `MASK_KEEPS` is as if it
            were there, also for filters and counts.
        pseudonyms: key that names are replaced by pseudonyms with (`pseudonym.py`); None: they are
            shown as they are.
        rows: most rows that one question gives, over all its pages.
    """

    since: datetime
    until: datetime
    fields: frozenset[str]
    persons: frozenset[str] | None
    categories: frozenset[str] | None = None
    special: frozenset[str] = frozenset()
    pseudonyms: bytes | None = field(default=None, repr=False)
    rows: int = 10_000


MASK_KEEPS = frozenset({
    *("schema", "event", "id", "worker", "seq", "start", "duration_ms", "person", "person_how"),
    *("client_ip", "action", "bytes_up", "bytes_down", "policy_version", "list_version"),
})  # fmt: skip
"""Fields of a masked record that stay: that there was a request, not where it went."""


class Dimension(StrEnum):
    """By what records are counted."""

    PERSON = "person"
    CLIENT = "client"
    CATEGORY = "category"
    HOST = "host"
    RULE = "rule"
    ACTION = "action"
    FILE_TYPE = "file_type"
    DAY = "day"
    HOUR = "hour"
    HOUR_OF_WEEK = "hour_of_week"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. All that is given must be true of a record; "" and None ask for nothing.

    Attributes:
        since: not before this moment, aware.
        until: before this one.
        person: as rows show it: a pseudonym where names are not shown.
        client: address.
        host: this host and its subdomains.
        category: one of the record's categories.
        rule: id.
        action: allow, coach, redirect or block.
        file_type: a finding `file_type=…`.
        text: in the URL, whatever the case.
        event: kind of record; "": of closing records and of those still open, of which no closing
            one is there yet.
        newest_first: the order of rows, by `start`.
    """

    since: datetime | None = None
    until: datetime | None = None
    person: str = ""
    client: str = ""
    host: str = ""
    category: str = ""
    rule: str = ""
    action: str = ""
    file_type: str = ""
    text: str = ""
    event: str = ""
    newest_first: bool = True


@dataclass(frozen=True, slots=True, order=True)
class At:
    """Where a record's line is: the evidence.

    Attributes:
        segment: name of its segment.
        line: its place in there, from 0.
    """

    segment: str
    line: int


@dataclass(frozen=True, slots=True)
class Row:
    """One record, as far as it may be seen.

    Attributes:
        at: where its line is.
        values: by field; only fields that may be seen. Times are aware `datetime`s, lists tuples.
        masked: whether it is in a special category, and shows no more than that.
    """

    at: At
    values: Mapping[str, Any]
    masked: bool = False

    def __post_init__(self) -> None:
        """A row that came over the desk's socket has its time as text (RFC 3339)."""
        start = self.values.get("start")
        if isinstance(start, str):
            values = {**self.values, "start": datetime.fromisoformat(start)}
            object.__setattr__(self, "values", values)


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of an answer.

    Attributes:
        rows: in the question's order.
        after: what to ask the next page with; "" where this is the last one.
        capped: whether there would be more, beyond what the bounds allow.
    """

    rows: tuple[Row, ...]
    after: str = ""
    capped: bool = False


@dataclass(frozen=True, slots=True)
class Count:
    """How many records there are of one kind.

    Attributes:
        key: of the dimension: a name, a day `2026-11-21`, an hour `2026-11-21T14`, an hour of the
            week from 0 (Monday, midnight) to 167. Days and hours are those of the force's clock.
        records: how many.
        refused: how many of these were refused.
        octets: up and down together.
    """

    key: str
    records: int
    refused: int
    octets: int


@dataclass(frozen=True, slots=True)
class Quartiles:
    """Where a quarter, half and three quarters of some people's numbers are.

    By linear interpolation between the nearest ones: definition 7 of Hyndman and Fan (The American
    Statistician 50, 1996), QUARTILE.INC of spreadsheets.
    """

    lower: float
    median: float
    upper: float


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual among people in one category, over the whole time of the bounds.

    Attributes:
        key: the category.
        records: of each person, how many.
        octets: of each person, up and down together.
    """

    key: str
    records: Quartiles
    octets: Quartiles


@dataclass(frozen=True, slots=True)
class Reach:
    """How far the records reach that can be asked for.

    Attributes:
        newest: `start` of the newest record; None: there is none.
        gaps: what is known to be missing, in words: segments that could not be read, records that
            were lost.
    """

    newest: datetime | None
    gaps: tuple[str, ...] = ()


class RecordStore(Protocol):
    """Who answers. All methods block: callers in an event loop use a thread.

    Each may raise `StoreError`.
    """

    def rows(self, bounds: Bounds, question: Question, *, most: int, after: str = "") -> Page:
        """Some rows.

        Args:
            bounds: what may be seen.
            question: what is asked.
            most: rows of this page.
            after: `Page.after` of the page before; it holds nothing that was not in its rows.
        """

    def every(self, bounds: Bounds, question: Question) -> Iterator[Row]:
        """All rows, up to `bounds.rows`, without holding them all in memory."""

    def counts(
        self, bounds: Bounds, question: Question, by: Dimension, *, most: int = 1000
    ) -> tuple[Count, ...]:
        """Records by one dimension: the most frequent first, times in their order.

        A dimension whose field may not be seen has no counts.
        """

    def total(self, bounds: Bounds, question: Question) -> Count:
        """All of them; its key is ""."""

    def usual(self, bounds: Bounds, categories: Collection[str]) -> tuple[Usual, ...]:
        """Quartiles over people; no number of any one of them leaves the engine.

        Args:
            bounds: with several `persons`, each of whom counts: with 0 where there is no record.
            categories: which; one that no record may be seen of has quartiles of 0.

        Returns:
            One of each category, in the order of their names.

        Raises:
            ValueError: the bounds name fewer than two people.
        """

    def reach(self) -> Reach:
        """How far the records reach."""

    def close(self) -> None:
        """End."""

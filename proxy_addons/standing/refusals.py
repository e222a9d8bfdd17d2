"""Refusals by rule: counted in memory by each worker, added to the store every few seconds.

In: a person, a duty day, a rule that refused them. Out: one number a person, day and rule.
Must never: ask the store while a request waits; add the same refusals twice, or lose them, because
an answer of the store did not come; hold a site.

For the people concerned and the weekly report; nothing is decided by it. What a worker has not yet
written ends with `kill -9` (some seconds): the access log has each refusal.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
from collections import Counter, defaultdict
from itertools import batched, islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import func, select, text

from proxy_addons.standing.tables_shifts import refusals

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import date

    from proxy_addons.standing.store import Store

logger = logging.getLogger("watchhouse.standing")

MOST: Final = 50_000
"""Numbers that a worker keeps while no store takes them: some ten megabytes."""
ROWS: Final = 5000  # of one statement
_AT_ONCE: Final = 500  # names in one question

type Key = tuple[str, date, str]
"""Person, duty day, rule."""

# A number that is there already grows: one statement for all rows, with as many parameters as
# columns (minutes.py says why).
_POSTGRES: Final = text(
    """INSERT INTO refusals (person, day, rule, count)
    SELECT person, day, rule, count
    FROM unnest(CAST(:people AS varchar[]), CAST(:days AS date[]), CAST(:rules AS varchar[]),
                CAST(:counts AS integer[]))
         AS counted (person, day, rule, count)
    ON CONFLICT (person, day, rule) DO UPDATE SET count = refusals.count + excluded.count"""
)
_SQLITE: Final = text(
    """INSERT INTO refusals (person, day, rule, count)
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
           json_extract(value, '$[3]')
    FROM json_each(:rows) WHERE true
    ON CONFLICT (person, day, rule) DO UPDATE SET count = refusals.count + excluded.count"""
)
# Minutes can be written twice without harm, numbers that grow cannot. So each portion has a number
# of its worker's, noted in the same transaction: one that was committed is not added once more.
_FIRST_TIME: Final = text(
    """INSERT INTO refusal_portions (worker, number, day) VALUES (:worker, :number, :day)
    ON CONFLICT (worker) DO UPDATE SET number = excluded.number, day = excluded.day
    WHERE refusal_portions.number < excluded.number"""
)


class _Portion(NamedTuple):
    """What is written at once; tried again as it is until the store has said that it has it."""

    number: int
    rows: tuple[tuple[Key, int], ...]


class Refusals:
    """Refusals that are not yet written down. Counted in one thread, written in another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: Counter[Key] = Counter()
        self._portion: _Portion | None = None
        self._number = 0
        self._worker = secrets.token_hex(8)
        self._overlooked = 0  # not counted, for want of room

    def __len__(self) -> int:
        """How many numbers are not yet written down."""
        return len(self._pending) + (len(self._portion.rows) if self._portion else 0)

    def count(self, person: str, day: date, rule: str) -> None:
        """Count one. Cheap.

        Args:
            person: canonical name.
            day: duty day.
            rule: id of the rule.
        """
        key = (person, day, rule)
        with self._lock:
            if key in self._pending or len(self._pending) < MOST:
                self._pending[key] += 1
            else:
                self._overlooked += 1

    def flush(self, store: Store) -> int:
        """Write down what was counted. Blocks. What could not be written stays for the next time.

        Returns:
            How many numbers were written.

        Raises:
            StandingUnavailableError: the store does not answer.
        """
        written = 0
        while (portion := self._next()) is not None:
            _add(store, self._worker, portion)
            written += len(portion.rows)
            self._portion = None
        if written and (overlooked := self._take_overlooked()):
            logger.warning(
                "%d refusals are in no figures: more than %d people and rules were waiting for the"
                " standing store; the access log has them",
                overlooked,
                MOST,
            )
        return written

    def _take_overlooked(self) -> int:
        with self._lock:
            overlooked, self._overlooked = self._overlooked, 0
            return overlooked

    def _next(self) -> _Portion | None:
        """What is to be written: before all else, what may or may not have been."""
        if self._portion is None:
            with self._lock:
                # In order: workers that write at once wait for each other, not both for the other.
                rows = tuple(sorted(islice(self._pending.items(), ROWS)))
                for key, _ in rows:
                    del self._pending[key]
                if rows:
                    self._number += 1
                    self._portion = _Portion(self._number, rows)
        return self._portion


def _add(store: Store, worker: str, portion: _Portion) -> None:
    keys = [key for key, _ in portion.rows]
    people, days, rules = zip(*keys, strict=True)
    counts = [count for _, count in portion.rows]
    values: dict[str, Any]
    if store.is_postgres:
        values = {
            "people": list(people),
            "days": list(days),
            "rules": list(rules),
            "counts": counts,
        }
    else:
        rows = zip(people, [day.isoformat() for day in days], rules, counts, strict=True)
        values = {"rows": json.dumps(list(rows))}
    newest = max(days)
    mark = {
        "worker": worker,
        "number": portion.number,
        "day": newest if store.is_postgres else newest.isoformat(),
    }
    with store.noting() as connection:
        if connection.execute(_FIRST_TIME, mark).rowcount:
            connection.execute(_POSTGRES if store.is_postgres else _SQLITE, values)


def by_person(
    store: Store, people: Collection[str], first: date, last: date
) -> Mapping[str, Mapping[str, int]]:
    """How often each rule refused several people in several duty days. Blocks.

    Args:
        store: the store.
        people: canonical names.
        first: duty day.
        last: duty day, included.

    Returns:
        Person → rule → times; nothing for people whom none refused.

    Raises:
        StandingUnavailableError: the store does not answer.
    """
    columns = refusals.c
    found: dict[str, dict[str, int]] = defaultdict(dict)
    with store.reading() as connection:
        for some in batched(sorted(set(people)), _AT_ONCE):
            for person, rule, times in connection.execute(
                select(columns.person, columns.rule, func.sum(columns.count))
                .where(columns.person.in_(some), columns.day.between(first, last))
                .group_by(columns.person, columns.rule)
            ):
                found[person][rule] = int(times)
    return dict(found)

"""What a record store must answer, in plain Python: slow, short, and without an engine.

In: records with their places, bounds, a question. Out: rows, counts, totals.
Must never: share code with what it is held against (pseudonyms apart: they have tests).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from proxy_addons.accesslog.record import FIELDS
from proxy_addons.audit.pseudonym import pseudonym
from proxy_addons.audit.store import (
    MASK_KEEPS,
    At,
    Count,
    Dimension,
    Quartiles,
    Question,
    Row,
    Usual,
)

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from proxy_addons.audit.store import Bounds

TIMES = {Dimension.DAY, Dimension.HOUR, Dimension.HOUR_OF_WEEK}


@dataclass(frozen=True)
class Kept:
    """A record, as it stands somewhere."""

    at: At
    record: dict[str, Any]


def _start(record: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(record["start"])


def inside(kept: Kept, bounds: Bounds) -> bool:
    """Whether a record is in the bounds."""
    record = kept.record
    if not bounds.since <= _start(record) < bounds.until:
        return False
    if bounds.persons is not None and record["person"] not in bounds.persons:
        return False
    return bounds.categories is None or bool(bounds.categories & set(record["categories"]))


def seen(kept: Kept, bounds: Bounds) -> Row:
    """A record as it may be seen."""
    record = kept.record
    masked = bool(bounds.special & set(record["categories"]))
    values: dict[str, Any] = {}
    for field in FIELDS:
        if field.name not in bounds.fields:
            continue
        value = record.get(field.name)
        if masked and field.name not in MASK_KEEPS:
            value = None
        elif field.type == "timestamp":
            value = _start(record)
        elif field.type == "strings":
            value = tuple(value)
        elif field.name in {"person", "claimed"} and value is not None and bounds.pseudonyms:
            value = pseudonym(bounds.pseudonyms, value)
        values[field.name] = value
    return Row(kept.at, values, masked)


class Model:
    """The answers to be expected."""

    def __init__(self, kept: list[Kept], zone: ZoneInfo) -> None:
        self._kept, self._zone = kept, zone

    def rows(self, bounds: Bounds, question: Question) -> list[Row]:
        """All rows, in their order."""
        within = [each for each in self._kept if inside(each, bounds)]
        closed = {e.record["id"] for e in within if e.record["event"] == "transaction"}
        found = []
        for each in within:
            event, row = each.record["event"], seen(each, bounds)
            still_open = event == "open" and each.record["id"] not in closed
            if not (question.event or event == "transaction" or still_open):
                continue
            if self._wants(row.values, question):
                found.append(row)
        return sorted(
            found,
            key=lambda row: ((row.values["start"],) if "start" in row.values else (), row.at),
            reverse=question.newest_first,
        )

    @staticmethod
    def _wants(values: Any, question: Question) -> bool:
        start, host, url = values.get("start"), values.get("host"), values.get("url")
        asked = {
            "event": question.event,
            "person": question.person,
            "client_ip": question.client,
            "rule": question.rule,
            "action": question.action,
        }
        if any(value and values.get(name) != value for name, value in asked.items()):
            return False
        if question.since is not None and (start is None or start < question.since):
            return False
        if question.until is not None and (start is None or start >= question.until):
            return False
        if question.host and (host is None or not f".{host}".endswith(f".{question.host}")):
            return False
        if question.category and question.category not in (values.get("categories") or ()):
            return False
        wanted = f"file_type={question.file_type}"
        if question.file_type and wanted not in (values.get("findings") or ()):
            return False
        return not question.text or (url is not None and question.text.lower() in url.lower())

    def counts(self, bounds: Bounds, question: Question, by: Dimension) -> tuple[Count, ...]:
        """By one dimension."""
        groups: dict[Any, list[Row]] = defaultdict(list)
        for row in self.rows(bounds, question):
            for key in self._keys(row.values, by):
                groups[key].append(row)
        found = [(key, _count(str(key), rows)) for key, rows in groups.items()]
        if by in TIMES:
            return tuple(count for _, count in sorted(found, key=lambda item: item[0]))
        return tuple(
            count for _, count in sorted(found, key=lambda item: (-item[1].records, item[0]))
        )

    def _keys(self, values: Any, by: Dimension) -> set[Any]:
        names = {"person": "person", "client": "client_ip", "host": "host"}
        names |= {"rule": "rule", "action": "action"}
        if by in TIMES:
            start = values.get("start")
            if start is None:
                return set()
            local = start.astimezone(self._zone)
            if by is Dimension.HOUR_OF_WEEK:
                return {local.weekday() * 24 + local.hour}
            return {f"{local:%Y-%m-%d}" if by is Dimension.DAY else f"{local:%Y-%m-%dT%H}"}
        if by is Dimension.CATEGORY:
            return set(values.get("categories") or ())
        if by is Dimension.FILE_TYPE:
            found = values.get("findings") or ()
            return {e.removeprefix("file_type=") for e in found if e.startswith("file_type=")}
        key = values.get(names[by.value])
        return set() if key is None else {key}

    def usual(self, bounds: Bounds, categories: list[str]) -> tuple[Usual, ...]:
        """Quartiles over people, by category."""
        return tuple(
            Usual(key, *(self._quartiles(bounds, key, what) for what in (0, 1)))
            for key in sorted(set(categories))
        )

    def _quartiles(self, bounds: Bounds, category: str, what: int) -> Quartiles:
        numbers = []
        rows = self.rows(replace(bounds, pseudonyms=None), Question(category=category))
        for name in bounds.persons or ():
            own = _count("", [row for row in rows if row.values.get("person") == name])
            numbers.append((own.records, own.octets)[what])
        numbers.sort()
        return Quartiles(*(_between(numbers, part) for part in (0.25, 0.5, 0.75)))

    def total(self, bounds: Bounds, question: Question) -> Count:
        """All of them."""
        return _count("", self.rows(bounds, question))


def _between(ordered: list[int], part: float) -> float:
    place = (len(ordered) - 1) * part
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    return low + (high - low) * (place - math.floor(place))


def _count(key: str, rows: list[Row]) -> Count:
    actions = Counter(row.values.get("action") for row in rows)
    octets = sum(
        (row.values.get("bytes_up") or 0) + (row.values.get("bytes_down") or 0) for row in rows
    )
    return Count(key, len(rows), actions["block"], octets)

"""Bounds and a question as SQL.

In: bounds, a question. Out: text of our own making, and the parameters that everything given is.
Must never: put a value that somebody gave into the text; look at a column that may not be seen
before it is null; ask the question of more than the bounds have left.

What is in the bounds is a subquery, `bounded`: rows by time, person and category, in which each
column that may not be seen is null, and in rows of special categories all but `MASK_KEEPS`. The
question is asked of that and of nothing else. Some columns of it are not the question's: `at_…`
(where the line is), and `sort`, `number`, `pending` and `abroad` (what kind of line of which
transaction it is), by which one of the two lines of a transaction is taken, and which rows show
only where they may be seen; and `inside`, which is true of all of its rows. By that a question is
kept from being asked of others: an engine is free to try the conditions of both queries in any
order, and to skip groups of rows by what others' rows in them have or have not. Then the time that
an answer takes would tell whether a site was opened by anybody (tests/audit/test_side_channels.py).

Which opening records count is asked first (`unclosed`, `closing`): nearly all were seen to be
closed when their file was made, so that no question joins months of records with themselves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from proxy_addons.accesslog.record import DUCKDB_TYPES, FIELDS
from proxy_addons.audit.store import MASK_KEEPS, Bounds, Dimension, Question

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MANY: Final = 100
"""So many persons are written out one by one, so that groups of rows are skipped by them: as many
as an authorisation has at most. Of more, conditions of a question are tried before theirs."""
_DAY: Final = timedelta(days=1)
_LAST_DAY: Final = datetime(9999, 12, 30, tzinfo=UTC)
_FILE_TYPE: Final = "file_type="
_CLOSING: Final = "sort = 'transaction'"
_OPEN: Final = "pending AND (number IS NULL OR number NOT IN (SELECT unnest($closed::VARCHAR[])))"
_PARAMETER: Final = re.compile(r"\$(\w+)", re.ASCII)
QUARTER: Final = 900
"""Seconds: every clock of the world is whole quarters of an hour from UTC."""

_KEYS: Final = {
    Dimension.PERSON: "person",
    Dimension.CLIENT: "client_ip",
    # Most records have one category or none: what makes lists distinct is slow.
    Dimension.CATEGORY: (
        "unnest(CASE WHEN len(categories) < 2 THEN categories ELSE list_distinct(categories) END)"
    ),
    Dimension.HOST: "host",
    Dimension.RULE: "rule",
    Dimension.ACTION: "action",
    Dimension.FILE_TYPE: (
        "unnest(list_distinct(list_transform(list_filter(findings, x -> starts_with(x,"
        f" '{_FILE_TYPE}')), x -> substr(x, {len(_FILE_TYPE) + 1}))))"
    ),
}
TIMES: Final = frozenset(Dimension) - frozenset(_KEYS)
"""Dimensions of time. They are counted by quarters of an hour; whoever knows the clock adds up."""


@dataclass(slots=True)
class Sql:
    """Text and parameters.

    Attributes:
        text: of the query.
        given: parameters by name.
        fenced: of `bounded`: whether a question may be asked only of what is `inside`.
    """

    text: str
    given: dict[str, Any] = field(default_factory=dict)
    fenced: bool = False


def bounded(
    bounds: Bounds, files: Collection[str], *, live: bool = True, name: str = "files"
) -> Sql:
    """What may be seen.

    Args:
        bounds: what that is.
        files: Parquet files to look into.
        live: whether to look at rows that are in none yet.
        name: of the parameter that the files are.
    """
    given: dict[str, Any] = {"since": bounds.since, "until": bounds.until}
    where = ["start >= $since", "start < $until"]
    if bounds.persons is not None:
        where.append(_one_of("person", bounds.persons, given))
    if bounds.categories is not None:
        given["within"] = sorted(bounds.categories)
        where.append("list_has_any(categories, $within::VARCHAR[])")
    masked = "false"
    if bounds.special:
        given["special"] = sorted(bounds.special)
        masked = "coalesce(list_has_any(categories, $special::VARCHAR[]), false)"
    columns = [_seen(each.name, each.type, bounds, masked) for each in FIELDS]
    columns += ["segment AS at_segment", "line AS at_line", f"{masked} AS masked"]
    columns += ["event AS sort", "id AS number", "pending", "abroad"]
    # Of everybody's records of a time none are outside that a question would be kept from.
    fenced = bounds.persons is not None or bounds.categories is not None
    columns.append(f"{' AND '.join(where) if fenced else 'true'} AS inside")
    chosen = f"SELECT {', '.join(columns)} FROM {{}} WHERE {' AND '.join(where)}"  # noqa: S608 - text of ours; what is given is bound
    sources = []
    if files:
        given[name] = list(files)
        sources.append(chosen.format(f"read_parquet(${name})"))
    if live or not files:
        sources.append(chosen.format("live"))
    return Sql("(" + " UNION ALL ".join(sources) + ")", given, fenced)


def unclosed(within: Sql) -> Sql:
    """Opening records that no closing one of their file stands for: number and segment.

    Args:
        within: of `bounded`, of files that have such.
    """
    return Sql(
        f"SELECT DISTINCT number, at_segment FROM {within.text}"  # noqa: S608 - text of ours; what is given is bound
        " WHERE pending AND number IS NOT NULL",
        within.given,
    )


def closing(within: Sql, numbers: Collection[str], *, abroad: bool) -> Sql:
    """Which of these numbers have a closing record.

    Args:
        within: of `bounded`, of files that may have such.
        numbers: of transactions.
        abroad: whether only those records can be it that are.
    """
    return Sql(
        f"SELECT DISTINCT number FROM {within.text} WHERE sort = 'transaction'"  # noqa: S608 - text of ours; what is given is bound
        f"{' AND abroad' if abroad else ''}"
        " AND number IN (SELECT unnest($numbers::VARCHAR[]))",
        within.given | {"numbers": list(numbers)},
    )


def _seen(name: str, kind: str, bounds: Bounds, masked: str) -> str:
    if name not in bounds.fields:
        return f'NULL::{DUCKDB_TYPES[kind]} AS "{name}"'
    if name in MASK_KEEPS or not bounds.special:
        return f'"{name}"'
    return f'CASE WHEN {masked} THEN NULL ELSE "{name}" END AS "{name}"'


def _one_of(column: str, names: Collection[str], given: dict[str, Any]) -> str:
    if not names:
        return "false"
    if len(names) > _MANY:
        given["names"] = sorted(names)
        return f"{column} IN (SELECT unnest($names::VARCHAR[]))"
    places = {f"name{place}": name for place, name in enumerate(sorted(names))}
    given |= places
    return f"{column} IN ({', '.join(f'${place}' for place in places)})"


def asked(
    within: Sql,
    question: Question,
    persons: Collection[str] | None,
    still: Sql | None,
    closed: Collection[str],
) -> Sql:
    """The rows that a question asks for.

    Args:
        within: of `bounded`.
        question: what is asked.
        persons: names that `question.person` stands for; None: it asks for nobody.
        still: of `bounded`, of files that have `pending` records; None: there are none.
        closed: numbers of those that a closing record elsewhere stands for.
    """
    given = dict(within.given)
    where = []

    def ask(condition: str, **values: Any) -> None:
        where.append(condition)
        given.update(values)

    if question.since is not None:
        ask("start >= $asked_since", asked_since=question.since)
    if question.until is not None:
        ask("start < $asked_until", asked_until=question.until)
    if persons is not None:
        names = {f"asked{place}": name for place, name in enumerate(sorted(persons))}
        chosen = ", ".join(f"${place}" for place in names)
        ask(f"person IN ({chosen})" if names else "false", **names)
    for condition, values in _asked_by_name(question):
        ask(condition, **values)
    fits = " AND ".join(where) or "true"
    if where and within.fenced:
        # Whole days are left to the engine: whatever others did, a day's file has rows of it.
        days, times = _days(question)
        given |= times
        fits = " AND ".join((f"CASE WHEN inside THEN {fits} ELSE false END", *days))
    if question.event:
        return Sql(f"(SELECT * FROM {within.text} WHERE {fits})", given)  # noqa: S608 - text of ours; what is given is bound
    text = f"SELECT * FROM {within.text} WHERE {fits} AND {_CLOSING}"  # noqa: S608 - text of ours; what is given is bound
    if still is not None:
        given |= still.given | {"closed": list(closed)}
        text += f" UNION ALL SELECT * FROM {still.text} WHERE {fits} AND {_OPEN}"  # noqa: S608 - text of ours; what is given is bound
    return Sql(f"({text})", given)


def _days(question: Question) -> tuple[list[str], dict[str, datetime]]:
    """The days (UTC) that a question's time touches, as conditions."""
    where: list[str] = []
    given: dict[str, datetime] = {}
    if question.since is not None:
        where.append("start >= $first_day")
        given["first_day"] = _midnight(question.since)
    if question.until is not None and question.until < _LAST_DAY:
        where.append("start < $after_days")
        given["after_days"] = _midnight(question.until) + _DAY
    return where, given


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _asked_by_name(question: Question) -> Iterator[tuple[str, dict[str, str]]]:
    """What is asked by a value that a column has."""
    host = question.host.lower().strip(".")
    conditions = (
        (question.client, "client_ip = $client", question.client),
        (question.rule, "rule = $rule", question.rule),
        (question.action, "action = $action", question.action),
        (question.event, "event = $event", question.event),
        (question.host, "(host = $host OR ends_with(host, '.' || $host))", host),
        (question.category, "list_contains(categories, $category)", question.category),
        (question.file_type, "list_contains(findings, $found)", _FILE_TYPE + question.file_type),
        (question.text, "contains(lower(url), lower($text))", question.text),
    )
    for wanted, condition, value in conditions:
        if wanted:
            yield condition, {_PARAMETER.findall(condition)[0]: value}


def last_of(found: Sql, bounds: Bounds, *, newest_first: bool, after: Any, most: int) -> Sql | None:
    """When the last of some rows began, microseconds; None where `start` may not be seen.

    One narrow column is read of all, so that all others need be read only of what began till then.
    """
    if "start" not in bounds.fields:
        return None
    way, end = ("DESC", "min") if newest_first else ("ASC", "max")
    where, given = _from(found, after, newest_first=newest_first, timed=True)
    return Sql(
        f"SELECT epoch_us({end}(start)) FROM (SELECT start FROM {found.text}{where}"  # noqa: S608 - text of ours; what is given is bound
        f" ORDER BY start {way} LIMIT $most)",
        given | {"most": most},
    )


def _from(found: Sql, after: Any, *, newest_first: bool, timed: bool) -> tuple[str, dict[str, Any]]:
    """The condition that rows come after one, and all parameters."""
    if after is None:
        return "", dict(found.given)
    micros, segment, line = after
    given = found.given | {"after_segment": segment, "after_line": line}
    keys, values = ["at_segment", "at_line"], ["$after_segment", "$after_line"]
    if timed:
        given["after_start"] = _EPOCH + timedelta(microseconds=micros)
        keys.insert(0, "start")
        values.insert(0, "$after_start")
    sign = "<" if newest_first else ">"
    text = f" WHERE ({', '.join(keys)}) {sign} ({', '.join(values)})"
    if timed:
        text += f" AND start {sign}= $after_start"  # once more, so that groups are skipped by it
    return text, given


def ordered(
    found: Sql,
    bounds: Bounds,
    *,
    newest_first: bool,
    after: Any,
    most: int,
    last: int | None = None,
) -> Sql:
    """Rows in their order, from one on.

    Args:
        found: of `asked`.
        bounds: what may be seen: where `start` may not, rows stand in the order of their lines.
        newest_first: the order.
        after: the last one before: microseconds, segment, line; None: from the first one.
        most: how many.
        last: of `last_of`.
    """
    timed = "start" in bounds.fields
    way = "DESC" if newest_first else "ASC"
    keys = (["start"] if timed else []) + ["at_segment", "at_line"]
    where, given = _from(found, after, newest_first=newest_first, timed=timed)
    given["most"] = most
    if last is not None:
        given["last"] = _EPOCH + timedelta(microseconds=last)
        where += f" {'AND' if where else 'WHERE'} start {'>=' if newest_first else '<='} $last"
    columns = ["at_segment", "at_line", "masked"]
    for each in FIELDS:
        if each.name in bounds.fields:
            plain = f'"{each.name}"'
            columns.append(f"epoch_us({plain})" if each.type == "timestamp" else plain)
    order = ", ".join(f"{key} {way}" for key in keys)
    return Sql(
        f"SELECT {', '.join(columns)} FROM {found.text}{where} ORDER BY {order} LIMIT $most",  # noqa: S608 - text of ours; what is given is bound
        given,
    )


_SUMS: Final = (
    "count(*), count(*) FILTER (action IN ('block', 'redirect')),"
    " coalesce(sum(bytes_up), 0) + coalesce(sum(bytes_down), 0)"
)


def counted(found: Sql, by: tuple[Dimension, ...]) -> Sql:
    """Counts by dimensions; records without one of them are left out.

    Dimensions of time are given as quarters of an hour since 1970.
    """
    keys = [
        _KEYS.get(each, f"epoch_us(start) // {QUARTER * 1_000_000}") + f" AS key{place}"
        for place, each in enumerate(by)
    ]
    columns = ", ".join((*keys, "action", "bytes_up", "bytes_down"))
    names = ", ".join(f"key{place}" for place in range(len(by)))
    known = " AND ".join(f"key{place} IS NOT NULL" for place in range(len(by)))
    return Sql(
        f"SELECT {names}, {_SUMS} FROM (SELECT {columns} FROM {found.text}) WHERE {known}"  # noqa: S608 - text of ours; what is given is bound
        f" GROUP BY {names}",
        found.given,
    )


def totalled(found: Sql) -> Sql:
    """All of them together."""
    return Sql(f"SELECT {_SUMS} FROM {found.text}", found.given)  # noqa: S608 - text of ours; what is given is bound


def persons_in(within: Sql) -> Sql:
    """The names that may be asked for."""
    return Sql(f"SELECT DISTINCT person FROM {within.text} WHERE person IS NOT NULL", within.given)  # noqa: S608 - text of ours; what is given is bound

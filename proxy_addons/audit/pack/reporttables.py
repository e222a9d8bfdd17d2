"""Pictures and tables of a report, counted from its lines.

In: lines with the moments at which they began, in their order. Out: tables and pictures.
Must never: count what it was not given.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from proxy_addons.audit.pack.charts import heat_map, timeline
from proxy_addons.audit.pack.reportparts import LOCAL, Chart, Table, local, shown
from proxy_addons.policy.model import REFUSALS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from proxy_addons.audit.pack.gathering import Line

LISTED: Final = 1000
"""Lines in the report's table. All of them are in records.csv."""
_TOP: Final = 12
_PAUSE: Final = timedelta(minutes=30)
_HOURLY: Final = timedelta(days=4)
WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def charts_of(moments: Sequence[datetime]) -> tuple[Chart, ...]:
    """Pictures of when records began; `moments` are in their order."""
    if not moments:
        return ()
    hourly = moments[-1] - moments[0] < _HOURLY
    counts: Counter[datetime] = Counter()
    week: Counter[tuple[int, int]] = Counter()
    for each in moments:
        here = each.astimezone(LOCAL)
        week[here.weekday(), here.hour] += 1
        hour = each.replace(minute=0, second=0, microsecond=0)
        counts[hour if hourly else _midnight(here)] += 1
    axis = _axis(min(counts), max(counts), hourly=hourly)
    labels = [_label(each, hourly=hourly) for each in axis]
    what = "hour" if hourly else "day"
    peak = max(sorted(counts), key=counts.__getitem__)
    bars = [counts[each] for each in axis]
    rows = tuple((label, f"{n:,}") for label, n in zip(labels, bars, strict=True) if n)
    alt = (
        f"Bars: records in each {what}, {len(moments)} in all; the most,"
        f" {counts[peak]}, at {_label(peak, hourly=hourly)}."
    )
    top = max(sorted(week), key=week.__getitem__)
    heat = tuple(
        (day, *(str(week[n, hour] or "") for hour in range(24))) for n, day in enumerate(WEEKDAYS)
    )
    return (
        Chart(
            f"Records in each {what}",
            alt,
            timeline(bars, labels),
            Table(f"Records in each {what}", (what.capitalize(), "Records"), rows),
        ),
        Chart(
            "Hours of the week",
            f"Squares: records by weekday and hour; the most, {week[top]},"
            f" on {WEEKDAYS[top[0]]} from {top[1]:02d}:00.",
            heat_map([[week[n, hour] for hour in range(24)] for n in range(7)], WEEKDAYS),
            Table(
                "Hours of the week",
                ("Day", *(f"{hour:02d}" for hour in range(24))),
                heat,
                "Local time; empty: none.",
            ),
        ),
    )


def _midnight(here: datetime) -> datetime:
    return here.replace(hour=0, minute=0, second=0, microsecond=0)


def _axis(first: datetime, last: datetime, *, hourly: bool) -> list[datetime]:
    if hourly:
        step = timedelta(hours=1)
        return [first + step * n for n in range(int((last - first) / step) + 1)]
    days = (last.date() - first.date()).days
    return [
        datetime.combine(first.date() + timedelta(days=n), datetime.min.time(), LOCAL)
        for n in range(days + 1)
    ]


def _label(moment: datetime, *, hourly: bool) -> str:
    here = moment.astimezone(LOCAL)
    return here.strftime("%a %d %b %H:00 %Z" if hourly else "%a %d %b %Y")


def tables_of(timed: Sequence[tuple[datetime, Line]]) -> tuple[Table, ...]:
    """Tables of categories, sites, what was refused, and sessions."""
    records = [(moment, line.record) for moment, line in timed]
    refused = [(moment, each) for moment, each in records if each.get("action") in REFUSALS]
    sites: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    blocked: Counter[str] = Counter()
    for _, each in records:
        host = shown(each.get("host") or "(none)")
        sites[host] += 1
        blocked[host] += each.get("action") in REFUSALS
        listed = each.get("categories")
        kinds.update(map(shown, listed if isinstance(listed, list) and listed else ["(none)"]))
    made = [
        Table(
            "Categories",
            ("Category", "Records"),
            tuple((name, f"{n:,}") for name, n in _top(kinds)),
            f"The {_TOP} most frequent of {len(kinds)}." if len(kinds) > _TOP else "",
        ),
        Table(
            "Sites",
            ("Site", "Records", "Refused"),
            tuple((name, f"{n:,}", f"{blocked[name]:,}") for name, n in _top(sites)),
            f"The {_TOP} most frequent of {len(sites)}." if len(sites) > _TOP else "",
        ),
        Table(
            "Refused",
            ("When (local)", "Reference", "Site", "Rule", "Reason told"),
            tuple(
                (
                    local(moment),
                    *(shown(each.get(k) or "") for k in ("id", "host", "rule", "reason")),
                )
                for moment, each in refused[:100]
            ),
            f"The first 100 of {len(refused)}; all are in records.csv."
            if len(refused) > 100
            else "",
        ),
        _sessions(records),
    ]
    return tuple(made)


def _top(counted: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))[:_TOP]


def _sessions(records: Iterable[tuple[datetime, dict[str, Any]]]) -> Table:
    runs: list[list[tuple[datetime, dict[str, Any]]]] = []
    for each in records:
        if not runs or each[0] - runs[-1][-1][0] > _PAUSE:
            runs.append([])
        runs[-1].append(each)
    rows = []
    for run in runs[:200]:
        sites = Counter(shown(record.get("host") or "(none)") for _, record in run)
        refused = sum(record.get("action") in REFUSALS for _, record in run)
        often = ", ".join(name for name, _ in _top(sites)[:3])
        rows.append((local(run[0][0]), local(run[-1][0]), f"{len(run):,}", f"{refused:,}", often))
    note = (
        "Records with no pause of more than 30 minutes. A session is a reading aid, not a finding."
    )
    if len(runs) > 200:
        note += f" The first 200 of {len(runs)}."
    heads = ("Begins (local)", "Last record begins", "Records", "Refused", "Most frequent sites")
    return Table("Sessions", heads, tuple(rows), note)


def listed(timed: Sequence[tuple[datetime, Line]]) -> Table:
    """The records themselves."""
    rows = []
    for moment, line in timed[:LISTED]:
        record = line.record
        url = shown(record.get("url") or record.get("host") or "")
        rows.append(
            (
                local(moment),
                f"{moment:%H:%M:%S.%f}"[:-3],
                shown(record.get("id") or ""),
                shown(record.get("action") or record.get("event") or ""),
                url if len(url) <= 160 else f"{url[:159]}…",
            )
        )
    note = "Addresses are cut at 160 characters; lines/ has the records as they are."
    if len(timed) > LISTED:
        note += f" The first {LISTED:,} of {len(timed):,}: records.csv has all."
    heads = ("Local time", "UTC", "Reference", "Decision", "Address")
    return Table("Records", heads, tuple(rows), note)

"""What a report says: counted from the lines that are in the pack, in words and tables.

In: the lines, what is known about them. Out: one structure that both the page and the print show.
Must never: count what is withheld; say more than the lines do; hold a character that acts on a
screen or turns the direction of text.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from proxy_addons.accesslog.seal.packing import start_of
from proxy_addons.audit.pack.charts import heat_map, timeline
from proxy_addons.audit.pack.texts import limits_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from proxy_addons.audit.pack.about import About, Redactions, Whole
    from proxy_addons.audit.pack.gathering import Gathered, Line

LOCAL: Final = ZoneInfo("Europe/London")
LISTED: Final = 1000
"""Lines in the report's table. All of them are in records.csv."""
_TOP: Final = 12
_PAUSE: Final = timedelta(minutes=30)
_HOURLY: Final = timedelta(days=4)
WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        title: of it.
        heads: of its columns.
        rows: of texts.
        note: below it.
    """

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture, and the table that says the same.

    Attributes:
        title: of it.
        alt: what it shows, in a sentence.
        svg: the picture.
        table: its numbers.
    """

    title: str
    alt: str
    svg: str
    table: Table


@dataclass(frozen=True, slots=True)
class Report:
    """All that is shown.

    Attributes:
        title: of it.
        cover: facts on the first page: a name and what it says.
        statement: what the pack proves.
        summary: counts.
        charts: pictures with their tables.
        tables: further ones.
        lines: the records.
        versions: what was in force.
        custody: what befell the records.
        limitations: what the records do not show.
        made: when the pack was made.
        id: of the pack.
    """

    title: str
    id: str
    made: datetime
    statement: str
    cover: tuple[tuple[str, str], ...]
    summary: tuple[tuple[str, str], ...]
    charts: tuple[Chart, ...]
    tables: tuple[Table, ...]
    lines: Table
    versions: tuple[tuple[str, str], ...]
    custody: Table
    limitations: tuple[str, ...]


def shown(value: object) -> str:
    """A text as it may be shown: what is neither Latin nor printable stands as an escape."""
    return "".join(
        c if c.isprintable() and (c <= "\xff" or c in "–—‘’“”…") and c != "\xad"
        else f"\\u{{{ord(c):x}}}"
        for c in str(value)
    )  # fmt: skip


def local(moment: datetime) -> str:
    """A time as the force's clock had it, with its zone."""
    return moment.astimezone(LOCAL).strftime("%d %b %Y %H:%M:%S %Z")


def both(moment: datetime) -> str:
    """The same, and in UTC."""
    return f"{local(moment)} ({moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC)"


def report_of(
    gathered: Gathered, about: About, at: datetime, whole: Whole | None, held: Redactions
) -> Report:
    """The report on some lines.

    Args:
        gathered: the lines.
        about: what is said about them.
        at: when the pack is made.
        whole: what it is complete for.
        held: what is withheld.
    """
    lines = [each for each in gathered.lines if not each.withheld]
    withheld = len(gathered.lines) - len(lines)
    statement = statement_of(gathered, whole, len(lines), withheld)
    timed = [(_start(each), each) for each in lines]
    timed.sort(key=lambda pair: (pair[0], pair[1].at))
    return Report(
        title=shown(about.title),
        id=about.id,
        made=at,
        statement=statement,
        cover=_cover(about, at, whole, held),
        summary=_summary(timed, withheld, about),
        charts=_charts([moment for moment, _ in timed]),
        tables=_tables(timed),
        lines=_listed(timed),
        versions=_versions(gathered, about),
        custody=Table(
            "Custody",
            ("When", "Who", "What"),
            tuple((shown(e.at), shown(e.who), shown(e.what)) for e in about.custody),
        ),
        limitations=tuple(map(shown, limits_of(about, gathered))),
    )


def statement_of(gathered: Gathered, whole: Whole | None, lines: int, withheld: int) -> str:
    """What is proved, and what is not."""
    checkpoint = gathered.checkpoint
    said = (
        f"Each of the {lines} records in this pack is proved to be in the sealed log"
        f" {shown(checkpoint.origin)}, as it stood with {checkpoint.size} entries."
    )
    if withheld:
        said += f" {withheld} further records are withheld: only their hashes are given."
    if whole is None:
        return (
            f"{said} Nothing is proved about records that are not in this pack: it does not show"
            " that there are no others."
        )
    who = shown(whole.person or whole.client)
    said += (
        f" It is also proved that the sealed log has no other record of {who} that began from"
        f" {both(whole.since)} until before {both(whole.until)}, shown or withheld."
    )
    if gathered.erased:
        said = said.removesuffix(".") + (
            f", but for {len(gathered.erased)} segments from which records were erased: of these"
            " nothing is proved about records that are not in this pack."
        )
    return said


def _start(line: Line) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=start_of(line.record))


def _cover(
    about: About, at: datetime, whole: Whole | None, held: Redactions
) -> tuple[tuple[str, str], ...]:
    rows = [
        ("Pack", about.id),
        ("Authorisation", shown(about.authorisation)),
        ("Made", both(at)),
        ("Made by", shown(about.maker)),
    ]
    if whole is not None:
        rows += [
            ("Person" if whole.person else "Address", shown(whole.person or whole.client)),
            ("From", both(whole.since)),
            ("Until before", both(whole.until)),
        ]
    for name in sorted(about.details):
        value = "(withheld)" if name in held.details else shown(about.details[name])
        rows.append((shown(name).replace("_", " ").capitalize(), value))
    return tuple(rows)


def _summary(
    timed: Sequence[tuple[datetime, Line]], withheld: int, about: About
) -> tuple[tuple[str, str], ...]:
    records = [line.record for _, line in timed]
    octets = sum(_number(each.get(k)) for each in records for k in ("bytes_up", "bytes_down"))
    refused = sum(each.get("action") == "block" for each in records)
    rows = [
        ("Records", f"{len(records):,}"),
        ("Refused", f"{refused:,}"),
        ("Sites", f"{len({each.get('host') for each in records} - {None}):,}"),
        ("Traffic", f"{octets / 1e6:,.1f} MB"),
        ("Days with records", f"{len({m.astimezone(LOCAL).date() for m, _ in timed}):,}"),
    ]
    if withheld:
        rows.append(("Withheld", f"{withheld:,}"))
    rows += [(shown(k).capitalize(), f"{v:,}") for k, v in sorted(about.counts.items())]
    return tuple(rows)


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _charts(moments: Sequence[datetime]) -> tuple[Chart, ...]:
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


def _tables(timed: Sequence[tuple[datetime, Line]]) -> tuple[Table, ...]:
    records = [(moment, line.record) for moment, line in timed]
    refused = [(moment, each) for moment, each in records if each.get("action") == "block"]
    sites: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    blocked: Counter[str] = Counter()
    for _, each in records:
        host = shown(each.get("host") or "(none)")
        sites[host] += 1
        blocked[host] += each.get("action") == "block"
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
        refused = sum(record.get("action") == "block" for _, record in run)
        often = ", ".join(name for name, _ in _top(sites)[:3])
        rows.append((local(run[0][0]), local(run[-1][0]), f"{len(run):,}", f"{refused:,}", often))
    note = (
        "Records with no pause of more than 30 minutes. A session is a reading aid, not a finding."
    )
    if len(runs) > 200:
        note += f" The first 200 of {len(runs)}."
    heads = ("Begins (local)", "Last record begins", "Records", "Refused", "Most frequent sites")
    return Table("Sessions", heads, tuple(rows), note)


def _listed(timed: Sequence[tuple[datetime, Line]]) -> Table:
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
    note = "Addresses are cut at 160 characters; lines/lines.jsonl has the records as they are."
    if len(timed) > LISTED:
        note += f" The first {LISTED:,} of {len(timed):,}: records.csv has all."
    heads = ("Local time", "UTC", "Reference", "Decision", "Address")
    return Table("Records", heads, tuple(rows), note)


def _versions(gathered: Gathered, about: About) -> tuple[tuple[str, str], ...]:
    lists = sorted(
        {*about.list_versions, *(v for m in gathered.manifests for v in m.list_versions)}
    )
    policies = sorted(
        {*about.policy_versions, *(v for m in gathered.manifests for v in m.policy_versions)}
    )
    return (
        ("Software", shown(about.software)),
        ("Query engine", shown(about.engine)),
        ("Category lists in force", shown(", ".join(lists) or "none")),
        ("Policies in force", shown(", ".join(policies) or "none")),
        ("How identity was known", shown(about.identity)),
        ("Clock", shown(about.clock)),
        ("Sealed log", shown(gathered.checkpoint.origin)),
        ("Entries of the log", f"{gathered.checkpoint.size:,}"),
        ("Segments looked at", f"{len(gathered.manifests):,}"),
    )

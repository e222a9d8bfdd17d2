"""What a report says: counted from the lines that are in the pack, in words and tables.

In: the lines, what is known about them. Out: one structure that both the page and the print show.
Must never: count what is withheld; say more than the lines do; hold a character that acts on a
screen or turns the direction of text.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from proxy_addons.accesslog.seal.packing import start_of
from proxy_addons.audit.pack.reportparts import LOCAL, Chart, Table, both, shown
from proxy_addons.audit.pack.reporttables import charts_of, listed, tables_of
from proxy_addons.audit.pack.texts import limits_of
from proxy_addons.policy.model import REFUSALS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy_addons.audit.pack.about import About, Redactions, Whole
    from proxy_addons.audit.pack.gathering import Gathered, Line


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
        charts=charts_of([moment for moment, _ in timed]),
        tables=tables_of(timed),
        lines=listed(timed),
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
    refused = sum(each.get("action") in REFUSALS for each in records)
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

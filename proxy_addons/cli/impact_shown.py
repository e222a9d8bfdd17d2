"""What another policy would change: for people, and as JSON.

In: figures. Out: text, or plain values.
Must never: give a figure that is not in them: of few people there is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from proxy_addons.accesslog.replay import FEWEST

if TYPE_CHECKING:
    from datetime import datetime

    from proxy_addons.accesslog.replay import Change

_COLOURS = {"allow": "green", "coach": "yellow", "block": "red"}
_FEWER = f"fewer than {FEWEST}"


@dataclass(frozen=True, slots=True)
class Impact:
    """What would change.

    Attributes:
        since: of the period.
        until: excluded.
        total: transactions in it.
        changes: what changes.
        left_out: why → how many could not be replayed.
        unreadable: lines of the log that are no records.
        problems: segments that could not be read, and why.
    """

    since: datetime
    until: datetime
    total: int
    changes: tuple[Change, ...]
    left_out: dict[str, int]
    unreadable: int
    problems: tuple[str, ...]

    @property
    def replayed(self) -> int:
        """How many were decided anew."""
        return self.total - sum(self.left_out.values())


def as_json(found: Impact) -> dict[str, Any]:
    """The figures as plain values; the keys are documented in docs/policy-tests.md."""
    return {
        "from": found.since.isoformat(),
        "to": found.until.isoformat(),
        "requests": found.total,
        "replayed": found.replayed,
        "changes": [
            {
                "was": each.was,
                "becomes": each.becomes,
                "requests": each.requests,
                "people": each.people,
                "sites": [
                    {"host": host, "requests": requests, "people": people}
                    for host, requests, people in each.sites
                ],
            }
            for each in found.changes
        ],
        "not_replayed": found.left_out,
        "unreadable": found.unreadable,
        "problems": list(found.problems),
    }


def show(found: Impact) -> None:
    """Print it for people."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    period = f"{found.since:%a %d %b %Y %H:%M} to {found.until:%a %d %b %Y %H:%M}"
    console.print(f"{period}: {found.total:,} requests, {found.replayed:,} replayed")
    if not found.total:
        console.print("The log has nothing of this time.")
    elif not found.changes:
        console.print(Text("Nothing changes.", style="bold green"))
    else:
        table = Table(box=None, padding=(0, 2, 0, 0))
        for title in ("requests", "people"):
            table.add_column(title, justify="right")
        for title in ("was", "becomes", "sites"):
            table.add_column(title)
        for each in found.changes:
            sites = ", ".join(f"{host} ({requests:,})" for host, requests, _ in each.sites)
            table.add_row(
                "" if each.requests is None else f"{each.requests:,}",
                _FEWER if each.people is None else f"{each.people:,}",
                *(
                    Text(said, style=_COLOURS.get(said.split()[0], ""))
                    for said in (each.was, each.becomes)
                ),
                Text(sites or f"each of {_FEWER} people", style="" if sites else "dim"),
            )
        console.print()
        console.print(table)
    console.print()
    for why, number in found.left_out.items():
        console.print(Text(f"cannot be replayed: {number:,}, {why}", style="yellow"))
    if found.unreadable:
        console.print(Text(f"lines that are no records: {found.unreadable:,}", style="red"))
    for problem in found.problems:
        console.print(Text(f"not read: {problem}", style="red"), soft_wrap=True)

"""The results of a self-test, for people and for programs.

In: results, one by one. Out: a line for each on the terminal, a summary; or JSON.
Must never: hand a terminal what a proxy sent as it came; leave out a row that was not run.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.text import Text

from proxy_addons.gate.echo import visible
from proxy_addons.selftest.judge import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from rich.console import Console

    from proxy_addons.selftest.run import Result

_STYLES = {Outcome.OK: "green", Outcome.HOLE: "bold red", Outcome.NOT_RUN: "dim"}
_WIDEST = 160  # characters of what was observed


@dataclass(slots=True)
class Report:
    """A run of the self-test.

    Attributes:
        proxy, client: where it was sent, and from which address.
        names: what stood for the table's placeholders.
        began, ended: when, aware.
        results: of all rows.
    """

    proxy: str
    client: str
    names: dict[str, str]
    began: datetime
    ended: datetime
    results: list[Result] = field(default_factory=list)

    @property
    def counts(self) -> Counter[Outcome]:
        """How many rows came to what."""
        return Counter(result.verdict.outcome for result in self.results)

    @property
    def references(self) -> list[str]:
        """Reference numbers of the refusals, as on their pages."""
        return [
            answer.reference
            for result in self.results
            for answer in result.seen.answers
            if answer.reference
        ]


def line_of(result: Result) -> Text:
    """One row, on a line."""
    row, verdict = result.row, result.verdict
    line = Text(f"{verdict.outcome:8}", style=_STYLES[verdict.outcome])
    line.append(f"{row.group}: {row.name}", style="default")
    if verdict.outcome is Outcome.NOT_RUN:
        line.append(f"  ({verdict.why})", style="dim")
        return line
    line.append(f"  {visible(result.seen.said, _WIDEST)}", style="dim")
    if verdict.outcome is Outcome.HOLE:
        line.append(f"\n        {visible(verdict.why, 2 * _WIDEST)}", style="red")
        if row.hole:
            line.append(f"\n        known: {row.hole}", style="red")
    return line


def show_summary(report: Report, console: Console) -> None:
    """What it came to, and what PSD needs to tell it from somebody's browsing."""
    counts, references = report.counts, report.references
    console.print()
    said = (
        f"{counts[Outcome.OK]} ok, {counts[Outcome.HOLE]} holes, {counts[Outcome.NOT_RUN]} not run"
    )
    console.print(Text(said, style="bold red" if counts[Outcome.HOLE] else "bold green"))
    names = ", ".join(f"{name} {report.names[name]}" for name in ("blocked", "allowed"))
    console.print(Text(f"names used: {names}"))
    console.print(
        Text(
            "In the access log these are no browsing: the records from"
            f" {report.began:%Y-%m-%d %H:%M:%S} to {report.ended:%H:%M:%S %Z} of client"
            f" {report.client}, ports {_ports(report.results)}"
        )
    )
    if references:
        console.print(
            Text(
                f"{len(references)} reference numbers, from {visible(references[0], 40)} to"
                f" {visible(references[-1], 40)}; --json lists all"
            )
        )


def as_json(report: Report) -> str:
    """The whole run as JSON; docs/selftest.md names the keys."""
    rows: list[dict[str, Any]] = [
        {
            "group": result.row.group,
            "name": result.row.name,
            "outcome": str(result.verdict.outcome),
            "why": result.verdict.why,
            "known": result.row.hole,
            "observed": result.seen.said if result.seen.ports else "",
            "client_ports": result.seen.ports,
            "references": [each.reference for each in result.seen.answers if each.reference],
        }
        for result in report.results
    ]
    return json.dumps(
        {
            "proxy": report.proxy,
            "client_ip": report.client,
            "blocked_host": report.names["blocked"],
            "allowed_host": report.names["allowed"],
            "from": report.began.isoformat(),
            "to": report.ended.isoformat(),
            "ok": report.counts[Outcome.OK],
            "holes": report.counts[Outcome.HOLE],
            "not_run": report.counts[Outcome.NOT_RUN],
            "rows": rows,
        },
        indent=2,
    )


def _ports(results: Iterable[Result]) -> str:
    ports = [port for result in results for port in result.seen.ports]
    return f"{min(ports)} to {max(ports)}" if ports else "none"

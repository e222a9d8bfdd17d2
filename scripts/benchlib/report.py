"""The figures: medians, ratios and their spread; as a table and as JSON.

In: samples, by scenario and side. Out: a table for people, a dictionary for `--json`.
Must never: print a figure of a side that answered wrongly, or a ratio of two different runs.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchlib.scenarios import Sample

# The side that the others are held against, in the order of preference.
BASES = ("mitmdump", "squid", "squid-peek", "e2guardian")
SUBJECT = "watchhouse"


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and most of several rounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        return cls(statistics.median(values), min(values), max(values))


def ratio(subject: Sequence[float], base: Sequence[float]) -> Spread:
    """Subject over base, round by round.

    The rounds are interleaved, so that both values of a pair met the machine in a similar state.
    """
    return Spread.of([s / b for s, b in zip(subject, base, strict=True)])


@dataclass
class Results:
    """All samples of a run.

    Attributes:
        samples: by scenario and side, in the order of rounds.
        problems: why a side is invalid in a scenario.
    """

    samples: dict[str, dict[str, list[Sample]]] = field(default_factory=dict)
    problems: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, scenario: str, side: str, sample: Sample) -> None:
        """Keep a sample."""
        self.samples.setdefault(scenario, {}).setdefault(side, []).append(sample)

    def reject(self, scenario: str, side: str, why: str) -> None:
        """Drop all samples of a side in a scenario: one wrong answer makes them worthless."""
        self.problems.setdefault(scenario, {})[side] = why
        self.samples.get(scenario, {}).pop(side, None)

    def rejected(self, scenario: str, side: str) -> bool:
        """Whether a side is out in a scenario."""
        return side in self.problems.get(scenario, {})

    def costs(self, scenario: str) -> dict[str, list[float]]:
        """CPU milliseconds per operation, by side, in the order of rounds."""
        sides = self.samples.get(scenario, {})
        return {side: [sample.cpu_ms for sample in samples] for side, samples in sides.items()}


def tables(results: Results, titles: Mapping[str, str], sides: Sequence[str]) -> Iterator[Table]:
    """The comparison: a table a scenario, a line a side, a ratio to each side in `BASES`."""
    for scenario, title in titles.items():
        known = {*results.costs(scenario), *results.problems.get(scenario, {})}
        bases = [name for name in BASES if name in known]
        grid = Table(title=f"{title} ({scenario})", title_justify="left", title_style="bold")
        grid.add_column("side", min_width=10)
        grid.add_column("CPU ms", justify="right", min_width=22)
        for base in bases:
            grid.add_column(f"÷ {base}", justify="right", min_width=18)
        grid.add_column("origin\nconnections", justify="right")
        grid.add_column("log\nrecords", justify="right")
        grid.add_column("core\nbusy", justify="right")
        for side in (name for name in sides if name in known):
            grid.add_row(*_row(results, scenario, side, bases))
        yield grid


def _row(results: Results, scenario: str, side: str, bases: Sequence[str]) -> Iterator[str]:
    """One side's cells: cost, ratios, the origin's connections per operation, share of a core."""
    costs = results.costs(scenario)
    yield f"[bold]{side}[/bold]" if side == SUBJECT else side
    if side not in costs:
        yield "INVALID"
        return
    yield _spread(Spread.of(costs[side]), 3)
    for base in bases:
        there = base in costs and base != side
        yield _spread(ratio(costs[side], costs[base]), 2) if there else ""
    samples = results.samples[scenario][side]
    yield _contacts(samples)
    records = [sample.records for sample in samples if sample.records is not None]
    operations = sum(sample.operations for sample in samples)
    yield f"{sum(records) / operations:.2f}" if records else "none"
    yield f"{statistics.median(s.cpu_seconds / s.wall_seconds for s in samples):.0%}"


def as_json(results: Results, facts: Mapping[str, object]) -> dict[str, object]:
    """Everything that the table was made from."""
    scenarios: dict[str, object] = {}
    for scenario in {*results.samples, *results.problems}:
        costs = results.costs(scenario)
        scenarios[scenario] = {
            "cpu_ms": {side: asdict(Spread.of(values)) for side, values in costs.items()},
            "ratios": {
                f"{subject}/{base}": asdict(ratio(costs[subject], costs[base]))
                for subject in costs
                for base in costs
                if subject != base
            },
            "rounds": {
                side: [asdict(sample) for sample in samples]
                for side, samples in results.samples.get(scenario, {}).items()
            },
            "invalid": results.problems.get(scenario, {}),
        }
    strays = {scenario: asdict(spread) for scenario, spread in noise(results).items()}
    return {"facts": dict(facts) | {"noise": strays}, "scenarios": scenarios}


def machine() -> dict[str, Any]:
    """What it was measured on, and what was measured."""
    cores = len(os.sched_getaffinity(0))
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "--short=9", "HEAD"),
        "dirty": bool(_git("status", "--porcelain")),
        "python": platform.python_version(),
        "mitmproxy": _version("mitmproxy"),
        "system": platform.platform(),
        "cpus": os.cpu_count() or cores,
        "load_average": load_average(),
    }


def load_average() -> float:
    """Of the last minute."""
    return os.getloadavg()[0]


def conditions(facts: Mapping[str, Any]) -> str:
    """The circumstances of a run in a line."""
    return (
        f"{facts['date']}, commit {facts['commit']}{' and changes' if facts['dirty'] else ''},"
        f" Python {facts['python']}, mitmproxy {facts['mitmproxy']}, {facts['cpus']} CPUs, load"
        f" average before: {facts['load_average']:.2f}. {facts['cores']}"
    )


def notes(results: Results, facts: Mapping[str, Any]) -> Iterator[str]:
    """The noise of the run, and the memory of its sides."""
    for scenario, spread in noise(results).items():
        yield (
            f"Noise: squid-peek / squid in {scenario}, the same work by the same program:"
            f" {_spread(spread, 2)}"
        )
    if facts["memory_mib"]:
        sizes = ", ".join(f"{name} {size:.0f} MiB" for name, size in facts["memory_mib"].items())
        yield f"Memory afterwards (proportional set size): {sizes}"


def noise(results: Results) -> dict[str, Spread]:
    """How far from 1 a ratio strays that ought to be 1, by scenario."""
    found = {}
    for scenario in ("keep-alive", "plain"):
        costs = results.costs(scenario)
        if {"squid", "squid-peek"} <= costs.keys():
            found[scenario] = ratio(costs["squid-peek"], costs["squid"])
    return found


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _spread(spread: Spread, digits: int) -> str:
    return f"{spread.median:.{digits}f} ({spread.least:.{digits}f}-{spread.most:.{digits}f})"


def _contacts(samples: Sequence[Sample]) -> str:
    """New connections that the origin saw per operation, and how many resumed a TLS session."""
    operations = sum(sample.operations for sample in samples)
    connections = sum(sample.contacts.connections for sample in samples)
    resumed = sum(sample.contacts.resumed for sample in samples)
    text = f"{connections / operations:.2f}"
    return f"{text} ({resumed / connections:.0%} resumed)" if resumed else text

"""The figures: medians, ratios and their spread; as a table and as JSON.

In: samples, by scenario and side. Out: a table for people, a dictionary for `--json`.
Must never: print a figure of a side that answered wrongly, or a ratio of two different runs.
"""

from __future__ import annotations

import os
import platform
import statistics
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchlib.scenarios import Sample

# The side that the others are held against, in the order of preference.
BASES = ("mitmdump", "squid", "squid-peek")
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
    bases = [name for name in BASES if name in sides]
    for scenario, title in titles.items():
        grid = Table(title=f"{title} ({scenario})", title_justify="left", title_style="bold")
        grid.add_column("side", min_width=10)
        grid.add_column("CPU ms", justify="right", min_width=22)
        for base in bases:
            grid.add_column(f"÷ {base}", justify="right", min_width=18)
        grid.add_column("origin\nconnections", justify="right")
        grid.add_column("log\nrecords", justify="right")
        grid.add_column("core\nbusy", justify="right")
        for side in sides:
            grid.add_row(*_row(results, scenario, side, bases))
        yield grid


def _row(results: Results, scenario: str, side: str, bases: Sequence[str]) -> Iterator[str]:
    """One side's cells: cost, ratios, the origin's connections per operation, share of a core."""
    costs = results.costs(scenario)
    yield f"[bold]{side}[/bold]" if side == SUBJECT else side
    if side not in costs:
        yield "INVALID" if results.rejected(scenario, side) else "not run"
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
    return {"facts": dict(facts), "scenarios": scenarios}


def machine() -> dict[str, object]:
    """What it was measured on."""
    cores = len(os.sched_getaffinity(0))
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cpus": os.cpu_count() or cores,
        "load_average": os.getloadavg()[0],
    }


def _spread(spread: Spread, digits: int) -> str:
    return f"{spread.median:.{digits}f} ({spread.least:.{digits}f}-{spread.most:.{digits}f})"


def _contacts(samples: Sequence[Sample]) -> str:
    """New connections that the origin saw per operation, and how many resumed a TLS session."""
    operations = sum(sample.operations for sample in samples)
    connections = sum(sample.contacts.connections for sample in samples)
    resumed = sum(sample.contacts.resumed for sample in samples)
    text = f"{connections / operations:.2f}"
    return f"{text} ({resumed / connections:.0%} resumed)" if resumed else text

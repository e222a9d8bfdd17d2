"""The tables of docs/performance.md, made from what a run has written.

In: a run's figures as `--json` has them. Out: Markdown, to be pasted as it is.
Must never: hold a figure of its own.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from benchlib import goals, report, sizing
from benchlib.growth import WHAT
from benchlib.scenarios import SCENARIOS
from benchlib.studies import STUDIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

# Tables of their own; the figures of the others are lines.
TABLES = ("growth",)
BEGIN, END = "<!-- figures: scripts/bench report FILE --into this document -->", "<!-- /figures -->"


def document(written: Mapping[str, Any]) -> str:
    """All tables."""
    facts = written["facts"]
    lines = [report.conditions(facts), ""]
    if facts["quick"]:
        lines += ["**A quick run: fewer rounds, smaller sizes. Not for the record.**", ""]
    lines += ["### Goals", "", *_goals(written), ""]
    if written["scenarios"]:
        lines += [
            "### CPU milliseconds per operation",
            "",
            *_costs(written),
            "",
            *_noise(facts),
            "",
        ]
    lines += ["### The other measurements", "", "```text", *_studies(written), "```", ""]
    if growth := written["studies"].get("growth"):
        lines += ["### How cost grows", "", *_growth(growth), ""]
    if inputs := list(sizing.inputs(written)):
        lines += ["### Figures for sizing", "", *_table(("figure", "value", "from"), inputs), ""]
        lines += [*sizing.examples(written), ""]
    return "\n".join(lines)


def put_into(path: Path, text: str) -> None:
    """Replace what stands between the markers of a document; ends the program without them."""
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"scripts/bench report: {path} has no lines {BEGIN} and {END}")
    path.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}", encoding="utf-8")


def goals_in_words(written: Mapping[str, Any]) -> Iterator[str]:
    """For the terminal: those that this run measured."""
    for each in goals.judge(written):
        if each.verdict != "not measured":
            yield f"{each.verdict}: {each.goal.what}: {each.figure} (goal: {each.limit})"


def _goals(written: Mapping[str, Any]) -> Iterator[str]:
    rows = [
        (each.goal.what, f"`{each.goal.scenario}`", each.limit, each.figure, each.verdict)
        for each in goals.judge(written)
    ]
    return _table(("what", "scenario", "goal", "measured", ""), rows)


def _costs(written: Mapping[str, Any]) -> Iterator[str]:
    """A row for each side of each scenario."""
    rows = []
    for scenario in (name for name in SCENARIOS if name in written["scenarios"]):
        found = written["scenarios"][scenario]
        for side, cost in found["cpu_ms"].items():
            ratios = (found["ratios"].get(f"{side}/{base}") for base in report.BASES)
            cells = [_spread(ratio, 2) if ratio else "" for ratio in ratios]
            rows.append((f"`{scenario}`", f"`{side}`", _spread(cost, 3), *cells))
        rows += [
            (f"`{scenario}`", f"`{side}`", f"invalid: {why[:80]}", *[""] * len(report.BASES))
            for side, why in found["invalid"].items()
        ]
    return _table(("scenario", "side", "CPU ms", *(f"÷ `{b}`" for b in report.BASES)), rows)


def _noise(facts: Mapping[str, Any]) -> Iterator[str]:
    for scenario, spread in facts["noise"].items():
        yield (
            f"`squid-peek` ÷ `squid` in `{scenario}`, the same work by the same program:"
            f" {_spread(spread, 2)}."
        )
    sizes = ", ".join(f"`{name}` {size:.0f}" for name, size in facts["memory_mib"].items())
    if sizes:
        yield f"Memory afterwards, all processes, MiB (proportional set size): {sizes}."


def _studies(written: Mapping[str, Any]) -> Iterator[str]:
    for name, kind in STUDIES.items():
        if name in written["studies"] and name not in TABLES:
            yield from kind().lines(written["studies"][name])


def _growth(growth: Mapping[str, Any]) -> Iterator[str]:
    base = growth["base"]
    yield (
        f"What does not grow in a row: {base['rules']} rules, {base['people']:,} people,"
        f" {base['names']:,} names. CPU µs a decision; {growth['questions']:,} questions each."
    )
    yield ""
    rows = [
        (
            f"{int(size):,} {WHAT[what]}",
            _spread(row["decision_us"], 1),
            _spread(row["repeated_us"], 1),
            _spread(row["recorded_us"], 1),
            f"{row['load_seconds']['median']:.2f} s",
            f"{row['settings_mb']['median']:.1f} MB",
            f"{row['index_mb']:.1f} MB",
        )
        for what, found in growth["by"].items()
        for size, row in found.items()
    ]
    head = ("", "host new", "Zipf mix", "with its record", "settings load", "settings", "index")
    yield from _table(head, rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _spread(figure: Mapping[str, float], digits: int) -> str:
    return (
        f"{figure['median']:.{digits}f} ({figure['least']:.{digits}f}-{figure['most']:.{digits}f})"
    )

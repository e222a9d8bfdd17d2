"""The comparison: all scenarios on all sides in interleaved rounds, then the studies.

In: options. Out: what was measured, as tables, JSON and Markdown; the exit status.
Must never: let one side's failure take the others' figures along, or hide it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from benchlib import cpu, markdown, report
from benchlib.load import BadAnswerError, StuckError
from benchlib.origin import Origin
from benchlib.place import Place, SideError
from benchlib.scenarios import SCENARIOS, Sample, Scenario
from benchlib.side import AbsentError, Side
from benchlib.sides import DEFAULT_SIDES
from benchlib.studies import STUDIES
from benchlib.study import Bench

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

OK, INVALID = 0, 1
QUICK_SHARE = 4
# The sides take turns this often within a round, so that its figures meet the same noise.
SLICES, QUICK_SLICES = 4, 2
WIDTH = 190


def compare(options: argparse.Namespace) -> int:
    """Run what the options say; 1 if anything answered wrongly."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    facts = report.machine()
    facts["quick"], facts["rounds"] = options.quick, options.rounds
    chosen = options.only or [*SCENARIOS, *STUDIES]
    results = report.Results()
    with Place(keep=options.keep) as place:
        bench = Bench(
            place,
            Origin(place),
            options.rounds,
            quick=options.quick,
            names=options.names,
            lists=options.lists,
            rows=options.rows,
            records=options.records,
        )
        facts["cores"] = _cores(place)
        scenarios = _chosen([n for n in chosen if n in SCENARIOS], bench.origin, console)
        sides = _start(options.side or DEFAULT_SIDES if scenarios else [], bench, results, console)
        facts["sides"] = {side.name: f"{side.version}: {side.what}" for side in sides}
        for name, what in facts["sides"].items():
            console.print(f"{name} {what}", highlight=False)
        console.print(report.conditions(facts), highlight=False)
        _measure(scenarios, sides, options, results)
        facts["memory_mib"] = {
            side.name: cpu.resident_kib(side.program.pid) / 1024 for side in sides
        }
        titles = {scenario.name: scenario.title for scenario in scenarios}
        for grid in report.tables(results, titles, [side.name for side in sides]):
            console.print(grid)
        for line in report.notes(results, facts):
            console.print(line, highlight=False)
        studies = _studies([n for n in chosen if n in STUDIES], bench, results, console)
    facts["load_average_after"] = report.load_average()
    for scenario, problems in results.problems.items():
        for name, why in problems.items():
            console.print(f"[red]INVALID[/red] {scenario}, {name}: ", end="")
            console.print(why, markup=False, highlight=False)
    written = report.as_json(results, facts) | {"studies": studies}
    for line in markdown.goals_in_words(written):
        console.print(line, markup=False, highlight=False)
    if options.json:
        Path(options.json).write_text(json.dumps(written, indent=1), encoding="utf-8")
    if options.markdown:
        Path(options.markdown).write_text(markdown.document(written), encoding="utf-8")
    return INVALID if results.problems else OK


def _studies(
    names: Sequence[str], bench: Bench, results: report.Results, console: Console
) -> dict[str, Any]:
    """Every study's figures; what one of them cannot do is said and does not end the others."""
    found = {}
    for name in names:
        study = STUDIES[name]()
        try:
            found[name] = study.measure(bench)
        except (AbsentError, ImportError) as error:
            console.print(f"[yellow]left out:[/yellow] {name}: {error}", highlight=False)
            continue
        except (SideError, BadAnswerError, StuckError, OSError) as error:
            results.reject(name, name, str(error))
            continue
        for line in study.lines(found[name]):
            console.print(line, markup=False, highlight=False)
    return found


def _measure(
    scenarios: Sequence[Scenario],
    sides: Sequence[Side],
    options: argparse.Namespace,
    results: report.Results,
) -> None:
    """All rounds, the sides in turn, so that a slow minute of the machine meets all alike."""
    for scenario in scenarios:
        slices = QUICK_SLICES if options.quick else SLICES
        count = scenario.count // (QUICK_SHARE if options.quick else 1) // slices
        able = [side for side in sides if scenario.takes(side)]
        for side in able:
            _sample(scenario, side, scenario.warm_up, results, "warm-up")
        for number in range(1, options.rounds + 1):
            whole: dict[str, Sample] = {}
            for turn in range(slices):
                # Another begins each time: nobody always follows the same neighbour.
                first = turn % len(able) if able else 0
                for side in (*able[first:], *able[:first]):
                    sample = _sample(scenario, side, count, results, f"round {number}")
                    if sample:
                        before = whole.get(side.name)
                        whole[side.name] = before + sample if before else sample
            for name, sample in whole.items():
                if not results.rejected(scenario.name, name):
                    results.add(scenario.name, name, sample)


def _sample(
    scenario: Scenario, side: Side, count: int, results: report.Results, doing: str
) -> Sample | None:
    """One side's turn; None once the side has answered wrongly in this scenario."""
    if results.rejected(scenario.name, side.name):
        return None
    Bench.doing(f"{scenario.name}: {doing}, {side.name}")
    try:
        return scenario.sample(side, int(count * side.share))
    except (BadAnswerError, StuckError, SideError) as error:
        results.reject(scenario.name, side.name, str(error))
        return None


def _start(
    names: Sequence[str], bench: Bench, results: report.Results, console: Console
) -> list[Side]:
    sides = []
    for name in names:
        try:
            sides.append(bench.side(name))
        except AbsentError as error:
            console.print(f"[yellow]left out:[/yellow] {name}: {error}", highlight=False)
        except SideError as error:
            results.reject("start", name, str(error))
    return sides


def _chosen(names: Sequence[str], origin: Origin, console: Console) -> list[Scenario]:
    chosen = []
    for name in names:
        if SCENARIOS[name].needs_names and not origin.distinct_names:
            console.print(
                f"[yellow]left out:[/yellow] {name}: needs a name server of our own (root)"
            )
            continue
        chosen.append(SCENARIOS[name](origin))
    return chosen


def _cores(place: Place) -> str:
    if not place.pinned:
        return "One core for all: proxies, origin and load generator take it from each other."
    return (
        f"Proxies on core {min(place.proxy_cores)}; origin and load generator on core"
        f" {min(place.load_cores)}, not counted."
    )

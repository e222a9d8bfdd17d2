"""The command line of `scripts/bench`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rich.console import Console

from benchlib import cpu, index, profiling, report
from benchlib.load import BadAnswerError, StuckError
from benchlib.origin import Origin
from benchlib.place import Place, SideError
from benchlib.scenarios import SCENARIOS, Sample, Scenario
from benchlib.sides import ROOT, SIDES, AbsentError, Side

if TYPE_CHECKING:
    from collections.abc import Sequence

ROUNDS, QUICK_ROUNDS, QUICK_SHARE = 5, 3, 4
# The sides take turns this often within a round, so that its figures meet the same noise.
SLICES = 4
DEFAULT_SIDES = [
    name for name in ("mitmdump", "squid", "squid-peek", "watchhouse") if name in SIDES
]
INDEX = "index"
OK, INVALID = 0, 1
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PROFILE = ROOT / "var" / "profile.txt"


def main(arguments: Sequence[str]) -> int:
    """Run what the arguments say; 1 if any side answered wrongly."""
    for number in SIGNALS:
        signal.signal(number, _leave)
    if arguments[:1] == ["profile"]:
        return profile(_profile_options(arguments[1:]))
    return compare(_options(arguments))


def profile(options: argparse.Namespace) -> int:
    """Where one side's time goes in one scenario."""
    console = Console(width=None if sys.stdout.isatty() else 150)
    output = Path(options.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        with Place(keep=options.keep) as place:
            origin = Origin(place)
            side = SIDES[options.side](place, origin)
            scenario = SCENARIOS[options.scenario](origin)
            cost = profiling.record(
                place, side, scenario, options.seconds, output, native=options.native
            )
    except (AbsentError, SideError, BadAnswerError, StuckError) as error:
        console.print(f"{options.side}, {options.scenario}: {error}", markup=False)
        return INVALID
    profiling.show(console, output, options.top)
    console.print(
        f"{side.name} {side.version}, {scenario.title}: {cost:.3f} CPU ms while sampled."
        f" Stacks: {output} (open it in speedscope)",
        highlight=False,
    )
    return OK


def compare(options: argparse.Namespace) -> int:
    """The comparison of all sides."""
    console = Console(width=None if sys.stdout.isatty() else 150)
    facts = report.machine()
    with Place(keep=options.keep) as place:
        origin = Origin(place)
        results = report.Results()
        chosen = options.only or [*SCENARIOS, INDEX]
        scenarios = _chosen([name for name in chosen if name != INDEX], origin, console)
        wanted = options.side or DEFAULT_SIDES if scenarios else []
        sides = _start(wanted, place, origin, results, console)
        facts["sides"] = {side.name: f"{side.version}: {side.what}" for side in sides}
        facts["cores"] = _cores(place)
        for side in sides:
            console.print(f"{side.name} {side.version}: {side.what}", highlight=False)
        console.print(
            f"Python {facts['python']}, {facts['cpus']} CPUs, load average before:"
            f" {facts['load_average']:.2f}. {facts['cores']}",
            highlight=False,
        )
        _measure(scenarios, sides, options, results)
        figures = _index(place, options) if INDEX in chosen else None
        memory = {side.name: cpu.resident_kib(side.program.pid) / 1024 for side in sides}
        facts["memory_mib"] = memory
    titles = {scenario.name: scenario.title for scenario in scenarios}
    if sides:
        console.print("CPU milliseconds per operation: median of the rounds, least and most")
        for grid in report.tables(results, titles, [side.name for side in sides]):
            console.print(grid)
        sizes = ", ".join(f"{name} {size:.0f} MiB" for name, size in memory.items())
        console.print(f"Memory afterwards (proportional set size): {sizes}", highlight=False)
    if figures:
        facts["index"] = index.as_dict(figures)
        for line in index.lines(figures):
            console.print(line, highlight=False)
    for scenario, problems in results.problems.items():
        for name, why in problems.items():
            console.print(f"[red]INVALID[/red] {scenario}, {name}: ", end="")
            console.print(why, markup=False, highlight=False)
    if options.json:
        Path(options.json).write_text(
            json.dumps(report.as_json(results, facts), indent=1), encoding="utf-8"
        )
    return INVALID if results.problems else OK


def _index(place: Place, options: argparse.Namespace) -> index.Figures | None:
    """The category index's figures; None where there is none to measure."""
    number = options.names or (index.QUICK_NAMES if options.quick else index.NAMES)
    try:
        return index.measure(place.subfolder("index"), number)
    except ImportError as error:
        print(f"left out: {INDEX}: {error}", file=sys.stderr)
        return None


def _measure(
    scenarios: Sequence[Scenario],
    sides: Sequence[Side],
    options: argparse.Namespace,
    results: report.Results,
) -> None:
    """All rounds, the sides in turn, so that a slow minute of the machine meets all alike."""
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    for scenario in scenarios:
        count = scenario.count // (QUICK_SHARE if options.quick else 1) // SLICES
        for side in sides:
            _sample(scenario, side, scenario.warm_up, results, "warm-up")
        for number in range(1, rounds + 1):
            whole: dict[str, Sample] = {}
            for turn in range(SLICES):
                # Another begins each time: nobody always follows the same neighbour.
                first = turn % len(sides)
                for side in (*sides[first:], *sides[:first]):
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
    if sys.stderr.isatty():
        print(f"\r\x1b[K{scenario.name}: {doing}, {side.name}", end="\r", file=sys.stderr)
    try:
        return scenario.sample(side, count)
    except (BadAnswerError, StuckError, SideError) as error:
        results.reject(scenario.name, side.name, str(error))
        return None


def _start(
    names: Sequence[str],
    place: Place,
    origin: Origin,
    results: report.Results,
    console: Console,
) -> list[Side]:
    sides = []
    for name in names:
        try:
            sides.append(SIDES[name](place, origin))
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


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="CPU time per request through Watchhouse, mitmdump and Squid on the same work.",
    )
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--rounds", type=int, help=f"rounds of each scenario (default {ROUNDS})")
    parser.add_argument("--only", action="append", choices=[*SCENARIOS, INDEX], help="this only")
    parser.add_argument("--names", type=int, help=f"names in the index (default {index.NAMES:,})")
    parser.add_argument("--side", action="append", choices=list(SIDES), help="this side")
    parser.add_argument("--json", metavar="FILE", help="write all samples there")
    parser.add_argument("--keep", action="store_true", help="keep the run's folder (logs)")
    return parser.parse_args(arguments)


def _profile_options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench profile", description="Where one side's time goes, by py-spy."
    )
    parser.add_argument("--side", choices=list(SIDES), default=DEFAULT_SIDES[-1])
    parser.add_argument("--scenario", choices=list(SCENARIOS), default="keep-alive")
    parser.add_argument("--seconds", type=int, default=20, help="how long (default 20)")
    parser.add_argument("--top", type=int, default=40, help="functions in a table (default 40)")
    parser.add_argument("--native", action="store_true", help="frames of C extensions too")
    parser.add_argument(
        "--output", metavar="FILE", default=str(PROFILE), help=f"collapsed stacks ({PROFILE})"
    )
    parser.add_argument("--keep", action="store_true", help="keep the run's folder (logs)")
    return parser.parse_args(arguments)


def _leave(number: int, _frame: Any) -> NoReturn:
    """A signal ends the run through its `with`, which ends what it started; a second one waits."""
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

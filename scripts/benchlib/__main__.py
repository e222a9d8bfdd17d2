"""The command line of `scripts/bench`."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rich.console import Console

from benchlib import chart, markdown, options, profiling
from benchlib.compare import INVALID, OK, WIDTH, compare
from benchlib.load import BadAnswerError, StuckError
from benchlib.origin import Origin
from benchlib.place import Place, SideError
from benchlib.scenarios import SCENARIOS
from benchlib.side import AbsentError
from benchlib.sides import SIDES

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: Sequence[str]) -> int:
    """Run what the arguments say; 1 if any side answered wrongly."""
    for number in SIGNALS:
        signal.signal(number, _leave)
    command, rest = (arguments[0] if arguments else ""), arguments[1:]
    if command == "profile":
        return profile(options.profiling(rest))
    if command == "report":
        asked = options.reporting(rest)
        text = markdown.document(_read(asked.file))
        if asked.into:
            markdown.put_into(asked.into, text)
        else:
            print(text)
        return OK
    if command == "chart":
        wanted = options.charting(rest)
        chart.draw(_read(wanted.file), wanted.output)
        return OK
    return compare(options.comparison(arguments))


def profile(wanted: argparse.Namespace) -> int:
    """Where one side's time goes in one scenario."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    output = Path(wanted.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        with Place(keep=wanted.keep) as place:
            origin = Origin(place)
            side = SIDES[wanted.side](place, origin)
            scenario = SCENARIOS[wanted.scenario](origin)
            cost = profiling.record(
                place, side, scenario, wanted.seconds, output, native=wanted.native
            )
    except (AbsentError, SideError, BadAnswerError, StuckError) as error:
        console.print(f"{wanted.side}, {wanted.scenario}: {error}", markup=False)
        return INVALID
    profiling.show(console, output, wanted.top)
    console.print(
        f"{side.name} {side.version}, {scenario.title}: {cost:.3f} CPU ms while sampled."
        f" Stacks: {output} (open it in speedscope)",
        highlight=False,
    )
    return OK


def _read(file: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        print(f"scripts/bench: {file}: {error}; it must be what --json wrote", file=sys.stderr)
        sys.exit(2)
    return found


def _leave(number: int, _frame: Any) -> NoReturn:
    """A signal ends the run through its `with`, which ends what it started; a second one waits."""
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`watchhouse break …`: booked breaks at the command line (Inf/27 2.9.1).

In: a name; who sits at the terminal. Out: the same record as the button of the block page leaves.
Must never: start or end a break that breaks.py refuses.

The module is not named after the command, as `break` is a word of Python's own.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from proxy_addons.cli.common import add_common, settings_of

if TYPE_CHECKING:
    from proxy_addons.cli.subcommands import Commands
    from proxy_addons.settings.model import Settings
    from proxy_addons.standing import Store
    from proxy_addons.standing.breaks import Break, Breaks, Left

_DAYS = 7


def register(subparsers: Commands) -> None:
    """Add the commands."""
    parser = subparsers.add_parser(
        "break",
        help="booked breaks",
        description="Booked breaks: your own; those of your team as their line manager; anybody's"
        " as the gateway's operator. Every gateway goes by a change within 2 seconds. Exit code 1:"
        " refused, with the rule.",
    )
    parser.set_defaults(run=run)
    commands = parser.add_subparsers(dest="break_command", required=True, metavar="COMMAND")
    made = _add(commands, "start", "start a break now")
    made.add_argument(
        "--minutes",
        metavar="N",
        type=_number,
        help="how long (default: the shortest of personal_use.breaks.choices)",
    )
    _add(commands, "end", "end the running break now; what is left of it can be taken later")
    made = _add(commands, "show", "show the running break, what is left, and the breaks of a week")
    made.add_argument(
        "--days", metavar="N", type=_number, default=_DAYS, help="duty days (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from proxy_addons.cli import standing

    work = {"start": _start, "end": _end, "show": _show}[args.break_command]
    return standing.explained(lambda: work(args))


def _add(commands: Commands, name: str, text: str) -> argparse.ArgumentParser:
    made = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    made.add_argument("name", metavar="NAME", help="login name")
    made.add_argument("--json", action="store_true", help="print JSON")
    add_common(made)
    return made


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= 10_000:
        msg = f"{text!r} is no number from 1 to 10000"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _breaks(store: Store, settings: Settings) -> Breaks:
    from proxy_addons.standing.breaks import Breaks

    shifts = settings.shifts
    return Breaks(store, shifts.breaks, shifts.day_turns, settings.policy.time_zone)


def _start(args: argparse.Namespace) -> int:
    from proxy_addons.cli.acting import actor_of
    from proxy_addons.cli.standing import OK, moment, opened

    settings = settings_of(args)
    zone = settings.policy.time_zone
    minutes = args.minutes or settings.shifts.breaks.choices[0]
    actor, before = actor_of(settings), datetime.now(UTC)
    with opened(settings) as store:
        found = _breaks(store, settings).start(args.name, minutes, actor)
    if args.json:
        _print_json(_as_data(found))
    elif found.begins < before:
        print(
            f"{found.person}: a break has been running since {moment(found.begins, zone)}; it ends"
            f" {moment(found.ends, zone)}"
        )
    else:
        print(
            f"{found.person}: a break of {_minutes(found.minutes)}, until"
            f" {moment(found.ends, zone)}"
        )
    return OK


def _end(args: argparse.Namespace) -> int:
    from proxy_addons.cli.acting import actor_of
    from proxy_addons.cli.standing import OK, opened, plain

    settings = settings_of(args)
    actor = actor_of(settings)
    with opened(settings) as store:
        found = _breaks(store, settings).end(args.name, actor)
    if args.json:
        _print_json(None if found is None else _as_data(found))
    elif found is None:
        print(f"{plain(args.name)}: no break was running")
    else:
        print(f"{found.person}: the break has ended; it counts {_minutes(found.minutes)}")
    return OK


def _show(args: argparse.Namespace) -> int:
    from proxy_addons.cli.standing import OK, console, facts, moment, opened, table
    from proxy_addons.standing.dutyday import day_of
    from proxy_addons.standing.rules import name_of

    settings = settings_of(args)
    zone = settings.policy.time_zone
    person = name_of(args.name)
    last = day_of(datetime.now(UTC), zone, settings.shifts.day_turns)
    with opened(settings) as store:
        breaks = _breaks(store, settings)
        running, left = breaks.running(person), breaks.left(person)
        found = breaks.of_days(person, last - timedelta(days=args.days - 1), last)
    if args.json:
        _print_json(
            {
                "person": person,
                "day": last.isoformat(),
                "running": None if running is None else _as_data(running),
                "left": {
                    "minutes": left.minutes,
                    "may_start_at": _time(left.may_start_at),
                    "offered": list(left.offered),
                },
                "breaks": [_as_data(each) for each in found],
            }
        )
        return OK
    out = console()
    out.print(
        facts(
            (
                ("for", person),
                ("running", "" if running is None else f"until {moment(running.ends, zone)}"),
                (
                    "left today",
                    f"{left.minutes} of {_minutes(settings.shifts.breaks.allowance)}",
                ),
                ("next", _next(left, moment(left.may_start_at, zone))),
            )
        )
    )
    if found:
        rows = (
            (
                f"{each.day:%a %d %b}",
                moment(each.begins, zone),
                moment(each.ends, zone),
                str(each.minutes),
                "yes" if each.ended_early else "",
                each.by if each.by != person else "",
            )
            for each in found
        )
        out.print()
        heads = ("duty day", "from", "until", "minutes", "ended early", "started by")
        out.print(table(heads, rows))
    return OK


def _next(left: Left, at: str) -> str:
    if left.offered:
        return f"now, for {' or '.join(map(str, left.offered))} minutes"
    return f"from {at}"


def _minutes(number: int) -> str:
    return "1 minute" if number == 1 else f"{number} minutes"


def _as_data(found: Break) -> dict[str, Any]:
    return {
        "person": found.person,
        "day": found.day.isoformat(),
        "begins": _time(found.begins),
        "ends": _time(found.ends),
        "minutes": found.minutes,
        "ended_early": found.ended_early,
        "by": found.by,
        "how": found.how,
    }


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


def _print_json(found: object) -> None:
    print(json.dumps(found, indent=2, ensure_ascii=False))

"""What `watchhouse sampling` shows: plans, draws, records of draws, the coverage report.

In: parsed arguments; who sits at the terminal. Out: tables for a terminal, files.
Must never: name anybody, but where somebody replays a draw with a roster in hand.
"""

from __future__ import annotations

import csv
import io
import sys
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from proxy_addons.accesslog.seal.files import put
from proxy_addons.audit.sampling import coverage as report
from proxy_addons.audit.sampling.gathering import HEADINGS
from proxy_addons.audit.sampling.record import HOW_TO_REPLAY, DrawRecord, ReplayError, replay
from proxy_addons.audit.sampling.register import Sampling
from proxy_addons.cli.acting import actor_of
from proxy_addons.cli.common import settings_of
from proxy_addons.cli.sampling_steps import roster_of
from proxy_addons.cli.standing import FAILED, OK, console, facts, history, opened, plain, table
from proxy_addons.standing import StepRefusedError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable
    from pathlib import Path

    from proxy_addons.audit.sampling.strata import Entry

_MODE: Final = 0o600
"""With a record and its roster anybody can tell who was drawn."""


def list_all(args: argparse.Namespace) -> int:
    """All plans."""
    with opened(settings_of(args)) as store:
        found = Sampling(store).all()
    rows = [
        (
            each.reference,
            str(each.state),
            f"{each.period[0].name} to {each.period[-1].name}",
            str(each.size),
            each.second_party,
        )
        for each in found
    ]
    if rows:
        console().print(table(("reference", "state", "weeks", "size", "second party"), rows))
    else:
        print("no plans")
    return OK


def show(args: argparse.Namespace) -> int:
    """One plan."""
    settings = settings_of(args)
    with opened(settings) as store:
        register = Sampling(store)
        plan = register.get(args.reference)
        draws, samples = register.draws(args.reference), register.samples(args.reference)
        steps = register.steps(args.reference)
    number = draws[-1].number if draws else 0
    counted = Counter(str(each.outcome or "waiting") for each in samples if each.draw == number)
    out = console()
    out.print(
        facts(
            (
                ("plan", plan.reference),
                ("state", str(plan.state)),
                ("why", plan.why),
                ("authority", plan.authority),
                ("weeks", f"{plan.period[0].name} to {plan.period[-1].name}"),
                ("size", str(plan.size)),
                ("second party", plan.second_party),
                ("reviews", ", ".join(f"{what}: {many}" for what, many in sorted(counted.items()))),
            )
        )
    )
    for draw in draws:
        out.print(
            facts(
                (
                    ("draw", f"{draw.number}, {draw.state}, {draw.people} people"),
                    ("again, as", draw.reason),
                    ("psd", _party(draw.psd_by, draw.psd_commitment, draw.psd_revealed)),
                    (
                        "second",
                        _party(draw.second_by, draw.second_commitment, draw.second_revealed),
                    ),
                    ("roster", draw.roster_digest),
                )
            )
        )
    out.print(history(steps, settings.policy.time_zone))
    return OK


def _party(by: str | None, shown: str | None, revealed: bool) -> str:
    return f"{by}: {shown}{', revealed' if revealed else ''}" if by else "no commitment yet"


def record(args: argparse.Namespace) -> int:
    """What a draw follows from, and its roster, as files of one's own."""
    settings = settings_of(args)
    with opened(settings) as store:
        found, entries = Sampling(store).record(actor_of(settings), args.reference, args.draw)
    try:
        put(args.to, found.as_json().encode(), mode=_MODE)
        put(args.roster_to, _csv(entries).encode(), mode=_MODE)
    except OSError as problem:
        # The look is recorded; a file is there whole or not at all.
        print(f"watchhouse: {plain(str(problem))}", file=sys.stderr)
        return FAILED
    print(f"{found.plan}, draw {found.number}: {args.to}; roster: {args.roster_to}")
    return OK


def _csv(entries: Iterable[Entry]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(HEADINGS)
    writer.writerows((each.person, each.stratum.service, each.stratum.unit) for each in entries)
    return text.getvalue()


def replayed(args: argparse.Namespace) -> int:
    """Draw again; needs no settings and no store."""
    try:
        found = DrawRecord.parse(_text(args.record))
        drawn = replay(found, roster_of(args.roster, None))
    except ReplayError as problem:
        print(f"watchhouse: {plain(str(problem))}", file=sys.stderr)
        return FAILED
    print(f"{found.plan}, draw {found.number}: {len(drawn)} person-weeks, as its record says")
    if args.names:
        rows = [
            (str(number), each.week.name, each.person, str(each.stratum))
            for number, each in enumerate(drawn, 1)
        ]
        console().print(table(("number", "week", "person", "stratum"), rows))
    return OK


def how_to_replay(args: argparse.Namespace) -> int:
    """How to do that without this program."""
    del args
    print(HOW_TO_REPLAY, end="")
    return OK


def coverage(args: argparse.Namespace) -> int:
    """The coverage report."""
    with opened(settings_of(args)) as store:
        found = report.coverage(report.read(store), datetime.now(UTC))
    sys.stdout.write(report.as_csv(found) if args.csv else report.as_text(found))
    return OK


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        # Nothing is replayed.
        raise StepRefusedError("file", f"{path}: cannot be read: {problem}.") from problem

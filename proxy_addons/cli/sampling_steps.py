"""The steps of `watchhouse sampling`.

In: parsed arguments; who sits at the terminal. Out: the steps that the portal's pages take too.
Must never: do what the register's rules refuse; take a secret from the command line, where other
users of the machine can read it.
"""

from __future__ import annotations

import secrets
import sys
from typing import TYPE_CHECKING

from proxy_addons.audit.sampling.commitment import Party, Secret, SecretError, commitment
from proxy_addons.audit.sampling.gathering import from_csv, from_directory, sizes
from proxy_addons.audit.sampling.plan import WantedPlan
from proxy_addons.audit.sampling.register import Sampling
from proxy_addons.audit.sampling.strata import RosterError
from proxy_addons.cli.acting import actor_of
from proxy_addons.cli.common import settings_of
from proxy_addons.cli.standing import OK, console, opened, table
from proxy_addons.standing import StepRefusedError
from proxy_addons.standing.weeks import Week

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from proxy_addons.audit.sampling.strata import Entry
    from proxy_addons.settings.model import Settings


def secret(args: argparse.Namespace) -> int:
    """Make a secret; nothing is read or written."""
    made = Secret.new(secrets.token_bytes)
    shown = commitment(args.reference.strip().upper(), args.draw, Party(args.party), made)
    print(f"secret (keep it to yourself until both have committed):\n{made.text}")
    print(f"commitment (hand it over now):\n{shown}")
    return OK


def plan(args: argparse.Namespace) -> int:
    """Plan a sample."""
    settings = settings_of(args)
    try:
        first = Week.parse(args.week)
    except ValueError as problem:
        # Nothing is planned.
        raise StepRefusedError("period", f"--week: {problem}.") from problem
    wanted = WantedPlan(
        why=args.why,
        authority=args.authority,
        first_week=first,
        weeks=args.weeks,
        size=args.size,
        second_party=args.second,
    )
    with opened(settings) as store:
        made = Sampling(store).plan(actor_of(settings), wanted)
    print(f"{made.reference}: planned. Next: watchhouse sampling roster {made.reference}")
    return OK


def roster(args: argparse.Namespace) -> int:
    """Look at a roster, or fix it."""
    settings = settings_of(args)
    entries = roster_of(args.file, settings)
    if not args.fix:
        return _preview(entries)
    with opened(settings) as store:
        register = Sampling(store)
        seen = register.get(args.reference).revision
        register.fix_roster(actor_of(settings), args.reference, seen=seen, roster=entries)
    print(f"the roster is fixed: {len(entries)} people")
    return OK


def redraw(args: argparse.Namespace) -> int:
    """Look at the roster of another draw, or begin it."""
    settings = settings_of(args)
    entries = roster_of(args.file, settings)
    if not args.fix:
        return _preview(entries)
    with opened(settings) as store:
        register = Sampling(store)
        seen = register.get(args.reference).revision
        register.redraw(actor_of(settings), args.reference, seen=seen, why=args.why, roster=entries)
    print(f"another draw is begun: {len(entries)} people")
    return OK


def commit(args: argparse.Namespace) -> int:
    """Make one's commitment."""
    settings = settings_of(args)
    with opened(settings) as store:
        register = Sampling(store)
        seen = register.get(args.reference).revision
        made = register.commit(
            actor_of(settings), args.reference, seen=seen, commitment=args.commitment
        )
    print(f"{made.reference}: committed; it is {made.state}")
    return OK


def reveal(args: argparse.Namespace) -> int:
    """Reveal one's secret."""
    settings = settings_of(args)
    if sys.stdin.isatty():
        print("secret: ", end="", file=sys.stderr, flush=True)
    try:
        found = Secret.parse(sys.stdin.readline())
    except SecretError as problem:
        # Nothing is revealed.
        raise StepRefusedError("reveal", f"{str(problem).capitalize()}.") from problem
    with opened(settings) as store:
        register = Sampling(store)
        seen = register.get(args.reference).revision
        made = register.reveal(actor_of(settings), args.reference, seen=seen, secret=found)
    print(f"{made.reference}: revealed; it is {made.state}")
    return OK


def close(args: argparse.Namespace) -> int:
    """Close a plan."""
    settings = settings_of(args)
    with opened(settings) as store:
        register = Sampling(store)
        seen = register.get(args.reference).revision
        made = register.close(actor_of(settings), args.reference, seen=seen, remark=args.remark)
    print(f"{made.reference}: {made.state}")
    return OK


def roster_of(file: Path | None, settings: Settings | None) -> tuple[Entry, ...]:
    """The roster of a file, or of the directory where none is named.

    Raises:
        StepRefusedError: there is none; the text says why.
    """
    from proxy_addons.identity.entries import DirectorySettingsError, DirectoryUnavailableError
    from proxy_addons.identity.everybody import everybody

    try:
        if file is not None:
            return from_csv(file.read_text("utf-8"))
        if settings is None or not settings.directory.servers:
            raise StepRefusedError("roster", "There is no directory: set directory.servers.")
        return from_directory(everybody(settings.directory))
    except RosterError as problem:
        # Nothing is fixed.
        where = "the directory" if file is None else str(file)
        raise StepRefusedError("roster", f"{where}: {problem}.") from problem
    except (OSError, UnicodeDecodeError) as problem:
        # As above.
        raise StepRefusedError("roster", f"{file}: cannot be read: {problem}.") from problem
    except (DirectorySettingsError, DirectoryUnavailableError) as problem:
        # As above: half of everybody would be a draw that leaves people out.
        raise StepRefusedError("roster", f"The directory gives nobody: {problem}.") from problem


def _preview(entries: tuple[Entry, ...]) -> int:
    found = sizes(entries)
    rows = [(each.service, each.unit, str(number)) for each, number in found.items()]
    console().print(table(("class", "unit", "people"), rows))
    print(f"{len(entries)} people in {len(found)} strata. Nothing is fixed yet: add --fix")
    return OK

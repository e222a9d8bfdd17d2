"""`watchhouse categories update`, `held` and `confirm`: fresh lists, and those that look odd.

In: command line, settings, `sources.yaml`. Out: a line for each source, why any is held back; an
exit code that says so.
Must never: put in force what is held back without being told its name or `--yes`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from proxy_addons.cli.categories_shown import (
    FAILED,
    HELD,
    OK,
    explained,
    print_json,
    progress_bar,
    updater_of,
)
from proxy_addons.cli.common import add_common

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from proxy_addons.categorisation.updates.sanity import Reason
    from proxy_addons.categorisation.updates.sourcesfile import Source
    from proxy_addons.categorisation.updates.updating import Outcome, Updater
    from proxy_addons.cli.subcommands import Commands
    from proxy_addons.settings.model import Settings


def register(actions: Commands) -> None:
    """Add the actions."""
    action = actions.add_parser(
        "update",
        help="fetch lists from their sources (categories/sources.yaml)",
        description="Fetch lists, check them, and put them in force together; a running gateway"
        " takes them over by itself. Exit code 0: done; 1: a source failed, the others are"
        " updated; 3: a list is held back, as it differs too much from the one in force.",
    )
    action.add_argument("names", metavar="NAME", nargs="*", help="only these (default: all)")
    action.add_argument("--due", action="store_true", help="only those whose time has come")
    action.add_argument(
        "--force",
        action="store_true",
        help="fetch what is unchanged or pinned as well; what was pinned is not any more",
    )
    action.add_argument(
        "--confirm",
        metavar="NAME",
        action="append",
        default=[],
        help="put this list in force however it differs; may be repeated",
    )
    action.add_argument("--yes", action="store_true", help="the same for all of them")
    action.add_argument("--dry-run", action="store_true", help="change nothing")
    action.add_argument("--json", action="store_true", help="print JSON")
    add_common(action)
    action.set_defaults(run=explained(_update))

    action = actions.add_parser(
        "held",
        help="show the lists that are held back, and why",
        description="Show the lists that are held back. Exit code 0: none; 3: some.",
    )
    action.add_argument("--json", action="store_true", help="print JSON")
    add_common(action)
    action.set_defaults(run=explained(_held))

    action = actions.add_parser(
        "confirm",
        help="put a list that is held back in force",
        description="Put a list that is held back in force, and compile the index.",
    )
    action.add_argument("name", metavar="NAME", help="of the list")
    add_common(action)
    action.set_defaults(run=explained(_confirm))


def _sources(args: argparse.Namespace, settings: Settings) -> tuple[int, tuple[Source, ...]]:
    """How many versions are kept, and the sources that are meant."""
    from proxy_addons.categorisation import CategorySourceError
    from proxy_addons.categorisation.updates.sourcesfile import SOURCES_FILE, read_sources_file

    path = settings.paths.categories_dir / SOURCES_FILE
    found = read_sources_file(path)
    try:
        chosen = found.named(args.names)
        found.named(args.confirm)
    except KeyError as problem:
        # Nothing is fetched: what was meant is not known.
        raise CategorySourceError(f"{path}: {problem.args[0]}") from problem
    return found.keep, chosen


def _update(args: argparse.Namespace, settings: Settings) -> int:
    from proxy_addons.categorisation.updates.updating import Asked, Status

    keep, sources = _sources(args, settings)
    with progress_bar() as progress:
        updater = updater_of(settings, progress, keep)
        outcomes = updater.update(
            sources,
            Asked(
                due=args.due,
                force=args.force,
                confirmed=frozenset(args.confirm),
                confirm_all=args.yes,
                dry_run=args.dry_run,
            ),
        )
    if args.json:
        print_json([_as_json(each) for each in outcomes])
    elif outcomes:
        _show(outcomes, updater)
    else:
        print("nothing to do: sources.yaml has no source that is enabled")
    statuses = {each.status for each in outcomes}
    if Status.FAILED in statuses:
        return FAILED
    return HELD if Status.HELD in statuses else OK


def _show(outcomes: Iterable[Outcome], updater: Updater) -> None:
    from proxy_addons.categorisation.updates.updating import Status

    for each in outcomes:
        loud = each.status in {Status.FAILED, Status.HELD}
        line = f"{each.name}: {each.status}{_more(each)}"
        print(line, file=sys.stderr if loud else sys.stdout)
        _show_reasons(each.reasons if loud else ())
        if each.status is Status.HELD:
            _show_ways(each.name)
    if updater.compiled is not None:
        done = updater.compiled
        print(
            f"compiled {done.entries:,} names and URLs in {done.categories} categories in"
            f" {done.seconds:.1f} s; version {done.version}"
        )


def _more(outcome: Outcome) -> str:
    if outcome.why:
        return f": {outcome.why}" if outcome.status == "failed" else f" {outcome.why}"
    if outcome.difference is None:
        return ""
    whole = outcome.difference.whole
    version = f" to {outcome.version}" if outcome.version else ""
    return f"{version}: {whole.after:,} entries, {whole.added:,} new, {whole.removed:,} gone"


def _show_reasons(reasons: Iterable[Reason]) -> None:
    for reason in reasons:
        print(f"  {reason}", file=sys.stderr)


def _show_ways(name: str) -> None:
    print(
        f"  the list before stays in force. If this is right: watchhouse categories confirm {name}",
        file=sys.stderr,
    )


def _as_json(outcome: Outcome) -> dict[str, object]:
    whole = outcome.difference.whole if outcome.difference is not None else None
    return {
        "name": outcome.name,
        "status": str(outcome.status),
        "why": outcome.why,
        "version": outcome.version,
        "before": outcome.before,
        "entries": None if whole is None else whole.after,
        "added": None if whole is None else whole.added,
        "removed": None if whole is None else whole.removed,
        "reasons": [reason.as_json() for reason in outcome.reasons],
    }


def _held(args: argparse.Namespace, settings: Settings) -> int:
    from proxy_addons.categorisation.updates.sanity import Reason
    from proxy_addons.categorisation.updates.versions import known_names

    found = []
    updater = updater_of(settings)
    for name in known_names(settings.paths.imported_lists_dir):
        version = updater.versions(name).find(updater.state(name).held)
        if version is not None:
            found.append((name, version))
    if args.json:
        print_json(
            [
                {"name": name, "version": each.id, "place": each.place, "reasons": each.reasons}
                for name, each in found
            ]
        )
    elif not found:
        print("no list is held back")
    else:
        for name, each in found:
            print(f"{name}: {each.id} from {ascii(each.place)[1:-1]}, {each.entries:,} entries")
            for reason in map(Reason.of_json, each.reasons):
                print(f"  {reason}")
            print(f"  to see more: watchhouse categories diff {name} {name}@{each.id}")
            print(f"  if it is right: watchhouse categories confirm {name}")
    return HELD if found else OK


def _confirm(args: argparse.Namespace, settings: Settings) -> int:
    from proxy_addons.categorisation import CategorySourceError

    with progress_bar() as progress:
        updater = updater_of(settings, progress)
        held = updater.state(args.name).held
        if held is None:
            raise CategorySourceError(f"{args.name}: nothing is held back")
        updater.put_back(args.name, held, pin=False)
    print(f"{args.name}: {held} is in force")
    return OK

"""`watchhouse categories history`, `rollback` and `unpin`: the versions of lists that are kept.

In: command line, settings. Out: a table; a version in force; an exit code.
Must never: fetch anything, or let a list that was gone back on be replaced in silence.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from proxy_addons.cli.categories_shown import (
    OK,
    explained,
    print_json,
    print_table,
    progress_bar,
    updater_of,
)
from proxy_addons.cli.common import add_common

if TYPE_CHECKING:
    import argparse

    from proxy_addons.categorisation.updates.updating import Updater
    from proxy_addons.cli.subcommands import Commands
    from proxy_addons.settings.model import Settings


def register(actions: Commands) -> None:
    """Add the actions."""
    action = actions.add_parser(
        "history",
        help="show the versions of lists that are kept",
        description="Show the versions of lists that are kept to go back to, and which is in force",
    )
    action.add_argument("names", metavar="NAME", nargs="*", help="only these lists")
    action.add_argument("--json", action="store_true", help="print JSON")
    add_common(action)
    action.set_defaults(run=explained(_history))

    action = actions.add_parser(
        "rollback",
        help="put an earlier version of a list in force",
        description="Put a version of a list that is kept in force, compile the index, and pin the"
        " list: nothing newer is fetched until `categories unpin` or `update --force`.",
    )
    action.add_argument("name", metavar="NAME", help="of the list")
    action.add_argument(
        "version", metavar="VERSION", nargs="?", help="default: the one before that in force"
    )
    add_common(action)
    action.set_defaults(run=explained(_rollback))

    action = actions.add_parser(
        "unpin",
        help="let a list be fetched again after a roll-back",
        description="Let a list be fetched again after a roll-back. Nothing changes until then.",
    )
    action.add_argument("name", metavar="NAME", help="of the list")
    add_common(action)
    action.set_defaults(run=explained(_unpin))


def _history(args: argparse.Namespace, settings: Settings) -> int:
    from proxy_addons.categorisation.updates.versions import known_names

    updater = updater_of(settings)
    names = args.names or known_names(settings.paths.imported_lists_dir)
    found = [(name, each) for name in names for each in updater.versions(name).all()]
    marks = {name: _marks(updater, name) for name in names}
    if args.json:
        print_json(
            {
                name: {
                    **asdict(updater.state(name)),
                    "in_force": updater.versions(name).in_force(),
                    "versions": [asdict(each) for owner, each in found if owner == name],
                }
                for name in names
            }
        )
        return OK
    if not found:
        print("no versions are kept: they come with watchhouse categories update")
        return OK
    print_table(
        ("list", "version", "entries", "", "from"),
        [
            (
                name,
                each.id,
                f"{each.entries:,}" if each.place else "",
                marks[name].get(each.id, ""),
                ascii(each.place)[1:-1] if each.place else "imported by hand",
            )
            for name, each in found
        ],
        numbers=("entries",),
        unfolded=("list", "version"),
    )
    for name in names:
        state = updater.state(name)
        if state.failed is not None:
            print(f"{name}: not updated since {state.failed}: {state.why}")
    return OK


def _marks(updater: Updater, name: str) -> dict[str, str]:
    """What is special about versions of a list."""
    state, in_force = updater.state(name), updater.versions(name).in_force()
    found: dict[str, str] = {}
    if in_force is not None:
        found[in_force] = "in force, pinned" if state.pinned is not None else "in force"
    if state.held is not None:
        found[state.held] = "held back"
    return found


def _rollback(args: argparse.Namespace, settings: Settings) -> int:
    with progress_bar() as progress:
        updater = updater_of(settings, progress)
        version = updater.put_back(args.name, args.version, pin=True)
    print(
        f"{args.name}: {version} is in force, and pinned: nothing newer is fetched until\n"
        f"  watchhouse categories unpin {args.name}   (or: update --force {args.name})"
    )
    return OK


def _unpin(args: argparse.Namespace, settings: Settings) -> int:
    pinned = updater_of(settings).unpin(args.name)
    print(
        f"{args.name}: {'not pinned' if pinned is None else 'pinned no more'}; "
        "the next update fetches it"
    )
    return OK

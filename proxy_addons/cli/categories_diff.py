"""`watchhouse categories diff`: what two lists, versions or indexes differ in.

In: command line, settings. Out: counts and examples by category, or JSON.
Must never: change anything.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
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

    from proxy_addons.categorisation.updates.comparing import Amounts, Difference
    from proxy_addons.categorisation.updates.sides import Side
    from proxy_addons.cli.subcommands import Commands
    from proxy_addons.settings.model import Settings

_SIDE = (
    "NAME (a list in force), NAME@VERSION (one that is kept), index (the compiled one), or a path:"
    " a folder, an archive, a file that can be imported, an index file"
)
VERSION = re.compile(r"([a-z0-9][a-z0-9_-]*)@([0-9TZ-]+)", re.ASCII)
"""A list and a version of it."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*", re.ASCII)


def register(actions: Commands) -> None:
    """Add the action."""
    action = actions.add_parser(
        "diff",
        help="say what two lists, versions or indexes differ in",
        description=f"Say what came, what went and what moved, by category. A side is {_SIDE}.",
    )
    action.add_argument("old", metavar="OLD", help="what was")
    action.add_argument("new", metavar="NEW", help="what comes")
    action.add_argument("--json", action="store_true", help="print JSON")
    add_common(action)
    action.set_defaults(run=explained(_diff))


def side_of(text: str, settings: Settings, held: ExitStack) -> Side:
    """What a person names, to be compared.

    Args:
        text: see `_SIDE`.
        settings: for where lists are.
        held: what is unpacked for it is removed when this is closed.

    Raises:
        CategoryError: there is none of that name.
    """
    from proxy_addons.categorisation.updates.sides import (
        side_of_folder,
        side_of_index,
        side_of_path,
    )

    paths = settings.paths
    lists = paths.imported_lists_dir
    if found := VERSION.fullmatch(text):
        versions = updater_of(settings).versions(found[1])
        return side_of_folder(text, versions.tree(versions.get(found[2]).id))
    if text == "index":
        return side_of_index(paths.index_file)
    if _NAME.fullmatch(text) and (lists / text).is_dir():
        return side_of_folder(text, lists / text)
    if _NAME.fullmatch(text) and (paths.categories_dir / text).is_dir():
        return side_of_folder(text, paths.categories_dir / text)
    return held.enter_context(side_of_path(Path(text), lists / ".compared"))


def _diff(args: argparse.Namespace, settings: Settings) -> int:
    from proxy_addons.categorisation.updates.comparing import compare

    with ExitStack() as held, progress_bar() as progress:
        progress("comparing", 0, 1)
        work = settings.paths.imported_lists_dir / ".compared"
        difference = compare(
            side_of(args.old, settings, held), side_of(args.new, settings, held), work
        )
    if args.json:
        print_json(_as_json(difference))
    else:
        _show(difference)
    return OK


def _as_json(found: Difference) -> dict[str, object]:
    return {
        "whole": asdict(found.whole),
        "categories": {
            name: asdict(each)
            for name, each in found.categories.items()
            if each.added or each.removed
        },
        "moved": [
            {"from": left, "to": come, "entries": amount, "examples": examples}
            for (left, come), (amount, examples) in found.moved.items()
        ],
    }


def _show(found: Difference) -> None:
    from proxy_addons.categorisation.updates.comparing import as_pairs

    if found.is_empty:
        print(f"no difference: {found.whole.after:,} entries")
        return
    print_table(
        ("category", "before", "after", "added", "removed", "for example"),
        [(name, *_amounts(each)) for name, each in as_pairs(found)],
        numbers=("before", "after", "added", "removed"),
    )
    if found.moved:
        moved = sorted(found.moved.items(), key=lambda item: (-item[1][0], item[0]))
        print_table(
            ("moved from", "to", "entries", "for example"),
            [
                (left, come, f"{amount:,}", ", ".join(examples))
                for (left, come), (amount, examples) in moved
            ],
            numbers=("entries",),
            unfolded=("moved from", "to"),
        )
    whole = found.whole
    print(
        f"{whole.before:,} entries before, {whole.after:,} after: {whole.added:,} new,"
        f" {whole.removed:,} gone, {sum(each for each, _ in found.moved.values()):,} moved"
    )


def _amounts(each: Amounts) -> tuple[str, ...]:
    examples = [f"+{name}" for name in each.examples_added[:2]]
    examples += [f"-{name}" for name in each.examples_removed[:2]]
    return (
        f"{each.before:,}",
        f"{each.after:,}",
        f"{each.added:,}" if each.added else "",
        f"{each.removed:,}" if each.removed else "",
        " ".join(examples),
    )

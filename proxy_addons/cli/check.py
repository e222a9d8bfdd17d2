"""`watchhouse check`: is the configuration in order, and what is odd about it.

In: the configuration, the category lists. Out: exit code 0, or 1 with every problem listed.
Must never: write anything, or call a configuration sound that `serve` would refuse.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from proxy_addons.cli.common import add_common, config_dir_of, examined
from proxy_addons.settings.load import MAIN_FILE, POLICY_FILE

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from proxy_addons.settings.model import Paths


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "check",
        help="check the configuration",
        description="Check watchhouse.yaml and policy.yaml. Exit code 0: in order, perhaps with"
        " warnings; 1: not usable, every problem is listed.",
    )
    add_common(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    known: frozenset[str] | None = None

    def find(paths: Paths) -> frozenset[str] | None:
        nonlocal known
        known = known_categories(paths)
        return known

    result = examined(args, known_categories=find)
    paths = result.settings.paths
    for warning in result.warnings:
        print(f"warning: {warning}")
    if known is None:
        print(
            f"warning: no category list found in {paths.categories_dir} or {paths.data_dir};"
            " the categories that the policy names are not checked"
        )
    policy = result.settings.policy
    folder = config_dir_of(args)
    counts = ", ".join(
        f"{number} {what}"
        for number, what in (
            (len(policy.rules), "rules"),
            (len(policy.profiles), "profiles"),
            (len(policy.time_spaces), "time spaces"),
        )
    )
    print(f"{folder / MAIN_FILE} and {folder / POLICY_FILE} are in order: {counts}")
    return 0


def known_categories(paths: Paths) -> frozenset[str] | None:
    """The categories that any list has: of the compiled index, and of the source folders.

    The source folders count as well, so that a list can be named before it is compiled.

    Returns:
        Category ids; None when there is no list at all.
    """
    from proxy_addons.categorisation import (  # noqa: PLC0415 - keeps `check --help` fast
        CategoryIndex,
        CategoryIndexError,
    )

    known: set[str] = set()
    try:
        known.update(CategoryIndex.open(paths.index_file).categories)
    except CategoryIndexError as problem:
        # No request is in hand. The source folders still say which categories there are.
        if paths.index_file.exists():
            print(f"warning: {problem}", file=sys.stderr)
    for folder in (paths.categories_dir, paths.imported_lists_dir):
        known.update(_list_folders(folder))
    return frozenset(known) or None


def _list_folders(root: Path) -> set[str]:
    """The names of folders that hold a list in squidGuard layout, links included."""
    return {
        file.parent.name
        for pattern in ("domains", "urls", "expressions")
        for depth in ("*/*", "*/*/*")
        for file in root.glob(f"{depth}/{pattern}")
    }

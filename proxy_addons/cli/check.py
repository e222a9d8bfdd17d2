"""`watchhouse check`: is the configuration in order, and what is odd about it.

In: the configuration, the category lists. Out: exit code 0, or 1 with every problem listed.
Must never: write anything, or call a configuration sound that `serve` would refuse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.cli.common import add_common, config_dir_of, examined, known_categories
from proxy_addons.settings.load import MAIN_FILE, POLICY_FILE

if TYPE_CHECKING:
    import argparse


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
    result = examined(args, known_categories=known_categories)
    for warning in result.warnings:
        print(f"warning: {warning}")
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

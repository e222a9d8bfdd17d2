"""`watchhouse check`: is the configuration in order, and what is odd about it.

In: the configuration, the category lists. Out: exit code 0, or 1 with every problem listed.
Must never: write anything, call a configuration sound that `serve` would refuse, or contact anybody
unasked.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from proxy_addons.cli.common import add_common, config_dir_of, examined, known_categories
from proxy_addons.settings.load import MAIN_FILE, POLICY_FILE

if TYPE_CHECKING:
    import argparse

    from proxy_addons.settings.content import Content

_MEMORY: Final = frozenset({"tmpfs", "ramfs"})
_MOUNTS: Final = Path("/proc/self/mountinfo")


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "check",
        help="check the configuration",
        description="Check watchhouse.yaml, policy.yaml and the sources.yaml of the lists. Exit"
        " code 0: in order, perhaps with warnings; 1: not usable, every problem is listed.",
    )
    add_common(parser)
    parser.add_argument(
        "--scanners",
        action="store_true",
        help="also ask the virus scanners whether they can be relied on; exit code 1 if one cannot",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    result = examined(args, known_categories=known_categories)
    for warning in result.warnings:
        print(f"warning: {warning}")
    if why := _cannot_look_into_files():
        print(f"warning: every archive counts as unreadable-archive: {why}")
    held = result.settings.content.held.folder
    if held is not None and _is_memory(held):
        print(
            f"warning: {held} is on a file system that is memory: large bodies that are held"
            " (content.held.folder) take the machine's memory after all; name a folder on a disk"
        )
    _check_sources(result.settings.paths.categories_dir)
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
    return _ask_scanners(result.settings.content) if args.scanners else 0


def _check_sources(categories_dir: Path) -> None:
    """Read where lists are fetched from, if that is written down; `main` shows what is wrong."""
    from proxy_addons.categorisation.updates.sourcesfile import SOURCES_FILE, read_sources_file

    path = categories_dir / SOURCES_FILE
    if path.exists():
        read_sources_file(path)


def _cannot_look_into_files() -> str:
    from proxy_addons.content.archives import missing

    return missing()


def _is_memory(folder: Path) -> bool:
    """Whether what is written to a folder, or will be, lies in memory (proc_pid_mountinfo(5))."""
    real = folder.resolve()
    kind, longest = "", -1
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return False  # nothing is known, and nothing is said
    for mount in mounts:
        about, _, rest = mount.partition(" - ")
        place = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), about.split()[4])
        # Of several at one place the last is the one that is seen.
        if real.is_relative_to(place) and len(place) >= longest:
            kind, longest = rest.split()[0], len(place)
    return kind in _MEMORY


def _ask_scanners(content: Content) -> int:
    from proxy_addons.content.scanner import scanner_of

    scanner = scanner_of(content)
    if scanner is None:
        print("no virus scanner is named (content.clamd.servers, content.icap.url)")
        return 0
    health = asyncio.run(scanner.health())
    for each in health:
        print(f"{'scanner' if each.well else 'warning: scanner'} {each.server}: {each.says}")
    return 0 if all(each.well for each in health) else 1

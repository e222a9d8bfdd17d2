"""What the `watchhouse categories` commands have in common: tables, JSON, progress, places.

In: values to show; settings. Out: text for people or programs.
Must never: print text of a list that a terminal would obey.
"""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Collection, Iterator, Sequence

    from proxy_addons.categorisation import Progress
    from proxy_addons.categorisation.updates.updating import Updater
    from proxy_addons.settings.model import Settings

OK: Final = 0
FAILED: Final = 1
HELD: Final = 3
"""A version is held back: somebody has to look."""


def explained(
    action: Callable[[argparse.Namespace, Settings], int],
) -> Callable[[argparse.Namespace], int]:
    """An action with its expected failures as a message and exit code 1."""

    def run(args: argparse.Namespace) -> int:
        from proxy_addons.categorisation import CategoryError
        from proxy_addons.cli.common import settings_of

        try:
            return action(args, settings_of(args))
        except CategoryError as problem:
            # Nothing has changed, and no request is in hand: say why and how to mend it.
            print(f"watchhouse: {problem}", file=sys.stderr)
            return FAILED

    return run


def updater_of(settings: Settings, progress: Progress | None = None, keep: int = 5) -> Updater:
    """An updater of the lists that the settings name; in silence unless progress is given."""
    from proxy_addons.categorisation import SourceFolders
    from proxy_addons.categorisation.compiler import nothing
    from proxy_addons.categorisation.updates.updating import Updater

    paths = settings.paths
    folders = SourceFolders(paths.categories_dir, paths.imported_lists_dir)
    return Updater(folders, paths.index_file, keep, progress=progress or nothing)


def print_json(value: object) -> None:
    """Print JSON, in ASCII."""
    print(json.dumps(value, indent=2, ensure_ascii=True))


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numbers: Collection[str] = (),
    unfolded: Collection[str] = ("category",),
) -> None:
    """Print a table.

    Args:
        columns: their heads.
        rows: their cells, printable.
        numbers: columns that stand to the right.
        unfolded: columns whose cells are not folded, besides those.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), title_justify="left")
    for column in columns:
        table.add_column(
            Text(column, style="dim"),
            justify="right" if column in numbers else "left",
            no_wrap=column in numbers or column in unfolded,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    # Where nobody looks at it a table is not folded: another program reads a row a line.
    Console(highlight=False, width=None if sys.stdout.isatty() else 250).print(table)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A progress bar on the error output, where that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    tasks = {}
    with Bar(console=console, transient=True, disable=not console.is_terminal) as bar:

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total or None)
            bar.update(tasks[stage], completed=done, total=total or None)

        yield tell

"""What the commands on the standing store share: opening it, refusals, tables.

In: settings, entries. Out: a store that is ready, text and tables for a terminal.
Must never: send a character to the terminal that the terminal would act on.
"""

from __future__ import annotations

import contextlib
import sys
from datetime import datetime
from typing import TYPE_CHECKING

from proxy_addons.rights import account
from proxy_addons.standing import Register, StandingError, StepRefusedError, open_store
from proxy_addons.standing.dates import end_of, last_day
from proxy_addons.standing.upgrade import migrate

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from zoneinfo import ZoneInfo

    from rich.console import Console
    from rich.table import Table

    from proxy_addons.settings.model import Settings
    from proxy_addons.standing import Step, Store

OK, FAILED = 0, 1


@contextlib.contextmanager
def opened(settings: Settings) -> Iterator[Store]:
    """The store, made or upgraded where that is needed.

    Raises:
        StandingError: it cannot be used.
    """
    if account.is_root() and settings.standing.url is None:
        # Before the first start: what root makes here is to be the gateway's, as `serve` has it.
        try:
            if (gateway := account.account_for(settings.run_as)) is not None:
                account.give_data_folder(settings.paths.data_dir, gateway)
        except (account.PrivilegeError, OSError) as problem:
            # Nothing is made that the gateway could then not use.
            raise StandingError(str(problem)) from problem
    migrate(settings.standing, settings.paths)
    store = open_store(settings.standing, settings.paths)
    try:
        yield store
    finally:
        store.close()


def explained(work: Callable[[], int]) -> int:
    """Run a command; what a rule or the store refuses ends in a sentence and exit code 1."""
    try:
        return work()
    except (StepRefusedError, StandingError) as problem:
        # Nothing was changed (or, if the connection broke while it was being written, `show` says
        # whether). No request is in hand: say which rule or what is wrong, and end.
        print(f"watchhouse: {plain(str(problem))}", file=sys.stderr)
        return FAILED


def register_of(
    store: Store, settings: Settings, categories: Collection[str] | None = None
) -> Register:
    """The register of exemptions; `categories` are needed for requests alone."""
    policy = settings.policy
    return Register(
        store, categories=categories, by_name_only=policy.by_name_only, zone=policy.time_zone
    )


# --- for a terminal -------------------------------------------------------------------------------


def plain(text: str) -> str:
    """A text without characters that a terminal would act on; line breaks become spaces."""
    return "".join(
        each if each.isprintable() else " " if each in "\n\t" else "\ufffd" for each in text
    )


def moment(at: datetime | None, zone: ZoneInfo) -> str:
    """A moment in the force's time; empty for none."""
    return "" if at is None else f"{at.astimezone(zone):%d %b %Y %H:%M}"


def until(ends: datetime, zone: ZoneInfo) -> str:
    """An end as people say it: the last day, or the time if that is not midnight."""
    day = last_day(ends, zone)
    return f"{day:%d %b %Y}" if end_of(day, zone) == ends else moment(ends, zone)


def console() -> Console:
    """Standard output."""
    from rich.console import Console

    return Console(highlight=False, markup=False)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> Table:
    """A table; cells are text, never markup."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, padding=(0, 2, 0, 0), title=title, title_justify="left")
    for head in heads:
        # What names an entry is never broken.
        made.add_column(Text(head, style="dim"), overflow="fold", no_wrap=head == "reference")
    for row in rows:
        made.add_row(*(Text(plain(cell)) for cell in row))
    return made


def facts(rows: Iterable[tuple[str, str]]) -> Table:
    """Names with values; those without a value are left out."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows:
        if value:
            made.add_row(Text(name, style="dim"), Text(plain(value)))
    return made


def history(steps: Iterable[Step], zone: ZoneInfo) -> Table:
    """The steps of an entry."""

    def rows() -> Iterator[tuple[str, ...]]:
        for step in steps:
            changes = "; ".join(
                f"{name}: {_local(value, zone)}"
                for name, value in step.changes.items()
                if name != "person"
            )
            note = " ".join(filter(None, (step.note, f"[{changes}]" if changes else "")))
            yield moment(step.at, zone), step.kind, step.who, step.how, note

    return table(("when", "step", "who", "how", "note"), rows(), "Steps")


def _local(value: str, zone: ZoneInfo) -> str:
    """A value that a step set; times as the rest of the table has them."""
    try:
        return moment(datetime.fromisoformat(value), zone) if "T" in value else value
    except ValueError:
        # Some other text.
        return value

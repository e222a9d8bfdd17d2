"""The work of `watchhouse report weekly`: who gets which report, files, e-mail.

In: parsed arguments. Out: files that only the operator can read, or messages to line managers.
Must never: give somebody figures of people whose line manager they are not; make a report whose
look is not recorded; send one twice unless asked to.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from proxy_addons.audit.mailserver import MailingError
from proxy_addons.cli.acting import actor_of
from proxy_addons.cli.common import settings_of
from proxy_addons.cli.standing import FAILED, OK, opened, plain
from proxy_addons.identity.directory import (
    Directory,
    DirectorySettingsError,
    DirectoryUnavailableError,
)
from proxy_addons.portal.team.document import as_html, as_text
from proxy_addons.portal.team.figures import as_csv, look, week_of
from proxy_addons.portal.team.mailing import Letter, Mailer, address_of, connected
from proxy_addons.portal.team.shown import names_of, sheet
from proxy_addons.standing import views, weekly
from proxy_addons.standing.actor import COMMAND_LINE
from proxy_addons.standing.problems import StandingError, StepRefusedError
from proxy_addons.standing.rules import name_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from proxy_addons.identity.entries import Entry
    from proxy_addons.settings.model import Settings
    from proxy_addons.standing.actor import Actor
    from proxy_addons.standing.store import Store
    from proxy_addons.standing.weeks import Week

BY_MAIL: Final = "e-mail"
"""How a look is recorded before a report is made for its line manager."""
SENT: Final = "e-mail, sent"
"""How it is recorded besides once the mail server has it: it is not sent again."""
_AT_ONCE: Final = 4  # questions to the directory
_SHOWN_FROM: Final = 200  # people from whom on a progress bar helps


@dataclass(frozen=True, slots=True)
class Team:
    """One line manager.

    Attributes:
        name: canonical.
        display: the name for people.
        people: theirs, as the directory has them.
    """

    name: str
    display: str
    people: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class _Run:
    """What all reports of one run share."""

    settings: Settings
    store: Store
    week: Week
    now: datetime
    actor: Actor


def run(args: argparse.Namespace) -> int:
    """Make the reports, and send or write them.

    Raises:
        StandingError: the store, the directory, the mail server or the folder cannot be used.
        StepRefusedError: the week or a name is none; the caller is no operator.
    """
    settings, now = settings_of(args), datetime.now(UTC)
    actor = actor_of(settings)
    if not actor.at_the_machine:
        raise StepRefusedError(
            "role", "Only an operator may make reports for line managers; they have a page."
        )
    try:
        week = week_of(args.week, settings, now)
    except ValueError as problem:
        # Nothing is made.
        raise StepRefusedError("week", f"No such week: {problem}.") from problem
    if not settings.directory.servers:
        msg = "who is whose line manager comes from the directory, and none is configured"
        raise StandingError(msg)
    named = [name_of(each) for each in args.manager]
    with opened(settings) as store:
        used = weekly.people_with_use(store, week) if not named else frozenset()
        teams, unknown = asyncio.run(_teams(settings, named, used))
        for each in unknown:
            print(f"{plain(each)}: nobody's line manager", file=sys.stderr)
        if not teams:
            print("no line manager to report to: nobody used anything in these weeks")
            return FAILED if named else OK
        made = _Run(settings, store, week, now, actor)
        folder = args.out
        if folder is None and not args.send:
            folder = settings.paths.data_dir / "reports" / "weekly"
        if folder is not None:
            _write_all(made, teams, folder / week.name)
        failed = args.send and not _send_all(made, teams, again=args.again)
    return FAILED if failed or unknown else OK


# --- whose ----------------------------------------------------------------------------------------


async def _teams(
    settings: Settings, named: list[str], used: frozenset[str]
) -> tuple[list[Team], list[str]]:
    """The line managers with their people, and those named who have none."""
    try:
        directory = Directory(settings.directory, threads=_AT_ONCE)
        try:
            managers = sorted(set(named)) or await _managers_of(directory, used)
            return await _with_people(directory, managers, set(named))
        finally:
            directory.close()
    except (DirectorySettingsError, DirectoryUnavailableError) as problem:
        # Nothing is made: a report without somebody would say they used nothing.
        msg = f"the directory does not answer, so nobody knows whose people are whose: {problem}"
        raise StandingError(msg) from problem


async def _managers_of(directory: Directory, people: Iterable[str]) -> list[str]:
    """The line managers of these people."""
    wanted = sorted(people)
    found: set[str] = set()
    turns = asyncio.Semaphore(_AT_ONCE)
    with _progress(len(wanted)) as step:

        async def ask(name: str) -> None:
            async with turns:
                entry = (await directory.look_up(name)).entry
            if entry is not None and entry.manager is not None:
                found.add(entry.manager)
            step()

        await asyncio.gather(*map(ask, wanted))
    return sorted(found)


async def _with_people(
    directory: Directory, managers: list[str], named: set[str]
) -> tuple[list[Team], list[str]]:
    teams, unknown = [], []
    for name in managers:
        people = await directory.people_of(name)
        if not people:
            unknown += [name] if name in named else []
            continue
        entry = (await directory.look_up(name)).entry
        teams.append(Team(name, (entry.display if entry else None) or name, people))
    return teams, unknown


@contextlib.contextmanager
def _progress(number: int) -> Iterator[Callable[[], None]]:
    """A bar where somebody waits long enough to want one."""
    if number < _SHOWN_FROM or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Asking the directory", total=number)
        yield lambda: bar.advance(task)


# --- what -----------------------------------------------------------------------------------------


def _letter(made: _Run, team: Team, *, viewer: str, how: str) -> Letter:
    """A team's report; the look is recorded first."""
    settings = made.settings
    figures = look(
        made.store,
        settings,
        viewer=viewer,
        team=[each.name for each in team.people],
        week=made.week,
        how=how,
        now=made.now,
    )
    rules = {each.id: each for each in settings.policy.rules}
    words = sheet(figures, team.people, rules)
    return Letter(
        name=team.name,
        subject=f"Personal use of the web by your people, {words.title}",
        text=as_text(words, settings.page, team.display),
        html=as_html(words, settings.page, team.display),
        csv=as_csv(figures, names_of(team.people)),
        file=f"personal-use-{made.week.name}.csv",
    )


def _write_all(made: _Run, teams: Iterable[Team], folder: Path) -> None:
    """Two files for each line manager.

    Raises:
        StandingError: a file cannot be written; those before it are.
    """
    number = 0
    for team in teams:
        letter = _letter(made, team, viewer=made.actor.name, how=COMMAND_LINE)
        name = _file_name(team.name)
        _write(folder, f"{name}.html", letter.html.encode())
        _write(folder, f"{name}.csv", letter.csv.encode("utf-8-sig"))
        number += 1
    print(f"{folder}: {number} {'report' if number == 1 else 'reports'} as HTML and CSV")


def _file_name(name: str) -> str:
    """A login name as a file's: what could lead elsewhere is written as its code."""
    return "".join(each if each.isalnum() or each in "_-" else f"%{ord(each):X}" for each in name)


def _write(folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Figures about people: for the operator alone, whatever the umask.
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            file.write(content)
    except OSError as problem:
        # Files before this one are written; no request is in hand.
        raise StandingError(f"{path}: cannot be written: {problem.strerror}") from problem


# --- e-mail ---------------------------------------------------------------------------------------


def _send_all(made: _Run, teams: list[Team], *, again: bool) -> bool:
    """Send each their own; whether all that had to be sent were.

    Raises:
        StandingError: the mail server cannot be used; nothing was sent.
    """
    what = f"weekly {made.week.name}"
    wanted, before = [], 0
    for team in teams:
        if not again and views.last_of(made.store, viewer=team.name, what=what, hows=(SENT,)):
            before += 1
        else:
            wanted.append(team)
    sent = 0
    if wanted:
        try:
            with connected(made.settings.shifts.reports) as mailer:
                sent = sum(_send(made, mailer, team, what) for team in wanted)
        except MailingError as problem:
            # Nothing was sent to anybody: connecting is what failed.
            raise StandingError(str(problem)) from problem
    words = f"; {before} had been sent before" if before else ""
    print(f"{made.week.name}: {sent} of {len(wanted)} sent{words}")
    return sent == len(wanted)


def _send(made: _Run, mailer: Mailer, team: Team, what: str) -> bool:
    """Send one; what went wrong is said."""
    try:
        address_of(made.settings.shifts.reports, team.name)
        mailer.send(_letter(made, team, viewer=team.name, how=BY_MAIL), made.now)
    except MailingError as problem:
        # This one is sent by the next run; the others by this.
        print(f"watchhouse: {plain(str(problem))}", file=sys.stderr)
        return False
    # Should the store or we end here, it is sent twice, not never.
    names = [each.name for each in team.people]
    views.record(made.store, viewer=team.name, subjects=names, what=what, how=SENT, now=made.now)
    return True

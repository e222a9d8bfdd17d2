"""Settings of personal use: breaks, allowances, coaching, the statement, reports, periods.

In: nothing. Out: frozen values, as watchhouse.yaml's section `personal_use` has them.
Must never: do I/O.

Which categories are personal is the policy's (policy.yaml, `personal_use`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Breaks:
    """`personal_use.breaks`: breaks that people book themselves (Inf/27 2.9.1).

    Attributes:
        enabled: whether there are any.
        choices: minutes that are offered, ascending; the first and last are the shortest and
            longest that can be asked for.
        allowance: minutes in a duty day.
        gap: minutes between the end of one and the beginning of the next.
        warning: minutes before the end at which the person is told.
    """

    enabled: bool = True
    choices: tuple[int, ...] = (15, 30, 60)
    allowance: int = 60
    gap: int = 30
    warning: int = 2


@dataclass(frozen=True, slots=True)
class Allowances:
    """`personal_use.allowances`: minutes of personal use in a duty day (Inf/27 2.10.1).

    Attributes:
        personal: minutes of all personal use; None: not limited.
        social: minutes of social networks, within those; None: not limited apart.
        low: minutes left at which people are told.
    """

    personal: int | None = 60
    social: int | None = 20
    low: int = 10


@dataclass(frozen=True, slots=True)
class Coach:
    """`personal_use.coach`.

    Attributes:
        lasts: minutes for which a confirmation counts, for the person and the site.
    """

    lasts: int = 60


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """`personal_use.acknowledgement`: the acceptable-use statement (Inf/27 3.8).

    Attributes:
        required: whether browsing waits for it.
        statement: Markdown file; None: `statement.md` beside watchhouse.yaml.
        renewed: days after which it is asked for again.
        open_categories: categories and groups that can be reached before.
        open_hosts: hosts, with their subdomains, that can be reached before.
    """

    required: bool = False
    statement: Path | None = None
    renewed: int = 365
    open_categories: tuple[str, ...] = ()
    open_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reports:
    """`personal_use.reports`: the weekly report to line managers, by e-mail.

    Attributes:
        smtp: host and port, or None: no e-mail.
        starttls: whether the connection must become TLS (verified) before anything is said.
        user: to sign in with; None: without.
        password: its password, from an environment variable.
        sender: address that it comes from.
        address: where it goes: `{name}` stands for the line manager's login name.
    """

    smtp: tuple[str, int] | None = None
    starttls: bool = True
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    sender: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Keep:
    """`personal_use.keep`: how long what is over is kept, in days.

    Attributes:
        figures: minutes by day, breaks and refusals by rule, after their duty day.
        duties: duty times after their end.
        reviews: the address of a reviewed site beyond its host, after the review's end.
    """

    figures: int = 182
    duties: int = 62
    reviews: int = 92


@dataclass(frozen=True, slots=True)
class Shifts:
    """`personal_use`.

    Attributes:
        day_turns: local time at which a duty day begins: a night shift is one day.
        breaks: booked breaks.
        allowances: minutes of personal use.
        coach: coaching.
        acknowledgement: the statement.
        reports: weekly reports.
        keep: how long it is kept.
    """

    day_turns: time = time(5)
    breaks: Breaks = field(default_factory=Breaks)
    allowances: Allowances = field(default_factory=Allowances)
    coach: Coach = field(default_factory=Coach)
    acknowledgement: Acknowledgement = field(default_factory=Acknowledgement)
    reports: Reports = field(default_factory=Reports)
    keep: Keep = field(default_factory=Keep)

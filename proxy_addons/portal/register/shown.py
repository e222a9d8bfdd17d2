"""Exemptions as pages and files show them: states and times in words, marks as text.

In: a row of the report, the time, the directory's entry of its person. Out: a `Shown`.
Must never: say by colour alone what it does not also say in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from proxy_addons.gate.wording import date_words
from proxy_addons.standing.dates import last_day
from proxy_addons.standing.exemption import State
from proxy_addons.standing.report import NO_UNIT, Section

if TYPE_CHECKING:
    from datetime import date, tzinfo

    from proxy_addons.identity.entries import Entry
    from proxy_addons.standing.exemption import Exemption
    from proxy_addons.standing.report import Row
    from proxy_addons.standing.steps import Step

WORDS: Final = {
    State.REQUESTED: ("Waiting for approval", "wait"),
    State.LAPSED: ("Not decided in time", "gone"),
    State.REFUSED: ("Refused", "not"),
    State.UPCOMING: ("Approved, not begun", "good"),
    State.LIVE: ("Live", "good"),
    State.EXPIRED: ("Expired", "gone"),
    State.REVOKED: ("Revoked", "not"),
}
"""State → what people read, and the look of it."""

STEPS: Final = {
    "request": "Requested",
    "approval": "Approved",
    "refusal": "Refused",
    "extension-request": "Extension asked for",
    "extension": "Extended",
    "extension-refusal": "Extension refused",
    "escalation": "Escalated",
    "review": "Reviewed",
    "revocation": "Revoked",
    "expiry": "Expired",
    "withdrawal": "Web access withdrawn",
    "lifting": "Web access given back",
    "review-request": "Asked for",
    "review-allowed": "Allowed for a time",
    "review-recategorised": "Given other categories",
    "review-declined": "Declined",
    "review-ended": "Ended",
    "alert-raised": "Raised",
    "alert-seen": "Seen",
    "alert-requested": "Authorisation asked for",
    "alert-closed": "Closed",
}
"""Kind of step → what people read."""

HOW: Final = {
    "kerberos": "signed in with the force account",
    "oidc": "signed in with the sign-in service",
    "accounts": "signed in with an account of this portal",
    "address": "known by the computer’s address",  # noqa: RUF001 - an apostrophe
    "basic": "signed in at the gateway with a password",
    "command-line": "at the gateway’s command line",  # noqa: RUF001 - an apostrophe
    "clock": "by itself",
}
"""How somebody was known → what people read."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One exemption, for people.

    Attributes:
        row: of the report.
        words: of its state.
        look: class of the state's tag.
        display: the person's name for people.
        begins: first day, in words.
        until: last day, in words.
        marks: what else there is to know, each a few words.
    """

    row: Row
    words: str
    look: str
    display: str
    begins: str
    until: str
    marks: tuple[str, ...]

    @property
    def it(self) -> Exemption:
        """The exemption."""
        return self.row.exemption

    @property
    def state(self) -> State:
        """What it is now."""
        return self.row.state

    @property
    def unit(self) -> str | None:
        """The person's unit; None where nobody knows it."""
        return None if self.row.unit == NO_UNIT else self.row.unit


def shown(row: Row, now: datetime, zone: tzinfo, entry: Entry | None = None) -> Shown:
    """An exemption in words.

    Args:
        row: of the report.
        now: aware.
        zone: the force's.
        entry: of its person, from the directory.
    """
    exemption, sections = row.exemption, row.sections
    words, look = WORDS[row.state]
    marks = []
    if exemption.significant:
        to = exemption.escalated_to
        marks.append(f"Significant: escalated to {to}" if to else "Significant: to be escalated")
    if Section.WAITING in sections and row.state is not State.REQUESTED:
        marks.append("A later end waits for approval")
    if Section.EXPIRING in sections:
        days = (last_day(exemption.ends, zone) - now.astimezone(zone).date()).days
        left = "today" if days <= 0 else "tomorrow" if days == 1 else f"in {days} days"
        marks.append(f"Ends {left}")
    if Section.OVERDUE in sections:
        marks.append("Review overdue")
    if Section.UNUSED in sections:
        marks.append("Not used for 30 days" if row.last_used else "Never used")
    return Shown(
        row,
        words,
        look,
        (entry.display if entry else None) or exemption.person,
        day_words(exemption.begins, zone),
        until_words(exemption.ends, zone),
        tuple(marks),
    )


def day_words(moment: datetime, zone: tzinfo) -> str:
    """The day of a moment: `23 November 2026`."""
    return _short(moment.astimezone(zone))


def until_words(ends: datetime, zone: tzinfo) -> str:
    """The last day before an end, which is what people call "until"."""
    return _short(last_day(ends, zone))


def moment_words(moment: datetime, zone: tzinfo) -> str:
    """A moment of a history: `23 November 2026, 12:05`."""
    here = moment.astimezone(zone)
    return f"{_short(here)}, {here:%H:%M}"


def _short(day: date) -> str:
    return date_words(day).partition(" ")[2]


@dataclass(frozen=True, slots=True)
class ShownStep:
    """One step of a history, for people."""

    what: str
    iso: str
    when: str
    who: str
    how: str
    note: str
    changes: tuple[tuple[str, str], ...]


def shown_step(step: Step, zone: tzinfo) -> ShownStep:
    """A step in words."""
    changes = []
    for name, value in step.changes.items():
        label, words = _change(name, value, zone)
        if step.kind != "request" or name not in {"person", "opens"}:
            changes.append((label, words))
    return ShownStep(
        STEPS.get(step.kind, step.kind),
        step.at.isoformat(timespec="seconds"),
        moment_words(step.at, zone),
        "The gateway" if step.who == "watchhouse" else step.who,
        HOW.get(step.how, step.how),
        step.note,
        tuple(changes),
    )


def _change(name: str, value: str, zone: tzinfo) -> tuple[str, str]:
    labels = {
        "begins": ("From", day_words),
        "ends": ("Until", until_words),
        "review": ("Review due", day_words),
        "next review": ("Next review due", day_words),
    }
    if name not in labels:
        return name.capitalize(), value
    label, words = labels[name]
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        # Written by a version that wrote it otherwise: shown as it stands.
        return label, value
    return label, words(moment, zone)

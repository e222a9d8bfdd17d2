"""Rows and sessions as pages say them.

In: what the desk gave. Out: words. Must never: say more than was given, or leave out that something
is masked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from proxy_addons.policy.model import REFUSALS

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from proxy_addons.audit.sessions import Session
    from proxy_addons.audit.store import Row
    from proxy_addons.portal.psd.asked import Asked

_LONGEST_URL: Final = 160  # characters; the whole of it is in the files
MASKED: Final = "(masked: special category)"
_ACTIONS: Final = {
    "allow": "let through",
    "coach": "coached",
    "redirect": "led elsewhere",
    "block": "refused",
}


@dataclass(frozen=True, slots=True)
class ShownRow:
    """One line of the table of rows.

    Attributes:
        when: by the force's clock.
        who: person or address.
        what: URL or host, cut where it is long.
        opened: `opened`, `fetched by the browser`, or "" where nobody knows.
        action: what was decided, in words.
        look: class of that.
        rule: its id.
        categories: with commas.
        reference: number of the transaction.
        around: address of the same person's hour before and after.
    """

    when: str
    who: str
    what: str
    opened: str
    action: str
    look: str
    rule: str
    categories: str
    reference: str
    around: str


def moment(at: datetime | None, zone: tzinfo) -> str:
    """A time by the force's clock, to the second, with the zone's name."""
    return (
        at.astimezone(zone).strftime("%a %d %b %Y %H:%M:%S %Z") if at is not None else "not shown"
    )


def moment_of(text: str, zone: tzinfo) -> str:
    """The same of a time as records have it (RFC 3339); what is none is shown as it is."""
    try:
        return moment(datetime.fromisoformat(text), zone)
    except ValueError:
        return text  # damaged: who reads it shall see what is there


def shown_row(row: Row, zone: tzinfo, around: str) -> ShownRow:
    """A row in words."""
    values = row.values
    what = str(values.get("url") or values.get("host") or "")
    if len(what) > _LONGEST_URL:
        what = f"{what[:_LONGEST_URL]}…"
    opened = values.get("opened")
    action = str(values.get("action") or "")
    return ShownRow(
        moment(values.get("start"), zone),
        str(values.get("person") or values.get("client_ip") or "not shown"),
        MASKED if row.masked else what or "not shown",
        "" if opened is None else "opened" if opened else "fetched by the browser",
        _ACTIONS.get(action, action),
        "bad" if action in REFUSALS else "",
        str(values.get("rule") or ""),
        ", ".join(values.get("categories") or ()),
        str(values.get("id") or ""),
        around,
    )


@dataclass(frozen=True, slots=True)
class ShownSession:
    """One line of the table of sessions."""

    when: str
    minutes: int
    who: str
    client: str
    requests: int
    opened: int
    refused: int
    sites: str
    rows: str


def shown_session(
    session: Session, zone: tzinfo, wanted: Asked, typed: Callable[[datetime], str]
) -> ShownSession:
    """A session in words, with the address of its rows."""
    sites = [f"{host} ({count})" for host, count in session.sites]
    if session.masked:
        sites.append(f"masked ({session.masked})")
    rows = wanted.address(
        since=typed(session.begins), until=typed(_next_second(session.ends)), order="oldest"
    )
    return ShownSession(
        moment(session.begins, zone),
        session.minutes,
        session.who,
        session.client,
        session.requests,
        session.opened,
        session.refused,
        ", ".join(sites),
        rows,
    )


def _next_second(moment: datetime) -> datetime:
    """Addresses have whole seconds, and an end is not included."""
    return moment.replace(microsecond=0) + timedelta(seconds=1)

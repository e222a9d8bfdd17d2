"""A search as its address says it: so that it can be kept, sent on, and asked again.

In: the query of a request. Out: an authorisation's reference, a question, what is wrong with it;
and the address of the same search with something changed.
Must never: widen anything: the desk puts bounds on whatever is asked; guess what a wrong value was
to mean.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from proxy_addons.audit.store import Question

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

PLAIN: Final = ("person", "client", "host", "category", "rule", "file_type", "text")
"""Fields that are taken as they are typed."""
ACTIONS: Final = ("", "allow", "coach", "redirect", "block")
ORDERS: Final = ("newest", "oldest")
_LONGEST: Final = 512  # characters of a field
_MOMENT: Final = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d))?)?", re.ASCII)
_REFERENCE: Final = re.compile(r"[A-Za-z0-9-]{1,32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked.

    Attributes:
        fields: as they were typed, without empty ones; never `after`.
        authorisation: reference, "" where none was named.
        question: what is asked.
        after: which page of rows; "" the first.
        problems: field and words.
    """

    fields: Mapping[str, str]
    authorisation: str
    question: Question
    after: str = ""
    problems: tuple[tuple[str, str], ...] = field(default=())

    def address(self, path: str = "/psd/search", **changed: str) -> str:
        """The same search, elsewhere or with other fields. What is empty is left out.

        Args:
            path: of the page.
            changed: fields to put in place of its own.
        """
        told = {name: value for name, value in {**self.fields, **changed}.items() if value}
        return f"{path}?{urlencode(told)}" if told else path

    def text(self, name: str) -> str:
        """A field as it was typed."""
        return self.fields.get(name, "")


def asked(query: Mapping[str, str], zone: tzinfo) -> Asked:
    """Read an address.

    Args:
        query: of the request.
        zone: the force's: times are of its clocks.
    """
    names = ("au", *PLAIN, "action", "order", "since", "until")
    fields = {name: query.get(name, "").strip() for name in names}
    fields = {name: value for name, value in fields.items() if value}
    problems = [
        (name, f"At most {_LONGEST} characters")
        for name, value in fields.items()
        if len(value) > _LONGEST
    ]
    reference = fields.get("au", "").upper()
    if reference and not _REFERENCE.fullmatch(reference):
        problems.append(("au", "This is no reference of an authorisation"))
        reference = ""
    action = fields.get("action", "")
    if action not in ACTIONS:
        problems.append(("action", "What was decided is allow, coach, redirect or block"))
    since = _moment(fields, "since", zone, problems, whole_day=False)
    until = _moment(fields, "until", zone, problems, whole_day=True)
    if since is not None and until is not None and since >= until:
        problems.append(("until", "The end is not after the beginning"))
    question = Question(
        since=since,
        until=until,
        action=action,
        newest_first=fields.get("order", "newest") != "oldest",
        **{name: fields.get(name, "") for name in PLAIN},
    )
    after = query.get("after", "")
    return Asked(fields, reference, question, after, tuple(problems))


def _moment(
    fields: Mapping[str, str],
    name: str,
    zone: tzinfo,
    problems: list[tuple[str, str]],
    *,
    whole_day: bool,
) -> datetime | None:
    """A moment by the force's clock; a day alone is its first moment, or the first after it."""
    text = fields.get(name, "")
    if not text:
        return None
    day, clock, second = match.groups() if (match := _MOMENT.fullmatch(text)) else ("", "", "")
    try:
        found = datetime.fromisoformat(f"{day}T{clock or '00:00'}:{second or '00'}")
        if whole_day and clock is None:
            found += timedelta(days=1)
        return found.replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        # Nothing is asked: the form comes back and says so.
        problems.append((name, "Write a day such as 2026-11-23, or with a time: 2026-11-23T09:30"))
        return None

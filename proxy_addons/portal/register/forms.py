"""Reading forms: what was typed, and what is wrong with it, field by field.

In: a posted form. Out: values, or problems for the summary at the page's top.
Must never: throw away what somebody typed because one field of it is wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date
from typing import TYPE_CHECKING

from proxy_addons.standing.dates import begin_of, end_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, tzinfo

    from aiohttp import web

_DAY = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_BRITISH_DAY = re.compile(r"(\d{1,2})[/. ](\d{1,2})[/. ](\d{4})")


@dataclass
class Form:
    """What was typed.

    Attributes:
        fields: name → values.
        problems: name of the field (empty: of none) and words, in the page's order.
    """

    fields: Mapping[str, list[str]]
    problems: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    async def posted(cls, request: web.Request) -> Form:
        """The form of a POST whose token has been checked."""
        sent = await request.post()
        return cls(
            {
                name: [each for each in sent.getall(name) if isinstance(each, str)]
                for name in sent
                if name != "csrf"
            }
        )

    def text(self, name: str) -> str:
        """A field's text as it was typed; empty if there is none."""
        values = self.fields.get(name, [])
        return values[0] if values else ""

    def all(self, name: str) -> list[str]:
        """All values of a field that can have several."""
        return list(self.fields.get(name, []))

    def ticked(self, name: str) -> bool:
        """Whether a box is ticked."""
        return bool(self.text(name))

    def wrong(self, name: str, words: str) -> None:
        """Note what is wrong with a field."""
        self.problems.append((name, words))

    def begin(self, name: str, zone: tzinfo, what: str) -> datetime | None:
        """The first moment of a day, or None where it is missing or none; then noted as wrong."""
        day = self._day(name, what)
        return begin_of(day, zone) if day is not None else None

    def end(self, name: str, zone: tzinfo, what: str) -> datetime | None:
        """The first moment after a day; None as above."""
        day = self._day(name, what)
        if day is None:
            return None
        try:
            return end_of(day, zone)
        except OverflowError:
            # The calendar's own end: nothing is changed, the page says so.
            self.wrong(name, f"{what} is too far away")
            return None

    def _day(self, name: str, what: str) -> date | None:
        text = self.text(name).strip()
        if not text:
            self.wrong(name, f"Enter {what[0].lower()}{what[1:]}")
            return None
        british = _BRITISH_DAY.fullmatch(text)
        parts = british.groups()[::-1] if british else None
        if (iso := _DAY.fullmatch(text)) is not None:
            parts = iso.groups()
        try:
            if parts is not None:
                found = date(int(parts[0]), int(parts[1]), int(parts[2]))
                begin_of(found, UTC)
                return found
        except (ValueError, OverflowError):
            # 31 November: said below.
            pass
        self.wrong(name, f"{what} must be a day such as 2026-11-23 or 23/11/2026")
        return None

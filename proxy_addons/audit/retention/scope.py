"""What a legal hold covers.

In: persons, a range of time, an authorisation. Out: whether a record, or anything of a period, is
covered.
Must never: leave in doubt what may be the held person's: what is not known counts as covered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Scope:
    """All that is given must be true of what is covered.

    Attributes:
        persons: canonical names; None: everybody.
        since: first moment, aware; None: from the beginning.
        until: first moment that is outside again; None: without an end.
        authorisation: only what was seen or taken under this one; None: whatever it was.
        unknown_too: whether records that name nobody count as the persons': somebody may not have
            been recognised.
    """

    persons: frozenset[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    authorisation: str | None = None
    unknown_too: bool = True

    def covers(self, person: str | None, at: datetime, authorisations: frozenset[str]) -> bool:
        """Whether one record is covered.

        Args:
            person: whose it is; None: not known.
            at: its `start`.
            authorisations: under which it was seen or taken.
        """
        if self.since is not None and at < self.since:
            return False
        if self.until is not None and at >= self.until:
            return False
        return self._whose(person) and self._under(authorisations)

    def touches(
        self,
        persons: frozenset[str] | None,
        since: datetime | None,
        until: datetime | None,
        authorisations: frozenset[str],
    ) -> bool:
        """Whether any record of something may be covered.

        Args:
            persons: whose records it has; None: not known. A record of nobody may be among them.
            since: its first record; None: not known.
            until: its last record, included; None: not known.
            authorisations: as of `covers`.
        """
        if self.since is not None and until is not None and until < self.since:
            return False
        if self.until is not None and since is not None and since >= self.until:
            return False
        mine = (
            self.persons is None
            or persons is None
            or self.unknown_too
            or not persons.isdisjoint(self.persons)
        )
        return mine and self._under(authorisations)

    def has_all(
        self, since: datetime | None, until: datetime | None, authorisations: frozenset[str]
    ) -> bool:
        """Whether every record of something is covered, whoever's it is. See `touches`."""
        if self.persons is not None or not self._under(authorisations):
            return False
        starts = self.since is None or (since is not None and since >= self.since)
        stops = self.until is None or (until is not None and until < self.until)
        return starts and stops

    def _whose(self, person: str | None) -> bool:
        if self.persons is None:
            return True
        return self.unknown_too if person is None else person in self.persons

    def _under(self, authorisations: frozenset[str]) -> bool:
        return self.authorisation is None or self.authorisation in authorisations

    @property
    def words(self) -> str:
        """In words."""
        said = []
        if self.persons is not None:
            said.append(f"records of {', '.join(sorted(self.persons))}")
            if self.unknown_too:
                said.append("and of nobody known")
        if self.since is not None:
            said.append(f"from {self.since:%d %b %Y %H:%M} UTC")
        if self.until is not None:
            said.append(f"before {self.until:%d %b %Y %H:%M} UTC")
        if self.authorisation is not None:
            said.append(f"under {self.authorisation}")
        return " ".join(said)

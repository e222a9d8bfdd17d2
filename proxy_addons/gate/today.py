"""What the gate asks about people's duty days: breaks, minutes, duties, confirmations, reviews.

In: names and moments. Out: answers from a worker's memory (standing/today.py has them).
Must never: wait, or ask a store or a clock; allow anything where nothing is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from proxy_addons.policy.states import NO_ROTA

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from proxy_addons.policy.retry import Ahead

_NO_ROTA = frozenset({NO_ROTA})


class LiveBreak(Protocol):
    """A break that is running."""

    @property
    def begins(self) -> datetime:
        """Aware, UTC; included."""

    @property
    def ends(self) -> datetime:
        """Aware, UTC; excluded."""


class Left(Protocol):
    """What is left of a day's breaks."""

    @property
    def minutes(self) -> int:
        """Minutes that can still be taken."""

    @property
    def may_start_at(self) -> datetime:
        """When one may be started."""

    @property
    def offered(self) -> tuple[int, ...]:
        """The lengths that can be started now, in minutes."""


class Latest(Protocol):
    """Counts what has come about anybody."""

    @property
    def number(self) -> int:
        """Another one whenever the stamp of anybody is."""


class Today(Protocol):
    """A worker's view of people's duty days."""

    @property
    def latest(self) -> Latest:
        """To be looked at before each request: no stamp has changed while its number has not."""

    def states(self, person: str | None, at: datetime) -> frozenset[str]:
        """What stands for a person (policy/states.py)."""

    def changes(self, person: str, at: datetime) -> datetime | None:
        """When the clock alone next changes the answer of `states`, or None."""

    def ahead(self, person: str, at: datetime) -> Iterable[Ahead]:
        """What will stand for a person from a moment on, as far as is known."""

    def stamp(self, person: str) -> int:
        """A number that is another whenever something about the person has come.

        Of minutes, those that make a difference to `states` or `changes`.
        """

    def break_of(self, person: str, at: datetime) -> LiveBreak | None:
        """The break that is running."""

    def breaks_left(self, person: str, at: datetime) -> Left:
        """What is left of the day's breaks."""

    def confirmed(self, person: str, rule: str, site: str, at: datetime) -> bool:
        """Whether the person has lately confirmed what a rule expects of them at a site."""

    def acknowledged(self, person: str, version: str, at: datetime) -> bool:
        """Whether the person has acknowledged a version of the statement, and it counts still."""

    def site_categories(self, host: str) -> frozenset[str] | None:
        """Categories that a review has given a host or a parent of it; None: those of the lists."""

    def allowed_site(self, person: str, host: str, at: datetime) -> str | None:
        """Reference of the review that allows a person a host or a parent of it; or None."""

    def count(self, person: str, at: datetime, social: bool) -> None:
        """The person uses the web for themself in this minute."""

    def refused(self, person: str, at: datetime, rule: str) -> None:
        """A rule has refused what the person opened."""


class _Never:
    """Nothing ever comes."""

    number = 0


class _NothingLeft(NamedTuple):
    minutes: int
    may_start_at: datetime
    offered: tuple[int, ...]


class _Nothing:
    """Of a program without a store, or before it was read: nothing is known of anybody."""

    latest = _Never()

    def states(self, _person: str | None, _at: datetime) -> frozenset[str]:
        return _NO_ROTA

    def changes(self, _person: str, _at: datetime) -> datetime | None:
        return None

    def ahead(self, _person: str, _at: datetime) -> Iterable[Ahead]:
        return ()

    def stamp(self, _person: str) -> int:
        return 0

    def break_of(self, _person: str, _at: datetime) -> LiveBreak | None:
        return None

    def breaks_left(self, _person: str, at: datetime) -> Left:
        return _NothingLeft(0, at, ())

    def confirmed(self, _person: str, _rule: str, _site: str, _at: datetime) -> bool:
        return False

    def acknowledged(self, _person: str, _version: str, _at: datetime) -> bool:
        return False

    def site_categories(self, _host: str) -> frozenset[str] | None:
        return None

    def allowed_site(self, _person: str, _host: str, _at: datetime) -> str | None:
        return None

    def count(self, _person: str, _at: datetime, _social: bool) -> None:
        """There is nobody to tell."""

    def refused(self, _person: str, _at: datetime, _rule: str) -> None:
        """As above."""


NOTHING_TODAY: Today = _Nothing()
"""Nothing is known of anybody's day."""

"""What is known of a source between two updates.

In: `state.json` of a list. Out: the same, changed.
Must never: be needed for the list in force: when it is lost, the list is fetched again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from proxy_addons.categorisation.updates.fetching import Validators
from proxy_addons.categorisation.updates.files import put

if TYPE_CHECKING:
    from pathlib import Path

_FILE: Final = "state.json"


@dataclass(frozen=True, slots=True)
class State:
    """What is known.

    Attributes:
        pinned: version that a roll-back put in force; nothing newer is fetched.
        held: version that waits for somebody's word.
        place: where what follows is from; another place is another source.
        validated: version that the validators are of.
        etag: see `Validators`.
        last_modified: see `Validators`.
        succeeded: when it was last fetched, or found unchanged; ISO 8601.
        failed: when that last failed; None: not since it succeeded.
        why: why it failed.
    """

    pinned: str | None = None
    held: str | None = None
    place: str | None = None
    validated: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    succeeded: str | None = None
    failed: str | None = None
    why: str | None = None

    def validators(self, place: str, in_force: str | None) -> Validators:
        """What to ask the server with: none unless they are of what is here."""
        if self.place != place or self.validated is None:
            return Validators()
        if self.validated not in {in_force, self.held}:
            return Validators()
        return Validators(self.etag, self.last_modified)

    def is_due(self, now: datetime, every: float, between: tuple[int, int] | None) -> bool:
        """Whether it is time to fetch.

        Args:
            now: the moment, with its zone.
            every: seconds after which a success is too old; one that began a little later than
                the last (a timer's random delay) is not put off for a whole turn.
            between: hours in UTC, minutes since midnight; None: any.
        """
        if between is not None:
            minute = int(now.timestamp()) // 60 % 1440
            first, last = between
            inside = first <= minute < last if first < last else minute >= first or minute < last
            if not inside:
                return False
        if self.succeeded is None:
            return True
        return now.timestamp() - datetime.fromisoformat(self.succeeded).timestamp() >= every * 0.9


def read_state(folder: Path) -> State:
    """The state of a list; a fresh one where there is none, or a damaged one."""
    try:
        data = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        if any(value is not None and not isinstance(value, str) for value in data.values()):
            return State()
        found = State(**data)
        for moment in (found.succeeded, found.failed):
            if moment is not None:
                datetime.fromisoformat(moment)
    except (OSError, ValueError, TypeError, AttributeError):
        return State()  # it is fetched again, and compared again
    return found


def write_state(folder: Path, state: State) -> None:
    """Keeps the state of a list.

    Raises:
        OSError: the one before stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    put(folder / _FILE, json.dumps(asdict(state), indent=1, sort_keys=True))

"""A clock for a real gateway that the test moves: the real time, shifted.

In: how far it is ahead or behind. Out: the gateway's environment; what its clock says.
Must never: move the monotonic clock, by which time-outs go.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from support.faketime import wall_clock

if TYPE_CHECKING:
    from pathlib import Path


class MovingClock:
    """The gateway's clock.

    Args:
        file: for faketime, which reads it at each look at the clock.
        begins: what it says now, aware; the real time unless given.
        lag: whole seconds after which a move is seen at the latest; 0 costs a read of the file at
            each look at the clock.
    """

    def __init__(self, file: Path, begins: datetime | None = None, *, lag: int = 0) -> None:
        self.file = file
        self._lag = lag
        self._ahead = timedelta()
        self.go_on(round((begins - datetime.now(UTC)).total_seconds()) if begins else 0)

    @property
    def environ(self) -> dict[str, str]:
        """For the gateway's processes."""
        return wall_clock(FAKETIME_TIMESTAMP_FILE=str(self.file)) | (
            {"FAKETIME_CACHE_DURATION": str(self._lag)} if self._lag else {"FAKETIME_NO_CACHE": "1"}
        )

    def go_on(self, seconds: int) -> None:
        """Move it on."""
        self._ahead += timedelta(seconds=seconds)
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{self._ahead.total_seconds():+.0f}\n")
        fresh.replace(self.file)

    def now(self) -> datetime:
        """What it says."""
        return datetime.now(UTC) + self._ahead

    def today(self, days: int = 0) -> str:
        """The day of it, or another one, as ISO 8601 writes it (UTC)."""
        return f"{self.now() + timedelta(days=days):%Y-%m-%d}"

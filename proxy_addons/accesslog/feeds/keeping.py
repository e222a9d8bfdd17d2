"""What a keeper of the log must not remove yet: segments that a feed has not passed.

In: the folders, the feeds of the settings. Out: names of segments.
Must never: let a segment go because a position cannot be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy_addons.accesslog.feeds.position import PositionError, file_of, load
from proxy_addons.accesslog.segment import SegmentName, segments_in

if TYPE_CHECKING:
    from pathlib import Path

    from proxy_addons.settings.model import Settings


STATE_FILE: Final = "feeds.json"
"""What the process of the feeds tells of them, in the folder of running processes."""


def feeds_dir(settings: Settings) -> Path:
    """Where the positions of feeds stand."""
    return settings.paths.data_dir / "feeds"


def unpassed(settings: Settings) -> frozenset[str]:
    """Names of the plain segments that some feed may still have to read.

    Raises:
        OSError: the folder of the segments cannot be read.
    """
    names = [str(name) for name, _ in segments_in(settings.paths.access_log_dir)]
    held: set[str] = set()
    for feed in settings.feeds:
        try:
            position = load(file_of(feeds_dir(settings), feed.name))
        except (PositionError, OSError):
            # Nobody knows how far it has come: everything stays.
            return frozenset(names)
        if position is None:
            # It has not begun. One that begins now needs nothing that was written before.
            held.update(names if feed.beginning == "beginning" else ())
        else:
            held.update(name for name in names if position.needs(name))
    return frozenset(held)


def oldest_unpassed(settings: Settings) -> SegmentName | None:
    """The oldest plain segment that some feed has not passed; None when all have passed all.

    Raises:
        OSError: the folder of the segments cannot be read.
    """
    parsed = (SegmentName.parse(name) for name in unpassed(settings))
    return min((name for name in parsed if name is not None), default=None)

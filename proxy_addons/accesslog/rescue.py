"""Rescue: a segment that somebody removed while it was written to.

In: the removed segment, whose content lives on in the open file. Out: its lines in another segment.
Must never: copy a line twice, or let go of the open file before all is copied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy_addons.accesslog.segment import Segment

_CHUNK = 1 << 20  # longer than any line


class Rescue:
    """The durable lines of a removed segment, as far as they are not copied yet."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._offset = 0

    def into(self, segment: Segment) -> None:
        """Copies what is left into another segment, and closes the removed one.

        Raises:
            OSError, SegmentError: it did not go through; call again, with this or another segment.
        """
        while data := self._segment.read(_CHUNK, self._offset):
            lines = data[: data.rfind(b"\n") + 1]
            segment.append(lines)
            self._offset += len(lines)
        self._segment.close()

"""What looking into an archive may cost: files, bytes, time.

In: limits; what was seen. Out: nothing, or `TooLargeError`. Must never: be asked for more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.settings.content import Archives as Limits

# What is small is no bomb, however well it is packed.
_SMALL: Final = 16 << 20


class TooLargeError(Exception):
    """A limit is reached."""


class Spending:
    """What one look into an archive, and into all that is in it, has cost so far.

    Args:
        limits: of the settings.
        packed: bytes of the outermost archive.
        clock: seconds that this process has worked.
    """

    def __init__(self, limits: Limits, packed: int, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._until = clock() + limits.seconds
        self._members = 0
        self._unpacked = 0
        self._most = min(limits.size, max(_SMALL, packed * limits.ratio))

    def count(self, claimed: int) -> None:
        """One more file, which is said to have so many bytes.

        Raises:
            TooLargeError: that is beyond a limit.
        """
        self._members += 1
        if self._members > self._limits.members:
            raise TooLargeError
        self.unpack(claimed)

    def unpack(self, size: int) -> None:
        """So many bytes more, which nobody has claimed.

        Raises:
            TooLargeError: that is beyond a limit.
        """
        self._unpacked += size
        if self._unpacked > self._most or self._clock() > self._until:
            raise TooLargeError


class Size:
    """How large a member is: as the archive claims, or as it turns out to be if that is more."""

    __slots__ = ("_claimed", "_read")

    def __init__(self, claimed: int) -> None:
        self._claimed = claimed
        self._read = 0

    def beyond(self, more: int) -> int:
        """Of bytes that were read, those that nobody claimed."""
        before = max(self._claimed, self._read)
        self._read += more
        return max(self._claimed, self._read) - before

"""How often a token may ask: a bucket of calls each, that fills again by itself.

In: a token's reference, the clock. Out: whether one more call is granted, what is left.
Must never: grow with the number of tokens without end; let one token's calls count for another.

In memory, so in each portal by itself: after a restart every bucket is full.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cachetools import LRUCache

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS: Final = 60
"""Calls of one token in `SECONDS`, and as many at once."""
SECONDS: Final = 60.0
_TOKENS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Grant:
    """What became of a call.

    Attributes:
        granted: whether it may be made.
        left: calls that could be made at once after it.
        wait: seconds until the bucket is full; where it is not granted, until the next call can be.
    """

    granted: bool
    left: int
    wait: int


class Limits:
    """The buckets.

    Args:
        calls: what a full one holds.
        seconds: in which an empty one is full again.
        clock: seconds that only ever go forward.
    """

    def __init__(
        self,
        calls: int = CALLS,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.calls = calls
        self.seconds = seconds
        self._clock = clock
        self._each = seconds / calls
        # Reference → when its bucket is full. Whoever is pushed out of the cache begins with a full
        # one: 10 000 tokens would have to be in use meanwhile.
        self._full: LRUCache[str, float] = LRUCache(_TOKENS)

    def take(self, reference: str) -> Grant:
        """Take one call out of a token's bucket, if there is one."""
        now = self._clock()
        full = max(self._full.get(reference, now), now) + self._each
        over = full - now - self.seconds
        # Sums of parts of seconds are a little more or less than the whole.
        if over > 1e-6:
            return Grant(granted=False, left=0, wait=math.ceil(over - 1e-6))
        self._full[reference] = full
        left = int((self.seconds - (full - now)) / self._each + 1e-6)
        return Grant(granted=True, left=left, wait=math.ceil(full - now - 1e-6))

    def headers(self, grant: Grant) -> dict[str, str]:
        """What a client is told of it (draft-ietf-httpapi-ratelimit-headers-10)."""
        told = {
            "RateLimit-Policy": f'"token";q={self.calls};w={self.seconds:.0f}',
            "RateLimit": f'"token";r={grant.left};t={grant.wait}',
        }
        return told if grant.granted else told | {"Retry-After": str(grant.wait)}

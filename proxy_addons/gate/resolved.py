"""Which names an address lately stood for: a refused site is refused by its address too.

In: names with the addresses they resolved to; names that were refused. Out: the names of an
address; the refused names whose addresses are still to be looked up (engine/lookups.py does).
Must never: delay or change the answer to the request in hand; grow without bound; let names that
somebody makes up push out those of refused sites.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cachetools import TTLCache

from proxy_addons.urlkey import classified_host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LIFETIME = 3600.0  # seconds
_ADDRESSES = 16_384  # of refused names, and as many of others
_NAMES = 64  # of one address: shared servers have more, and the latest count
_WAITING = 1024  # refused names still to be looked up


class Resolved:
    """Remembers.

    Args:
        clock: monotonic seconds.
        lifetime: seconds that a name is remembered.
        on_wanted: called when a name is to be looked up; None: nobody looks, so none is kept.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        lifetime: float = LIFETIME,
        on_wanted: Callable[[], None] | None = None,
    ) -> None:
        self.on_wanted = on_wanted
        self._clock = clock
        self._lifetime = lifetime
        self._refused: TTLCache[str, dict[str, float]] = TTLCache(_ADDRESSES, lifetime, clock)
        self._others: TTLCache[str, dict[str, float]] = TTLCache(_ADDRESSES, lifetime, clock)
        self._looked: TTLCache[str, bool] = TTLCache(_ADDRESSES, lifetime, clock)
        self._waiting: dict[str, None] = {}

    def names(self, address: str) -> tuple[str, ...]:
        """The names that an address lately stood for, refused ones first.

        Args:
            address: canonical, as in a URL key.
        """
        now = self._clock()
        found: dict[str, None] = {}
        for memory in (self._refused, self._others):
            for name, until in memory.get(address, {}).items():
                if until > now:
                    found[name] = None
        return tuple(found)

    def remember(self, name: str, addresses: Iterable[str], *, refused: bool = False) -> None:
        """A name has been resolved.

        Args:
            name: canonical host; an address is no name and is passed over.
            addresses: numeric.
            refused: whether the policy refused it, which is why it was looked up.
        """
        memory = self._refused if refused else self._others
        until = self._clock() + self._lifetime
        for text in addresses:
            address = classified_host(text)[0]
            if address == name:
                return
            names = memory.get(address, {})
            names.pop(name, None)  # so that the latest stand last
            names[name] = until
            while len(names) > _NAMES:
                del names[next(iter(names))]
            memory[address] = names  # the entry begins a new life

    def refused(self, name: str) -> None:
        """The policy refused a name: its addresses will be looked up, once in a while."""
        if self.on_wanted is None or name in self._looked or len(self._waiting) >= _WAITING:
            return
        self._looked[name] = True
        self._waiting[name] = None
        self.on_wanted()

    def next_wanted(self) -> str | None:
        """The next name to look up; None when there is none."""
        if not self._waiting:
            return None
        name = next(iter(self._waiting))
        del self._waiting[name]
        return name

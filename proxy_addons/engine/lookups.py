"""Look-ups in the background: the addresses of names that the policy refused.

In: refused names (gate/resolved.py). Out: their addresses, remembered there.
Must never: hold up a request; ask more than a few names at a time; end because a name failed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from proxy_addons.engine.resolver import ResolutionFailed

if TYPE_CHECKING:
    from proxy_addons.engine.resolver import Resolver
    from proxy_addons.gate.resolved import Resolved

_AT_A_TIME = 4  # the resolver's threads are for people's requests first


class Lookups:
    """Looks up what `Resolved` wants, from the first that it wants.

    Args:
        resolver: as for connections.
        resolved: says what is wanted, and remembers. Without a running event loop nothing is done.
    """

    def __init__(self, resolver: Resolver, resolved: Resolved) -> None:
        self._resolver = resolver
        self._resolved = resolved
        self._running: set[asyncio.Task[None]] = set()
        resolved.on_wanted = self._wanted

    def _wanted(self) -> None:
        if len(self._running) < _AT_A_TIME:
            task = asyncio.get_running_loop().create_task(self._work())
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _work(self) -> None:
        while (name := self._resolved.next_wanted()) is not None:
            try:
                addresses = await self._resolver.addresses(name)
            except ResolutionFailed:
                # Nobody waits for it: the name stays refused by name, and is looked up again when
                # it is refused in an hour.
                continue
            self._resolved.remember(name, addresses, refused=True)

    def stop(self) -> None:
        """Give up what is under way."""
        self._resolved.on_wanted = None
        for task in self._running:
            task.cancel()

"""What somebody may see of the register, and who is who in it.

In: a visit. Out: the exemptions that are theirs to see, in words.
Must never: show an exemption to somebody whom it does not concern and whose role sees no others.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from proxy_addons.portal.access import reads_all
from proxy_addons.portal.register.shown import Shown, shown
from proxy_addons.standing.problems import UnknownReferenceError
from proxy_addons.standing.report import report

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from proxy_addons.identity.entries import Entry
    from proxy_addons.portal.signin.guard import Visit
    from proxy_addons.portal.signin.services import Services
    from proxy_addons.standing.exemption import Exemption

_AT_ONCE = 8  # questions to the directory


def may_see(visit: Visit, exemption: Exemption) -> bool:
    """Whether an exemption is somebody's to see."""
    someone = visit.someone
    return (
        reads_all(someone.roles)
        or someone.name in {exemption.person, exemption.requested_by}
        or exemption.person in someone.manages
    )


class Reading:
    """Reads the register for pages.

    Args:
        services: store and directory.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    async def one(self, visit: Visit, reference: str) -> Exemption:
        """One exemption.

        Raises:
            UnknownReferenceError: there is none, or it is not theirs to see: which of the two is
                nobody's business.
        """

        def read() -> Exemption:
            return self._services.register().get(reference)

        found = await self._services.threads.run(read)
        if not may_see(visit, found):
            raise UnknownReferenceError(reference)
        return found

    async def mine(self, visit: Visit) -> list[Shown]:
        """All that they may see, in words; newest first."""

        def read() -> tuple[tuple[Exemption, ...], dict[str, date]]:
            register = self._services.register()
            return register.all(), register.last_used()

        found, used = await self._services.threads.run(read)
        return await self.in_words(
            visit, [each for each in reversed(found) if may_see(visit, each)], used
        )

    async def in_words(
        self, visit: Visit, found: Iterable[Exemption], used: Mapping[str, date] | None = None
    ) -> list[Shown]:
        """Exemptions in words, with what the directory says of their people."""
        listed = list(found)
        entries = await self.entries({each.person for each in listed})

        def unit_of(name: str) -> str | None:
            entry = entries.get(name)
            return entry.unit if entry else None

        made = report(listed, last_used=used or {}, unit_of=unit_of, now=visit.now)
        zone = self._services.settings.policy.time_zone
        return [shown(row, visit.now, zone, entries.get(row.exemption.person)) for row in made.rows]

    async def entries(self, names: Iterable[str]) -> dict[str, Entry]:
        """What the directory says of people; nothing of those whom it does not know."""
        turns = asyncio.Semaphore(_AT_ONCE)

        async def ask(name: str) -> tuple[str, Entry | None]:
            async with turns:
                return name, await self._services.people.entry(name)

        found = await asyncio.gather(*map(ask, names))
        return {name: entry for name, entry in found if entry is not None}

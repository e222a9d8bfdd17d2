"""What somebody may see of the register of authorisations, with the offices that they act for.

In: a visit. Out: authorisations that they may know of.
Must never: tell that there is one to somebody who may not know (audit/authority/rules.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy_addons.portal.register.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from proxy_addons.audit.authority.model import Authorisation
    from proxy_addons.audit.authority.rules import Held
    from proxy_addons.portal.signin.guard import Visit
    from proxy_addons.portal.signin.services import Services
    from proxy_addons.standing.steps import Step


@dataclass(frozen=True, slots=True)
class Case:
    """An authorisation in front of somebody.

    Attributes:
        it: the authorisation.
        held: offices that they hold or deputise for.
        steps: its history, oldest first.
    """

    it: Authorisation
    held: Held
    steps: tuple[Step, ...] = ()

    @property
    def reference(self) -> str:
        """Its name in addresses."""
        return self.it.reference


class Cases:
    """Reads the register for pages.

    Args:
        services: store and directory.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._directory = Reading(services)

    async def one(self, visit: Visit, reference: str) -> Case:
        """One authorisation.

        Raises:
            UnknownReferenceError: there is none, or it is not theirs to know of: which of the two
                is nobody's business.
        """

        def read() -> Case:
            register, held = self._services.authorisations(), self._held(visit)
            found = register.get(visit.actor, reference)
            return Case(found, held, register.steps(visit.actor, found.reference))

        return await self._services.threads.run(read)

    async def all(self, visit: Visit) -> list[Case]:
        """All that they may see; newest first."""

        def read() -> list[Case]:
            held = self._held(visit)
            found = self._services.authorisations().all(visit.actor)
            return [Case(each, held) for each in reversed(found)]

        return await self._services.threads.run(read)

    async def displays(self, names: Iterable[str]) -> Mapping[str, str]:
        """Login name → what to call them, where the directory says it."""
        entries = await self._directory.entries(set(names))
        return {name: entry.display for name, entry in entries.items() if entry.display}

    def _held(self, visit: Visit) -> Held:
        return self._services.deputies().held(visit.actor)

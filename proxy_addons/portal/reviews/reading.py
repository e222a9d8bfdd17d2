"""What somebody may see of the reviews, in words.

In: a visit. Out: the queue, or one review.
Must never: show a review to somebody who neither asked for it nor has a role that sees all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.portal.access import PAGES
from proxy_addons.portal.register.reading import Reading
from proxy_addons.portal.reviews.shown import ShownReview, shown_review
from proxy_addons.standing.problems import UnknownReferenceError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy_addons.portal.signin.guard import Visit
    from proxy_addons.portal.signin.services import Services
    from proxy_addons.standing.review import Review


def sees_all(visit: Visit) -> bool:
    """Whether somebody sees the whole queue."""
    return not visit.someone.roles.isdisjoint(PAGES["reviews"].roles)


class ReviewReading:
    """Reads reviews for pages.

    Args:
        services: store and directory.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._reading = Reading(services)
        self._rules = {each.id: each for each in services.settings.policy.rules}

    async def one(self, visit: Visit, reference: str) -> Review:
        """One review.

        Raises:
            UnknownReferenceError: there is none, or it is not theirs to see.
        """
        found = await self._services.threads.run(lambda: self._services.reviews().get(reference))
        if not sees_all(visit) and found.person != visit.someone.name:
            raise UnknownReferenceError(reference)
        return found

    async def waiting(self, visit: Visit) -> list[ShownReview]:
        """Those that nobody has decided on, the oldest first."""
        found = await self._services.threads.run(lambda: self._services.reviews().waiting())
        return await self.in_words(visit, found)

    async def decided(self, visit: Visit) -> list[ShownReview]:
        """Those that were decided on, the newest first."""
        found = await self._services.threads.run(lambda: self._services.reviews().decided())
        return await self.in_words(visit, found)

    async def mine(self, visit: Visit) -> list[ShownReview]:
        """What the visitor asked for, the newest first: how they are told the answer."""
        name = visit.someone.name
        found = await self._services.threads.run(lambda: self._services.reviews().of(name))
        return await self.in_words(visit, found)

    async def in_words(self, visit: Visit, found: Iterable[Review]) -> list[ShownReview]:
        """Reviews in words, with what the directory says of their people."""
        listed = list(found)
        entries = await self._reading.entries({each.person for each in listed})
        zone = self._services.settings.policy.time_zone
        return [
            shown_review(
                each,
                visit.now,
                zone,
                entry=entries.get(each.person),
                rule=self._rules.get(each.rule),
            )
            for each in listed
        ]

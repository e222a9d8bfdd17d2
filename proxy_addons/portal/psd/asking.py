"""The portal's side of the desk: who asks is who is signed in; a refusal becomes a page.

In: a visit, a call (audit/desk). Out: the answer, or a page that says why there is none.
Must never: ask in anybody else's name; show a part of an answer as if it were the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - evaluated by dataclass
from typing import TYPE_CHECKING, Final

from proxy_addons.audit.authority.compiled import looks_by
from proxy_addons.audit.authority.model import Kind
from proxy_addons.audit.desk.client import DeskClient
from proxy_addons.audit.desk.wire import Refused, Who

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from aiohttp import web

    from proxy_addons.audit.authority.model import Authorisation
    from proxy_addons.audit.desk.wire import Call
    from proxy_addons.portal.signin.guard import Visit, VisitHandler
    from proxy_addons.portal.signin.services import Services

_STATUS: Final = {"refused": 403, "unknown": 404, "wrong": 400, "stale": 409, "unavailable": 503}
_TITLES: Final = {
    "refused": "You cannot see this",
    "unknown": "There is no such page",
    "wrong": "This cannot be asked",
    "stale": "Somebody else was quicker",
    "unavailable": "This does not work just now",
}


@dataclass(frozen=True, slots=True)
class Usable:
    """An authorisation that holds, in a few words, when it ends, whether it compares."""

    reference: str
    words: str
    ends: datetime
    compares: bool = False


class Asking:
    """Asks the desk for somebody.

    Attributes:
        services: of the portal.
        statics: addresses of scripts, by name.
    """

    def __init__(self, services: Services, statics: Mapping[str, str]) -> None:
        self.services = services
        self.statics = statics
        self._desk = DeskClient(services.settings.paths.desk_socket)

    def caught(self, handler: VisitHandler) -> VisitHandler:
        """The same handler; what the desk refuses becomes a page."""

        async def answering(request: web.Request, visit: Visit) -> web.StreamResponse:
            try:
                return await handler(request, visit)
            except Refused as problem:
                # Nothing was shown or changed, and the page says why.
                return self.services.answers.show(
                    "problem.html",
                    status=_STATUS[problem.kind],
                    visit=visit,
                    title=_TITLES[problem.kind],
                    text=problem.text,
                )

        answering.__name__ = handler.__name__
        return answering

    async def usable(self, visit: Visit, kind: Kind | None = None) -> list[Usable]:
        """Authorisations by which somebody may look at records now.

        Args:
            visit: who.
            kind: only of this kind; None: all but live observation, which has a page of its own.

        Raises:
            StandingUnavailableError: it cannot be known.
        """
        services = self.services

        def read() -> list[Usable]:
            return [
                Usable(
                    each.reference,
                    _words(each),
                    min(each.ends, each.valid_until),
                    each.comparison is not None,
                )
                for each in services.authorisations().all(visit.actor)
                if looks_by(visit.actor, each)
                and each.holds(visit.now)
                and (each.kind is kind if kind else each.kind is not Kind.LIVE)
                and each.kind is not Kind.DIP_SAMPLE  # of these, nobody chooses what is looked at
            ]

        return await services.threads.run(read)

    async def ask[T](self, visit: Visit, call: Call[T]) -> T:
        """The answer to a call.

        Raises:
            Refused: there is none.
        """
        return await self._desk.ask(_who(visit), call)

    def stream[T](self, visit: Visit, call: Call[T]) -> AsyncIterator[T]:
        """The items of a stream; as for `ask`."""
        return self._desk.stream(_who(visit), call)


def _words(found: Authorisation) -> str:
    whose = f"{len(found.subjects)} people" if len(found.subjects) > 1 else "".join(found.subjects)
    return ", ".join(filter(None, (found.kind, whose, found.allegation)))


def _who(visit: Visit) -> Who:
    someone = visit.someone
    return Who(someone.name, someone.roles, visit.session.how)

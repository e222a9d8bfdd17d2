"""What stands before every page for people who are signed in.

In: requests. Out: the page's handler is called with a `Visit`, or the request is answered here.
Must never: call a handler for somebody unknown, without the role, over a way others can read, or
for a POST that no page of ours sent.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from aiohttp import web

from proxy_addons.portal.access import may_open
from proxy_addons.portal.signin import onward
from proxy_addons.portal.signin.transport import (
    SESSION_COOKIE,
    came_from_elsewhere,
    drop_cookie,
    is_own,
    is_safe,
)
from proxy_addons.standing.actor import Actor
from proxy_addons.standing.problems import StandingUnavailableError, StepRefusedError

if TYPE_CHECKING:
    from proxy_addons.portal.access import Page
    from proxy_addons.portal.signin.people import Someone
    from proxy_addons.portal.signin.services import Services
    from proxy_addons.standing.sessions import Session

_LOG = logging.getLogger(__name__)

PROOF_HOLDS: Final = timedelta(minutes=5)
"""How old the proof may be for a step that another person's access hangs on."""

NOT_SAFE = (
    "Signing in needs a secure connection. Open this portal by its address that begins with "
    "https. If there is none yet, an operator sets listen.portal_tls."
)
NO_STORE = (
    "The register cannot be read just now, so nothing can be shown or changed. Exemptions and "
    "withdrawals stay as they were. Try again in a few minutes."
)


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody signed in, in front of a page.

    Attributes:
        session_id: from the cookie; for ending and renewing it, never for a page.
        session: what the store has of it.
        someone: who it is.
        withdrawn: reference of the withdrawal of their web access, or None.
        now: the time of the request, aware UTC.
    """

    session_id: str
    session: Session
    someone: Someone
    withdrawn: str | None
    now: datetime

    @property
    def csrf(self) -> str:
        """The token of this session's forms."""
        return self.session.csrf

    @property
    def has_just_proven(self) -> bool:
        """Whether the proof is young enough for a step that counts."""
        return timedelta(0) <= self.now - self.session.proven_at < PROOF_HOLDS

    @property
    def actor(self) -> Actor:
        """Who takes a step, for the registers."""
        someone = self.someone
        return Actor(
            someone.name, someone.roles, self.session.how, someone.manages, someone.offices
        )

    def may_open(self, page: str) -> bool:
        """Whether a page is open to them; for links."""
        return may_open(page, self.someone.roles, withdrawn=self.withdrawn is not None)


type VisitHandler = Callable[[web.Request, Visit], Awaitable[web.StreamResponse]]
type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Guard:
    """Makes guarded handlers.

    Args:
        services: store, directory, pages.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    def open(self, handler: Handler) -> Handler:
        """A handler for people who are not signed in yet: the way must be safe, nothing else."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            if not is_safe(request):
                return self._services.answers.problem(403, NOT_SAFE, title="Not over this address")
            return await self._answering(handler, request)

        guarded.__name__ = handler.__name__
        return guarded

    def page(self, page: Page, handler: VisitHandler) -> Handler:
        """A handler for somebody signed in who may open this page."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            visit = await self.visit(request)
            if visit is None:
                return self._not_signed_in(request)
            if not visit.may_open(page.name):
                return self._refused(visit)
            if request.method == "POST" and not await _is_ours(request, visit):
                _LOG.warning("a POST to %s was not sent by a page of ours", page.name)
                return self._services.answers.show(
                    "problem.html",
                    status=403,
                    visit=visit,
                    title="Nothing was changed",
                    text="This was not sent from a page of your present sign-in. Open the page "
                    "anew and try again.",
                )
            return await handler(request, visit)

        guarded.__name__ = handler.__name__
        return self.open(guarded)

    async def visit(self, request: web.Request) -> Visit | None:
        """Who is signed in, or None.

        Raises:
            StandingUnavailableError: it cannot be known.
        """
        session_id = request.cookies.get(SESSION_COOKIE)
        if not session_id or len(session_id) > 100:
            return None
        services = self._services
        found = await services.threads.run(services.session_and_withdrawal, session_id)
        if found is None:
            return None
        session, withdrawn = found
        someone = await services.people.someone(session.person)
        if someone is None:
            # Gone from the directory and the accounts since, or nobody can look it up: not let in.
            return None
        now = datetime.fromtimestamp(services.clock(), UTC)
        return Visit(session_id, session, someone, withdrawn, now)

    # --- inside -----------------------------------------------------------------------------

    async def _answering(self, handler: Handler, request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except StandingUnavailableError as problem:
            # The page says so; what was to be changed is not, as far as anybody can know.
            _LOG.error("%s", problem)
            return self._services.answers.problem(503, NO_STORE)
        except StepRefusedError as problem:
            # A rule of the register that no page has caught before: nothing was changed.
            return self._services.answers.problem(403, str(problem), title="Nothing was changed")

    def _not_signed_in(self, request: web.Request) -> web.StreamResponse:
        if request.method not in {"GET", "HEAD"}:
            return self._services.answers.problem(
                403,
                "You are no longer signed in, so this was not sent on. Sign in and do it again.",
                title="Nothing was changed",
            )
        if came_from_elsewhere(request):
            # The browser kept the cookie back because another site's link led here. From a page of
            # ours it sends it.
            return self._services.answers.show(
                "onward.html", title="One moment", onward=onward.safe(request.path_qs)
            )
        found = web.HTTPSeeOther(onward.with_next("/sign-in", request.path_qs))
        if SESSION_COOKIE in request.cookies:
            drop_cookie(found, SESSION_COOKIE)
        raise found

    def _refused(self, visit: Visit) -> web.StreamResponse:
        if visit.withdrawn is not None:
            text = "While your web access is withdrawn, you can open your own page and no other."
        else:
            text = "Your roles do not open this page. Which you have is on your own page."
        return self._services.answers.show(
            "problem.html",
            status=403,
            visit=visit,
            title="You cannot open this page",
            text=text,
        )


async def _is_ours(request: web.Request, visit: Visit) -> bool:
    if not is_own(request) or request.content_type != "application/x-www-form-urlencoded":
        return False
    sent = (await request.post()).get("csrf", "")
    token = sent if isinstance(sent, str) else ""
    return hmac.compare_digest(token.encode("utf-8", "surrogatepass"), visit.csrf.encode())

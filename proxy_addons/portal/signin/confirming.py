"""Confirming who one is, before a step that another person's web access hangs on.

In: requests of somebody signed in. Out: a session whose proof is new, under a new id.
Must never: take an old proof for a new one, or another person's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from proxy_addons.portal.access import PAGES
from proxy_addons.portal.signin import onward
from proxy_addons.portal.signin.proving import (
    Unproven,
    answer_of,
    by_password,
    by_ticket,
    has_ticket,
)

if TYPE_CHECKING:
    from proxy_addons.portal.signin.guard import Guard, Visit
    from proxy_addons.portal.signin.services import Services
    from proxy_addons.portal.signin.signing_in import SigningIn


class Confirming:
    """The handlers.

    Args:
        services: what they need.
        guard: what stands before pages.
        signing_in: how a proof becomes a session.
    """

    def __init__(self, services: Services, guard: Guard, signing_in: SigningIn) -> None:
        self._services = services
        self._guard = guard
        self._signing_in = signing_in

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""
        page = self._guard.page
        return [
            web.get("/confirm", page(PAGES["confirm"], self.ask)),
            web.post("/confirm", page(PAGES["confirm"], self.password)),
            web.post("/confirm/kerberos", page(PAGES["confirm"], self.kerberos)),
            web.get("/confirm/oidc", page(PAGES["confirm"], self.oidc)),
        ]

    async def ask(self, request: web.Request, visit: Visit) -> web.Response:
        """The page that asks; by the way that this person signed in."""
        path = onward.safe(request.query.get("next"))
        if visit.has_just_proven:
            raise web.HTTPSeeOther(path)
        return self._ask(visit, path)

    async def password(self, request: web.Request, visit: Visit) -> web.Response:
        """The password of a local account was sent."""
        form = await request.post()
        path = onward.safe(str(form.get("next", "")))
        if visit.session.how != "accounts" or self._services.accounts is None:
            return self._ask(visit, path, status=403)
        password = str(form.get("password", ""))
        if not password:
            return self._ask(visit, path, problem="Enter your password", status=400)
        # The name is the session's, whatever the form may say.
        found = await by_password(self._services, request, visit.someone.name, password)
        if isinstance(found, Unproven):
            words = found.words if found.status == 429 else "The password is not right"
            return self._ask(visit, path, problem=words, status=found.status)
        return await self._signing_in.proven_again(request, found, "accounts", path)

    async def kerberos(self, request: web.Request, visit: Visit) -> web.Response:
        """A fresh exchange with the domain. By POST: no other site can have the browser do it."""
        path = onward.safe(str((await request.post()).get("next", "")))
        if self._services.acceptor is None:
            return self._ask(visit, path, status=403)
        if not has_ticket(request):
            problem = "Your browser did not confirm it by itself"
            answer = self._ask(visit, path, problem=problem, status=401)
            answer.headers[hdrs.WWW_AUTHENTICATE] = "Negotiate"
            return answer
        proof = await by_ticket(self._services, request)
        if isinstance(proof, Unproven):
            return self._ask(visit, path, problem=proof.words, status=proof.status)
        answer = await self._signing_in.proven_again(request, proof.name, "kerberos", path)
        answer.headers.update(answer_of(proof))
        return answer

    async def oidc(self, request: web.Request, visit: Visit) -> web.Response:
        """Off to the sign-in service, which has to ask anew."""
        path = onward.safe(request.query.get("next"))
        if self._services.provider is None:
            return self._ask(visit, path, status=403)
        return await self._signing_in.to_provider(request, path, again=True)

    def _ask(
        self, visit: Visit, path: str, *, problem: str | None = None, status: int = 200
    ) -> web.Response:
        return self._services.answers.show(
            "confirm.html",
            status=status,
            forms=True,
            visit=visit,
            title="Confirm that it is you",
            onward=path,
            oidc_url=onward.with_next("/confirm/oidc", path),
            problems=[("password", problem)] if problem else [],
        )

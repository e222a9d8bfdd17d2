"""Signing in and out: the pages, one way after another as `portal.sign_in` orders them.

In: requests of people who are not signed in yet. Out: a session, or a page that says why not.
Must never: begin a session for a name that was not proven, or that nobody here knows.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from proxy_addons.portal.access import PAGES
from proxy_addons.portal.signin import onward
from proxy_addons.portal.signin.oidc import PENDING_FOR, OidcError, OidcUnavailableError, Pending
from proxy_addons.portal.signin.proving import (
    Unproven,
    answer_of,
    by_password,
    by_ticket,
    has_ticket,
)
from proxy_addons.portal.signin.transport import (
    FORM_COOKIE,
    PENDING_COOKIE,
    SESSION_COOKIE,
    base_url,
    came_from_elsewhere,
    client_address,
    drop_cookie,
    is_own,
    set_cookie,
)

if TYPE_CHECKING:
    from proxy_addons.portal.signin.guard import Guard, Visit
    from proxy_addons.portal.signin.services import Services

_LOG = logging.getLogger(__name__)
OIDC_DONE = "/sign-in/oidc/done"


class SigningIn:
    """The handlers.

    Args:
        services: what they need.
        guard: what stands before pages.
    """

    def __init__(self, services: Services, guard: Guard) -> None:
        self._services = services
        self._guard = guard
        self._ways = services.settings.portal.sign_in

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""
        way_in, page = self._guard.open, self._guard.page
        found = [
            web.get("/sign-in", way_in(self.choices)),
            web.get("/signed-out", way_in(self.signed_out)),
            web.post("/sign-out", page(PAGES["sessions"], self.sign_out)),
            web.post("/sign-out/everywhere", page(PAGES["sessions"], self.sign_out_everywhere)),
        ]
        if "accounts" in self._ways:
            found.append(web.post("/sign-in", way_in(self.account)))
        if "kerberos" in self._ways:
            found.append(web.get("/sign-in/kerberos", way_in(self.kerberos)))
        if "oidc" in self._ways:
            found.append(web.get("/sign-in/oidc", way_in(self.oidc)))
            found.append(web.get(OIDC_DONE, way_in(self.oidc_done)))
        return found

    # --- the ways ---------------------------------------------------------------------------

    async def choices(self, request: web.Request) -> web.Response:
        """The page with all ways to sign in."""
        path = onward.safe(request.query.get("next"))
        if await self._guard.visit(request) is not None:
            raise web.HTTPSeeOther(path)
        return self._choices(request, path)

    async def account(self, request: web.Request) -> web.Response:
        """A name and a password were sent."""
        form = await request.post()
        path = onward.safe(str(form.get("next", "")))
        token, kept = str(form.get("token", "")), request.cookies.get(FORM_COOKIE, "")
        if not is_own(request) or not kept or not hmac.compare_digest(_raw(token), _raw(kept)):
            problem = (
                "This form is out of date, or your browser keeps no cookies from this portal. "
                "Sign in again"
            )
            return self._choices(request, path, problem=problem, status=403)
        typed = str(form.get("name", ""))
        password = str(form.get("password", ""))
        if not typed.strip() or not password:
            field = "name" if not typed.strip() else "password"
            problem = f"Enter your {field}"
            return self._choices(request, path, problem=problem, field=field, status=400)
        found = await by_password(self._services, request, typed, password)
        if isinstance(found, Unproven):
            return self._choices(
                request, path, problem=found.words, field="name", status=found.status
            )
        return await self._begin(request, found, "accounts", path)

    async def kerberos(self, request: web.Request) -> web.Response:
        """Single sign-on. Only here does the portal ask the browser for a ticket."""
        path = onward.safe(request.query.get("next"))
        if request.headers.get("Sec-Fetch-Dest", "document") != "document":
            # Not a person's doing: another site's picture or frame.
            raise web.HTTPForbidden
        if not has_ticket(request):
            # 401 with a page that is seen only where the browser has no ticket to answer with.
            problem = "Your browser did not sign you in by itself"
            answer = self._choices(request, path, problem=problem, status=401, no_ticket=True)
            answer.headers[hdrs.WWW_AUTHENTICATE] = "Negotiate"
            return answer
        proof = await by_ticket(self._services, request)
        if isinstance(proof, Unproven):
            return self._choices(
                request, path, problem=proof.words, status=proof.status, no_ticket=True
            )
        answer = await self._begin(request, proof.name, "kerberos", path)
        answer.headers.update(answer_of(proof))
        return answer

    async def oidc(self, request: web.Request) -> web.Response:
        """Off to the sign-in service."""
        return await self.to_provider(request, onward.safe(request.query.get("next")), again=False)

    async def to_provider(self, request: web.Request, path: str, *, again: bool) -> web.Response:
        """Send the browser to the sign-in service.

        Args:
            request: the browser's.
            path: where it goes afterwards.
            again: whether the person must prove anew who they are.
        """
        provider, base = self._services.provider, base_url(request)
        assert provider is not None
        if base is None:
            raise web.HTTPBadRequest
        try:
            url, pending = await provider.begin(base + OIDC_DONE, again=again, onward=path)
        except OidcUnavailableError as problem:
            return self._choices(request, path, problem=str(problem), status=503)
        answer = web.Response(status=303, headers={hdrs.LOCATION: url})
        set_cookie(answer, PENDING_COOKIE, pending.as_cookie(), max_age=PENDING_FOR)
        return answer

    async def oidc_done(self, request: web.Request) -> web.Response:
        """Back from the sign-in service."""
        provider, base = self._services.provider, base_url(request)
        assert provider is not None
        if base is None:
            raise web.HTTPBadRequest
        if came_from_elsewhere(request):
            # The browser keeps strict cookies back on the way from another site; from a page of
            # ours it sends them.
            return self._services.answers.show(
                "onward.html", title="One moment", onward=request.path_qs
            )
        pending = Pending.from_cookie(request.cookies.get(PENDING_COOKIE))
        path = onward.safe(pending.onward if pending else None)
        try:
            name = await provider.finish(request.query, pending, base + OIDC_DONE)
        except OidcError as problem:
            _LOG.warning("sign-in by oidc from %s: %s", client_address(request), problem)
            status = 503 if isinstance(problem, OidcUnavailableError) else 403
            answer = self._choices(request, path, problem=str(problem), status=status)
        else:
            if pending is not None and pending.again:
                answer = await self.proven_again(request, name, "oidc", path)
            else:
                answer = await self._begin(request, name, "oidc", path)
        drop_cookie(answer, PENDING_COOKIE)
        return answer

    # --- the session ------------------------------------------------------------------------

    async def sign_out(self, request: web.Request, visit: Visit) -> web.Response:
        """End this session."""
        del request
        await self._services.threads.run(self._services.sessions.end, visit.session_id)
        return _signed_out()

    async def sign_out_everywhere(self, request: web.Request, visit: Visit) -> web.Response:
        """End all sessions of this person."""
        del request
        await self._services.threads.run(self._services.sessions.end_all, visit.someone.name)
        _LOG.info("all sessions of %s ended by themselves", visit.someone.name)
        return _signed_out()

    async def signed_out(self, request: web.Request) -> web.Response:
        """What is seen after signing out."""
        del request
        return self._services.answers.show("signed-out.html", title="You are signed out")

    async def proven_again(
        self, request: web.Request, name: str, how: str, path: str
    ) -> web.Response:
        """Somebody signed in has proven anew who they are; the session's id changes.

        Args:
            request: the browser's.
            name: the name that was proven now.
            how: the way.
            path: where they go.
        """
        visit = await self._guard.visit(request)
        if visit is None:
            # The session ended meanwhile; this proof is as good as any for a new one.
            return await self._begin(request, name, how, path)
        if visit.someone.name != name:
            _LOG.warning("%s confirmed as somebody else", visit.someone.name)
            return self._services.answers.show(
                "problem.html",
                status=403,
                visit=visit,
                title="That was somebody else",
                text="You confirmed as another person than the one who is signed in here. Nothing "
                "was changed. Sign out first if you want to go on as that person.",
            )
        sessions = self._services.sessions
        renewed = await self._services.threads.run(sessions.prove_again, visit.session_id, how)
        if renewed is None:
            return await self._begin(request, name, how, path)
        answer = web.Response(status=303, headers={hdrs.LOCATION: path})
        set_cookie(answer, SESSION_COOKIE, renewed[0])
        return answer

    async def _begin(self, request: web.Request, name: str, how: str, path: str) -> web.Response:
        someone = await self._services.people.someone(name)
        if someone is None:
            _LOG.warning("sign-in by %s from %s: not known here", how, client_address(request))
            return self._services.answers.problem(
                403,
                "You have proven who you are, but the directory does not know your name, or does "
                "not answer just now. Try again in a few minutes; if it stays like this, ask for "
                "your account to be looked at.",
                title="The portal does not know you",
            )
        session_id, _ = await self._services.threads.run(
            self._services.sessions.begin,
            name,
            how,
            instead_of=request.cookies.get(SESSION_COOKIE),
        )
        _LOG.info("sign-in by %s from %s: %s", how, client_address(request), name)
        answer = web.Response(status=303, headers={hdrs.LOCATION: path})
        set_cookie(answer, SESSION_COOKIE, session_id)
        drop_cookie(answer, FORM_COOKIE)
        return answer

    # --- inside -----------------------------------------------------------------------------

    def _choices(
        self,
        request: web.Request,
        path: str,
        *,
        problem: str | None = None,
        field: str | None = None,
        status: int = 200,
        no_ticket: bool = False,
    ) -> web.Response:
        token = request.cookies.get(FORM_COOKIE, "")
        fresh = len(token) != 43
        if fresh:
            token = secrets.token_urlsafe(32)
        answer = self._services.answers.show(
            "sign-in.html",
            status=status,
            forms=True,
            title="Sign in",
            ways=self._ways,
            kerberos_url=onward.with_next("/sign-in/kerberos", path),
            oidc_url=onward.with_next("/sign-in/oidc", path),
            onward=path,
            token=token,
            problems=[(field, problem)] if problem else [],
            no_ticket=no_ticket,
        )
        if fresh and "accounts" in self._ways:
            set_cookie(answer, FORM_COOKIE, token)
        return answer


def _signed_out() -> web.Response:
    answer = web.Response(status=303, headers={hdrs.LOCATION: "/signed-out"})
    drop_cookie(answer, SESSION_COOKIE)
    return answer


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
